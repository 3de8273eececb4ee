"""The rows of a shard: responses to Arrow tables and back, to the last bit."""

import hashlib
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from evalsuite.requests import Box, Finish, Response, Status

SCHEMA = pa.schema(
    {
        "key": pa.binary(32),
        "status": pa.string(),
        "text": pa.string(),
        "finish": pa.string(),
        "n_prompt_tokens": pa.int64(),
        "n_new_tokens": pa.int64(),
        "vector": pa.list_(pa.float32()),
        "image": pa.struct({"bytes": pa.binary(), "path": pa.string()}),  # as in `datasets`
        "scores": pa.list_(pa.float64()),
        "boxes": pa.list_(
            pa.struct(
                {"label": pa.string(), "score": pa.float64()}
                | {corner: pa.float64() for corner in ("x0", "y0", "x1", "y1")}
            )
        ),
        "message": pa.string(),
        "image_sha256": pa.string(),
    }
)
"""Columns of every shard, whatever was asked: a column of nulls takes next to no room."""

LATER = ("image_sha256",)
"""Columns that shards of store schema 1 lack."""

FIRST_SCHEMA = pa.schema([field for field in SCHEMA if field.name not in LATER])
"""Columns of a shard of store schema 1."""

PAYLOADS = ("vector", "image")
"""Columns that can be left unread; the others are small."""

DICTIONARY_COLUMNS = ("status", "finish", "boxes.list.element.label")
"""Columns whose values repeat; elsewhere a dictionary would only cost time."""

# Small enough that fetching one image out of many reads little beside it.
_ROW_GROUP_BYTES = 1 << 20
_ROW_GROUP_ROWS = 8192
_STATUS: dict[str, Status] = {"ok": "ok", "refused": "refused", "filtered": "filtered"}
_FINISH: dict[str | None, Finish | None] = {"stop": "stop", "length": "length", None: None}


def encode(responses: Sequence[Response]) -> Iterator[pa.Table]:
    """Put responses into tables of bounded size, one for each row group.

    Raises
    ------
    ValueError
        If a response is not final, or holds what a shard cannot give back exactly.
    """
    start, n_bytes = 0, 0
    for i, response in enumerate(responses):
        if i > start and (n_bytes >= _ROW_GROUP_BYTES or i - start >= _ROW_GROUP_ROWS):
            yield _table(responses[start:i])
            start, n_bytes = i, 0
        n_bytes += _check(response)
    if start < len(responses):
        yield _table(responses[start:])


def as_responses(table: pa.Table) -> list[Response]:
    """Turn rows into responses; columns of `PAYLOADS` may be lacking, and are None then."""
    columns = {
        name: _column(table, name) if name in table.column_names else [None] * len(table)
        for name in SCHEMA.names
    }
    return [Response(*row) for row in zip(*columns.values(), strict=True)]


def as_current(table: pa.Table) -> pa.Table:
    """Give rows of a shard of store schema 1 the columns that came later."""
    if "image_sha256" in table.column_names:
        return table
    images = _column(table, "image")
    sums = [None if image is None else hashlib.sha256(image).hexdigest() for image in images]
    return table.append_column(SCHEMA.field("image_sha256"), pa.array(sums, pa.string()))


def fit_a_row_group(tables: Sequence[pa.Table]) -> bool:
    """Whether tables are small enough to be one row group together."""
    n_bytes = sum(table.nbytes for table in tables)
    return n_bytes <= _ROW_GROUP_BYTES and sum(map(len, tables)) <= _ROW_GROUP_ROWS


def _check(response: Response) -> int:
    """Size of a response in bytes, about; ValueError if it cannot be stored."""
    name = response.key.hex()[:16]
    if response.status not in _STATUS:
        raise ValueError(f"response {name}: status {response.status!r} is not final")
    if response.finish not in _FINISH:
        raise ValueError(f"response {name}: finish {response.finish!r} is not known")
    vector = response.vector
    if vector is not None and (vector.ndim != 1 or vector.dtype != np.float32):
        raise ValueError(f"response {name}: the vector is not one row of float32")
    return (
        len(response.text or "")
        + (0 if vector is None else vector.nbytes)
        + len(response.image or b"")
        + 8 * len(response.scores or ())
        + 64 * len(response.boxes or ())
    )


def _table(responses: Sequence[Response]) -> pa.Table:
    columns: dict[str, list[Any]] = {
        name: [getattr(response, name) for response in responses] for name in SCHEMA.names
    }
    vectors = _vectors(columns.pop("vector"))
    columns["image"] = [None if image is None else {"bytes": image} for image in columns["image"]]
    columns["boxes"] = [
        None
        if boxes is None
        else [{name: getattr(box, name) for name in Box.__slots__} for box in boxes]
        for boxes in columns["boxes"]
    ]
    try:
        arrays = {name: pa.array(rows, SCHEMA.field(name).type) for name, rows in columns.items()}
    except UnicodeEncodeError as error:
        name = next(r.key for r in responses if _has_lone_surrogate(r)).hex()[:16]
        raise ValueError(
            f"response {name}: a text has a lone surrogate, which UTF-8 cannot hold"
        ) from error
    return pa.table({"vector": vectors, **arrays}).select(SCHEMA.names).cast(SCHEMA)


def _has_lone_surrogate(response: Response) -> bool:
    texts = [response.text, response.message, *(box.label for box in response.boxes or ())]
    return any("\ud800" <= letter <= "\udfff" for text in texts if text for letter in text)


def _vectors(vectors: list[NDArray[np.float32] | None]) -> pa.Array:
    """Made from the bytes of the numbers, so that every bit survives (also those of a NaN)."""
    sizes = [0 if vector is None else len(vector) for vector in vectors]
    flat = [vector for vector in vectors if vector is not None]
    return pa.ListArray.from_arrays(
        pa.array(np.concatenate([[0], np.cumsum(sizes)]), pa.int32()),
        pa.array(np.concatenate(flat) if flat else np.empty(0, np.float32), pa.float32()),
        mask=pa.array([vector is None for vector in vectors]),
    )


def _column(table: pa.Table, name: str) -> list[Any]:
    """The values of a column as a response holds them."""
    column = table[name]
    if column.null_count == len(column):
        return [None] * len(column)
    if name == "vector":
        return _numpy_rows(column)
    if name == "image":
        column = column.combine_chunks().flatten()[0]
    values: list[Any] = column.to_pylist()
    match name:
        case "status":  # one string for all rows that say the same
            return [_STATUS[status] for status in values]
        case "finish":
            return [_FINISH[finish] for finish in values]
        case "scores":
            return [None if row is None else tuple(row) for row in values]
        case "boxes":
            return [None if row is None else tuple(Box(**box) for box in row) for row in values]
        case _:
            return values


def _numpy_rows(column: pa.ChunkedArray) -> list[NDArray[np.float32] | None]:
    array = column.combine_chunks()
    numbers, offsets = array.values.to_numpy(), array.offsets.to_numpy()
    is_valid = array.is_valid().to_pylist()
    return [  # copies, lest one row keeps all of them in memory
        numbers[offsets[i] : offsets[i + 1]].copy() if valid else None
        for i, valid in enumerate(is_valid)
    ]
