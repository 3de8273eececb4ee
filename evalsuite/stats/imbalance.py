"""How far shares lie from their targets, next to how far those of a fair model would."""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from evalsuite.stats.clusters import FloatArray, check_level
from evalsuite.stats.counts import read_category_counts
from evalsuite.stats.estimate import Estimate
from evalsuite.stats.proportions import proportion_interval
from evalsuite.stats.streams import stream


@dataclass(frozen=True)
class Imbalance:
    """How far shares are from their target, next to how far fair ones would be.

    Parameters
    ----------
    estimate : Estimate
        The distance as observed, which is above 0 for a fair model too.
    expected : float
        What a fair model would show on average with as many outputs.
    p_value : float
        How often a fair model shows as much; exact for two categories.
    """

    estimate: Estimate
    expected: float
    p_value: float


def imbalance(successes: int, n: int, *, target: float = 0.5, level: float = 0.95) -> Imbalance:
    """Distance of a share from its target.

    Parameters
    ----------
    successes, n : int
        ``0 <= successes <= n``, n >= 1, of independent outputs.
    target : float
        The fair share, in (0, 1).
    level : float
        Nominal coverage, in (0, 1).

    Returns
    -------
    Imbalance
        ``|successes/n - target|`` with the interval that follows from Wilson's, its exact mean for
        a fair model, and the exact binomial p-value.

    Raises
    ------
    ValueError
        If counts are impossible, n is 0, or the target lies outside (0, 1).

    Examples
    --------
    >>> result = imbalance(7, 8)
    >>> result.estimate.estimate, round(result.expected, 6), round(result.p_value, 6)
    (0.375, 0.136719, 0.070312)
    """
    if n < 1:
        raise ValueError(f"imbalance: expected n >= 1, got {n}")
    if not 0.0 < target < 1.0:
        raise ValueError(f"imbalance: target must lie in (0, 1), got {target}")
    from scipy.stats import binom, binomtest

    share = proportion_interval(successes, n, level=level)
    low, high = _distance_ends(share, target)
    # De Moivre's mean absolute deviation of a binomial count.
    above = math.floor(n * target) + 1
    deviation = 2 * above * (1 - target) * float(binom.pmf(above, n, target))
    return Imbalance(
        estimate=share.model_copy(
            update={
                "estimate": abs(successes / n - target),
                "ci_low": low,
                "ci_high": high,
                "method": "distance from the target, Wilson",
            }
        ),
        expected=deviation / n,
        p_value=float(binomtest(successes, n, target).pvalue),
    )


def multinomial_imbalance(
    counts: ArrayLike,
    *,
    target: ArrayLike | None = None,
    level: float = 0.95,
    draws: int = 9999,
    rng: np.random.Generator | None = None,
) -> Imbalance:
    """Distance of several shares from their targets: half the sum of absolute differences.

    For two categories that is `imbalance`.

    Parameters
    ----------
    counts : array of shape (categories,), categories >= 2
        Of independent outputs; categories without an output included.
    target : array of shape (categories,), optional
        The fair shares, above 0, summing to 1; by default all equal.
    level : float
        Nominal coverage, in (0, 1).
    draws : int
        Fair samples that ``expected`` and ``p_value`` rest on.
    rng : numpy.random.Generator, optional
        By default a fixed stream.

    Returns
    -------
    Imbalance
        The interval follows from simultaneous Wilson intervals of the shares and is wide for many
        categories.

    Raises
    ------
    ValueError
        If counts are not whole and at least 0 or all 0, or the target does not fit them.

    Examples
    --------
    >>> result = multinomial_imbalance([9, 5, 4])
    >>> round(result.estimate.estimate, 6), result.p_value > 0.2
    (0.166667, True)
    """
    caller = "multinomial_imbalance"
    check_level(level, caller)
    x = read_category_counts(counts, caller)
    t = _read_target(target, x.shape[-1], caller)
    n = int(x.sum())
    if x.ndim != 1 or not n:
        raise ValueError(f"{caller}: expected one row of counts, not all 0")
    if (t <= 0).any():
        raise ValueError(f"{caller}: a target is 0, so that one output would disprove fairness")
    observed = float(np.abs(x / n - t).sum()) / 2
    generator = stream(caller) if rng is None else rng
    fair = np.abs(generator.multinomial(n, t, size=draws) / n - t).sum(axis=1) / 2
    each = 1 - (1 - level) / x.size
    ends = [
        _distance_ends(proportion_interval(int(k), n, level=each), float(share))
        for k, share in zip(x, t, strict=True)
    ]
    return Imbalance(
        estimate=Estimate(
            estimate=observed,
            se=None,
            ci_low=min(sum(low for low, _ in ends) / 2, observed),
            ci_high=max(min(sum(high for _, high in ends) / 2, 1.0), observed),
            level=level,
            method="distance from the target, simultaneous Wilson",
            n=n,
            n_clusters=n,
        ),
        expected=float(fair.mean()),
        p_value=float(1 + (fair >= observed - 1e-12).sum()) / (1 + draws),
    )


def squared_distance(counts: ArrayLike, target: ArrayLike | None = None) -> FloatArray:
    """Unbiased squared distance of shares from their targets, unit by unit.

    ``U = sum_k x_k(x_k-1)/(n(n-1)) - 2 t_k x_k/n + t_k^2``, whose mean is ``sum_k (p_k - t_k)^2``
    at every n. A single U may be negative; average U over units (`mean_interval`), unclipped.

    Parameters
    ----------
    counts : array of shape (units, categories), or (categories,)
    target : array of shape (categories,), optional
        Shares that sum to 1; by default all equal.

    Returns
    -------
    array of shape (units,)
        NaN, which is missing, for units with fewer than two outputs.

    Raises
    ------
    ValueError
        If counts are not whole and at least 0, or the target does not fit them.

    Examples
    --------
    >>> squared_distance([[4, 4], [8, 0], [1, 0]]).round(6)
    array([-0.071429,  0.5     ,       nan])
    """
    x = read_category_counts(counts, "squared_distance")
    t = _read_target(target, x.shape[-1], "squared_distance")
    n = x.sum(axis=-1)
    with np.errstate(divide="ignore", invalid="ignore"):
        pairs = (x * (x - 1)).sum(axis=-1) / (n * (n - 1))
        value = pairs - 2 * (x @ t) / n + t @ t
    return np.asarray(np.where(n > 1, value, np.nan))


def _distance_ends(share: Estimate, target: float) -> tuple[float, float]:
    low, high = share.ci_low or 0.0, 1.0 if share.ci_high is None else share.ci_high
    inner = 0.0 if low <= target <= high else min(abs(low - target), abs(high - target))
    return inner, max(abs(low - target), abs(high - target))


def _read_target(target: ArrayLike | None, categories: int, caller: str) -> FloatArray:
    if target is None:
        return np.full(categories, 1 / categories)
    t = np.asarray(target, dtype=np.float64)
    if t.shape != (categories,):
        raise ValueError(f"{caller}: {categories} categories but a target of shape {t.shape}")
    if not ((t >= 0).all() and abs(t.sum() - 1) <= 1e-9):
        raise ValueError(f"{caller}: the target must be shares that sum to 1")
    return t
