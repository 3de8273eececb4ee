"""Intervals for means and for shares, with and without clusters."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from evalsuite.stats.estimate import Estimate

MIN_CLUSTERS = 3
"""Fewer clusters than this give no interval at all."""

FEW_CLUSTERS = 10
"""Fewer clusters than this give an interval and a warning."""

Clusters = Sequence[Any] | NDArray[Any]
FloatArray = NDArray[np.float64]


def mean_interval(
    values: ArrayLike, *, clusters: Clusters | None = None, level: float = 0.95
) -> Estimate:
    """Mean with a t interval over independent values or over clusters of them.

    The interval is ``mean +- t_{G-1} max(se, sd/sqrt(n))``: where values of a cluster repel each
    other the clustered standard error is the smaller one, and is not relied upon.

    Parameters
    ----------
    values : array of shape (n,)
        NaN is missing: counted in ``n_missing`` and left out. Infinite values are an error.
    clusters : sequence of n labels, optional
        What was sampled independently. By default each value is its own cluster.
    level : float
        Nominal coverage, in (0, 1).

    Returns
    -------
    Estimate
        ``se`` is the clustered standard error, ``sqrt(G/(G-1) sum_g r_g^2) / n`` with r_g the sum
        of a cluster's deviations from the mean; for single values that is ``sd/sqrt(n)``. Null
        bounds and a warning with fewer than 3 clusters, for constant values and where all are
        missing; a warning below 10 clusters.

    Raises
    ------
    ValueError
        If there are no values, infinite ones, or not one cluster label a value.

    Notes
    -----
    Miller (2024, arXiv 2411.00640), appendix A, with the finite-cluster factor G/(G-1).

    Examples
    --------
    >>> result = mean_interval([1, 1, 0, 1, 0, 0, 1, 1, 1, 0], clusters=list("aaabbbccdd"))
    >>> result.estimate, round(result.se, 6), result.n_clusters
    (0.6, 0.13466, 4)
    """
    present, cluster, n_missing = _present(values, clusters, "mean_interval")
    _check_level(level, "mean_interval")
    n, n_clusters = present.size, np.unique(cluster).size
    warnings: list[str] = []
    mean = se = half = None
    if not n:
        warnings.append(f"all missing: none of the {n_missing} values is there")
    else:
        mean = math.fsum(present) / n
        if n_clusters < MIN_CLUSTERS:
            warnings.append(too_few_clusters(n_clusters))
        elif is_constant(present):
            warnings.append(f"degenerate: all {n} values are equal, the spread is unknown")
        else:
            clustered, iid = _clustered_se(present, cluster), _iid_se(present)
            se = _nonzero_se(clustered, iid)
            half = t_quantile(level, n_clusters - 1) * max(clustered, iid)
            warnings += _larger_iid(clustered, iid) + few_clusters(n_clusters)
    return Estimate(
        estimate=mean,
        se=se,
        ci_low=None if mean is None or half is None else mean - half,
        ci_high=None if mean is None or half is None else mean + half,
        level=level,
        method="t" if clusters is None else "t over clusters",
        n=n,
        n_clusters=n_clusters,
        n_missing=n_missing,
        warnings=tuple(warnings),
    )


def proportion_interval(successes: int, n: int, *, level: float = 0.95) -> Estimate:
    """Share of successes among independent trials, with the Wilson interval.

    Parameters
    ----------
    successes, n : int
        ``0 <= successes <= n``.
    level : float
        Nominal coverage, in (0, 1).

    Returns
    -------
    Estimate
        ``se`` is ``sqrt(p(1-p)/n)``, and null where that is 0. All null, with a warning, for n = 0.

    Raises
    ------
    ValueError
        If a count is negative or there are more successes than trials.

    Examples
    --------
    >>> result = proportion_interval(27, 30)
    >>> round(result.ci_low, 4), round(result.ci_high, 4)
    (0.7438, 0.9654)
    """
    _check_level(level, "proportion_interval")
    if successes < 0 or n < 0 or successes > n:
        raise ValueError(f"proportion_interval: {successes} successes in {n} trials")
    p = successes / n if n else 0.0
    design = _Design(n, n or None, math.sqrt(p * (1 - p) / n) if n else None)
    return _wilson(int(successes), int(n), design, level=level, n_missing=0)


def clustered_proportion_interval(
    successes: ArrayLike, *, clusters: Clusters | None = None, level: float = 0.95
) -> Estimate:
    """Share of ones among trials that come in clusters: Wilson at the effective number of trials.

    The effective number is ``n / deff`` with ``deff = (SE_cluster / SE_iid)^2``, at least 1. Where
    all trials agree the design effect cannot be seen: then it is the number of clusters, as if
    each held one trial's worth, and a warning says so.

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
        of several trials and where all are missing; a warning below 10 such clusters.

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
    present, cluster, n_missing = _present(successes, clusters, caller)
    _check_level(level, caller)
    if not np.isin(present, (0.0, 1.0)).all():
        raise ValueError(f"{caller}: every value must be 0 or 1 (or NaN where missing)")
    design = _design(present, cluster)
    return _wilson(int(present.sum()), present.size, design, level=level, n_missing=n_missing)


