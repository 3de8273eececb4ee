"""Copies among the images are counted and told; a listed value is a value, whatever it says."""

from dataclasses import replace

import pytest

from evalsuite.tables import ResponseTable
from evalsuite_tasks.grade.copies import copy_notes
from tests.tasks.grade_tables import made, score, units, value

UNITS = units({"cake": {"topping": ("ham", "none")}}, asked=True)
OPEN = [unit for unit in UNITS if unit.id.startswith(("cake-common", "cake-uncommon"))]


def tables(answers=("none", "none", "ham", "none")):
    return made({(unit.id, "topping"): list(answers) for unit in OPEN}, UNITS)


def with_copies(images: ResponseTable, n: int) -> ResponseTable:
    """The first ``n`` images of every prompt made equal."""
    rows = []
    for group in images.groups():
        first = group.rows[0].response
        rows += [replace(row, response=first) if i < n else row for i, row in enumerate(group.rows)]
    return ResponseTable(images.role, rows, images.read)


def test_images_of_their_own_need_no_note():
    assert copy_notes(tables().images) == ()


def test_copies_are_counted_by_prompt():
    (note,) = copy_notes(with_copies(tables().images, 3))
    assert note.startswith("copies: 12 of 24 images equal another one")


def test_a_listed_value_that_reads_none_is_counted_as_a_value():
    found = score(tables())
    assert value(found, "normalized_entropy_multi") == pytest.approx(0.8113, abs=1e-4)
    assert value(found, "none_rate") == 0.0
    assert value(found, "default_rate_multi") == 0.0
