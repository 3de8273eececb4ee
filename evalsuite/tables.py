"""What ``collect`` hands to ``score``: responses in request order, payloads by reference."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from evalsuite.prompts import Unit
from evalsuite.requests import Request, Response, Status

RowStatus = Status | Literal["planned", "unasked"]
"""``planned``: a dry run. ``unasked``: the row that this one builds on has nothing to ask about."""


@dataclass(frozen=True, slots=True)
class Row:
    """One answer of a table; small values only.

    ``request`` is None where nothing was asked; ``response`` where nothing came. ``other`` is the
    second sample where a judge was asked about a pair of them, and ``topic`` the name of the
    question where there are several about one sample.
    """

    unit: Unit
    replicate: int
    index: int
    status: RowStatus
    request: Request | None = None
    response: Response | None = None
    other: int | None = None
    topic: str | None = None

    @property
    def text(self) -> str | None:
        """The answer's text; None unless the status is ``ok``."""
        return self.response.text if self.response else None

    @property
    def scores(self) -> tuple[float, ...] | None:
        """The scores that a judge gave; None unless the status is ``ok``."""
        return self.response.scores if self.response else None

    @property
    def image_sha256(self) -> str | None:
        """The sha256 of the image; None unless the status is ``ok``."""
        return self.response.image_sha256 if self.response else None


@dataclass(frozen=True)
class Group:
    """The rows of one unit in one replicate, in sample order."""

    unit: Unit
    replicate: int
    rows: tuple[Row, ...]


ReadVectors = Callable[[Sequence[bytes]], Iterator[Response]]
"""Gives the stored responses of keys, payloads included, in order and in bounded memory."""


class ResponseTable:
    """Answers to one call, in request order.

    Parameters
    ----------
    role : str
        ``model``, or the role of the judge that answered.
    rows : sequence of Row
        Rows of a unit and replicate stand together.
    read : callable
        Reads payloads by key.
    """

    def __init__(self, role: str, rows: Sequence[Row], read: ReadVectors) -> None:
        self.role = role
        self.rows = tuple(rows)
        self.read = read

    def __len__(self) -> int:
        return len(self.rows)

    def groups(self) -> Iterator[Group]:
        """The rows of each unit and replicate."""
        for (_, replicate), rows in groupby(self.rows, key=lambda r: (r.unit.id, r.replicate)):
            own = tuple(rows)
            yield Group(own[0].unit, replicate, own)

    def responses(self, rows: Sequence[Row]) -> Iterator[Response]:
        """The responses of rows of status ``ok``, payloads included."""
        for row in rows:
            if row.status != "ok" or row.request is None:
                raise ValueError(f"row {row.unit.id}/{row.index} has no payload: {row.status}")
        return self.read([row.request.key for row in rows if row.request])

    def vectors(self, rows: Sequence[Row]) -> NDArray[np.float32]:
        """The vectors of rows of status ``ok``.

        Returns
        -------
        array of shape (number of rows, d); (0, 0) for no rows.
        """
        found = [r.vector for r in self.responses(rows) if r.vector is not None] if rows else []
        return np.stack(found) if found else np.zeros((0, 0), dtype=np.float32)


class Tables(Mapping[str, ResponseTable]):
    """Named tables; ``tables.outputs`` is ``tables["outputs"]``."""

    def __init__(self, **tables: ResponseTable) -> None:
        self._tables = tables

    def __getitem__(self, name: str) -> ResponseTable:
        return self._tables[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._tables)

    def __len__(self) -> int:
        return len(self._tables)

    def __getattr__(self, name: str) -> ResponseTable:
        tables: dict[str, ResponseTable] = self.__dict__["_tables"]
        if name not in tables:
            raise AttributeError(f"no table {name!r}")
        return tables[name]
