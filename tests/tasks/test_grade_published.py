"""The published form of a GRADE set: a CSV whose values are a Python set in a text."""

import csv
import io
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from evalsuite.errors import BadInput
from evalsuite_tasks.grade.concepts import concept_of
from evalsuite_tasks.grade.published import (
    COLUMNS,
    MOST_LITERAL,
    parse_set,
    parse_values,
    read_published_csv,
)
from evalsuite_tasks.grade.set_counts import counts_of

PLACES = ("shop", "park", "site", "library", "wedding", "mine")
COLOR = ("15", "What color is the helmet?", "{'Red', 'blue ', 'Neither'}")
VISOR = ("40", "Is there a visor, or not?", "['Yes', 'No']")


def rows_of(
    concept_id: str = "1", concept: str = "a helmet", first: int = 0, asked: Any = (COLOR, VISOR)
) -> list[list[str]]:
    return [
        [concept_id, concept, str(first + n), f"{concept} in a {place}.", *question]
        for n, place in enumerate(PLACES)
        for question in asked
    ]


def written(rows: list[list[str]], columns: Any = COLUMNS) -> str:
    text = io.StringIO()
    writer = csv.writer(text)
    writer.writerows([list(columns), *rows])
    return text.getvalue()


def read(rows: list[list[str]]) -> Any:
    return read_published_csv(written(rows), source="grade.csv")


def problem(rows: list[list[str]]) -> str:
    return problem_of(written(rows))


def problem_of(text: str) -> str:
    with pytest.raises(BadInput) as caught:
        parse_set(text, source="grade.csv")
    message = str(caught.value)
    assert message.isprintable() and any(way in message for way in ("; ", ": ")), message
    return message


def changed(line: int, column: str, value: str) -> list[list[str]]:
    """The rows of one concept with one cell changed; the first row is line 2."""
    rows = rows_of()
    rows[line - 2][COLUMNS.index(column)] = value
    return rows


def test_a_concept_has_its_prompts_and_questions_from_many_rows() -> None:
    (concept,) = read(rows_of())
    assert (concept.id, concept.name, concept.category) == ("1", "a helmet", "")
    assert [(prompt.text, prompt.scene) for prompt in concept.prompts[2:4]] == [
        ("a helmet in a site.", "common"),
        ("a helmet in a library.", "uncommon"),
    ]
    color, visor = concept.attributes
    assert (color.id, color.question) == ("15", "What color is the helmet?")
    assert color.values == ("blue", "neither", "red") and color.support == ("blue", "red")
    assert visor.values == visor.support == ("no", "yes")


def test_the_form_of_a_set_is_told_by_its_content() -> None:
    units = parse_set("\ufeff" + written(rows_of()), source="anything")
    assert [unit.id for unit in units] == [
        f"1-{scene}-{n}" for scene in ("common", "uncommon") for n in (1, 2, 3)
    ]
    assert {unit.cluster for unit in units} == {"1"}
    assert concept_of(units[5]).scene == "uncommon"
    assert concept_of(units[5]).attributes[0].support == ("blue", "red")


def test_scenes_follow_the_ids_of_prompts_and_not_the_order_of_rows() -> None:
    (concept,) = read(rows_of())
    (same,) = read(rows_of()[::-1])
    assert same.prompts == concept.prompts
    (tenth,) = read(rows_of(first=7))
    assert [prompt.text for prompt in tenth.prompts] == [prompt.text for prompt in concept.prompts]


def test_columns_may_stand_in_another_order_and_others_beside_them() -> None:
    rows = [["x", *row[::-1]] for row in rows_of()]
    text = written(rows, ("", *COLUMNS[::-1]))
    assert read_published_csv(text, source="grade.csv") == read(rows_of())


def test_concepts_and_questions_are_told_apart_by_their_text() -> None:
    """GRADE edge case 9.13: a question under two ids of a concept is one group."""
    again = ("41", *VISOR[1:])
    (concept,) = read(rows_of(asked=(COLOR, VISOR, again)))
    assert [attribute.id for attribute in concept.attributes] == ["15", "40"]
    other = rows_of("2", "a bin", first=6)
    assert [own.name for own in read(rows_of() + other)] == ["a helmet", "a bin"]


def test_one_question_may_be_asked_of_two_concepts() -> None:
    counts = counts_of(read(rows_of() + rows_of("2", "a bin", first=6)))
    assert (counts.attributes, counts.most_shared) == (4, 2)


