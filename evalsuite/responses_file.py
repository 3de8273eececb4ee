"""``responses.parquet``: the units and tables of a run, from which its numbers are recomputed."""

import hashlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from evalsuite.errors import BadInput, VerificationFailed
from evalsuite.prompts import Unit
from evalsuite.requests import Entrant, Response
from evalsuite.response_cells import (
    ANSWER,
    LATER,
    SCHEMA,
    UNITS,
    Cells,
    UnsoundRow,
    checksum,
    read_row,
    read_unit,
    row_cells,
    unit_cells,
)
from evalsuite.tables import ResponseTable, Row, Tables

_BATCH = 1024


def write_responses(path: Path, units: Sequence[Unit], tables: Tables) -> str:
    """Write the units and tables of a run, batch by batch.

    Returns
    -------
    sha256, in hex, of the rows' checksums in order.
    """
    total = hashlib.sha256()
    with pq.ParquetWriter(path, SCHEMA, compression="zstd") as writer:
        for batch in _batches(units, tables):
            for cells in batch:
                cells["sha256"] = checksum(cells)
                total.update(cells["sha256"].encode())
            writer.write_batch(pa.RecordBatch.from_pylist(batch, schema=SCHEMA))
    return total.hexdigest()


def _batches(units: Sequence[Unit], tables: Tables) -> Iterator[list[dict[str, Any]]]:
    yield [unit_cells(unit) for unit in units]
    for name, table in tables.items():
        for start in range(0, len(table.rows), _BATCH):
            rows = table.rows[start : start + _BATCH]
            embedded = [row for row in rows if _has_vector(row)]
            vectors = iter([response.vector for response in table.responses(embedded)])
            yield [
                row_cells(name, table.role, row, next(vectors) if _has_vector(row) else None)
                for row in rows
            ]


def _has_vector(row: Row) -> bool:
    embeds = row.request is not None and row.request.capability.startswith("embeds_")
    return embeds and row.status == "ok"


