"""How two distributions over one closed set of categories differ, and what chance alone shows."""

import numpy as np
from numpy.typing import ArrayLike, NDArray

FloatArray = NDArray[np.float64]


def total_variation_distance(p: ArrayLike, q: ArrayLike) -> float:
    """``1/2 sum |p - q|``: the largest difference in the share of any set of categories.

    Parameters
    ----------
    p, q : arrays of shape (k,), k >= 1
        Shares or counts of the same categories in the same order; each is scaled to sum to 1.

    Returns
    -------
    float, in [0, 1]

    Raises
    ------
    ValueError
        If lengths differ, a value is negative or not finite, or one has nothing above 0.

    Examples
    --------
    >>> total_variation_distance([5, 5, 0], [0.25, 0.25, 0.5])
    0.5
    """
    first, second = (_shares(values, "total_variation_distance") for values in (p, q))
    if first.shape != second.shape:
        raise ValueError(
            f"total_variation_distance: {first.size} and {second.size} categories differ"
        )
    return min(float(np.abs(first - second).sum()) / 2, 1.0)


def expected_total_variation(shares: ArrayLike, *, n: int) -> float:
    """Mean distance of the shares of n draws from the shares they are drawn from.

    What equal distributions show on average: no draw has exactly the shares it comes from. Exact,
    from the mean deviation of a binomial count (De Moivre 1730).

    Parameters
    ----------
    shares : array of shape (k,)
        Scaled to sum to 1.
    n : int
        Draws, at least 1.

    Examples
    --------
    >>> round(expected_total_variation([0.5, 0.5], n=1), 6)
    0.5
    >>> round(expected_total_variation([0.5, 0.5], n=100), 6)
    0.039795
    """
    from scipy.special import gammaln, xlog1py, xlogy

    p = _shares(shares, "expected_total_variation")
    if n < 1:
        raise ValueError(f"expected_total_variation: n must be at least 1, got {n}")
    # E|X - np| = 2 v C(n, v) p^v (1-p)^(n-v+1) with v = floor(np) + 1; 0 where p is 0 or 1.
    inside = p[(p > 0) & (p < 1)]
    v = np.minimum(np.floor(n * inside) + 1, n)
    log_choose = gammaln(n + 1) - gammaln(v + 1) - gammaln(n - v + 1)
    log_terms = np.log(2 * v) + log_choose + xlogy(v, inside) + xlog1py(n - v + 1, -inside)
    return float(np.exp(log_terms).sum() / (2 * n))


def top_share(counts: ArrayLike) -> float:
    """Share of the most frequent category.

    Raises
    ------
    ValueError
        If a count is negative or not finite, or none is above 0.

    Examples
    --------
    >>> top_share([1, 3, 0])
    0.75
    """
    return float(_shares(counts, "top_share").max())


def _shares(values: ArrayLike, caller: str) -> FloatArray:
    array = np.asarray(values, dtype=np.float64)
    if array.ndim != 1 or not array.size:
        raise ValueError(f"{caller}: expected an array of shape (k,), got {array.shape}")
    if not np.isfinite(array).all() or (array < 0).any():
        raise ValueError(f"{caller}: values must be finite and at least 0")
    total = array.sum()
    if not total > 0 or not np.isfinite(total):
        raise ValueError(f"{caller}: the values sum to {total:g}")
    return np.asarray(array / total)
