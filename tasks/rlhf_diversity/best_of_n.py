"""Best-of-N: the diversity of a policy that shows the best rated of N answers, simulated."""

import zlib
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from evalsuite.measures import MeanMeasure, MeasureRow
from evalsuite.metrics import (
    averaged_distinct,
    best_of_n_draws,
    expectation_adjusted_distinct,
    mean_pairwise_cosine_distance,
)
from evalsuite_tasks.rlhf_diversity.answers import Answers
from evalsuite_tasks.rlhf_diversity.per_input import row_of

if TYPE_CHECKING:
    from evalsuite_tasks.rlhf_diversity.task import RlhfDiversityOptions

Score = Callable[[Answers, NDArray[np.int64]], float]
"""Of the answers to a prompt and the places, among the rated ones, of those that were shown."""


def best_of_n_measures(
    prompts: Sequence[Answers], options: "RlhfDiversityOptions"
) -> list[MeanMeasure]:
    """Draw N of the pool, show the best, and again, as often as the pool has answers.

    The draws of a prompt share its pool, so that they repeat answers more often than the policy
    itself would: the wider the pool, the less (the published simulation has 32 for N = 16).
    """

    def sbert(own: Answers, shown: NDArray[np.int64]) -> float:
        return mean_pairwise_cosine_distance(own.rated[0][shown])

    def ead(own: Answers, shown: NDArray[np.int64]) -> float:
        return expectation_adjusted_distinct(
            _words(own, shown),
            max_order=options.max_order,
            vocab_size=own.vocab_size,
            clip=options.clip,
            skip_empty_orders=options.skip_empty_orders,
        )

    def distinct(own: Answers, shown: NDArray[np.int64]) -> float:
        return averaged_distinct(_words(own, shown), max_order=options.max_order)

    scores: dict[str, Score] = {
        "best_of_n_sbert": sbert,
        "best_of_n_ead": ead,
        "best_of_n_distinct": distinct,
    }
    shown = [_shown(own, options) for own in prompts]
    return [
        MeanMeasure(name, tuple(_row(own, s, score) for own, s in zip(prompts, shown, strict=True)))
        for name, score in scores.items()
    ]


def _shown(own: Answers, options: "RlhfDiversityOptions") -> NDArray[np.int64] | None:
    ratings = own.rated[1]
    if len(ratings) < max(options.best_of, 2):
        return None
    place = f"best of n {own.unit.id} {own.replicate}"
    rng = np.random.default_rng([options.best_of, zlib.crc32(place.encode())])
    return best_of_n_draws(ratings, n=options.best_of, repeats=own.n_asked, rng=rng)


def _words(own: Answers, shown: NDArray[np.int64]) -> list[Sequence[str] | Sequence[int]]:
    places = own.rated[2]
    return [own.words[places[i]] for i in shown]


def _row(own: Answers, shown: NDArray[np.int64] | None, score: Score) -> MeasureRow:
    value = None if shown is None else score(own, shown)
    return row_of(own, value, is_partial=len(own.rated[1]) < own.n_asked)
