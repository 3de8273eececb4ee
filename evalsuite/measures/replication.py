"""What the seed adds to the uncertainty of a measure that was run with several."""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from evalsuite.measures.unit_scores import UnitScores
from evalsuite.stats import Estimate
from evalsuite.stats.replicates import replicate_interval


@dataclass(frozen=True)
class SeedVariance:
    """An estimate that holds for other seeds too, and what the seed adds to its variance."""

    estimate: Estimate
    variance: float | None
    share: float | None


def with_seed_variance(estimate: Estimate, scores: UnitScores) -> SeedVariance:
    """Widen an estimate of several replicates by the variance between their seeds.

    The two-way model is taken over units that every replicate has (`replicate_interval`). The
    estimate keeps its value, of all units; where seeds do add something, its interval is the t
    interval of the total variance, if that is the wider one.
    """
    replicates = np.unique(scores.replicate)
    if replicates.size < 2:
        return SeedVariance(estimate, None, None)
    matrix, clusters = _unit_by_replicate(scores, replicates)
    found = replicate_interval(matrix, clusters=clusters, level=estimate.level)
    notes = tuple(
        w for w in found.estimate.warnings if w.startswith(("few replicates", "incomplete units"))
    )
    estimate = estimate.model_copy(update={"warnings": estimate.warnings + notes})
    total = found.estimate
    if not found.var_seed or total.se is None:
        return SeedVariance(estimate, found.var_seed, found.seed_share)
    if total.ci_low is None or total.ci_high is None or estimate.estimate is None:
        return SeedVariance(estimate, found.var_seed, found.seed_share)
    half = (total.ci_high - total.ci_low) / 2
    low, high = estimate.estimate - half, estimate.estimate + half
    widened = estimate.model_copy(
        update={
            "se": max(total.se, estimate.se or 0.0),
            "ci_low": low if estimate.ci_low is None else min(low, estimate.ci_low),
            "ci_high": high if estimate.ci_high is None else max(high, estimate.ci_high),
            "method": f"{estimate.method}, with the variance between seeds",
        }
    )
    return SeedVariance(widened, found.var_seed, found.seed_share)


def _unit_by_replicate(
    scores: UnitScores, replicates: NDArray[np.int64]
) -> tuple[NDArray[np.float64], list[str]]:
    """Means of the samples of each unit and replicate, and each unit's cluster."""
    clusters = dict(zip(scores.unit, scores.cluster, strict=True))
    rows = {unit: place for place, unit in enumerate(clusters)}
    row = np.array([rows[unit] for unit in scores.unit], dtype=np.int64)
    column = np.searchsorted(replicates, scores.replicate)
    there = ~np.isnan(scores.value)
    sums = np.zeros((len(rows), replicates.size))
    counts = np.zeros_like(sums)
    np.add.at(sums, (row[there], column[there]), scores.value[there])
    np.add.at(counts, (row[there], column[there]), 1)
    means = np.divide(sums, counts, out=np.full_like(sums, math.nan), where=counts > 0)
    return means, list(clusters.values())
