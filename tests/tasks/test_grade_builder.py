"""A text model builds GRADE concepts; what goes wrong is named, and nothing is asked twice."""

import json
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from evalsuite import cli_build
from evalsuite.building import SavedSet, build_set, read_items
from evalsuite.errors import BadInput
from evalsuite_tasks.grade.concept_ids import concept_ids
from evalsuite_tasks.grade.concepts import read_concepts, units_of
from tests.spine.runs import evalsuite
from tests.tasks.scripted_text import install

ROOT = Path(__file__).parents[2]
Script = list[tuple[str, Any]]

CAPTIONS = '["a kite in a park.", "a kite on a beach.", "a kite over a field."]'
UNUSUAL = "Sure!\n['a kite in a bank', 'a kite on a ferry.', 'a kite in a cinema.']"
QUESTIONS = "1. What shape is the kite?\n2. Has the kite a tail?\n3. What holds the kite?"


def kite(**changes: Any) -> Script:
    """The script of a concept that can be built, with other answers to some of the questions."""
    answers = {
        "common": CAPTIONS,
        "uncommon": UNUSUAL,
        "questions": QUESTIONS,
        "shape": '["Diamond", "box", "diamond"]',
        "shape_at_sea": '["bird", "none of the above"]',
        "tail": "{'yes', 'no'}",
        "holder": "[]",
        "keep_shape": '["diamond", "bird"]',
        "keep_tail": '["no", "yes"]',
        "keep_holder": "[]",
    } | changes
    needles = {
        "keep_shape": "a kite and asked: What shape",
        "keep_tail": "a kite and asked: Has the kite a tail?",
        "keep_holder": "a kite and asked: What holds",
        "common": "a kite in another place, where anybody",
        "uncommon": "a kite in another place, where nobody",
        "questions": "two pictures of a kite differ",
        "shape_at_sea": 'a kite on a beach.". It is not known what else it shows. Somebody will be '
        "asked: What shape",
        "shape": "asked: What shape is the kite?\nList",
        "tail": "asked: Has the kite a tail?\nList",
        "holder": "asked: What holds the kite?\nList",
    }
    return [(needles[name], answers[name]) for name in needles]


def of_another(script: Script, concept: str) -> Script:
    """The same script for another concept."""
    return json.loads(json.dumps(script).replace("a kite", f"a {concept}").replace(
        "the kite", f"the {concept}"))  # fmt: skip


@pytest.fixture
def build(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., SavedSet]:
    """Builds with a scripted model; the prompts that it was asked stand in ``asked``."""
    monkeypatch.syspath_prepend(str(install(tmp_path / "site")))

    def call(script: Script, *items: str) -> SavedSet:
        (tmp_path / "script.json").write_text(json.dumps(script))
        return build_set(
            "builds",
            f"scripted:{tmp_path / 'script.json'}",
            items=items or ("a kite",),
            out=tmp_path / "set.jsonl",
        )

    return call


def asked(folder: Path) -> list[str]:
    file = folder / "asked"
    return [json.loads(line) for line in file.read_text().splitlines()] if file.exists() else []


def test_four_stages_give_a_line_that_the_task_reads(build, tmp_path):
    found = build(kite())
    assert found.file == tmp_path / "set.jsonl"
    (concept,) = read_concepts(found.file.read_text(), source="set.jsonl")
    assert (concept.id, concept.name) == ("kite", "a kite")
    assert [prompt.text for prompt in concept.prompts] == [
        "a kite in a park.", "a kite on a beach.", "a kite over a field.",
        "a kite in a bank.", "a kite on a ferry.", "a kite in a cinema.",
    ]  # fmt: skip
    assert [(a.question, a.values) for a in concept.attributes] == [
        ("What shape is the kite?", ("diamond", "bird")),
        ("Has the kite a tail?", ("yes", "no")),
    ]
    assert len(units_of([concept])) == 6


def test_the_last_stage_is_offered_all_values_once_and_none_that_says_none(build, tmp_path):
    build(kite())
    (offer,) = [p for p in asked(tmp_path) if "a kite and asked: What shape" in p]
    assert 'one of these answers: ["diamond", "box", "bird"]\n' in offer


