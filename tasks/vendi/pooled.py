"""Diversity over the answers to all prompts, and how much of it the prompts explain."""

import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from evalsuite.measures import FeatureSet, KernelMeasure, Measure, MeasureRow, PooledMeasure
from evalsuite.metrics.vendi import (
    EXACT_WORK,
    conditional_vendi_scores,
    feature_spectrum,
    left_out_vendi_scores,
    scendi_score,
    truncated_vendi_scores,
)
from evalsuite_tasks.vendi.answers import Answers, Features
from evalsuite_tasks.vendi.measures import ORDERS

if TYPE_CHECKING:
    from evalsuite_tasks.vendi.task import VendiOptions

MAX_CONDITIONAL = 4_000
"""Most answers whose joint kernel with their prompts is made: an explicit matrix."""

MIN_PER_DIRECTION = 10
"""Fewer answers for each direction of the prompts' features leave scendi far too low."""

N_GROUPS = 20
"""Clusters are left out in so many groups where each costs a whole computation."""

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Pool:
    """The usable answers of one replicate.

    Parameters
    ----------
    features, prompts : arrays of shape (n, d)
    clusters : sequence of n str
    """

    features: Features
    prompts: Features
    clusters: NDArray[np.object_]

    def __len__(self) -> int:
        return len(self.clusters)

    def where(self, kept: NDArray[np.bool_]) -> "Pool":
        """The answers that are marked."""
        return Pool(self.features[kept], self.prompts[kept], self.clusters[kept])


def pooled_measures(prompts: Sequence[Answers], options: "VendiOptions") -> list[Measure]:
    """Scores of all answers; every replicate is a pool of its own, and pools are averaged."""
    counts = _Counts.of(prompts)
    pools = _pools(prompts)
    is_enough = all(len(set(pool.clusters)) > 1 for pool in pools) and bool(pools)
    measures: list[Measure] = [_unbiased(prompts)]
    measures += _plain(pools if is_enough else [], counts)
    measures += _costly(pools if is_enough else [], counts, options)
    return measures


@dataclass(frozen=True)
class _Counts:
    clusters: tuple[str, ...]
    n: int
    n_missing: int

    @classmethod
    def of(cls, prompts: Sequence[Answers]) -> "_Counts":
        n = sum(len(own.features) for own in prompts)
        asked = sum(own.n_asked for own in prompts)
        return cls(tuple(sorted({own.unit.cluster for own in prompts})), n, asked - n)


def _pools(prompts: Sequence[Answers]) -> list[Pool]:
    found = []
    for replicate in sorted({own.replicate for own in prompts}):
        own = [a for a in prompts if a.replicate == replicate and len(a.features)]
        if own:
            clusters = [a.unit.cluster for a in own for _ in range(len(a.features))]
            features, asked = (
                np.concatenate([getattr(a, name) for a in own]) for name in ("features", "prompts")
            )
            found.append(Pool(features, asked, np.array(clusters, dtype=object)))
    return found


def _unbiased(prompts: Sequence[Answers]) -> KernelMeasure:
    sets = tuple(
        FeatureSet(
            own.unit.id,
            own.unit.cluster,
            own.unit.stratum,
            own.replicate,
            own.features,
            own.n_asked,
        )
        for own in prompts
    )
    return KernelMeasure("pooled_vendi_2u", sets, order=2, scope="pooled")


def _plain(pools: Sequence[Pool], counts: _Counts) -> list[Measure]:
    """Every order, with each cluster left out."""
    orders = tuple(ORDERS.values())
    wholes, lefts, facts = [], [], {}
    names, groups = counts.clusters, {name: name for name in counts.clusters}
    if any(_is_costly(pool, len(names)) for pool in pools):
        # Left out to first order only, intervals of small orders would be too narrow.
        numbers = _groups(names)
        groups = {name: f"group {number + 1}" for name, number in numbers.items()}
        names = tuple(f"group {number + 1}" for number in range(max(numbers.values()) + 1))
    for pool in pools:
        own = [groups[cluster] for cluster in pool.clusters]
        found = left_out_vendi_scores(pool.features, clusters=own, orders=orders, exact=True)
        left = dict(zip(dict.fromkeys(own), found.left_out, strict=True))
        wholes.append(found.whole)
        # A cluster without an answer in this replicate takes nothing away.
        lefts.append(np.array([left.get(name, found.whole) for name in names]))
    if pools:
        spectrum = feature_spectrum(pools[0].features)
        facts = {
            "answers": float(len(pools[0])),
            "dimensions": float(pools[0].features.shape[1]),
            "rank": float(spectrum.rank),
            "eigenvalue_tolerance": float(spectrum.tolerance),
            "smallest_eigenvalue": float(spectrum.smallest),
        }
    return [
        _measure(
            f"pooled_vendi_{end}",
            [float(whole[i]) for whole in wholes],
            [left[:, i] for left in lefts],
            names,
            counts,
            facts=facts,
        )
        for i, end in enumerate(ORDERS)
    ]


