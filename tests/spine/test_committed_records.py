"""The committed records are true, and the committed leaderboard follows from them."""

from pathlib import Path

import pytest

import evalsuite
from evalsuite import api
from evalsuite.leaderboard import build_leaderboard
from evalsuite.leaderboard_csv import read_leaderboard
from evalsuite.record import find_records
from evalsuite.requests import Decoding

ROOT = Path(__file__).parents[2]
FOLDERS = find_records(ROOT / "results")


def test_there_are_the_two_entrants_of_the_readme() -> None:
    names = {evalsuite.load_record(folder).entrant.model for folder in FOLDERS}
    assert len(FOLDERS) >= 2 and "embedded:smollm2-135m" in names


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda folder: folder.parent.name)
def test_a_committed_record_follows_from_its_responses(folder: Path) -> None:
    assert evalsuite.verify(folder).problems == ()


@pytest.mark.parametrize("task", api.recorded_tasks(ROOT))
def test_the_committed_leaderboard_is_the_one_of_the_records(task: str) -> None:
    records, verified, rejected = api.check_records(ROOT, task)
    assert rejected == ()
    built = build_leaderboard(records, verified=verified)
    committed = read_leaderboard(ROOT / "leaderboards" / f"{task}.csv")
    assert committed.to_dict("records") == built.to_dict("records")


def test_the_colder_entrant_is_clearly_less_diverse() -> None:
    found = {}
    for folder in FOLDERS:
        record = evalsuite.load_record(folder)
        temperature = getattr(record.entrant.decoding, "temperature", None)
        is_plain = record.entrant.decoding == Decoding(temperature=temperature or 0)
        if record.task == "rlhf_diversity" and is_plain and not record.entrant.settings:
            found[temperature] = record.headline.estimate
    warm, cold = found[1.0], found[0.3]
    assert warm.ci_low is not None and cold.ci_high is not None
    assert cold.ci_high < warm.ci_low


def test_the_readme_shows_the_committed_estimates() -> None:
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    for folder in FOLDERS:
        record = evalsuite.load_record(folder)
        e = record.headline.estimate
        assert f"{e.estimate:.3f} [{e.ci_low:.3f}, {e.ci_high:.3f}]" in readme
        assert record.fingerprint[:12] in readme
