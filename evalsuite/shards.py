"""The file of one shard: Parquet under a name that carries its place and its sha256.

A shard is written under a temporary name, flushed to disk, and only then renamed, so that a name of
the final form always stands for a whole file:

    <nanoseconds, 16 hex><random, 8 hex>-<sha256 of the bytes, 32 hex>.parquet

The part before the dash, its stamp, sorts shards by the time of their publication.
"""

import hashlib
import re
import secrets
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from evalsuite import atomic
from evalsuite.errors import StoreError
from evalsuite.key_index import Keys, as_keys
from evalsuite.shard_rows import DICTIONARY_COLUMNS, FIRST_SCHEMA, LATER, SCHEMA, as_current

NAME = re.compile(r"[0-9a-f]{24}-[0-9a-f]{32}\.parquet")
"""What the names of shards look like."""


def told_to_the_user(doing: str, path: Path) -> AbstractContextManager[None]:
    """Turn an error of the operating system into a StoreError of one line."""
    advice = "Check the folder and its permissions, or set EVALSUITE_HOME to another folder"
    return atomic.told_to_the_user(doing, path, kind=StoreError, advice=advice)


@dataclass(frozen=True)
class Draft:
    """A shard that is whole and flushed to disk, but has no name yet.

    Parameters
    ----------
    path : Path
    sha256 : str
        Of its bytes, the first 32 hex digits.
    """

    path: Path
    sha256: str

    def publish(self, *, stamp: str | None = None) -> str:
        """Give it its name, and return that; without a stamp, the present time."""
        stamp = stamp or f"{time.time_ns():016x}{secrets.token_hex(4)}"
        name = f"{stamp}-{self.sha256}.parquet"
        atomic.publish(self.path, self.path.with_name(name))
        return name


@contextmanager
def draft(folder: Path, tables: Iterable[pa.Table]) -> Iterator[Draft]:
    """Write one shard, each table a row group; it is removed again unless it gets published.

    Raises
    ------
    OSError
        If the disk is full or the folder cannot be written.
    """
    with atomic.unfinished(folder) as path:
        with path.open("wb") as file:
            sink = _HashingSink(file)
            with pq.ParquetWriter(
                sink,
                SCHEMA,
                compression="zstd",
                use_dictionary=list(DICTIONARY_COLUMNS),
                write_statistics=False,
                write_page_checksum=True,
            ) as writer:
                for table in tables:
                    writer.write_table(table, row_group_size=max(1, len(table)))
        atomic.flush(path)
        yield Draft(path, sink.sha256.hexdigest()[:32])


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
        if not any(file.schema_arrow.equals(schema) for schema in (SCHEMA, FIRST_SCHEMA)):
            raise pa.ArrowInvalid(f"{path.name}: not the columns of a shard")
        column = file.read(columns=["key"], use_threads=False)["key"]
    return as_keys(column.to_pylist())


def read_rows(path: Path, rows: NDArray[np.int64], columns: Sequence[str]) -> Iterator[pa.Table]:
    """Read some rows of a shard, given in ascending order, one row group after the other."""
    with _open(path) as file:
        read = list(columns)
        if set(read) & set(LATER) and not set(LATER) <= set(file.schema_arrow.names):
            read = [name for name in {**dict.fromkeys(read), "image": None} if name not in LATER]
        sizes = [file.metadata.row_group(i).num_rows for i in range(file.num_row_groups)]
        starts = np.concatenate([[0], np.cumsum(sizes)])
        cuts = np.searchsorted(rows, starts)
        for group in np.flatnonzero(np.diff(cuts)):
            table = file.read_row_group(int(group), columns=read, use_threads=False)
            own = table.take(pa.array(rows[cuts[group] : cuts[group + 1]] - starts[group]))
            yield (own if set(columns) <= set(read) else as_current(own)).select(list(columns))


def read_row_groups(path: Path) -> Iterator[pa.Table]:
    """Read a shard, one row group after the other, with today's columns."""
    with _open(path) as file:
        for group in range(file.num_row_groups):
            yield as_current(file.read_row_group(group, use_threads=False))


def _open(path: Path) -> pq.ParquetFile:
    return pq.ParquetFile(path, pre_buffer=False, page_checksum_verification=True)