class ResponsesFile:
    """The content of a ``responses.parquet`` and everything that is wrong with it.

    A row that is not sound is left out of ``units`` or ``tables``, so numbers follow from them only
    where there are no problems.

    Parameters
    ----------
    entrants : dict of str to Entrant
        By role: who answered.

    Attributes
    ----------
    units : tuple of Unit
    tables : Tables
    sha256 : str
        As `write_responses` returned it.
    problems : list of str
        Each names the row and what was changed in it.

    Raises
    ------
    BadInput
        If there is no such file or it is no Parquet.
    VerificationFailed
        If its columns are not those that a run writes.
    """

    def __init__(self, path: Path, entrants: Mapping[str, Entrant]) -> None:
        columns = _read_columns(path)
        self._vectors = columns.column("vector").combine_chunks()
        self._cells: list[dict[str, Any]] = columns.drop_columns(["vector"]).to_pylist()
        self._entrants = entrants
        self.problems: list[str] = []
        self.sha256 = self._check()
        self.units = self._read_units()
        self.tables = self._read_tables()

    def _vector(self, place: int) -> Any:
        vector = self._vectors[place]
        if not vector.is_valid:
            return None
        return np.asarray(vector.values.to_numpy(zero_copy_only=False), dtype=np.float32)

    def _reject(self, place: int, why: str) -> None:
        self.problems.append(f"{_where(place, self._cells[place])}{why}")

    def _check(self) -> str:
        total = hashlib.sha256()
        for place, row in enumerate(self._cells):
            found = checksum(row | {"vector": self._vector(place)})
            total.update(found.encode())
            if found != row["sha256"]:
                self._reject(place, " was changed: its checksum does not fit")
        return total.hexdigest()

    def _read_units(self) -> tuple[Unit, ...]:
        units: dict[str, Unit] = {}
        for place, row in enumerate(self._cells):
            if row["table"] != UNITS:
                continue
            try:
                unit = read_unit(row)
            except UnsoundRow as error:
                self._reject(place, f": {error}")
                continue
            if unit.id in units:
                self._reject(place, ": the unit is listed twice")
            units.setdefault(unit.id, unit)
        if not units:
            self.problems.append("no units are listed")
        return tuple(units.values())

    def _read_tables(self) -> Tables:
        units = {unit.id: unit for unit in self.units}
        ranks = {unit.id: rank for rank, unit in enumerate(self.units)}
        places: dict[bytes, int] = {}
        tables: dict[str, list[Row]] = {}
        roles: dict[str, str] = {}
        last: dict[str, tuple[int, int, int, int]] = {}
        topics: dict[str, set[str | None]] = {}
        for place, cells in enumerate(self._cells):
            name = cells["table"]
            if name == UNITS:
                continue
            try:
                row = self._read_row(place, cells, units)
                if roles.setdefault(name, cells["role"]) != cells["role"]:
                    raise UnsoundRow(f"role {cells['role']!r} in a table of {roles[name]!r}")
                # An error may have been another answer a call later: it is not final.
                if row.request is not None and row.status != "error":
                    self._compare(place, places.setdefault(row.request.key, place))
                other = -1 if row.other is None else row.other
                own = (ranks[row.unit.id], row.replicate, row.index, other)
                before = last.get(name, (-1, 0, 0, 0))
                named = topics[name] if own == before else set()
                # Several questions may be about one pair of samples, or about one image.
                is_twice = own == before and row.other is None and row.topic in named | {None}
                if own < before or is_twice:
                    raise UnsoundRow("stands twice, or not in the order of units and samples")
            except UnsoundRow as error:
                self._reject(place, f": {error}")
                continue
            last[name], topics[name] = own, named | {row.topic}
            tables.setdefault(name, []).append(row)
        read = self._reader(places)
        return Tables(
            **{name: ResponseTable(roles[name], rows, read) for name, rows in tables.items()}
        )

    def _read_row(self, place: int, cells: Cells, units: Mapping[str, Unit]) -> Row:
        name, unit = cells["table"], units.get(cells["unit"])
        # A table is handed to `Tables` by keyword.
        if name is None or not name.isidentifier() or name == "self":
            raise UnsoundRow(f"{name!r} is no name of a table")
        if cells["role"] is None:
            raise UnsoundRow("no role")
        if unit is None:
            raise UnsoundRow("belongs to a unit that is not listed")
        return read_row(cells, unit, self._entrants, self._vector(place))

    def _compare(self, place: int, first: int) -> None:
        """Equal requests were asked once: their rows hold one answer."""
        if place == first:
            return
        one, other = self._cells[first], self._cells[place]
        vectors = [self._vector(first), self._vector(place)]
        small = ("status", "scores", *ANSWER)
        if any(one[n] != other[n] for n in small) or not np.array_equal(*vectors):
            raise UnsoundRow(f"another answer than row {first} to an equal request")

    def _reader(
        self, places: Mapping[bytes, int]
    ) -> Callable[[Sequence[bytes]], Iterator[Response]]:
        def read(keys: Sequence[bytes]) -> Iterator[Response]:
            for key in keys:
                yield Response(key, "ok", vector=self._vector(places[key]))

        return read


def _read_columns(path: Path) -> pa.Table:
    try:
        table = pq.read_table(path, memory_map=True)
    except (OSError, pa.ArrowException) as error:
        raise BadInput(f"{path}: cannot be read as responses ({error})") from None
    for name in LATER:
        if name not in table.column_names:
            table = table.append_column(
                SCHEMA.field(name), pa.nulls(len(table), SCHEMA.field(name).type)
            )
    if table.schema.names != SCHEMA.names:
        raise VerificationFailed(f"{path.name}: its columns are not those of a run")
    for own, other in zip(SCHEMA, table.schema, strict=True):
        if own.type != other.type:
            raise VerificationFailed(f"{path.name}: column {own.name} is {other.type}")
    try:
        table.validate(full=True)
    except pa.ArrowException as error:
        raise VerificationFailed(f"{path.name}: {error}") from None
    return table


def _where(place: int, row: Cells) -> str:
    index = "" if row["index"] is None else f", sample {row['index']}"
    return f"row {place} ({row['table']}, unit {row['unit']}{index})"
