"""Answers to questions about tinyworld by linear probes on the image features of a CLIP model."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from safetensors.numpy import load_file

from evalsuite.models.capabilities import ReadImage
from evalsuite.models.dual_encoder import DualEncoder
from evalsuite.models.tinyworld_answers import (
    NONE_FITS,
    TinyworldQuestion,
    answered,
    read_question,
)
from evalsuite.requests import ImagePart, Prompt, Request, Response
from evalsuite.tinyworld.world import ATTRIBUTES

_KINDS = tuple(ATTRIBUTES)


class ProbedAnswers:
    """A CLIP model of tinyworld and a logistic regression for each of its attributes.

    Parameters
    ----------
    encoder : DualEncoder
    probes : Path
        safetensors file with ``<attribute>.weight`` (values, d) and ``<attribute>.bias``; ``kind``
        is the probe that tells people from shapes.
    """

    def __init__(self, encoder: DualEncoder, probes: Path) -> None:
        self._encoder = encoder
        self._probes = {name: value.astype(np.float64) for name, value in load_file(probes).items()}
        self.sizes = encoder.sizes
        self.embed_images = encoder.embed_images
        self.embed_text = encoder.embed_text
        self.classify_images = encoder.classify_images

    @property
    def pack_budget(self) -> int:
        """Pixels of a pack."""
        return self._encoder.pack_budget

    def answer_questions(self, requests: Sequence[Request], read: ReadImage) -> list[Response]:
        """Score the answers to each question; an image is encoded once for all of its own.

        The share of an answer is P(kind asked about) P(answer | kind), that of "none of the above"
        P(the other kind).

        Raises
        ------
        BadInput
            If a question is not one of tinyworld, or offers an answer that its attribute has not.
        """
        asked = [read_question(request) for request in requests]
        first = {own.image.sha256: r for own, r in zip(asked, requests, strict=True)}
        bare = [
            Request("embeds_images", request.entrant, Prompt(parts=(ImagePart(sha256=name),)))
            for name, request in first.items()
        ]
        seen = dict(zip(first, self._encoder.embed_images(bare, read), strict=True))
        return [
            self._answered(request, question, seen[question.image.sha256])
            for request, question in zip(requests, asked, strict=True)
        ]

    def _answered(self, request: Request, question: TinyworldQuestion, seen: Response) -> Response:
        if seen.vector is None:
            return Response(request.key, seen.status, message=seen.message)
        vector = seen.vector.astype(np.float64)
        vector = vector / np.linalg.norm(vector)
        of_kind = float(self._shares("kind", vector)[_KINDS.index(question.kind)])
        shares = of_kind * self._shares(question.attribute, vector)
        by_value = dict(zip(question.values, map(float, shares), strict=True))
        return answered(request, question, by_value | {NONE_FITS: 1.0 - of_kind})

    def _shares(self, attribute: str, vector: NDArray[np.float64]) -> NDArray[np.float64]:
        logits = self._probes[f"{attribute}.weight"] @ vector + self._probes[f"{attribute}.bias"]
        weights = np.exp(logits - logits.max())
        return np.asarray(weights / weights.sum())
