"""One shard of the store: a Parquet file of responses whose name carries its place and its sha256.

A shard is written under a temporary name, flushed to disk, and only then renamed, so that a name of
the final form always stands for a whole file:

    <nanoseconds, 16 hex><random, 8 hex>-<sha256 of the bytes, 32 hex>.parquet

The part before the dash, its stamp, sorts shards by the time of their publication.
"""

import errno
import hashlib
import os
import re
import secrets
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from evalsuite.errors import StoreError
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
    }
)
"""Columns of every shard, whatever was asked: a column of nulls takes next to no room."""

NAME = re.compile(r"[0-9a-f]{24}-[0-9a-f]{32}\.parquet")
TEMPORARY = re.compile(r"\.[0-9a-f]{16}\.tmp")
"""What the names of shards and of unfinished files look like."""

Keys = NDArray[np.bytes_]
"""Keys as an array of dtype ``S32``."""

# Small enough that fetching one image out of many reads little beside it.
_ROW_GROUP_BYTES = 1 << 20
_ROW_GROUP_ROWS = 8192
_NO_SPACE = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
_STATUS: dict[str, Status] = {"ok": "ok", "refused": "refused", "filtered": "filtered"}
_FINISH: dict[str | None, Finish | None] = {"stop": "stop", "length": "length", None: None}


class Summary(NamedTuple):
    """A stored response without its payloads (vector, image)."""

    key: bytes
    status: Status
    text: str | None
    finish: Finish | None
    n_prompt_tokens: int | None
    n_new_tokens: int | None
    scores: tuple[float, ...] | None
    boxes: tuple[Box, ...] | None
    message: str | None


@contextmanager
def told_to_the_user(what: str, path: Path) -> Iterator[None]:
    """Turn an error of the operating system into a StoreError of one line."""
    try:
        yield
    except OSError as error:
        if error.errno in _NO_SPACE:
            raise StoreError(
                f"no space left to {what} {path}: everything finished so far is kept; free space "
                "and run the same command again"
            ) from error
        raise StoreError(
            f"cannot {what} {path}: {error.strerror or error}. Check the folder and its "
            "permissions, or set EVALSUITE_HOME to another folder"
        ) from error


