"""A task with every kind of measure: run, verified, compared and gated without a line for that."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.spine.runs import evalsuite

TASK = """
from dataclasses import replace

import numpy as np

from evalsuite.measures import (
    CategoricalMeasure, CorrelationMeasure, FeatureSet, GapMeasure, GroupRow, KernelMeasure,
    LabelRow, MeasureCard, PairRow, RankedRow, RankingMeasure,
)
from evalsuite_tasks.rlhf_diversity.task import task as other

NAMES = ("hill_by_unit", "entropy_pooled", "kernel_by_unit", "kernel_pooled", "gap", "ranking",
         "correlation")
MEASURES = tuple(
    MeasureCard(name=name, summary=name, higher_is_better=True) for name in NAMES
)


def score(tables, options):
    labels, groups, ranked, pairs, sets = [], [], [], [], []
    for group, embedded in zip(tables.outputs.groups(), tables.embeddings.groups(), strict=True):
        unit, replicate = group.unit, group.replicate
        where = (unit.id, unit.cluster, unit.stratum, replicate)
        for row in group.rows:
            text = row.text
            n = None if text is None else float(len(text))
            labels.append(LabelRow(*where, row.index, text and text[0]))
            groups.append(GroupRow(*where, row.index, "ab"[row.index % 2], n))
            ranked.append(RankedRow(*where, row.index, None if n is None else n % 3 == 0, n))
        lengths = [len(row.text) for row in group.rows if row.text]
        words = [len(set(row.text.split())) for row in group.rows if row.text]
        x, y = (float(np.mean(v)) if v else None for v in (lengths, words))
        pairs.append(PairRow(*where, x, y))
        came = [row for row in embedded.rows if row.status == "ok"]
        sets.append(FeatureSet(*where, tables.embeddings.vectors(came), len(group.rows)))
    pooled = tuple(row for row in labels if row.index == 0)
    return [
        CategoricalMeasure("hill_by_unit", tuple(labels), "hill", q=2),
        CategoricalMeasure("entropy_pooled", pooled, "entropy", "pooled"),
        KernelMeasure("kernel_by_unit", tuple(sets)),
        KernelMeasure("kernel_pooled", tuple(sets), scope="pooled"),
        GapMeasure("gap", tuple(groups)),
        RankingMeasure("ranking", tuple(ranked)),
        CorrelationMeasure("correlation", tuple(pairs)),
    ]


card = other.card.model_copy(
    update={"name": "kinds", "measures": MEASURES, "headline": "hill_by_unit"}
)
modes = {name: replace(mode, score=score) for name, mode in other.modes.items()}
task = replace(other, card=card, modes=modes)
"""
NAMES = ("hill_by_unit", "entropy_pooled", "kernel_by_unit", "kernel_pooled", "gap", "ranking",
         "correlation")  # fmt: skip
MODELS = {"warm": "fake:text", "cold": "fake:text?temperature=0.4", "torn": "fake:text?refuse=0.03"}


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three runs of the task, each in a folder of its own."""
    folder = tmp_path_factory.mktemp("kinds")
    info = folder / "site" / "kinds-1.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: kinds\nVersion: 1\n")
    (info / "entry_points.txt").write_text("[evalsuite.tasks]\nkinds = kinds:task\n")
    (folder / "site" / "kinds.py").write_text(TASK)
    for name, model in MODELS.items():
        found = run(folder, "run", "kinds", "--model", model, "--limit", "40", "--samples", "8",
                    "--judge", "embedder=fake:text-embedder", "--out", name)  # fmt: skip
        assert found.returncode == 0, found.stderr
    return folder


def python_path(folder: Path) -> str:
    path = os.pathsep.join([str(folder / "site"), os.environ.get("PYTHONPATH", "")])
    return path.rstrip(os.pathsep)


def run(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return evalsuite(*arguments, cwd=folder, PYTHONPATH=python_path(folder))


@pytest.mark.parametrize("name", MODELS)
def test_a_record_of_every_kind_follows_from_its_responses(place: Path, name: str) -> None:
    (record,) = (place / name / "results").rglob("record.json")
    found = run(place, "verify", str(record.parent))
    assert found.returncode == 0, found.stderr
    estimates = json.loads(record.read_text())["estimates"]
    assert {e["measure"] for e in estimates} == set(NAMES)
    assert all(e["estimate"]["ci_low"] is not None for e in estimates if e["slice"] == "all")


SCRIPT = """
import json, evalsuite
from evalsuite.errors import BadInput
names, found = json.loads('%s'), {"compare": {}, "gate": {}, "ratio": {}}
for name in names:
    for other in ("cold", "torn"):
        pair = evalsuite.compare("warm", other, measure=name, units=0)
        found["compare"][f"{name} {other}"] = pair.model_dump(mode="json")
    for base, candidate in (("warm", "cold"), ("cold", "warm")):
        gate = evalsuite.gate(base, candidate, margin=1e6, measure=name)
        found["gate"][f"{name} {base}"] = gate.model_dump(mode="json")
for name in ("hill_by_unit", "kernel_by_unit"):
    for base, candidate in (("warm", "cold"), ("cold", "warm")):
        gate = evalsuite.gate(base, candidate, margin=0.05, ratio=True, measure=name)
        found["ratio"][f"{name} {base}"] = gate.verdict
print(json.dumps(found, allow_nan=False))
"""


@pytest.fixture(scope="module")
def found(place: Path) -> dict[str, Any]:
    """Every comparison and gate, made in one process."""
    ran = subprocess.run(
        [sys.executable, "-c", SCRIPT % json.dumps(NAMES)],
        cwd=place, env=os.environ | {"PYTHONPATH": python_path(place)}, capture_output=True,
        text=True, timeout=120, check=False,
    )  # fmt: skip
    assert ran.returncode == 0, ran.stderr
    value: dict[str, Any] = json.loads(ran.stdout)
    return value


@pytest.mark.parametrize("measure", NAMES)
@pytest.mark.parametrize("other", ["cold", "torn"])
def test_every_kind_is_compared(found: dict[str, Any], measure: str, other: str) -> None:
    value = found["compare"][f"{measure} {other}"]
    (pair,) = value["pairs"]
    assert 0 < pair["p_value"] <= 1 and pair["difference"]["ci_low"] is not None
    if other == "cold":
        ends = {s["name"]: s["estimate"]["estimate"]["estimate"] for s in value["standings"]}
        plain = ends["fake:text"] - ends["fake:text?temperature=0.4"]
        assert pair["difference"]["estimate"] == pytest.approx(plain, rel=1e-9, abs=1e-12)


@pytest.mark.parametrize("measure", NAMES)
def test_every_kind_is_gated_on_its_own_scale(found: dict[str, Any], measure: str) -> None:
    one, other = (found["gate"][f"{measure} {base}"] for base in ("warm", "cold"))
    assert one["verdict"] == other["verdict"] == "PASS"
    ends = [gate["observed"]["estimate"]["estimate"] for gate in (one, other)]
    assert ends[0] == pytest.approx(-ends[1], rel=1e-6, abs=1e-9)


@pytest.mark.parametrize("measure", ["hill_by_unit", "kernel_by_unit"])
def test_less_varied_answers_fail_the_gate_of_an_effective_number(
    found: dict[str, Any], measure: str
) -> None:
    assert found["ratio"][f"{measure} warm"] == "FAIL"
    assert found["ratio"][f"{measure} cold"] == "PASS"
