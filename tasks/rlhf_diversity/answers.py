"""The answers that diversity is measured on: those that came and are not blank."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from evalsuite.metrics import kirk_tokens
from evalsuite.prompts import Unit
from evalsuite.tables import ResponseTable


@dataclass(frozen=True)
class Answers:
    """The usable answers to one prompt in one replicate, in sample order.

    Parameters
    ----------
    texts : tuple of str
    lengths : tuple of int
        Words of every answer that came, the blank ones (0) included.
    vectors : array of shape (number of embedded texts, d)
    n_asked : int
    is_first_usable : bool
        Whether the first answer that was asked for came and is not blank.
    """

    unit: Unit
    replicate: int
    texts: tuple[str, ...]
    lengths: tuple[int, ...]
    vectors: NDArray[np.float32]
    n_asked: int
    is_first_usable: bool


def answers(outputs: ResponseTable, embeddings: ResponseTable) -> Iterator[Answers]:
    """Pair every prompt's answers with their embeddings."""
    for group, embedded in zip(outputs.groups(), embeddings.groups(), strict=True):
        came = [row.text for row in group.rows if row.text is not None]
        texts = tuple(text for text in came if text.strip())
        yield Answers(
            unit=group.unit,
            replicate=group.replicate,
            texts=texts,
            lengths=tuple(len(kirk_tokens(text)) for text in came),
            vectors=embeddings.vectors([row for row in embedded.rows if row.status == "ok"]),
            n_asked=len(group.rows),
            is_first_usable=bool((group.rows[0].text or "").strip()),
        )
