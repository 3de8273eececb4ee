"""What the commands print, for people and for programs."""

import json
from pathlib import Path

import pytest

from tests.spine.runs import JUDGE, evalsuite, task


@pytest.mark.parametrize("command", ["", "run", "tasks", "models", "show", "verify", "doctor"])
def test_every_command_has_help(tmp_path: Path, command: str) -> None:
    found = evalsuite(*command.split(), "--help", cwd=tmp_path)
    assert found.returncode == 0
    assert "Usage" in found.stdout


def test_json_is_json_and_nothing_else_on_standard_output(tmp_path: Path) -> None:
    for arguments in (("tasks", "--json"), ("models", "--json"), ("doctor", "--json"),
                      ("show", "rlhf_diversity", "--json"),
                      task("fake:text", "--limit", "12", "--samples", "2", "--json"),
                      ("leaderboard", "show", "rlhf_diversity", "--json")):  # fmt: skip
        found = evalsuite(*arguments, cwd=tmp_path)
        assert found.returncode == 0, found.stderr
        assert json.loads(found.stdout)


def test_a_command_writes_its_results_below_out(tmp_path: Path) -> None:
    found = evalsuite("run", "rlhf_diversity", "--model", "fake:text", *JUDGE, "--limit", "12",
                      "--samples", "2", "--out", "there", cwd=tmp_path)  # fmt: skip
    assert found.returncode == 0, found.stderr
    assert (tmp_path / "there" / "leaderboards" / "rlhf_diversity.csv").is_file()
    assert list((tmp_path / "there" / "results").rglob("record.json"))


@pytest.mark.parametrize(
    ("arguments", "shows"),
    [
        (("tasks",), "rlhf_diversity"),
        (("models",), "embedded:smollm2-135m"),
        (("show", "rlhf_diversity"), "per_input_sbert"),
        (("doctor",), "free space"),
    ],
)
def test_a_command_shows_what_it_is_asked_for(
    tmp_path: Path, arguments: tuple[str, ...], shows: str
) -> None:
    found = evalsuite(*arguments, cwd=tmp_path)
    assert found.returncode == 0, found.stderr
    assert shows in found.stdout


def test_a_record_shows_slices_and_answers_only_when_asked(tmp_path: Path) -> None:
    assert evalsuite(*task("fake:text", "--limit", "20"), cwd=tmp_path).returncode == 0
    folder = str(next((tmp_path / "results").rglob("record.json")).parent)
    plain = evalsuite("show", folder, cwd=tmp_path).stdout
    full = evalsuite("show", folder, "--slices", "--outputs", "3", cwd=tmp_path).stdout
    assert "story_opening" not in plain and "answer 0, ok" not in plain
    assert "story_opening" in full and full.count(", ok") == 3


def test_the_leaderboard_shows_any_measure_and_slice(tmp_path: Path) -> None:
    for model in ("fake:text", "fake:text?temperature=0.3"):
        assert evalsuite(*task(model, "--limit", "20"), cwd=tmp_path).returncode == 0
    ead = evalsuite("leaderboard", "show", "rlhf_diversity", "--measure", "per_input_ead",
                    "--slice", "naming", cwd=tmp_path)  # fmt: skip
    assert ead.returncode == 0, ead.stderr
    assert "per_input_ead" in ead.stdout and "naming" in ead.stdout
    lines = [line for line in ead.stdout.splitlines() if line.startswith("fake:text")]
    assert len(lines) == 2 and "temperature" in lines[1], "the warmer one is first"


def test_a_figure_is_drawn_and_needs_one_fingerprint(tmp_path: Path) -> None:
    for limit in ("20", "30"):
        assert evalsuite(*task("fake:text", "--limit", limit), cwd=tmp_path).returncode == 0
    arguments = ("leaderboard", "plot", "rlhf_diversity", "--to", "figure.png")
    both = evalsuite(*arguments, cwd=tmp_path)
    assert both.returncode == 2 and "--fingerprint" in both.stderr
    fingerprint = both.stderr.strip().split(" ")[-1]
    assert evalsuite(*arguments, "--fingerprint", fingerprint, cwd=tmp_path).returncode == 0
    assert (tmp_path / "figure.png").read_bytes().startswith(b"\x89PNG")
    wrong = evalsuite("leaderboard", "plot", "rlhf_diversity", "--to", "figure.gif",
                      "--fingerprint", fingerprint, cwd=tmp_path)  # fmt: skip
    assert wrong.returncode == 2 and ".png" in wrong.stderr
