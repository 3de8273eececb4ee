"""How many units a comparison needs, and what as many as there are can find."""

import math

import numpy as np
from numpy.typing import ArrayLike

from evalsuite.stats.clusters import Clusters, FloatArray, check_level, read_values
from evalsuite.stats.estimate import Estimate
from evalsuite.stats.means import mean_interval
from evalsuite.stats.paired import t_error
from evalsuite.stats.spread import MIN_VALUES, spread_factors

SKEWED = 0.8
"""A skewness of a sample beyond what few normal values would show by chance."""

MANY_CLUSTERS = 50
"""As many differences have an interval of their spread that skewness does not harm."""

MAX_UNITS = 1_000_000_000
"""More units than this are not counted out."""


def minimum_detectable_effect(
    differences: ArrayLike,
    *,
    clusters: Clusters | None = None,
    power: float = 0.8,
    level: float = 0.95,
) -> Estimate:
    """Smallest true mean difference that as many units would find: ``(z_{1-a/2} + z_power) SE``.

    Parameters
    ----------
    differences : array of shape (n,)
        One a unit, as of a pilot; NaN is missing.
    clusters : sequence of n labels, optional
        What was sampled independently. By default each unit is its own cluster.
    power : float
        Chance to find it, in (0, 1) and above ``1 - level``, which no effect at all has.
    level : float
        Of the interval that has to exclude 0, and of the interval of the effect, in [0.5, 1).

    Returns
    -------
    Estimate
        The interval is that of the standard deviation, by Bonett's method (`spread_factors`), over
        clusters. Null, with the warning of `mean_interval`, where the spread is unknown, and null
        bounds with fewer than 5 clusters.

    Raises
    ------
    ValueError
        If power or level is out of its range, or as in `mean_interval`.

    Notes
    -----
    Miller (2024, arXiv 2411.00640). The normal quantiles are a little too small for few units:
    `detectable_effect` is exact.

    Examples
    --------
    >>> result = minimum_detectable_effect([0.1, 0.1, -0.05, 0.1, 0.2, 0.05, 0.1, 0.1])
    >>> round(result.estimate, 6), round(result.ci_low, 4), round(result.ci_high, 4)
    (0.068778, 0.0309, 0.2028)
    """
    from scipy.special import ndtri

    caller = "minimum_detectable_effect"
    _check_power(power, caller)
    mean = mean_interval(differences, clusters=clusters, level=level)
    if level < 0.5 or power <= 1 - level:
        raise ValueError(
            f"{caller}: level must be at least 0.5 and power above 1 - level, "
            f"got {level} and {power}"
        )
    error = t_error(mean, caller=caller)
    effect = se = low = high = None
    warnings = mean.warnings
    if error is not None:
        effect = _z_sum(power, level) * error[0]
        deviations = _cluster_deviations(differences, clusters, caller)
        warnings += _skewed(deviations)
        factors = spread_factors(deviations, level=level)
        if factors is None:
            warnings += (f"unknown spread: an interval needs at least {MIN_VALUES} clusters",)
        else:
            low, high = (min(effect * factors[0], effect), max(effect * factors[1], effect))
            se = (high - low) / (2 * float(ndtri(0.5 + level / 2)))
    return Estimate(
        estimate=effect,
        se=se,
        ci_low=low,
        ci_high=high,
        level=level,
        method="normal quantiles, Bonett's interval of the standard deviation",
        n=mean.n,
        n_clusters=mean.n_clusters,
        n_missing=mean.n_missing,
        warnings=warnings,
    )


def _cluster_deviations(
    differences: ArrayLike, clusters: Clusters | None, caller: str
) -> FloatArray:
    present, cluster, _ = read_values(differences, clusters, caller)
    number = np.unique(cluster, return_inverse=True)[1]
    sums = np.bincount(number, weights=present - present.mean())
    # Only their shape is used; the fourth powers of large ones would leave the range of numbers.
    return np.asarray(sums / (np.abs(sums).max() or 1.0), dtype=np.float64)


def _skewed(deviations: FloatArray) -> tuple[str, ...]:
    n, size = deviations.size, float(np.sqrt((deviations**2).mean()))
    skewness = float((deviations**3).mean()) / size**3 if size > 0.0 else 0.0
    if n >= MANY_CLUSTERS or abs(skewness) <= SKEWED:
        return ()
    return (
        f"skewed: the differences have a skewness of {skewness:.2g}; below {MANY_CLUSTERS} of them "
        "the interval of their spread falls short",
    )


