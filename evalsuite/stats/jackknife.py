"""The delete-one-cluster jackknife, for statistics of a whole set that are not means."""

import math

import numpy as np
from numpy.typing import ArrayLike

from evalsuite.stats.clusters import (
    MIN_CLUSTERS,
    check_level,
    few_clusters,
    is_constant,
    t_quantile,
    too_few_clusters,
)
from evalsuite.stats.estimate import Estimate


def jackknife_interval(
    estimate: float, leave_one_out: ArrayLike, *, level: float = 0.95, n: int | None = None
) -> Estimate:
    """Interval of a statistic of the pooled set from its values with each cluster left out.

    ``se^2 = (G-1)/G sum_g (theta_(-g) - mean theta_(-.))^2``; the interval is
    ``estimate +- t_{G-1} se``. For a mean of equally large clusters this is the clustered standard
    error. The estimate itself is not corrected for bias.

    Parameters
    ----------
    estimate : float
        The statistic of all clusters; NaN where it is undefined.
    leave_one_out : array of shape (G,)
        The statistic without each cluster; NaN where that is undefined.
    level : float
        Nominal coverage, in (0, 1).
    n : int, optional
        Values that the estimate is made of; by default G.

    Returns
    -------
    Estimate
        Null bounds and a warning with fewer than 3 clusters, where leaving a cluster out changes
        nothing, and where a value is undefined; a warning below 10 clusters.

    Raises
    ------
    ValueError
        If there is no cluster or a value is infinite.

    Notes
    -----
    By Efron & Stein (1981), this variance estimate is biased upwards in expectation: it is
    conservative, as an estimate of the variance of the statistic of G-1 clusters. That says nothing
    of single samples, nor of statistics that are not smooth (medians, maxima).

    Examples
    --------
    >>> result = jackknife_interval(2.5, [3.0, 8 / 3, 7 / 3, 2.0])
    >>> round(result.se, 6), round(result.ci_low, 4), round(result.ci_high, 4)
    (0.645497, 0.4457, 4.5543)
    """
    values = np.asarray(leave_one_out, dtype=np.float64)
    if values.ndim != 1 or not values.size:
        raise ValueError(
            f"jackknife_interval: expected an array of shape (G,), G >= 1, got {values.shape}"
        )
    if math.isinf(estimate) or np.isinf(values).any():
        raise ValueError("jackknife_interval: a value is infinite")
    check_level(level, "jackknife_interval")
    n_clusters = values.size
    se = half = None
    warnings: tuple[str, ...]
    if math.isnan(estimate) or np.isnan(values).any():
        warnings = (
            "undefined: the statistic does not exist for every set with a cluster left out",
        )
    elif n_clusters < MIN_CLUSTERS:
        warnings = (too_few_clusters(n_clusters),)
    elif is_constant(values):
        warnings = ("degenerate: leaving a cluster out never changes the statistic",)
    else:
        warnings = few_clusters(n_clusters)
        se = math.sqrt((n_clusters - 1) / n_clusters * float(((values - values.mean()) ** 2).sum()))
        half = t_quantile(level, n_clusters - 1) * se
    return Estimate(
        estimate=None if math.isnan(estimate) else float(estimate),
        se=se,
        ci_low=None if half is None else float(estimate) - half,
        ci_high=None if half is None else float(estimate) + half,
        level=level,
        method="jackknife over clusters",
        n=n_clusters if n is None else int(n),
        n_clusters=n_clusters,
        n_missing=0,
        warnings=warnings,
    )
