"""Both sides of a comparison are made of the first m usable answers to each unit."""

from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evalsuite.comparing.trimming import (
    asked_samples,
    restricted,
    trimmed,
    usable_samples,
    without_sample,
)
from evalsuite.tables import Tables
from tests.core.answer_tables import Place, answer_tables, kept

WHOLE = ("one", "two", "three", "four")


def one(*texts: str | None) -> Tables:
    return answer_tables({("a", 0): texts})


@pytest.mark.parametrize("lost", [None, "", " \n\t"])
def test_refused_and_blank_answers_are_not_usable(lost: str | None) -> None:
    assert usable_samples(one("one", lost, "three"))["a", 0] == [0, 2]


def test_an_answer_that_the_judge_failed_on_is_not_usable() -> None:
    made = answer_tables({("a", 0): WHOLE, ("b", 0): WHOLE}, failed=[("a", 0, 1)])
    assert usable_samples(made) == {("a", 0): [0, 2, 3], ("b", 0): [0, 1, 2, 3]}


def test_a_judge_that_was_not_there_makes_no_answer_unusable() -> None:
    made = answer_tables({("a", 0): ("one", None, "three")}, judge=False)
    assert usable_samples(made)["a", 0] == [0, 2]


def test_a_unit_whose_answers_are_all_lost_has_no_usable_sample() -> None:
    assert usable_samples(one(None, " ")) == {("a", 0): []}


def test_samples_that_did_not_come_were_asked_for_too() -> None:
    made = answer_tables({("a", 0): (None, "x"), ("a", 1): ("x", "y", " ")})
    assert asked_samples(made) == {("a", 0): {0, 1}, ("a", 1): {0, 1, 2}}


def test_both_sides_keep_the_first_usable_samples_of_the_lesser_number() -> None:
    a, b = trimmed(one("p", None, "q", "r"), one("s", "t", " ", None))
    assert kept(a) == {("a", 0): [0, 2]}
    assert kept(b) == {("a", 0): [0, 1]}
    assert kept(a, "verdicts") == kept(a) and kept(b, "verdicts") == kept(b)


def test_what_lacks_nothing_stays_as_it_is() -> None:
    both = one(*WHOLE), one(*WHOLE)
    assert [kept(side) for side in trimmed(*both)] == [kept(side) for side in both]


def test_a_unit_without_an_answer_on_a_side_leaves_both() -> None:
    a = answer_tables({("a", 0): (None, " "), ("b", 0): ("x", "y")})
    b = answer_tables({("a", 0): ("x", "y"), ("b", 0): ("x", "y")})
    for side in trimmed(a, b):
        assert kept(side) == {("b", 0): [0, 1]}


def test_only_the_chosen_units_are_kept_with_all_their_replicates() -> None:
    answers = {(unit, r): WHOLE for unit in "abc" for r in (0, 1)}
    holed = answers | {("a", 1): ("x", None, "y", "z")}
    sides = trimmed(answer_tables(answers), answer_tables(holed), {"a", "c"})
    whole = [0, 1, 2, 3]
    expected = {("a", 0): whole, ("a", 1): [0, 1, 2], ("c", 0): whole, ("c", 1): whole}
    assert kept(sides[0]) == expected
    assert kept(sides[1]) == expected | {("a", 1): [0, 2, 3]}
    assert [kept(side) for side in trimmed(*sides, frozenset())] == [{}, {}]


def test_the_other_units_can_stay_whole_on_common_replicates() -> None:
    answers = {(unit, r): WHOLE for unit in "ab" for r in (0, 1)}
    holed = answers | {("a", 0): ("x", None, "y", "z"), ("b", 1): ("x", None, "y", "z")}
    del holed["a", 1]
    sides = trimmed(answer_tables(answers), answer_tables(holed), {"a"}, with_others=True)
    whole = [0, 1, 2, 3]
    assert kept(sides[0]) == {("a", 0): [0, 1, 2], ("b", 0): whole, ("b", 1): whole}
    assert kept(sides[1]) == {("a", 0): [0, 2, 3], ("b", 0): whole, ("b", 1): whole}


def test_a_sample_is_left_out_of_trimmed_tables_by_its_own_number() -> None:
    part = trimmed(one("p", None, "q", "r"), one("s", "t", "u", None))[0]
    assert kept(part) == {("a", 0): [0, 2, 3]}
    assert kept(without_sample(part, 3)) == {("a", 0): [0, 2]}
    assert kept(without_sample(part, 1)) == kept(part)


def test_replicates_of_one_side_only_are_left_out() -> None:
    twice = answer_tables({("a", 0): WHOLE, ("a", 1): WHOLE})
    a, b = trimmed(twice, one(*WHOLE))
    assert kept(a) == kept(b) == {("a", 0): [0, 1, 2, 3]}


def test_a_restricted_table_keeps_its_role_its_order_and_its_rows() -> None:
    made = answer_tables({("b", 0): WHOLE, ("a", 0): WHOLE})
    found = restricted(made, {("a", 0): frozenset({2, 0}), ("b", 0): frozenset({1})})
    assert list(found) == list(made)
    assert found.outputs.role == "model" and found.verdicts.role == "judge"
    assert [(row.unit.id, row.index) for row in found.outputs.rows] == [
        ("b", 1),
        ("a", 0),
        ("a", 2),
    ]
    assert set(found.outputs.rows) <= set(made.outputs.rows)
    assert found.outputs.read is made.outputs.read


def test_one_sample_is_left_out_of_every_unit_that_has_it() -> None:
    made = answer_tables({("a", 0): WHOLE, ("a", 1): ("x", "y"), ("b", 0): (None, "x", "y")})
    assert kept(without_sample(made, 2)) == {
        ("a", 0): [0, 1, 3],
        ("a", 1): [0, 1],
        ("b", 0): [0, 1],
    }
    assert kept(without_sample(made, 0)) == {("a", 0): [1, 2, 3], ("a", 1): [1], ("b", 0): [1, 2]}


Answers = dict[Place, Sequence[str | None]]
_text = st.sampled_from([None, "", "  ", "x", "y z"])
answers: st.SearchStrategy[Answers] = st.dictionaries(
    st.tuples(st.sampled_from("abcd"), st.integers(0, 1)),
    st.lists(_text, min_size=1, max_size=5),
    min_size=1,
    max_size=6,
)


@given(answers, answers)
def test_swapping_the_sides_swaps_what_is_kept(a: Answers, b: Answers) -> None:
    one, other = answer_tables(a), answer_tables(b)
    there, back = trimmed(one, other), trimmed(other, one)
    assert [kept(side) for side in there] == [kept(side) for side in back[::-1]]


@given(answers, answers)
def test_both_sides_keep_equally_many_and_none_that_is_not_usable(a: Answers, b: Answers) -> None:
    sides = answer_tables(a), answer_tables(b)
    found = [kept(side) for side in trimmed(*sides)]
    usable = [usable_samples(side) for side in sides]
    assert found[0].keys() == found[1].keys()
    for place in usable[0].keys() | usable[1].keys():
        own = [side.get(place, []) for side in usable]
        m = min(map(len, own))
        assert [side.get(place, []) for side in found] == [samples[:m] for samples in own]


@given(answers, answers)
def test_trimming_twice_changes_nothing_more(a: Answers, b: Answers) -> None:
    once = trimmed(answer_tables(a), answer_tables(b))
    assert [kept(side) for side in trimmed(*once)] == [kept(side) for side in once]
