"""The responses on disk, by key: append-only shards that any number of processes add to."""

import contextlib
import errno
import fcntl
import json
import logging
import re
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import chain
from pathlib import Path
from typing import Any, Literal, overload

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from evalsuite import shards
from evalsuite.errors import StoreError
from evalsuite.requests import Entrant, Response
from evalsuite.shards import Keys, Summary

SCHEMA = 1
"""Raised when a stored column changes; a store of a newer schema is refused."""

# A shard that has grown to either of these is not merged any further.
_SHARD_BYTES = 128 << 20
_SHARD_ROWS = 262_144
# Rows fetched in one pass over the shards: the more, the fewer times a row group is read again.
_WINDOW_BYTES = 128 << 20
_WINDOW_ROWS = 65_536
_STALE_S = 3600.0
_TRIES = 100

_log = logging.getLogger("evalsuite.store")


class Store:
    """All responses under a home folder.

    Parameters
    ----------
    home : Path
        Made if it is absent; the store is its subfolder ``store``.

    Raises
    ------
    StoreError
        If the store is of a newer schema, or its folder cannot be read or made.
    """

    def __init__(self, home: Path) -> None:
        self.path = home / "store"
        self._folders: dict[tuple[str, str], Folder] = {}
        card = self.path / "STORE.json"
        with shards.told_to_the_user("open the store at", self.path):
            self.path.mkdir(parents=True, exist_ok=True)
            if not card.exists():
                shards.write_atomically(card, json.dumps({"schema": SCHEMA}).encode())
            schema = _read_schema(card.read_bytes())
        if schema is None:
            raise StoreError(
                f"store at {self.path}: STORE.json is garbled. Move the folder away, or set "
                "EVALSUITE_HOME to another folder"
            )
        if schema > SCHEMA:
            raise StoreError(
                f"store at {self.path} has schema {schema}, "  # noqa: S608 - no SQL
                f"this evalsuite reads up to {SCHEMA}: "
                "update evalsuite or set EVALSUITE_HOME to another folder"
            )

    def folder(self, capability: str, entrant: Entrant) -> "Folder":
        """Return the responses of an entrant in one capability; always the same object.

        Examples
        --------
        >>> import tempfile
        >>> entrant = Entrant(model="m", backend="b", revision="1")
        >>> with tempfile.TemporaryDirectory() as home:
        ...     folder = Store(Path(home)).folder("generates_text", entrant)
        ...     folder.append([Response(b"k" * 32, "ok", text="hello")])
        ...     folder.known([b"k" * 32, b"x" * 32]).tolist()
        [True, False]
        """
        if not re.fullmatch(r"[a-z][a-z0-9_]*", capability):
            raise ValueError(f"capability {capability!r}: not a name that can be a folder")
        key = (capability, entrant.identity)
        if key not in self._folders:
            path = self.path / capability / entrant.identity[:16]
            self._folders[key] = Folder(path, entrant)
        return self._folders[key]


def _read_schema(data: bytes) -> int | None:
    try:
        card = json.loads(data)
    except ValueError:
        return None
    schema = card.get("schema") if isinstance(card, dict) else None
    return schema if type(schema) is int and schema >= 1 else None


@dataclass(frozen=True)
class _Index:
    """Where each key stands.

    Parameters
    ----------
    names : tuple of str
        The shards, sorted.
    keys : array of shape (n,), dtype S32
        Sorted and distinct.
    places : array of shape (n,), dtype int64
        Position of the shard in ``names`` << 32 | row in the shard.
    """

    names: tuple[str, ...] = ()
    keys: Keys = field(default_factory=lambda: np.empty(0, dtype="S32"))
    places: NDArray[np.int64] = field(default_factory=lambda: np.empty(0, dtype=np.int64))

    def with_shards(self, added: dict[str, Keys]) -> "_Index":
        """Add shards; of an equal key the least place stays: first shard, first row."""
        if not added:
            return self
        names = sorted({*self.names, *added})
        rank = {name: np.int64(i) << 32 for i, name in enumerate(names)}
        moved = np.array([rank[name] for name in self.names], dtype=np.int64)
        places = [moved[self.places >> 32] | (self.places & 0xFFFFFFFF)] if len(self.places) else []
        places += [rank[name] | np.arange(len(keys)) for name, keys in added.items()]
        keys, place = np.concatenate([self.keys, *added.values()]), np.concatenate(places)
        order = np.argsort(keys, kind="stable")  # nearly linear: the old keys are sorted
        keys, place = keys[order], place[order]
        starts = np.flatnonzero(np.concatenate([[True], keys[1:] != keys[:-1]]))
        return _Index(tuple(names), keys[starts], np.minimum.reduceat(place, starts))

    def locate(self, keys: Keys) -> NDArray[np.int64]:
        """Places of keys, -1 where unknown."""
        if not len(self.keys):
            return np.full(len(keys), -1, dtype=np.int64)
        order = np.argsort(keys)  # a sorted search stays in the processor's cache
        wanted = keys[order]
        at = np.searchsorted(self.keys, wanted).clip(max=len(self.keys) - 1)
        places = np.empty(len(keys), dtype=np.int64)
        places[order] = np.where(self.keys[at] == wanted, self.places[at], -1)
        return places


