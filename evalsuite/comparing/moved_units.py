"""The units that two records differ most on, each with a p-value of its own."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from evalsuite.comparing.scored_record import ScoredRecord
from evalsuite.comparing.trimming import (
    Place,
    asked_samples,
    trimmed,
    usable_samples,
    without_sample,
)
from evalsuite.measures import UnitScores
from evalsuite.requests import Frozen
from evalsuite.stats.multiplicity import benjamini_hochberg
from evalsuite.stats.paired import SMALLEST
from evalsuite.tables import Tables

Floats = NDArray[np.float64]


class MovedUnit(Frozen):
    """A unit and what two records differ by on it.

    Parameters
    ----------
    a, b : float
        The unit's score on either side; for effective numbers, the collision probability.
    difference : float
        a less b.
    se : float or None
        Of the difference, from the samples of this unit alone.
    p_value, p_bh : float or None
        Two-sided; by itself, and by Benjamini and Hochberg over all units.
    """

    unit: str
    stratum: str
    a: float
    b: float
    difference: float
    se: float | None
    p_value: float | None
    p_bh: float | None


@dataclass(frozen=True)
class UnitMeans:
    """A unit's score on two sides, as the comparison of the two is made of."""

    unit: str
    stratum: str
    a: float
    b: float


@dataclass(frozen=True)
class MovedSides:
    """Two records and the scores that the means of their units are made of.

    Parameters
    ----------
    cut : frozenset of str
        Units of which only the first m answers on either side were scored.
    """

    records: tuple[ScoredRecord, ScoredRecord]
    scores: tuple[UnitScores, UnitScores]
    cut: frozenset[str]


def moved_units(
    sides: MovedSides, means: Sequence[UnitMeans], measure: str, n: int
) -> tuple[MovedUnit, ...]:
    """The ``n`` units with the smallest p-values, the largest difference first among equal ones.

    What chance alone does to a unit's score is seen from its samples: their spread where each has a
    score, else a delete-one jackknife over them, for which the responses must be there; without
    them no unit has a p-value. Welch's t test puts the two sides together; where samples score 0 or
    1 it is Fisher's exact test, which needs no spread. A statistic of the whole set has no units.
    """
    if not sides.scores[0].is_sampled:
        return ()
    spreads = _spreads(sides, measure)
    test = _fisher if all(map(_is_binary, sides.scores)) else _welch
    tests = [
        test(_of(spreads[0], own.unit, own.a), _of(spreads[1], own.unit, own.b)) for own in means
    ]
    adjusted = benjamini_hochberg([p for _, p in tests])
    found = [
        MovedUnit(
            unit=own.unit,
            stratum=own.stratum,
            a=own.a,
            b=own.b,
            difference=own.a - own.b,
            se=se,
            p_value=p,
            p_bh=q,
        )
        for own, (se, p), q in zip(means, tests, adjusted, strict=True)
    ]
    return tuple(sorted(found, key=_order)[:n])


def _order(unit: MovedUnit) -> tuple[bool, float, float, str]:
    p = unit.p_value
    return (p is None, 1.0 if p is None else p, -abs(unit.difference), unit.unit)


@dataclass(frozen=True)
class _Spread:
    """A unit's score, its variance by chance, and the degrees of freedom of that."""

    mean: float
    variance: float | None = None
    df: int = 0


Spread = tuple[float | None, int]
"""A variance and its degrees of freedom."""


def _of(spreads: Mapping[str, Spread], unit: str, mean: float) -> _Spread:
    return _Spread(mean, *spreads.get(unit, (None, 0)))


def _spreads(sides: MovedSides, measure: str) -> list[dict[str, Spread]]:
    """By unit, on both sides."""
    if all((own.index >= 0).all() for own in sides.scores):
        return [
            {
                unit: (float(v.var(ddof=1)) / v.size if v.size > 1 else None, v.size - 1)
                for unit, v in _by_unit(own).items()
            }
            for own in sides.scores
        ]
    if not all(record.has_responses for record in sides.records):
        return [{}, {}]
    a, b = sides.records
    tables = trimmed(a.tables, b.tables, sides.cut, with_others=True)
    return [
        _jackknife(record, own, scores, measure)
        for record, own, scores in zip(sides.records, tables, sides.scores, strict=True)
    ]


