"""Intervals for shares, with and without clusters."""

import math
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike

from evalsuite.stats.clusters import (
    MIN_CLUSTERS,
    Clusters,
    FloatArray,
    IntArray,
    all_missing,
    check_level,
    clustered_se,
    effective_clusters,
    few_or_unequal_clusters,
    iid_se,
    larger_iid,
    nonzero_se,
    read_values,
    too_few_clusters,
)
from evalsuite.stats.estimate import Estimate

FEW = 5
"""Fewer trials of the rarer kind leave Jeffreys' interval short at some shares."""

IntervalMethod = Literal["wilson", "jeffreys"]


def proportion_interval(
    successes: int, n: int, *, level: float = 0.95, method: IntervalMethod = "wilson"
) -> Estimate:
    """Share of successes among independent trials, with the Wilson interval.

    Parameters
    ----------
    successes, n : int
        ``0 <= successes <= n``.
    level : float
        Nominal coverage, in (0, 1).
    method : {"wilson", "jeffreys"}
        Jeffreys' is the interval of equal posterior tails under the prior Beta(1/2, 1/2), with its
        end at 0 or 1 where there are no successes or nothing else.

    Returns
    -------
    Estimate
        ``se`` is ``sqrt(p(1-p)/n)``, and null where that is 0. All null, with a warning, for n = 0.

    Raises
    ------
    ValueError
        If a count is negative or no whole number, there are more successes than trials, or the
        method is neither.

    Examples
    --------
    >>> result = proportion_interval(27, 30)
    >>> round(result.ci_low, 4), round(result.ci_high, 4)
    (0.7438, 0.9654)
    """
    check_level(level, "proportion_interval")
    if not 0 <= successes <= n < math.inf or successes % 1 or n % 1:
        raise ValueError(
            "proportion_interval: counts must be whole numbers, "
            f"got {successes} successes in {n} trials"
        )
    if method not in ("wilson", "jeffreys"):
        raise ValueError(f"proportion_interval: method must be wilson or jeffreys, got {method!r}")
    p = successes / n if n else 0.0
    se = math.sqrt(p * (1 - p) / n) if n else None
    warnings: tuple[str, ...] = ()
    if method == "jeffreys" and 0 < min(successes, n - successes) < FEW:
        few = min(successes, n - successes)
        warnings = (
            f"rare: {few} of the rarer kind, below {FEW} Jeffreys' interval can fall short",
        )
    design = _Design(n, n or None, se, warnings, method=method)
    return _interval(int(successes), int(n), design, level=level, n_missing=0)


def clustered_proportion_interval(
    successes: ArrayLike, *, clusters: Clusters | None = None, level: float = 0.95
) -> Estimate:
    """Share of ones among trials that come in clusters: Wilson at the effective number of trials.

    The effective number is ``n / deff`` with ``deff = (SE_cluster / SE_iid)^2``, at least 1. Where
    all trials agree the design effect cannot be seen: then trials of a cluster are taken for copies
    of one, which leaves Kish's effective number of clusters, ``n^2 / sum m_g^2`` for clusters of
    m_g trials, and a warning says so.

    Parameters
    ----------
    successes : array of shape (n,)
        0 or 1; NaN is missing.
    clusters : sequence of n labels, optional
        What was sampled independently. By default each trial is its own cluster, which gives
        `proportion_interval`.
    level : float
        Nominal coverage, in (0, 1).

    Returns
    -------
    Estimate
        ``se`` is the clustered standard error. Null bounds and a warning with fewer than 3 clusters
        of several trials and where all are missing; a warning below 10 such clusters, or below 10
        effective ones where sizes differ.

    Raises
    ------
    ValueError
        If there are no trials, values other than 0 and 1, or not one cluster label a trial.

    Examples
    --------
    >>> result = clustered_proportion_interval([0, 0, 0, 0, 0, 0], clusters=[1, 1, 2, 2, 3, 3])
    >>> result.ci_low, round(result.ci_high, 6)
    (0.0, 0.561497)
    """
    caller = "clustered_proportion_interval"
    present, cluster, n_missing = read_values(successes, clusters, caller)
    check_level(level, caller)
    if not np.isin(present, (0.0, 1.0)).all():
        raise ValueError(f"{caller}: every value must be 0 or 1 (or NaN where missing)")
    design = _design(present, cluster)
    return _interval(int(present.sum()), present.size, design, level=level, n_missing=n_missing)


@dataclass(frozen=True)
class _Design:
    """How the trials of a proportion were sampled; ``n_effective`` None refuses the interval."""

    n_clusters: int
    n_effective: float | None
    se: float | None
    warnings: tuple[str, ...] = ()
    method: IntervalMethod = "wilson"


def _design(values: FloatArray, cluster: IntArray) -> _Design:
    n, n_clusters = values.size, np.unique(cluster).size
    p = float(values.mean()) if n else 0.0
    if n_clusters == n:
        return _Design(n, n or None, math.sqrt(p * (1 - p) / n) if n else None)
    if n_clusters < MIN_CLUSTERS:
        return _Design(n_clusters, None, None, (too_few_clusters(n_clusters),))
    if p in (0.0, 1.0):
        effective = effective_clusters(cluster)
        unseen = (
            f"design effect unknown: all {n} values are {p:.0f}, so the interval takes values of a "
            f"cluster for copies of one, which leaves {effective:.6g} effective trials"
        )
        warnings = (unseen, *few_or_unequal_clusters(cluster))
        return _Design(n_clusters, effective, None, warnings)
    clustered, iid = clustered_se(values, cluster), iid_se(values)
    return _Design(
        n_clusters,
        n / max(1.0, (clustered / iid) ** 2),
        nonzero_se(clustered, iid),
        (*larger_iid(clustered, iid), *few_or_unequal_clusters(cluster)),
    )


def _interval(successes: int, n: int, design: _Design, *, level: float, n_missing: int) -> Estimate:
    low = high = None
    name = design.method.capitalize()
    warnings = design.warnings if n else (_no_trials(n_missing),)
    if design.n_effective is not None:
        from statsmodels.stats.proportion import proportion_confint

        share = successes / n * design.n_effective
        low, high = proportion_confint(
            share, design.n_effective, alpha=1 - level, method=design.method
        )
    return Estimate(
        estimate=successes / n if n else None,
        se=design.se or None,
        ci_low=None if low is None else min(max(float(low), 0.0), successes / n),
        ci_high=None if high is None else max(min(float(high), 1.0), successes / n),
        level=level,
        method=name if design.n_clusters == n else f"{name} with design effect",
        n=n,
        n_clusters=design.n_clusters,
        n_missing=n_missing,
        warnings=warnings,
    )


def _no_trials(n_missing: int) -> str:
    if n_missing:
        return all_missing(n_missing)
    return "no trials: a share of nothing is not defined"
