"""A text model that answers from a script, and a task that builds GRADE concepts with it.

Both are registered through the metadata of a package, as any plug-in is.
"""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from evalsuite.measures import MeasureCard
from evalsuite.models.capabilities import GeneratesText, ModelHandle
from evalsuite.models.listing import ModelListing
from evalsuite.models.spec import ModelSpec
from evalsuite.requests import Entrant, Request, Response
from evalsuite.tasks import DataFile, Mode, Task, TaskCard, TaskOptions
from evalsuite_tasks.grade.builder import build_concepts

ENTRY_POINTS = """
[evalsuite.models]
scripted = tests.tasks.scripted_text:backend
[evalsuite.tasks]
builds = tests.tasks.scripted_text:task
"""


def install(folder: Path) -> Path:
    """Leave the metadata of a package with the model and the task as an installer would."""
    information = folder / "scripted-1.0.dist-info"
    information.mkdir(parents=True)
    (information / "METADATA").write_text("Metadata-Version: 2.1\nName: scripted\nVersion: 1.0\n")
    (information / "entry_points.txt").write_text(ENTRY_POINTS)
    return folder


@dataclass(frozen=True)
class Scripted:
    """Gives the answer behind the first line of the script that stands in the prompt.

    An answer may be a text, ``{"cut": text}`` or ``{"status": ..., "message": ...}``. Every prompt
    is added to the file ``asked`` beside the script.
    """

    script: Path

    pack_budget = 100_000

    @property
    def entrant(self) -> Entrant:
        digest = hashlib.sha256(self.script.read_bytes()).hexdigest()
        return Entrant(model="scripted:model", backend="scripted", revision=f"sha256:{digest}")

    @property
    def capabilities(self) -> frozenset[type]:
        return frozenset({GeneratesText})

    @property
    def chosen_decoding(self) -> dict[str, object]:
        return {}

    def load(self, device: str) -> "Scripted":
        return self

    def sizes(self, requests: Sequence[Request]) -> list[int]:
        return [len(request.prompt.text) for request in requests]

    def generate_text(self, requests: Sequence[Request]) -> list[Response]:
        return [self._answer(request) for request in requests]

    def _answer(self, request: Request) -> Response:
        assert request.sampling is not None and request.sampling.temperature == 0.0
        prompt = request.prompt.text
        with (self.script.parent / "asked").open("a", encoding="utf-8") as asked:
            asked.write(json.dumps(prompt) + "\n")
        script = json.loads(self.script.read_text(encoding="utf-8"))
        answer = next(own for needle, own in script if needle in prompt)
        if isinstance(answer, str):
            return Response(request.key, "ok", text=answer, finish="stop")
        if "cut" in answer:
            return Response(request.key, "ok", text=answer["cut"], finish="length")
        return Response(request.key, answer["status"], message=answer["message"])


class Backend:
    """``scripted:FILE``."""

    def open(
        self, spec: ModelSpec, *, offline: bool, home: Path, trusted: frozenset[str] = frozenset()
    ) -> ModelHandle:
        return Scripted(Path(spec.name))

    def describe(self) -> list[ModelListing]:
        return []


backend = Backend()

_NOTHING = DataFile(file="nothing.jsonl", sha256="0" * 64, licence="none")
task = Task(
    card=TaskCard(
        name="builds",
        version=1,
        title="Builds",
        summary="builds sets",
        paper="none",
        licence="none",
        headline="score",
        measures=(MeasureCard(name="score", summary="none"),),
        sets={"nothing": _NOTHING},
    ),
    modes={
        "generate": Mode(
            asks=GeneratesText,
            collect=print,
            score=print,
            options=TaskOptions,
            default_model="fake:text",
        )
    },
    package="tests.tasks",
    build=build_concepts,
)