def _jackknife(
    record: ScoredRecord, tables: Tables, scores: UnitScores, measure: str
) -> dict[str, Spread]:
    variances = _jackknife_variances(record, tables, scores, measure)
    found: dict[str, Spread] = {}
    for unit, own in _by_unit(scores).items():
        parts = variances[unit]
        # Replicates are independent: the variance of their mean is their mean variance over R.
        is_known = all(df > 0 for _, df in parts)
        variance = sum(v for v, _ in parts) / own.size**2 if is_known else None
        found[unit] = variance, sum(df for _, df in parts)
    return found


def _jackknife_variances(
    record: ScoredRecord, tables: Tables, scores: UnitScores, measure: str
) -> dict[str, list[tuple[float, int]]]:
    """Variance of each replicate of a unit by leaving out one sample at a time, and its df.

    A replicate that has no score without one of its samples has no variance, and df 0.
    """
    usable = usable_samples(tables)
    own = {place: v for place, v in _placed(scores) if not math.isnan(v)}
    left_out: dict[Place, list[float]] = {place: [] for place in own}
    for index in sorted(frozenset().union(*asked_samples(tables).values())):
        part = record.scores_of(without_sample(tables, index), measure)
        for place, value in _placed(part):
            # A sample that did not come changes nothing, and is none of those that vary.
            if place in own and (index in usable[place] or value != own[place]):
                left_out[place].append(value)
    variances: dict[str, list[tuple[float, int]]] = {}
    for (unit, _), values in left_out.items():
        k = len(values)
        is_known = k > 1 and not any(map(math.isnan, values))
        variance = ((k - 1) * float(np.var(values)), k - 1) if is_known else (0.0, 0)
        variances.setdefault(unit, []).append(variance)
    return variances


def _placed(scores: UnitScores) -> list[tuple[Place, float]]:
    """Each score with its unit and replicate."""
    places = zip(scores.unit.tolist(), scores.replicate.tolist(), strict=True)
    return list(zip(places, scores.value.tolist(), strict=True))


def _by_unit(scores: UnitScores) -> dict[str, Floats]:
    values: dict[str, list[float]] = {}
    for unit, value in zip(scores.unit.tolist(), scores.value.tolist(), strict=True):
        if not math.isnan(value):
            values.setdefault(unit, []).append(value)
    return {unit: np.array(own) for unit, own in values.items()}


def _is_binary(scores: UnitScores) -> bool:
    there = scores.value[~np.isnan(scores.value)]
    return bool((scores.index >= 0).all() and np.isin(there, (0.0, 1.0)).all())


def _fisher(a: _Spread, b: _Spread) -> tuple[float | None, float | None]:
    """As `_welch`, of samples that are 0 or 1."""
    from scipy.stats import fisher_exact

    sizes = [side.df + 1 for side in (a, b)]
    ones = [round(side.mean * n) for side, n in zip((a, b), sizes, strict=True)]
    p = fisher_exact([ones, [n - k for n, k in zip(sizes, ones, strict=True)]]).pvalue
    return _welch(a, b)[0], min(1.0, float(p))


def _welch(a: _Spread, b: _Spread) -> tuple[float | None, float | None]:
    """Standard error of the difference and its two-sided p-value; None without any spread."""
    from scipy.special import stdtr

    if a.variance is None or b.variance is None or a.variance + b.variance <= 0:
        return None, None
    variance = a.variance + b.variance
    df = variance**2 / sum(
        side.variance**2 / side.df for side in (a, b) if side.variance is not None and side.df
    )
    t = abs(a.mean - b.mean) / math.sqrt(variance)
    return math.sqrt(variance), max(float(2 * stdtr(df, -t)), SMALLEST)
