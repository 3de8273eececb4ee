"""What a judge said of every image, question by question: a value, none of them, or nothing."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, TypeVar

import numpy as np
from numpy.typing import NDArray

from evalsuite.prompts import Unit
from evalsuite.requests import LabelsPart
from evalsuite.tables import ResponseTable, Row, Tables
from evalsuite_tasks.grade.attributes import NO_ANSWER, Attribute, normalised
from evalsuite_tasks.grade.named_values import concept_in

if TYPE_CHECKING:
    from evalsuite_tasks.grade.task import GradeOptions

Kind = Literal["value", "none", "outside", "missing"]
Place = tuple[str, int, int, str]
Name = TypeVar("Name")

NO_WORDS = (*NO_ANSWER, "none")
"""Free answers that say that none fits."""


@dataclass(frozen=True, slots=True)
class Answer:
    """The answer to one question about one image.

    Parameters
    ----------
    kind : str
        ``value``: one of the attribute's support; ``none``: that none fits; ``outside``: something
        else; ``missing``: no image, no answer, or several answers equally likely.
    text : str
        The value, or what was said instead.
    is_tie : bool
        Missing because the judge scored several answers exactly alike.
    is_first : bool or None
        Whether the answer is the one offered first; None where nothing was chosen from a list.
    """

    unit: Unit
    replicate: int
    index: int
    attribute: Attribute
    kind: Kind
    text: str = ""
    is_tie: bool = False
    is_first: bool | None = None
    n_offered: int = 0


def read_answers(
    tables: Tables, options: "GradeOptions", *, images: str = "images", answers: str = "answers"
) -> list[Answer]:
    """The answer to every question about every image that was asked for, in their order.

    Parameters
    ----------
    images, answers : str
        Names of the tables.
    """
    table = tables.get(images)
    if table is None:
        return []
    given = {_place(row): row for row in _rows(tables, answers)}
    found = []
    for row in table.rows:
        for attribute in concept_in(row.unit).attributes:
            place = (row.unit.id, row.replicate, row.index, attribute.id)
            found.append(_answer(row, attribute, given.get(place)))
    if options.answer_mode == "free_then_match":
        vectors = tables.get("matches" if answers == "answers" else "reference_matches")
        return _matched(found, vectors, tables.get("categories"), options.match_threshold)
    return found


def _rows(tables: Tables, name: str) -> Sequence[Row]:
    table = tables.get(name)
    return () if table is None else table.rows


def _place(row: Row) -> Place:
    return row.unit.id, row.replicate, row.index, row.topic or ""


def _answer(image: Row, attribute: Attribute, row: Row | None) -> Answer:
    place = (image.unit, image.replicate, image.index, attribute)
    if row is not None and row.scores is not None:
        return _chosen(place, attribute, row)
    if row is None or row.text is None or not row.text.strip():
        return Answer(*place, "missing")
    text = normalised(row.text.strip().removesuffix("."))
    return Answer(*place, _kind(text, attribute), text)


def _chosen(place: tuple[Unit, int, int, Attribute], attribute: Attribute, row: Row) -> Answer:
    """The likeliest answer of a closed set; of several exactly alike none is picked."""
    labels = offered_labels(row)
    scores = row.scores or ()
    best = [i for i, score in enumerate(scores) if score == max(scores)]
    if len(best) != 1 or len(labels) != len(scores):
        return Answer(*place, "missing", is_tie=len(best) > 1, n_offered=len(labels))
    text = normalised(labels[best[0]])
    kind = _kind(text, attribute)
    return Answer(*place, kind, text, is_first=best[0] == 0, n_offered=len(labels))


def offered_labels(row: Row) -> tuple[str, ...]:
    """The closed set that a row's question offered; empty for a free answer."""
    parts = row.request.prompt.parts if row.request else ()
    return next((part.labels for part in parts if isinstance(part, LabelsPart)), ())


def _kind(text: str, attribute: Attribute) -> Kind:
    # First: "none" may be a value, of a question for toppings say.
    if text in attribute.support:
        return "value"
    return "none" if text in NO_WORDS else "outside"


def _matched(
    answers: Sequence[Answer],
    matches: ResponseTable | None,
    categories: ResponseTable | None,
    threshold: float,
) -> list[Answer]:
    """Replace words that are no value by the nearest one, where it is near enough.

    Without a vector for the words or for the values an answer is missing: taking it for one outside
    of the set would make a distribution narrower.
    """
    words = _vectors(matches, {_place(row): row for row in matches.rows} if matches else {})
    values = _vectors(categories, {row.topic: row for row in categories.rows} if categories else {})
    return [
        _nearest(own, words.get((own.unit.id, own.replicate, own.index, own.attribute.id)), values,
                 threshold) if own.kind == "outside" else own
        for own in answers
    ]  # fmt: skip


def _vectors(
    table: ResponseTable | None, rows: Mapping[Name, Row]
) -> dict[Name, NDArray[np.float32]]:
    """Vectors at length 1 by name; equal requests are read once."""
    if table is None:
        return {}
    there = {name: row for name, row in rows.items() if row.status == "ok" and row.request}
    distinct = {row.request.key: row for row in there.values() if row.request}
    read = table.vectors(list(distinct.values()))
    scaled = {}
    for key, vector in zip(distinct, read, strict=True):
        length = float(np.linalg.norm(vector))
        scaled[key] = vector / length if length else vector
    return {name: scaled[row.request.key] for name, row in there.items() if row.request}


def _nearest(
    own: Answer,
    vector: NDArray[np.float32] | None,
    values: Mapping[str | None, NDArray[np.float32]],
    threshold: float,
) -> Answer:
    support = own.attribute.support
    place = (own.unit, own.replicate, own.index, own.attribute)
    if vector is None or any(value not in values for value in support):
        return Answer(*place, "missing")
    cosines = [float(vector @ values[value]) for value in support]
    best = int(np.argmax(cosines))
    if cosines[best] < threshold:
        return own
    return Answer(*place, "value", support[best])