def write_atomically(path: Path, data: bytes) -> None:
    """Write a small file so that it is there whole or not at all."""
    temporary = _temporary(path.parent)
    try:
        with temporary.open("wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
    sync_folder(path.parent)


class _HashingSink:
    """A file that hashes what is written to it, so that the sha256 is of the bytes meant."""

    closed = False

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file
        self.sha256 = hashlib.sha256()

    def write(self, data: bytes) -> int:
        self.sha256.update(data)
        return self._file.write(data)

    def tell(self) -> int:
        return self._file.tell()

    def flush(self) -> None:
        self._file.flush()


def write_temporary(folder: Path, tables: Iterable[pa.Table]) -> tuple[Path, str]:
    """Write one shard, each table a row group, under a temporary name, and flush it to disk.

    Returns
    -------
    Path, str
        The file, and the sha256 of its bytes in 32 hex digits, for `publish`.
    """
    path = _temporary(folder)
    try:
        with path.open("wb") as file:
            sink = _HashingSink(file)
            with pq.ParquetWriter(
                sink,
                SCHEMA,
                compression="zstd",
                # Elsewhere values seldom repeat, and a dictionary would only cost time.
                use_dictionary=["status", "finish", "boxes.list.element.label"],
                write_statistics=False,
                write_page_checksum=True,
            ) as writer:
                for table in tables:
                    writer.write_table(table, row_group_size=max(1, len(table)))
            file.flush()
            os.fsync(file.fileno())
    except BaseException:
        path.unlink(missing_ok=True)
        raise
    return path, sink.sha256.hexdigest()[:32]


def publish(temporary: Path, sha256: str, *, stamp: str | None = None) -> str:
    """Give a temporary file its final name, and return that; without a stamp, the present time."""
    stamp = stamp or f"{time.time_ns():016x}{secrets.token_hex(4)}"
    name = f"{stamp}-{sha256}.parquet"
    temporary.replace(temporary.with_name(name))
    sync_folder(temporary.parent)
    return name


def is_whole(path: Path) -> bool:
    """Whether the bytes of a shard have the sha256 that its name says."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()[:32] == path.stem[-32:]


def read_keys(path: Path) -> Keys:
    """Read the keys of a shard, in row order.

    Raises
    ------
    pyarrow.ArrowException, OSError
        If the file is no shard.
    """
    with _open(path) as file:
        if not file.schema_arrow.equals(SCHEMA):
            raise pa.ArrowInvalid(f"{path.name}: not the columns of a shard")
        column = file.read(columns=["key"], use_threads=False)["key"]
    return as_keys(column.to_pylist())


def as_keys(keys: Sequence[bytes]) -> Keys:
    """Put keys into an array; ValueError if one is not of 32 bytes."""
    if not set(map(len, keys)) <= {32}:
        raise ValueError("a key has 32 bytes")
    return np.frombuffer(b"".join(keys), dtype="S32")


def read_rows(path: Path, rows: NDArray[np.int64], columns: Sequence[str]) -> Iterator[pa.Table]:
    """Read some rows of a shard, given in ascending order, one row group after the other."""
    with _open(path) as file:
        sizes = [file.metadata.row_group(i).num_rows for i in range(file.num_row_groups)]
        starts = np.concatenate([[0], np.cumsum(sizes)])
        cuts = np.searchsorted(rows, starts)
        for group in np.flatnonzero(np.diff(cuts)):
            table = file.read_row_group(int(group), columns=list(columns), use_threads=False)
            yield table.take(pa.array(rows[cuts[group] : cuts[group + 1]] - starts[group]))


def as_responses(table: pa.Table) -> list[Response]:
    """Turn rows with all columns into responses."""
    columns = [*_small_columns(table), _numpy_rows(table["vector"]), _image_bytes(table["image"])]
    return [
        Response(key, status, text, finish, n_in, n_out, vector, image, scores, boxes, message)
        for key, status, text, finish, n_in, n_out, scores, boxes, message, vector, image in zip(
            *columns, strict=True
        )
    ]


def as_summaries(table: pa.Table) -> list[Summary]:
    """Turn rows with the columns of a summary into summaries."""
    return list(map(Summary._make, zip(*_small_columns(table), strict=True)))


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


def merged(paths: Sequence[Path]) -> Iterator[pa.Table]:
    """The rows of several shards in order, without repeated keys, one table for each row group."""
    keys = np.concatenate([read_keys(path) for path in paths])
    is_first = np.zeros(len(keys), dtype=bool)
    is_first[np.unique(keys, return_index=True)[1]] = True
    pending: list[pa.Table] = []
    row = 0
    for path in paths:
        with _open(path) as file:
            for group in range(file.num_row_groups):
                table = file.read_row_group(group, use_threads=False)
                kept = table.filter(pa.array(is_first[row : row + len(table)]))
                row += len(table)
                if pending and _overflows([*pending, kept]):
                    yield pa.concat_tables(pending).combine_chunks()
                    pending = []
                pending.append(kept)
    yield pa.concat_tables(pending).combine_chunks()


def _overflows(tables: list[pa.Table]) -> bool:
    n_bytes = sum(table.nbytes for table in tables)
    return bool(n_bytes > _ROW_GROUP_BYTES or sum(map(len, tables)) > _ROW_GROUP_ROWS)


def _check(response: Response) -> int:
    """Size of a response in bytes, about; ValueError if it cannot be stored."""
    name = response.key.hex()[:16]
    if response.status not in _STATUS:
        raise ValueError(f"response {name}: status {response.status!r} is not final")
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
        first, last = responses[0].key.hex()[:16], responses[-1].key.hex()[:16]
        raise ValueError(
            f"responses {first} to {last}: a text has a lone surrogate, which UTF-8 cannot hold"
        ) from error
    return pa.table({"vector": vectors, **arrays}).select(SCHEMA.names).cast(SCHEMA)


def _vectors(vectors: list[NDArray[np.float32] | None]) -> pa.Array:
    """Made from the bytes of the numbers, so that every bit survives (also those of a NaN)."""
    sizes = [0 if vector is None else len(vector) for vector in vectors]
    flat = [vector for vector in vectors if vector is not None]
    return pa.ListArray.from_arrays(
        pa.array(np.concatenate([[0], np.cumsum(sizes)]), pa.int32()),
        pa.array(np.concatenate(flat) if flat else np.empty(0, np.float32), pa.float32()),
        mask=pa.array([vector is None for vector in vectors]),
    )


def _small_columns(table: pa.Table) -> list[list[Any]]:
    """The columns of a summary, in its order."""
    columns: dict[str, list[Any]] = {}
    for name in Summary._fields:
        values = table[name]
        is_empty = values.null_count == len(table)
        columns[name] = [None] * len(table) if is_empty else values.to_pylist()
    # One string for all rows that say the same.
    columns["status"] = [_STATUS[status] for status in columns["status"]]
    columns["finish"] = [_FINISH[finish] for finish in columns["finish"]]
    columns["scores"] = [None if row is None else tuple(row) for row in columns["scores"]]
    columns["boxes"] = [
        None if row is None else tuple(Box(**box) for box in row) for row in columns["boxes"]
    ]
    return list(columns.values())


def _numpy_rows(column: pa.ChunkedArray) -> list[NDArray[np.float32] | None]:
    if column.null_count == len(column):
        return [None] * len(column)
    array = column.combine_chunks()
    numbers, offsets = array.values.to_numpy(), array.offsets.to_numpy()
    is_valid = array.is_valid().to_pylist()
    return [  # copies, lest one row keeps all of them in memory
        numbers[offsets[i] : offsets[i + 1]].copy() if valid else None
        for i, valid in enumerate(is_valid)
    ]


def _image_bytes(column: pa.ChunkedArray) -> list[bytes | None]:
    if column.null_count == len(column):
        return [None] * len(column)
    images: list[bytes | None] = column.combine_chunks().flatten()[0].to_pylist()
    return images


def _open(path: Path) -> pq.ParquetFile:
    return pq.ParquetFile(path, pre_buffer=False, page_checksum_verification=True)


def _temporary(folder: Path) -> Path:
    return folder / f".{secrets.token_hex(8)}.tmp"


def sync_folder(folder: Path) -> None:
    """Flush a folder's list of names to disk."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
