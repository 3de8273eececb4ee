"""Hill numbers of one sample: the effective number of classes at orders 0, 1 and 2."""

import math

import numpy as np
from numpy.typing import ArrayLike

from evalsuite.stats.assemblage import bootstrap, normal_quantile, unseen_classes
from evalsuite.stats.clusters import FloatArray, IntArray, check_level
from evalsuite.stats.collapsed import simpson_sums
from evalsuite.stats.counts import read_counts, read_n_classes
from evalsuite.stats.diversity_intervals import TOP_SPLIT, UNSEEN_BOOTSTRAP, simpson_intervals
from evalsuite.stats.entropy import beyond_closed_set, entropy_estimate, sample_warnings
from evalsuite.stats.entropy_points import chao_wang_jost_entropies
from evalsuite.stats.estimate import Estimate
from evalsuite.stats.streams import stream

ORDERS = (0, 1, 2)


def hill_estimate(
    counts: ArrayLike,
    *,
    q: int,
    n_classes: int | None = None,
    level: float = 0.95,
    rng: np.random.Generator | None = None,
) -> Estimate:
    """Effective number of classes of the distribution that a sample came from.

    Parameters
    ----------
    counts : array of shape (classes,)
        Observations of each class; zeros are ignored.
    q : int
        0 counts classes (Chao1, a lower bound), 1 is exp of the Chao-Wang-Jost entropy, 2 is
        ``n(n-1) / sum x(x-1)``, whose reciprocal is unbiased. Others are refused: no estimator of
        theirs is checked here.
    n_classes : int, optional
        Size of a closed set of classes. The interval then ends there, and so does the estimate for
        q = 0; others are not cut, for averages of cut ones are biased.
    level : float
        Nominal coverage of the interval, in (0, 1).
    rng : numpy Generator, optional
        By default a fixed stream of its own.

    Returns
    -------
    Estimate
        q = 1: the ends of `entropy_estimate`, exponentiated. q = 2: the ends of the interval for
        ``sum p^2``, inverted. q = 0: ``Chao1 +- z se``, not below the classes seen. Warnings as
        `entropy_estimate`, and ``lower bound`` for q = 0 below ``n_classes``, ``no repeats`` where
        q = 2 has no estimate, ``unbounded`` where an interval has no upper end.

    Raises
    ------
    ValueError
        If q is not 0, 1 or 2, a count is no whole number of at least 0, all are 0, or more classes
        were seen than there are.

    Examples
    --------
    >>> x = [50, 30, 10, 5, 2, 1, 1, 1]
    >>> [round(hill_estimate(x, q=q).estimate, 6) for q in (0, 1, 2)]
    [12.455, 3.917261, 2.884615]
    """
    x = read_counts(counts, "hill_estimate")
    check_level(level, "hill_estimate")
    check_order(q, "hill_estimate")
    n_classes = read_n_classes(n_classes, x.size, "hill_estimate")
    rng = stream(f"hill_estimate/{q}") if rng is None else rng
    if q == 0:
        return _richness(x, n_classes, level, rng)
    if q == 1:
        return _exponential(entropy_estimate(x, n_classes=n_classes, level=level, rng=rng))
    return _inverse_simpson(x, n_classes, level, rng)


def hill_numbers(matrix: IntArray, q: int, n_classes: int | None = None) -> FloatArray:
    """Estimates of the Hill number of order q of many samples at once, without intervals.

    Parameters
    ----------
    matrix : integer array of shape (units, classes)
        At least one observation a row.
    q : int
        0, 1 or 2, with the estimators of `hill_estimate`.
    n_classes : int, optional
        Size of a closed set of classes, where q = 0 ends; others are not cut.

    Returns
    -------
    array of shape (units,)
        Infinite for q = 2 and a row without repeats: average the reciprocals.

    Examples
    --------
    >>> hill_numbers(np.array([[50, 30, 10, 5, 2, 1, 1, 1]]), 2).round(6).tolist()
    [2.884615]
    """
    check_order(q, "hill_numbers")
    if q == 0:
        most = np.inf if n_classes is None else n_classes
        return np.asarray(np.minimum((matrix > 0).sum(axis=1) + unseen_classes(matrix), most))
    if q == 1:
        return np.asarray(np.exp(chao_wang_jost_entropies(matrix)))
    pairs = np.nan_to_num(simpson_sums(matrix), nan=0.0)
    return np.asarray(np.divide(1.0, pairs, out=np.full(pairs.shape, np.inf), where=pairs > 0))


