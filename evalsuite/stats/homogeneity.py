"""How alike the outputs of two models are, next to how alike those of one model are."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from evalsuite.stats.clusters import Clusters, FloatArray, check_level, read_values
from evalsuite.stats.estimate import Estimate
from evalsuite.stats.jackknife import jackknife_interval
from evalsuite.stats.kernels import unit_rows


@dataclass(frozen=True)
class Homogeneity:
    """Whether two models differ more from each other than from themselves.

    Parameters
    ----------
    intra_first, intra_second : array of shape (units,)
        Mean cosine over pairs of one model's rows; NaN with fewer than two.
    inter : array of shape (units,)
        Mean cosine over all pairs across the models; NaN where one has no rows.
    ratio : Estimate
        ``(1 - mean inter) / (1 - mean intra)``; 1 where the models cannot be told apart.
    """

    intra_first: FloatArray
    intra_second: FloatArray
    inter: FloatArray
    ratio: Estimate


def homogeneity_ratio(
    first: Sequence[ArrayLike],
    second: Sequence[ArrayLike],
    *,
    clusters: Clusters | None = None,
    level: float = 0.95,
) -> Homogeneity:
    """Distance between two models relative to the distance within them, unit by unit.

    Parameters
    ----------
    first, second : sequences of arrays of shape (n, d)
        The rows of either model for each unit (prompt), in the same order of units. Units in which
        a model has fewer than two rows are missing.
    clusters : sequence of a label per unit, optional
        What was sampled independently. By default each unit is its own cluster.
    level : float
        Nominal coverage, in (0, 1).

    Returns
    -------
    Homogeneity
        The interval is the jackknife over clusters; null bounds as there, and a null ratio where
        no rows of a model differ.

    Raises
    ------
    ValueError
        If the models have different numbers of units, or a row is zero or not finite.

    Notes
    -----
    The within and across similarities of Jiang et al. (2025), *Artificial Hivemind*; the ratio is
    ours.

    Examples
    --------
    >>> units = [[[1.0, 0.0], [0.0, 1.0]]] * 3
    >>> homogeneity_ratio(units, units).ratio.estimate
    0.5
    """
    caller = "homogeneity_ratio"
    check_level(level, caller)
    if len(first) != len(second):
        raise ValueError(f"{caller}: {len(first)} units of one model, {len(second)} of the other")
    cosines = np.array([_mean_cosines(a, b) for a, b in zip(first, second, strict=True)])
    whole = cosines.sum(axis=1) if len(cosines) else np.empty(0)
    _, cluster, n_missing = read_values(whole, clusters, caller)
    there = cosines[~np.isnan(whole)]
    number = np.unique(cluster, return_inverse=True)[1]
    far = np.column_stack([1.0 - there[:, 2], 1.0 - there[:, :2].mean(axis=1)])
    sums = np.array([np.bincount(number, weights=column) for column in far.T], dtype=np.float64).T
    ratio = _ratio_interval(sums, level=level, n=len(there), n_missing=n_missing)
    within_first, within_second, across = cosines.T
    return Homogeneity(within_first, within_second, across, ratio)


def _ratio_interval(sums: FloatArray, *, level: float, n: int, n_missing: int) -> Estimate:
    if not n:
        return Estimate(
            estimate=None,
            se=None,
            ci_low=None,
            ci_high=None,
            level=level,
            method="jackknife over clusters",
            n=0,
            n_clusters=0,
            n_missing=n_missing,
            warnings=("all missing: no unit has two rows of both models",),
        )
    rest = np.vstack([sums.sum(axis=0), sums.sum(axis=0) - sums])
    tiny = 1e-12 * n  # distances of equal rows after rounding
    with np.errstate(divide="ignore", invalid="ignore"):
        ratios = np.where(rest[:, 1] > tiny, rest[:, 0] / rest[:, 1], np.nan)
    result = jackknife_interval(float(ratios[0]), ratios[1:], level=level, n=n)
    return result.model_copy(update={"n_missing": n_missing})


def _mean_cosines(first: ArrayLike, second: ArrayLike) -> tuple[float, float, float]:
    if min(len(np.asarray(first)), len(np.asarray(second))) < 2:
        return np.nan, np.nan, np.nan
    sums, within = [], []
    for features in (first, second):
        rows = unit_rows(features, "homogeneity_ratio")
        n, total = len(rows), rows.sum(axis=0)
        # All n^2 pairs less the n of a row with itself.
        within.append(float((total @ total - (rows * rows).sum()) / (n * (n - 1))))
        sums.append(total / n)
    return within[0], within[1], float(sums[0] @ sums[1])
