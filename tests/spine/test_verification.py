"""`verify` recomputes a record elsewhere, and names what was changed."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import evalsuite
from evalsuite.record import Record
from tests.spine.runs import evalsuite as cli


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A record, moved away from where it was made, without the store it came from."""
    evalsuite.run(
        "rlhf_diversity",
        "fake:text",
        judges={"embedder": "fake:text-embedder"},
        limit=12,
        samples=3,
        out=tmp_path / "made",
    )
    made = next((tmp_path / "made" / "results").rglob("record.json")).parent
    elsewhere = tmp_path / "elsewhere"
    shutil.move(made, elsewhere)
    shutil.rmtree(tmp_path / "home")
    return elsewhere


def change_rows(folder: Path, change: Callable[[list[dict[str, Any]]], None]) -> None:
    file = folder / "responses.parquet"
    table = pq.read_table(file)
    rows = table.to_pylist()
    change(rows)
    pq.write_table(pa.Table.from_pylist(rows, schema=table.schema), file)


def change_record(folder: Path, change: Callable[[dict[str, Any]], None], *, seal: bool) -> None:
    file = folder / "record.json"
    value = json.loads(file.read_text())
    change(value)
    if seal:
        record = Record.model_validate(value).sealed()
        value["hash"] = record.hash
    file.write_text(json.dumps(value))


def output(rows: list[dict[str, Any]], n: int) -> dict[str, Any]:
    return [row for row in rows if row["table"] == "outputs"][n]


def test_an_untouched_record_is_verified_elsewhere(folder: Path) -> None:
    found = cli("verify", str(folder), cwd=folder)
    assert found.returncode == 0, found.stderr
    assert found.stdout.startswith("verified: ")


def test_a_changed_answer_is_named(folder: Path) -> None:
    def change(rows: list[dict[str, Any]]) -> None:
        output(rows, 5)["text"] += " more"

    change_rows(folder, change)
    found = cli("verify", str(folder), cwd=folder)
    assert found.returncode == 5
    assert "(outputs, unit " in found.stderr and ", sample 2) was changed" in found.stderr


def test_a_changed_vector_is_named(folder: Path) -> None:
    def change(rows: list[dict[str, Any]]) -> None:
        row = next(row for row in rows if row["table"] == "embeddings")
        row["vector"][0] += 0.5

    change_rows(folder, change)
    problems = evalsuite.verify(folder).problems
    assert any("(embeddings, unit " in problem for problem in problems)


def test_a_changed_prompt_is_named_even_with_a_new_checksum(folder: Path) -> None:
    from evalsuite.responses_file import _checksum

    def change(rows: list[dict[str, Any]]) -> None:
        row = output(rows, 0)
        row["prompt"] = row["prompt"].replace('"text":"', '"text":"Please. ')
        row["sha256"] = _checksum(row)

    change_rows(folder, change)
    problems = evalsuite.verify(folder).problems
    assert any("its key does not follow from prompt" in problem for problem in problems)


def test_a_changed_value_is_named_even_under_a_new_hash(folder: Path) -> None:
    def change(value: dict[str, Any]) -> None:
        for estimate in (value["headline"], value["estimates"][0]):
            estimate["estimate"]["estimate"] += 1e-6

    change_record(folder, change, seal=False)
    assert any("its hash does not fit" in p for p in evalsuite.verify(folder).problems)
    change_record(folder, lambda value: None, seal=True)
    problems = evalsuite.verify(folder).problems
    assert len(problems) == 1
    assert problems[0].startswith("per_input_sbert [all]: estimate is ")


def test_a_lost_row_is_noticed(folder: Path) -> None:
    change_rows(folder, lambda rows: rows.pop())
    problems = evalsuite.verify(folder).problems
    assert any(problem.startswith("responses_sha256") for problem in problems)


def test_a_leaderboard_leaves_a_record_out_that_is_not_true(folder: Path, tmp_path: Path) -> None:
    place = tmp_path / "board" / "results" / "rlhf_diversity" / "x" / "y"
    shutil.copytree(folder, place)
    change_rows(place, lambda rows: output(rows, 0).update(text="forged"))
    built = cli("leaderboard", "build", "--out", str(tmp_path / "board"), cwd=tmp_path)
    assert "left out of the leaderboard" in built.stderr
    csv = (tmp_path / "board" / "leaderboards" / "rlhf_diversity.csv").read_text()
    assert len(csv.splitlines()) == 1


def test_a_record_without_responses_is_self_reported_and_cannot_be_verified(
    folder: Path, tmp_path: Path
) -> None:
    place = tmp_path / "board" / "results" / "rlhf_diversity" / "x" / "y"
    shutil.copytree(folder, place)
    (place / "responses.parquet").unlink()
    built = cli("leaderboard", "build", "--out", str(tmp_path / "board"), cwd=tmp_path)
    assert built.returncode == 0, built.stderr
    csv = (tmp_path / "board" / "leaderboards" / "rlhf_diversity.csv").read_text()
    assert csv.count('"self_reported"') == 1
    found = cli("verify", str(place), cwd=tmp_path)
    assert found.returncode == 2 and "without it none can check" in found.stderr
    change_record(place, lambda value: value.update(seed=5), seal=False)
    cli("leaderboard", "build", "--out", str(tmp_path / "board"), cwd=tmp_path)
    csv = (tmp_path / "board" / "leaderboards" / "rlhf_diversity.csv").read_text()
    assert "self_reported" not in csv, "a record that contradicts itself is left out"


@pytest.mark.parametrize(
    ("content", "says"),
    [
        ("{", "not a record"),
        ("[]", "no schema number"),
        ('{"schema": 999}', "newer than this evalsuite"),
        ('{"schema": 1}', "not a record"),
    ],
)
def test_what_is_no_record_is_one_clear_line(tmp_path: Path, content: str, says: str) -> None:
    (tmp_path / "record.json").write_text(content)
    found = cli("verify", str(tmp_path), cwd=tmp_path)
    assert found.returncode == 2
    assert says in found.stderr and len(found.stderr.strip().splitlines()) == 1
