"""AID: diversity over the first answers to all prompts (Kirk et al.)."""

from collections.abc import Callable, Sequence
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
from evalsuite_tasks.rlhf_diversity.answers import Answers, Words

if TYPE_CHECKING:
    from evalsuite_tasks.rlhf_diversity.task import RlhfDiversityOptions

Pool = Sequence[Answers]
Diversity = Callable[[Pool], float]
LeaveOut = Callable[[Pool, Sequence[str]], NDArray[np.float64]]
"""The diversity of a pool without each of some clusters."""


def across_input_measures(
    prompts: Sequence[Answers], options: "RlhfDiversityOptions"
) -> list[PooledMeasure]:
    """Pool the first usable answer of every prompt; average over replicates.

    Deviation: the reference code takes answer 1 whatever it is; here the first one that came and is
    not blank stands for its prompt, and a note counts the prompts where that is another one.
    """
    orders, size = options.max_order, next((own.vocab_size for own in prompts), 2)

    def ead(pool: Pool) -> float:
        return expectation_adjusted_distinct(
            _words(pool), max_order=orders, vocab_size=size, clip=options.clip,
            skip_empty_orders=options.skip_empty_orders,
        )  # fmt: skip

    def distinct(pool: Pool) -> float:
        return averaged_distinct(_words(pool), max_order=orders)

    def ead_without(pool: Pool, clusters: Sequence[str]) -> NDArray[np.float64]:
        left = leave_one_out_ngram_diversity(
            _grouped(pool, clusters), max_order=orders, vocab_size=size, clip=options.clip,
            skip_empty_orders=options.skip_empty_orders,
        )  # fmt: skip
        return left.averaged_expectation_adjusted

    def distinct_without(pool: Pool, clusters: Sequence[str]) -> NDArray[np.float64]:
        groups = _grouped(pool, clusters)
        return leave_one_out_ngram_diversity(groups, max_order=orders).averaged_distinct

    written = [own for own in prompts if own.texts]
    embedded = [own for own in prompts if len(own.vectors)]
    return [
        _pooled("across_input_sbert", prompts, embedded, _sbert, _sbert_without, _has_first_vector),
        _pooled("across_input_ead", prompts, written, ead, ead_without, _has_first_text),
        _pooled(
            "across_input_distinct", prompts, written, distinct, distinct_without, _has_first_text
        ),
    ]


def _pooled(
    name: str,
    prompts: Sequence[Answers],
    usable: Sequence[Answers],
    d: Diversity,
    without: LeaveOut,
    is_first: Callable[[Answers], bool],
) -> PooledMeasure:
    clusters = sorted({own.unit.cluster for own in prompts})
    n = len({own.unit.id for own in prompts})
    replicates = sorted({own.replicate for own in prompts})
    by_replicate = {
        replicate: list(pool)
        for replicate, pool in groupby(
            sorted(usable, key=lambda own: own.replicate), key=lambda own: own.replicate
        )
    }
    pools = [by_replicate.get(replicate, []) for replicate in replicates]
    n_usable = min(len(pool) for pool in pools)
    value, left_out = None, [None] * len(clusters)
    if n_usable >= 2:
        value = float(np.mean([d(pool) for pool in pools]))
        left_out = np.mean([without(pool, clusters) for pool in pools], axis=0).tolist()
    rows = tuple(
        MeasureRow(unit=c, cluster=c, stratum="", replicate=0, value=v)
        for c, v in zip(clusters, left_out, strict=True)
    )
    n_later = sum(not is_first(own) for own in usable)
    return PooledMeasure(name, value, rows, n_usable, n - n_usable, _notes(n_later))


def _has_first_text(own: Answers) -> bool:
    return own.is_first_usable


def _has_first_vector(own: Answers) -> bool:
    return own.is_first_usable and own.embedded[0] == 0


def _notes(n_later: int) -> tuple[str, ...]:
    if not n_later:
        return ()
    return (f"later answers: {n_later} first answers did not come or are blank, the next stand in",)


def _words(pool: Pool) -> list[Words]:
    return [own.words[0] for own in pool]


def _vectors(pool: Pool) -> NDArray[np.float32]:
    return np.stack([own.vectors[0] for own in pool])


def _grouped(pool: Pool, clusters: Sequence[str]) -> list[list[Words]]:
    by_cluster: dict[str, list[Words]] = {cluster: [] for cluster in clusters}
    for own in pool:
        by_cluster[own.unit.cluster].append(own.words[0])
    return list(by_cluster.values())


def _sbert(pool: Pool) -> float:
    return mean_pairwise_cosine_distance(_vectors(pool))


def _sbert_without(pool: Pool, clusters: Sequence[str]) -> NDArray[np.float64]:
    own = [answers.unit.cluster for answers in pool]
    left = leave_one_out_mean_pairwise_cosine_distance(_vectors(pool), groups=own)
    found = dict(zip(dict.fromkeys(own), left.tolist(), strict=True))
    # A cluster without an answer in this replicate takes nothing away.
    return np.array([found.get(cluster, _sbert(pool)) for cluster in clusters])