def t_quantile(level: float, df: int) -> float:
    """Half width, in standard errors, of a two-sided t interval with ``df`` degrees of freedom.

    >>> round(t_quantile(0.95, 9), 6)
    2.262157
    """
    from scipy.special import stdtrit

    return float(stdtrit(df, 0.5 + level / 2))


def is_constant(values: FloatArray) -> bool:
    """Whether values differ by rounding only, so that their spread says nothing."""
    return bool(np.ptp(values) <= 1e-12 * np.abs(values).max())


def too_few_clusters(n_clusters: int) -> str:
    """Say that no interval can be formed."""
    return f"too few clusters: {n_clusters}, an interval needs at least {MIN_CLUSTERS}"


def few_clusters(n_clusters: int) -> tuple[str, ...]:
    """Say that the interval rests on few clusters, where it does."""
    if n_clusters >= FEW_CLUSTERS:
        return ()
    return (f"few clusters: {n_clusters}, below {FEW_CLUSTERS} the interval is rough",)


@dataclass(frozen=True)
class _Design:
    """How the trials of a proportion were sampled; ``n_effective`` None refuses the interval."""

    n_clusters: int
    n_effective: float | None
    se: float | None
    warnings: tuple[str, ...] = ()


def _design(values: FloatArray, cluster: NDArray[np.int64]) -> _Design:
    n, n_clusters = values.size, np.unique(cluster).size
    p = float(values.mean()) if n else 0.0
    if n_clusters == n:
        return _Design(n, n or None, math.sqrt(p * (1 - p) / n) if n else None)
    if n_clusters < MIN_CLUSTERS:
        return _Design(n_clusters, None, None, (too_few_clusters(n_clusters),))
    if p in (0.0, 1.0):
        unseen = (
            f"design effect unknown: all {n} values are {p:.0f}, so the interval takes the "
            f"{n_clusters} clusters for one trial each"
        )
        return _Design(n_clusters, n_clusters, None, (unseen, *few_clusters(n_clusters)))
    clustered, iid = _clustered_se(values, cluster), _iid_se(values)
    return _Design(
        n_clusters,
        n / max(1.0, (clustered / iid) ** 2),
        _nonzero_se(clustered, iid),
        (*_larger_iid(clustered, iid), *few_clusters(n_clusters)),
    )


def _wilson(successes: int, n: int, design: _Design, *, level: float, n_missing: int) -> Estimate:
    low = high = None
    warnings = design.warnings if n else (_no_trials(n_missing),)
    if design.n_effective is not None:
        from statsmodels.stats.proportion import proportion_confint

        share = successes / n * design.n_effective
        low, high = proportion_confint(share, design.n_effective, alpha=1 - level, method="wilson")
    return Estimate(
        estimate=successes / n if n else None,
        se=design.se or None,
        ci_low=None if low is None else min(max(float(low), 0.0), successes / n),
        ci_high=None if high is None else max(min(float(high), 1.0), successes / n),
        level=level,
        method="Wilson" if design.n_clusters == n else "Wilson with design effect",
        n=n,
        n_clusters=design.n_clusters,
        n_missing=n_missing,
        warnings=warnings,
    )


def _present(
    values: ArrayLike, clusters: Clusters | None, caller: str
) -> tuple[FloatArray, NDArray[np.int64], int]:
    """The values that are there, the number of each one's cluster, and how many are missing."""
    array = np.asarray(values, dtype=np.float64)
    if array.ndim != 1 or not array.size:
        raise ValueError(f"{caller}: expected an array of shape (n,), n >= 1, got {array.shape}")
    if np.isinf(array).any():
        raise ValueError(f"{caller}: {np.isinf(array).sum()} values are infinite")
    labels = range(array.size) if clusters is None else list(clusters)
    if len(labels) != array.size:
        raise ValueError(f"{caller}: {array.size} values but {len(labels)} cluster labels")
    numbers: dict[Any, int] = {}
    cluster = np.array([numbers.setdefault(label, len(numbers)) for label in labels])
    there = ~np.isnan(array)
    return array[there], cluster[there], int(array.size - there.sum())


def _iid_se(values: FloatArray) -> float:
    return float(values.std(ddof=1)) / math.sqrt(values.size)


def _clustered_se(values: FloatArray, cluster: NDArray[np.int64]) -> float:
    _, number = np.unique(cluster, return_inverse=True)
    sums = np.bincount(number, weights=values - values.mean())
    factor = sums.size / (sums.size - 1)
    return math.sqrt(factor * float(np.dot(sums, sums))) / values.size


def _nonzero_se(clustered: float, iid: float) -> float | None:
    """None where every cluster has the same mean, but for rounding: 0 would claim certainty."""
    return None if clustered <= 1e-9 * iid else clustered


def _larger_iid(clustered: float, iid: float) -> tuple[str, ...]:
    # Single values give the same number twice, up to rounding.
    if iid <= clustered * (1 + 1e-9):
        return ()
    return (
        f"negative within-cluster correlation: the clustered standard error {clustered:.6g} is "
        f"below the one of independent values {iid:.6g}; the interval uses the larger",
    )


def _check_level(level: float, caller: str) -> None:
    if not 0.0 < level < 1.0:
        raise ValueError(f"{caller}: level must lie in (0, 1), got {level}")


def _no_trials(n_missing: int) -> str:
    if n_missing:
        return f"all missing: none of the {n_missing} values is there"
    return "no trials: a share of nothing is not defined"
