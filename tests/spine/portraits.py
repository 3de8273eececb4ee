"""A tiny task on images, installed as a plug-in would be: generate, ask, embed, describe."""

import os
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.spine.runs import evalsuite as cli
from tests.spine.runs import record_of

NAME = "tiny_portraits"
JUDGES = ("--judge", "vqa=fake:vqa", "--judge", "embedder=fake:image-embedder",
          "--judge", "zero_shot=fake:image-classifier", "--judge", "captioner=fake:captioner",
          "--judge", "texts=fake:text-embedder")  # fmt: skip

SET = """
{"id": "baker", "prompt": "a baker", "questions": {"tone": ["pale", "dark"], "hat": null}}
{"id": "clerk", "prompt": "a clerk", "questions": {"tone": ["pale", "dark", "other"]}}
{"id": "pilot", "prompt": "a pilot", "questions": {"hat": null, "tone": ["pale", "dark"]}}
"""

TASK = """
import json
from functools import partial
from hashlib import sha256
from importlib.resources import files

from evalsuite.errors import BadInput
from evalsuite.measures import CategoricalMeasure, KernelMeasure, FeatureSet, LabelRow, MeasureCard
from evalsuite.models.capabilities import (
    AnswersVisualQuestions, CaptionsImages, ClassifiesImages, EmbedsImages, EmbedsText,
    GeneratesImages,
)
from evalsuite.prompts import Unit
from evalsuite.questions import about_images
from evalsuite.requests import Prompt, canonical_json
from evalsuite.tables import Tables
from evalsuite.tasks import DataFile, JudgeRole, Mode, Task, TaskCard, TaskOptions


def parse_set(text, *, source):
    units = []
    for raw in text.split("\\n"):
        if not raw.strip():
            continue
        try:
            line = json.loads(raw)
            own = dict(id=line["id"], cluster=line["id"], prompt=Prompt.of_text(line["prompt"]))
            units.append(Unit(**own, details=canonical_json({"questions": line["questions"]})))
        except (ValueError, KeyError):
            raise BadInput(f"{source}: no line of a portrait set") from None
    return tuple(units)


def questions(row):
    for name, answers in json.loads(row.unit.details)["questions"].items():
        yield name, f"which {name}?", answers and tuple(answers)


def collect(run, options):
    images = run.model.generate_images(run.units, samples=options.samples)
    captions = run.judge("captioner").caption(images)
    return Tables(
        images=images,
        answers=run.judge("vqa").answer(about_images(images, questions)),
        vectors=run.judge("embedder").embed_images(images),
        presentations=run.judge("zero_shot").classify_images(images, labels=["a", "b"]),
        captions=captions,
        caption_vectors=run.judge("texts").embed(captions),
    )


def score(tables, options):
    tones, sets = [], []
    for row in tables.answers.rows:
        if row.topic == "tone":
            best = row.scores and str(row.scores.index(max(row.scores)))
            where = (row.unit.id, row.unit.cluster, row.unit.stratum, row.replicate)
            tones.append(LabelRow(*where, row.index, best))
    for group in tables.vectors.groups():
        came = [row for row in group.rows if row.status == "ok"]
        where = (group.unit.id, group.unit.cluster, group.unit.stratum, group.replicate)
        vectors = tables.vectors.vectors(came)
        sets.append(FeatureSet(*where, vectors, len(group.rows)))
    return [
        CategoricalMeasure("tones", tuple(tones), "entropy", classes=("0", "1", "2")),
        KernelMeasure("spread", tuple(sets)),
    ]


raw = files("portraits").joinpath("set.jsonl").read_bytes()
ROLES = dict(vqa=AnswersVisualQuestions, embedder=EmbedsImages, zero_shot=ClassifiesImages,
             captioner=CaptionsImages, texts=EmbedsText)
card = TaskCard(
    name="tiny_portraits", version=1, title="t", summary="s", paper="p", licence="l",
    headline="tones",
    measures=(
        MeasureCard(name="tones", summary="s", judge="vqa", higher_is_better=True),
        MeasureCard(name="spread", summary="s", judge="embedder", higher_is_better=True),
    ),
    judges={role: JudgeRole(capability=kind, default=None) for role, kind in ROLES.items()},
    sets={"own": DataFile(file="set.jsonl", sha256=sha256(raw).hexdigest(), licence="l")},
    max_missing=0.5,
)
mode = Mode(asks=GeneratesImages, collect=collect, score=score, options=TaskOptions,
            default_model="fake:images")
task = Task(card=card, modes={"image": mode}, package="portraits", parse_set=parse_set)
"""


def install(folder: Path) -> Path:
    """Put the task into a folder as an installer would leave it; that folder."""
    package, info = folder / "portraits", folder / "portraits-1.dist-info"
    package.mkdir(parents=True)
    info.mkdir()
    (package / "__init__.py").write_text(TASK)
    (package / "set.jsonl").write_text(SET)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: portraits\nVersion: 1\n")
    (info / "entry_points.txt").write_text(f"[evalsuite.tasks]\n{NAME} = portraits:task\n")
    return folder


def installed_here(patch: pytest.MonkeyPatch, site: Path) -> None:
    """Make the task known to this process until the patch is undone."""
    patch.syspath_prepend(str(site))
    patch.delitem(sys.modules, "portraits", raising=False)


def words(model: str, *arguments: str) -> tuple[str, ...]:
    """The words of a run of the task on fakes."""
    return ("run", NAME, "--model", model, *JUDGES, *arguments)


def run_apart(site: Path, model: str, *arguments: str, cwd: Path, **env: str) -> Any:
    """Run the task in a process of its own."""
    path = os.pathsep.join([str(site), os.environ.get("PYTHONPATH", "")]).rstrip(os.pathsep)
    return cli(*words(model, *arguments), cwd=cwd, PYTHONPATH=path, **env)


def record_apart(site: Path, model: str, *arguments: str, cwd: Path, **env: str) -> dict[str, Any]:
    """The record of such a run."""
    return record_of(run_apart(site, model, *arguments, "--json", cwd=cwd, **env))
