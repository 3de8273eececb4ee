"""PID: diversity within the answers to one prompt, averaged over prompts (Kirk et al.)."""

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import numpy as np

from evalsuite.measures import MeanMeasure, Measure, MeasureRow
from evalsuite.metrics import (
    averaged_distinct,
    distinct_n,
    expectation_adjusted_distinct,
    mean_pairwise_cosine_distance,
    share_of_empty_orders,
    vendi_score,
)
from evalsuite_tasks.rlhf_diversity.answers import Answers

if TYPE_CHECKING:
    from evalsuite_tasks.rlhf_diversity.task import RlhfDiversityOptions

Score = Callable[[Answers], float | None]


def per_input_measures(
    prompts: Sequence[Answers], options: "RlhfDiversityOptions"
) -> list[Measure]:
    """Score every prompt by itself; one with fewer than two usable answers is missing."""

    def ead(own: Answers) -> float | None:
        return _ead(own, own.words, options)

    def matched(own: Answers) -> float | None:
        return _ead(own, [words[: options.matched_length] for words in own.words], options)

    def distinct(own: Answers) -> float | None:
        return averaged_distinct(own.words, max_order=options.max_order)

    def empty(own: Answers) -> float | None:
        return share_of_empty_orders(own.words, max_order=options.max_order)

    def order(n: int) -> Score:
        return lambda own: distinct_n(own.words, n=n)

    scores: dict[str, Score] = {
        "per_input_ead": ead,
        "per_input_ead_matched": matched,
        "per_input_distinct": distinct,
        **{f"per_input_distinct_{n}": order(n) for n in (1, 2, 3)},
        "empty_order_rate": empty,
    }
    return [
        MeanMeasure("per_input_sbert", tuple(_sbert_row(own) for own in prompts)),
        MeanMeasure("per_input_vendi", tuple(_vendi_row(own) for own in prompts)),
        *(
            MeanMeasure(name, tuple(_pairwise_row(own, score) for own in prompts))
            for name, score in scores.items()
        ),
        MeanMeasure("per_input_mean_length", tuple(_length_row(own) for own in prompts)),
    ]


def _ead(
    own: Answers, words: Sequence[Sequence[str | int]], options: "RlhfDiversityOptions"
) -> float:
    return expectation_adjusted_distinct(
        words,
        max_order=options.max_order,
        vocab_size=own.vocab_size,
        clip=options.clip,
        skip_empty_orders=options.skip_empty_orders,
    )


def _vendi_row(own: Answers) -> MeasureRow:
    n = len(own.vectors)
    value = vendi_score(own.vectors) if n >= 2 else None
    return row_of(own, value, is_partial=n < own.n_asked)


def _pairwise_row(own: Answers, score: Score) -> MeasureRow:
    value = score(own) if len(own.texts) >= 2 else None
    return row_of(own, value, is_partial=len(own.texts) < own.n_asked)


def _sbert_row(own: Answers) -> MeasureRow:
    n = len(own.vectors)
    value = mean_pairwise_cosine_distance(own.vectors) if n >= 2 else None
    return mean_over_pairs(own, value, n_known=n, ends=(0.0, 2.0))


def _length_row(own: Answers) -> MeasureRow:
    value = float(np.mean(own.lengths)) if own.lengths else None
    return row_of(own, value, is_partial=len(own.lengths) < own.n_asked)


def mean_over_pairs(
    own: Answers, value: float | None, *, n_known: int, ends: tuple[float, float]
) -> MeasureRow:
    """A mean over the pairs of ``n_known`` answers: each pair with a lost one may lie anywhere."""
    if value is None:
        return row_of(own, None, is_partial=True)
    known = n_known * (n_known - 1) / (own.n_asked * (own.n_asked - 1))
    low, high = (known * value + (1 - known) * end for end in ends)
    return row_of(own, value, is_partial=n_known < own.n_asked, low=low, high=high)


def row_of(
    own: Answers,
    value: float | None,
    *,
    is_partial: bool,
    low: float | None = None,
    high: float | None = None,
) -> MeasureRow:
    """The row of one prompt's value."""
    return MeasureRow(
        unit=own.unit.id,
        cluster=own.unit.cluster,
        stratum=own.unit.stratum,
        replicate=own.replicate,
        value=value,
        is_partial=is_partial,
        low=low,
        high=high,
    )
