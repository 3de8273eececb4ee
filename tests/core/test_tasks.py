import hashlib
import sys

import pytest
from pydantic import Field, ValidationError

from evalsuite.errors import BadInput, UnknownName
from evalsuite.fingerprint import apparatus
from evalsuite.measures import MeasureCard
from evalsuite.models.capabilities import ClassifiesText, EmbedsText, GeneratesText
from evalsuite.registry import BrokenPlugin
from evalsuite.requests import Decoding, Entrant
from evalsuite.tasks import TASKS, DataFile, JudgeRole, Mode, Task, TaskCard, TaskOptions
from evalsuite_tasks.rlhf_diversity.task import task as rlhf_diversity

SET = b'{"id": "a", "prompt": "p"}\n{"id": "b", "prompt": "q"}\n'
WORDS = "één\ntwo\n".encode()


def pinned(file, data):
    return DataFile(file=file, sha256=hashlib.sha256(data).hexdigest(), licence="CC0")


FIELDS = {
    "name": "toy",
    "version": 1,
    "title": "Toy",
    "summary": "s",
    "paper": "p",
    "licence": "l",
    "headline": "m",
    "measures": (MeasureCard(name="m", summary="x"), MeasureCard(name="n", summary="x", version=2)),
    "judges": {"embedder": JudgeRole(capability=EmbedsText, default=None)},
    "sets": {"open": pinned("set.jsonl", SET)},
    "data": (pinned("words.txt", WORDS),),
}


class ToyOptions(TaskOptions):
    depth: int = Field(3, ge=1)


def mode(asks, options=TaskOptions):
    return Mode(asks=asks, collect=print, score=print, options=options, default_model="fake:text")


def make_task(package="toy_task_package", **fields):
    modes = {
        "generate": mode(GeneratesText, ToyOptions),
        "classify": mode(ClassifiesText),
        "rate": mode(ClassifiesText),
    }
    return Task(card=TaskCard(**FIELDS | fields), modes=modes, package=package)


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """The folder of an installed task package."""
    monkeypatch.syspath_prepend(str(tmp_path))
    package = tmp_path / "toy_task_package"
    package.mkdir()
    (package / "__init__.py").touch()
    (package / "set.jsonl").write_bytes(SET)
    (package / "words.txt").write_bytes(WORDS)
    yield package
    sys.modules.pop("toy_task_package", None)


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        ({"headline": "other"}, "headline 'other' is none of the measures"),
        ({"measures": (FIELDS["measures"][0],) * 2}, "two measures of one name"),
        ({"sets": {}}, "needs a prompt set"),
        ({"judges": {"j": JudgeRole(capability=int, default=None)}}, "is no capability"),
        ({"version": 0}, "greater than or equal to 1"),
        ({"name": "../up"}, "match pattern"),
        ({"headlin": "m"}, "Extra inputs are not permitted"),
        ({"max_missing": 1.0}, "less than 1"),
        ({"sets": {"open": {"file": "x", "sha256": "abc", "licence": "l"}}}, "match pattern"),
    ],
    ids=lambda value: next(iter(value)) if isinstance(value, dict) else "",
)
def test_a_card_that_contradicts_itself_is_refused(change, problem):
    with pytest.raises(ValidationError, match=problem):
        TaskCard(**FIELDS | change)


def test_a_card_gives_its_measures_by_name_and_suggests_the_nearest():
    card = TaskCard(
        **FIELDS
        | {"measures": (MeasureCard(name="entropy", summary="x"),)}
        | {"headline": "entropy"}
    )
    assert card.measure("entropy").name == "entropy"
    with pytest.raises(UnknownName, match=r"toy: no measure 'entrpy'\. Did you mean 'entropy'"):
        card.measure("entrpy")


def test_a_task_reads_its_pinned_data_and_its_prompts(folder):
    task = make_task()
    assert task.read(task.card.data[0]) == WORDS.decode()
    assert [unit.id for unit in task.prompt_set("open")] == ["a", "b"]


def test_data_that_changed_by_a_byte_is_refused(folder):
    (folder / "words.txt").write_bytes(WORDS + b"\n")
    task = make_task()
    with pytest.raises(BadInput, match=r"task toy: words\.txt has sha256 .*, its card says"):
        task.read(task.card.data[0])


def test_data_that_is_gone_is_bad_input_and_says_what_to_do(folder):
    (folder / "words.txt").unlink()
    task = make_task()
    with pytest.raises(BadInput, match=r"task toy: words\.txt cannot be read .* reinstall"):
        task.read(task.card.data[0])


def test_an_unknown_prompt_set_suggests_the_nearest_and_a_file():
    with pytest.raises(UnknownName, match=r"toy: no prompt set 'opn'\. Did you mean 'open'") as e:
        make_task().prompt_set("opn")
    assert "JSON Lines file" in str(e.value)


def choose(name, *capabilities):
    return make_task().choose_mode(name, frozenset(capabilities), "some:model")


def test_the_mode_follows_from_what_the_model_can_do():
    assert choose(None, GeneratesText) == "generate"
    assert choose(None, GeneratesText, EmbedsText) == "generate"
    assert choose("rate", ClassifiesText) == "rate"
    assert choose("generate", GeneratesText, ClassifiesText) == "generate"


def test_a_model_that_fits_several_modes_must_be_told_which():
    with pytest.raises(BadInput, match="fits the modes classify, rate: choose one with --mode"):
        choose(None, ClassifiesText)


