"""Intervals for means, with and without clusters."""

import math

import numpy as np
from numpy.typing import ArrayLike

from evalsuite.stats.clusters import (
    MIN_CLUSTERS,
    Clusters,
    all_missing,
    check_level,
    clustered_se,
    few_or_unequal_clusters,
    iid_se,
    is_constant,
    larger_iid,
    nonzero_se,
    read_values,
    t_quantile,
    too_few_clusters,
)
from evalsuite.stats.estimate import Estimate


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
        missing; a warning below 10 clusters, or below 10 effective ones where sizes differ.

    Raises
    ------
    ValueError
        If there are no values, infinite ones or ones beyond 1e150 either way, or not one cluster
        label a value.

    Notes
    -----
    Miller (2024, arXiv 2411.00640), appendix A, with the finite-cluster factor G/(G-1).

    Examples
    --------
    >>> result = mean_interval([1, 1, 0, 1, 0, 0, 1, 1, 1, 0], clusters=list("aaabbbccdd"))
    >>> result.estimate, round(result.se, 6), result.n_clusters
    (0.6, 0.13466, 4)
    """
    present, cluster, n_missing = read_values(values, clusters, "mean_interval")
    check_level(level, "mean_interval")
    n, n_clusters = present.size, np.unique(cluster).size
    warnings: list[str] = []
    mean = se = half = None
    if not n:
        warnings.append(all_missing(n_missing))
    else:
        mean = math.fsum(present) / n
        if n_clusters < MIN_CLUSTERS:
            warnings.append(too_few_clusters(n_clusters))
        elif is_constant(present):
            warnings.append(f"degenerate: all {n} values are equal, the spread is unknown")
        else:
            clustered, iid = clustered_se(present, cluster), iid_se(present)
            se = nonzero_se(clustered, iid)
            half = t_quantile(level, n_clusters - 1) * max(clustered, iid)
            warnings += larger_iid(clustered, iid) + few_or_unequal_clusters(cluster)
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
