"""The GRADE set of our own keeps what its README promises of it."""

import csv
import re
from collections import Counter
from functools import cache
from importlib.resources import files
from pathlib import Path

import pytest

from evalsuite_tasks.grade.concepts import Concept, read_concepts

COMPARING = {
    "big", "bigger", "small", "smaller", "large", "larger", "tall", "taller", "tiny", "huge",
    "thicker", "thinner", "longer", "shorter", "older", "younger", "more", "less", "than",
}  # fmt: skip
SAYS_NONE = {
    "none", "none of the above", "neither", "other", "others", "another", "unknown", "nothing",
    "n/a", "na", "not visible", "not applicable", "unclear", "any", "all", "both", "various",
}  # fmt: skip
SAME = (
    {"gray", "grey", "silver gray"}, {"round", "circular", "circle"}, {"wood", "wooden", "timber"},
    {"multicolored", "mixed colors", "colorful"}, {"plain", "single color", "solid", "undecorated"},
    {"cloth", "fabric", "textile"}, {"metal", "steel", "iron"}, {"blond", "blonde", "yellow hair"},
    {"purple", "violet"}, {"sofa", "couch"}, {"square", "box"}, {"dots", "spots", "speckles"},
    {"zero", "empty"}, {"smooth", "even"}, {"yes", "true"}, {"no", "false"},
)  # fmt: skip
PARTS_OF_NAMES = {"a", "an", "the", "of", "pair"}


@cache
def concepts() -> tuple[Concept, ...]:
    """Our set."""
    file = files("evalsuite_tasks.grade") / "concepts.jsonl"
    return read_concepts(file.read_text(encoding="utf-8"), source="concepts.jsonl")


def words(text: str) -> list[str]:
    """Lower-case words of a text."""
    return re.findall(r"[a-z0-9'-]+", text.lower())


def template(question: str, name: str) -> str:
    """A question with a slot for the concept, whether it is named in full or in part."""
    parts = [part for part in words(name) if part not in PARTS_OF_NAMES]
    for own in [" ".join(words(name)[1:]), *parts]:
        question = re.sub(rf"\b{re.escape(own)}('s)?\b", "{}", question.lower())
    return re.sub(r"\{\}( (of )?\{\})+", "{}", question)


def holds(text: list[str], value: list[str]) -> bool:
    """Whether a value stands in a text, word by word, be it in the plural."""
    n = len(value)
    return any(
        all(
            a.removesuffix("s") == b.removesuffix("s")
            for a, b in zip(text[i:], value, strict=False)
        )
        for i in range(len(text) - n + 1)
    )


def test_there_are_a_hundred_concepts_in_eight_to_ten_categories():
    sizes = Counter(concept.category for concept in concepts())
    assert len(concepts()) >= 100
    assert 8 <= len(sizes) <= 10
    assert min(sizes.values()) >= 6
    assert max(sizes.values()) <= len(concepts()) / 5


def test_every_concept_has_three_common_and_three_uncommon_scenes():
    for concept in concepts():
        scenes = Counter(prompt.scene for prompt in concept.prompts)
        assert scenes == {"common": 3, "uncommon": 3}, concept.id


def test_prompts_name_the_concept_and_a_scene_and_are_unique():
    texts = [(concept, prompt.text) for concept in concepts() for prompt in concept.prompts]
    assert len({text.lower() for _, text in texts}) == len(texts)
    for concept, text in texts:
        assert text.startswith(f"{concept.name} "), text
        assert re.fullmatch(r"[a-z][A-Za-z' -]+\.", text), text


def test_a_concept_has_two_to_five_attributes_of_two_to_ten_values():
    for concept in concepts():
        assert 2 <= len(concept.attributes) <= 5, concept.id
        for attribute in concept.attributes:
            assert 2 <= len(attribute.values) <= 10, (concept.id, attribute.id)
            assert len(set(attribute.values)) == len(attribute.values)


def test_most_attributes_have_more_than_two_values():
    sizes = [len(a.values) for concept in concepts() for a in concept.attributes]
    assert sizes.count(2) <= 0.4 * len(sizes)
    assert sum(sizes) / len(sizes) >= 3.5


