"""Our own GRADE sets: what a line may say, and what becomes of it."""

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from evalsuite.errors import BadInput
from evalsuite.measures import ALL
from evalsuite.prompts import prompts_digest
from evalsuite_tasks.grade.attributes import NO_ANSWER, Attribute
from evalsuite_tasks.grade.concepts import concept_of, read_concepts, units_of
from evalsuite_tasks.grade.published import parse_set
from evalsuite_tasks.grade.set_counts import counts_of

SHAPE = {"id": "shape", "question": "What shape is the cookie?", "values": ["round", "Square "]}
EATEN = {"id": "eaten", "question": "Is the cookie eaten?", "values": ["yes", "no"]}


def cookie(**changed: Any) -> dict[str, Any]:
    return {
        "concept": "a cookie",
        "id": "cookie",
        "category": "food",
        "prompts": {
            "common": [f"a cookie in a {place}." for place in ("bakery", "kitchen", "cafe")],
            "uncommon": [f"a cookie in a {place}." for place in ("mine", "forge", "crypt")],
        },
        "attributes": [SHAPE, EATEN],
    } | changed


def written(*lines: dict[str, Any]) -> str:
    return "".join(json.dumps(line) + "\n" for line in lines)


def problem(*lines: dict[str, Any]) -> str:
    return problem_of(written(*lines))


def problem_of(text: str) -> str:
    with pytest.raises(BadInput) as caught:
        read_concepts(text, source="mine.jsonl")
    message = str(caught.value)
    assert message.isprintable() and "; " in message, message
    return message


def test_a_line_is_a_concept_with_its_scenes_and_questions() -> None:
    (concept,) = read_concepts(written(cookie()), source="mine.jsonl")
    assert (concept.id, concept.name, concept.category) == ("cookie", "a cookie", "food")
    assert [prompt.scene for prompt in concept.prompts] == ["common"] * 3 + ["uncommon"] * 3
    assert concept.prompts[3].text == "a cookie in a mine."
    shape = concept.attributes[0]
    assert shape == Attribute("shape", "What shape is the cookie?", ("round", "square"))


def test_a_unit_is_a_prompt_that_knows_its_concept() -> None:
    lines = written(cookie(), cookie(id="cake", concept="a cake"))
    units = parse_set(lines, source="mine.jsonl")
    assert [unit.id for unit in units[:6]] == [
        *(f"cookie-common-{n}" for n in (1, 2, 3)),
        *(f"cookie-uncommon-{n}" for n in (1, 2, 3)),
    ]
    assert {(unit.cluster, unit.stratum) for unit in units} == {
        ("cookie", "food"),
        ("cake", "food"),
    }
    assert units[4].prompt.text == "a cookie in a forge."
    asked = concept_of(units[4])
    (concept, _) = read_concepts(lines, source="mine.jsonl")
    assert (asked.id, asked.name, asked.scene) == ("cookie", "a cookie", "uncommon")
    assert asked.attributes == concept.attributes


def test_what_is_asked_of_the_images_is_part_of_the_prompts_digest() -> None:
    one = parse_set(written(cookie()), source="mine.jsonl")
    fewer = parse_set(written(cookie(attributes=[SHAPE])), source="mine.jsonl")
    renamed = parse_set(written(cookie(concept="the cookie")), source="mine.jsonl")
    assert len({prompts_digest(units) for units in (one, fewer, renamed)}) == 3


def attribute(**changed: Any) -> dict[str, Any]:
    return cookie(attributes=[EATEN, SHAPE | changed])


def prompts(**changed: Any) -> dict[str, Any]:
    return cookie(prompts=cookie()["prompts"] | changed)


@pytest.mark.parametrize(
    ("line", "said"),
    [
        (cookie(id="a/b"), "id: String should match pattern"),
        (cookie(id="a" * 90), "id: String should have at most 80 characters"),
        (cookie(concept=" "), "concept: is blank"),
        (cookie(concept="a\nb"), "concept: holds a control character"),
        (cookie(category=ALL), "is the name of the whole set"),
        (cookie(shape="round"), "shape: Extra inputs are not permitted"),
        (cookie(attributes=[]), "the concept has no attribute"),
        (cookie(attributes=[SHAPE, SHAPE]), "two attributes have the id 'shape'"),
        (attribute(question="is the COOKIE eaten? "), "the question 'is the cookie eaten?' stands"),
        (attribute(question="x" * 3000), "attributes.1.question: has 3,000 characters"),
        (attribute(values=["round", " Round"]), "has the value 'round' twice, but for case"),
        (attribute(values=["round"]), "has 1 value to choose from"),
        (attribute(values=[]), "has 0 value to choose from"),
        (attribute(values=["round", ""]), "attributes.1.values.1: is blank"),
        (attribute(values=["round", 3]), "attributes.1.values.1: Input should be a valid string"),
        (attribute(values=["a", "b", "Neither"]), "lists 'none of the above' or 'neither'"),
        (attribute(values=["a", "b", "None of the Above"]), "lists 'none of the above'"),
        (attribute(values=["a", "neither"]), "has 1 value to choose from"),
        (attribute(values=[str(n) for n in range(65)]), "has 65 values, and 64 is the most"),
        (prompts(common=["a", "b"]), "prompts.common: Tuple should have at least 3 items"),
        (prompts(common=["a", "b", "c", "d"]), "prompts.common: Tuple should have at most 3"),
        (prompts(common=["a", "b", "B"]), "the prompt 'b' stands there twice"),
        (prompts(common=["a", "b", "\ud800"]), "line 1: prompts.common.2: "),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_line_that_does_not_do_is_refused(line: dict[str, Any], said: str) -> None:
    message = problem(line)
    assert message.startswith("mine.jsonl, line 1: ") and said in message


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "the set is empty"),
        ("\n \n", "the set is empty"),
        ("{", "line 1: not JSON"),
        ("[]", "line 1: the line: Input should be"),
        ('{"id": "a", "id": "b"}', "line 1: not JSON ('id' is given twice)"),
        ('{"id": ' + "9" * 5000 + "}", "line 1: not JSON (Exceeds the limit"),
        ("[" * 100_000, "line 1: not JSON"),
    ],
    ids=["empty", "blank", "open", "list", "twice", "number", "deep"],
)
def test_what_is_no_set_is_refused(text: str, said: str) -> None:
    assert said in problem_of(text)


