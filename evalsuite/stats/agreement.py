"""How far raters agree beyond chance."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from evalsuite.stats.clusters import Clusters, FloatArray, Labels, check_level, read_values
from evalsuite.stats.estimate import Estimate
from evalsuite.stats.jackknife import jackknife_interval


def cohen_kappa(
    first: Labels, second: Labels, *, clusters: Clusters | None = None, level: float = 0.95
) -> Estimate:
    """Agreement of two raters beyond chance, with the jackknife interval over clusters.

    Parameters
    ----------
    first, second : sequences of n labels
    clusters : sequence of n labels, optional
        What was sampled independently. By default each pair is its own cluster.
    level : float
        Nominal coverage, in (0, 1).

    Returns
    -------
    Estimate
        Null where both raters use one label only; null bounds as for `jackknife_interval`.

    Raises
    ------
    ValueError
        If there are no labels or lengths differ.

    Examples
    --------
    >>> round(cohen_kappa(list("aabbabab"), list("aabbabba")).estimate, 6)
    0.5
    """
    check_level(level, "cohen_kappa")
    if len(first) != len(second):
        raise ValueError(f"cohen_kappa: {len(first)} labels of one rater, {len(second)} of another")
    _, cluster, _ = read_values(np.zeros(len(first)), clusters, "cohen_kappa")
    numbers: dict[Any, int] = {}
    a, b = (
        np.array([numbers.setdefault(label, len(numbers)) for label in part])
        for part in (first, second)
    )
    k, groups = len(numbers), int(cluster.max()) + 1
    tables = np.bincount((cluster * k + a) * k + b, minlength=groups * k * k)
    tables = tables.reshape(groups, k, k).astype(float)
    total = tables.sum(axis=0)
    values = _kappas(np.concatenate([total[None], total - tables]))
    return _agreement(values, level, len(a), "Cohen's kappa")


def krippendorff_alpha(
    ratings: Sequence[Sequence[Any]], *, clusters: Clusters | None = None, level: float = 0.95
) -> Estimate:
    """Agreement of any number of raters on nominal labels, with the jackknife interval.

    Parameters
    ----------
    ratings : sequence of units, each a sequence of labels
        None is missing. Units with fewer than two labels say nothing and are counted as missing.
    clusters : sequence of a label per unit, optional
        What was sampled independently. By default each unit is its own cluster.
    level : float
        Nominal coverage, in (0, 1).

    Returns
    -------
    Estimate
        Null where only one label occurs or no unit has two.

    Raises
    ------
    ValueError
        If there are no units.

    Notes
    -----
    Krippendorff (2011), *Computing Krippendorff's alpha-reliability*, the nominal case.

    Examples
    --------
    >>> round(krippendorff_alpha(["aa", "ab", "bb", "bb", "aa"]).estimate, 6)
    0.64
    """
    check_level(level, "krippendorff_alpha")
    present = [[label for label in unit if label is not None] for unit in ratings]
    there = np.array([np.nan if len(unit) < 2 else 0.0 for unit in present])
    _, cluster, n_missing = read_values(there, clusters, "krippendorff_alpha")
    used = [unit for unit in present if len(unit) >= 2]
    numbers: dict[Any, int] = {}
    for unit in used:
        for label in unit:
            numbers.setdefault(label, len(numbers))
    counts = np.zeros((len(used), max(len(numbers), 1)))
    for i, unit in enumerate(used):
        for label in unit:
            counts[i, numbers[label]] += 1
    sizes = counts.sum(axis=1)
    apart = (counts * (sizes[:, None] - counts)).sum(axis=1) / (sizes - 1)
    number = np.unique(cluster, return_inverse=True)[1]
    sums = np.zeros((max(int(number.max(initial=-1)) + 1, 1), counts.shape[1] + 1))
    np.add.at(sums, number, np.column_stack([counts, apart]))
    total = sums.sum(axis=0)
    values = _alphas(np.concatenate([total[None], total - sums]))
    result = _agreement(values, level, len(used), "Krippendorff's alpha")
    return result.model_copy(update={"n_missing": n_missing})


def _kappas(tables: FloatArray) -> FloatArray:
    n = tables.sum(axis=(1, 2))
    with np.errstate(divide="ignore", invalid="ignore"):
        chance = (tables.sum(axis=1) * tables.sum(axis=2)).sum(axis=1) / n**2
        agreed = np.einsum("gkk->g", tables) / n
        return np.where(chance < 1 - 1e-12, (agreed - chance) / (1 - chance), np.nan)


def _alphas(sums: FloatArray) -> FloatArray:
    counts, apart = sums[:, :-1], sums[:, -1]
    n = counts.sum(axis=1)
    with np.errstate(divide="ignore", invalid="ignore"):
        expected = (counts * (n[:, None] - counts)).sum(axis=1) / (n - 1)
        return np.where(expected > 1e-9, 1 - apart / expected, np.nan)


def _agreement(values: FloatArray, level: float, n: int, what: str) -> Estimate:
    result = jackknife_interval(float(values[0]), values[1:], level=level, n=n)
    return result.model_copy(
        update={
            "method": f"{what}, {result.method}",
            "ci_high": None if result.ci_high is None else min(result.ci_high, 1.0),
        }
    )
