"""A test of published data skips with a reason where there is none, and fails in CI."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize(("ci", "outcome"), [("", "skipped"), ("true", "errors")])
def test_a_test_of_published_data_skips_here_and_fails_in_ci(ci: str, outcome: str) -> None:
    env = {k: v for k, v in os.environ.items() if k not in {"CI", "EVALSUITE_SHARED_DATA"}}
    found = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-rs", "-m", "published", "tests/tasks"],
        cwd=ROOT, env=env | ({"CI": ci} if ci else {}), capture_output=True, text=True,
        timeout=120, check=False,
    )  # fmt: skip
    # All of them, whatever their number: none passes.
    assert re.search(rf"\b[1-9]\d* {outcome}\b", found.stdout)
    assert "passed" not in found.stdout
    assert "EVALSUITE_SHARED_DATA" in found.stdout
    assert (found.returncode == 0) is (not ci)
