"""Equal numbers of answers on both sides: the first m that came to each unit, in both."""

from collections import defaultdict
from collections.abc import Container, Mapping

from evalsuite.tables import ResponseTable, Row, Tables

Place = tuple[str, int]
"""A unit and a replicate."""


def trimmed(
    a: Tables,
    b: Tables,
    units: Container[str] | None = None,
    *,
    with_others: bool = False,
) -> tuple[Tables, Tables]:
    """Both sides with the first m usable samples of each unit and replicate, m the lesser number.

    A sample is usable where every table that was asked about it has an answer, and no text is
    blank.

    Parameters
    ----------
    units : container of str, optional
        The units to keep, each with every replicate that both sides have. By default all.
    with_others : bool
        Keep the other units too, with all their samples of those replicates.
    """
    usable = usable_samples(a), usable_samples(b)
    asked = asked_samples(a), asked_samples(b)
    kept: tuple[dict[Place, frozenset[int]], ...] = ({}, {})
    for place in usable[0].keys() & usable[1].keys():
        if units is not None and place[0] not in units:
            if with_others:
                for side, samples in zip(kept, asked, strict=True):
                    side[place] = samples[place]
            continue
        own = [side[place] for side in usable]
        m = min(len(o) for o in own)
        for side, came in zip(kept, own, strict=True):
            side[place] = frozenset(came[:m])
    return restricted(a, kept[0]), restricted(b, kept[1])


def usable_samples(tables: Tables) -> dict[Place, list[int]]:
    """The usable samples of each unit and replicate, in order."""
    bad: set[tuple[str, int, int]] = set()
    places: dict[Place, dict[int, None]] = defaultdict(dict)
    for table in tables.values():
        if all(row.request is None for row in table.rows):
            continue  # No judge in that role: nothing was asked of any sample.
        for row in table.rows:
            if row.other is not None:
                continue  # A pair that was not judged says nothing against its samples.
            places[row.unit.id, row.replicate][row.index] = None
            if not _is_usable(row):
                bad.add((row.unit.id, row.replicate, row.index))
    return {
        place: sorted(index for index in samples if (*place, index) not in bad)
        for place, samples in places.items()
    }


def asked_samples(tables: Tables) -> dict[Place, frozenset[int]]:
    """The samples that were asked of each unit and replicate, whether they came or not."""
    samples: dict[Place, set[int]] = defaultdict(set)
    for table in tables.values():
        for row in table.rows:
            samples[row.unit.id, row.replicate].add(row.index)
    return {place: frozenset(own) for place, own in samples.items()}


def restricted(tables: Tables, kept: Mapping[Place, frozenset[int]]) -> Tables:
    """The tables with the samples that are kept, in the same order."""
    return Tables(
        **{
            name: ResponseTable(
                table.role,
                [row for row in table.rows if _is_kept(row, kept)],
                table.read,
            )
            for name, table in tables.items()
        }
    )


def _is_kept(row: Row, kept: Mapping[Place, frozenset[int]]) -> bool:
    own = kept.get((row.unit.id, row.replicate), frozenset())
    return row.index in own and (row.other is None or row.other in own)


def without_sample(tables: Tables, index: int) -> Tables:
    """The tables with one sample of every unit left out, for a jackknife within units."""
    return restricted(
        tables, {place: own - {index} for place, own in asked_samples(tables).items()}
    )


def _is_usable(row: Row) -> bool:
    return row.status == "ok" and (row.text is None or bool(row.text.strip()))
