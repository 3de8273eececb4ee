"""The answers that diversity is measured on: those that came and are not blank."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from evalsuite.prompts import Unit
from evalsuite.tables import ResponseTable


@dataclass(frozen=True)
class Answers:
    """The usable answers to one prompt in one replicate, in sample order.

    Parameters
    ----------
    lengths : tuple of int
        Words of every answer that came, the blank ones (0) included.
    vectors : array of shape (len(texts), d)
    n_asked : int
    """

    unit: Unit
    replicate: int
    texts: tuple[str, ...]
    lengths: tuple[int, ...]
    vectors: NDArray[np.float32]
    n_asked: int

    @property
    def n_lost(self) -> int:
        """Answers that did not come or are blank."""
        return self.n_asked - len(self.texts)


def answers(outputs: ResponseTable, embeddings: ResponseTable) -> Iterator[Answers]:
    """Pair every prompt's answers with their embeddings."""
    from evalsuite.metrics import kirk_tokens

    for group, embedded in zip(outputs.groups(), embeddings.groups(), strict=True):
        came = [row.text for row in group.rows if row.status == "ok"]
        usable = [row for row in embedded.rows if row.status == "ok"]
        places = {row.index for row in usable}
        texts = tuple(row.text or "" for row in group.rows if row.index in places)
        yield Answers(
            unit=group.unit,
            replicate=group.replicate,
            texts=texts,
            lengths=tuple(len(kirk_tokens(text)) for text in came if text is not None),
            vectors=embeddings.vectors(usable),
            n_asked=len(group.rows),
        )
