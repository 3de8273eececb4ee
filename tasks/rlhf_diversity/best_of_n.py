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
    best_of_n_pairs,
    expectation_adjusted_distinct,
)
from evalsuite_tasks.rlhf_diversity.answers import Answers, Words
from evalsuite_tasks.rlhf_diversity.per_input import row_of

if TYPE_CHECKING:
    from evalsuite_tasks.rlhf_diversity.task import RlhfDiversityOptions

Score = Callable[[Answers, NDArray[np.int64]], float]
"""Of the answers to a prompt and the places, among the rated ones, of those that were shown."""


N_PAIRS = 200
"""Pairs drawn for each prompt, so that their chance adds little to that of the answers."""


def best_of_n_measures(
    prompts: Sequence[Answers], options: "RlhfDiversityOptions"
) -> list[MeanMeasure]:
    """Draw N of the pool, show the best, and again.

    The distance is taken over pairs from N answers of their own each, so that it is that of the
    policy whatever the pool. N-grams are those of as many draws as the pool has answers (the
    published simulation); these share the pool, so that a prompt is missing where answers lack a
    rating: a smaller pool repeats more.
    """

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

    n = options.best_of
    scores: dict[str, Score] = {"best_of_n_ead": ead, "best_of_n_distinct": distinct}
    shown = [_shown(own, n) for own in prompts]
    return [
        MeanMeasure("best_of_n_sbert", tuple(_row(own, _distance(own, n)) for own in prompts)),
        *(
            MeanMeasure(
                name,
                tuple(
                    _row(own, None if s is None else score(own, s))
                    for own, s in zip(prompts, shown, strict=True)
                ),
            )
            for name, score in scores.items()
        ),
    ]


def _stream(own: Answers, n: int) -> np.random.Generator:
    place = f"best of n {own.unit.id} {own.replicate}"
    return np.random.default_rng([n, zlib.crc32(place.encode())])


def _distance(own: Answers, n: int) -> float | None:
    """Mean cosine distance of two answers of the policy; needs 2 N rated answers."""
    vectors, ratings, _ = own.rated
    if len(ratings) < 2 * n:
        return None
    pairs = best_of_n_pairs(ratings, n=n, repeats=N_PAIRS, rng=_stream(own, n))
    rows = vectors.astype(np.float64)
    rows /= np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1e-12)
    return float(1.0 - np.einsum("ij,ij->i", rows[pairs[:, 0]], rows[pairs[:, 1]]).mean())


def _shown(own: Answers, n: int) -> NDArray[np.int64] | None:
    ratings = own.rated[1]
    if len(ratings) < own.n_asked or len(ratings) < 2 * n:
        return None
    return best_of_n_draws(ratings, n=n, repeats=own.n_asked, rng=_stream(own, n))


def _words(own: Answers, shown: NDArray[np.int64]) -> list[Words]:
    places = own.rated[2]
    return [own.words[places[i]] for i in shown]


def _row(own: Answers, value: float | None) -> MeasureRow:
    return row_of(own, value, is_partial=len(own.rated[1]) < own.n_asked)