@pytest.mark.parametrize(
    ("rows", "said"),
    [
        (rows_of()[:-2], "line 2: concept 'a helmet' has 5 prompts; a concept needs 6"),
        (rows_of()[:-1], "prompt 5 has no row for 'Is there a visor, or not?', which grade.csv"),
        (rows_of() + rows_of()[:1], "line 14: repeats grade.csv, line 2"),
        (changed(4, "concept_id", "9"), "line 4: concept 'a helmet' has concept_id '9', and '1'"),
        (changed(4, "concept", "a hat"), "line 4: concept_id '1' is of 'a helmet' in grade.csv"),
        (changed(3, "prompt", "x"), "line 3: prompt_id 0 is that of 'a helmet in a shop.'"),
        (changed(4, "attribute_values", "{'a', 'b'}"), "line 4: the values of 'What color"),
        (changed(4, "prompt_id", "-1"), "line 4: prompt_id '-1' must be a whole number"),
        (changed(4, "prompt_id", "٣"), "line 4: prompt_id '\\u0663' must be a whole number"),
        (changed(4, "concept_id", "../x"), "line 4: concept_id '../x' is no id"),
        (changed(4, "attribute_id", ""), "line 4: attribute_id '' is no id"),
        (changed(4, "attribute", " "), "line 4: attribute is blank"),
        (changed(4, "prompt", "a\0b"), "line 4: "),
        (rows_of(asked=[("1", "Q?", "{'a'}")]), "attribute '1' has 1 value to choose from"),
        (rows_of(asked=[("1", "Q?", "{'a', 'neither'}")]), "has 1 value to choose from"),
        (rows_of(asked=[("1", "Q?", "['a', 'A ']")]), "has 1 value to choose from"),
        (rows_of(asked=[COLOR, ("15", "Q?", "['a', 'b']")]), "two attributes have the id '15'"),
        ([], "holds no row"),
        ([["1", "a helmet"]], "line 2: has 2 cells, and the header has 7"),
    ],
    ids=lambda value: value[:40] if isinstance(value, str) else "",
)
def test_rows_that_do_not_fit_together_are_refused(rows: list[list[str]], said: str) -> None:
    message = problem(rows)
    assert message.startswith("grade.csv") and said in message


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("concept,prompt\na,b\n", "line 1: neither JSON Lines nor a CSV with one column"),
        ("concept_id,concept_id\n", "line 1: neither JSON Lines nor a CSV with one column"),
        (",".join(COLUMNS) + '\n"1', "line 2: broken CSV from here on"),
        (",".join(COLUMNS) + "\n" + "x" * 200_000, "line 2: broken CSV from here on"),
        ("", "the set is empty"),
    ],
    ids=["columns", "twice", "quote", "long", "empty"],
)
def test_what_is_no_published_set_is_refused(text: str, said: str) -> None:
    assert said in problem_of(text)


def test_the_line_of_a_row_is_that_where_it_begins() -> None:
    rows = [[*row, "two\nlines"] for row in changed(5, "attribute_id", "")]
    message = problem_of(written(rows, (*COLUMNS, "note")))
    assert message.startswith("grade.csv, line 8: attribute_id '' is no id"), message


@pytest.mark.parametrize(
    "literal",
    [
        "",
        "{",
        "{}",
        "{'a': 'b'}",
        "('a', 'b')",
        "'a'",
        "{'a', 1}",
        "{'a', None}",
        "{b'a', 'b'}",
        "{['a'], 'b'}",
        "{'a', ''}",
        "['a', '\\n']",
        "['a', '\\ud800']",
        "__import__('os').system('touch pwned')",
        "['a', open('pwned', 'w').name]",
        "{'a'} | {'b'}",
        "[x for x in 'ab']",
        "[" * 5000,
        "-" * 10_000 + "1",
        "{" + "'a'," * MOST_LITERAL + "}",
        "\0",
    ],
    ids=range(21),
)
def test_values_that_are_no_literal_of_texts_are_refused_and_never_executed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, literal: str
) -> None:
    """GRADE edge case 9.12."""
    monkeypatch.chdir(tmp_path)
    with pytest.raises(BadInput, match=r"^row 1: attribute_values ") as caught:
        parse_values(literal, where="row 1")
    assert str(caught.value).isprintable() and len(str(caught.value)) < 300
    assert not list(tmp_path.iterdir())


