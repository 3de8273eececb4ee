"""The example of a release gate in the documentation, run as it stands there."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


def example() -> str:
    text = (ROOT / "docs" / "comparing.md").read_text(encoding="utf-8")
    (script,) = re.findall(r"```bash\n(.*?)```", text, re.DOTALL)
    return str(script)


@pytest.mark.parametrize(
    ("base", "candidate", "code", "says"),
    [
        ("fake:text?temperature=0.3", "fake:text", 0, "diversity gate: passed"),
        ("fake:text", "fake:text?temperature=0.3", 7, "diversity gate: not passed"),
        ("fake:text", "fake:text?temperature=0.97", 6, "inconclusive, run it on more prompts"),
    ],
)
def test_the_documented_gate_ends_as_it_says(
    tmp_path: Path, base: str, candidate: str, code: int, says: str
) -> None:
    command = tmp_path / "bin" / "evalsuite"
    command.parent.mkdir()
    # The documented words, on a small part of the prompts and with a fake judge.
    command.write_text(
        "#!/bin/sh\n"
        f'case "$1" in run) set -- "$@" --limit 20 --samples 4'
        f' --judge embedder=fake:text-embedder ;; esac\nexec {sys.executable} -m evalsuite "$@"\n'
    )
    command.chmod(0o755)
    found = subprocess.run(
        ["bash", "-c", example()],
        cwd=tmp_path,
        env=os.environ
        | {"BASE": base, "CANDIDATE": candidate, "MARGIN": "0.02"}
        | {"PATH": f"{command.parent}{os.pathsep}{os.environ['PATH']}"},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert found.returncode == code, found.stderr
    assert says in found.stdout
    result = json.loads((tmp_path / "gate" / "result.json").read_text())
    assert result["margin"] == 0.02
    assert {"PASS": 0, "FAIL": 7, "INCONCLUSIVE": 6}[result["verdict"]] == code


def test_a_folder_of_several_records_is_ambiguous(tmp_path: Path) -> None:
    from tests.spine.runs import evalsuite, task

    for samples in ("2", "3"):
        ran = evalsuite(*task("fake:text", "--limit", "12", "--samples", samples), cwd=tmp_path)
        assert ran.returncode == 0, ran.stderr
    found = evalsuite("compare", "results", "results", cwd=tmp_path)
    assert found.returncode == 2
    assert "holds 2 records, name one of them" in found.stderr
