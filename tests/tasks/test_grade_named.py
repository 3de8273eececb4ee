"""Prompts that name a value: how they are read, and what a model does and can do."""

import contextlib
import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from evalsuite.errors import BadInput
from evalsuite_tasks.grade.named_values import asked_value, concept_in, parse_grade_set
from evalsuite_tasks.grade.task import GradeOptions, task
from evalsuite_tasks.grade.views import naming_view
from tests.tasks.grade_tables import NO_IMAGE, made, score, units, value

LINE = {
    "concept": "a cup",
    "id": "cup",
    "category": "things",
    "prompts": {
        "common": ["a cup.", "a cup at home.", "a cup in a bar."],
        "uncommon": ["a cup on a roof.", "a cup in a lab.", "a cup under water."],
    },
    "attributes": [
        {"id": "colour", "question": "Which colour?", "values": ["red", "blue"],
         "asked": {"red": "a red cup.", "Blue": "a blue cup."}},
        {"id": "lid", "question": "Is there a lid?", "values": ["yes", "no"]},
    ],
}  # fmt: skip


def changed(asked: object) -> str:
    attributes = [LINE["attributes"][0] | {"asked": asked}, LINE["attributes"][1]]  # type: ignore[index]
    return json.dumps(LINE | {"attributes": attributes})


def test_prompts_that_name_values_follow_the_scenes_of_their_concept():
    found = parse_grade_set(json.dumps(LINE), source="s")
    assert [unit.id for unit in found[6:]] == ["cup-colour-1", "cup-colour-2"]
    assert [asked_value(unit) for unit in found] == [None] * 6 + ["red", "blue"]
    assert found[7].prompt.text == "a blue cup."
    assert {unit.cluster for unit in found} == {"cup"}
    assert {unit.stratum for unit in found} == {"things"}


def test_only_the_named_attribute_is_asked_about_its_images():
    found = parse_grade_set(json.dumps(LINE), source="s")
    assert [own.id for own in concept_in(found[0]).attributes] == ["colour", "lid"]
    assert [own.id for own in concept_in(found[6]).attributes] == ["colour"]


def test_a_set_without_them_reads_as_before():
    line = {k: v for k, v in LINE.items()}
    line["attributes"] = [{k: v for k, v in a.items() if k != "asked"} for a in LINE["attributes"]]  # type: ignore[union-attr]
    assert len(parse_grade_set(json.dumps(line), source="s")) == 6


@pytest.mark.parametrize(
    ("asked", "what"),
    [
        ({"green": "a green cup."}, "'green', which is none of its values"),
        (["red"], "asked must be an object"),
        ({"red": " "}, "asked 'red' needs a prompt"),
        ({"red": 3}, "asked 'red' needs a prompt"),
    ],
)
def test_what_names_no_value_is_refused_with_its_place(asked, what):
    with pytest.raises(BadInput, match="s") as error:
        parse_grade_set(changed(asked), source="s")
    assert what in str(error.value)


NESTED = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8),
    lambda own: st.lists(own, max_size=3) | st.dictionaries(st.text(max_size=6), own, max_size=3),
    max_leaves=8,
)


@settings(max_examples=60, deadline=None)
@given(NESTED)
def test_malformed_asked_is_an_error_of_the_input_and_nothing_else(asked):
    with contextlib.suppress(BadInput):
        parse_grade_set(changed(asked), source="s")


@settings(max_examples=60, deadline=None)
@given(st.text(max_size=60).map(lambda text: text + '"asked"'))
def test_a_broken_line_is_an_error_of_the_input(text):
    with pytest.raises(BadInput):
        parse_grade_set(text, source="s")


COLOURS = ("blue", "green", "red")
UNITS = units({name: {"colour": COLOURS} for name in ("cup", "hat", "bag")}, asked=True)


def drawn(by_default: list[str], named: dict[str, list[str]]) -> dict[tuple[str, str], list[str]]:
    """Answers to all images, the same in every concept."""
    return {
        (unit.id, "colour"): named.get(asked_value(unit) or "", [])
        if asked_value(unit) is not None
        else by_default
        for unit in UNITS
    }


def test_a_value_that_is_drawn_when_named_and_seldom_else_is_underused():
    said = drawn(
        ["red"] * 9 + ["blue"],  # blue has .1, below half of a third
        {"red": ["red"] * 10, "blue": ["blue"] * 8 + ["red"] * 2, "green": ["red"] * 9 + ["green"]},
    )
    found = score(made(said, UNITS))
    assert value(found, "asked_success") == pytest.approx((10 + 8 + 1) / 30)
    assert value(found, "underused_share") == pytest.approx(1 / 3)  # blue: it can, and does not
    assert value(found, "unable_share") == pytest.approx(1 / 3)  # green: it does not, and cannot


def test_images_of_named_values_are_in_no_distribution():
    named = {"red": ["red"], "blue": ["blue"], "green": ["green"]}
    found = score(made(drawn(["red"] * 4, named), UNITS))
    assert value(found, "normalized_entropy_multi") == 0.0
    assert value(found, "concepts_with_default") == 1.0
    assert found["none_rate"].estimate.n == 3 * 6 * 4


def test_an_image_that_did_not_come_is_no_failure():
    named = {"red": ["red", NO_IMAGE], "blue": ["blue", "blue"], "green": ["green", "green"]}
    found = score(made(drawn(["red"] * 2, named), UNITS))
    assert value(found, "asked_success") == 1.0
    assert found["asked_success"].estimate.n_missing == 3


def test_a_set_without_named_values_has_no_such_measure():
    plain = units({"cup": {"colour": COLOURS}})
    found = score(made({(unit.id, "colour"): ["red", "blue"] for unit in plain}, plain))
    assert not {"asked_success", "underused_share", "unable_share"} & found.keys()


def test_the_view_shows_share_beside_success():
    named = {"red": ["red"] * 2, "blue": ["red"] * 2, "green": ["green"] * 2}
    view = naming_view(made(drawn(["red", "blue"], named), UNITS), GradeOptions())
    rows = {row[2]: row[-2:] for row in view.rows if row[0] == "cup"}
    assert rows == {"red": (0.5, 1.0), "blue": (0.5, 0.0), "green": (0.0, 1.0)}


def test_every_question_of_the_tinyworld_set_has_a_prompt_for_each_value():
    found = task.prompt_set("tinyworld")
    asked = {(unit.cluster, concept_in(unit).attributes[0].id, asked_value(unit)) for unit in found}
    for unit in found:
        for attribute in concept_in(unit).attributes:
            assert all((unit.cluster, attribute.id, own) in asked for own in attribute.support)
