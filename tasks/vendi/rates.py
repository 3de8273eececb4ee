"""What stands beside diversity: copies among the answers, and their quality."""

from collections.abc import Iterator

from evalsuite.measures import MeanMeasure, Measure, MeasureRow, ProportionMeasure
from evalsuite.tables import Row, Tables


def rate_measures(tables: Tables) -> list[Measure]:
    """One row an answer; an answer that did not come is missing."""
    return [
        ProportionMeasure("duplicate_rate", tuple(_copies(tables))),
        MeanMeasure("quality_mean", tuple(_ratings(tables))),
    ]


def _ratings(tables: Tables) -> Iterator[MeasureRow]:
    table = tables.get("ratings")
    found = {} if table is None else {_place(row): row.scores for row in table.rows}
    for row in tables.outputs.rows:
        scores = found.get(_place(row))
        yield _row(row, None if scores is None else scores[0])


def _place(row: Row) -> tuple[str, int, int]:
    return row.unit.id, row.replicate, row.index


def _copies(tables: Tables) -> Iterator[MeasureRow]:
    for group in tables.outputs.groups():
        seen: set[str] = set()
        for row in group.rows:
            is_there = row.text is not None and bool(row.text.strip())
            yield _row(row, float(row.text in seen) if is_there else None)
            if is_there:
                seen.add(row.text or "")


def _row(row: Row, value: float | None) -> MeasureRow:
    unit = row.unit
    return MeasureRow(unit.id, unit.cluster, unit.stratum, row.replicate, value, row.index)
