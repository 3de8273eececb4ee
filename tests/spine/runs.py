"""Runs with fake models through the command line, for the tests of the spine."""

import json
import os
import signal
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import Any

JUDGE = ("--judge", "embedder=fake:text-embedder")


def evalsuite(*arguments: str, cwd: Path, **env: str) -> subprocess.CompletedProcess[str]:
    """Run the command line as a user would."""
    return subprocess.run(
        [sys.executable, "-m", "evalsuite", *arguments],
        cwd=cwd,
        env=os.environ | env,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def start(*arguments: str, cwd: Path, **env: str) -> subprocess.Popen[str]:
    """Start the command line and go on; Ctrl-C reaches it even where the tests' own is ignored."""
    return subprocess.Popen(
        [sys.executable, "-m", "evalsuite", *arguments],
        # A job in the background has SIGINT ignored, and its children inherit that.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
        cwd=cwd,
        env=os.environ | env,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def task(model: str, *arguments: str) -> tuple[str, ...]:
    """The words of a run of the task on fakes."""
    return ("run", "rlhf_diversity", "--model", model, *JUDGE, *arguments)


def record_of(process: subprocess.CompletedProcess[str]) -> dict[str, Any]:
    """The record that ``--json`` printed."""
    assert process.returncode in {0, 4}, process.stderr
    value: dict[str, Any] = json.loads(process.stdout)
    return value


def run_fake(model: str, *arguments: str, cwd: Path, **env: str) -> dict[str, Any]:
    """Run the task on fakes and return its record."""
    return record_of(evalsuite(*task(model, *arguments, "--json"), cwd=cwd, **env))


def times_answered(log: Path) -> Counter[str]:
    """How often each key was answered, from the log of a fake model."""
    return Counter(log.read_text().split()) if log.exists() else Counter()
