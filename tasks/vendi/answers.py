"""The answers that diversity is measured on, and the features that their kernel is made of."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from evalsuite.metrics.vendi import gaussian_kernel, ngram_kernel
from evalsuite.prompts import Unit
from evalsuite.tables import Group, ResponseTable, Row, Tables

if TYPE_CHECKING:
    from evalsuite_tasks.vendi.task import VendiOptions

Features = NDArray[np.floating]
NGRAM_ORDERS = (1, 2, 3, 4)


@dataclass(frozen=True)
class Answers:
    """The usable answers to one prompt in one replicate, in sample order.

    Parameters
    ----------
    features, prompts : arrays of shape (number of usable answers, d)
        Rows whose cosines are the similarities of the answers, and of the prompts behind them.
    ratings : tuple of float, or None
        One an answer; None where no judge rated all of them.
    n_asked : int
    """

    unit: Unit
    replicate: int
    features: Features
    prompts: Features
    ratings: tuple[float, ...] | None
    n_asked: int

    @property
    def is_partial(self) -> bool:
        """Whether answers are missing."""
        return len(self.features) < self.n_asked


def answers(tables: Tables, options: "VendiOptions") -> list[Answers]:
    """The usable answers of every prompt with the features of the kernel that the options name."""
    groups = list(tables.outputs.groups())
    kept = [_usable(group, tables, options) for group in groups]
    rows = [row for own in kept for row in own]
    features = _features(rows, tables, options)
    prompts = _prompt_features(rows, tables, options)
    ratings = _ratings(tables)
    found, start = [], 0
    for group, own in zip(groups, kept, strict=True):
        at = slice(start, start + len(own))
        rated = [ratings.get(_place(row)) for row in own]
        found.append(
            Answers(
                unit=group.unit,
                replicate=group.replicate,
                features=features[at],
                prompts=prompts[at],
                ratings=tuple(r for r in rated if r is not None) if None not in rated else None,
                n_asked=len(group.rows),
            )
        )
        start += len(own)
    return found


def _place(row: Row) -> tuple[str, int, int]:
    return row.unit.id, row.replicate, row.index


def _usable(group: Group, tables: Tables, options: "VendiOptions") -> list[Row]:
    """Answers that came, are not blank and, where vectors are needed, have one."""
    came = [row for row in group.rows if row.text is not None and row.text.strip()]
    if options.kernel == "ngram":
        return came
    embedded = {_place(row) for row in tables.embeddings.rows if row.status == "ok"}
    return [row for row in came if _place(row) in embedded]


def _features(rows: Sequence[Row], tables: Tables, options: "VendiOptions") -> Features:
    if options.kernel == "ngram":
        return _of_texts([row.text or "" for row in rows])
    return _of_vectors(tables.embeddings, rows, options)


def _prompt_features(rows: Sequence[Row], tables: Tables, options: "VendiOptions") -> Features:
    """Of the prompt behind each answer; each prompt is looked at once."""
    first: dict[str, Row] = {}
    for row in rows:
        first.setdefault(row.unit.prompt.digest, row)
    distinct = list(first.values())
    if options.kernel == "ngram":
        found = _of_texts([row.unit.prompt.text for row in distinct])
    else:
        found = _of_vectors(tables.prompts, distinct, options)
    number = {row.unit.prompt.digest: i for i, row in enumerate(distinct)}
    return found[[number[row.unit.prompt.digest] for row in rows]]


def _of_texts(texts: Sequence[str]) -> Features:
    if not texts:
        return np.zeros((0, 1))
    return _kernel_features(ngram_kernel(texts, orders=NGRAM_ORDERS))


def _kernel_features(kernel: NDArray[np.float64]) -> Features:
    """Rows whose cosines are the kernel: its eigenvectors, scaled."""
    values, vectors = np.linalg.eigh(kernel)
    return np.asarray(vectors * np.sqrt(np.maximum(values, 0.0)))


def _of_vectors(table: ResponseTable, rows: Sequence[Row], options: "VendiOptions") -> Features:
    by_place = {_place(row): row for row in table.rows}
    vectors = table.vectors([by_place[_place(row)] for row in rows])
    if options.kernel == "cosine" or not rows:
        return vectors
    return _kernel_features(gaussian_kernel(vectors, sigma=options.sigma))


def _ratings(tables: Tables) -> dict[tuple[str, int, int], float]:
    table = tables.get("ratings")
    if table is None:
        return {}
    return {_place(row): row.scores[0] for row in table.rows if row.scores is not None}
