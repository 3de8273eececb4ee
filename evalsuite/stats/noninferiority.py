"""The verdict of a gate: a candidate is no worse than its base by a margin, or is, or neither."""

import math
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike

from evalsuite.stats.clusters import (
    MIN_CLUSTERS,
    Clusters,
    FloatArray,
    check_level,
    is_constant,
    read_values,
)
from evalsuite.stats.estimate import Estimate
from evalsuite.stats.means import mean_interval
from evalsuite.stats.paired import SMALLEST, as_estimate, paired_difference, t_error

Verdict = Literal["PASS", "FAIL", "INCONCLUSIVE"]

SKEWED = 0.2
"""Skewness of the mean beyond which bounds are said to be short."""


@dataclass(frozen=True)
class NonInferiority:
    """A verdict and all it was made of.

    Parameters
    ----------
    verdict : {"PASS", "FAIL", "INCONCLUSIVE"}
    scale : {"difference", "ratio"}
        What estimate, bounds and threshold are: candidate minus base, or candidate over base.
    estimate : Estimate
        Its interval is the two-sided one of the same level.
    lower_bound, upper_bound : float or None
        One-sided bounds, each of the level; None where none can be formed.
    threshold : float
        The value that the lower bound must exceed: ``-margin``, or ``1 - margin`` of a ratio.
    margin, level : float
        As given.
    p_value : float or None
        One-sided, of "the candidate is worse by the margin or more"; PASS means p < 1 - level.
    reason : str or None
        Why no verdict could be formed, where the data allow none at all.
    """

    verdict: Verdict
    scale: Literal["difference", "ratio"]
    estimate: Estimate
    lower_bound: float | None
    upper_bound: float | None
    threshold: float
    margin: float
    level: float
    p_value: float | None
    reason: str | None = None


def non_inferiority(
    difference: Estimate | ArrayLike,
    margin: float,
    *,
    clusters: Clusters | None = None,
    level: float = 0.95,
    df: float | None = None,
) -> NonInferiority:
    """PASS, FAIL or INCONCLUSIVE on a difference of candidate minus base, higher being better.

    PASS if the one-sided lower bound exceeds ``-margin``, FAIL if the one-sided upper bound lies
    below it, and otherwise INCONCLUSIVE. Bounds are t bounds, of single differences widened for
    their skewness (Johnson 1978).

    Parameters
    ----------
    difference : Estimate or array of shape (n,)
        A difference with a t interval, or one difference a unit (NaN is missing).
    margin : float
        The largest loss that is acceptable, above 0 and set before the run.
    clusters : sequence of n labels, optional
        What was sampled independently; for an array only.
    level : float
        Of each one-sided bound, in (0, 1).
    df : float, optional
        Degrees of freedom of an Estimate's interval, where they are not its clusters less 1.

    Returns
    -------
    NonInferiority
        INCONCLUSIVE, with the reason, where there is no interval: fewer than 3 clusters, constant
        differences, everything missing.

    Raises
    ------
    ValueError
        If the margin is not a finite number above 0, the level lies outside (0, 1), the interval is
        not symmetric, or clusters are given with an Estimate.

    Examples
    --------
    >>> d = [0.02, -0.01, 0.03, 0.0, -0.02, 0.01, 0.02, -0.01, 0.0, 0.01]
    >>> result = non_inferiority(d, 0.02)
    >>> result.verdict, round(result.lower_bound, 4), result.threshold
    ('PASS', -0.0042, -0.02)
    >>> non_inferiority(d, 0.001).verdict
    'INCONCLUSIVE'
    """
    caller = "non_inferiority"
    _check_margin(margin, caller)
    check_level(level, caller)
    estimate = as_estimate(difference, clusters, level=level, caller=caller)
    skew = 0.0 if isinstance(difference, Estimate) else _skew(difference, clusters, caller)
    bounds = _bounds(estimate, -margin, level, df=df, caller=caller, skew=skew)
    estimate = _told_of_skew(estimate, skew)
    return NonInferiority(
        verdict=_verdict(bounds, -margin),
        scale="difference",
        estimate=estimate,
        lower_bound=bounds.low,
        upper_bound=bounds.high,
        threshold=-margin,
        margin=margin,
        level=level,
        p_value=bounds.p_value,
        reason=bounds.reason,
    )


