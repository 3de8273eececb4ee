"""The published GRADE set, as its users have it: a CSV with a row for each prompt and question.

Columns (repository RoyiRa/GRADE-Quantifying-sample-diversity-in-text-to-image-models):
``concept_id, concept, prompt_id, prompt, attribute_id, attribute, attribute_values``. The values
are a Python set or list in a text; a set has no order, so they are sorted here.
"""

import ast
import csv
import io
import re
import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from evalsuite.errors import BadInput
from evalsuite.prompts import SAFE_ID, Unit
from evalsuite_tasks.grade.attributes import (
    Attribute,
    checked_attributes,
    normalised,
    shown,
    sound_text,
)
from evalsuite_tasks.grade.concepts import (
    PROMPTS_PER_SCENE,
    Concept,
    ScenePrompt,
    read_concepts,
    units_of,
)

COLUMNS = (
    "concept_id",
    "concept",
    "prompt_id",
    "prompt",
    "attribute_id",
    "attribute",
    "attribute_values",
)
"""What the reader needs; other columns are left alone."""

MOST_LITERAL = 20_000
"""Longest text of a set of values; a parser of Python needs memory for each character."""

_MOST_ROWS = 1_000_000


@dataclass(frozen=True, slots=True)
class _Row:
    """A question about the images of a prompt."""

    where: str
    concept_id: str
    concept: str
    prompt_id: int
    prompt: str
    attribute_id: str
    question: str
    values: tuple[str, ...]


@dataclass(slots=True)
class _Group:
    """The rows of one concept: the first row of each prompt, and of each question."""

    first: _Row
    prompts: dict[int, _Row] = field(default_factory=dict)
    questions: dict[str, _Row] = field(default_factory=dict)
    asked: dict[tuple[int, str, str], _Row] = field(default_factory=dict)


def parse_set(text: str, *, source: str) -> tuple[Unit, ...]:
    """Read a set of either form: our JSON Lines, or the published CSV.

    Parameters
    ----------
    source : str
        Name of the file, for messages.

    Raises
    ------
    BadInput
        If it is neither, or something in it does not do; with the number of the line.
    """
    is_json = text.removeprefix("\ufeff").lstrip().startswith(("{", "["))
    read = read_concepts if is_json or not text.strip("\ufeff \t\r\n") else read_published_csv
    return units_of(read(text, source=source))


def read_published_csv(text: str, *, source: str) -> tuple[Concept, ...]:
    """Read the published CSV, or one that the reference code wrote for other concepts.

    Concepts are told apart by their text and attributes by their question, as in the reference
    code; an attribute has the id that its question stands under first. Of the six prompts of a
    concept those with the three smallest ids are the common scenes.

    Raises
    ------
    BadInput
        With the number of the line: on a broken row, on a concept that has not six prompts, on
        values that differ between its prompts, on a question that not all of them have.
    """
    groups: dict[str, _Group] = {}
    prompt_of: dict[int, _Row] = {}
    concept_of_id: dict[str, _Row] = {}
    for row in _rows(text, source):
        first = concept_of_id.setdefault(row.concept_id, row)
        if first.concept != row.concept:
            raise BadInput(
                f"{row.where}: concept_id {row.concept_id!r} is of {shown(first.concept)} in "
                f"{first.where}; give every concept an id of its own"
            )
        said = prompt_of.setdefault(row.prompt_id, row)
        if (said.prompt, said.concept) != (row.prompt, row.concept):
            raise BadInput(
                f"{row.where}: prompt_id {row.prompt_id} is that of {shown(said.prompt)} in "
                f"{said.where}; give every prompt an id of its own"
            )
        _add(row, groups.setdefault(row.concept, _Group(row)))
    if not groups:
        raise BadInput(f"{source}: holds no row; it needs one for each prompt and question")
    return tuple(_concept(group) for group in groups.values())


def _add(row: _Row, group: _Group) -> None:
    if row.concept_id != group.first.concept_id:
        raise BadInput(
            f"{row.where}: concept {shown(row.concept)} has concept_id {row.concept_id!r}, and "
            f"{group.first.concept_id!r} in {group.first.where}; the reference code would count "
            "them as one: give them one id, or two names"
        )
    group.prompts.setdefault(row.prompt_id, row)
    first = group.questions.setdefault(row.question, row)
    if first.values != row.values:
        raise BadInput(
            f"{row.where}: the values of {shown(row.question)} are not those of {first.where}; a "
            "distribution over all prompts of a concept needs one set of values"
        )
    # Under a second id of its attribute a question is the same group, as in the reference code.
    place = (row.prompt_id, row.question, row.attribute_id)
    before = group.asked.setdefault(place, row)
    if before is not row:
        raise BadInput(f"{row.where}: repeats {before.where}; remove one of them")


