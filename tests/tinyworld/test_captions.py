"""Prompts and descriptions say the same, whichever way they are turned."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evalsuite.tinyworld.captions import PREFIXES, Description, caption, parse
from evalsuite.tinyworld.questions import QUESTIONS, asked_attribute, question
from evalsuite.tinyworld.world import ATTRIBUTES


@st.composite
def descriptions(draw):
    kind = draw(st.sampled_from(["person", "shape"]))
    named = {
        name: draw(st.sampled_from(values))
        for name, values in ATTRIBUTES[kind].items()
        if draw(st.booleans())
    }
    return Description(kind, named, draw(st.sampled_from(["", *PREFIXES])))


@given(descriptions())
def test_a_caption_is_read_back_as_its_description(description):
    assert parse(caption(description)) == description


@given(descriptions())
def test_case_blanks_and_a_full_stop_change_nothing(description):
    text = caption(description)
    assert parse("  " + text.upper().replace(" ", "  ") + ".") == description


@given(st.text(max_size=200))
def test_any_other_text_is_refused_in_one_line(text):
    try:
        found = parse(text)
    except ValueError as error:
        assert "not a prompt of tinyworld" in str(error)
        assert "\n" not in str(error)
    else:
        assert parse(caption(found)) == found


@pytest.mark.parametrize(
    "prompt",
    [
        "",
        "a cookie in a bakery.",
        "a doctor and a nurse",
        "a woman star",
        "a red doctor",
        "a doctor with green skin",
        "two stars",
        "a large red star on a black background",
    ],
)
def test_what_tinyworld_does_not_hold_is_no_prompt(prompt):
    with pytest.raises(ValueError, match="not a prompt of tinyworld"):
        parse(prompt)


def test_open_nouns_leave_the_occupation_and_the_shape_open():
    assert parse("a person with dark skin").named == {"tone": "dark"}
    assert parse("a red shape").named == {"colour": "red"}


def test_every_question_is_understood_for_every_noun():
    for kind, attributes in ATTRIBUTES.items():
        axis = "occupation" if kind == "person" else "shape"
        for noun in (*attributes[axis], kind):
            for name in set(attributes) - {axis}:
                assert asked_attribute(question(name, noun)) == (kind, name)
    assert set(QUESTIONS) == {n for attributes in ATTRIBUTES.values() for n in attributes}


@given(st.text(max_size=100))
def test_other_questions_are_refused(text):
    if text.strip() not in {q.format(noun="star") for q in QUESTIONS.values()}:
        with pytest.raises(ValueError, match="not a question about tinyworld"):
            asked_attribute(text)
