"""Scores of two records side by side: equal answers, enough units, and which part differs."""

from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from types import SimpleNamespace
from typing import Any, Literal

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from evalsuite.comparing.pairing import (
    Side,
    UnitTable,
    check_comparable,
    differing_parts,
    line_up,
    on_common_replicates,
    pair,
    unit_means,
)
from evalsuite.errors import BadInput
from evalsuite.fingerprint import Apparatus
from evalsuite.measures import MeanMeasure, MeasureCard, MeasureRow, UnitScores, unit_scores
from evalsuite.tables import Tables
from tests.core.answer_tables import Place, answer_tables, kept

CARD = MeasureCard(name="m", summary="words", low=0.0, high=9.0)
Answers = Mapping[Place, Sequence[str | None]]


def words(tables: Tables) -> UnitScores:
    """A score of units: the mean number of words of the answers that came and are not blank."""
    rows = []
    for group in tables.outputs.groups():
        own = [len(row.text.split()) for row in group.rows if (row.text or "").strip()]
        rows.append(
            MeasureRow(
                unit=group.unit.id,
                cluster=group.unit.cluster,
                stratum=group.unit.stratum,
                replicate=group.replicate,
                value=float(np.mean(own)) if own else None,
                is_partial=len(own) < len(group.rows),
            )
        )
    return unit_scores(MeanMeasure("m", tuple(rows)), CARD)


def words_of_each(tables: Tables) -> UnitScores:
    """The same by sample."""
    rows = tuple(
        MeasureRow(
            unit=row.unit.id,
            cluster=row.unit.cluster,
            stratum=row.unit.stratum,
            replicate=row.replicate,
            index=row.index,
            value=None if row.text is None else float(len(row.text.split())),
        )
        for row in tables.outputs.rows
    )
    return unit_scores(MeanMeasure("m", rows), CARD)


def total(tables: Tables) -> UnitScores:
    """A statistic of the whole set: a unit's value hangs on all the others."""
    own = words(tables)
    values = own.value + np.nansum(own.value) * 100
    is_partial = np.full(len(own), own.is_partial.any())
    replicate = np.zeros(len(own), dtype=np.int64)
    return replace(own, is_sampled=False, replicate=replicate, value=values, is_partial=is_partial)


@dataclass
class Held:
    """What a record is to a pairing: its tables, how they are scored, and what was scored again."""

    name: str
    tables: Tables
    score: Callable[[Tables], UnitScores] = words
    again: list[dict[Place, list[int]]] = field(default_factory=list)

    @property
    def record(self) -> Any:
        replicates = {row.replicate for row in self.tables.outputs.rows}
        return SimpleNamespace(replicates=len(replicates))

    def scores(self, measure: str) -> UnitScores:
        return self.score(self.tables)

    def scores_of(self, tables: Tables, measure: str) -> UnitScores:
        self.again.append(kept(tables))
        return self.score(tables)


Sides = tuple[UnitTable, list[Any]]


def sides(
    a: Answers, b: Answers, score: Callable[[Tables], UnitScores] = words, **options: Any
) -> Sides:
    held = [Held(n, answer_tables(own, **options), score) for n, own in (("A", a), ("B", b))]
    return line_up(held, "m")  # type: ignore[arg-type]


def paired(*given: Any, **options: Any) -> tuple[list[float], list[float]]:
    table, (a, b) = sides(*given, **options)
    one, other = pair(a, b, table, "m")
    return one.tolist(), other.tolist()


def many(n: int, *texts: str | None) -> dict[Place, Sequence[str | None]]:
    return {(f"u{i:03}", 0): texts for i in range(n)}


def test_units_are_lined_up_by_name_whatever_their_order() -> None:
    a = {("b", 0): ("x y",), ("a", 0): ("x",)}
    b = {("a", 0): ("x y z",), ("b", 0): ("x",)}
    table, found = sides(a, b)
    assert table.units == table.clusters == ("a", "b")
    assert [side.means.tolist() for side in found] == [[1.0, 2.0], [3.0, 1.0]]
    assert paired(a, b) == ([1.0, 2.0], [3.0, 1.0])


