"""What the judges of tinyworld share: reading a question, answering from shares of values."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from evalsuite.errors import BadInput
from evalsuite.requests import ImagePart, LabelsPart, Request, Response
from evalsuite.tinyworld.questions import asked_attribute
from evalsuite.tinyworld.world import ATTRIBUTES, Kind

NONE_FITS = "none of the above"
"""The answer that stands for an image of another kind than the question is about."""

# Offered answers may have no probability to speak of; then none stands out.
_LEAST = 1e-12


@dataclass(frozen=True)
class TinyworldQuestion:
    """A question about a drawing.

    Parameters
    ----------
    labels : tuple of str or None
        The answers that are offered, in any case; None for an answer in free words.
    """

    image: ImagePart
    kind: Kind
    attribute: str
    labels: tuple[str, ...] | None

    @property
    def values(self) -> tuple[str, ...]:
        """All values of the attribute."""
        return ATTRIBUTES[self.kind][self.attribute]


def read_question(request: Request) -> TinyworldQuestion:
    """Read a request for an answer.

    Raises
    ------
    BadInput
        If it is not about one image, is no question of tinyworld, or offers what its attribute has
        not.
    """
    parts, model, text = request.prompt.parts, request.entrant.model, request.prompt.text
    images = [part for part in parts if isinstance(part, ImagePart)]
    labels = [part.labels for part in parts if isinstance(part, LabelsPart)]
    if len(images) != 1 or len(labels) > 1:
        raise BadInput(f"{model} answers questions about one image each")
    try:
        kind, attribute = asked_attribute(text)
    except ValueError:
        raise BadInput(
            f"{model} answers nothing but the questions of tinyworld, and {text[:60]!r} is none of "
            "them; use --set tinyworld, or another judge"
        ) from None
    question = TinyworldQuestion(images[0], kind, attribute, labels[0] if labels else None)
    known = (*question.values, NONE_FITS)
    if strange := [label for label in question.labels or () if label.lower() not in known]:
        raise BadInput(
            f"{model}: {strange[0]!r} is no answer to {text[:60]!r}; it knows {', '.join(known)}"
        )
    return question


def answered(
    request: Request, question: TinyworldQuestion, shares: Mapping[str, float]
) -> Response:
    """Answer by shares of the values and of `NONE_FITS`.

    A closed question gets them scaled to sum to one over the answers that are offered, a free one
    the largest as its text.
    """
    if question.labels is None:
        best = max(shares, key=lambda value: shares[value])
        return Response(request.key, "ok", text=best, finish="stop")
    scores = np.array([shares[label.lower()] for label in question.labels]) + _LEAST
    return Response(request.key, "ok", scores=tuple(map(float, scores / scores.sum())))
