"""The responses of one entrant in one capability: append, look up, read."""

import json
from collections.abc import Callable, Iterator, Sequence
from itertools import chain
from pathlib import Path

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from evalsuite import atomic, compaction, shard_rows, shards
from evalsuite.errors import StoreError
from evalsuite.key_index import as_keys
from evalsuite.requests import Entrant, Response
from evalsuite.shard_folder import TRIES, ShardFolder

WINDOW_BYTES = 128 << 20
WINDOW_ROWS = 65_536
"""Most that is fetched in one pass: the more, the fewer times a row group is read again."""


class Folder:
    """The responses of one entrant in one capability. To be used from one thread at a time.

    ``before_write`` is called before a shard is written.

    Other processes may append and compact meanwhile: nothing is lost, and `refresh` shows what they
    added. Of responses with an equal key the one in the first shard by name counts.

    Attributes
    ----------
    path : Path
        Made by the first `append`.
    set_aside : list of str
        Names of the shards that were found damaged and renamed to ``<name>.corrupt``.
    """

    def __init__(
        self, path: Path, entrant: Entrant, before_write: Callable[[], None] | None = None
    ) -> None:
        self.path = path
        self._entrant = entrant
        self._before_write = before_write
        self._shards = ShardFolder(path)
        self.set_aside = self._shards.set_aside

    def __len__(self) -> int:
        """Number of distinct keys."""
        return len(self._shards.index())

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
        keys = as_keys([response.key for response in responses])
        with shards.told_to_the_user("write to the store at", self.path):
            if self._before_write is not None:
                self._before_write()
            self._introduce()
            self._shards.add(keys, shard_rows.encode(responses))

    def known(self, keys: Sequence[bytes]) -> NDArray[np.bool_]:
        """Which of the keys have a response: array of the length of ``keys``."""
        return self._shards.index().locate(as_keys(keys)) >= 0

    def refresh(self) -> None:
        """Take note of what other processes did; shards not seen before are verified first."""
        self._shards.refresh()

    def read(self, keys: Sequence[bytes], *, payloads: bool = True) -> list[Response]:
        """Read the responses of some keys, in their order.

        Parameters
        ----------
        keys : sequence of bytes
            May repeat.
        payloads : bool
            Without, vectors and images are not read, and are None in what comes back.

        Raises
        ------
        KeyError
            If there is no response for a key.
        StoreError
            If a shard was damaged since it was verified; it is set aside.
        """
        return list(chain.from_iterable(self.iter_read(keys, payloads=payloads)))

    def iter_read(
        self, keys: Sequence[bytes], *, batch: int = 1024, payloads: bool = True
    ) -> Iterator[list[Response]]:
        """Like `read`, but ``batch`` responses at a time, with about 128 MiB of them in memory.

        An unknown key raises KeyError at the call.
        """
        if batch < 1:
            raise ValueError(f"iter_read: batch {batch} is below 1")
        _require(self._shards.index().locate(as_keys(keys)), keys)
        return self._batches(keys, batch, payloads)

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
        if self._before_write is not None and self.path.is_dir():
            self._before_write()
        return compaction.compact(self._shards, min_shards=min_shards)

    def _introduce(self) -> None:
        """Make the folder, with the entrant in it for people."""
        card = self.path / "entrant.json"
        if card.exists():
            return
        self.path.mkdir(parents=True, exist_ok=True)
        atomic.flush(self.path.parent)
        atomic.flush(self.path.parent.parent)
        entrant = {"identity": self._entrant.identity, **self._entrant.model_dump(mode="json")}
        atomic.write_bytes(card, json.dumps(entrant, indent=1).encode())

    def _batches(
        self, keys: Sequence[bytes], batch: int, payloads: bool
    ) -> Iterator[list[Response]]:
        if not keys:
            return
        window = max(self._window(payloads) // batch, 1) * batch
        for start in range(0, len(keys), window):
            rows = self._fetch(keys[start : start + window], payloads)
            for i in range(0, len(rows), batch):
                yield rows[i : i + batch]

    def _window(self, payloads: bool) -> int:
        if not payloads:
            return WINDOW_ROWS
        sizes = [self._shards.size(name) for name in self._shards.index().names]
        n_rows, n_bytes = np.sum(sizes, axis=0)
        return min(int(WINDOW_BYTES * n_rows // n_bytes), WINDOW_ROWS)

    def _fetch(self, keys: Sequence[bytes], payloads: bool) -> list[Response]:
        wanted = as_keys(keys)
        for _ in range(TRIES):
            places = self._shards.index().locate(wanted)
            _require(places, keys)
            try:
                return self._responses_at(places, payloads)
            except FileNotFoundError:
                self.refresh()  # compacted away: its rows are in another shard now
        raise self._shards.unsteady()

    def _responses_at(self, places: NDArray[np.int64], payloads: bool) -> list[Response]:
        columns = [n for n in shard_rows.SCHEMA.names if payloads or n not in shard_rows.PAYLOADS]
        found: dict[int, Response] = {}
        for name, rows, positions in self._shards.index().by_shard(places):
            try:
                tables = shards.read_rows(self.path / name, rows, columns)
                responses = chain.from_iterable(map(shard_rows.as_responses, tables))
                found.update(zip(positions.tolist(), responses, strict=True))
            except FileNotFoundError:
                raise
            except (pa.ArrowException, OSError) as error:
                raise self._unreadable(name) from error
        return [found[i] for i in range(len(places))]

    def _unreadable(self, name: str) -> StoreError:
        """What to tell of a shard that was whole when it was verified."""
        with shards.told_to_the_user("read", self.path / name):
            if shards.is_whole(self.path / name):
                return StoreError(f"cannot read {self.path / name}: run the same command again")
        self._shards.put_aside(name)
        return StoreError(
            f"shard {name} of {self.path} was damaged while in use, and set aside: run the same "
            "command again, its responses are generated anew"
        )


def _require(places: NDArray[np.int64], keys: Sequence[bytes]) -> None:
    missing = np.flatnonzero(places < 0)
    if len(missing):
        raise KeyError(f"{len(missing)} keys without a response, such as {keys[missing[0]].hex()}")
