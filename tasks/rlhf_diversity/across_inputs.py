"""AID: diversity over the first answers to all prompts (Kirk et al.)."""

from collections.abc import Sequence
from itertools import groupby
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from evalsuite.measures import MeasureRow, PooledMeasure
from evalsuite.metrics import (
    averaged_distinct,
    expectation_adjusted_distinct,
    leave_one_out_mean_pairwise_cosine_distance,
    leave_one_out_ngram_diversity,
    mean_pairwise_cosine_distance,
)
from evalsuite_tasks.rlhf_diversity.answers import Answers

if TYPE_CHECKING:
    from evalsuite_tasks.rlhf_diversity.task import RlhfDiversityOptions

NAMES = ("across_input_sbert", "across_input_ead", "across_input_distinct")


def across_input_measures(
    prompts: Sequence[Answers], options: "RlhfDiversityOptions"
) -> list[PooledMeasure]:
    """Pool the first usable answer of every prompt; average over replicates.

    Deviation: the reference code takes answer 1 even where it is blank; here the first that is not.
    """
    replicates = sorted(prompts, key=lambda own: own.replicate)
    pools = [list(own) for _, own in groupby(replicates, key=lambda own: own.replicate)]
    filled = [[own for own in pool if own.texts] for pool in pools]
    clusters = sorted({own.unit.cluster for own in prompts})
    n = len(pools[0])
    n_missing = n - min(len(pool) for pool in filled)
    if min(len(pool) for pool in filled) < 2:
        return [
            PooledMeasure(name, None, _rows(clusters), n - n_missing, n_missing) for name in NAMES
        ]
    values = np.mean([_values(pool, options) for pool in filled], axis=0)
    left_out = np.mean([_left_out(pool, clusters, options) for pool in filled], axis=0)
    return [
        PooledMeasure(
            name, float(values[i]), _rows(clusters, left_out[i]), n - n_missing, n_missing
        )
        for i, name in enumerate(NAMES)
    ]


def _rows(
    clusters: Sequence[str], values: NDArray[np.float64] | None = None
) -> tuple[MeasureRow, ...]:
    found = [None] * len(clusters) if values is None else values.tolist()
    return tuple(
        MeasureRow(unit=c, cluster=c, stratum="", replicate=0, value=v)
        for c, v in zip(clusters, found, strict=True)
    )


def _values(pool: Sequence[Answers], options: "RlhfDiversityOptions") -> list[float]:
    texts = [own.texts[0] for own in pool]
    return [
        mean_pairwise_cosine_distance(np.stack([own.vectors[0] for own in pool])),
        expectation_adjusted_distinct(
            texts, max_order=options.max_order, vocab_size=options.vocab_size
        ),
        averaged_distinct(texts, max_order=options.max_order),
    ]


def _left_out(
    pool: Sequence[Answers], clusters: Sequence[str], options: "RlhfDiversityOptions"
) -> NDArray[np.float64]:
    """The three values with each cluster left out, of shape (3, number of clusters)."""
    groups = [[own for own in pool if own.unit.cluster == cluster] for cluster in clusters]
    ngrams = leave_one_out_ngram_diversity(
        [[own.texts[0] for own in group] for group in groups],
        max_order=options.max_order,
        vocab_size=options.vocab_size,
    )
    vectors = np.stack([own.vectors[0] for own in pool])
    order = {own.unit.cluster: None for own in pool}
    sbert = dict(
        zip(
            order,
            leave_one_out_mean_pairwise_cosine_distance(
                vectors, groups=[own.unit.cluster for own in pool]
            ).tolist(),
            strict=True,
        )
    )
    # A cluster without an answer in this replicate takes nothing away.
    whole = mean_pairwise_cosine_distance(vectors)
    return np.array(
        [
            [sbert.get(cluster, whole) for cluster in clusters],
            ngrams.averaged_expectation_adjusted,
            ngrams.averaged_distinct,
        ]
    )
