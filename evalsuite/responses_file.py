"""``responses.parquet``: the units and tables of a run, from which its numbers are recomputed."""

import hashlib
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from evalsuite.errors import BadInput
from evalsuite.prompts import Unit
from evalsuite.requests import (
    Entrant,
    Prompt,
    Request,
    Response,
    Sampling,
    canonical_json,
)
from evalsuite.tables import ResponseTable, Row, Tables

UNITS = "units"
"""Name of the table that lists the units themselves."""

SCHEMA = pa.schema(
    [
        ("table", pa.string()),
        ("role", pa.string()),
        ("unit", pa.string()),
        ("cluster", pa.string()),
        ("stratum", pa.string()),
        ("replicate", pa.int32()),
        ("index", pa.int32()),
        ("status", pa.string()),
        ("capability", pa.string()),
        ("prompt", pa.string()),
        ("sampling", pa.string()),
        ("seed", pa.int64()),
        ("sample", pa.int32()),
        ("occurrence", pa.int32()),
        ("key", pa.binary()),
        ("text", pa.string()),
        ("finish", pa.string()),
        ("n_prompt_tokens", pa.int32()),
        ("n_new_tokens", pa.int32()),
        ("message", pa.string()),
        ("vector", pa.list_(pa.float32())),
        ("sha256", pa.string()),
    ]
)
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
                cells["sha256"] = _checksum(cells)
                total.update(cells["sha256"].encode())
            writer.write_batch(pa.RecordBatch.from_pylist(batch, schema=SCHEMA))
    return total.hexdigest()


def _batches(units: Sequence[Unit], tables: Tables) -> Iterator[list[dict[str, Any]]]:
    yield [_unit_cells(unit) for unit in units]
    for name, table in tables.items():
        for start in range(0, len(table.rows), _BATCH):
            rows = table.rows[start : start + _BATCH]
            embedded = [row for row in rows if _has_vector(row)]
            vectors = iter([response.vector for response in table.responses(embedded)])
            yield [
                _row_cells(name, table.role, row, next(vectors) if _has_vector(row) else None)
                for row in rows
            ]


def _has_vector(row: Row) -> bool:
    embeds = row.request is not None and row.request.capability.startswith("embeds_")
    return embeds and row.status == "ok"


def _unit_cells(unit: Unit) -> dict[str, Any]:
    return dict.fromkeys(SCHEMA.names) | {
        "table": UNITS,
        "unit": unit.id,
        "cluster": unit.cluster,
        "stratum": unit.stratum,
        "prompt": canonical_json(unit.prompt.model_dump(mode="json")),
    }


def _row_cells(name: str, role: str, row: Row, vector: Any) -> dict[str, Any]:
    cells = dict.fromkeys(SCHEMA.names) | {
        "table": name,
        "role": role,
        "unit": row.unit.id,
        "cluster": row.unit.cluster,
        "stratum": row.unit.stratum,
        "replicate": row.replicate,
        "index": row.index,
        "status": row.status,
        "vector": vector,
    }
    if row.request is not None:
        sampling = row.request.sampling
        cells |= {
            "capability": row.request.capability,
            "prompt": canonical_json(row.request.prompt.model_dump(mode="json")),
            "sampling": sampling and canonical_json(sampling.model_dump(mode="json")),
            "seed": row.request.seed,
            "sample": row.request.index,
            "occurrence": row.request.occurrence,
            "key": row.request.key,
        }
    if row.response is not None:
        names = ("text", "finish", "n_prompt_tokens", "n_new_tokens", "message")
        cells |= {name: getattr(row.response, name) for name in names}
    return cells


def _checksum(cells: Mapping[str, Any]) -> str:
    """sha256 over every cell of a row, the vector by its bytes."""
    small = {
        name: value.hex() if isinstance(value, bytes) else value
        for name, value in cells.items()
        if name not in {"vector", "sha256"}
    }
    hasher = hashlib.sha256(canonical_json(small).encode())
    if cells["vector"] is not None:
        hasher.update(np.asarray(cells["vector"], dtype="<f4").tobytes())
    return hasher.hexdigest()


