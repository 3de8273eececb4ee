"""``embedded:tinyworld-oracle``: reads tinyworld's drawings by their nearest template."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from pydantic import BaseModel, ConfigDict

from evalsuite.images import BadImage, read_image
from evalsuite.models.capabilities import AnswersVisualQuestions, LoadedModel, ReadImage
from evalsuite.models.model_packages import INSTALL_IMAGE, require_packages
from evalsuite.models.procedural import REVISION
from evalsuite.models.spec import ModelSpec
from evalsuite.models.tinyworld_answers import NONE_FITS, answered, read_question
from evalsuite.requests import Entrant, ImagePart, Request, Response
from evalsuite.tinyworld.drawing import SIZE
from evalsuite.tinyworld.oracle import Reading, read_scenes


class _NoOptions(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


@dataclass(frozen=True, eq=False)
class OracleHandle:
    """The oracle, before its templates are drawn."""

    entrant: Entrant

    @property
    def capabilities(self) -> frozenset[type]:
        """It answers questions about drawings."""
        return frozenset({AnswersVisualQuestions})

    @property
    def chosen_decoding(self) -> dict[str, object]:
        """Nothing: it does not write."""
        return {}

    def load(self, device: str) -> LoadedModel:
        """Check that images can be read; every device is as good.

        Raises
        ------
        MissingPackage
            If Pillow is not installed.
        """
        require_packages(self.entrant.model, "pillow", install=INSTALL_IMAGE)
        return OracleAnswers()


class OracleAnswers:
    """Answers with certainty what the nearest template shows."""

    pack_budget = 1024 * SIZE**2
    """Pixels of one pack."""

    def sizes(self, requests: Sequence[Request]) -> list[int]:
        """Pixels of each image as the oracle sees it."""
        return [SIZE**2] * len(requests)

    def answer_questions(self, requests: Sequence[Request], read: ReadImage) -> list[Response]:
        """Answer each question; an image is read once for all of its own.

        Raises
        ------
        BadInput
            If a question is not one of tinyworld, or offers an answer that its attribute has not.
        """
        asked = [read_question(request) for request in requests]
        seen = _readings({question.image.sha256: question.image for question in asked}, read)
        responses = []
        for request, question in zip(requests, asked, strict=True):
            found = seen[question.image.sha256]
            if isinstance(found, str):
                responses.append(Response(request.key, "error", message=found))
                continue
            shares = dict.fromkeys((*question.values, NONE_FITS), 0.0)
            is_kind = found.scene.kind == question.kind
            shares[found.scene[question.attribute] if is_kind else NONE_FITS] = 1.0
            responses.append(answered(request, question, shares))
        return responses


def _readings(images: dict[str, ImagePart], read: ReadImage) -> dict[str, Reading | str]:
    """What each image shows, or why it cannot be read."""
    found: dict[str, Reading | str] = {}
    pixels = {}
    for name, part in images.items():
        try:
            image = read_image(read(part), where=f"image {name[:12]}")
        except BadImage as error:
            found[name] = str(error)
            continue
        fitted = image if image.size == (SIZE, SIZE) else image.resize((SIZE, SIZE))
        pixels[name] = np.asarray(fitted)
    if pixels:
        found |= dict(zip(pixels, read_scenes(np.stack(list(pixels.values()))), strict=True))
    return found


def open_oracle(spec: ModelSpec) -> OracleHandle:
    """Return a handle on the oracle, which takes no options."""
    spec.read_options(_NoOptions)
    return OracleHandle(Entrant(model=str(spec), backend="procedural", revision=REVISION))
