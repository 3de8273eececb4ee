"""Two models on the same units: the difference, its interval and its tests."""

import math
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike

from evalsuite.stats.clusters import Clusters, FloatArray
from evalsuite.stats.estimate import Estimate
from evalsuite.stats.means import mean_interval
from evalsuite.stats.signflip import SignFlipMethod, sign_flip_test

PairedMethod = Literal[SignFlipMethod, "t"]

SMALLEST = 5e-324
"""What a p-value is rounded up to: it is never 0."""


@dataclass(frozen=True)
class PairedTest:
    """A paired difference with its t interval, and a two-sided p-value of no difference.

    Parameters
    ----------
    estimate : Estimate
        Of the mean of ``a - b``.
    p_value : float or None
        In (0, 1]; None where no pair is there.
    p_method : str or None
        How the sign-flip p-value was found, or ``t`` for the test that goes with the interval.
    """

    estimate: Estimate
    p_value: float | None
    p_method: PairedMethod | None


@dataclass(frozen=True)
class McNemar:
    """Exact two-sided p-value of equal rates of success, and the pairs that speak to it.

    Parameters
    ----------
    p_value : float
        1 where no pair is discordant.
    only_a, only_b : int
        Pairs in which only that one succeeds.
    n, n_missing : int
        Pairs that are there, and pairs that are not.
    """

    p_value: float
    only_a: int
    only_b: int
    n: int
    n_missing: int


def paired_difference(
    a: ArrayLike, b: ArrayLike, *, clusters: Clusters | None = None, level: float = 0.95
) -> Estimate:
    """Mean of ``a - b`` over units that have both, with a t interval over units or clusters.

    Parameters
    ----------
    a, b : array of shape (n,)
        One score a unit, averaged over its samples first. NaN on either side is missing.
    clusters : sequence of n labels, optional
        What was sampled independently. By default each unit is its own cluster.
    level : float
        Nominal coverage, in (0, 1).

    Returns
    -------
    Estimate
        As of `mean_interval`, to which it hands the differences.

    Raises
    ------
    ValueError
        If the scores are not two arrays of one shape (n,), n >= 1, or as in `mean_interval`.

    Examples
    --------
    >>> a, b = [0.2, 0.5, 0.6, 0.3, 0.9], [0.1, 0.4, 0.65, 0.2, 0.7]
    >>> result = paired_difference(a, b)
    >>> round(result.estimate, 3), round(result.ci_low, 4), round(result.ci_high, 4)
    (0.09, -0.0211, 0.2011)
    """
    difference = _differences(a, b, "paired_difference")
    result = mean_interval(difference, clusters=clusters, level=level)
    return result.model_copy(update={"method": f"paired {result.method}"})


def paired_test(
    a: ArrayLike,
    b: ArrayLike,
    *,
    clusters: Clusters | None = None,
    level: float = 0.95,
    rng: np.random.Generator | None = None,
) -> PairedTest:
    """`paired_difference` next to its sign-flip p-value (`sign_flip_test`).

    The p-value needs no normality and exists for few clusters as well, where it cannot be small.
    It can be above 0.05 where the 95 % interval excludes 0, and the reverse.

    Parameters
    ----------
    a, b, clusters, level
        As in `paired_difference`.
    rng : numpy.random.Generator, optional
        For the flips, where there are more than can be enumerated. By default a fixed stream.

    Returns
    -------
    PairedTest
        No p-value where every pair is missing.

    Raises
    ------
    ValueError
        As in `paired_difference`.

    Examples
    --------
    >>> result = paired_test([0.2, 0.5, 0.6, 0.3, 0.9], [0.1, 0.4, 0.65, 0.2, 0.7])
    >>> result.p_value, result.p_method
    (0.125, 'exact')
    """
    estimate = paired_difference(a, b, clusters=clusters, level=level)
    if not estimate.n:
        return PairedTest(estimate, None, None)
    difference = _differences(a, b, "paired_test")
    p_value, method = sign_flip_test(difference, clusters=clusters, rng=rng)
    return PairedTest(estimate, p_value, method)


def mcnemar_p(a: ArrayLike, b: ArrayLike) -> McNemar:
    """McNemar's exact test of binary scores on the same independent units.

    Given the discordant pairs, those won by a are Binomial(1/2). Units that come in clusters are
    not independent: use `paired_test` there.

    Parameters
    ----------
    a, b : array of shape (n,)
        0 or 1; NaN on either side is missing.

    Returns
    -------
    McNemar

    Raises
    ------
    ValueError
        If the scores are not two arrays of one shape (n,), n >= 1, or not 0 and 1.

    Examples
    --------
    >>> mcnemar_p([1, 1, 1, 1, 1, 1, 0, 1], [0, 0, 0, 0, 0, 0, 1, 1])
    McNemar(p_value=0.125, only_a=6, only_b=1, n=8, n_missing=0)
    """
    from statsmodels.stats.contingency_tables import mcnemar

    difference = _differences(a, b, "mcnemar_p")
    scores = np.concatenate([np.asarray(a, dtype=np.float64), np.asarray(b, dtype=np.float64)])
    if not np.isin(scores[~np.isnan(scores)], (0.0, 1.0)).all():
        raise ValueError("mcnemar_p: every score must be 0 or 1 (or NaN where missing)")
    only_a, only_b = int((difference == 1.0).sum()), int((difference == -1.0).sum())
    p_value = 1.0
    if only_a + only_b:
        p_value = min(1.0, float(mcnemar([[0, only_a], [only_b, 0]], exact=True).pvalue))
    n_missing = int(np.isnan(difference).sum())
    return McNemar(p_value, only_a, only_b, difference.size - n_missing, n_missing)


