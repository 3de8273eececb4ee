"""The responses on disk, by key: append-only shards that any number of processes add to."""

import json
import re
from pathlib import Path

from evalsuite import atomic, shards
from evalsuite.errors import StoreError
from evalsuite.requests import Entrant
from evalsuite.response_folder import Folder

SCHEMA = 2
"""Raised when a stored column changes; a store of a newer schema is refused.

A store of schema 1 is read as it is, and becomes one of schema 2 when the first shard with the
columns of that is written: an evalsuite that does not know them refuses it from then on.
"""


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
        self._card = self.path / "STORE.json"
        with shards.told_to_the_user("open the store at", self.path):
            self.path.mkdir(parents=True, exist_ok=True)
            if not self._card.exists():
                self._write_card()
            schema = _read_schema(self._card.read_bytes())
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
        self._is_older = schema < SCHEMA

    def folder(self, capability: str, entrant: Entrant) -> Folder:
        """Return the responses of an entrant in one capability; always the same object.

        Examples
        --------
        >>> import tempfile
        >>> from evalsuite.requests import Response
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
            self._folders[key] = Folder(path, entrant, before_write=self._raise_schema)
        return self._folders[key]

    def _raise_schema(self) -> None:
        """Make a store of an older schema one of today's, before a shard of today's is written."""
        if self._is_older:
            self._write_card()
            self._is_older = False

    def _write_card(self) -> None:
        atomic.write_bytes(self._card, json.dumps({"schema": SCHEMA}).encode())


def _read_schema(data: bytes) -> int | None:
    try:
        card = json.loads(data)
    except (ValueError, RecursionError):
        return None
    schema = card.get("schema") if isinstance(card, dict) else None
    return schema if type(schema) is int and schema >= 1 else None