def test_ids_are_short_lower_case_and_safe_for_a_path():
    for concept in concepts():
        for own in (concept.id, *(attribute.id for attribute in concept.attributes)):
            assert re.fullmatch(r"[a-z][a-z0-9]*([-_][a-z0-9]+)*", own), own


def test_values_are_lower_case_words_and_none_of_them_says_none():
    for concept in concepts():
        for attribute in concept.attributes:
            for value in attribute.values:
                assert re.fullmatch(r"[a-z][a-z -]*[a-z]", value), value
                assert value not in SAYS_NONE, (concept.id, attribute.id)


def test_no_prompt_names_a_value_of_its_own_concept():
    named = [
        (prompt.text, value)
        for concept in concepts()
        for prompt in concept.prompts
        for attribute in concept.attributes
        for value in attribute.values
        if holds(words(prompt.text), words(value))
    ]
    assert not named


def test_no_template_question_is_shared_by_more_than_a_fifth_of_the_concepts():
    shared = Counter(
        own
        for concept in concepts()
        for own in {template(a.question, concept.name) for a in concept.attributes}
    )
    question, n = shared.most_common(1)[0]
    assert n <= 0.2 * len(concepts()), question


def test_templates_are_recognised_whatever_part_of_the_name_is_used():
    same = {
        template("What color are the jeans?", "a pair of jeans"),
        template("What color are the pair of jeans?", "a pair of jeans"),
        template("What color are the gloves?", "a pair of gloves"),
    }
    assert same == {"what color are the {}?"}


def test_no_question_stands_twice_and_each_is_one_plain_question():
    questions = [a.question for concept in concepts() for a in concept.attributes]
    assert len({question.lower() for question in questions}) == len(questions)
    for question in questions:
        assert re.fullmatch(r"[A-Z][^?.()]+\?", question), question


def test_no_question_is_conditional_or_compares():
    for concept in concepts():
        for attribute in concept.attributes:
            asked = set(words(attribute.question))
            assert not {"if", "when", "unless", "assuming", "provided"} & asked, attribute.question
            assert not COMPARING & asked, attribute.question
            for value in attribute.values:
                counts = re.fullmatch(r"(three|four|five|six) or more", value)
                assert counts or not COMPARING & set(words(value)), value


def test_no_list_of_values_holds_two_words_for_one_thing():
    for concept in concepts():
        for attribute in concept.attributes:
            for group in SAME:
                assert len(group & set(attribute.values)) <= 1, (concept.id, attribute.values)


def test_a_question_names_none_of_its_values_unless_it_offers_all_of_them():
    for concept in concepts():
        for attribute in concept.attributes:
            asked = words(attribute.question)
            named = [
                v for v in attribute.values if v not in concept.name and holds(asked, words(v))
            ]
            assert len(named) in {0, len(attribute.values)}, (attribute.question, named)


def test_six_people_are_asked_about_by_how_they_are_presented():
    people = [concept for concept in concepts() if concept.category == "people"]
    assert len(people) == 6
    for person in people:
        question = next(a for a in person.attributes if a.id == "presentation")
        assert question.question == f"How is the {person.name.split()[-1]} presented?"
        assert question.values == ("feminine", "masculine", "neutral or unclear")


def test_nothing_but_a_persons_presentation_speaks_of_gender():
    for concept in concepts():
        texts = [prompt.text for prompt in concept.prompts]
        texts += [a.question for a in concept.attributes]
        texts += [v for a in concept.attributes if a.id != "presentation" for v in a.values]
        gendered = {"man", "woman", "men", "women", "male", "female", "gender", "his", "her"}
        assert not gendered & {word for text in texts for word in words(text)}, concept.id


@pytest.mark.published
def test_at_most_a_third_of_the_concepts_stand_in_the_published_set(published_data: Path):
    with (published_data / "grade" / "support_sizes.csv").open(encoding="utf-8") as lines:
        published = {row["concept"] for row in csv.DictReader(lines)}
    assert len(published) == 100
    ours = {concept.name for concept in concepts()}
    assert len(ours & published) <= len(ours) / 3