def _is_costly(pool: Pool, n_clusters: int) -> bool:
    """Whether leaving every cluster out by itself would take more than some seconds."""
    return n_clusters * min(pool.features.shape) ** 3 > EXACT_WORK


def _costly(pools: Sequence[Pool], counts: _Counts, options: "VendiOptions") -> list[Measure]:
    """Statistics whose every computation takes long: clusters are left out in groups."""
    groups = _groups(counts.clusters)
    names = tuple(f"group {number}" for number in range(1, max(groups.values(), default=0) + 2))
    wholes: dict[str, list[float]] = {}
    lefts: dict[str, list[Floats]] = {}
    for pool in pools:
        number = np.array([groups[c] for c in pool.clusters])
        whole = _statistics(pool, options)
        left = [_statistics(pool.where(number != g), options) for g in range(len(names))]
        for name, value in whole.items():
            wholes.setdefault(name, []).append(value)
            lefts.setdefault(name, []).append(np.array([own[name] for own in left]))
    n = max((len(pool) for pool in pools), default=0)
    too_many = f"too many answers: {n:,}, the joint kernel is made of {MAX_CONDITIONAL:,} at most"
    return [
        _measure(
            name,
            wholes.get(name, []),
            lefts.get(name, []),
            names,
            counts,
            notes=(too_many,) if n > MAX_CONDITIONAL and name not in wholes else _few(name, pools),
            facts=_facts(name, pools, options),
        )
        for name in ("pooled_vendi_truncated", "conditional_vendi", "information_vendi", "scendi")
    ]


def _few(name: str, pools: Sequence[Pool]) -> tuple[str, ...]:
    """What a reader must know of scendi, a fit of the answers to their prompts."""
    if name != "scendi" or not pools:
        return ()
    found = scendi_score(pools[0].features, pools[0].prompts)
    ratio = len(pools[0]) / max(found.prompt_rank, 1)
    if ratio >= MIN_PER_DIRECTION:
        return found.warnings
    return (
        *found.warnings,
        f"few answers: {ratio:.2g} for each direction of the prompts, of which chance alone "
        f"explains a part; below {MIN_PER_DIRECTION} the score is too low",
    )


def _facts(name: str, pools: Sequence[Pool], options: "VendiOptions") -> dict[str, float]:
    if name.endswith("truncated"):
        return {"truncated_to": float(options.truncate)}
    if name == "scendi" and pools:
        found = scendi_score(pools[0].features, pools[0].prompts)
        return {
            "answers": float(len(pools[0])),
            "prompt_rank": float(found.prompt_rank),
            "prompt_mass": float(found.prompt_mass),
        }
    return {}


def _statistics(pool: Pool, options: "VendiOptions") -> Mapping[str, float]:
    truncated = truncated_vendi_scores(pool.features, t=options.truncate, orders=(1,))
    found = {
        "pooled_vendi_truncated": float(truncated.values[0]),
        "scendi": scendi_score(pool.features, pool.prompts).score,
    }
    if len(pool) <= MAX_CONDITIONAL:
        both = conditional_vendi_scores(pool.features, pool.prompts, orders=(1,))
        found["conditional_vendi"] = float(both.conditional[0])
        found["information_vendi"] = float(both.information[0])
    return found


def _groups(clusters: Sequence[str]) -> dict[str, int]:
    """A group for each cluster, by chance but always the same: in the order of their checksums."""
    ordered = sorted(clusters, key=lambda name: (zlib.crc32(name.encode()), name))
    n_groups = min(N_GROUPS, len(ordered))
    return {name: place * n_groups // len(ordered) for place, name in enumerate(ordered)}


def _measure(
    name: str,
    wholes: Sequence[float],
    lefts: Sequence[Floats],
    clusters: Sequence[str],
    counts: _Counts,
    *,
    notes: tuple[str, ...] = (),
    facts: dict[str, float] | None = None,
) -> PooledMeasure:
    """A pooled statistic, averaged over replicates."""
    value = float(np.mean(wholes)) if wholes else None
    left = np.mean(lefts, axis=0).tolist() if lefts else [None] * len(clusters)
    rows = tuple(
        MeasureRow(unit=c, cluster=c, stratum="", replicate=0, value=v)
        for c, v in zip(clusters, left, strict=True)
    )
    return PooledMeasure(
        name, value, rows, counts.n, counts.n_missing, notes, facts if facts and wholes else {}
    )
