"""Scores of several records side by side, unit by unit: what a comparison is made from."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from evalsuite.errors import BadInput
from evalsuite.fingerprint import Apparatus
from evalsuite.measures import ALL, UnitScores
from evalsuite.scored_record import ScoredRecord
from evalsuite.trimming import trimmed

MIN_OVERLAP = 0.9
"""Smallest share of the units that must have a value on both sides of a comparison."""

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class UnitTable:
    """The units of a fingerprint on a slice, in order of their names.

    Parameters
    ----------
    units, clusters, strata : tuple of str
        Of each unit; for a statistic of the whole set the units are its clusters.
    """

    units: tuple[str, ...]
    clusters: tuple[str, ...]
    strata: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.units)


@dataclass(frozen=True)
class Side:
    """One record's scores of a measure, and their mean in each unit.

    Parameters
    ----------
    means : array of shape (units,)
        NaN where a unit has no value.
    """

    record: ScoredRecord
    scores: UnitScores
    means: Floats


def check_comparable(records: Sequence[ScoredRecord]) -> None:
    """Refuse records of different fingerprints, naming the part that differs.

    Raises
    ------
    BadInput
        Naming both records and the parts.
    """
    first = records[0]
    for other in records[1:]:
        if other.record.fingerprint == first.record.fingerprint:
            continue
        parts = differing_parts(first.record.apparatus, other.record.apparatus)
        raise BadInput(
            f"{first.folder} and {other.folder} do not compare, their fingerprints differ in: "
            + "; ".join(parts)
            + ". Run both with the same prompts, options and judges"
        )


def differing_parts(a: Apparatus, b: Apparatus) -> list[str]:
    """What differs between two apparatuses, each with both values."""
    parts = []
    for name in Apparatus.model_fields:
        one, other = getattr(a, name), getattr(b, name)
        if one == other:
            continue
        if name in {"options", "judges", "measures", "data"}:
            own, others = dict(one), dict(other)
            for key in sorted(own.keys() | others.keys()):
                if own.get(key) != others.get(key):
                    parts.append(
                        f"{name}.{key} ({_short(own.get(key))}, {_short(others.get(key))})"
                    )
        else:
            parts.append(f"{name} ({_short(one)}, {_short(other)})")
    return parts


def _short(value: object) -> str:
    text = "none" if value is None else f"{value}"
    return text if len(text) <= 16 else text[:12]


def line_up(
    records: Sequence[ScoredRecord], measure: str, slice: str = ALL
) -> tuple[UnitTable, list[Side]]:
    """Read the scores of a measure from each record, on common units.

    Raises
    ------
    BadInput
        If the slice does not exist, or no record has any unit.
    """
    scores = [record.scores(measure) for record in records]
    if slice != ALL:
        if not scores[0].is_sampled:
            raise BadInput(f"{measure} is a statistic of the whole set; it has no slice {slice!r}")
        strata = sorted({s for own in scores for s in own.stratum if s})
        if slice not in strata:
            raise BadInput(f"no slice {slice!r}; the records have {', '.join(strata) or 'none'}")
        scores = [own.where(own.stratum == slice) for own in scores]
    places = {
        unit: (cluster, stratum)
        for own in scores
        for unit, cluster, stratum in zip(own.unit, own.cluster, own.stratum, strict=True)
    }
    units = tuple(sorted(places))
    if not units:
        raise BadInput(f"{measure}: no answer came that it could be made of, in any record")
    table = UnitTable(units, tuple(places[u][0] for u in units), tuple(places[u][1] for u in units))
    return table, [
        Side(record, own, unit_means(own, own.value, units))
        for record, own in zip(records, scores, strict=True)
    ]


def unit_means(scores: UnitScores, values: Floats, units: Sequence[str]) -> Floats:
    """Mean of the values of each unit, over replicates and samples; NaN where it has none."""
    number = {unit: place for place, unit in enumerate(units)}
    place = np.array([number.get(unit, -1) for unit in scores.unit], dtype=np.int64)
    there = ~np.isnan(values) & (place >= 0)
    counts = np.bincount(place[there], minlength=len(units))
    sums = np.bincount(place[there], weights=values[there], minlength=len(units))
    means = np.divide(sums, counts, out=np.full(len(units), np.nan), where=counts > 0)
    return np.asarray(means, dtype=np.float64)


def pair(a: Side, b: Side, table: UnitTable, measure: str) -> tuple[Floats, Floats]:
    """The unit means of two records, made of equally many answers on both sides.

    Returns
    -------
    two arrays of shape (units,), NaN where either side has no value.

    Raises
    ------
    BadInput
        If fewer than 90 % of the units have a value on both sides.
    """
    one, other = a.means, b.means
    is_sampled = a.scores.is_sampled
    is_uneven = a.record.record.replicates != b.record.record.replicates
    if is_uneven and is_sampled:
        one, other = _common_replicates(a, b, table)
    is_whole = a.scores.is_whole and b.scores.is_whole
    # Replicates of a statistic of the whole set stand in the tables only.
    if not is_whole or (is_uneven and not is_sampled):
        one, other = _equal_answers(a, b, one, other, table, measure)
    there = ~(np.isnan(one) | np.isnan(other))
    if there.sum() < MIN_OVERLAP * len(table):
        raise BadInput(
            f"{a.record.name} and {b.record.name}: only {there.sum()} of {len(table)} units have a "
            f"value of {measure} on both sides, below {MIN_OVERLAP:.0%}; a comparison of the rest "
            "would be one of other prompts"
        )
    return np.where(there, one, np.nan), np.where(there, other, np.nan)


def _common_replicates(a: Side, b: Side, table: UnitTable) -> tuple[Floats, Floats]:
    common = np.intersect1d(a.scores.replicate, b.scores.replicate)
    kept = [s.scores.where(np.isin(s.scores.replicate, common)) for s in (a, b)]
    return (
        unit_means(kept[0], kept[0].value, table.units),
        unit_means(kept[1], kept[1].value, table.units),
    )


def _equal_answers(
    a: Side, b: Side, one: Floats, other: Floats, table: UnitTable, measure: str
) -> tuple[Floats, Floats]:
    """Units that lack answers, made of the first m that came on both sides."""
    if (a.scores.index >= 0).all() and (b.scores.index >= 0).all():
        return _first_samples(a, b, table)
    # A statistic of the whole set is made of the other units too; scores of units are not.
    chosen = _partial_units(a.scores) | _partial_units(b.scores) if a.scores.is_sampled else None
    sides = trimmed(a.record.tables, b.record.tables, chosen)
    is_again = np.array([chosen is None or unit in chosen for unit in table.units])
    found = []
    for side, tables, means in zip((a, b), sides, (one, other), strict=True):
        fresh = np.full(len(table), np.nan)
        if any(len(t) for t in tables.values()):
            again = side.record.scores_of(tables, measure)
            fresh = unit_means(again, again.value, table.units)
        found.append(np.where(is_again, fresh, means))
    return found[0], found[1]


def _partial_units(scores: UnitScores) -> frozenset[str]:
    """The units that lack an answer, in whatever replicate."""
    return frozenset(scores.unit[scores.is_partial | np.isnan(scores.value)].tolist())


def _first_samples(a: Side, b: Side, table: UnitTable) -> tuple[Floats, Floats]:
    """Of scores by sample, the first m that are there in each unit and replicate."""
    ranks = [_rank_in_unit(side.scores) for side in (a, b)]
    counts = [Counter(own) for own in (_places(a.scores), _places(b.scores))]
    found = []
    for side, rank in zip((a, b), ranks, strict=True):
        m = np.array(
            [min(own[place] for own in counts) for place in _all_places(side.scores)],
            dtype=np.int64,
        )
        kept = ~np.isnan(side.scores.value) & (rank < m)
        part = side.scores.where(kept)
        found.append(unit_means(part, part.value, table.units))
    return found[0], found[1]


def _all_places(scores: UnitScores) -> list[tuple[str, int]]:
    return list(zip(scores.unit.tolist(), scores.replicate.tolist(), strict=True))


def _places(scores: UnitScores) -> list[tuple[str, int]]:
    """Unit and replicate of each score that is there."""
    return _all_places(scores.where(~np.isnan(scores.value)))


def _rank_in_unit(scores: UnitScores) -> NDArray[np.int64]:
    """How many scores of the same unit and replicate are there before each one."""
    seen: Counter[tuple[str, int]] = Counter()
    ranks = []
    for place, value in zip(_all_places(scores), scores.value.tolist(), strict=True):
        ranks.append(seen[place])
        seen[place] += value == value  # not where it is NaN
    return np.array(ranks, dtype=np.int64)
