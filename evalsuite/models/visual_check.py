"""Whether a model's answers stay the same when an image is read once for its questions.

Asked once, at loading: architectures that look ahead, keep state between calls or count positions
in a way of their own say nothing about it.
"""

from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from evalsuite.errors import BadInput
from evalsuite.images import image_sha256, png_bytes, read_image
from evalsuite.requests import Entrant, ImagePart, LabelsPart, Prompt, Request, TextPart

if TYPE_CHECKING:
    from evalsuite.models.visual_chat import VisualChat

# In log-probability.
_TOLERANCE = {torch.float32: 1e-3}
_HALF_PRECISION = 0.15
_QUESTIONS = (
    ("Is it day?", ("yes", "no")),
    ("Which of these colours is the brightest?", ("a dark red", "blue")),
)


class SharingRefused(BadInput):
    """A model's answers are others where what questions or answers share is read once."""


def check_sharing(chat: "VisualChat", *, name: str, dtype: Any) -> None:
    """Compare answers about two images, asked together, with whole forward passes.

    Parameters
    ----------
    chat : VisualChat
    name : str
        The model's, for messages.
    dtype : torch dtype
        That it runs in.

    Raises
    ------
    SharingRefused
        If they differ by more than rounding, or the model cannot be asked at all.
    """
    images = [_picture(seed) for seed in (1, 2)]
    pngs = {image_sha256(png): png for png in images}
    entrant = Entrant(model=name, backend="check", revision="0")
    requests = [
        Request(
            "answers_visual_questions",
            entrant,
            Prompt(parts=(ImagePart(sha256=sha), TextPart(text=text), LabelsPart(labels=answers))),
        )
        for sha in pngs
        for text, answers in _QUESTIONS
    ]
    try:
        found = chat.answer_questions(requests, lambda part: pngs[part.sha256])[-1]
        if found.scores is None:
            raise _refusal(name, f"cannot be asked about an image: {found.message}")
        plain = chat.plain_scores(read_image(images[-1]), *_QUESTIONS[-1])
    # What a forward raises that does not know such a cache is up to its authors.
    except (RuntimeError, TypeError, ValueError, LookupError, AttributeError) as error:
        lines = str(error).strip().splitlines() or [type(error).__name__]
        raise _refusal(
            name, f"fails when it reads an image and its questions apart: {lines[0]}"
        ) from error
    worst = float(np.abs(np.log(found.scores) - np.log(plain)).max())
    if not worst <= _TOLERANCE.get(dtype, _HALF_PRECISION):
        raise _refusal(name, "answers otherwise when it reads an image once for all its questions")


def _picture(seed: int) -> bytes:
    pixels = np.random.default_rng(seed).integers(0, 256, (64, 64, 3), dtype=np.uint8)
    return png_bytes(pixels)


def _refusal(name: str, what: str) -> SharingRefused:
    return SharingRefused(f"model {name}: {what}. Choose a model of another architecture.")