def t_p_value(
    difference: Estimate | ArrayLike,
    *,
    clusters: Clusters | None = None,
    null: float = 0.0,
    df: float | None = None,
) -> float | None:
    """Two-sided p-value that goes with a t interval: below ``1 - level`` where that excludes null.

    For statistics of a whole set, through pseudo-values or a jackknife: flipping the sign of a
    pseudo-value means nothing, so a sign-flip test does not apply.

    Parameters
    ----------
    difference : Estimate or array of shape (n,)
        With an interval ``estimate +- t_df se``, as of `mean_interval` and `jackknife_interval`, or
        one pseudo-value a unit (NaN is missing), which go through `mean_interval`.
    clusters : sequence of n labels, optional
        What was sampled independently; for an array only.
    null : float
        The value to test, finite.
    df : float, optional
        Degrees of freedom of the interval; by default those of ``n_clusters``, less 1.

    Returns
    -------
    float or None
        None where there is no interval.

    Raises
    ------
    ValueError
        If the interval is not symmetric about the estimate, null is not finite, clusters are given
        with an Estimate, or as in `mean_interval`.

    Examples
    --------
    >>> from evalsuite.stats.jackknife import jackknife_interval
    >>> result = jackknife_interval(2.5, [3.0, 8 / 3, 7 / 3, 2.0])
    >>> round(t_p_value(result), 6)
    0.030466
    """
    caller = "t_p_value"
    if not math.isfinite(null):
        raise ValueError(f"{caller}: null must be finite, got {null}")
    estimate = as_estimate(difference, clusters, caller=caller)
    error = t_error(estimate, df=df, caller=caller)
    if error is None or estimate.estimate is None:
        return None
    from scipy.special import stdtr

    se, freedom = error
    return max(float(2 * stdtr(freedom, -abs(estimate.estimate - null) / se)), SMALLEST)


def as_estimate(
    difference: Estimate | ArrayLike,
    clusters: Clusters | None,
    *,
    caller: str,
    level: float = 0.95,
) -> Estimate:
    """The estimate itself, or the `mean_interval` of one difference a unit.

    >>> as_estimate([1.0, 2.0, 3.0], None, caller="example").estimate
    2.0
    """
    if not isinstance(difference, Estimate):
        return mean_interval(difference, clusters=clusters, level=level)
    if clusters is not None:
        raise ValueError(f"{caller}: clusters go with an array; an Estimate has its own")
    return difference


def t_error(
    estimate: Estimate, *, caller: str, df: float | None = None
) -> tuple[float, float] | None:
    """The standard error that a t interval rests on, and its degrees of freedom.

    It is not always ``estimate.se``: `mean_interval` relies upon the larger of two. None where
    there is no interval; a ValueError that names the caller where it is not symmetric.

    >>> result = mean_interval([0.0, 1.0] * 12, clusters=[i // 2 for i in range(24)])
    >>> se, df = t_error(result, caller="example")
    >>> result.se is None, round(se, 6), df
    (True, 0.104257, 11)
    """
    if estimate.estimate is None or estimate.ci_low is None or estimate.ci_high is None:
        return None
    freedom = estimate.n_clusters - 1 if df is None else df
    half = (estimate.ci_high - estimate.ci_low) / 2
    rounding = 1e-15 * max(abs(estimate.ci_low), abs(estimate.ci_high))
    if abs((estimate.ci_low + estimate.ci_high) / 2 - estimate.estimate) > 1e-6 * half + rounding:
        raise ValueError(f"{caller}: the interval ({estimate.method}) is not symmetric")
    if freedom <= 0.0:
        raise ValueError(f"{caller}: an interval cannot have {freedom:g} degrees of freedom")
    if half <= rounding:  # narrower than a float can say at this distance from 0
        return None
    from scipy.special import stdtrit

    return half / float(stdtrit(freedom, 0.5 + estimate.level / 2)), freedom


def _differences(a: ArrayLike, b: ArrayLike, caller: str) -> FloatArray:
    left, right = np.asarray(a, dtype=np.float64), np.asarray(b, dtype=np.float64)
    if left.ndim != 1 or left.shape != right.shape or not left.size:
        raise ValueError(
            f"{caller}: expected two arrays of one shape (n,), n >= 1, "
            f"got {left.shape} and {right.shape}"
        )
    if np.isinf(left).any() or np.isinf(right).any():
        raise ValueError(f"{caller}: {np.isinf([left, right]).sum()} scores are infinite")
    return np.asarray(left - right)
