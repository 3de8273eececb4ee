"""The board of ranked and unranked rows, and of records that were copied."""

import json
import shutil
from pathlib import Path

import pytest

from evalsuite.leaderboard_csv import read_leaderboard
from tests.spine.runs import evalsuite, task

SMALL = ("--limit", "20", "--samples", "4")


@pytest.fixture(scope="module")
def board(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("board")
    for model, code in (
        ("fake:text", 0),
        ("fake:text?temperature=0.3", 0),
        ("fake:text?refuse=0.5", 4),
    ):
        ran = evalsuite(*task(model, *SMALL), cwd=folder)
        assert ran.returncode == code, ran.stderr
    return folder


def test_ranks_stay_whole_numbers_beside_a_row_without_one(board: Path) -> None:
    frame = read_leaderboard(board / "leaderboards" / "rlhf_diversity.csv")
    ranks = [(row["rank_low"], row["status"]) for row in frame.to_dict("records")]
    assert ranks == [(1, "verified"), (2, "verified"), (None, "incomplete")]
    text = (board / "leaderboards" / "rlhf_diversity.csv").read_text()
    assert "1.0,1.0,true" not in text and ",1,1,true," in text
    shown = evalsuite("leaderboard", "show", "rlhf_diversity", "--json", cwd=board)
    assert [row["rank_low"] for row in json.loads(shown.stdout)] == [1, 2, None]
    assert '"rank_low": 1,' in shown.stdout


def test_a_copy_of_a_record_is_no_second_row(board: Path, tmp_path: Path) -> None:
    place = tmp_path / "copied"
    shutil.copytree(board, place)
    first = next((place / "results").rglob("record.json")).parent
    copy = first.parent / "copy"
    shutil.copytree(first, copy)
    (copy / "responses.parquet").unlink()
    built = evalsuite("leaderboard", "build", cwd=place)
    assert built.returncode == 0, built.stderr
    assert "is a copy of" in built.stderr
    frame = read_leaderboard(place / "leaderboards" / "rlhf_diversity.csv")
    assert len(frame) == 3 and list(frame["status"]).count("verified") == 2


def test_a_gate_writes_over_its_own_results_only(board: Path) -> None:
    folders = sorted((board / "results").rglob("record.json"))
    base, candidate = (str(f.parent) for f in folders if "refuse" not in str(f))
    words = ("gate", "--base", base, "--candidate", candidate, "--margin", "0.5", "--to")
    record = folders[0].read_bytes()
    refused = evalsuite(*words, str(folders[0]), cwd=board)
    assert refused.returncode == 2 and "was kept" in refused.stderr
    assert folders[0].read_bytes() == record
    for _ in range(2):
        assert evalsuite(*words, "gate.json", cwd=board).returncode in {0, 6, 7}
    assert json.loads((board / "gate.json").read_text())["margin"] == 0.5
