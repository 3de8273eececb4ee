"""Merging runs of small shards into few of bounded size, with nothing lost at any moment."""

import fcntl
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa

from evalsuite import shards
from evalsuite.shard_folder import ShardFolder
from evalsuite.shard_rows import fit_a_row_group

SHARD_BYTES = 128 << 20
SHARD_ROWS = 262_144
"""A shard that has grown to either of these is not merged any further."""


def compact(folder: ShardFolder, *, min_shards: int) -> int:
    """Merge runs of neighbouring shards, in bounded memory; see `Folder.compact`."""
    if not folder.path.is_dir():
        return 0
    with (
        shards.told_to_the_user("compact the store at", folder.path),
        (folder.path / ".compact.lock").open("wb") as lock,
    ):
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:  # held by another, or a file system without locks
            return 0
        folder.refresh()
        runs = _runs(folder)
        if sum(map(len, runs)) < min_shards:
            return 0
        n_merged = sum(_merge(folder, run) for run in runs)
    folder.refresh()
    return n_merged


def _runs(folder: ShardFolder) -> list[list[str]]:
    """Neighbouring shards that fit into one."""
    runs: list[list[str]] = []
    size = np.zeros(2, dtype=np.int64)
    for name in folder.index().names:
        size += folder.size(name)
        if not runs or (size > (SHARD_ROWS, SHARD_BYTES)).any():
            runs.append([])
            size = np.array(folder.size(name))
        runs[-1].append(name)
    return [run for run in runs if len(run) > 1]


def _merge(folder: ShardFolder, run: list[str]) -> int:
    """Merge a run into one shard; return how many were merged, 0 if the run has changed."""
    paths = [folder.path / name for name in run]
    try:
        for path in paths:  # again, lest damage gets a new sha256
            if not shards.is_whole(path):
                folder.put_aside(path.name)
                return 0
        with shards.draft(folder.path, merged_rows(paths)) as draft:
            if [name for name in folder.names() if run[0] <= name <= run[-1]] != run:
                return 0  # a shard has come in between: its place would change
            merged = draft.publish(stamp=run[0][:24])
    except FileNotFoundError:
        return 0
    for path in paths:
        if path.name != merged:  # equal if all others only repeated the first
            path.unlink(missing_ok=True)
    return len(run)


def merged_rows(paths: Sequence[Path]) -> Iterator[pa.Table]:
    """The rows of several shards in order, without repeated keys, one table for each row group."""
    keys = np.concatenate([shards.read_keys(path) for path in paths])
    is_first = np.zeros(len(keys), dtype=bool)
    is_first[np.unique(keys, return_index=True)[1]] = True
    pending: list[pa.Table] = []
    row = 0
    for path in paths:
        for table in shards.read_row_groups(path):
            kept = table.filter(pa.array(is_first[row : row + len(table)]))
            row += len(table)
            if pending and not fit_a_row_group([*pending, kept]):
                yield pa.concat_tables(pending).combine_chunks()
                pending = []
            pending.append(kept)
    yield pa.concat_tables(pending).combine_chunks()