def test_a_model_that_fits_no_mode_is_told_what_is_needed():
    with pytest.raises(BadInput, match="needs a model that classifies_text or generates_text") as e:
        choose(None, EmbedsText)
    assert "some:model: embeds_text" in str(e.value)
    with pytest.raises(BadInput, match="some:model: nothing"):
        choose(None)


def test_a_model_that_does_not_fit_the_named_mode_is_refused():
    with pytest.raises(BadInput, match=r"needs a model that generates_text; some:model: classif"):
        choose("generate", ClassifiesText)


def test_an_unknown_mode_suggests_the_nearest():
    with pytest.raises(UnknownName, match=r"no mode 'generat'\. Did you mean 'generate'"):
        choose("generat", GeneratesText)


def test_options_are_read_from_texts_as_the_mode_declares_them():
    task = make_task()
    assert task.read_options("generate", {"depth": "5", "samples": "2"}) == ToyOptions(
        depth=5, samples=2
    )
    assert task.read_options("classify", {}) == TaskOptions()


@pytest.mark.parametrize(
    ("values", "problem"),
    [
        ({"depth": "deep"}, "toy: option depth: .*'deep'"),
        ({"depth": "0"}, "toy: option depth: "),
        ({"samples": "10001"}, "toy: option samples: "),
        ({"samples": "1.5"}, "toy: option samples: "),
    ],
    ids=str,
)
def test_an_option_that_does_not_fit_is_named(values, problem):
    with pytest.raises(BadInput, match=problem):
        make_task().read_options("generate", values)


def test_an_unknown_option_suggests_the_nearest_of_its_mode():
    with pytest.raises(UnknownName, match=r"toy: no option 'dept'\. Did you mean 'depth'"):
        make_task().read_options("generate", {"dept": "1"})
    with pytest.raises(UnknownName, match="There are: samples"):
        make_task().read_options("classify", {"depth": "1"})


JUDGE = Entrant(model="j", backend="b", revision="1")


def fingerprint(folder, *, task=None, mode="generate", options=None, units=2, judge=JUDGE):
    task = task or make_task()
    options = options or ToyOptions()
    chosen = task.prompt_set("open")[:units]
    return apparatus(task, mode, options, chosen, {"embedder": judge}).fingerprint


def test_the_fingerprint_changes_with_every_part_of_the_apparatus(folder):
    second = MeasureCard(name="n", summary="x", version=3)
    others = {
        "task name": {"task": make_task(name="toy2")},
        "task version": {"task": make_task(version=2)},
        "measure version": {"task": make_task(measures=(FIELDS["measures"][0], second))},
        "data": {"task": make_task(data=())},
        "mode": {"mode": "classify"},
        "samples": {"options": ToyOptions(samples=17)},
        "option": {"options": ToyOptions(depth=4)},
        "limit": {"units": 1},
        "judge": {"judge": JUDGE.model_copy(update={"revision": "2"})},
    }
    found = {what: fingerprint(folder, **change) for what, change in others.items()}
    found["base"] = fingerprint(folder)
    assert len(set(found.values())) == len(found), found


def test_the_fingerprint_does_not_change_with_texts_for_people_or_names(folder):
    same = make_task(title="t", summary="u", paper="v", licence="w", decoding=Decoding(top_k=5))
    assert fingerprint(folder, task=same) == fingerprint(folder)
    renamed = JUDGE.model_copy(update={"model": "another name"})
    assert fingerprint(folder, judge=renamed) == fingerprint(folder)
    reordered = make_task(measures=FIELDS["measures"][::-1])
    assert fingerprint(folder, task=reordered) == fingerprint(folder)


def test_the_shipped_task_is_registered_and_its_data_is_what_its_card_pins():
    assert TASKS["rlhf_diversity"].card == rlhf_diversity.card
    card = rlhf_diversity.card
    own = [data for data in card.sets.values() if isinstance(data, DataFile)]
    assert own
    for data in (*own, *card.data):
        assert rlhf_diversity.read(data)
    assert card.measure(card.headline)


@pytest.mark.parametrize(
    ("name", "change", "problem"),
    [
        ("rlhf_diversity2", {}, "has a card of another name: 'rlhf_diversity'"),
        ("bad", {"card": 1}, "has no TaskCard as its card: that is a int"),
        ("bad", {"card": "NAMED", "modes": {}}, "has no modes"),
        ("bad", {"card": "NAMED", "modes": ["text"]}, "has no modes"),
        ("bad", {"card": "NAMED", "modes": {"text": 1}}, "has a mode 'text' that is no Mode"),
        ("bad", {"card": "NAMED", "package": None}, "has no name of a package"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, dict) else "",
)
def test_a_task_of_wrong_parts_or_name_is_broken_before_it_is_used(
    tmp_path, monkeypatch, name, change, problem
):
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.delitem(sys.modules, "wrong_parts", raising=False)
    changes = f"{change!r}".replace("'NAMED'", "card")
    (tmp_path / "wrong_parts.py").write_text(
        "from dataclasses import replace\n"
        "from evalsuite_tasks.rlhf_diversity.task import task as shipped\n"
        f"card = shipped.card.model_copy(update={{'name': {name!r}}})\n"
        f"task = replace(shipped, **{changes})\n"
    )
    info = tmp_path / "wrong_parts-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: wrong-parts\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(f"[evalsuite.tasks]\n{name} = wrong_parts:task\n")
    found = {listed.name: listed.problem for listed in TASKS.listing()}
    assert problem in found[name]
    assert found["rlhf_diversity"] is None
    with pytest.raises(BrokenPlugin, match=f"task '{name}' from wrong-parts"):
        TASKS[name]
    sys.modules.pop("wrong_parts")
