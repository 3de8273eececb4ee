"""Images are generated, judged, recorded and verified; nothing is lost and nothing is made up."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from evalsuite.comparing.answer_vectors import answer_vectors
from evalsuite.comparing.trimming import usable_samples
from evalsuite.record import load_record
from evalsuite.responses_file import ResponsesFile
from evalsuite.verification import verify
from tests.spine import portraits
from tests.spine.portraits import NAME, install, installed_here, record_apart, run_apart, words
from tests.spine.records import Ran, command, refusal
from tests.spine.runs import times_answered
from tests.spine.test_verification import reseal, rewrite

SAMPLES = 6
N_IMAGES = 3 * SAMPLES
N_QUESTIONS = 5 * SAMPLES
SIZE = ("--samples", f"{SAMPLES}")
# Packs of a few requests: there is a middle to die in.
SLICED = "fake:images?batch_tokens=6"


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return install(tmp_path_factory.mktemp("site"))


@pytest.fixture(autouse=True)
def known(site: Path) -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        installed_here(patch, site)
        yield


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory, site: Path) -> Path:
    """The folder of a record of the task, on fakes; the store is gone."""
    place = tmp_path_factory.mktemp("made")
    with pytest.MonkeyPatch.context() as patch:
        installed_here(patch, site)
        patch.setenv("EVALSUITE_HOME", str(place / "home"))
        patch.chdir(place)
        record = printed(command(*words(SLICED, *SIZE, "--json")))
    assert record["complete"]
    shutil.rmtree(place / "home")
    return next((place / "results").rglob("record.json")).parent


def printed(ran: Ran) -> dict[str, Any]:
    assert ran.code == 0, ran.err
    value: dict[str, Any] = json.loads(ran.out)
    return value


def recorded(folder: Path) -> ResponsesFile:
    record = load_record(folder)
    entrants = {role: judge.entrant for role, judge in record.judges.items()}
    return ResponsesFile(folder / "responses.parquet", entrants | {"model": record.entrant})


def test_every_image_is_asked_every_question_of_its_unit_and_its_own_sha256(made):
    tables = recorded(made).tables
    images = {(r.unit.id, r.index): r.image_sha256 for r in tables["images"].rows}
    assert len(set(images.values())) == N_IMAGES and all(len(s) == 64 for s in images.values())
    rows = tables["answers"].rows
    assert len(rows) == N_QUESTIONS
    assert [r.topic for r in rows[:2]] == ["hat", "tone"]  # Canonical JSON sorts names.
    for row in rows:
        assert row.request.prompt.parts[0].sha256 == images[row.unit.id, row.index]
        assert (row.scores is None) == (row.topic == "hat") == (row.text is not None)
    for name in ("vectors", "presentations", "captions", "caption_vectors"):
        assert [r.status for r in tables[name].rows] == ["ok"] * N_IMAGES


def test_a_record_of_images_verifies_without_them(made, tmp_path):
    copy = Path(shutil.copytree(made, tmp_path / "elsewhere"))
    assert verify(copy).problems == ()
    columns = pq.read_schema(copy / "responses.parquet").names
    assert "image" not in columns and {"image_sha256", "topic", "details"} <= set(columns)
    assert load_record(copy).entrant.decoding is None


def test_the_vectors_of_images_are_found_as_those_of_the_answers(made):
    found = answer_vectors(recorded(made).tables, "x")
    assert (found.name, len(found.by_unit())) == ("vectors", 3)


def test_other_pack_sizes_give_the_same_record(made, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    judges = [word + "?batch_tokens=1" if word == "vqa=fake:vqa" else word for word in
              words("fake:images?batch_tokens=1", *SIZE, "--json")]  # fmt: skip
    assert printed(command(*judges))["hash"] == load_record(made).hash


def test_a_model_that_dies_in_the_middle_is_resumed(made, tmp_path, site):
    log = tmp_path / "log"
    died = run_apart(site, f"{SLICED}&die=8&log={log}", *SIZE, cwd=tmp_path)
    assert died.returncode == 137
    record = record_apart(site, f"{SLICED}&log={log}", *SIZE, cwd=tmp_path)
    assert record["hash"] == load_record(made).hash
    counts = times_answered(log)
    assert len(counts) == N_IMAGES and sum(counts.values()) <= N_IMAGES + 3
    assert record["provenance"]["cached"]["model"] >= 5


def test_a_judge_that_dies_in_the_middle_is_resumed(made, tmp_path, site, monkeypatch):
    judge = "vqa=fake:vqa?batch_tokens=8"
    monkeypatch.setattr(
        portraits, "JUDGES", tuple(judge + "&die=11" if j.startswith("vqa") else j for j in
                                   portraits.JUDGES)
    )  # fmt: skip
    assert run_apart(site, SLICED, *SIZE, cwd=tmp_path).returncode == 137
    monkeypatch.undo()
    monkeypatch.setenv("EVALSUITE_HOME", str(tmp_path / "home"))
    record = record_apart(site, SLICED, *SIZE, cwd=tmp_path)
    assert record["hash"] == load_record(made).hash
    cached = record["provenance"]["cached"]
    assert cached["model"] == N_IMAGES and 0 < cached["vqa"] < N_QUESTIONS


def test_a_corrupt_shard_of_images_is_drawn_again_and_the_answers_stay_valid(
    made, tmp_path, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    printed(command(*words(SLICED, *SIZE, "--json")))
    shards = sorted((tmp_path / "home/store/generates_images").rglob("*.parquet"))
    raw = bytearray(shards[0].read_bytes())
    raw[len(raw) // 2] ^= 1
    shards[0].write_bytes(raw)
    record = printed(command(*words(SLICED, *SIZE, "--json")))
    assert record["hash"] == load_record(made).hash
    assert record["provenance"]["cached"]["model"] < N_IMAGES
    assert record["provenance"]["cached"]["vqa"] == N_QUESTIONS


def test_blank_images_are_missing_and_nothing_is_asked_about_them(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    record = printed(command(*words("fake:images?blank=0.3", *SIZE, "--json")))
    counts = record["counts"]
    n_blank = counts["missing"]["filtered"]
    assert 0 < n_blank < N_IMAGES and counts["ok"] == N_IMAGES - n_blank
    folder = next((tmp_path / "results").rglob("record.json")).parent
    assert verify(folder).problems == ()
    tables = recorded(folder).tables
    blank = {(r.unit.id, r.index) for r in tables["images"].rows if r.status == "filtered"}
    asked = {(r.unit.id, r.index) for r in tables["answers"].rows if r.request is not None}
    assert len(blank) == n_blank and not blank & asked
    assert {r.status for r in tables["answers"].rows if r.request is None} == {"unasked"}
    assert len(tables["answers"].rows) == N_QUESTIONS
    usable = {(unit, i) for (unit, _), own in usable_samples(tables).items() for i in own}
    assert usable == asked


def test_a_dry_run_counts_images_and_bounds_the_questions(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    calls = printed(command(*words("fake:images", *SIZE, "--dry-run", "--json")))["calls"]
    found = {c["capability"]: (c["n_low"], c["n_high"]) for c in calls}
    assert found["generates_images"] == (N_IMAGES, N_IMAGES)
    assert found["answers_visual_questions"] == (0, N_QUESTIONS)
    assert found["embeds_images"] == found["captions_images"] == (0, N_IMAGES)


def test_without_judges_the_measures_are_missing_with_what_supplies_them(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    record = printed(command("run", NAME, "--model", "fake:images", *SIZE, "--json"))
    for estimate in record["estimates"]:
        assert estimate["estimate"]["estimate"] is None
        assert "--judge" in estimate["estimate"]["warnings"][0]
    folder = next((tmp_path / "results").rglob("record.json")).parent
    assert verify(folder).problems == ()


def test_replicates_limits_and_comparisons_work_on_images(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    more = (*SIZE, "--replicates", "2", "--limit", "2", "--json")
    for name, model in (("a", "fake:images"), ("b", "fake:images?blank=0.2")):
        printed(command(*words(model, *more, "--out", name)))
        folder = next((tmp_path / name / "results").rglob("record.json")).parent
        assert verify(folder).problems == ()
        images = recorded(folder).tables["images"].rows
        assert len(images) == 2 * 2 * SAMPLES
        assert {r.request.seed for r in images} == {0, 1}
    for measure in ("tones", "spread"):
        ran = command("compare", "a", "b", "--measure", measure, "--json")
        assert ran.code == 0, ran.err
        (pair,) = json.loads(ran.out)["pairs"]
        assert pair["difference"]["estimate"] is not None


def test_a_users_set_is_read_by_the_task(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    line = {"id": "x1", "prompt": "a cook", "questions": {"tone": ["pale", "dark"]}}
    Path("mine.jsonl").write_text(json.dumps(line))
    Path("plain.jsonl").write_text('{"id": "x1", "prompt": "a cook"}')
    record = printed(command(*words("fake:images", *SIZE, "--set", "mine.jsonl", "--json")))
    assert record["apparatus"]["n_units"] == 1
    said = refusal(*words("fake:images", "--set", "plain.jsonl"))
    assert "no line of a portrait set" in said


def test_a_decoding_is_refused_where_nothing_is_decoded(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    said = refusal(*words("fake:images?temperature=0.5", *SIZE))
    assert "temperature cannot be chosen for a model that generates_images" in said


def test_details_stand_in_the_fingerprint(made, tmp_path):
    copy = Path(shutil.copytree(made, tmp_path / "copy"))

    def forge(rows: list[dict[str, Any]]) -> None:
        rows[0]["details"] = rows[0]["details"].replace("pale", "fair")

    reseal(copy, forge)
    assert any("prompts_sha256" in problem for problem in verify(copy).problems)


def drop_an_image(rows: list[dict[str, Any]]) -> None:
    row = next(r for r in rows if r["table"] == "images")
    row["image_sha256"] = None


def swap_images(rows: list[dict[str, Any]]) -> None:
    one, other = (r for r in rows if r["table"] == "images" and r["index"] in {0, 1}
                  and r["unit"] == "baker")  # fmt: skip
    one["image_sha256"], other["image_sha256"] = other["image_sha256"], one["image_sha256"]


def rename_a_topic(rows: list[dict[str, Any]]) -> None:
    next(r for r in rows if r["topic"] == "tone")["topic"] = "shade"


def leave_out_a_tone(rows: list[dict[str, Any]]) -> None:
    rows.remove(next(r for r in rows if r["topic"] == "tone"))


def draw_with_another_seed(rows: list[dict[str, Any]]) -> None:
    next(r for r in rows if r["table"] == "images")["seed"] = 9


@pytest.mark.parametrize(
    ("forge", "said"),
    [
        (drop_an_image, "an answer of generates_images with no image_sha256"),
        (swap_images, "asks about an image that is not of this sample"),
        (rename_a_topic, "is not what the task asks there"),
        (leave_out_a_tone, "is not what the task asks there"),
        (draw_with_another_seed, "its key does not follow"),
    ],
    ids=lambda value: getattr(value, "__name__", ""),
)
def test_forged_rows_of_images_are_found_under_fitting_checksums(made, tmp_path, forge, said):
    copy = Path(shutil.copytree(made, tmp_path / "copy"))
    reseal(copy, forge)
    rewrite(copy)
    problems = verify(copy).problems
    assert any(said in problem for problem in problems), problems


MEMORY = """
import resource, sys
import numpy as np
from evalsuite.asking import Asker, Room
from evalsuite.engine.local import LocalEngine
from evalsuite.images import png_bytes
from evalsuite.models import fake
from evalsuite.models.backends import open_model
from evalsuite.models.capabilities import AnswersVisualQuestions, GeneratesImages
from evalsuite.progress import Silent
from evalsuite.prompts import Unit
from evalsuite.questions import about_images
from evalsuite.requests import Decoding, Prompt
from evalsuite.settings import settings
from evalsuite.store import Store

