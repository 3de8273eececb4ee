"""What is asked of the images of a GRADE run: questions, their closed sets, and matching words."""

import hashlib
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING

import numpy as np

from evalsuite.prompts import Unit
from evalsuite.requests import Response, uniforms
from evalsuite.tables import ResponseTable, Row
from evalsuite_tasks.grade.attributes import Attribute
from evalsuite_tasks.grade.named_values import concept_in

if TYPE_CHECKING:
    from evalsuite_tasks.grade.task import GradeOptions

NONE_OF_THEM = "None of the above"
"""Offered last with every question, as the paper's code writes it."""

Asked = Iterator[tuple[str, str, tuple[str, ...] | None]]


def questions(options: "GradeOptions") -> Callable[[Row], Asked]:
    """What to ask about the image of a row: name, question and closed set of each attribute."""

    def ask(row: Row) -> Asked:
        for attribute in concept_in(row.unit).attributes:
            closed = offered(attribute, row, options) if options.answer_mode == "closed" else None
            yield attribute.id, attribute.question, closed

    return ask


def offered(attribute: Attribute, row: Row, options: "GradeOptions") -> tuple[str, ...]:
    """The answers to choose from, in the order in which the judge sees them.

    Sorted, or shuffled afresh for every image: then no value gains by its place.
    """
    values = sorted(attribute.values)
    if options.answer_order == "shuffled":
        place = (options.order_seed, row.unit.id, row.replicate, row.index, attribute.id)
        key = hashlib.sha256("\n".join(map(str, place)).encode()).digest()
        values = [values[i] for i in np.argsort(uniforms(key, len(values)), kind="stable")]
    return (*values, NONE_OF_THEM)


def category_table(units: Sequence[Unit]) -> ResponseTable:
    """The values of all attributes as a table of texts, for a matcher to embed."""
    rows = [
        Row(unit, 0, 0, "ok", response=Response(b"", "ok", text=value), topic=value)
        for unit in units
        for value in sorted({value for own in concept_in(unit).attributes for value in own.support})
    ]
    return ResponseTable("matcher", rows, lambda keys: iter(()))