def test_means_go_over_samples_and_replicates_that_are_there() -> None:
    own = words_of_each(
        answer_tables({("a", 0): ("x", "x y z"), ("a", 1): (None, "x y"), ("b", 0): (None,)})
    )
    found = unit_means(own, own.value, ("c", "b", "a"))
    assert np.isnan(found[:2]).all() and found[2] == 2.0


def test_both_sides_are_made_of_the_first_answers_that_came_on_both() -> None:
    a = many(12, "x", "x y", "x y z") | {("u000", 0): ("x", None, "x y z")}
    b = many(12, "x", "x y", "x y z") | {("u001", 0): (" ", "x y z", "x")}
    one, other = paired(a, b)
    assert (one[0], other[0]) == (2.0, 1.5)
    assert (one[1], other[1]) == (1.5, 2.0)
    assert set(one[2:]) == set(other[2:]) == {2.0}


def test_only_units_that_lack_an_answer_are_scored_again() -> None:
    a = many(12, "x", "x y")
    b = a | {("u003", 0): ("x", None), ("u005", 0): (None, "x")}
    table, (left, right) = sides(a, b)
    pair(left, right, table, "m")
    assert left.record.again == [{("u003", 0): [0], ("u005", 0): [0]}]
    assert right.record.again == [{("u003", 0): [0], ("u005", 0): [1]}]


def test_where_nothing_is_missing_nothing_is_scored_again() -> None:
    a = many(12, "x", "x y")
    table, (left, right) = sides(a, a)
    pair(left, right, table, "m")
    assert left.record.again == right.record.again == []


def test_a_whole_replicate_counts_beside_one_that_lacks_an_answer() -> None:
    a = {(u, r): ("x", "x y z") for u in "abcdefghij" for r in (0, 1)}
    b = a | {("a", 1): ("x", None)}
    one, other = paired(a, b)
    assert one[0] == other[0] == np.mean([2.0, 1.0])
    assert set(one[1:]) == {2.0}


def test_of_different_replicates_the_common_ones_are_taken() -> None:
    a = {(u, 0): ("x",) for u in "abc"}
    b = a | {(u, 1): ("x y z",) for u in "abc"}
    assert paired(b, a) == ([1.0] * 3, [1.0] * 3)
    assert paired(a, b, words_of_each) == ([1.0] * 3, [1.0] * 3)


def test_a_statistic_of_the_whole_set_takes_the_common_replicates_too() -> None:
    a = {(u, 0): ("x",) for u in "abc"}
    b = a | {(u, 1): ("x y z",) for u in "abc"}
    assert paired(a, b, total) == ([301.0] * 3, [301.0] * 3)


def test_a_side_on_common_replicates_has_no_others_in_its_scores() -> None:
    a = {(u, 0): ("x",) for u in "abc"}
    b = a | {(u, 1): ("x y z",) for u in "abc"}
    for score, expected in ((words, [1.0] * 3), (total, [301.0] * 3)):
        table, (one, other) = sides(a, b, score)
        assert other.scores.value.tolist() != expected
        for side in on_common_replicates(one, other, table, "m"):
            assert side.scores.value.tolist() == side.means.tolist() == expected
        assert on_common_replicates(one, one, table, "m") == (one, one)


def test_scores_by_sample_take_the_first_that_are_there() -> None:
    a = many(12, "x", "x y", "x y z") | {("u000", 0): (None, "x y", "x y z")}
    b = many(12, "x y z", "x", "x y") | {("u001", 0): ("x", None, None)}
    one, other = paired(a, b, words_of_each)
    assert (one[0], other[0]) == (2.5, 2.0)
    assert (one[1], other[1]) == (1.0, 1.0)


def test_a_blank_answer_that_counts_in_a_score_is_not_trimmed_away() -> None:
    a = many(12, "x", " ", "x y z") | {("u000", 0): ("x", None, "x y z")}
    one, _ = paired(a, many(12, "x", "x y", "x y"), words_of_each)
    assert one[1] == np.mean([1.0, 0.0, 3.0])


def test_a_failed_judge_shortens_only_what_hangs_on_it() -> None:
    a = many(12, "x", "x y", "x y z")
    one, other = paired(a, a, failed=[("u000", 0, 1)])
    assert one == other == [2.0] * 12, "the score is of texts alone, and lacks nothing"


