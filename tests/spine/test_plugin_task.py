"""A task written outside the package, exactly as docs/adding-a-task.md has it, runs."""

import json
import re
from pathlib import Path

import pytest

from tests.spine.runs import evalsuite

GUIDE = Path(__file__).parents[2] / "docs" / "adding-a-task.md"


def block(language: str, text: str) -> str:
    """The one code block of a language in the guide."""
    found = re.findall(rf"```{language}\n(.*?)```", text, flags=re.DOTALL)
    assert len(found) == 1
    return str(found[0])


@pytest.fixture
def site(tmp_path: Path) -> Path:
    """A folder that holds the package of the guide as an installer would leave it."""
    text = GUIDE.read_text(encoding="utf-8")
    folder = tmp_path / "site"
    package = folder / "asks_back"
    package.mkdir(parents=True)
    (package / "__init__.py").touch()
    (package / "task.py").write_text(block("python", text))
    (package / "prompts.jsonl").write_text(block("json", text))
    entry = re.search(r'\[project\.entry-points\."evalsuite\.tasks"\]\n(\w+) = "(.*)"',
                      block("toml", text))  # fmt: skip
    assert entry is not None
    information = folder / "asks_back-1.0.dist-info"
    information.mkdir()
    (information / "METADATA").write_text("Metadata-Version: 2.1\nName: asks-back\nVersion: 1.0\n")
    (information / "entry_points.txt").write_text(
        f"[evalsuite.tasks]\n{entry[1]} = {entry[2]}\nbroken = asks_back.absent:task\n"
    )
    return folder


def test_a_task_from_outside_runs_and_can_be_verified(tmp_path: Path, site: Path) -> None:
    arguments = ("run", "asks_back", "--model", "fake:text", "--samples", "5", "--json")
    found = evalsuite(*arguments, cwd=tmp_path, PYTHONPATH=str(site))
    assert found.returncode == 0, found.stderr
    record = json.loads(found.stdout)
    assert record["headline"]["measure"] == "question_rate"
    assert record["headline"]["estimate"]["n"] == 20
    folder = next((tmp_path / "results").rglob("record.json")).parent
    checked = evalsuite("verify", str(folder), cwd=tmp_path, PYTHONPATH=str(site))
    assert checked.returncode == 0, checked.stderr


def test_a_broken_plug_in_is_listed_with_its_error_and_harms_no_other(
    tmp_path: Path, site: Path
) -> None:
    found = evalsuite("tasks", "--json", cwd=tmp_path, PYTHONPATH=str(site))
    assert found.returncode == 0, found.stderr
    problems = {task["name"]: task["problem"] for task in json.loads(found.stdout)}
    assert problems["asks_back"] is None and problems["rlhf_diversity"] is None
    assert "asks_back.absent" in problems["broken"]
    ran = evalsuite("run", "broken", cwd=tmp_path, PYTHONPATH=str(site))
    assert ran.returncode == 2
    assert "cannot be loaded" in ran.stderr
