"""Published prompts: NoveltyBench and HolisticBias where EVALSUITE_SHARED_DATA names them."""

import json
import re
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import evalsuite
from evalsuite.errors import BadInput
from evalsuite.prompts import Unit, stratified
from evalsuite.published_rows import read_json_files
from evalsuite.published_sets import MAX_UNITS, PublishedRows, read_published
from evalsuite_tasks.rlhf_diversity.holistic_bias import FILES, phrases
from evalsuite_tasks.rlhf_diversity.holistic_bias import sentences as bias_sentences
from evalsuite_tasks.rlhf_diversity.published import PUBLISHED
from evalsuite_tasks.rlhf_diversity.task import task


def published(folder: Path) -> list[dict[str, str]]:
    lines = (folder / "noveltybench" / "curated.jsonl").read_text(encoding="utf-8").splitlines()
    return [json.loads(line) for line in lines]


def sentences(text: str) -> set[str]:
    parts = re.split(r"(?<=[.!?])\s+", text.lower())
    return {part.strip() for part in parts if len(part.split()) > 3}


@pytest.mark.published
def test_our_prompts_share_no_sentence_with_the_published_ones(published_data: Path) -> None:
    theirs = published(published_data)
    assert len(theirs) == 100
    taken = set().union(*(sentences(p["prompt"]) for p in theirs))
    taken |= set().union(*(sentences(q) for p in theirs for q in p["prompt_paraphrases"]))
    for unit in task.prompt_set("open"):
        assert not sentences(unit.prompt.text) & taken, unit.id


@pytest.mark.published
def test_the_published_prompts_run_as_a_set_of_the_users(
    published_data: Path, tmp_path: Path
) -> None:
    theirs = published(published_data)
    rows = [{"id": p["id"], "prompt": p["prompt"], "category": p["category"]} for p in theirs]
    (tmp_path / "curated.jsonl").write_text("\n".join(json.dumps(row) for row in rows))
    record = evalsuite.run(
        "rlhf_diversity",
        "fake:text",
        set=str(tmp_path / "curated.jsonl"),
        judges={"embedder": "fake:text-embedder"},
        samples=3,
        out=tmp_path,
    )
    assert record.apparatus.n_units == 100 and record.counts.ok == 300


def copy_of(name: str, path: Path) -> tuple[Unit, ...]:
    return read_published(PUBLISHED[name], name, f":{path}", offline=True)


@pytest.mark.published
def test_novelty_bench_is_a_set_of_the_task_with_its_ids_and_categories(
    published_data: Path,
) -> None:
    theirs = {p["id"]: p for p in published(published_data)}
    units = copy_of("novelty_bench", published_data / "noveltybench" / "curated.jsonl")
    assert len(units) == 100
    assert {u.id: (u.prompt.text, u.stratum) for u in units} == {
        name: (p["prompt"], p["category"]) for name, p in theirs.items()
    }
    assert len({unit.stratum for unit in units}) == 6


@pytest.mark.published
def test_holistic_bias_has_as_many_sentences_as_its_lists_make_by_hand(
    published_data: Path,
) -> None:
    folder = published_data / "holistic_bias"
    # 26 templates, 9 of which must have a noun; 12 female, 11 male and 9 neutral nouns.
    # 583 descriptors, 9 of them female and 8 male; 94 standalone phrases with a noun, 98 without.
    bare_nouns = 32 * 26
    descriptors = 566 * (17 + 32 * 26) + 9 * (17 + 12 * 26) + 8 * (17 + 11 * 26)
    standalone = 94 * 32 * 26 + 98 * 17
    made = list(bias_sentences(read_json_files(folder, FILES)))
    assert len(made) == bare_nouns + descriptors + standalone == 566_625
    # Some descriptors stand in two buckets, and some phrases are equal in both numbers.
    assert len({line.prompt for line in made}) == 563_195
    assert len({line.stratum for line in made}) == 14
    # An, and never a, before a vowel; the two exceptions are marked in the file.
    wrong = [
        line.cluster for line in made if re.search(r"\b(a [aeio]|an [^aeiou])", line.prompt, re.I)
    ]
    assert not wrong, len(wrong)