def test_a_question_without_values_is_dropped_and_noted_and_not_asked_about_again(build, tmp_path):
    found = build(kite())
    assert found.built.built == ("a kite",)
    assert [str(note) for note in found.built.notes] == [
        "a kite (filter): dropped, with no answer left: 'What holds the kite?'"
    ]
    assert not [p for p in asked(tmp_path) if "a kite and asked: What holds" in p]


def test_a_question_with_one_value_left_is_dropped_and_noted(build):
    found = build(kite(keep_shape='["bird"]'))
    assert "dropped, with one answer left: 'What shape is the kite?'" in str(found.built.notes[0])
    assert found.built.built == ("a kite",)


@pytest.mark.parametrize(
    ("change", "stage", "why"),
    [
        ({"common": "a park"}, "prompts", "no list in 'a park'"),
        ({"uncommon": '["a kite in a bank."]'}, "prompts", "1 captions, not 3"),
        ({"uncommon": CAPTIONS}, "prompts", "is both common and uncommon"),
        ({"common": "a", "uncommon": "b"}, "prompts", "no list in 'a'; and 1 more answer"),
        ({"questions": "What shape?"}, "attributes", "no numbered question"),
        ({"questions": QUESTIONS + "\n4. A\n"}, "attributes", "is no question"),
        ({"shape": "diamond"}, "values", "no list in 'diamond'; and 4 more answers"),
        ({"tail": {"cut": '["yes", "no"]'}}, "values", "was cut after 512 tokens"),
        ({"keep_tail": "yes"}, "filter", "no list in 'yes'"),
        ({"keep_shape": '["diamond", "round"]'}, "filter", "'round' is none of the values"),
        ({"keep_shape": "[]", "keep_tail": "[]"}, "filter", "no question is left"),
        ({"common": {"status": "refused", "message": "no kites"}}, "prompts", "refused: no kites"),
        ({"keep_tail": {"status": "error", "message": "boom"}}, "filter", "error: boom"),
    ],
)
def test_what_cannot_be_read_is_named_with_its_concept_and_stage(build, change, stage, why):
    found = build(kite(**change))
    (failure,) = found.built.failures
    assert (failure.item, failure.stage) == ("a kite", stage)
    assert why in failure.why
    assert not found.built.lines


def test_a_concept_that_fails_leaves_the_others_in_the_file(build, tmp_path):
    script = kite() + of_another(kite(questions="none"), "drone")
    found = build(script, "a drone", "a kite")
    assert found.built.built == ("a kite",)
    assert [failure.item for failure in found.built.failures] == ["a drone"]
    assert len((tmp_path / "set.jsonl").read_text().splitlines()) == 1


def test_a_concept_that_failed_is_not_asked_about_at_later_stages(build, tmp_path):
    build(kite(uncommon="no"))
    assert len(asked(tmp_path)) == 2


def test_lines_stand_in_the_order_of_the_concepts_and_do_not_depend_on_each_other(build):
    script = kite() + of_another(kite(), "drone")
    both = build(script, "a drone", "a kite").built
    assert both.built == ("a drone", "a kite")
    assert build(script, "a kite").built.lines == both.lines[1:]


def test_an_answer_that_is_there_is_not_asked_for_again(build, tmp_path):
    first = build(kite())
    n_asked = len(asked(tmp_path))
    second = build(kite())
    assert len(asked(tmp_path)) == n_asked == first.n_requests == second.n_cached
    assert second.built == first.built


def test_an_unreadable_answer_is_not_asked_for_again_but_an_error_is(build, tmp_path):
    for answer, more in (("unreadable", 0), ({"status": "error", "message": "boom"}, 1)):
        build(kite(common=answer))
        n_asked = len(asked(tmp_path))
        build(kite(common=answer))
        assert len(asked(tmp_path)) == n_asked + more


def test_without_a_concept_that_was_built_no_file_is_written_and_an_old_one_stays(build, tmp_path):
    old = build(kite()).file.read_bytes()
    found = build(kite(common="unreadable"))
    assert found.file is None
    assert (tmp_path / "set.jsonl").read_bytes() == old


