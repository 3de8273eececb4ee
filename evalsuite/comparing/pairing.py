"""Scores of several records side by side, unit by unit: what a comparison is made from."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from evalsuite.comparing.scored_record import ScoredRecord
from evalsuite.comparing.trimming import trimmed
from evalsuite.errors import BadInput, TooLittleInCommon
from evalsuite.fingerprint import Apparatus
from evalsuite.measures import ALL, UnitScores
from evalsuite.measures.unit_scores import COLUMNS
from evalsuite.tables import Tables

MIN_OVERLAP = 0.9
"""Smallest share of the units that must have a value on both sides of a comparison."""

RELATIVE, ABSOLUTE = 1e-9, 1e-12
"""Means that differ by less are equal: of the greater one, and of the greatest of all units.

Floating-point sums depend on their order, and a sign test of nothing but rounding rejects.
"""

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
    """What differs between two apparatuses, each with both values; of two tasks only that."""
    if a.task != b.task:
        return [f"task ({_short(a.task)}, {_short(b.task)})"]
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


@dataclass(frozen=True)
class Paired:
    """Two sides made of equally many answers, of the replicates that both have.

    Parameters
    ----------
    scores : two of UnitScores
    means : two arrays of shape (units,)
        Of those scores; NaN where either side has no value.
    cut : frozenset of str
        Units that lack an answer: scored again, of the first m answers that came on both sides.
    """

    scores: tuple[UnitScores, UnitScores]
    means: tuple[Floats, Floats]
    cut: frozenset[str] = frozenset()


def pair(a: Side, b: Side, table: UnitTable, measure: str) -> tuple[Floats, Floats]:
    """The unit means of two records, made of equally many answers on both sides.

    Returns
    -------
    two arrays of shape (units,), NaN where either side has no value. Means that rounding alone
    tells apart are equal.

    Raises
    ------
    BadInput
        If fewer than 90 % of the units have a value on both sides.
    """
    return paired(a, b, table, measure).means


def paired(a: Side, b: Side, table: UnitTable, measure: str) -> Paired:
    """As `pair`, with the scores that the means are made of."""
    is_uneven = a.record.record.replicates != b.record.record.replicates
    if a.scores.is_sampled:
        a, b = on_common_replicates(a, b, table, measure)
    scores, cut = (a.scores, b.scores), frozenset[str]()
    is_whole = a.scores.is_whole and b.scores.is_whole
    # Replicates of a statistic of the whole set stand in the tables only.
    if not is_whole or (is_uneven and not a.scores.is_sampled):
        scores, cut = _equal_answers(a, b, measure)
    one, other = (unit_means(own, own.value, table.units) for own in scores)
    there = ~(np.isnan(one) | np.isnan(other))
    if there.sum() < MIN_OVERLAP * len(table):
        raise TooLittleInCommon(
            f"{a.record.name} and {b.record.name}: only {there.sum()} of {len(table)} units have a "
            f"value of {measure} on both sides, below {MIN_OVERLAP:.0%}; a comparison of the rest "
            "would be one of other prompts"
        )
    means = np.where(there, one, np.nan), np.where(there, other, np.nan)
    return Paired(scores, _without_rounding(*means), cut)


def _without_rounding(a: Floats, b: Floats) -> tuple[Floats, Floats]:
    """Both means, one number where they differ by no more than the order of a sum does."""
    size = np.maximum(np.abs(a), np.abs(b))
    largest = np.max(size, where=~np.isnan(size), initial=0.0)
    is_equal = np.abs(a - b) <= np.maximum(RELATIVE * size, ABSOLUTE * largest)
    middle = (a + b) / 2
    return np.where(is_equal, middle, a), np.where(is_equal, middle, b)


def on_common_replicates(a: Side, b: Side, table: UnitTable, measure: str) -> tuple[Side, Side]:
    """Both sides with the scores of those replicates that both have."""
    if a.record.record.replicates == b.record.record.replicates:
        return a, b
    common = np.intersect1d(a.scores.replicate, b.scores.replicate)
    found = []
    # Replicates of a statistic of the whole set stand in the tables only.
    tables: list[Tables | None] = [None, None]
    if not a.scores.is_sampled:
        tables = [*trimmed(a.record.tables, b.record.tables, (), with_others=True)]
    for side, own in zip((a, b), tables, strict=True):
        scores = side.scores.where(np.isin(side.scores.replicate, common))
        if own is not None:
            scores = side.record.scores_of(own, measure)
        found.append(Side(side.record, scores, unit_means(scores, scores.value, table.units)))
    return found[0], found[1]


Scores = tuple[UnitScores, UnitScores]


def _equal_answers(a: Side, b: Side, measure: str) -> tuple[Scores, frozenset[str]]:
    """Units that lack answers, made of the first m that came on both sides; and which they are."""
    if (a.scores.index >= 0).all() and (b.scores.index >= 0).all():
        return _first_samples(a.scores, b.scores), frozenset()
    # A statistic of the whole set is made of the other units too; scores of units are not.
    chosen = _partial_units(a.scores) | _partial_units(b.scores) if a.scores.is_sampled else None
    found = []
    for side, tables in zip((a, b), trimmed(a.record.tables, b.record.tables, chosen), strict=True):
        is_cut = np.array([chosen is None or unit in chosen for unit in side.scores.unit], bool)
        kept = side.scores.where(~is_cut)
        if any(len(t) for t in tables.values()):
            kept = _joined(kept, side.record.scores_of(tables, measure))
        found.append(kept)
    return (found[0], found[1]), chosen or frozenset()


def _joined(a: UnitScores, b: UnitScores) -> UnitScores:
    columns = {name: np.concatenate([getattr(s, name) for s in (a, b)]) for name in COLUMNS}
    return UnitScores(a.link, a.is_sampled, **columns)


def _partial_units(scores: UnitScores) -> frozenset[str]:
    """The units that lack an answer, in whatever replicate."""
    return frozenset(scores.unit[scores.is_partial | np.isnan(scores.value)].tolist())


def _first_samples(a: UnitScores, b: UnitScores) -> Scores:
    """Of scores by sample, the first m that are there in each unit and replicate."""
    counts = [Counter(_places(own)) for own in (a, b)]
    found = []
    for own in (a, b):
        m = np.array(
            [min(side[place] for side in counts) for place in _all_places(own)], dtype=np.int64
        )
        found.append(own.where(~np.isnan(own.value) & (_rank_in_unit(own) < m)))
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
