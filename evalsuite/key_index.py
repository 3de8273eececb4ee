"""The index of a folder's keys: sorted arrays that tell in which shard and row a key stands."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

Keys = NDArray[np.bytes_]
"""Keys as an array of dtype ``S32``."""


def as_keys(keys: Sequence[bytes]) -> Keys:
    """Put keys into an array; ValueError if one is not of 32 bytes."""
    if not set(map(len, keys)) <= {32}:
        raise ValueError("a key has 32 bytes")
    return np.frombuffer(b"".join(keys), dtype="S32")


@dataclass(frozen=True)
class KeyIndex:
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

    def __len__(self) -> int:
        """Number of distinct keys."""
        return len(self.keys)

    def with_shards(self, added: dict[str, Keys]) -> "KeyIndex":
        """Add shards; of an equal key the least place stays: first shard, first row.

        Examples
        --------
        >>> index = KeyIndex().with_shards({"b": as_keys([b"k" * 32])})
        >>> index = index.with_shards({"a": as_keys([b"j" * 32, b"k" * 32])})
        >>> index.names, len(index), index.locate(as_keys([b"k" * 32, b"x" * 32])).tolist()
        (('a', 'b'), 2, [1, -1])
        """
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
        return KeyIndex(tuple(names), keys[starts], np.minimum.reduceat(place, starts))

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

    def by_shard(
        self, places: NDArray[np.int64]
    ) -> Iterator[tuple[str, NDArray[np.int64], NDArray[np.int64]]]:
        """Sort known places by shard.

        Yields
        ------
        str, array of shape (m,), array of shape (m,)
            A shard, its rows in ascending order, and their positions in ``places``.
        """
        order = np.argsort(places)
        ranks, rows = places[order] >> 32, places[order] & 0xFFFFFFFF
        for rank in np.unique(ranks):
            of_shard = ranks == rank
            yield self.names[rank], rows[of_shard], order[of_shard]