@pytest.mark.published
def test_a_limited_part_of_holistic_bias_is_spread_over_the_axes(published_data: Path) -> None:
    units = copy_of("holistic_bias", published_data / "holistic_bias")
    assert len(units) == MAX_UNITS
    part = stratified(units, 500)
    shares = {axis: n / len(part) for axis, n in Counter(u.stratum for u in part).items()}
    # Of all sentences: 128,097 are about body type, 16,494 about sexual orientation.
    assert shares["body_type"] == pytest.approx(128_097 / 566_625, abs=0.02)
    assert shares["sexual_orientation"] == pytest.approx(16_494 / 566_625, abs=0.01)
    assert len({unit.cluster for unit in part}) > 250
    assert all(re.fullmatch("p-[0-9a-f]{20}", unit.id) for unit in part)


@pytest.mark.parametrize(
    ("name", "row", "prompt", "stratum"),
    [
        (
            "tldr",
            {
                "id": "t3_a",
                "subreddit": "tifu",
                "title": "A title",
                "post": "A post",
                "summary": "",
            },
            "SUBREDDIT: r/tifu\nTITLE: A title\nPOST: A post\nTL;DR:",
            "tifu",
        ),
        (
            "cnn_dailymail",
            {"id": "f0", "article": "News.", "highlights": "N."},
            "ARTICLE: News.\nTL;DR:",
            "",
        ),
        (
            "alpaca_farm_id",
            {"instruction": "Do.", "input": "This", "output": ""},
            "Do.\n\nThis",
            "",
        ),
        ("alpaca_farm_id", {"instruction": "Do.", "input": " ", "output": ""}, "Do.", ""),
        ("alpaca_farm_id", {"instruction": "Do.", "input": None, "output": ""}, "Do.", ""),
        ("sequential_instructions", {"instruction": "Do.", "dataset": "s"}, "Do.", ""),
        ("novelty_bench", {"id": "curated-0", "prompt": "Why?"}, "Why?", ""),
        ("novelty_bench", {"id": "c", "prompt": "Why?", "category": "C"}, "Why?", "C"),
    ],
)
def test_a_row_becomes_the_prompt_of_the_protocol(
    name: str, row: dict[str, Any], prompt: str, stratum: str, tmp_path: Path
) -> None:
    (tmp_path / "a.jsonl").write_text(json.dumps(row))
    (unit,) = copy_of(name, tmp_path / "a.jsonl")
    assert (unit.prompt.text, unit.stratum, unit.cluster) == (prompt, stratum, unit.id)
    assert unit.id == row["id"] if "id" in row else re.fullmatch("p-[0-9a-f]{20}", unit.id)


def test_only_a_commit_with_a_source_is_pinned_and_every_hub_set_is_read_at_a_commit() -> None:
    pinned = {n: s.commit for n, s in PUBLISHED.items() if isinstance(s, PublishedRows)}
    assert {name for name, commit in pinned.items() if commit} == {"cnn_dailymail"}
    for name, commit in pinned.items():
        with pytest.raises(BadInput, match=commit or "no commit of .* is pinned here"):
            read_published(PUBLISHED[name], name, offline=True)


LISTS: dict[str, Any] = {
    "descriptors.json": {
        "age": {"old": ["old", {"descriptor": "young", "preference": "reviewed"}]},
        "origin": {
            "all": [
                {"descriptor": "ancient", "gender": "female"},
                {"descriptor": "European", "article": "a"},
            ]
        },
    },
    "nouns.json": {"female": [["aunt", "aunts"]], "neutral": [["person", "people"]]},
    "sentence_templates.json": {
        "Hi! I'm {noun_phrase}.": {"first_turn_only": True},
        "I like {plural_noun_phrase}.": {"must_be_noun": True},
    },
    "standalone_noun_phrases.json": {
        "age": [
            "a senior citizen",
            {
                "noun_phrase": "{article} {noun} in their teens",
                "plural_noun_phrase": "{article} {noun} in their teens",
            },
        ]
    },
}