def test_two_concepts_of_one_id_or_name_are_refused_with_both_lines() -> None:
    other = cookie(id="cake", concept="a cake")
    message = problem(cookie(), other, other | {"concept": "cakes"})
    assert message.startswith("mine.jsonl, line 3: id 'cake' stands in line 2 already")
    message = problem(cookie(), other, other | {"id": "b", "concept": "A Cookie"})
    assert message.startswith("mine.jsonl, line 3: concept 'a cookie' stands in line 1 already")


def test_a_unit_of_another_set_has_no_concept() -> None:
    (unit, *_) = parse_set(written(cookie()), source="mine.jsonl")
    for details in ("", "{}", "[1", unit.details.replace('"square"', '"round"')):
        with pytest.raises(BadInput, match=r"^unit cookie-common-1: "):
            concept_of(unit.model_copy(update={"details": details}))


def test_the_size_of_a_set_is_counted() -> None:
    lid = {"id": "lid", "question": "is the cookie eaten?", "values": ["a", "b", "c"]}
    lines = written(cookie(), cookie(id="tin", concept="a tin", attributes=[lid]))
    counts = counts_of(read_concepts(lines, source="mine.jsonl"))
    assert (counts.concepts, counts.prompts, counts.attributes) == (2, 12, 3)
    assert counts.questions_per_image == 18
    assert counts.attributes_per_concept == ((1, 1), (2, 1))
    assert (counts.binary, counts.most_values, counts.neither, counts.yes_no) == (2, 3, 0, 1)
    assert counts.mean_values == pytest.approx(7 / 3)
    assert counts.most_shared == 2


def test_there_is_nothing_to_count_without_a_concept() -> None:
    with pytest.raises(ValueError, match="counts_of: no concepts"):
        counts_of([])


JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=5)
    | st.sampled_from(["a", "Neither", "\ud800", "\0"]),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=4), inner),
    max_leaves=8,
)


@given(name=st.sampled_from([*cookie(), "other"]), value=JSON, deep=st.booleans())
@settings(deadline=None, max_examples=100)
def test_any_value_in_a_line_is_read_or_refused_in_one_line(
    name: str, value: Any, deep: bool
) -> None:
    line = cookie(attributes=[SHAPE | {"values": value}]) if deep else cookie(**{name: value})
    try:
        concepts = read_concepts(json.dumps(line), source="mine.jsonl")
        assert concepts[0].attributes[0].support
        units_of(concepts)
    except BadInput as error:
        assert str(error).isprintable()


@given(text=st.text(max_size=80))
@settings(deadline=None, max_examples=100)
def test_any_text_is_a_set_or_refused_in_one_line(text: str) -> None:
    for start in ("", "{", '{"concept": ', "concept_id,"):
        with pytest.raises(BadInput) as caught:
            parse_set(start + text, source="mine.jsonl")
        assert str(caught.value).isprintable()


@given(
    values=st.lists(
        st.text(st.characters(min_codepoint=32, max_codepoint=0x24F), min_size=1, max_size=6),
        min_size=2,
        max_size=6,
        unique_by=lambda value: value.strip().lower(),
    )
)
@settings(deadline=None, max_examples=100)
def test_sound_values_come_back_from_a_unit_as_they_were_read(values: list[str]) -> None:
    line = attribute(values=values)
    try:
        concepts = read_concepts(json.dumps(line), source="mine.jsonl")
    except BadInput:
        controls = any(ord(c) < 32 or ord(c) == 127 for value in values for c in value)
        assert controls or any(v.strip().lower() in ("", *NO_ANSWER) for v in values)
        return
    for unit in units_of(concepts):
        assert concept_of(unit).attributes == concepts[0].attributes
