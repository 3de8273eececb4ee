"""The shards of one folder: which are there and whole, and which keys they hold."""

import contextlib
import errno
import logging
import time
from collections.abc import Iterable
from pathlib import Path

import pyarrow as pa

from evalsuite import atomic, shards
from evalsuite.errors import StoreError
from evalsuite.key_index import KeyIndex, Keys

TRIES = 100
"""How often a folder is read anew where others compact it at the same time."""

_STALE_S = 3600.0

_log = logging.getLogger("evalsuite.store")


class ShardFolder:
    """The shards of a folder that other processes may add to, and compact, at any time.

    Attributes
    ----------
    path : Path
        May be absent: then there are no shards.
    set_aside : list of str
        Names of the shards that were found damaged and renamed to ``<name>.corrupt``.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.set_aside: list[str] = []
        self._index: KeyIndex | None = None
        self._added: dict[str, Keys] = {}  # by us, and not yet in the index
        self._sizes: dict[str, tuple[int, int]] = {}  # of the shards verified

    def index(self) -> KeyIndex:
        """Where each key stands: by the last `refresh`, with what was added since."""
        if self._index is None:
            self.refresh()
        self._index = (self._index or KeyIndex()).with_shards(self._added)
        self._added = {}
        return self._index

    def size(self, name: str) -> tuple[int, int]:
        """Rows and bytes of a shard in the index."""
        return self._sizes[name]

    def add(self, keys: Keys, tables: Iterable[pa.Table]) -> None:
        """Write a shard of rows with these keys."""
        with shards.draft(self.path, tables) as draft:
            size = (len(keys), draft.path.stat().st_size)
            name = draft.publish()  # from here on others may compact it away
        self._added[name], self._sizes[name] = keys, size

    def refresh(self) -> None:
        """Take note of what other processes did; shards not seen before are verified first.

        Raises
        ------
        StoreError
            If the folder cannot be read.
        """
        with shards.told_to_the_user("read the store at", self.path):
            for _ in range(TRIES):
                # A shard compacted away since it was listed: the merged one is there by now.
                with contextlib.suppress(FileNotFoundError):
                    self._index = self._read_index()
                    self._added = {}
                    return
        raise self.unsteady()

    def names(self) -> list[str]:
        """Names of the shards on the disk, sorted.

        A scan of a folder that changes can miss a new file while an old one is already gone. A
        scan begun after that shows the new one: the second of two that lost nothing counts.
        """
        before = self._scan()
        while True:
            names = self._scan()
            if before <= names:
                return sorted(names)
            before = names

    def put_aside(self, name: str) -> None:
        """Rename a damaged shard, so that nobody reads it, and say so in the log."""
        self.set_aside.append(name)
        self._sizes.pop(name, None)
        self._added.pop(name, None)
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

    def unsteady(self) -> StoreError:
        """What to tell of shards that are listed but, however often one looks, not there."""
        return StoreError(
            f"store at {self.path}: listed shards cannot be opened. Is it being deleted, or are "
            "there dangling links in it?"
        )

    def _scan(self) -> set[str]:
        names = set()
        with contextlib.suppress(FileNotFoundError):
            for path in self.path.iterdir():
                if shards.NAME.fullmatch(path.name):
                    names.add(path.name)
                elif atomic.TEMPORARY.fullmatch(path.name):
                    with contextlib.suppress(FileNotFoundError, PermissionError):
                        if path.stat().st_mtime < time.time() - _STALE_S:
                            path.unlink()  # its writer was killed
        return names

    def _read_index(self) -> KeyIndex:
        names = self.names()
        index = self._index or KeyIndex()
        if not set(index.names) <= set(names):
            index = KeyIndex()
        added = {}
        for name in sorted({*names} - {*index.names, *self.set_aside}):
            keys = self._added.get(name)
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
        self.put_aside(name)
        return None