def test_a_judge_that_is_absent_changes_nothing() -> None:
    a = many(12, "x", "x y") | {("u000", 0): ("x", None)}
    b = many(12, "x", "x y z")
    assert paired(a, b, judge=False) == paired(a, b)


def test_a_whole_set_loses_a_unit_on_both_sides_where_one_has_no_answer() -> None:
    a = many(10, "x", "x y z")
    b = a | {("u000", 0): (None, None)}
    one, other = paired(a, b, total)
    assert np.isnan(one[0]) and np.isnan(other[0])
    assert one[1:] == other[1:] == [2.0 + 100 * 9 * 2.0] * 9


@pytest.mark.parametrize(("n", "lost", "is_enough"), [
    (10, 1, True), (10, 2, False), (20, 2, True), (20, 3, False), (30, 3, True), (9, 1, False),
    (70, 7, True), (1, 0, True),
])  # fmt: skip
@pytest.mark.parametrize("score", [words, words_of_each, total])
def test_nine_tenths_of_the_units_are_enough_and_fewer_are_not(
    n: int, lost: int, is_enough: bool, score: Callable[[Tables], UnitScores]
) -> None:
    a = many(n, "x", "x y")
    b = a | {(f"u{i:03}", 0): (None, None) for i in range(lost)}
    if not is_enough:
        with pytest.raises(BadInput, match=f"A and B: only {n - lost} of {n} units .* below 90%"):
            paired(a, b, score)
        return
    one, other = paired(a, b, score)
    assert np.isnan(one).sum() == np.isnan(other).sum() == lost


def test_units_that_lack_a_value_on_either_side_count_once_each() -> None:
    a = many(20, "x") | {("u000", 0): (None,)}
    b = many(20, "x") | {("u001", 0): (None,)}
    one, other = paired(a, b)
    assert np.isnan(one).tolist() == np.isnan(other).tolist() == [True, True] + [False] * 18


def test_a_slice_holds_its_units_only_and_an_unknown_one_is_named() -> None:
    own = {("a1", 0): ("x",), ("a2", 0): ("x",), ("b1", 0): ("x",)}
    held: Any = [Held("A", answer_tables(own)), Held("B", answer_tables(own))]
    table, _ = line_up(held, "m", "a")
    assert table.units == ("a1", "a2") and set(table.strata) == {"a"}
    with pytest.raises(BadInput, match="no slice 'z'; the records have a, b"):
        line_up(held, "m", "z")
    whole: Any = [Held("A", answer_tables(own), total)]
    with pytest.raises(BadInput, match="statistic of the whole set"):
        line_up(whole, "m", "a")


def test_records_without_any_unit_are_refused() -> None:
    empty: Any = [Held("A", answer_tables({})), Held("B", answer_tables({}))]
    with pytest.raises(BadInput, match="no answer came"):
        line_up(empty, "m")


def test_means_that_only_rounding_tells_apart_are_equal() -> None:
    rng = np.random.default_rng(3)
    values = rng.random(200) * (rng.random(200) < 0.9)
    noisy = values * (1 + 2e-16) + 1e-16
    found = []
    for name, own in (("A", values), ("B", noisy)):
        rows = tuple(
            MeasureRow(f"u{i:03}", f"u{i:03}", "", replicate=0, value=float(v))
            for i, v in enumerate(own)
        )
        scores = unit_scores(MeanMeasure("m", rows), CARD)
        held: Any = Held(name, answer_tables({("a", 0): ("x",)}), lambda _, s=scores: s)
        found.append(held)
    assert (values != noisy).sum() > 100 and (values == 0).any()
    table, (a, b) = line_up(found, "m")
    one, other = pair(a, b, table, "m")
    np.testing.assert_array_equal(one, other)
    np.testing.assert_allclose(one, values, rtol=1e-9, atol=1e-12)
    b.means[:] = 0  # the means are those of the scores, whatever stands beside them
    changed = replace(b, scores=replace(b.scores, value=values * (1 + 1e-6)))
    one, other = pair(a, changed, table, "m")
    assert (one != other).sum() == (values > 0).sum(), "a real difference stays"


