"""Answers of text models are read strictly while a GRADE set is built, and never run."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evalsuite_tasks.grade.attributes import MOST_VALUES, normalised, sound_text
from evalsuite_tasks.grade.builder_parsing import (
    Unreadable,
    merged,
    read_captions,
    read_kept,
    read_list,
    read_questions,
)
from evalsuite_tasks.grade.builder_prompts import ask_for_kept, ask_for_values, quoted

CAPTIONS = '["a kite in a park.", "a kite at sea.", "a kite on a roof."]'


def is_sound(text: str) -> bool:
    try:
        return sound_text(text) == text.strip()
    except ValueError:
        return False


texts = st.text(max_size=20).filter(is_sound)
unbracketed = texts.filter(lambda text: not set("[]") & set(text))
brackets = st.text(alphabet="[]{}()'\"\\,:#*fbr\n\x00 ae1.?", max_size=60)
answers = st.text(max_size=60) | brackets


@given(st.lists(texts, max_size=8))
def test_any_list_of_texts_is_read_as_python_writes_it(values):
    assert read_list(f"Here it is: {values!r}") == tuple(values)


@given(st.lists(texts, max_size=8))
def test_any_list_of_texts_is_read_as_our_own_prompts_write_it(values):
    assert read_list("[" + ", ".join(map(quoted, values)) + "]") == tuple(values)


@given(
    st.lists(texts.filter(lambda t: not set("[]") & set(t)), min_size=1, max_size=8, unique=True)
)
def test_a_set_literal_is_read_in_the_order_of_the_text(values):
    literal = "{" + ", ".join(map(repr, values)) + "}"
    assert read_list(literal) == tuple(values)


@given(answers)
def test_whatever_is_answered_is_read_as_sound_texts_or_is_unreadable(text):
    try:
        values = read_list(text)
    except Unreadable as error:
        assert str(error).isprintable()
        return
    assert all(is_sound(value) for value in values)


@given(answers)
def test_whatever_is_answered_gives_three_captions_or_is_unreadable(text):
    try:
        captions = read_captions(text, "a")
    except Unreadable:
        return
    assert len(captions) == 3
    assert all(caption.startswith("a ") and caption.endswith(".") for caption in captions)


@given(st.lists(st.sampled_from(["1. Is it?", "2. Has it?", "3. No", "so", "2. Is it?", "10. A?"])))
def test_whatever_is_answered_gives_questions_or_is_unreadable(lines):
    try:
        questions = read_questions("\n".join(lines))
    except Unreadable:
        return
    assert 1 <= len(questions) <= 5
    assert all(question.endswith("?") for question in questions)


@given(st.lists(st.lists(st.text(max_size=8))))
def test_merged_values_are_unique_and_as_they_are_compared(lists):
    values = merged(lists)
    assert len(set(values)) == len(values)
    assert {normalised(v) for own in lists for v in own} >= set(values)


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "no list"),
        ("red, blue", "no list"),
        ("] [", "no list"),
        ("['red', 'blue'", "no list"),
        ("[red, blue]", "no text"),
        ("['red' 'blue']", "a comma is missing"),
        ("['red', 3]", "no text"),
        ("['red', None]", "no text"),
        ("['red', b'blue']", "no text"),
        ("['red', ['blue']]", "no text"),
        ("['red', f'{1}']", "no text"),
        ("['red', *['blue']]", "no text"),
        ("['red', 'bl' + 'ue']", "no text"),
        ("['a'] and ['b']", "not a list"),
        ("['a'] ['b']", "not a list"),
        ("[x for x in 'ab']", "not a list"),
        ("{'a': 'b'}", "not a list"),
        ("['a', '']", "is blank"),
        ("['a\\nb']", "control character"),
        ("['a\\ud800']", "surrogate"),
        ("[“red”, “blue”]", "not a list"),
        ("['a\x00']", "not a list"),
        ("[" * 5000 + "]" * 5000, "not a list"),
        ("['" + "a" * 30_000 + "']", "characters"),
        (repr(["v"] * (MOST_VALUES + 1)), "texts, and 64 is the most"),
    ],
)
def test_what_is_no_list_of_texts_is_unreadable_and_says_why(text, why):
    with pytest.raises(Unreadable, match=why):
        read_list(text)


def test_code_in_an_answer_is_not_run(tmp_path):
    made = tmp_path / "made"
    with pytest.raises(Unreadable):
        read_list(f"[__import__('pathlib').Path({str(made)!r}).touch()]")
    assert not made.exists()


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ('["a kite in a park.", "a kite at sea."]', "2 captions, not 3"),
        (CAPTIONS.replace("]", ', "a kite in a bus."]'), "4 captions, not 3"),
        (CAPTIONS.replace("at sea.", "in a park"), "two captions are the same"),
        (CAPTIONS.replace("a kite at sea.", "the sea."), "is not 'a kite' and a place"),
        (CAPTIONS.replace("a kite at sea.", "a kite"), "is not 'a kite' and a place"),
        (CAPTIONS.replace("a kite at sea.", "a kitesurfer at sea."), "is not 'a kite' and a place"),
        ("[]", "0 captions, not 3"),
    ],
)
def test_captions_that_are_not_three_of_the_concept_are_unreadable(text, why):
    with pytest.raises(Unreadable, match=why):
        read_captions(text, "a kite")


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("What color is it?", "no numbered question"),
        ("", "no numbered question"),
        ("2. What color is it?", "is numbered 2 and not 1"),
        ("1. What color is it?\n1. What shape is it?", "is numbered 1 and not 2"),
        ("1. What color is it?\n3. What shape is it?", "is numbered 3 and not 2"),
        ("1. Its color", "is no question"),
        ("1. What is it?\n2. what is it?", "two questions are the same"),
        ("\n".join(f"{i}. What is {i}?" for i in range(1, 7)), "6 questions, and 5 is the most"),
        ("1. What\tis it?", "control character"),
        ("1. What is it?" + " " * 30_000, "characters"),
    ],
)
def test_questions_that_are_not_numbered_from_one_are_unreadable(text, why):
    with pytest.raises(Unreadable, match=why):
        read_questions(text)


def test_questions_are_found_between_other_lines():
    text = "Kites fly.\n\n1. What shape is the kite?\nAnd:\n 2. Has the kite a tail?\nThat is all."
    assert read_questions(text) == ("What shape is the kite?", "Has the kite a tail?")


@pytest.mark.parametrize(
    "value",
    ["none", "None of the above", "neither", "Neither of them", "n/a", "NA", "not visible",
     "other", "others", "unknown", "unclear", "cannot tell", "can't tell", "nothing",
     "something else", "not applicable", "none of these"],
)  # fmt: skip
def test_a_value_that_says_that_none_fits_is_taken_out(value):
    assert merged([["red", value]]) == ("red",)


@pytest.mark.parametrize("value", ["nose", "another color", "bone", "mother", "no handle", "no"])
def test_a_value_that_only_looks_like_that_stays(value):
    assert merged([["red", value]]) == ("red", value)


def test_kept_values_come_in_the_order_that_they_were_offered_in():
    assert read_kept("['C', 'a', 'a']", ("a", "b", "c")) == ("a", "c")


def test_a_kept_value_that_was_not_offered_is_unreadable():
    with pytest.raises(Unreadable, match="'teal' is none of the values"):
        read_kept("['red', 'teal']", ("red", "blue"))


def test_the_prompts_hold_what_is_asked_about_as_it_is():
    assert "a {kite} in a park." in ask_for_values("a {kite} in a park.", "What {x} is it?")
    kept = ask_for_kept("a kite", "What is it?", ('6" nails', "a\\b"))
    assert '["6\\" nails", "a\\\\b"]' in kept
