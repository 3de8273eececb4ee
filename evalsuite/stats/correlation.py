"""Correlations with an interval over clusters."""

import math
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike

from evalsuite.stats.clusters import (
    Clusters,
    FloatArray,
    IntArray,
    all_missing,
    check_level,
    few_or_unequal_clusters,
    is_constant,
    read_values,
)
from evalsuite.stats.estimate import Estimate
from evalsuite.stats.jackknife import jackknife_interval

Kind = Literal["pearson", "spearman", "kendall"]

_ONE = 1.0 - 1e-12  # a correlation of 1 after rounding


def correlation_interval(
    x: ArrayLike,
    y: ArrayLike,
    *,
    kind: Kind = "pearson",
    clusters: Clusters | None = None,
    level: float = 0.95,
) -> Estimate:
    """Correlation with the delete-one-cluster jackknife interval of Fisher's z.

    Parameters
    ----------
    x, y : array of shape (n,)
        A pair with a NaN is missing.
    kind : {"pearson", "spearman", "kendall"}
        Kendall's is tau-b.
    clusters : sequence of n labels, optional
        What was sampled independently. By default each pair is its own cluster.
    level : float
        Nominal coverage, in (0, 1).

    Returns
    -------
    Estimate
        ``atanh(r) +- t_{G-1} se``, transformed back. Null where x or y is constant. Null bounds and
        a warning where the correlation is 1 or -1, or is without some cluster, and with fewer than
        3 clusters; a warning below 10 clusters, or below 10 effective ones where sizes differ.

    Raises
    ------
    ValueError
        If there are no pairs, shapes differ, a value is infinite or the kind is unknown.

    Notes
    -----
    Measured coverage of nominal 95 % intervals at 20, 50 and 200 pairs, clusters of 1 and 4,
    correlations 0 to 0.9: Spearman's and Kendall's 92-99 %, Pearson's 92-97 % for normal and 90-96
    % for lognormal pairs.

    Examples
    --------
    >>> x, y = [1, 2, 3, 4, 5, 6, 7, 8, 9, 10], [2, 1, 4, 3, 7, 5, 6, 10, 8, 9]
    >>> result = correlation_interval(x, y, kind="spearman")
    >>> round(result.estimate, 4), result.ci_low < 0.9 < result.ci_high
    (0.903, True)
    """
    caller = "correlation_interval"
    check_level(level, caller)
    if kind not in ("pearson", "spearman", "kendall"):
        raise ValueError(f"{caller}: kind must be pearson, spearman or kendall, got {kind!r}")
    pairs = np.array(np.broadcast_arrays(*_one_shape(x, y, caller)))
    whole = np.where(np.isnan(pairs).any(axis=0), np.nan, 0.0)
    _, cluster, n_missing = read_values(whole, clusters, caller)
    a, b = pairs[:, ~np.isnan(whole)]
    r, warnings = _point(a, b, kind)
    z = math.nan if warnings else math.atanh(r)
    left_out = [math.nan] if warnings else _fisher(left_out_correlations(a, b, cluster, kind))
    interval = jackknife_interval(z, left_out, level=level)
    low, high = interval.ci_low, interval.ci_high
    if not warnings:
        warnings = interval.warnings if low is None else few_or_unequal_clusters(cluster)
    return Estimate(
        estimate=None if math.isnan(r) else r,
        se=None if interval.se is None else interval.se * (1 - r * r),
        ci_low=None if low is None else math.tanh(low),
        ci_high=None if high is None else math.tanh(high),
        level=level,
        method=f"{kind} correlation, jackknife over clusters on Fisher's z",
        n=a.size,
        n_clusters=np.unique(cluster).size,
        n_missing=n_missing,
        warnings=warnings if a.size else (all_missing(n_missing),),
    )