def _concept(group: _Group) -> Concept:
    first, n_prompts = group.first, 2 * PROMPTS_PER_SCENE
    if len(group.prompts) != n_prompts:
        raise BadInput(
            f"{first.where}: concept {shown(first.concept)} has {len(group.prompts)} prompts; a "
            f"concept needs {n_prompts}, {PROMPTS_PER_SCENE} common scenes and then as many others"
        )
    for prompt_id, prompt in group.prompts.items():
        for question, asked in group.questions.items():
            if (prompt_id, question, asked.attribute_id) not in group.asked:
                raise BadInput(
                    f"{prompt.where}: prompt {prompt_id} has no row for {shown(question)}, which "
                    f"{asked.where} asks; ask all prompts of a concept the same"
                )
    ordered = [group.prompts[prompt_id].prompt for prompt_id in sorted(group.prompts)]
    prompts = tuple(
        ScenePrompt(prompt, "common" if place < PROMPTS_PER_SCENE else "uncommon")
        for place, prompt in enumerate(ordered)
    )
    attributes = checked_attributes(
        [Attribute(row.attribute_id, row.question, row.values) for row in group.questions.values()],
        where=f"{first.where}, concept {shown(first.concept)}",
    )
    return Concept(first.concept_id, first.concept, prompts, attributes)


def _rows(text: str, source: str) -> Iterator[_Row]:
    records = _records(text, source)
    where, header = next(records, (f"{source}, line 1", []))
    lacking = [name for name in COLUMNS if header.count(name) != 1]
    if lacking:
        raise BadInput(
            f"{where}: neither JSON Lines nor a CSV with one column {lacking[0]!r}; its first line "
            f"must be {','.join(COLUMNS)}"
        )
    for number, (where, cells) in enumerate(records):
        if len(cells) != len(header):
            raise BadInput(
                f"{where}: has {len(cells)} cells, and the header has {len(header)}; put texts "
                "with commas in quotes"
            )
        if number >= _MOST_ROWS:
            raise BadInput(f"{where}: more than {_MOST_ROWS:,} rows; use a part of the set")
        named = dict(zip(header, cells, strict=True))
        yield _row([named[name] for name in COLUMNS], where)


def _records(text: str, source: str) -> Iterator[tuple[str, list[str]]]:
    """The cells of each record, and the line that it begins in."""
    reader = csv.reader(io.StringIO(text.removeprefix("\ufeff"), newline=""), strict=True)
    while True:
        where = f"{source}, line {reader.line_num + 1}"
        try:
            cells = next(reader, None)
        except csv.Error as error:
            raise BadInput(f"{where}: broken CSV from here on ({error}); save it again") from None
        if cells is None:
            return
        if cells:
            yield where, cells


def _row(cells: Sequence[str], where: str) -> _Row:
    concept_id, concept, prompt_id, prompt, attribute_id, question, values = cells
    for name, cell in (("concept_id", concept_id), ("attribute_id", attribute_id)):
        if not re.fullmatch(SAFE_ID, cell) or len(cell) > 80:
            raise BadInput(f"{where}: {name} {shown(cell)} is no id; write a number, such as 12")
    if not re.fullmatch("[0-9]{1,15}", prompt_id, re.ASCII):
        raise BadInput(f"{where}: prompt_id {shown(prompt_id)} must be a whole number from 0")
    for name, cell in (("concept", concept), ("prompt", prompt), ("attribute", question)):
        try:
            sound_text(cell)
        except ValueError as error:
            raise BadInput(f"{where}: {name} {error}; correct it") from None
    return _Row(
        where,
        concept_id,
        concept,
        int(prompt_id),
        prompt,
        attribute_id,
        question,
        parse_values(values, where=where),
    )


def parse_values(literal: str, *, where: str) -> tuple[str, ...]:
    """Read a set or list of texts as Python writes it: nothing in it is executed.

    Returns
    -------
    Lower-cased, stripped, each once, sorted: the order of a set changes between two processes.

    Raises
    ------
    BadInput
        If it is no such literal, or too long.

    Examples
    --------
    >>> parse_values("{'Yes', 'no '}", where="row 1"), parse_values("['b', 'a']", where="row 1")
    (('no', 'yes'), ('a', 'b'))
    """
    if len(literal) > MOST_LITERAL:
        raise BadInput(f"{where}: attribute_values is longer than {MOST_LITERAL:,} characters")
    what = "attribute_values must be a set or list of texts such as {'red', 'blue'}"
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # Of escapes that Python takes as they stand.
            values = ast.literal_eval(literal.strip())
        if not isinstance(values, (set, list)):
            raise TypeError
        return tuple(sorted({normalised(sound_text(value)) for value in values}))
    # TypeError: a set of lists; what is no text has no strip. MemoryError: nested too deep.
    except (ValueError, SyntaxError, TypeError, AttributeError, MemoryError, RecursionError):
        raise BadInput(f"{where}: {what}, not {shown(literal)}") from None