# Noise, which no encoding makes small: about 49 KB an image.
def noise(key, side):
    rng = np.random.default_rng(np.frombuffer(key, np.uint32))
    return png_bytes(rng.integers(0, 256, (side, side, 3), np.uint8))

fake.draw_png, n_images, many = noise, int(sys.argv[1]), "batch_tokens=100"
room = Room(Store(settings().home), LocalEngine("cpu"), Silent(), 0, 1, False)
def asker(role, name, capability):
    return Asker(role, open_model(name, settings(), ()), capability, Decoding(), room)
units = [Unit(id=f"u{i}", cluster=f"u{i}", prompt=Prompt.of_text(f"unit {i}"))
         for i in range(n_images // 20)]
images = asker("model", f"fake:images?side=128&{many}", GeneratesImages).generate_images(
    units, samples=20)
def questions(row):
    return [(f"q{i}", f"question {i}?", ("yes", "no")) for i in range(3)]
judge = asker("vqa", f"fake:vqa?{many}", AnswersVisualQuestions)
answers = judge.answer(about_images(images, questions))
assert sum(row.scores is not None for row in answers.rows) == 3 * n_images
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024)
"""


@pytest.mark.slow
def test_images_are_never_all_in_memory(tmp_path):
    peaks = {}
    for n in (200, 2000):
        ran = subprocess.run(
            [sys.executable, "-c", MEMORY, f"{n}"],
            env=os.environ | {"EVALSUITE_HOME": str(tmp_path / f"{n}")},
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
        )
        assert ran.returncode == 0, ran.stderr
        peaks[n] = int(ran.stdout)
    # 88 MB of images more; the rows of 8,000 answers take a part of what is allowed.
    assert peaks[2000] - peaks[200] < 80, peaks
