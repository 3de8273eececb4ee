"""Differences of the means of all pairs of groups, with simultaneous intervals."""

import math
from dataclasses import dataclass, replace
from itertools import combinations
from typing import Any

import numpy as np

from evalsuite.stats.clusters import (
    MIN_CLUSTERS,
    FloatArray,
    IntArray,
    few_clusters,
    t_quantile,
    too_few_clusters,
)
from evalsuite.stats.estimate import Estimate
from evalsuite.stats.multiplicity import holm


@dataclass(frozen=True)
class PairDifference:
    """Difference of the means of two groups, first less second.

    Parameters
    ----------
    first, second : label
    estimate : Estimate
        Its interval covers simultaneously with those of all other pairs.
    p_value, p_holm : float or None
        Of no difference, alone and adjusted over the pairs; None where the spread is unknown.
    """

    first: Any
    second: Any
    estimate: Estimate
    p_value: float | None
    p_holm: float | None


@dataclass(frozen=True)
class GroupedValues:
    """Values with the numbers of their groups and units.

    Parameters
    ----------
    values, group, unit : arrays of shape (n,)
    """

    values: FloatArray
    group: IntArray
    unit: IntArray

    def means(self, n_groups: int) -> FloatArray:
        """Means of groups 0 to ``n_groups - 1``, none of them empty."""
        sums = np.bincount(self.group, weights=self.values, minlength=n_groups)
        return np.asarray(sums / np.bincount(self.group, minlength=n_groups))


def pair_differences(
    data: GroupedValues, names: list[Any], *, level: float, iid: bool
) -> tuple[PairDifference, ...]:
    """Compare each pair of groups, in the order of their numbers.

    Parameters
    ----------
    data : GroupedValues
        Of groups 0, 1 and so on, none of them empty.
    names : list of labels
        Of the groups, at least two.
    level : float
        Simultaneous coverage of all intervals, by Bonferroni.
    iid : bool
        Whether each value is its own unit: then values of 0 and 1 have Newcombe's interval and the
        pooled z test, all others Welch's over units.

    Examples
    --------
    >>> values, group = np.tile([0.0, 1.0, 1.0, 0.0, 1.0], 8), np.repeat([0, 1], 20)
    >>> data = GroupedValues(values, group, np.arange(40))
    >>> (pair,) = pair_differences(data, ["a", "b"], level=0.95, iid=True)
    >>> pair.first, pair.second, pair.estimate.estimate, pair.p_holm
    ('a', 'b', 0.0, 1.0)
    """
    couples = list(combinations(range(len(names)), 2))
    each = 1 - (1 - level) / len(couples)
    binary = iid and bool(np.isin(data.values, (0.0, 1.0)).all())
    found = []
    for a, b in couples:
        difference = _binary_difference if binary else _mean_difference
        parts = [(data.values[data.group == g], data.unit[data.group == g]) for g in (a, b)]
        estimate, p_value = difference(parts, each)
        estimate = estimate.model_copy(update={"level": level})
        found.append(PairDifference(names[a], names[b], estimate, p_value, None))
    adjusted = holm([pair.p_value for pair in found])
    return tuple(replace(pair, p_holm=p) for pair, p in zip(found, adjusted, strict=True))


_Parts = list[tuple[FloatArray, IntArray]]


def _binary_difference(parts: _Parts, level: float) -> tuple[Estimate, float]:
    from scipy.special import ndtr
    from statsmodels.stats.proportion import confint_proportions_2indep

    (a, _), (b, _) = parts
    low, high = confint_proportions_2indep(
        int(a.sum()), a.size, int(b.sum()), b.size, method="newcomb", alpha=1 - level
    )
    difference, pooled = float(a.mean() - b.mean()), float(np.concatenate([a, b]).mean())
    spread = math.sqrt(pooled * (1 - pooled) * (1 / a.size + 1 / b.size))
    estimate = Estimate(
        estimate=difference,
        se=math.sqrt(a.var() / a.size + b.var() / b.size) or None,
        ci_low=min(float(low), difference),
        ci_high=max(float(high), difference),
        method="Newcombe, Bonferroni",
        n=a.size + b.size,
        n_clusters=a.size + b.size,
    )
    return estimate, 2 * float(ndtr(-abs(difference) / spread)) if spread else 1.0


def _mean_difference(parts: _Parts, level: float) -> tuple[Estimate, float | None]:
    """Welch over units; a unit with values of both groups counts once."""
    n_units = max(int(unit.max()) for _, unit in parts) + 1
    influence = np.zeros((2, n_units))
    counts = []
    for row, (values, unit) in enumerate(parts):
        counts.append(np.unique(unit).size)
        sums = np.bincount(unit, weights=values - values.mean(), minlength=n_units)
        influence[row] = sums / values.size * math.sqrt(counts[-1] / max(counts[-1] - 1, 1))
    se = float(np.linalg.norm(influence[0] - influence[1]))
    size = np.abs(np.concatenate([values for values, _ in parts])).max()
    difference = float(parts[0][0].mean() - parts[1][0].mean())
    df = min(counts) - 1
    apart = not np.intersect1d(parts[0][1], parts[1][1]).size
    half = p_value = None
    if min(counts) < MIN_CLUSTERS:
        warnings: tuple[str, ...] = (too_few_clusters(min(counts)),)
    elif se <= 1e-12 * size:
        warnings = ("degenerate: the difference does not vary over units",)
    else:
        from scipy.special import stdtr

        if apart:
            variances = np.square(influence).sum(axis=1)
            shares = variances / variances.sum()
            df = math.floor(1 / float(np.sum(shares**2 / (np.array(counts) - 1))) + 1e-9)
        half, warnings = t_quantile(level, df) * se, few_clusters(min(counts))
        p_value = 2 * float(stdtr(df, -abs(difference) / se))
    estimate = Estimate(
        estimate=difference,
        se=None if half is None else se,
        ci_low=None if half is None else difference - half,
        ci_high=None if half is None else difference + half,
        method="Welch t over units, Bonferroni",
        n=sum(values.size for values, _ in parts),
        n_clusters=np.unique(np.concatenate([unit for _, unit in parts])).size,
        warnings=warnings,
    )
    return estimate, p_value
