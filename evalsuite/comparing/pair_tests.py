"""Every pair of records: what they differ by, how surely, and the p-value of that."""

from collections.abc import Sequence
from itertools import combinations

import numpy as np
from numpy.typing import NDArray

from evalsuite.comparing.pairing import Side, UnitTable, pair
from evalsuite.errors import TooLittleInCommon
from evalsuite.measures import ALL
from evalsuite.measures.unit_scores import linked
from evalsuite.requests import Frozen
from evalsuite.stats import Estimate, mean_interval
from evalsuite.stats.multiplicity import holm
from evalsuite.stats.paired import t_p_value
from evalsuite.stats.signflip import cluster_sums, sign_flip_tests

LEVEL = 0.95

Floats = NDArray[np.float64]


class PairResult(Frozen):
    """What two records differ by.

    Parameters
    ----------
    a, b : str
        Names of the entrants.
    difference : Estimate
        Of the measure, a less b; ``n_missing`` counts the units that lack a value on a side. Its
        warnings hold those of a's and b's own estimates that a test of the two suffers from.
    p_value, p_holm : float or None
        Two-sided; by itself, and over all pairs of the table. None where no test can be made.
    p_method : str
    """

    a: str
    b: str
    difference: Estimate
    p_value: float | None
    p_holm: float | None
    p_method: str


def compared_pairs(
    sides: Sequence[Side],
    table: UnitTable,
    measure: str,
    slice: str = ALL,
    *,
    skip_unpaired: bool = False,
) -> list[PairResult]:
    """Every pair of records, with its interval and its p-values.

    Parameters
    ----------
    slice : str
        The one that the table is of.
    skip_unpaired : bool
        Leave a pair that shares too few units without a test, instead of refusing the table.

    Raises
    ------
    TooLittleInCommon
        If a pair shares fewer than 90 % of the units.
    """
    chosen, columns = [], []
    for a, b in combinations(sides, 2):
        try:
            values = pair(a, b, table, measure)
        except TooLittleInCommon:
            if not skip_unpaired:
                raise
            values = None
        chosen.append((a, b, values))
        columns.append(np.zeros(len(table)) if values is None else values[0] - values[1])
    p_values, methods = _p_values(sides, np.array(columns), table)
    known = [
        None if values is None or p is None else p
        for (_, _, values), p in zip(chosen, p_values, strict=True)
    ]
    return [
        PairResult(
            a=a.record.name,
            b=b.record.name,
            difference=_warned(_difference(a, values, table), (a, b), measure, slice),
            p_value=p,
            p_holm=adjusted,
            p_method=method,
        )
        for (a, b, values), p, adjusted, method in zip(
            chosen, known, holm(known), methods, strict=True
        )
    ]


def _p_values(
    sides: Sequence[Side], differences: Floats, table: UnitTable
) -> tuple[list[float | None], list[str]]:
    if not len(differences):
        return [], []
    if not sides[0].scores.is_sampled:
        found = [t_p_value(own, clusters=table.clusters) for own in differences]
        return found, ["t over pseudo-values"] * len(found)
    flips = sign_flip_tests(cluster_sums(differences, table.clusters))
    return flips.p_values.tolist(), [f"sign flips, {method}" for method in flips.methods]


_SUFFERED = ("collapsed", "low coverage")
"""Codes of warnings under which a test of two records rejects too often."""


def _warned(found: Estimate, sides: Sequence[Side], measure: str, slice: str) -> Estimate:
    """The difference with what its ends were warned of, each under its entrant's name."""
    warnings = list(found.warnings)
    for side in sides:
        own = side.record.record.estimate_of(measure, slice)
        for warning in own.estimate.warnings if own is not None else ():
            code, _, text = warning.partition(":")
            if code in _SUFFERED:
                warnings.append(f"{code}: {side.record.name}:{text}")
    return found.model_copy(update={"warnings": tuple(warnings)})


def _difference(a: Side, values: tuple[Floats, Floats] | None, table: UnitTable) -> Estimate:
    """The difference of the measures, with a t interval over clusters."""
    if values is None:
        return Estimate(
            estimate=None, se=None, ci_low=None, ci_high=None, level=LEVEL, method="none", n=0,
            n_clusters=0, n_missing=len(table),
            warnings=("too little in common: below 90 % of the units have a value on both sides",),
        )  # fmt: skip
    adds = unit_differences(a.scores.link, *values)
    found = mean_interval(adds, clusters=table.clusters, level=LEVEL)
    if a.scores.link == "identity":
        return found.model_copy(update={"method": f"paired {found.method}"})
    warnings = found.warnings
    if np.isnan(adds).all():
        warnings = ("undefined: a mean collision probability is not above 0",)
    method = f"paired {found.method}, delta method"
    return found.model_copy(update={"method": method, "warnings": warnings})


def unit_differences(link: str, a: Floats, b: Floats) -> Floats:
    """What each unit adds to the difference of ``link(mean a)`` and ``link(mean b)``.

    Scores themselves: ``a - b``. Averages of collision probabilities u: with the difference
    ``1/mean(u_a) - 1/mean(u_b)`` as their mean, ``(u_b - mean u_b)/mean(u_b)^2 - (u_a - mean
    u_a)/mean(u_a)^2`` around it (delta method); all NaN where a mean is not above 0.
    """
    if link == "identity":
        return a - b
    there = ~np.isnan(a)
    means = [float(side[there].mean()) for side in (a, b)]
    ends = [linked("reciprocal", mean) for mean in means]
    if ends[0] is None or ends[1] is None:
        return np.full(len(a), np.nan)
    centre = ends[0] - ends[1]
    adds = centre + (b - means[1]) / means[1] ** 2 - (a - means[0]) / means[0] ** 2
    return np.asarray(adds, dtype=np.float64)