def left_out_correlations(
    x: FloatArray, y: FloatArray, cluster: IntArray, kind: Kind = "pearson"
) -> FloatArray:
    """The correlation without each cluster, in ascending order of their numbers.

    Parameters
    ----------
    x, y : array of shape (n,)
        Without NaN.
    cluster : array of shape (n,)
        The number of each pair's cluster.
    kind : {"pearson", "spearman", "kendall"}

    Returns
    -------
    array of shape (G,)
        NaN where x or y is constant without the cluster.

    Notes
    -----
    ``O(n)`` for Pearson's, ``O(n^2)`` for Spearman's and Kendall's.

    Examples
    --------
    >>> x, y = np.array([1.0, 2.0, 3.0, 9.0]), np.array([1.0, 2.0, 3.0, 0.0])
    >>> left_out_correlations(x, y, np.arange(4)).round(4)
    array([-0.8934, -0.5766, -0.803 ,  1.    ])
    """
    number = np.unique(cluster, return_inverse=True)[1]
    if kind == "pearson":
        a, b = x - x.mean(), y - y.mean()
        return _from_moments(np.array([np.ones(a.size), a, b, a * a, b * b, a * b]), number)
    order = np.argsort(number, kind="stable")
    members = np.split(order, np.cumsum(np.bincount(number))[:-1])
    if kind == "spearman":
        from scipy.stats import rankdata

        ranks_x, ranks_y = rankdata(x), rankdata(y)
        products = np.empty((3, len(members)))
        for g, own in enumerate(members):
            a, b = _ranks_without(x, ranks_x, own), _ranks_without(y, ranks_y, own)
            products[:, g] = a @ b, a @ a, b @ b
        # Ranks are halves: a spread of rounding only is one of 0.
        return _divided(products[0], *np.where(products[1:] > 1e-9, products[1:], 0.0))
    sums = np.array([_concordances(x, y, own) for own in members])
    # Leaving a cluster out takes away its pairs with all rows, in both orders, once.
    rest = sums[:, 0].sum(axis=0) - 2 * sums[:, 0] + sums[:, 1]
    return _divided(rest[:, 0], rest[:, 1], rest[:, 2])


def _one_shape(x: ArrayLike, y: ArrayLike, caller: str) -> tuple[FloatArray, FloatArray]:
    a, b = np.asarray(x, dtype=np.float64), np.asarray(y, dtype=np.float64)
    if a.shape != b.shape or a.ndim != 1:
        raise ValueError(f"{caller}: expected x and y of one shape (n,), got {a.shape}, {b.shape}")
    if np.isinf(a).any() or np.isinf(b).any():
        raise ValueError(f"{caller}: {(np.isinf(a) | np.isinf(b)).sum()} values are infinite")
    return a, b


def _point(x: FloatArray, y: FloatArray, kind: Kind) -> tuple[float, tuple[str, ...]]:
    from scipy import stats

    if x.size < 2:
        return math.nan, (f"too few pairs: {x.size}, a correlation needs 2",)
    for name, values in (("x", x), ("y", y)):
        if is_constant(values):
            return math.nan, (f"constant: {name} does not vary, no correlation exists",)
    measured = {"pearson": stats.pearsonr, "spearman": stats.spearmanr, "kendall": stats.kendalltau}
    r = float(measured[kind](x, y).statistic)
    if abs(r) >= _ONE:
        return round(r), ("perfect correlation: its spread is unknown",)
    return r, ()


def _fisher(correlations: FloatArray) -> FloatArray:
    inside = np.abs(correlations) < _ONE
    return np.where(inside, np.arctanh(np.where(inside, correlations, 0.0)), np.nan)


def _from_moments(rows: FloatArray, number: IntArray) -> FloatArray:
    sums = np.array([np.bincount(number, weights=row) for row in rows])
    n, a, b, aa, bb, ab = rows.sum(axis=1)[:, None] - sums
    with np.errstate(divide="ignore", invalid="ignore"):
        spread_a, spread_b = aa - a * a / n, bb - b * b / n
        # What cancellation leaves of a spread that is 0.
        spread_a = np.where(spread_a > 1e-12 * aa, spread_a, 0.0)
        spread_b = np.where(spread_b > 1e-12 * bb, spread_b, 0.0)
        return _divided(ab - a * b / n, spread_a, spread_b)


def _divided(covariance: FloatArray, spread_x: FloatArray, spread_y: FloatArray) -> FloatArray:
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.asarray(
            np.where(spread_x * spread_y > 0, covariance / np.sqrt(spread_x * spread_y), np.nan)
        )


def _ranks_without(values: FloatArray, ranks: FloatArray, own: IntArray) -> FloatArray:
    """Mid-ranks of all values after some are taken away, less their mean; those are left at 0."""
    # A smaller value gone lowers a rank by 1, an equal one by a half.
    lowered = (np.sign(values - values[own, None]) + 1).sum(axis=0) / 2
    left = np.asarray(ranks - lowered)
    left[own] = 0.0
    left -= left.sum() / max(values.size - own.size, 1)
    left[own] = 0.0
    return left


def _concordances(x: FloatArray, y: FloatArray, own: IntArray) -> FloatArray:
    """Concordance and both spreads over the pairs of a cluster with all rows, and with itself."""
    a, b = np.sign(x[own, None] - x), np.sign(y[own, None] - y)
    products = np.array([a * b, a * a, b * b])
    return np.array([products.sum(axis=(1, 2)), products[:, :, own].sum(axis=(1, 2))])
