"""The answers that diversity is measured on: those that came and are not blank."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from evalsuite.metrics import GPT2_VOCAB_SIZE, kirk_tokens
from evalsuite.models.capabilities import TokenList
from evalsuite.prompts import Unit
from evalsuite.tables import Group, ResponseTable, Row, Tables

if TYPE_CHECKING:
    from evalsuite_tasks.rlhf_diversity.task import RlhfDiversityOptions

Words = Sequence[str] | Sequence[int]
"""The words of an answer, or the ids of its tokens."""


@dataclass(frozen=True)
class Answers:
    """The usable answers to one prompt in one replicate, in sample order.

    Parameters
    ----------
    indices : tuple of int
        Sample numbers of the texts.
    texts : tuple of str
    words : tuple of Words
        What n-grams are made of, one sequence a text.
    vocab_size : int
        V of expectation-adjusted distinct.
    lengths : tuple of int
        Words of every answer that came, the blank ones (0) included.
    vectors : array of shape (number of embedded texts, d)
    embedded : tuple of int
        Places among ``texts`` of those that have a vector, in order.
    ratings : array of shape (texts,)
        NaN where the quality judge gave none.
    n_asked : int
    is_first_usable : bool
        Whether the first answer that was asked for came and is not blank.
    """

    unit: Unit
    replicate: int
    indices: tuple[int, ...]
    texts: tuple[str, ...]
    words: tuple[Words, ...]
    vocab_size: int
    lengths: tuple[int, ...]
    vectors: NDArray[np.float32]
    embedded: tuple[int, ...]
    ratings: NDArray[np.float64]
    n_asked: int
    is_first_usable: bool

    @property
    def rated(self) -> tuple[NDArray[np.float32], NDArray[np.float64], list[int]]:
        """Vectors, ratings and places of the texts that have both."""
        kept = [i for i, place in enumerate(self.embedded) if not np.isnan(self.ratings[place])]
        places = [self.embedded[i] for i in kept]
        return self.vectors[kept], self.ratings[places], places


def answers(tables: Tables, options: "RlhfDiversityOptions") -> list[Answers]:
    """The usable answers of every prompt with what judges said of each."""
    ratings = _by_sample(tables.get("ratings"))
    tokens = _by_sample(tables.get("tokens"))
    embedded = _by_sample(tables.embeddings)
    vocab_size = _vocab_size(tokens.values(), options)
    found = []
    for group in tables.outputs.groups():
        usable = [row for row in group.rows if row.text is not None and row.text.strip()]
        if options.tokenizer == "model":
            usable = [row for row in usable if tokens[_place(row)].status == "ok"]
        vectors = [embedded[_place(row)] for row in usable]
        has_vector = [i for i, row in enumerate(vectors) if row.status == "ok"]
        lists = [_tokens(tokens.get(_place(row))) for row in usable]
        found.append(
            Answers(
                unit=group.unit,
                replicate=group.replicate,
                indices=tuple(row.index for row in usable),
                texts=tuple(row.text or "" for row in usable),
                words=tuple(
                    kirk_tokens(row.text or "") if own is None else own.ids
                    for row, own in zip(usable, lists, strict=True)
                ),
                vocab_size=vocab_size,
                lengths=_lengths(group),
                vectors=tables.embeddings.vectors([vectors[i] for i in has_vector]),
                embedded=tuple(has_vector),
                ratings=np.array([_rating(ratings.get(_place(row))) for row in usable]),
                n_asked=len(group.rows),
                is_first_usable=bool((group.rows[0].text or "").strip()),
            )
        )
    return found


def _place(row: Row) -> tuple[str, int, int]:
    return row.unit.id, row.replicate, row.index


def _by_sample(table: ResponseTable | None) -> Mapping[tuple[str, int, int], Row]:
    return {} if table is None else {_place(row): row for row in table.rows}


def _lengths(group: Group) -> tuple[int, ...]:
    return tuple(len(kirk_tokens(row.text)) for row in group.rows if row.text is not None)


def _tokens(row: Row | None) -> TokenList | None:
    return None if row is None else TokenList.from_text(row.text or "")


def _vocab_size(tokens: Iterable[Row], options: "RlhfDiversityOptions") -> int:
    """The one asked for, else the tokenizer's, else that of the published protocol."""
    if options.vocab_size is not None:
        return options.vocab_size
    sizes = {TokenList.from_text(row.text).vocab_size for row in tokens if row.text is not None}
    if len(sizes) > 1:
        raise ValueError(f"tokens of vocabularies of different sizes: {sorted(sizes)}")
    return sizes.pop() if sizes else GPT2_VOCAB_SIZE


def _rating(row: Row | None) -> float:
    return np.nan if row is None or row.scores is None else row.scores[0]
