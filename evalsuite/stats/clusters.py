"""What intervals over clusters share: reading values, standard errors and what is warned of."""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

MIN_CLUSTERS = 3
"""Fewer clusters than this give no interval at all."""

FEW_CLUSTERS = 10
"""Fewer clusters than this, real or effective, give an interval and a warning."""

MAX_SIZE = 1e150
"""Larger values are refused: their squares leave the range of numbers."""

Labels = Sequence[Any] | NDArray[Any]
Clusters = Labels
FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]


def read_values(
    values: ArrayLike, clusters: Clusters | None, caller: str
) -> tuple[FloatArray, IntArray, int]:
    """The values that are there, the number of each one's cluster, and how many are missing.

    Parameters
    ----------
    values : array of shape (n,)
        NaN is missing.
    clusters : sequence of n labels, optional
        By default each value is its own cluster.
    caller : str
        The function that an error names.

    Raises
    ------
    ValueError
        If there are no values, infinite ones, ones beyond 1e150 either way, or not one cluster
        label a value.
    """
    array = np.asarray(values, dtype=np.float64)
    if array.ndim != 1 or not array.size:
        raise ValueError(f"{caller}: expected an array of shape (n,), n >= 1, got {array.shape}")
    if np.isinf(array).any():
        raise ValueError(f"{caller}: {np.isinf(array).sum()} values are infinite")
    n_large = int((np.abs(array) > MAX_SIZE).sum())
    if n_large:
        raise ValueError(f"{caller}: {n_large} values beyond {MAX_SIZE:g} in absolute value")
    labels = range(array.size) if clusters is None else list(clusters)
    if len(labels) != array.size:
        raise ValueError(f"{caller}: {array.size} values but {len(labels)} cluster labels")
    numbers: dict[Any, int] = {}
    cluster = np.array([numbers.setdefault(label, len(numbers)) for label in labels])
    there = ~np.isnan(array)
    return array[there], cluster[there], int(array.size - there.sum())


def check_level(level: float, caller: str) -> None:
    """Refuse a level outside (0, 1) with a ValueError that names the caller."""
    if not 0.0 < level < 1.0:
        raise ValueError(f"{caller}: level must lie in (0, 1), got {level}")


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


def iid_se(values: FloatArray) -> float:
    """Standard error of the mean of n >= 2 independent values."""
    return float(values.std(ddof=1)) / math.sqrt(values.size)


def clustered_se(values: FloatArray, cluster: IntArray) -> float:
    """Standard error of the mean of values in G >= 2 clusters, with the factor G/(G-1).

    Miller (2024, arXiv 2411.00640), appendix A.
    """
    _, number = np.unique(cluster, return_inverse=True)
    sums = np.bincount(number, weights=values - values.mean())
    factor = sums.size / (sums.size - 1)
    return math.sqrt(factor * float(np.dot(sums, sums))) / values.size


def nonzero_se(clustered: float, iid: float) -> float | None:
    """None where every cluster has the same mean, but for rounding: 0 would claim certainty."""
    return None if clustered <= 1e-9 * iid else clustered


def effective_clusters(cluster: IntArray) -> float:
    """Kish's effective number of clusters, ``n^2 / sum m_g^2`` for clusters of m_g values.

    As many independent values have a mean as uncertain as n values that are equal within their
    clusters. At most the number of clusters, and exactly that where all are equally large. Kish
    (1965), *Survey Sampling*, with the sizes of the clusters as the weights.

    >>> effective_clusters(np.array([0, 0, 1, 1, 2, 2]))
    3.0
    >>> effective_clusters(np.array([0, 0, 0, 0, 1, 2]))
    2.0
    """
    sizes = np.unique(cluster, return_counts=True)[1]
    return cluster.size**2 / int(np.dot(sizes, sizes))


def all_missing(n_missing: int) -> str:
    """Say that there is nothing to estimate from."""
    return f"all missing: none of the {n_missing} values is there"


def too_few_clusters(n_clusters: int) -> str:
    """Say that no interval can be formed."""
    return f"too few clusters: {n_clusters}, an interval needs at least {MIN_CLUSTERS}"


def few_clusters(n_clusters: int) -> tuple[str, ...]:
    """Say that the interval rests on few clusters, where it does."""
    if n_clusters >= FEW_CLUSTERS:
        return ()
    return (f"few clusters: {n_clusters}, below {FEW_CLUSTERS} the interval is rough",)


def few_or_unequal_clusters(cluster: IntArray) -> tuple[str, ...]:
    """Say that the interval rests on few clusters, or on few large ones among many."""
    n_clusters, effective = np.unique(cluster).size, effective_clusters(cluster)
    if n_clusters < FEW_CLUSTERS or effective >= FEW_CLUSTERS:
        return few_clusters(n_clusters)
    shown = math.floor(effective * 100) / 100  # rounded up it could read 10, which is not below 10
    return (
        f"unequal clusters: the {n_clusters} clusters weigh as much as {shown:g} equal ones, "
        f"below {FEW_CLUSTERS} the interval is rough",
    )


def larger_iid(clustered: float, iid: float) -> tuple[str, ...]:
    """Say that values of a cluster repel each other, where they do."""
    # Single values give the same number twice, up to rounding.
    if iid <= clustered * (1 + 1e-9):
        return ()
    return (
        f"negative within-cluster correlation: the clustered standard error {clustered:.6g} is "
        f"below the one of independent values {iid:.6g}; the interval uses the larger",
    )
