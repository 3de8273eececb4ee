"""Comparing records: paired by unit, corrected for how many pairs are looked at."""

from collections.abc import Sequence
from pathlib import Path

from evalsuite.comparing.moved_units import MovedSides, MovedUnit, UnitMeans, moved_units
from evalsuite.comparing.pair_tests import LEVEL, PairResult, compared_pairs
from evalsuite.comparing.pairing import Side, UnitTable, check_comparable, line_up, paired
from evalsuite.comparing.scored_record import ScoredRecord, open_record, told_apart
from evalsuite.comparing.standings import Standing, sort_key, standings
from evalsuite.errors import BadInput
from evalsuite.measures import ALL
from evalsuite.requests import Frozen


class Comparison(Frozen):
    """A table of records of one fingerprint, best first, and every pair of them.

    Of two records the difference is the first less the second, as they were given; of more, the
    better estimate less the other.

    Parameters
    ----------
    n_tests : int
        Size of the family that Holm's correction is taken over.
    moved : tuple of MovedUnit
        Of two records: the units that differ most, with p-values by Benjamini and Hochberg.
    """

    task: str
    measure: str
    slice: str
    fingerprint: str
    higher_is_better: bool | None
    level: float
    n_units: int
    n_tests: int
    standings: tuple[Standing, ...]
    pairs: tuple[PairResult, ...]
    moved: tuple[MovedUnit, ...] = ()


def compare(
    *records: str | Path, measure: str | None = None, slice: str = ALL, units: int = 5
) -> Comparison:
    """Compare records of one fingerprint, unit by unit.

    Parameters
    ----------
    *records : paths
        Two or more folders of records.
    measure : str, optional
        By default the headline.
    slice : str
        Stratum, or all units.
    units : int
        Of two records, how many of the units that moved most to name; 0 for none.

    Raises
    ------
    BadInput
        If there are fewer than two, one stands twice, fingerprints differ (naming the part), or
        fewer than 90 % of the units have a value on both sides.

    Notes
    -----
    Differences are paired by unit and averaged over samples and replicates first; where answers are
    missing, both sides are made of the first m answers to each unit that came on both. Intervals:
    t over clusters. p-values: sign flips of whole clusters (`evalsuite.stats.signflip`), or, for a
    statistic of the whole set, t over its pseudo-values; Holm over all pairs of the table.
    """
    opened = _open_all(records)
    check_comparable(opened)
    name = measure or opened[0].record.headline.measure
    higher_is_better = opened[0].card(name).higher_is_better
    if len(opened) > 2:
        opened.sort(key=lambda own: sort_key(own, name, slice, higher_is_better))
    table, sides = line_up(opened, name, slice)
    # One hopeless record among several does not take the table from the others.
    pairs = compared_pairs(sides, table, name, slice, skip_unpaired=len(opened) > 2)
    moved: tuple[MovedUnit, ...] = ()
    if len(opened) == 2 and units:
        moved = _moved(sides, table, name, units)
    return Comparison(
        task=opened[0].record.task,
        measure=name,
        slice=slice,
        fingerprint=opened[0].record.fingerprint,
        higher_is_better=higher_is_better,
        level=LEVEL,
        n_units=len(table),
        n_tests=sum(p.p_value is not None for p in pairs),
        standings=standings(sides, pairs, higher_is_better, name, slice),
        pairs=tuple(pairs),
        moved=moved,
    )


def _moved(sides: Sequence[Side], table: UnitTable, measure: str, n: int) -> tuple[MovedUnit, ...]:
    """The units that moved most, of the very means that the pair is compared by."""
    a, b = sides
    found = paired(a, b, table, measure)
    means = [
        UnitMeans(unit, stratum, one, other)
        for unit, stratum, one, other in zip(
            table.units, table.strata, *(own.tolist() for own in found.means), strict=True
        )
        if one == one and other == other  # not where it is NaN
    ]
    moved = MovedSides((a.record, b.record), found.scores, found.cut)
    return moved_units(moved, means, measure, n)


def _open_all(records: Sequence[str | Path]) -> list[ScoredRecord]:
    if len(records) < 2:
        raise BadInput("compare takes two records or more; name their folders")
    opened = [open_record(path) for path in records]
    for place, own in enumerate(opened):
        if own.record.hash in {other.record.hash for other in opened[:place]}:
            raise BadInput(f"{own.folder} is given twice")
    return told_apart(opened)
