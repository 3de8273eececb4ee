"""The task grade through its front doors, on the procedural world: rows, sheets and refusals."""

import json
import os
from pathlib import Path

import pytest
from PIL import Image

from evalsuite.errors import BadInput
from tests.spine.runs import evalsuite

ORACLE = ("--judge", "vqa=embedded:tinyworld-oracle", "--option", "calibration=2")
SMALL = ("--limit", "44", "--samples", "3")


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("grade")


@pytest.fixture(scope="module")
def made(place: Path) -> dict:
    """A record of the exact sampler, judged by the oracle."""
    ran = evalsuite(
        "run", "grade", "--model", "embedded:tinyworld?bias=stereotyped", *ORACLE, *SMALL, "--json",
        cwd=place, EVALSUITE_HOME=str(place / "home"),
    )  # fmt: skip
    assert ran.returncode == 0, ran.stderr
    return json.loads(ran.stdout)


@pytest.fixture(scope="module")
def folder(made: dict, place: Path) -> Path:
    return next((place / "results").rglob("record.json")).parent


@pytest.mark.smoke
def test_a_run_is_labelled_procedural_and_publishes_a_verified_row(made, folder, place):
    assert made["entrant"]["backend"] == "procedural"
    assert made["headline"]["measure"] == "normalized_entropy_multi"
    assert 0.0 < made["headline"]["estimate"]["estimate"] < 1.0
    assert set(made["judges"]) >= {"vqa", "reference"}
    lines = (place / "leaderboards" / "grade.csv").read_text().splitlines()
    assert len(lines) == 2
    assert "verified" in lines[1]
    assert evalsuite("verify", str(folder), cwd=place).returncode == 0


def test_the_oracle_agrees_with_what_was_asked_for(made):
    estimates = {e["measure"]: e["estimate"] for e in made["estimates"] if e["slice"] == "all"}
    assert estimates["judge_agreement"]["estimate"] == 1.0
    assert estimates["asked_success"]["estimate"] == 1.0
    assert estimates["none_rate"]["estimate"] == 0.0


@pytest.mark.parametrize("view", ["groups", "shares", "defaults", "named"])
def test_every_view_is_a_table(view, folder, place):
    shown = evalsuite("show", str(folder), "--view", view, "--json", cwd=place)
    assert shown.returncode == 0, shown.stderr
    assert json.loads(shown.stdout)


def test_a_sheet_shows_the_images_of_a_record(folder, place):
    ran = evalsuite(
        "sheet", str(folder), "--to", "sheet.png", "--prompts", "5", "--images", "3",
        cwd=place, EVALSUITE_HOME=str(place / "home"),
    )  # fmt: skip
    assert (ran.returncode, ran.stdout) == (0, "sheet.png: 15 images of 5 prompts\n")
    with Image.open(place / "sheet.png") as sheet:
        assert sheet.size == (3 * 100 + 4, 5 * 116 + 4)


def test_a_sheet_says_where_its_images_are_not(folder, place):
    ran = evalsuite(
        "sheet", str(folder), "--to", "none.png", cwd=place, EVALSUITE_HOME=str(place / "empty")
    )
    assert ran.returncode == 2
    assert "none of its images is in the store" in ran.stderr
    assert not (place / "none.png").exists()
    assert evalsuite("sheet", str(folder), "--to", "sheet.gif", cwd=place).returncode == 2


def test_a_record_of_texts_has_no_sheet(monkeypatch):
    from evalsuite.contact_sheets import contact_sheet

    root = Path(__file__).parents[2]
    record = next((root / "results" / "vendi").rglob("record.json")).parent
    with pytest.raises(BadInput, match="holds no images"):
        contact_sheet(record, Path("sheet.png"))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--set", "concepts"), "use --set tinyworld"),
        (("--model", "embedded:tinyworld?bias=unfair"), "balanced, stereotyped or a JSON file"),
        (("--model", "embedded:tinyworld?collapse=2"), "collapse"),
        (("--judge", "vqa=embedded:minilm-l6"), "answers_visual_questions"),
        (("--model", "embedded:smollm2-135m"), "generates_images"),
        (("--option", "answer_mode=maybe"), "answer_mode"),
        (("--option", "reference=nowhere.json"), "nowhere.json"),
        (("--set", "broken.jsonl"), "broken.jsonl"),
        (("--set", "broken.csv"), "broken.csv"),
    ],
)
def test_bad_input_is_one_line_and_exit_code_2(arguments, message, tmp_path):
    (tmp_path / "broken.jsonl").write_text('{"concept": "a cookie"}\n')
    (tmp_path / "broken.csv").write_text("concept_id,concept\n1,cookie\n")
    model = () if "--model" in arguments else ("--model", "embedded:tinyworld")
    judge = () if "--judge" in arguments else ("--judge", "vqa=embedded:tinyworld-oracle")
    ran = evalsuite(
        "run", "grade", *model, *judge, *arguments, cwd=tmp_path,
        EVALSUITE_HOME=os.environ.get("EVALSUITE_HOME", str(tmp_path / "home")),
    )  # fmt: skip
    assert ran.returncode == 2, ran.stderr
    assert message in ran.stderr
    assert "Traceback" not in ran.stderr
    assert len(ran.stderr.strip().splitlines()) == 1
    assert not (tmp_path / "results").exists()