def planned_units(sd: float, delta: float, *, power: float = 0.8, level: float = 0.95) -> int:
    """Units to find a mean difference, by normal quantiles: ``((z_{1-a/2} + z_power) sd/delta)^2``.

    >>> planned_units(0.069437, 0.05)
    16
    """
    _check_design(sd, delta, level, "planned_units")
    _check_power(power, "planned_units")
    return max(1, math.ceil((_z_sum(power, level) * sd / delta) ** 2))


def power_of_mean_difference(n: int, sd: float, delta: float, *, level: float = 0.95) -> float:
    """Chance that the t interval of n independent normal differences excludes 0.

    Parameters
    ----------
    n : int
        Units, at least 2.
    sd : float
        Of the differences of units, above 0.
    delta : float
        True mean difference, above 0.
    level : float
        Of the interval, in (0, 1).

    Raises
    ------
    ValueError
        If a number is out of its range.

    Notes
    -----
    By the noncentral t distribution with noncentrality ``sqrt(n) delta / sd``.

    Examples
    --------
    >>> round(power_of_mean_difference(20, 1.0, 0.5), 4)
    0.5645
    """
    caller = "power_of_mean_difference"
    _check_design(sd, delta, level, caller)
    if n < 2:
        raise ValueError(f"{caller}: n must be at least 2, got {n}")
    return _power(n, delta / sd, level)


def required_units(sd: float, delta: float, *, power: float = 0.8, level: float = 0.95) -> int:
    """Fewest units, at least 3, for which `power_of_mean_difference` reaches the power.

    >>> required_units(1.0, 0.5)
    34
    """
    caller = "required_units"
    _check_design(sd, delta, level, caller)
    _check_power(power, caller)
    high = 3
    while _power(high, delta / sd, level) < power:
        high *= 2
        if high > MAX_UNITS:
            raise ValueError(f"{caller}: more than {MAX_UNITS} units for {delta} of sd {sd}")
    low = max(2, high // 2)  # too few, or fewer than there may be
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if _power(middle, delta / sd, level) >= power else (middle, high)
    return high


def detectable_effect(n: int, sd: float, *, power: float = 0.8, level: float = 0.95) -> float:
    """The mean difference that n units find with the power: inverse of `power_of_mean_difference`.

    >>> round(detectable_effect(34, 1.0), 4)
    0.495
    """
    caller = "detectable_effect"
    _check_design(sd, 1.0, level, caller)
    _check_power(power, caller)
    if n < 2 or power <= 1 - level:
        raise ValueError(
            f"{caller}: n must be at least 2 and power above 1 - level, got {n} and {power}"
        )
    from scipy.optimize import brentq

    high = 1.0
    while _power(n, high, level) < power:
        high *= 2
    return sd * float(brentq(lambda x: _power(n, x, level) - power, 0.0, high, xtol=1e-12))


def _power(n: int, standardised: float, level: float) -> float:
    from scipy.special import stdtrit
    from scipy.stats import nct, norm

    shift, critical = math.sqrt(n) * standardised, float(stdtrit(n - 1, 0.5 + level / 2))
    above = float(nct.sf(critical, n - 1, shift))
    if math.isnan(above):  # Where scipy's noncentral t ends, far out, a normal one is as good.
        above = float(norm.sf((critical - shift) / math.sqrt(1 + critical**2 / (2 * (n - 1)))))
    below = float(nct.cdf(-critical, n - 1, shift))
    # scipy gives NaN where the wrong side has less than 2e-8, which is at most Phi(-shift).
    return float(np.clip(above if math.isnan(below) else above + below, 0.0, 1.0))


def _z_sum(power: float, level: float) -> float:
    from scipy.special import ndtri

    return float(ndtri(0.5 + level / 2) + ndtri(power))


def _check_power(power: float, caller: str) -> None:
    if not 0.0 < power < 1.0:
        raise ValueError(f"{caller}: power must lie in (0, 1), got {power}")


def _check_design(sd: float, delta: float, level: float, caller: str) -> None:
    check_level(level, caller)
    for name, value in (("sd", sd), ("delta", delta)):
        if not (math.isfinite(value) and value > 0.0):
            raise ValueError(f"{caller}: {name} must be a number above 0, got {value}")
