"""Hill numbers of samples of unequal sizes, brought to a common size or a common coverage."""

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike
from pydantic import BaseModel, ConfigDict, Field

from evalsuite.stats.assemblage import estimate_assemblages, normal_quantile, resample
from evalsuite.stats.clusters import FloatArray, IntArray, check_level
from evalsuite.stats.counts import read_counts
from evalsuite.stats.coverage import coverages
from evalsuite.stats.diversity_intervals import UNSEEN_BOOTSTRAP
from evalsuite.stats.entropy import sample_warnings
from evalsuite.stats.estimate import Estimate
from evalsuite.stats.hill import check_order
from evalsuite.stats.rarefied_sums import to_hill, to_sums
from evalsuite.stats.streams import stream

CURVE_KNOTS = 20
"""Sizes of a curve, from 1 to twice the sample."""


class Rarefied(BaseModel):
    """A Hill number at a size that other samples can be compared at.

    Parameters
    ----------
    m : int
        Observations that it is brought to.
    coverage : float
        Share of the population in the classes that m observations would show, by estimate.
    hill : Estimate
        The effective number of classes among m observations.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    m: int = Field(ge=1)
    coverage: float = Field(ge=0.0, le=1.0)
    hill: Estimate


def rarefied_hill(
    counts: ArrayLike,
    *,
    q: int,
    m: int,
    level: float = 0.95,
    rng: np.random.Generator | None = None,
) -> Estimate:
    """Effective number of classes that m observations would show, on average.

    Parameters
    ----------
    counts : array of shape (classes,)
        Observations of each class, n in all; zeros are ignored.
    q : int
        0, 1 or 2. At q = 0 and m = k this is NoveltyBench's distinct_k, without its bias.
    m : int
        From 1 to 2n; more than n extrapolates.
    level : float
        Nominal coverage of the interval, in (0, 1).
    rng : numpy Generator, optional
        By default a fixed stream of its own.

    Returns
    -------
    Estimate
        The interval is ``estimate +- z se`` over 200 bootstrap samples with unseen classes, taken
        of the number itself (q = 0), of its logarithm (1) or of its reciprocal (2). Null bounds
        with a warning where the bootstrap never changes it. Warnings where q = 0 is extrapolated,
        and those of `entropy_estimate`.

    Raises
    ------
    ValueError
        If q is not 0, 1 or 2, m lies outside [1, 2n], a count is no whole number of at least 0, or
        all are 0.

    Notes
    -----
    Chao et al. (2014), table 2. Up to n, the average over subsets of m observations, from the
    expected number of classes seen k times; beyond n, see `evalsuite.stats.rarefied_sums`, with
    q = 2 at most q = 0.
    Intervals of q = 0 fall short where nearly all classes are seen at m, for there its
    distribution is skewed.

    Examples
    --------
    >>> x = [50, 30, 10, 5, 2, 1, 1, 1]
    >>> [round(rarefied_hill(x, q=q, m=10).estimate, 5) for q in (0, 1, 2)]
    [3.55317, 2.84631, 2.42718]
    """
    x = read_counts(counts, "rarefied_hill")
    rng = stream("rarefied_hill") if rng is None else rng
    return _rarefy(x, q, [_read_size(m, x, "rarefied_hill")], level, rng)[0].hill


def rarefaction_curve(
    counts: ArrayLike,
    *,
    q: int,
    sizes: Sequence[int] | None = None,
    level: float = 0.95,
    rng: np.random.Generator | None = None,
) -> tuple[Rarefied, ...]:
    """Hill number over size and over coverage: each point has both.

    Parameters
    ----------
    counts, q, level, rng
        As in `rarefied_hill`.
    sizes : sequence of int, optional
        Each from 1 to 2n. By default 20 from 1 to 2n, with n among them.

    Raises
    ------
    ValueError
        As `rarefied_hill`, or if there are no sizes.

    Examples
    --------
    >>> curve = rarefaction_curve([6, 3, 1], q=2, sizes=[2, 10])
    >>> [(point.m, round(point.coverage, 3), round(point.hill.estimate, 3)) for point in curve]
    [(2, 0.625, 1.429), (10, 1.0, 2.174)]
    """
    x = read_counts(counts, "rarefaction_curve")
    n = int(x.sum())
    if sizes is None:
        sizes = np.unique(np.append(np.linspace(1, 2 * n, CURVE_KNOTS).astype(int), n)).tolist()
    if not len(sizes):
        raise ValueError("rarefaction_curve: no sizes")
    read = [_read_size(m, x, "rarefaction_curve") for m in sizes]
    rng = stream("rarefaction_curve") if rng is None else rng
    return _rarefy(x, q, read, level, rng)


def compare_at_size(
    samples: Sequence[ArrayLike],
    *,
    q: int,
    m: int | None = None,
    level: float = 0.95,
    rng: np.random.Generator | None = None,
) -> tuple[Rarefied, ...]:
    """Hill numbers of several samples at one size, by default that of the smallest.

    Parameters
    ----------
    samples : sequence of arrays of shape (classes,)
        Counts of each sample; columns need not mean the same class.
    q, level, rng
        As in `rarefied_hill`.
    m : int, optional
        At most twice the smallest sample.

    Raises
    ------
    ValueError
        As `rarefied_hill`, or if there are no samples.

    Examples
    --------
    >>> small, large = compare_at_size([[3, 2, 1], [30, 20, 10]], q=0)
    >>> small.m == large.m == 6, round(large.hill.estimate, 3)
    (True, 2.594)
    """
    counts = _read_samples(samples, "compare_at_size")
    size = min(int(x.sum()) for x in counts) if m is None else m
    rng = stream("compare_at_size") if rng is None else rng
    sizes = [_read_size(size, x, "compare_at_size") for x in counts]
    return tuple(_rarefy(x, q, [s], level, rng)[0] for x, s in zip(counts, sizes, strict=True))


def compare_at_coverage(
    samples: Sequence[ArrayLike],
    *,
    q: int,
    coverage: float | None = None,
    level: float = 0.95,
    rng: np.random.Generator | None = None,
) -> tuple[Rarefied, ...]:
    """Hill numbers of several samples, each at the size that reaches one coverage.

    Parameters
    ----------
    samples, q, level, rng
        As in `compare_at_size`.
    coverage : float, optional
        In (0, 1). By default the highest that every sample reaches at twice its size,
        ``min C(2n)``.

    Raises
    ------
    ValueError
        As `size_at_coverage` and `rarefied_hill`, or if there are no samples.

    Notes
    -----
    Chao & Jost (2012). Sizes are whole: the smallest that reaches the coverage, so that a sample
    may lie a little above it; ``coverage`` of each result says where.

    Examples
    --------
    >>> [result.m for result in compare_at_coverage([[9, 6, 2, 1, 1], [40, 30, 2, 1, 1]], q=1)]
    [38, 50]
    """
    counts = _read_samples(samples, "compare_at_coverage")
    if coverage is None:
        coverage = min(float(coverages(x[None, :], 2 * int(x.sum()))[0]) for x in counts)
    rng = stream("compare_at_coverage") if rng is None else rng
    sizes = [size_at_coverage(x, coverage) for x in counts]
    return tuple(_rarefy(x, q, [s], level, rng)[0] for x, s in zip(counts, sizes, strict=True))


def size_at_coverage(counts: ArrayLike, coverage: float) -> int:
    """Fewest observations whose classes make up a share of the population, by estimate.

    Parameters
    ----------
    counts : array of shape (classes,)
        Observations of each class, n in all; zeros are ignored.
    coverage : float
        In (0, 1].

    Raises
    ------
    ValueError
        If 2n observations do not reach it, or it lies outside (0, 1].

    Examples
    --------
    >>> size_at_coverage([50, 30, 10, 5, 2, 1, 1, 1], 0.95)
    39
    """
    x = read_counts(counts, "size_at_coverage")
    if not 0.0 < coverage <= 1.0:
        raise ValueError(f"size_at_coverage: coverage must lie in (0, 1], got {coverage}")
    wanted = coverage - 1e-12  # the coverage of a size, asked back, gives that size
    low, high = 0, 2 * int(x.sum())
    most = float(coverages(x[None, :], high)[0])
    if most < wanted:
        raise ValueError(
            f"size_at_coverage: {high} observations, twice the sample, reach {most:.6g} by "
            f"estimate, got {coverage:.6g}"
        )
    while high - low > 1:
        middle = (low + high) // 2
        reached = float(coverages(x[None, :], middle)[0]) >= wanted
        low, high = (low, middle) if reached else (middle, high)
    return high


def _rarefy(
    x: IntArray, q: int, sizes: Sequence[int], level: float, rng: np.random.Generator
) -> tuple[Rarefied, ...]:
    """One sample at several sizes, all from the same bootstrap samples."""
    check_order(q, "rarefied_hill")
    check_level(level, "rarefied_hill")
    ((_, samples),) = resample(estimate_assemblages(x[None, :]), rng)
    points = []
    for m in sizes:
        at = float(to_sums(x[None, :], q, m)[0])
        if q == 2 and m > x.sum():  # Of singletons it could exceed the estimate of q = 0.
            at = max(at, 1 / float(to_sums(x[None, :], 0, m)[0]))
        se = float(to_sums(samples[0], q, m).std(ddof=1))
        points.append(
            Rarefied(
                m=m,
                coverage=float(np.clip(coverages(x[None, :], m)[0], 0.0, 1.0)),
                hill=_estimate(x, q, m, at, se, level),
            )
        )
    return tuple(points)


def _estimate(x: IntArray, q: int, m: int, at: float, se: float, level: float) -> Estimate:
    n, half = int(x.sum()), normal_quantile(level) * se
    warnings: tuple[str, ...] = ()
    low = high = None
    if q == 0 and m > n:
        warnings = (f"extrapolated: classes beyond the {n} observations, not for headline claims",)
    if se <= 1e-12:
        warnings += ("degenerate: the bootstrap never changes the number",)
    else:
        # Among m observations there are at least 1 and at most m effective classes.
        ends: FloatArray = to_hill(np.array([at - half, at + half]), q)
        low, high = sorted(np.clip(ends, 1.0, m).tolist())
    value = float(np.clip(to_hill(np.array([at]), q)[0], 1.0, m))  # but for rounding
    return Estimate(
        estimate=value,
        se=None if se <= 1e-12 else se * (1.0, value, value**2)[q],
        ci_low=low,
        ci_high=high,
        level=level,
        method=f"{'extrapolated' if m > n else 'rarefied'}, {UNSEEN_BOOTSTRAP}",
        n=n,
        n_clusters=n,
        n_missing=0,
        warnings=warnings + sample_warnings(x),
    )


def _read_size(m: int, x: IntArray, caller: str) -> int:
    most = 2 * int(x.sum())
    if isinstance(m, bool) or not math.isfinite(m) or int(m) != m or not 1 <= m <= most:
        raise ValueError(
            f"{caller}: m must be a whole number from 1 to {most}, twice the sample, got {m}"
        )
    return int(m)


def _read_samples(samples: Sequence[ArrayLike], caller: str) -> list[IntArray]:
    if not len(samples):
        raise ValueError(f"{caller}: no samples")
    return [read_counts(counts, caller) for counts in samples]
