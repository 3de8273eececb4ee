"""PID: diversity within the answers to one prompt, averaged over prompts (Kirk et al.)."""

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import numpy as np

from evalsuite.measures import MeanMeasure, MeasureRow
from evalsuite.metrics import (
    averaged_distinct,
    distinct_n,
    expectation_adjusted_distinct,
    mean_pairwise_cosine_distance,
)
from evalsuite_tasks.rlhf_diversity.answers import Answers

if TYPE_CHECKING:
    from evalsuite_tasks.rlhf_diversity.task import RlhfDiversityOptions

Score = Callable[[Answers], float | None]


def per_input_measures(
    prompts: Sequence[Answers], options: "RlhfDiversityOptions"
) -> list[MeanMeasure]:
    """Score every prompt by itself; one with fewer than two usable answers is missing."""

    def ead(own: Answers) -> float | None:
        return expectation_adjusted_distinct(
            own.texts, max_order=options.max_order, vocab_size=options.vocab_size
        )

    def distinct(own: Answers) -> float | None:
        return averaged_distinct(own.texts, max_order=options.max_order)

    def order(n: int) -> Score:
        return lambda own: distinct_n(own.texts, n=n)

    scores: dict[str, Score] = {
        "per_input_ead": ead,
        "per_input_distinct": distinct,
        **{f"per_input_distinct_{n}": order(n) for n in (1, 2, 3)},
    }
    return [
        MeanMeasure("per_input_sbert", tuple(_sbert_row(own) for own in prompts)),
        *(
            MeanMeasure(name, tuple(_pairwise_row(own, score) for own in prompts))
            for name, score in scores.items()
        ),
        MeanMeasure("per_input_mean_length", tuple(_length_row(own) for own in prompts)),
    ]


def _pairwise_row(own: Answers, score: Score) -> MeasureRow:
    value = score(own) if len(own.texts) >= 2 else None
    return _row(own, value, is_partial=len(own.texts) < own.n_asked)


def _sbert_row(own: Answers) -> MeasureRow:
    n = len(own.vectors)
    if n < 2:
        return _row(own, None, is_partial=True)
    value = mean_pairwise_cosine_distance(own.vectors)
    # Pairs with a lost answer lie between 0 and 2, all others are known.
    known = n * (n - 1) / (own.n_asked * (own.n_asked - 1))
    low, high = known * value, known * value + (1 - known) * 2
    return _row(own, value, is_partial=n < own.n_asked, low=low, high=high)


def _length_row(own: Answers) -> MeasureRow:
    value = float(np.mean(own.lengths)) if own.lengths else None
    return _row(own, value, is_partial=len(own.lengths) < own.n_asked)


def _row(
    own: Answers,
    value: float | None,
    *,
    is_partial: bool,
    low: float | None = None,
    high: float | None = None,
) -> MeasureRow:
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