class ResponsesFile:
    """The content of a ``responses.parquet`` and everything that is wrong with it.

    Attributes
    ----------
    units : tuple of Unit
    tables : Tables
    sha256 : str
        As `write_responses` returned it.
    problems : list of str
        Each names the row and what was changed in it.
    """

    def __init__(self, path: Path, entrants: Mapping[str, Entrant]) -> None:
        columns = _read_columns(path)
        self._vectors = columns.column("vector").combine_chunks()
        cells = columns.drop_columns(["vector"]).to_pylist()
        self.problems: list[str] = []
        self.sha256 = self._check(cells)
        self._entrants = entrants
        self.units = tuple(_unit(row) for row in cells if row["table"] == UNITS)
        self.tables = self._tables(cells)

    def _vector(self, place: int) -> Any:
        vector = self._vectors[place]
        return np.asarray(vector.values, dtype=np.float32) if vector.is_valid else None

    def _check(self, cells: Sequence[dict[str, Any]]) -> str:
        total = hashlib.sha256()
        for place, row in enumerate(cells):
            found = _checksum(row | {"vector": self._vector(place)})
            total.update(found.encode())
            if found != row["sha256"]:
                self.problems.append(f"{_where(place, row)} was changed: its checksum does not fit")
        return total.hexdigest()

    def _tables(self, cells: Sequence[dict[str, Any]]) -> Tables:
        units = {unit.id: unit for unit in self.units}
        places: dict[bytes, int] = {}
        tables: dict[str, list[Row]] = {}
        roles: dict[str, str] = {}
        for place, row in enumerate(cells):
            if row["table"] == UNITS:
                continue
            if row["unit"] not in units:
                self.problems.append(f"{_where(place, row)} belongs to a unit that is not listed")
                continue
            request = self._request(place, row)
            if request is not None:
                places[request.key] = place
            response = _response(row, request)
            tables.setdefault(row["table"], []).append(
                Row(units[row["unit"]], row["replicate"], row["index"], row["status"],
                    request, response)
            )  # fmt: skip
            roles[row["table"]] = row["role"]
        read = self._reader(places)
        return Tables(
            **{name: ResponseTable(roles[name], rows, read) for name, rows in tables.items()}
        )

    def _request(self, place: int, row: dict[str, Any]) -> Request | None:
        if row["key"] is None:
            return None
        request = Request(
            capability=row["capability"],
            entrant=self._entrants[row["role"]],
            prompt=_prompt(row["prompt"]),
            sampling=_sampling(row["sampling"]),
            seed=row["seed"],
            index=row["sample"],
            occurrence=row["occurrence"],
        )
        if request.key != row["key"]:
            self.problems.append(
                f"{_where(place, row)}: its key does not follow from prompt, entrant and sampling"
            )
        return request

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
    if table.schema.names != SCHEMA.names:
        raise BadInput(f"{path}: not a responses file of this evalsuite (its columns differ)")
    return table


def _where(place: int, row: Mapping[str, Any]) -> str:
    index = "" if row["index"] is None else f", sample {row['index']}"
    return f"row {place} ({row['table']}, unit {row['unit']}{index})"


def _unit(row: Mapping[str, Any]) -> Unit:
    return Unit(
        id=row["unit"],
        prompt=_prompt(row["prompt"]),
        stratum=row["stratum"],
        cluster=row["cluster"],
    )


def _response(row: Mapping[str, Any], request: Request | None) -> Response | None:
    if request is None or row["status"] in {"planned", "unasked"}:
        return None
    names = ("text", "finish", "n_prompt_tokens", "n_new_tokens", "message")
    return Response(request.key, row["status"], **{name: row[name] for name in names})


@lru_cache(maxsize=4096)
def _prompt(text: str) -> Prompt:
    return Prompt.model_validate(json.loads(text))


@lru_cache(maxsize=64)
def _sampling(text: str | None) -> Sampling | None:
    return None if text is None else Sampling.model_validate(json.loads(text))
