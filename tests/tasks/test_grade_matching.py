"""Free answers: taken as they are where they are a value, else for the nearest, or for none."""

from collections.abc import Iterator, Sequence

import numpy as np
import pytest

from evalsuite.requests import Entrant, Prompt, Request, Response
from evalsuite.tables import ResponseTable, Row, Tables
from evalsuite_tasks.grade.answers import read_answers
from evalsuite_tasks.grade.asking import category_table
from evalsuite_tasks.grade.task import GradeOptions
from tests.tasks.grade_tables import made, units

MATCHER = Entrant(model="e", backend="b", revision="1")
VALUES = ("blue", "red")
(UNIT, *_) = units({"thing": {"trait": VALUES}})
VECTORS = {
    "blue": (1.0, 0.0, 0.0),
    "red": (0.0, 1.0, 0.0),
    "scarlet": (0.1, 0.9, 0.1),
    "very tall": (0.1, 0.1, 0.9),
    "Blue": (0.0, 1.0, 0.0),
}


def embedded(table: ResponseTable) -> ResponseTable:
    """What a matcher makes of a table of texts."""
    rows, stored = [], {}
    for row in table.rows:
        if row.text is None:
            rows.append(Row(row.unit, row.replicate, row.index, "unasked", topic=row.topic))
            continue
        ask = Request("embeds_text", MATCHER, Prompt.of_text(row.text))
        vector = np.array(VECTORS.get(row.text, (0.0, 0.0, 1.0)), dtype=np.float32)
        stored[ask.key] = Response(ask.key, "ok", vector=vector)
        place = (row.unit, row.replicate, row.index, "ok", ask, Response(ask.key, "ok"))
        rows.append(Row(*place, topic=row.topic))

    def read(keys: Sequence[bytes]) -> Iterator[Response]:
        return (stored[key] for key in keys)

    return ResponseTable("matcher", rows, read)


def kinds(
    answers: list[str], *, has_matcher: bool = True, **options: float
) -> list[tuple[str, str]]:
    tables = dict(made({(UNIT.id, "trait"): answers}, [UNIT], free=True))
    if has_matcher:
        tables["matches"] = embedded(tables["answers"])
        tables["categories"] = embedded(category_table([UNIT]))
    free = GradeOptions(answer_mode="free_then_match", **options)
    return [(own.kind, own.text) for own in read_answers(Tables(**tables), free)]


def test_a_value_in_other_letters_is_the_value_whatever_its_vector():
    assert kinds([" Blue. ", "RED"]) == [("value", "blue"), ("value", "red")]


def test_other_words_are_taken_for_the_nearest_value():
    assert kinds(["scarlet"]) == [("value", "red")]


def test_words_that_are_near_to_no_value_are_outside_of_the_set():
    assert kinds(["very tall"]) == [("outside", "very tall")]
    assert kinds(["very tall"], match_threshold=0.05) == [("value", "blue")]


@pytest.mark.parametrize("text", ["None of the above", "neither", "none"])
def test_that_none_fits_is_understood(text):
    assert kinds([text])[0][0] == "none"


def test_without_a_matcher_other_words_are_missing_and_not_outside():
    assert kinds(["scarlet", "red"], has_matcher=False) == [("missing", ""), ("value", "red")]


def test_a_blank_answer_is_missing():
    assert kinds(["  "]) == [("missing", "")]


def test_values_are_embedded_once_a_unit_by_name():
    table = category_table([UNIT])
    assert [(row.topic, row.text) for row in table.rows] == [("blue", "blue"), ("red", "red")]
