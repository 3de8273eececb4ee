"""Cluster bootstrap for statistics that are neither means nor smooth."""

import warnings as python_warnings
from collections.abc import Callable

import numpy as np
from numpy.typing import ArrayLike

from evalsuite.stats.clusters import (
    MIN_CLUSTERS,
    Clusters,
    FloatArray,
    IntArray,
    all_missing,
    check_level,
    few_or_unequal_clusters,
    is_constant,
    read_values,
    too_few_clusters,
)
from evalsuite.stats.estimate import Estimate
from evalsuite.stats.streams import stream

BCA_CLUSTERS = 20
"""From so many clusters on the interval is bias-corrected and accelerated."""


def cluster_bootstrap(
    values: ArrayLike,
    statistic: Callable[[FloatArray], float],
    *,
    clusters: Clusters | None = None,
    level: float = 0.95,
    draws: int = 2000,
    rng: np.random.Generator | None = None,
) -> Estimate:
    """A statistic of all values with an interval from resampled clusters.

    For quantiles, ratios and worst deciles; means have `mean_interval`.

    Parameters
    ----------
    values : array of shape (n,)
        NaN is missing.
    statistic : callable
        From an array of values, of any length, to a number.
    clusters : sequence of n labels, optional
        What was sampled independently. By default each value is its own cluster.
    level : float
        Nominal coverage, in (0, 1).
    draws : int
        Bootstrap samples.
    rng : numpy.random.Generator, optional
        By default a fixed stream.

    Returns
    -------
    Estimate
        BCa from 20 clusters on, else percentiles, which are rough; widened to hold the estimate.
        Null bounds and a warning with fewer than 3 clusters, where draws do not vary and where
        BCa's acceleration does not exist (``degenerate``), and where the statistic is undefined
        for some draw.

    Raises
    ------
    ValueError
        If there are no values, infinite ones, or not one cluster label a value.

    Notes
    -----
    Measured coverage of nominal 95 % intervals, lognormal values, 12 to 100 clusters: median
    92-96 %, 90th percentile 83-95 %, mean of the worst decile 80-91 %, least with few clusters.

    Examples
    --------
    >>> values = np.random.default_rng(0).exponential(size=60)
    >>> result = cluster_bootstrap(values, lambda v: float(np.median(v)))
    >>> result.method, result.ci_low < 0.69 < result.ci_high
    ('BCa bootstrap over clusters', True)
    """
    caller = "cluster_bootstrap"
    check_level(level, caller)
    present, cluster, n_missing = read_values(values, clusters, caller)
    at = float(statistic(present)) if present.size else np.nan
    n_clusters = np.unique(cluster).size
    method = "BCa" if n_clusters >= BCA_CLUSTERS else "percentile"
    ends = se = None
    if not present.size:
        warnings: tuple[str, ...] = (all_missing(n_missing),)
    elif not np.isfinite(at):
        warnings = ("undefined: the statistic of these values is not a finite number",)
    elif n_clusters < MIN_CLUSTERS:
        warnings = (too_few_clusters(n_clusters),)
    else:
        generator = stream(caller) if rng is None else rng
        of_clusters = _statistic_of(present, cluster, statistic)
        ends, se, warnings = _ends(of_clusters, n_clusters, (method, level, draws), generator)
        warnings = warnings or few_or_unequal_clusters(cluster)
        if not warnings and n_clusters < BCA_CLUSTERS:
            warnings = (f"few clusters: {n_clusters}, below {BCA_CLUSTERS} percentiles are rough",)
    return Estimate(
        estimate=at if np.isfinite(at) else None,
        se=se,
        ci_low=None if ends is None else min(ends[0], at),
        ci_high=None if ends is None else max(ends[1], at),
        level=level,
        method=f"{method} bootstrap over clusters",
        n=present.size,
        n_clusters=n_clusters,
        n_missing=n_missing,
        warnings=warnings,
    )


def _statistic_of(
    values: FloatArray, cluster: IntArray, statistic: Callable[[FloatArray], float]
) -> Callable[[IntArray], float]:
    """The statistic of the values of some clusters, with repetition."""
    number = np.unique(cluster, return_inverse=True)[1]
    order = np.argsort(number, kind="stable")
    members = np.split(values[order], np.cumsum(np.bincount(number))[:-1])
    if all(own.size == 1 for own in members):
        return lambda chosen: float(statistic(values[order][chosen]))
    return lambda chosen: float(statistic(np.concatenate([members[g] for g in chosen])))


def _ends(
    of_clusters: Callable[[IntArray], float],
    n_clusters: int,
    options: tuple[str, float, int],
    rng: np.random.Generator,
) -> tuple[tuple[float, float] | None, float | None, tuple[str, ...]]:
    from scipy.stats import DegenerateDataWarning, bootstrap

    method, level, draws = options
    with python_warnings.catch_warnings(), np.errstate(invalid="ignore", divide="ignore"):
        # What it warns of shows as ends that are NaN.
        python_warnings.simplefilter("ignore", category=DegenerateDataWarning)
        found = bootstrap(
            (np.arange(n_clusters),),
            of_clusters,
            vectorized=False,
            n_resamples=draws,
            confidence_level=level,
            method=method,
            rng=rng,
        )
    drawn = found.bootstrap_distribution
    if not np.isfinite(drawn).all():
        return None, None, ("undefined: the statistic does not exist for every draw",)
    if is_constant(drawn):
        return None, None, ("degenerate: no draw changes the statistic",)
    low, high = (float(end) for end in found.confidence_interval)
    if not (np.isfinite(low) and np.isfinite(high)):
        return None, None, ("degenerate: leaving a cluster out never changes the statistic",)
    if low == high:
        return None, None, ("degenerate: almost no draw changes the statistic",)
    return (low, high), float(found.standard_error), ()
