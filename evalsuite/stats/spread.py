"""How well a standard deviation is known."""

import math

import numpy as np
from numpy.typing import ArrayLike

from evalsuite.stats.clusters import FloatArray, check_level

MIN_VALUES = 5
"""Fewer values say too little of their fourth moment."""


def spread_factors(deviations: ArrayLike, *, level: float = 0.95) -> tuple[float, float] | None:
    """The ends of the interval of a standard deviation, as factors of its estimate (ddof 1).

    Unlike the chi-square interval, which is right for normal data alone, it takes the kurtosis of
    the sample into account. Bonett (2006), *Approximate confidence interval for standard deviation
    of nonnormal distributions*.

    Parameters
    ----------
    deviations : array of shape (n,)
        The values, or the sums of clusters of them.
    level : float
        Nominal coverage, in (0, 1).

    Returns
    -------
    (low, high), or None with fewer than 5 values or without a spread.

    Examples
    --------
    >>> low, high = spread_factors([-2.0, -1.0, -1.0, 0.0, 0.0, 0.0, 1.0, 1.0, 2.0])
    >>> round(low, 3), round(high, 3)
    (0.648, 1.974)
    """
    from scipy.special import ndtri

    check_level(level, "spread_factors")
    values: FloatArray = np.asarray(deviations, dtype=np.float64)
    n, z = values.size, float(ndtri(0.5 + level / 2))
    squares = float(((values - values.mean()) ** 2).sum()) if n else 0.0
    if n < MIN_VALUES or squares <= 0.0:
        return None
    cut = int(n / (2 * math.sqrt(n - 4)))
    middle = float(np.sort(values)[cut : n - cut].mean())  # a trimmed mean
    kurtosis = n * float(((values - middle) ** 4).sum()) / squares**2
    bias = n / (n - z)
    error = bias * math.sqrt(max(kurtosis - (n - 3) / n, 0.0) / (n - 1))
    return (
        math.sqrt(bias * math.exp(-z * error)),
        math.sqrt(bias * math.exp(z * error)),
    )
