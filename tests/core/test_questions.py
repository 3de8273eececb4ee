"""What judges are asked about answers and pairs of them."""

from itertools import permutations

from evalsuite.questions import about_answers, about_pairs
from evalsuite.tables import ResponseTable, Row
from tests.core.answer_tables import answer_tables

ANSWERS = {("u", 0): ("a", "b", "c"), ("v", 0): ("d", None, " ")}


def texts_of(one: Row, other: Row) -> list[tuple[str, str]]:
    return [(one.text or "", other.text or "")]


def test_every_ordered_pair_of_usable_answers_is_asked_about_once():
    questions = about_pairs(answer_tables(ANSWERS).outputs, texts_of)
    asked = [(q.unit.id, q.index, q.other, q.texts) for q in questions if q.texts]
    assert asked == [("u", i, j, ("abc"[i], "abc"[j])) for i, j in permutations(range(3), 2)]


def test_a_pair_with_a_lost_or_blank_answer_has_nothing_to_ask_about():
    questions = about_pairs(answer_tables(ANSWERS).outputs, texts_of)
    nothing = [(q.index, q.other) for q in questions if q.unit.id == "v"]
    assert nothing == list(permutations(range(3), 2))
    assert all(q.texts is None and not q.is_planned for q in questions if q.unit.id == "v")


def test_several_questions_about_a_pair_stand_together():
    made = answer_tables({("u", 0): ("a", "b")}).outputs
    questions = about_pairs(made, lambda one, other: [(one.text, "1"), (other.text, "2")])
    assert [(q.index, q.other, q.texts) for q in questions] == [
        (0, 1, ("a", "1")),
        (0, 1, ("b", "2")),
        (1, 0, ("b", "1")),
        (1, 0, ("a", "2")),
    ]


def test_an_answer_is_asked_about_next_to_its_prompt():
    questions = about_answers(answer_tables(ANSWERS).outputs)
    assert [q.texts for q in questions] == [("u", "a"), ("u", "b"), ("u", "c"), ("v", "d"), None,
                                            None]  # fmt: skip


def test_what_a_dry_run_has_not_got_yet_is_planned():
    rows = [Row(row.unit, 0, row.index, "planned") for row in answer_tables(ANSWERS).outputs.rows]
    table = ResponseTable("model", rows, lambda keys: iter(()))
    assert all(q.is_planned for q in (*about_answers(table), *about_pairs(table, texts_of)))
