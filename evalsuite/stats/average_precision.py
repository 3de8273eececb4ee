"""Average precision of a ranking, with an interval."""

import math

import numpy as np
from numpy.typing import ArrayLike

from evalsuite.stats.clusters import (
    MIN_CLUSTERS,
    Clusters,
    FloatArray,
    IntArray,
    check_level,
    few_or_unequal_clusters,
    read_values,
    t_quantile,
    too_few_clusters,
)
from evalsuite.stats.estimate import Estimate

FEW_POSITIVES = 20
"""Fewer clusters with a positive than this are warned of."""


def average_precision(
    labels: ArrayLike, scores: ArrayLike, *, weights: ArrayLike | None = None
) -> tuple[float, FloatArray]:
    """Average precision, and how it answers to the weight of each row.

    ``AP = sum_i w_i y_i P_i / sum_i w_i y_i`` with P_i the precision among rows that score at least
    as high as row i: ``sum over thresholds (R_n - R_{n-1}) P_n``, without interpolation.

    Parameters
    ----------
    labels : array of shape (n,)
        1 for what should rank high, 0 for the rest.
    scores : array of shape (n,)
        Ties share one threshold.
    weights : array of shape (n,), optional
        Above 0; by default all 1.

    Returns
    -------
    float
        In (0, 1], NaN without a positive.
    array of shape (n,)
        Derivative of AP with respect to each weight; times the weights they sum to 0.

    Notes
    -----
    ``O(n log n)``. The value is that of ``sklearn.metrics.average_precision_score``.

    Examples
    --------
    >>> ap, influences = average_precision([1, 0, 1, 0], [0.9, 0.8, 0.7, 0.1])
    >>> round(ap, 6), (influences.round(6) + 0.0).tolist()
    (0.833333, [0.138889, -0.111111, -0.027778, 0.0])
    """
    y, s = np.asarray(labels, dtype=np.float64), np.asarray(scores, dtype=np.float64)
    w = np.ones(y.shape) if weights is None else np.asarray(weights, dtype=np.float64)
    positives = float(w @ y)
    if not positives:
        return math.nan, np.full(y.shape, math.nan)
    # Thresholds from the highest score down; `place` is the threshold of each row.
    _, place = np.unique(-s, return_inverse=True)
    hits = np.bincount(place, weights=w * y)
    true, called = np.cumsum(hits), np.cumsum(np.bincount(place, weights=w))
    ap = float(hits @ (true / called)) / positives
    # A row counts at every threshold from its own score down.
    gained = np.cumsum((hits / called)[::-1])[::-1]
    lost = np.cumsum((hits * true / called**2)[::-1])[::-1]
    precision = true / called
    influences = (y * (precision[place] + gained[place] - ap) - lost[place]) / positives
    return ap, influences


def average_precision_interval(
    labels: ArrayLike,
    scores: ArrayLike,
    *,
    clusters: Clusters | None = None,
    level: float = 0.95,
) -> Estimate:
    """Average precision with an interval on the logit scale.

    The standard error is that of the summed influences of the clusters, with the factor G/(G-1).

    Parameters
    ----------
    labels : array of shape (n,)
        0 or 1.
    scores : array of shape (n,)
        NaN is missing.
    clusters : sequence of n labels, optional
        What was sampled independently. By default each row is its own cluster.
    level : float
        Nominal coverage, in (0, 1).

    Returns
    -------
    Estimate
        Null without a positive. Null bounds and a warning where all rows are positives, where the
        ranking is perfect and with fewer than 3 clusters or clusters with a positive; a warning
        below 20 of the latter.

    Raises
    ------
    ValueError
        If there are no rows, shapes differ, a label is not 0 or 1, or a score is infinite.

    Notes
    -----
    The degrees of freedom are those of the clusters with a positive: with few positives the whole
    set's would be far too many. Measured coverage of nominal 95 % intervals at 200 and 1,000 rows,
    6 and 30 % positives, clusters of 1 and 4: 93-97 % (88-96 % with the whole set's).

    Examples
    --------
    >>> labels, scores = [1, 1, 0, 1, 0, 0, 1, 0, 0, 0], range(10, 0, -1)
    >>> result = average_precision_interval(labels, scores)
    >>> round(result.estimate, 4), result.ci_low < result.estimate < result.ci_high
    (0.8304, True)
    """
    caller = "average_precision_interval"
    check_level(level, caller)
    present, cluster, n_missing = read_values(scores, clusters, caller)
    y = np.asarray(labels, dtype=np.float64)
    if y.shape != (present.size + n_missing,):
        raise ValueError(f"{caller}: {present.size + n_missing} scores but labels {y.shape}")
    if not np.isin(y, (0.0, 1.0)).all():
        raise ValueError(f"{caller}: every label must be 0 or 1")
    y = y[~np.isnan(np.asarray(scores, dtype=np.float64))]
    ap, influences = average_precision(y, present)
    result = Estimate(
        estimate=None if math.isnan(ap) else ap,
        se=None,
        ci_low=None,
        ci_high=None,
        level=level,
        method="influence function, logit t" + ("" if clusters is None else " over clusters"),
        n=present.size,
        n_clusters=np.unique(cluster).size,
        n_missing=n_missing,
        warnings=_no_interval(y, ap, cluster),
    )
    if result.warnings:
        return result
    return _logit_interval(result, ap, influences, cluster, np.unique(cluster[y == 1]).size)


def _no_interval(y: FloatArray, ap: float, cluster: IntArray) -> tuple[str, ...]:
    if math.isnan(ap):
        return (f"no positives: none of the {y.size} rows should rank high",)
    if y.all():
        return (f"all positives: any ranking of these {y.size} rows has average precision 1",)
    if ap >= 1.0 - 1e-12:
        return ("perfect ranking: the spread of its errors is unknown",)
    if np.unique(cluster).size < MIN_CLUSTERS:
        return (too_few_clusters(np.unique(cluster).size),)
    holding = np.unique(cluster[y == 1]).size
    if holding < MIN_CLUSTERS:
        return (f"too few positives: in {holding} clusters, an interval needs {MIN_CLUSTERS}",)
    return ()


def _logit_interval(
    result: Estimate, ap: float, influences: FloatArray, cluster: IntArray, holding: int
) -> Estimate:
    number = np.unique(cluster, return_inverse=True)[1]
    sums = np.bincount(number, weights=influences)
    se = math.sqrt(sums.size / (sums.size - 1) * float(sums @ sums))
    if se <= 1e-12:
        degenerate = ("degenerate: no cluster moves the average precision",)
        return result.model_copy(update={"warnings": degenerate})
    half = t_quantile(result.level, holding - 1) * se / (ap * (1 - ap))
    logit = math.log(ap / (1 - ap))
    warnings = few_or_unequal_clusters(cluster)
    if holding < FEW_POSITIVES:
        warnings += (f"few positives: in {holding} clusters, the interval may be too narrow",)
    return result.model_copy(
        update={
            "se": se,
            "ci_low": _expit(logit - half),
            "ci_high": _expit(logit + half),
            "warnings": warnings,
        }
    )


def _expit(x: float) -> float:
    return 0.5 * (1 + math.tanh(x / 2))
