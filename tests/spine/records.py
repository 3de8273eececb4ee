"""Records of fake models, and the command line within this process, for tests of comparisons."""

import io
import sys
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from evalsuite.api import make_plan
from evalsuite.cli import main
from evalsuite.execution import execute, prepare
from evalsuite.measures import UnitScores
from evalsuite.progress import Silent
from evalsuite.record import save_record
from evalsuite.scores_file import read_scores
from evalsuite.settings import settings

EMBEDDER = {"embedder": "fake:text-embedder"}


def make(place: Path, model: str, **options: Any) -> Path:
    """Run the task on fakes and save the record below ``place``; its folder."""
    options = {"limit": 20, "samples": 4, "judges": EMBEDDER} | options
    for name in ("judges", "options"):
        options[name] = tuple((n, f"{value}") for n, value in options.get(name, {}).items())
    (place / "results").mkdir(exist_ok=True)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("EVALSUITE_HOME", str(place / "home"))
        prepared = prepare(make_plan(task="rlhf_diversity", model=model, **options), settings())
        record, content = execute(prepared, settings(), Silent())
        return save_record(record, content, place / "results")[1]


@dataclass(frozen=True)
class Ran:
    """What a command ended with and printed."""

    code: int
    out: str
    err: str


def command(*arguments: str | Path) -> Ran:
    """Run a command as the shell would, but for starting a process."""
    out, err = io.StringIO(), io.StringIO()
    with pytest.MonkeyPatch.context() as patch, redirect_stdout(out), redirect_stderr(err):
        patch.setattr(sys, "argv", ["evalsuite", *map(str, arguments)])
        with pytest.raises(SystemExit) as end:
            main()
    return Ran(int(end.value.code or 0), out.getvalue(), err.getvalue())


def refusal(*arguments: str | Path, code: int = 2) -> str:
    """The one line that a command refuses with."""
    found = command(*arguments)
    assert found.code == code, (found.code, found.out, found.err)
    lines = found.err.strip().splitlines()
    assert len(lines) == 1 and lines[0].startswith("evalsuite: "), found.err
    assert found.out == ""
    return lines[0]


def scores(folder: Path, measure: str) -> UnitScores:
    """The scores that stand beside a record."""
    return read_scores(folder / "scores.parquet", measure)[measure]


def by_unit(own: UnitScores, kept: Any = None) -> dict[str, float]:
    """Mean of the scores that are there of each unit, the slow way."""
    chosen = np.ones(len(own), dtype=bool) if kept is None else kept
    values: dict[str, list[float]] = {}
    for unit, value, keep in zip(own.unit, own.value, chosen, strict=True):
        if keep and not np.isnan(value):
            values.setdefault(unit, []).append(float(value))
    return {unit: sum(found) / len(found) for unit, found in sorted(values.items())}