class Folder:
    """The responses of one entrant in one capability. To be used from one thread at a time.

    Other processes may append and compact meanwhile: nothing is lost, and `refresh` shows what they
    added. Of responses with an equal key the one in the first shard by name counts.

    Attributes
    ----------
    path : Path
        Made by the first `append`.
    set_aside : list of str
        Names of the shards that were found damaged and renamed to ``<name>.corrupt``.
    """

    def __init__(self, path: Path, entrant: Entrant) -> None:
        self.path = path
        self.set_aside: list[str] = []
        self._entrant = entrant
        self._index: _Index | None = None
        self._written: dict[str, Keys] = {}  # by us, and not yet in the index
        self._sizes: dict[str, tuple[int, int]] = {}  # rows and bytes of the shards verified

    def __len__(self) -> int:
        """Number of distinct keys."""
        return len(self._up_to_date().keys)

    def append(self, responses: Sequence[Response]) -> None:
        """Write final responses as one shard; when this returns, they are on the disk.

        Raises
        ------
        ValueError
            If a response has status ``error`` (errors are retried, never stored), or a value that
            cannot be given back exactly: a vector that is not one row of float32, a text with a
            lone surrogate.
        StoreError
            If the disk is full or the folder cannot be written; the store is as it was before.
        """
        if not responses:
            return
        keys = shards.as_keys([response.key for response in responses])
        with shards.told_to_the_user("write to the store at", self.path):
            self._introduce()
            temporary, sha256 = shards.write_temporary(self.path, shards.encode(responses))
            size = (len(keys), temporary.stat().st_size)
            name = shards.publish(temporary, sha256)  # from here on others may compact it away
        self._written[name], self._sizes[name] = keys, size

    def known(self, keys: Sequence[bytes]) -> NDArray[np.bool_]:
        """Which of the keys have a response: array of the length of ``keys``."""
        return self._up_to_date().locate(shards.as_keys(keys)) >= 0

    def refresh(self) -> None:
        """Take note of what other processes did; shards not seen before are verified first."""
        with shards.told_to_the_user("read the store at", self.path):
            for _ in range(_TRIES):
                # A shard compacted away since it was listed: the merged one is there by now.
                with contextlib.suppress(FileNotFoundError):
                    self._index = self._read_index()
                    self._written = {}
                    return
        raise self._unsteady()

    @overload
    def read(self, keys: Sequence[bytes], *, payloads: Literal[True] = True) -> list[Response]: ...
    @overload
    def read(self, keys: Sequence[bytes], *, payloads: Literal[False]) -> list[Summary]: ...
    def read(
        self, keys: Sequence[bytes], *, payloads: bool = True
    ) -> list[Response] | list[Summary]:
        """Read the responses of some keys, in their order.

        Parameters
        ----------
        keys : sequence of bytes
            May repeat.
        payloads : bool
            Without, vectors and images are not read, and `Summary` rows come back.

        Raises
        ------
        KeyError
            If there is no response for a key.
        StoreError
            If a shard was damaged since it was verified; it is set aside.
        """
        batches = self.iter_read(keys) if payloads else self.iter_read(keys, payloads=False)
        return list(chain.from_iterable(batches))  # type: ignore[return-value]  # all of one kind

    @overload
    def iter_read(
        self, keys: Sequence[bytes], *, batch: int = 1024, payloads: Literal[True] = True
    ) -> Iterator[list[Response]]: ...
    @overload
    def iter_read(
        self, keys: Sequence[bytes], *, batch: int = 1024, payloads: Literal[False]
    ) -> Iterator[list[Summary]]: ...
    def iter_read(
        self, keys: Sequence[bytes], *, batch: int = 1024, payloads: bool = True
    ) -> Iterator[list[Response]] | Iterator[list[Summary]]:
        """Like `read`, but ``batch`` responses at a time, with about 128 MiB of them in memory.

        An unknown key raises KeyError at the call.
        """
        if batch < 1:
            raise ValueError(f"iter_read: batch {batch} is below 1")
        _require(self._up_to_date().locate(shards.as_keys(keys)), keys)
        return self._batches(keys, batch, payloads)  # type: ignore[return-value]

    def compact(self, *, min_shards: int = 64) -> int:
        """Merge runs of small shards into few of bounded size, in bounded memory.

        A run takes the place of its first shard, so that the same response counts for a key as
        before. Killed at any moment, it leaves the old shards, the merged one, or both.

        Parameters
        ----------
        min_shards : int
            Least number of shards that can be merged for anything to be done.

        Returns
        -------
        int
            Number of shards that were merged; 0 also if another process is compacting.
        """
        if not self.path.is_dir():
            return 0
        with (
            shards.told_to_the_user("compact the store at", self.path),
            (self.path / ".compact.lock").open("wb") as lock,
        ):
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError:  # held by another, or a file system without locks
                return 0
            self.refresh()
            runs = self._runs()
            if sum(map(len, runs)) < min_shards:
                return 0
            n_merged = sum(self._merge(run) for run in runs)
        self.refresh()
        return n_merged

    def _up_to_date(self) -> _Index:
        if self._index is None:
            self.refresh()
        index = (self._index or _Index()).with_shards(self._written)
        self._index, self._written = index, {}
        return index

    def _introduce(self) -> None:
        """Make the folder, with the entrant in it for people."""
        card = self.path / "entrant.json"
        if card.exists():
            return
        self.path.mkdir(parents=True, exist_ok=True)
        shards.sync_folder(self.path.parent)
        shards.sync_folder(self.path.parent.parent)
        entrant = {"identity": self._entrant.identity, **self._entrant.model_dump(mode="json")}
        shards.write_atomically(card, json.dumps(entrant, indent=1).encode())

    def _list(self) -> list[str]:
        """Names of the shards, sorted.

        A scan of a folder that changes can miss a new file while an old one is already gone. A
        scan begun after that shows the new one: the second of two that lost nothing counts.
        """
        before = self._scan()
        while True:
            names = self._scan()
            if before <= names:
                return sorted(names)
            before = names

    def _scan(self) -> set[str]:
        names = set()
        with contextlib.suppress(FileNotFoundError):
            for path in self.path.iterdir():
                if shards.NAME.fullmatch(path.name):
                    names.add(path.name)
                elif shards.TEMPORARY.fullmatch(path.name):
                    with contextlib.suppress(FileNotFoundError, PermissionError):
                        if path.stat().st_mtime < time.time() - _STALE_S:
                            path.unlink()  # its writer was killed
        return names

    def _read_index(self) -> _Index:
        names = self._list()
        index = self._index or _Index()
        if not set(index.names) <= set(names):
            index = _Index()
        added = {}
        for name in sorted({*names} - {*index.names, *self.set_aside}):
            keys = self._written.get(name)
            keys = self._verified_keys(name) if keys is None else keys
            if keys is not None:
                added[name] = keys
        return index.with_shards(added)

    def _verified_keys(self, name: str) -> Keys | None:
        """Keys of a shard; None if it is damaged, and then it is set aside."""
        path = self.path / name
        try:
            if name in self._sizes or shards.is_whole(path):
                keys = shards.read_keys(path)
                self._sizes[name] = (len(keys), path.stat().st_size)
                return keys
        except pa.ArrowException:
            pass  # the right bytes, but no shard: damaged as well
        except OSError as error:
            if error.errno not in (None, errno.EIO):  # None: Parquet that cannot be parsed
                raise
        self._set_aside(name)
        return None

    def _set_aside(self, name: str) -> None:
        self.set_aside.append(name)
        self._sizes.pop(name, None)
        self._written.pop(name, None)
        self._index = None
        path = self.path / name
        with contextlib.suppress(OSError):  # a store that is read-only: passed over all the same
            path.rename(path.with_name(f"{name}.corrupt"))
        _log.warning(
            "shard %s of %s is damaged and was set aside as %s.corrupt; its responses are "
            "generated again",
            name,
            self.path,
            name,
        )

    def _batches(
        self, keys: Sequence[bytes], batch: int, payloads: bool
    ) -> Iterator[list[Response | Summary]]:
        if not keys:
            return
        n_rows, n_bytes = np.sum([self._sizes[n] for n in self._up_to_date().names], axis=0)
        fitting = int(_WINDOW_BYTES * n_rows // n_bytes) if payloads else _WINDOW_ROWS
        window = max(min(fitting, _WINDOW_ROWS) // batch, 1) * batch
        for start in range(0, len(keys), window):
            rows = self._fetch(keys[start : start + window], payloads)
            for i in range(0, len(rows), batch):
                yield rows[i : i + batch]

    def _fetch(self, keys: Sequence[bytes], payloads: bool) -> list[Response | Summary]:
        wanted = shards.as_keys(keys)
        for _ in range(_TRIES):
            places = self._up_to_date().locate(wanted)
            _require(places, keys)
            try:
                return self._rows_at(places, payloads)
            except FileNotFoundError:
                self.refresh()  # compacted away: its rows are in another shard now
        raise self._unsteady()

    def _rows_at(self, places: NDArray[np.int64], payloads: bool) -> list[Response | Summary]:
        decode = shards.as_responses if payloads else shards.as_summaries
        columns = shards.SCHEMA.names if payloads else Summary._fields
        order = np.argsort(places)
        ranks, rows = places[order] >> 32, places[order] & 0xFFFFFFFF
        found: list[Any] = []
        for rank in np.unique(ranks):
            name = self._up_to_date().names[rank]
            try:
                for table in shards.read_rows(self.path / name, rows[ranks == rank], columns):
                    found += decode(table)
            except FileNotFoundError:
                raise
            except (pa.ArrowException, OSError) as error:
                raise self._unreadable(name) from error
        return [found[i] for i in np.argsort(order)]

    def _unreadable(self, name: str) -> StoreError:
        """What to tell of a shard that was whole when it was verified."""
        with shards.told_to_the_user("read", self.path / name):
            if shards.is_whole(self.path / name):
                return StoreError(f"cannot read {self.path / name}: run the same command again")
        self._set_aside(name)
        return StoreError(
            f"shard {name} of {self.path} was damaged while in use, and set aside: run the same "
            "command again, its responses are generated anew"
        )

    def _unsteady(self) -> StoreError:
        return StoreError(
            f"store at {self.path}: listed shards cannot be opened. Is it being deleted, or are "
            "there dangling links in it?"
        )

    def _runs(self) -> list[list[str]]:
        """Neighbouring shards that fit into one."""
        runs: list[list[str]] = []
        size = np.zeros(2, dtype=np.int64)
        for name in self._up_to_date().names:
            size += self._sizes[name]
            if not runs or (size > (_SHARD_ROWS, _SHARD_BYTES)).any():
                runs.append([])
                size = np.array(self._sizes[name])
            runs[-1].append(name)
        return [run for run in runs if len(run) > 1]

    def _merge(self, run: list[str]) -> int:
        """Merge a run into one shard; return how many were merged, 0 if the run has changed."""
        paths = [self.path / name for name in run]
        try:
            for path in paths:  # again, lest damage gets a new sha256
                if not shards.is_whole(path):
                    self._set_aside(path.name)
                    return 0
            temporary, sha256 = shards.write_temporary(self.path, shards.merged(paths))
        except FileNotFoundError:
            return 0
        if [name for name in self._list() if run[0] <= name <= run[-1]] != run:
            temporary.unlink()  # a shard has come in between: its place would change
            return 0
        merged = shards.publish(temporary, sha256, stamp=run[0][:24])
        for path in paths:
            if path.name != merged:  # equal if all others only repeated the first
                path.unlink(missing_ok=True)
        return len(run)


def _require(places: NDArray[np.int64], keys: Sequence[bytes]) -> None:
    missing = np.flatnonzero(places < 0)
    if len(missing):
        raise KeyError(f"{len(missing)} keys without a response, such as {keys[missing[0]].hex()}")