def test_the_order_of_values_does_not_change_between_processes() -> None:
    """GRADE edge case 9.4: a set of texts has another order under another hash seed."""
    literal = "{'red', 'blue', 'green', 'gray', 'white', 'black'}"
    code = (
        "from evalsuite_tasks.grade.published import parse_values;"
        f'print(*{literal}, sep=","); print(*parse_values("{literal}", where=""), sep=",")'
    )
    said = [
        subprocess.run(
            [sys.executable, "-c", code],
            env=os.environ | {"PYTHONHASHSEED": seed},
            capture_output=True,
            text=True,
            check=True,
        ).stdout.split()
        for seed in ("1", "2")
    ]
    assert said[0][0] != said[1][0]
    assert said[0][1] == said[1][1] == "black,blue,gray,green,red,white"


@pytest.fixture
def support_sizes(published_data: Path) -> list[dict[str, str]]:
    with (published_data / "grade" / "support_sizes.csv").open(encoding="utf-8") as file:
        return list(csv.DictReader(file))


def of_sizes(sizes: list[dict[str, str]]) -> Iterator[list[str]]:
    """Rows with as many values for each attribute as the published ones have."""
    first = 0
    for concept_id in dict.fromkeys(row["concept_id"] for row in sizes):
        own = [row for row in sizes if row["concept_id"] == concept_id]
        asked = []
        for row in own:
            n, has_neither = int(row["n_values_listed"]), int(row["has_neither"])
            values = {f"value {i}" for i in range(n - has_neither)}
            if row["axis_category"] == "binary":
                values = {"Yes", "No"}
            literal = repr(values | ({"neither"} if has_neither else set()))
            asked.append((row["attribute_id"], f"Question {row['attribute_id']}?", literal))
        yield from rows_of(concept_id, own[0]["concept"], first, asked)
        first += len(PLACES)


@pytest.mark.published
def test_support_sizes_are_those_of_the_published_set(
    support_sizes: list[dict[str, str]],
) -> None:
    concepts = read(list(of_sizes(support_sizes)))
    found = [
        (concept.id, concept.name, own.id, len(own.values), len(own.support))
        for concept in concepts
        for own in concept.attributes
    ]
    names = ("concept_id", "concept", "attribute_id")
    assert found == [
        (*(row[n] for n in names), int(row["n_values_listed"]), int(row["n_values_effective"]))
        for row in support_sizes
    ]


@pytest.mark.published
def test_counts_are_those_of_the_published_set(support_sizes: list[dict[str, str]]) -> None:
    """G9: GRADE section 2.1."""
    counts = counts_of(read(list(of_sizes(support_sizes))))
    assert (counts.concepts, counts.prompts, counts.attributes) == (100, 600, 405)
    assert counts.questions_per_image == 2430
    assert counts.attributes_per_concept == ((1, 3), (2, 7), (3, 19), (4, 24), (5, 47))
    assert (counts.binary, counts.most_values, counts.neither) == (280, 17, 16)
    assert (counts.binary_support, counts.yes_no) == (292, 163)
    assert round(counts.mean_values, 2) == 4.12 and round(counts.mean_support, 2) == 4.08


CELLS = st.one_of(
    st.text(max_size=8),
    st.sampled_from(["", "1", "-1", "{'a', 'b'}", "['x']", "{1}", "\0", "\r", '"', "\ud800", "a"]),
)


@given(cells=st.lists(st.tuples(st.integers(0, 11), st.integers(0, 6), CELLS), max_size=4))
@settings(deadline=None, max_examples=150)
def test_any_cells_are_read_or_refused_in_one_line(cells: list[tuple[int, int, str]]) -> None:
    rows = rows_of()
    for row, column, cell in cells:
        rows[row][column] = cell
    try:
        assert parse_set(written(rows), source="grade.csv")
    except BadInput as error:
        assert str(error).isprintable()


@given(text=st.text(max_size=60))
@settings(deadline=None, max_examples=200)
def test_any_text_of_values_is_read_or_refused_in_one_line(text: str) -> None:
    for literal in (text, f"{{'a', {text}}}", f"['{text}', 'b']"):
        try:
            assert parse_values(literal, where="row 1") is not None
        except BadInput as error:
            assert str(error).isprintable()
