"""Diversity among the texts that are good enough."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from evalsuite.metrics.similarity import mean_pairwise_cosine_distance


def effective_diversity(features: ArrayLike, quality: ArrayLike, *, threshold: float) -> float:
    """Mean cosine distance over all pairs, 0 for a pair of which one falls short.

    Parameters
    ----------
    features : array of shape (n, d), n >= 2
        Embeddings, as for `mean_pairwise_cosine_distance`.
    quality : array of shape (n,)
        Ratings on any scale.
    threshold : float
        Texts rated this or more count.

    Returns
    -------
    float, in [0, 2]
        The share of pairs that pass times the mean distance of those; never above the plain mean
        distance. 0 where fewer than two texts pass.

    Raises
    ------
    ValueError
        If shapes do not fit, or values are not finite.

    Notes
    -----
    After the effective semantic diversity of Shypula et al. (2025, arXiv 2504.12522): diversity
    among outputs that meet a quality bar, from a validity check and a map to meaning, in a form for
    samples of fixed size and one over pairs. Ours are a threshold on ratings for the check, cosine
    distances for their different-or-not, and the pairs with an invalid side that count 0 (their
    formula was not at hand to compare).

    Examples
    --------
    >>> rows = [[1.0, 0.0], [0.0, 1.0], [1.0, 1.0]]
    >>> round(effective_diversity(rows, [0.9, 0.8, 0.1], threshold=0.5), 4)
    0.3333
    """
    caller = "effective_diversity"
    rows, ratings = np.asarray(features, dtype=np.float64), np.asarray(quality, dtype=np.float64)
    if rows.ndim != 2 or ratings.shape != (len(rows),):
        raise ValueError(f"{caller}: {rows.shape} features with {ratings.shape} ratings")
    if len(rows) < 2:
        raise ValueError(f"{caller}: needs at least 2 rows, got {len(rows)}")
    if not np.isfinite(ratings).all() or not np.isfinite(threshold):
        raise ValueError(f"{caller}: ratings and threshold must be finite")
    _check_rows(rows, caller)
    passing = ratings >= threshold
    k, n = int(passing.sum()), len(rows)
    if k < 2:
        return 0.0
    return mean_pairwise_cosine_distance(rows[passing]) * k * (k - 1) / (n * (n - 1))


@dataclass(frozen=True)
class FrontierRow:
    """Diversity at one quality bar.

    Parameters
    ----------
    threshold : float
    share_kept : float
        Share of the texts rated this or more.
    kept_diversity : float or None
        Mean cosine distance between the kept texts alone; None with fewer than two.
    effective_diversity : float
        That of `effective_diversity`: what the bar costs shows here.
    """

    threshold: float
    share_kept: float
    kept_diversity: float | None
    effective_diversity: float


def quality_frontier(
    features: ArrayLike, quality: ArrayLike, *, thresholds: Sequence[float]
) -> tuple[FrontierRow, ...]:
    """How much diversity is left at each of several quality bars.

    Among the kept texts alone diversity may rise or fall with the bar; effective diversity only
    falls.

    Parameters
    ----------
    features, quality
        As in `effective_diversity`.
    thresholds : sequence of float
        At least one, in any order.

    Returns
    -------
    tuple of FrontierRow, in the order of the thresholds

    Raises
    ------
    ValueError
        As `effective_diversity`, or if there is no threshold.

    Examples
    --------
    >>> rows = [[1.0, 0.0], [0.0, 1.0], [1.0, 1.0]]
    >>> for row in quality_frontier(rows, [0.9, 0.8, 0.1], thresholds=[0.0, 0.5, 0.85]):
    ...     print(round(row.share_kept, 3), row.kept_diversity is None, row.effective_diversity > 0)
    1.0 False True
    0.667 False True
    0.333 True False
    """
    if not len(thresholds):
        raise ValueError("quality_frontier: no thresholds")
    return tuple(_at(features, quality, float(threshold)) for threshold in thresholds)


def _at(features: ArrayLike, quality: ArrayLike, threshold: float) -> FrontierRow:
    effective = effective_diversity(features, quality, threshold=threshold)
    is_kept = np.asarray(quality, dtype=np.float64) >= threshold
    rows = np.asarray(features, dtype=np.float64)[is_kept]
    kept = mean_pairwise_cosine_distance(rows) if len(rows) >= 2 else None
    return FrontierRow(threshold, float(is_kept.mean()), kept, effective)


def _check_rows(rows: NDArray[np.float64], caller: str) -> None:
    # Rows that fall short are not measured, but must be there.
    bad = np.flatnonzero(~np.isfinite(rows).all(axis=1))
    if bad.size:
        raise ValueError(f"{caller}: row {bad[0]} is not finite")
