"""A share by a judge whose error rates are known from another set."""

import math

from evalsuite.stats.clusters import check_level
from evalsuite.stats.estimate import Estimate

MIN_INFORMATION = 1.1
"""Sensitivity plus specificity must exceed this; at 1 the judge is a coin."""


def rogan_gladen(
    positive_share: float,
    n: int,
    *,
    sensitivity: float,
    n_sensitivity: int,
    specificity: float,
    n_specificity: int,
    level: float = 0.95,
) -> Estimate:
    """True share of positives from the share that a judge calls positive and its error rates.

    ``theta = (p + specificity - 1) / (specificity + sensitivity - 1)``, cut to [0, 1]. For error
    rates that carry over from other data; with people's labels of the same outputs `ppi_mean` is
    narrower.

    Parameters
    ----------
    positive_share : float
        Share p of positives by the judge among ``n`` outputs.
    n : int
        At least 1.
    sensitivity, n_sensitivity : float, int
        Share of true positives that the judge calls positive, and of how many.
    specificity, n_specificity : float, int
        Share of true negatives that the judge calls negative, and of how many.
    level : float
        Nominal coverage, in (0, 1).

    Returns
    -------
    Estimate
        ``se`` is that of the smoothed estimate. Null bounds and a warning where the interval would
        lie outside [0, 1]: then the error rates do not fit these outputs.

    Raises
    ------
    ValueError
        If a share lies outside [0, 1], a size is below 1, or sensitivity plus specificity is at
        most 1.1: such a judge says nothing that a correction could use.

    Notes
    -----
    Rogan & Gladen (1978); the interval with added successes and failures is that of Lee et al.
    (2025, arXiv 2511.21140).

    Examples
    --------
    >>> rates = dict(sensitivity=0.9, n_sensitivity=200, specificity=0.7, n_specificity=200)
    >>> result = rogan_gladen(0.4, 1000, **rates)
    >>> round(result.estimate, 6), round(result.ci_low, 6), round(result.ci_high, 6)
    (0.166667, 0.056351, 0.262733)
    """
    check_level(level, "rogan_gladen")
    shares = (positive_share, sensitivity, specificity)
    sizes = (n, n_sensitivity, n_specificity)
    _check(shares, sizes)
    raw = (positive_share + specificity - 1) / (specificity + sensitivity - 1)
    estimate = min(max(raw, 0.0), 1.0)
    low, high, se = _smoothed_interval(shares, sizes, level)
    warnings: tuple[str, ...] = ()
    if raw != estimate:
        warnings += (f"clipped: the corrected share {raw:.6g} lies outside [0, 1]",)
    if low >= high:
        warnings += ("inconsistent: these error rates allow no share of these outputs",)
    return Estimate(
        estimate=estimate,
        se=se,
        ci_low=None if low >= high else min(low, estimate),
        ci_high=None if low >= high else max(high, estimate),
        level=level,
        method="Rogan-Gladen",
        n=n,
        n_clusters=n,
        warnings=warnings,
    )


def _check(shares: tuple[float, float, float], sizes: tuple[int, int, int]) -> None:
    names = ("positive_share", "sensitivity", "specificity")
    for name, share, size in zip(names, shares, sizes, strict=True):
        if not 0.0 <= share <= 1.0:
            raise ValueError(f"rogan_gladen: {name} must lie in [0, 1], got {share}")
        if size < 1:
            raise ValueError(f"rogan_gladen: {name} of {size} outputs, expected at least 1")
    information = shares[1] + shares[2]
    if information <= MIN_INFORMATION:
        raise ValueError(
            f"rogan_gladen: sensitivity plus specificity is {information:.6g}, a judge is of use "
            f"only above {MIN_INFORMATION}"
        )


def _smoothed_interval(
    shares: tuple[float, float, float], sizes: tuple[int, int, int], level: float
) -> tuple[float, float, float]:
    """Ends of the interval, empty where it lies outside [0, 1], and the standard error."""
    from scipy.special import ndtri

    z = float(ndtri(0.5 + level / 2))
    p, q1, q0 = shares
    n, m1, m0 = sizes[0] + z * z, sizes[1] + 2, sizes[2] + 2
    p = (sizes[0] * p + z * z / 2) / n
    q1, q0 = (sizes[1] * q1 + 1) / m1, (sizes[2] * q0 + 1) / m0
    slope = q0 + q1 - 1
    raw = (p + q0 - 1) / slope
    theta = min(max(raw, 0.0), 1.0)
    v0, v1 = q0 * (1 - q0) / m0, q1 * (1 - q1) / m1
    shift = 2 * z * z * (theta * v1 - (1 - theta) * v0)
    se = math.sqrt(p * (1 - p) / n + (1 - theta) ** 2 * v0 + theta**2 * v1) / slope
    if abs(raw - theta) > z * se:
        return 1.0, 0.0, se
    low, high = (min(max(theta + shift + sign * z * se, 0.0), 1.0) for sign in (-1, 1))
    return low, high, se