def non_inferiority_ratio(
    candidate: ArrayLike,
    base: ArrayLike,
    margin: float,
    *,
    clusters: Clusters | None = None,
    level: float = 0.95,
) -> NonInferiority:
    """The same on the ratio of means: PASS if its lower bound exceeds ``1 - margin``.

    The bounds are those of ``log(mean candidate / mean base)``, by the delta method: a t interval
    of the units' contributions ``c_i / mean c - b_i / mean b``. It is a ratio of means, so that a
    unit scored 0 does no harm.

    Parameters
    ----------
    candidate, base : array of shape (n,)
        Scores of the same units, at least 0, higher being better. NaN on either side is missing.
    margin : float
        The largest relative loss that is acceptable, in (0, 1).
    clusters, level
        As in `non_inferiority`.

    Returns
    -------
    NonInferiority
        On the scale of the ratio. INCONCLUSIVE, with the reason, also where a mean is 0.

    Raises
    ------
    ValueError
        If the margin lies outside (0, 1), a score is negative, or as in `paired_difference`.

    Examples
    --------
    >>> base = [4.0, 6.0, 5.0, 3.0, 7.0, 5.5, 4.5, 6.5, 5.0, 4.0]
    >>> candidate = [3.9, 6.1, 5.0, 2.8, 7.1, 5.4, 4.6, 6.3, 5.1, 3.9]
    >>> result = non_inferiority_ratio(candidate, base, 0.05)
    >>> result.verdict, round(result.estimate.estimate, 4), round(result.lower_bound, 4)
    ('PASS', 0.9941, 0.9791)
    """
    caller = "non_inferiority_ratio"
    _check_margin(margin, caller)
    if margin >= 1.0:
        raise ValueError(f"{caller}: margin must lie in (0, 1), got {margin}")
    shifted, log_ratio = _log_ratio(candidate, base, clusters, level)
    threshold = math.log1p(-margin)
    skew = _skew(shifted, clusters, caller)
    bounds = _bounds(log_ratio, threshold, level, caller=caller, skew=skew)
    log_ratio = _told_of_skew(log_ratio, skew)
    return NonInferiority(
        verdict=_verdict(bounds, threshold),
        scale="ratio",
        estimate=_exponential(log_ratio),
        lower_bound=_exp(bounds.low),
        upper_bound=_exp(bounds.high),
        threshold=1.0 - margin,
        margin=margin,
        level=level,
        p_value=bounds.p_value,
        reason=bounds.reason,
    )


def non_inferiority_of_equals(
    n_units: int, reach: float, margin: float, *, level: float = 0.95
) -> NonInferiority:
    """The verdict where not one of the units differs, so that there is no spread to go by.

    If none of n independent units differs, fewer than ``1 - (1-level)^(1/n)`` of all units do (the
    rule of three), and none by more than the range of the measure: their product bounds the mean.

    Parameters
    ----------
    n_units : int
        Independent units, at least 1.
    reach : float
        Range of the measure, above 0.
    margin, level : float
        As in `non_inferiority`.

    Raises
    ------
    ValueError
        If a number is out of its range.

    Examples
    --------
    >>> result = non_inferiority_of_equals(120, 1.0, 0.05)
    >>> result.verdict, round(result.lower_bound, 4)
    ('PASS', -0.0247)
    """
    caller = "non_inferiority_of_equals"
    _check_margin(margin, caller)
    check_level(level, caller)
    if n_units < 1 or not (math.isfinite(reach) and reach > 0.0):
        raise ValueError(f"{caller}: n_units must be >= 1 and reach > 0, got {n_units} and {reach}")
    one_sided, both = (
        reach * -math.expm1(math.log1p(-own) / n_units) for own in (level, (1 + level) / 2)
    )
    estimate = Estimate(
        estimate=0.0,
        se=None,
        ci_low=-both,
        ci_high=both,
        level=level,
        method="no unit differs: bound on the share that does, times the range",
        n=n_units,
        n_clusters=n_units,
        warnings=(f"no differences: all {n_units} units have equal scores on both sides",),
    )
    bounds = _Bounds(-one_sided, one_sided)
    return NonInferiority(
        verdict=_verdict(bounds, -margin),
        scale="difference",
        estimate=estimate,
        lower_bound=bounds.low,
        upper_bound=bounds.high,
        threshold=-margin,
        margin=margin,
        level=level,
        p_value=None,
    )


@dataclass(frozen=True)
class _Bounds:
    low: float | None = None
    high: float | None = None
    p_value: float | None = None
    reason: str | None = None


def _check_margin(margin: float, caller: str) -> None:
    if not (math.isfinite(margin) and margin > 0.0):
        raise ValueError(
            f"{caller}: margin is the largest loss that is acceptable, a number above 0, "
            f"got {margin}"
        )


def _skew(differences: ArrayLike, clusters: Clusters | None, caller: str) -> float:
    """Third cumulant of the mean over its variance: skewness times the standard error."""
    present, cluster, _ = read_values(differences, clusters, caller)
    number = np.unique(cluster, return_inverse=True)[1]
    g = int(number.max(initial=-1)) + 1
    if g < MIN_CLUSTERS or is_constant(present):
        return 0.0
    sums = np.bincount(number, weights=present - present.mean()) / present.size
    variance = float(np.dot(sums, sums)) * g / (g - 1)
    third = float((sums**3).sum()) * g**2 / ((g - 1) * (g - 2))
    return third / variance if variance > 0.0 else 0.0