_text = st.sampled_from([None, " ", "x", "x y", "x y z"])


@st.composite
def two_sides(draw: st.DrawFn) -> tuple[Answers, Answers]:
    units = draw(st.integers(1, 5))
    replicates, samples = draw(st.integers(1, 2)), draw(st.integers(1, 4))
    texts = st.lists(_text, min_size=samples, max_size=samples)
    places = [(f"u{i}", r) for i in range(units) for r in range(replicates)]
    a, b = ({place: draw(texts) for place in places} for _ in range(2))
    return a, b


@given(two_sides(), st.sampled_from([words, words_of_each]))
def test_swapping_records_swaps_their_values(
    given: tuple[Answers, Answers], score: Callable[[Tables], UnitScores]
) -> None:
    a, b = given
    try:
        there = paired(a, b, score)
    except BadInput:
        with pytest.raises(BadInput):
            paired(b, a, score)
        return
    np.testing.assert_array_equal(there, paired(b, a, score)[::-1])


@given(two_sides())
def test_no_side_is_made_of_more_answers_than_the_other_has(
    given: tuple[Answers, Answers],
) -> None:
    table, (a, b) = sides(*given)
    with suppress(BadInput):
        pair(a, b, table, "m")
    for one, other in zip(a.record.again, b.record.again, strict=True):
        assert {place: len(own) for place, own in one.items()} == {
            place: len(own) for place, own in other.items()
        }
        for place, own in one.items():
            came = [sum(bool((t or "").strip()) for t in side[place]) for side in given]
            assert len(own) == min(came)


APPARATUS = Apparatus(
    task="toy",
    task_version=1,
    mode="text",
    prompts_sha256="p" * 64,
    n_units=9,
    data=(),
    options=(("samples", 4),),
    judges=(("embedder", "j" * 64),),
    measures=(("m", 2),),
)

Name = Literal["options", "judges", "measures"]


@pytest.mark.parametrize(
    ("change", "parts"),
    [
        ({}, []),
        ({"n_units": 8}, ["n_units (9, 8)"]),
        ({"prompts_sha256": "q" * 64}, [f"prompts_sha256 ({'p' * 12}, {'q' * 12})"]),
        ({"options": (("samples", 5),)}, ["options.samples (4, 5)"]),
        ({"options": (("samples", 4), ("x", 1))}, ["options.x (none, 1)"]),
        ({"judges": ()}, [f"judges.embedder ({'j' * 12}, none)"]),
        (
            {"measures": (("m", 3),), "task_version": 2},
            ["task_version (1, 2)", "measures.m (2, 3)"],
        ),
    ],
)
def test_the_parts_of_an_apparatus_that_differ_are_named_with_both_values(
    change: dict[str, Any], parts: list[str]
) -> None:
    other = APPARATUS.model_copy(update=change)
    assert differing_parts(APPARATUS, other) == parts


def test_of_two_tasks_only_that_is_said() -> None:
    other = APPARATUS.model_copy(update={"task": "vendi", "options": (("samples", 5),)})
    assert differing_parts(APPARATUS, other) == [f"task ({APPARATUS.task}, vendi)"]


def test_records_of_one_fingerprint_pass_and_others_are_named() -> None:
    def held(place: str, apparatus: Apparatus) -> Any:
        record = SimpleNamespace(fingerprint=apparatus.fingerprint, apparatus=apparatus)
        return SimpleNamespace(folder=place, record=record)

    other = APPARATUS.model_copy(update={"options": (("samples", 5),)})
    check_comparable([held("x", APPARATUS), held("y", APPARATUS)])
    with pytest.raises(BadInput, match=r"x and z do not compare.*options\.samples \(4, 5\)"):
        check_comparable([held("x", APPARATUS), held("y", APPARATUS), held("z", other)])


def test_a_side_keeps_the_record_it_was_made_of() -> None:
    table, found = sides(many(3, "x"), many(3, "x y"))
    assert all(isinstance(side, Side) for side in found)
    assert [side.record.name for side in found] == ["A", "B"] and len(table) == 3