def test_phrases_have_the_right_article_number_and_gender() -> None:
    found = [(p.axis, p.descriptor, p.singular, p.plural, p.has_noun) for p in phrases(LISTS)]
    assert found == [
        ("null", "", "an aunt", "aunts", True),
        ("null", "", "a person", "people", True),
        ("age", "old", "old", "old", False),
        ("age", "old", "an old aunt", "old aunts", True),
        ("age", "old", "an old person", "old people", True),
        ("age", "young", "young", "young", False),
        ("age", "young", "a young aunt", "young aunts", True),
        ("age", "young", "a young person", "young people", True),
        ("origin", "ancient", "ancient", "ancient", False),
        ("origin", "ancient", "an ancient aunt", "ancient aunts", True),
        ("origin", "European", "European", "European", False),
        ("origin", "European", "a European aunt", "European aunts", True),
        ("origin", "European", "a European person", "European people", True),
        ("age", "a senior citizen", "a senior citizen", "a senior citizen", False),
        ("age", "in their teens", "an aunt in their teens", "aunts in their teens", True),
        ("age", "in their teens", "a person in their teens", "people in their teens", True),
    ]


def test_templates_that_must_have_a_noun_take_no_other_phrase() -> None:
    made = {line.prompt: line for line in bias_sentences(LISTS)}
    assert len(made) == 16 + 11
    assert "Hi! I'm old." in made and "I like old." not in made
    assert "I like old people." in made and "Hi! I'm a senior citizen." in made
    assert made["Hi! I'm an old aunt."].stratum == "age"
    assert made["Hi! I'm an old aunt."].cluster == made["I like old people."].cluster
    assert made["Hi! I'm old."].cluster != made["Hi! I'm young."].cluster
    assert not any("old" in (line.cluster or "") for line in made.values())


def changed(change: Callable[[dict[str, Any]], object]) -> dict[str, Any]:
    copy = json.loads(json.dumps(LISTS))
    change(copy)
    return dict(copy)


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        (lambda f: f.update({"nouns.json": [1]}), "nouns.json: value: "),
        (lambda f: f["nouns.json"].update(male=[["man"]]), "nouns.json: male.0"),
        (lambda f: f["nouns.json"].update(male=[["man", 7]]), "nouns.json: male.0.1"),
        (lambda f: f["descriptors.json"].update(age=["slur"]), "descriptors.json: age"),
        (
            lambda f: f["descriptors.json"]["age"].update(old=[{"descriptor": "slur", "new": 1}]),
            "descriptors.json: age.old.0",
        ),
        (
            lambda f: f["standalone_noun_phrases.json"].update(
                age=[{"plural_noun_phrase": "slur"}]
            ),
            "standalone_noun_phrases.json: age.0",
        ),
        (
            lambda f: f["sentence_templates.json"].update({"I am {x}.": {}}),
            "'I am {x}.' must have one blank",
        ),
        (
            lambda f: f["sentence_templates.json"].update({"{noun_phrase.__class__}": {}}),
            "must have one blank",
        ),
        (
            lambda f: f["sentence_templates.json"].update({"{noun_phrase}": {"must_be_noun": "y"}}),
            "sentence_templates.json: {noun_phrase}.must_be_noun",
        ),
    ],
    ids=range(9),
)
def test_lists_of_another_form_are_bad_input_that_repeats_no_term(
    change: Callable[[dict[str, Any]], object], problem: str
) -> None:
    with pytest.raises(BadInput, match=re.escape(problem)) as caught:
        list(bias_sentences(changed(change)))
    assert "slur" not in str(caught.value)
