"""The entropy of one sample of classes, with its interval."""

import math
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike

from evalsuite.stats.clusters import check_level
from evalsuite.stats.counts import read_counts, read_n_classes
from evalsuite.stats.coverage import coverages
from evalsuite.stats.diversity_intervals import (
    COLLAPSED,
    TOP_SPLIT,
    UNSEEN_BOOTSTRAP,
    entropy_intervals,
)
from evalsuite.stats.entropy_points import (
    chao_shen_entropies,
    chao_wang_jost_entropies,
    jackknife_entropies,
    miller_madow_entropies,
    plug_in_entropies,
)
from evalsuite.stats.estimate import Estimate
from evalsuite.stats.streams import stream

LOW_COVERAGE = 0.95
"""Below this estimated coverage an interval is warned of."""

SMALL_SAMPLE = 50
"""Fewer observations than this carry no claim about a single prompt."""

Estimator = Literal["plug_in", "miller_madow", "jackknife", "chao_shen", "chao_wang_jost"]

ESTIMATORS = {
    "plug_in": plug_in_entropies,
    "miller_madow": miller_madow_entropies,
    "jackknife": jackknife_entropies,
    "chao_shen": chao_shen_entropies,
    "chao_wang_jost": chao_wang_jost_entropies,
}


def entropy(counts: ArrayLike, *, estimator: Estimator = "chao_wang_jost") -> float:
    """Entropy of the distribution that a sample came from, in nats.

    Parameters
    ----------
    counts : array of shape (classes,)
        Observations of each class; zeros are ignored.
    estimator : str
        ``chao_wang_jost`` (2013) is least biased; ``plug_in`` is the entropy of the sample itself;
        ``miller_madow``, ``jackknife`` and ``chao_shen`` are for comparison.

    Raises
    ------
    ValueError
        If a count is no whole number of at least 0, all are 0, or the estimator is unknown.

    Examples
    --------
    >>> x = [50, 30, 10, 5, 2, 1, 1, 1]
    >>> round(entropy(x), 6), round(entropy(x, estimator="plug_in"), 6)
    (1.365393, 1.304206)
    """
    x = read_counts(counts, "entropy")
    if estimator not in ESTIMATORS:
        raise ValueError(f"entropy: estimator must be one of {list(ESTIMATORS)}, got {estimator!r}")
    return float(ESTIMATORS[estimator](x[None, :])[0])


def entropy_estimate(
    counts: ArrayLike,
    *,
    n_classes: int | None = None,
    level: float = 0.95,
    rng: np.random.Generator | None = None,
) -> Estimate:
    """Chao-Wang-Jost entropy of one sample with its interval, in nats.

    Parameters
    ----------
    counts : array of shape (classes,)
        Observations of each class; zeros are ignored.
    n_classes : int, optional
        Size of a closed set of classes. The interval then ends at its logarithm; the estimate is
        not cut, for averages of cut ones are biased. Without it the set is open.
    level : float
        Nominal coverage of the interval, in (0, 1).
    rng : numpy Generator, optional
        By default a fixed stream of its own.

    Returns
    -------
    Estimate
        The interval is made as `evalsuite.stats.diversity_intervals.entropy_intervals` says, and
        named in ``method``. Warnings: ``low coverage`` (below .95), ``collapsed`` (largest share
        above .8), ``small sample`` (below 50), ``singletons only``, ``one class``, and ``beyond the
        closed set`` (the estimate exceeds ``log n_classes``, and so its own interval). Null bounds
        for a closed set of one class.

    Raises
    ------
    ValueError
        If a count is no whole number of at least 0, all are 0, or more classes were seen than
        there are.

    Notes
    -----
    Coverage of the interval is measured in docs/statistics.md. With one class seen the interval is
    one-sided: what else there is has at most the share ``1 - (1-level)^(1/n)``, and at most n
    classes where the set is open.

    Examples
    --------
    >>> result = entropy_estimate([50, 30, 10, 5, 2, 1, 1, 1])
    >>> round(result.estimate, 6), result.method
    (1.365393, 'Chao-Wang-Jost, bootstrap with unseen classes')
    """
    x = read_counts(counts, "entropy_estimate")
    check_level(level, "entropy_estimate")
    n_classes = read_n_classes(n_classes, x.size, "entropy_estimate")
    rng = stream("entropy_estimate") if rng is None else rng
    made = entropy_intervals(x[None, :], level=level, n_classes=n_classes, rng=rng)
    low, high, se = float(made.low[0]), float(made.high[0]), float(made.se[0])
    estimate = float(made.estimate[0])
    warnings = sample_warnings(x)
    if n_classes is not None and estimate > math.log(n_classes):
        warnings += (beyond_closed_set(n_classes),)
    is_interval = high - low > 1e-12
    if not is_interval:
        warnings += ("degenerate: the sample shows no spread and leaves nothing else to be seen",)
    return Estimate(
        estimate=estimate,
        se=se if se > 1e-12 else None,
        ci_low=low if is_interval else None,
        ci_high=high if is_interval else None,
        level=level,
        method=f"Chao-Wang-Jost, {TOP_SPLIT if made.is_split[0] else UNSEEN_BOOTSTRAP}",
        n=int(x.sum()),
        n_clusters=int(x.sum()),
        n_missing=0,
        warnings=warnings,
    )


def beyond_closed_set(n_classes: int) -> str:
    """Say that an estimate, which is not cut, lies above its interval, which is."""
    return (
        f"beyond the closed set: the estimate exceeds what {n_classes} classes allow, where the "
        "interval ends"
    )


def sample_warnings(x: np.ndarray[tuple[int, ...], np.dtype[np.int64]]) -> tuple[str, ...]:
    """Say what keeps a sample of counts, largest first, from carrying a claim.

    >>> sample_warnings(np.array([29, 1]))[0]
    'collapsed: one class has 97 % of the sample, rare classes may be missed'
    """
    n = int(x.sum())
    coverage, top = float(coverages(x[None, :])[0]), x[0] / n
    warnings: list[str] = []
    if x[0] == 1 and n > 1:
        warnings.append(f"singletons only: none of {n} observations repeats another")
    if coverage < LOW_COVERAGE:
        warnings.append(
            f"low coverage: the classes seen make up {coverage:.3f} of the population by estimate, "
            f"below {LOW_COVERAGE} intervals fall short"
        )
    if x.size == 1:
        warnings.append(
            f"one class: all {n} observations are alike, the interval bounds what was not seen"
        )
    elif top > COLLAPSED:
        warnings.append(
            f"collapsed: one class has {100 * top:.0f} % of the sample, rare classes may be missed"
        )
    if n < SMALL_SAMPLE:
        warnings.append(
            f"small sample: {n} observations, claims about one prompt need {SMALL_SAMPLE}"
        )
    return tuple(warnings)