def check_order(q: float, caller: str) -> None:
    """Refuse an order other than 0, 1 and 2 with a ValueError that names the caller."""
    if q not in ORDERS:
        raise ValueError(f"{caller}: q must be 0, 1 or 2, got {q}")


def _richness(
    x: IntArray, n_classes: int | None, level: float, rng: np.random.Generator
) -> Estimate:
    estimate = float(hill_numbers(x[None, :], 0, n_classes)[0])
    se = float(bootstrap(x[None, :], lambda rows: hill_numbers(rows, 0), rng).std(ddof=1))
    half = normal_quantile(level) * se
    low, high = max(estimate - half, float(x.size)), None if se <= 1e-12 else estimate + half
    warnings: tuple[str, ...] = ()
    if n_classes is None or estimate < n_classes:
        warnings = ("lower bound: Chao1 counts at least so many classes, there may be more",)
    if n_classes is not None:
        high = float(n_classes) if high is None else min(high, float(n_classes))
        low = min(low, high)
    if high is None:
        warnings += ("unbounded: no sign of unseen classes, nothing bounds their number",)
    is_empty = high is not None and high - low <= 1e-12
    if is_empty:
        warnings += ("degenerate: every class of the closed set was seen",)
    return Estimate(
        estimate=estimate,
        se=None if is_empty or se <= 1e-12 else se,
        ci_low=None if is_empty else low,
        ci_high=None if is_empty else high,
        level=level,
        method=f"Chao1, {UNSEEN_BOOTSTRAP}",
        n=int(x.sum()),
        n_clusters=int(x.sum()),
        n_missing=0,
        warnings=warnings + sample_warnings(x),
    )


def _exponential(entropy: Estimate) -> Estimate:
    estimate = math.exp(entropy.estimate or 0.0)
    changes = {
        "estimate": estimate,
        "se": None if entropy.se is None else estimate * entropy.se,
        "ci_low": None if entropy.ci_low is None else math.exp(entropy.ci_low),
        "ci_high": None if entropy.ci_high is None else math.exp(entropy.ci_high),
        "method": f"exp of {entropy.method}",
    }
    return entropy.model_copy(update=changes)


def _inverse_simpson(
    x: IntArray, n_classes: int | None, level: float, rng: np.random.Generator
) -> Estimate:
    n, warnings = int(x.sum()), sample_warnings(x)
    estimate = se = low = high = None
    method = "unbiased sum p^2 inverted"
    if n < 2:
        warnings += ("no repeats: one observation has no pair to compare",)
    else:
        made = simpson_intervals(x[None, :], level=level, n_classes=n_classes, rng=rng)
        method += f", {TOP_SPLIT if made.is_split[0] else UNSEEN_BOOTSTRAP}"
        pairs, spread = float(made.estimate[0]), float(made.se[0])
        least, most = float(made.low[0]), float(made.high[0])
        if pairs == 0.0:
            warnings += (f"no repeats: all {n} observations differ, the estimate is infinite",)
        else:
            estimate, se = 1 / pairs, spread / pairs**2
            if n_classes is not None and pairs < 1 / n_classes:
                warnings += (beyond_closed_set(n_classes),)
        if most - least <= 1e-12:
            warnings += ("degenerate: the sample shows no spread, or the set leaves none",)
        else:
            low, high = 1 / most, 1 / least if least > 0 else None
            if high is None:
                warnings += ("unbounded: so few repeats bound the number of classes below only",)
    return Estimate(
        estimate=estimate,
        se=se if se and se > 1e-12 else None,
        ci_low=low,
        ci_high=high,
        level=level,
        method=method,
        n=n,
        n_clusters=n,
        n_missing=0,
        warnings=warnings,
    )