@pytest.mark.parametrize(
    ("names", "why"),
    [
        ((), "no concept to build"),
        (("",), "is blank"),
        (("a kite", "kite"), "would have one id, 'kite'"),
        (("a kite", "a Kite!"), "would have one id"),
        ((" a kite",), "no blank at its ends"),
        (("a\nkite",), "control character"),
        (("凧",), "Latin letter"),
        (("a " + "k" * 120,), "up to 100 characters"),
    ],
)
def test_a_name_that_is_not_fit_for_a_prompt_is_refused(names, why):
    with pytest.raises(BadInput, match=why):
        concept_ids(names)


def test_a_model_that_writes_no_text_or_has_all_its_answers_already_is_refused(build, tmp_path):
    (tmp_path / "answers.jsonl").write_text('{"prompt": "p", "text": "o"}\n')
    for model, why in (
        ("fake:text-embedder", "needs a model that generates_text"),
        (f"outputs:{tmp_path / 'answers.jsonl'}", "its answers stand in a file"),
    ):
        with pytest.raises(BadInput, match=why):
            build_set("builds", model, items=("a kite",), out=tmp_path / "set.jsonl")


def test_a_task_that_builds_no_sets_says_so(build, tmp_path):
    with pytest.raises(BadInput, match=r"task vendi builds no sets; those that do: .*builds"):
        build_set("vendi", "fake:text", items=("a kite",), out=tmp_path / "set.jsonl")


def test_noise_from_a_fake_model_fails_every_concept_by_name(build, tmp_path):
    found = build_set("builds", "fake:text", items=("a kite", "a drone"), out=tmp_path / "s.jsonl")
    assert [failure.item for failure in found.built.failures] == ["a kite", "a drone"]
    assert {failure.stage for failure in found.built.failures} == {"prompts"}


def test_concepts_are_read_from_a_file_one_a_line(tmp_path):
    file = tmp_path / "concepts.txt"
    file.write_bytes("\ufeffa kite\r\n\r\n  crème brûlée \n".encode())
    assert read_items(file) == ("a kite", "crème brûlée")
    for data, why in ((b"\n \n", "names nothing"), (b"\xff", "not UTF-8")):
        file.write_bytes(data)
        with pytest.raises(BadInput, match=why):
            read_items(file)
    with pytest.raises(BadInput, match="cannot be read"):
        read_items(tmp_path / "absent")


def test_the_command_says_what_was_built_and_what_was_dropped(build, tmp_path, capsys):
    build(kite())
    cli_build.build(
        "builds",
        model=f"scripted:{tmp_path / 'script.json'}",
        out=tmp_path / "set.jsonl",
        concept=["a kite"],
    )
    said = capsys.readouterr()
    assert said.out.startswith("1 of 1 built, 23 answers (23 from the store): ")
    assert "a kite (filter): dropped, with no answer left" in said.err


def test_the_command_takes_concepts_either_from_a_file_or_by_name(tmp_path):
    for given in ({}, {"concept": ["a kite"], "concepts": tmp_path / "concepts.txt"}):
        with pytest.raises(BadInput, match="either by --concepts FILE or by --concept NAME"):
            cli_build.build("builds", model="fake:text", out=tmp_path / "set.jsonl", **given)


def test_the_command_names_what_failed_and_ends_with_4(tmp_path):
    (tmp_path / "concepts.txt").write_text("a kite\na drone\n")
    script = kite() + of_another(kite(common="[]"), "drone")
    (tmp_path / "script.json").write_text(json.dumps(script))
    words = ("builds", "--model", "scripted:script.json", "--out", "set.jsonl")
    path = os.pathsep.join([str(install(tmp_path / "site")), str(ROOT), *sys.path])
    done = evalsuite(
        "build", *words, "--concepts", "concepts.txt", "--json", cwd=tmp_path, PYTHONPATH=path
    )
    assert done.returncode == 4, done.stderr
    value = json.loads(done.stdout)
    assert value["built"] == ["a kite"]
    assert value["failures"] == [
        {"item": "a drone", "stage": "prompts", "why": "0 captions, not 3"}
    ]
    assert "1 of 2 are left out: a drone (prompts): 0 captions, not 3" in done.stderr
    (concept,) = read_concepts((tmp_path / "set.jsonl").read_text(), source="set.jsonl")
    assert concept.name == "a kite"