def _told_of_skew(estimate: Estimate, skew: float) -> Estimate:
    if estimate.se is None or abs(skew) <= SKEWED * estimate.se:
        return estimate
    note = (
        f"skewed: the mean of the differences has a skewness of {skew / estimate.se:.2g}; bounds "
        "are widened by it, and still a little short"
    )
    return estimate.model_copy(update={"warnings": (*estimate.warnings, note)})


def _bounds(
    estimate: Estimate,
    threshold: float,
    level: float,
    *,
    caller: str,
    df: float | None = None,
    skew: float = 0.0,
) -> _Bounds:
    error = t_error(estimate, df=df, caller=caller)
    if error is None or estimate.estimate is None:
        return _Bounds(reason="; ".join(estimate.warnings) or "no interval: it was not formed")
    from scipy.special import stdtr, stdtrit

    (se, freedom), value = error, estimate.estimate
    t = float(stdtrit(freedom, level))
    # The Cornish-Fisher term of a skewed mean (Johnson 1978), where it widens: a t bound of
    # differences with a long tail of losses passes a loss of the margin too often.
    shift = (1 + 2 * t * t) / 6 * skew
    low, high = value + min(0.0, shift), value + max(0.0, shift)
    p_value = max(float(stdtr(freedom, -(low - threshold) / se)), SMALLEST)
    return _Bounds(low - t * se, high + t * se, p_value)


def _verdict(bounds: _Bounds, threshold: float) -> Verdict:
    if bounds.low is not None and bounds.low > threshold:
        return "PASS"
    if bounds.high is not None and bounds.high < threshold:
        return "FAIL"
    return "INCONCLUSIVE"


def _log_ratio(
    candidate: ArrayLike, base: ArrayLike, clusters: Clusters | None, level: float
) -> tuple[FloatArray, Estimate]:
    """What each unit adds to the log ratio of means, and the estimate of that."""
    plain = paired_difference(candidate, base, clusters=clusters, level=level)
    ours, theirs = np.asarray(candidate, dtype=np.float64), np.asarray(base, dtype=np.float64)
    if (ours < 0.0).any() or (theirs < 0.0).any():
        raise ValueError("non_inferiority_ratio: a ratio needs scores of at least 0")
    there = ~np.isnan(ours - theirs)
    nothing = np.full(ours.shape, np.nan)
    if not there.any():
        return nothing, _no_ratio(plain, plain.warnings)
    mean_ours, mean_theirs = float(ours[there].mean()), float(theirs[there].mean())
    if not (mean_ours > 0.0 and mean_theirs > 0.0):
        which = "candidate" if mean_theirs > 0.0 else "base"
        warning = f"zero mean: the mean of the {which} is 0, so the ratio has no logarithm"
        return nothing, _no_ratio(plain, (warning,))
    contributions = ours / mean_ours - theirs / mean_theirs
    # Of proportional scores nothing but rounding is left, which is no spread to build upon.
    contributions[np.abs(contributions) <= 1e-12 * theirs / mean_theirs] = 0.0
    shifted = math.log(mean_ours / mean_theirs) + contributions
    result = mean_interval(shifted, clusters=clusters, level=level)
    method = f"{result.method} on the log ratio of means"
    return shifted, result.model_copy(update={"method": method})


def _no_ratio(plain: Estimate, warnings: tuple[str, ...]) -> Estimate:
    return Estimate(
        estimate=None,
        se=None,
        ci_low=None,
        ci_high=None,
        level=plain.level,
        method="t on the log ratio of means",
        n=plain.n,
        n_clusters=plain.n_clusters,
        n_missing=plain.n_missing,
        warnings=warnings,
    )


def _exponential(log_ratio: Estimate) -> Estimate:
    ratio = _exp(log_ratio.estimate)
    return Estimate(
        estimate=ratio,
        se=None if ratio is None or log_ratio.se is None else ratio * log_ratio.se,
        ci_low=_exp(log_ratio.ci_low),
        ci_high=_exp(log_ratio.ci_high),
        level=log_ratio.level,
        method=log_ratio.method,
        n=log_ratio.n,
        n_clusters=log_ratio.n_clusters,
        n_missing=log_ratio.n_missing,
        warnings=log_ratio.warnings,
    )


def _exp(value: float | None) -> float | None:
    """Back from the logarithm; None where there is nothing, or nothing a float can hold."""
    return None if value is None or value > 709.0 else math.exp(value)
