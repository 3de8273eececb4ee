"""How far groups are apart, corrected for what chance alone would show."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from evalsuite.stats.clusters import (
    Clusters,
    FloatArray,
    IntArray,
    Labels,
    check_level,
    read_values,
)
from evalsuite.stats.estimate import Estimate
from evalsuite.stats.pair_differences import GroupedValues, PairDifference, pair_differences
from evalsuite.stats.streams import stream
from evalsuite.stats.suppression import MIN_ROWS

_CHUNK = 2_000_000  # permuted numbers held at a time


@dataclass(frozen=True)
class Gap:
    """How far the best and the worst group are apart.

    Parameters
    ----------
    estimate : Estimate
        ``observed - null_mean``, about unbiased where there is no gap; it may be negative.
    observed, null_mean : float or None
        Largest less smallest group mean, and its average without a gap.
    p_value : float or None
        By permutation.
    pairs : tuple of PairDifference
    suppressed : tuple of labels
        Groups with fewer than 20 rows, which are part of nothing else.
    """

    estimate: Estimate
    observed: float | None
    null_mean: float | None
    p_value: float | None
    pairs: tuple[PairDifference, ...]
    suppressed: tuple[Any, ...]


def gap(
    values: ArrayLike,
    groups: Labels,
    *,
    units: Clusters | None = None,
    level: float = 0.95,
    draws: int = 9999,
    rng: np.random.Generator | None = None,
) -> Gap:
    """Largest less smallest group mean, corrected for what chance alone would show.

    Parameters
    ----------
    values : array of shape (n,)
        NaN is missing.
    groups : sequence of n labels
        Groups with fewer than 20 values are suppressed.
    units : sequence of n labels, optional
        What was sampled independently, such as prompts. Labels are shuffled between the cells of a
        unit that is crossed with groups, and between whole units that are of one group each; a
        warning says where there are both kinds. By default each value is its own unit.
    level : float
        Nominal coverage of the interval and, simultaneously, of those of the pairs.
    draws : int
        Permutations.
    rng : numpy.random.Generator, optional
        By default a fixed stream.

    Returns
    -------
    Gap
        The interval of the largest true difference follows from those of the pairs: from the
        largest lower bound of a distance to the largest upper one, widened to hold the estimate.
        Null, with a warning, where fewer than two groups are left.

    Raises
    ------
    ValueError
        If lengths differ, there are no values, or a value is infinite.

    Notes
    -----
    Pairs have Welch t intervals at the Bonferroni level, over units where they are given; values of
    0 and 1 that are each their own unit have Newcombe's and the pooled z test. Measured coverage of
    the nominal 95 % interval of the gap, for 2, 5 and 10 groups of 20 and 200 values of 0 and 1,
    true gaps 0 to 0.3, independent and paired: 93-100 %, conservative for many groups.

    Examples
    --------
    >>> values = np.tile([1, 1, 0, 1, 0, 1, 1, 1, 0, 1], 6)
    >>> result = gap(values, np.repeat(["a", "b", "c"], 20))
    >>> result.observed, result.estimate.estimate < -0.1, result.p_value
    (0.0, True, 1.0)
    """
    check_level(level, "gap")
    present, unit, n_missing = read_values(values, units, "gap")
    labels = list(groups)
    if len(labels) != np.size(values):
        raise ValueError(f"gap: {np.size(values)} values but {len(labels)} group labels")
    there = ~np.isnan(np.asarray(values, dtype=np.float64))
    rows = _group([label for label, kept in zip(labels, there, strict=True) if kept])
    kept = np.isin(rows.group, np.flatnonzero(~rows.small))
    data = GroupedValues(present[kept], np.cumsum(~rows.small)[rows.group[kept]] - 1, unit[kept])
    names = [name for name, small in zip(rows.names, rows.small, strict=True) if not small]
    suppressed = tuple(name for name, small in zip(rows.names, rows.small, strict=True) if small)
    if len(names) < 2:
        return _no_gap(data, level, n_missing, suppressed)
    means = data.means(len(names))
    observed = float(np.ptp(means))
    generator = stream("gap") if rng is None else rng
    null = _null_gaps(data, len(names), draws, generator)
    pairs = pair_differences(data, names, level=level, iid=_are_single(data.unit))
    estimate = _gap_estimate(observed - float(null.mean()), pairs, data, level, n_missing)
    warnings = estimate.warnings + _mixed_design(data, len(names))
    if suppressed:
        warnings += (_suppressed(len(suppressed)),)
    estimate = estimate.model_copy(update={"warnings": warnings})
    return Gap(
        estimate=estimate,
        observed=observed,
        null_mean=float(null.mean()),
        p_value=float(1 + (null >= observed - 1e-12 * (1 + abs(observed))).sum()) / (1 + draws),
        pairs=pairs,
        suppressed=suppressed,
    )


@dataclass(frozen=True)
class _Groups:
    names: list[Any]
    group: IntArray
    small: np.ndarray[Any, np.dtype[np.bool_]]


def _group(labels: list[Any]) -> _Groups:
    numbers: dict[Any, int] = {}
    group = np.array([numbers.setdefault(label, len(numbers)) for label in labels], dtype=np.int64)
    return _Groups(list(numbers), group, np.bincount(group, minlength=len(numbers)) < MIN_ROWS)


def _suppressed(count: int) -> str:
    return f"suppressed: {count} groups with fewer than {MIN_ROWS} rows"


def _are_single(unit: IntArray) -> bool:
    return np.unique(unit).size == unit.size


def _mixed_design(data: GroupedValues, n_groups: int) -> tuple[str, ...]:
    cells = np.unique(data.unit * n_groups + data.group) // n_groups
    groups_of_unit = np.unique(cells, return_counts=True)[1]
    single, crossed = int((groups_of_unit == 1).sum()), int((groups_of_unit > 1).sum())
    if not (single and crossed):
        return ()
    return (
        f"mixed design: {crossed} units have values of several groups and {single} of one only; "
        "labels are shuffled within the former and between the latter",
    )


def _no_gap(data: GroupedValues, level: float, n_missing: int, suppressed: tuple[Any, ...]) -> Gap:
    estimate = Estimate(
        estimate=None,
        se=None,
        ci_low=None,
        ci_high=None,
        level=level,
        method="largest difference of group means",
        n=data.values.size,
        n_clusters=np.unique(data.unit).size,
        n_missing=n_missing,
        warnings=(
            f"too few groups: a gap needs two with at least {MIN_ROWS} rows",
            _suppressed(len(suppressed)),
        ),
    )
    return Gap(estimate, None, None, None, (), suppressed)


def _null_gaps(
    data: GroupedValues, n_groups: int, draws: int, rng: np.random.Generator
) -> FloatArray:
    """Gaps after shuffling cells between the groups of a unit, and units that have one cell."""
    cell, number = np.unique(data.unit * n_groups + data.group, return_inverse=True)
    sums, sizes = np.bincount(number, weights=data.values), np.bincount(number)
    unit = cell // n_groups
    _, where, cells = np.unique(unit, return_inverse=True, return_counts=True)
    unit = np.where(cells[where] == 1, -1, unit)  # units of one group are shuffled as one block
    order = np.argsort(unit, kind="stable")
    cell, sums, sizes, unit = cell[order], sums[order], sizes[order], unit[order]
    member = np.eye(n_groups)[cell % n_groups]
    sides = np.unique(unit, return_counts=True)[1]
    starts = np.cumsum(sides) - sides
    gaps = []
    step = max(1, _CHUNK // cell.size)
    for start in range(0, draws, step):
        source = np.tile(np.arange(cell.size), (min(step, draws - start), 1))
        for side in np.unique(sides[sides > 1]):
            at = starts[sides == side][:, None] + np.arange(side)
            source[:, at] = rng.permuted(source[:, at], axis=-1)
        means = (sums[source] @ member) / (sizes[source] @ member)
        gaps.append(np.ptp(means, axis=1))
    return np.concatenate(gaps)


def _gap_estimate(
    at: float, pairs: tuple[PairDifference, ...], data: GroupedValues, level: float, n_missing: int
) -> Estimate:
    low = high = None
    warnings = tuple(dict.fromkeys(w for pair in pairs for w in pair.estimate.warnings))
    ends = [(pair.estimate.ci_low, pair.estimate.ci_high) for pair in pairs]
    known = [(a, b) for a, b in ends if a is not None and b is not None]
    if len(known) == len(ends):
        low = min(max(0.0, *(max(a, -b) for a, b in known)), at)
        high = max(*(max(abs(a), abs(b)) for a, b in known), at)
    return Estimate(
        estimate=at,
        se=None,
        ci_low=low,
        ci_high=high,
        level=level,
        method="largest difference of group means, simultaneous pairwise intervals",
        n=data.values.size,
        n_clusters=np.unique(data.unit).size,
        n_missing=n_missing,
        warnings=warnings,
    )
