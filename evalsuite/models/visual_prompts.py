"""Requests about images: what is asked, the images they are about, and answers that are none."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from evalsuite.errors import GenerationError
from evalsuite.images import BadImage, read_image
from evalsuite.models.capabilities import ReadImage
from evalsuite.requests import ImagePart, LabelsPart, Request, Response, TextPart

if TYPE_CHECKING:
    from PIL.Image import Image

MAX_NEW_TOKENS = 32
"""Longest free answer or caption."""

MAX_CHARACTERS = 20_000
"""Longest text that a model is taken at."""


@dataclass(frozen=True)
class VisualPrompt:
    """A question about an image, or with ``question`` None a request for a caption.

    Parameters
    ----------
    image : ImagePart
    question : str or None
    answers : tuple of str or None
        The closed set to choose from; None where the answer is free.
    """

    image: ImagePart
    question: str | None
    answers: tuple[str, ...] | None


def visual_prompt(request: Request) -> VisualPrompt:
    """Read the parts of a request.

    Raises
    ------
    GenerationError
        If it is not one image with the parts that its capability takes.
    """
    parts = request.prompt.parts
    images = [part for part in parts if isinstance(part, ImagePart)]
    texts = [part.text for part in parts if isinstance(part, TextPart)]
    sets = [part.labels for part in parts if isinstance(part, LabelsPart)]
    if request.capability == "captions_images":
        if len(images) != 1 or len(parts) != 1:
            raise GenerationError("a caption is asked for with one image and nothing else")
        return VisualPrompt(images[0], None, None)
    if len(images) != 1 or len(texts) != 1 or len(sets) > 1:
        raise GenerationError(
            "a visual question is one image, one text and at most one set of answers"
        )
    if not texts[0].strip():
        raise GenerationError("the question is blank")
    if sets and (not sets[0] or len(set(sets[0])) < len(sets[0])):
        raise GenerationError("the answers to choose from are none, or one stands there twice")
    if sets and not all(answer.strip() for answer in sets[0]):
        raise GenerationError("an answer to choose from is blank")
    return VisualPrompt(images[0], texts[0], sets[0] if sets else None)


def read_prompts(
    requests: Sequence[Request], read: ReadImage
) -> tuple[list[VisualPrompt | str], dict[str, "Image"]]:
    """Read requests and decode each of their images once.

    Returns
    -------
    list of VisualPrompt or str
        For each request, or why it cannot be answered.
    dict of str to PIL image
        By the sha256 of the image part.
    """
    images: dict[str, Image] = {}
    problems: dict[str, str] = {}
    prompts: list[VisualPrompt | str] = []
    for request in requests:
        try:
            prompt = visual_prompt(request)
        except GenerationError as error:
            prompts.append(str(error))
            continue
        name = prompt.image.sha256
        if name not in images and name not in problems:
            try:
                images[name] = read_image(read(prompt.image), where=f"image {name[:12]}")
            except BadImage as error:
                problems[name] = str(error)
        prompts.append(problems.get(name, prompt))
    return prompts, images


def readable_prompts(requests: Sequence[Request]) -> list[VisualPrompt]:
    """The prompts of the requests that have what their capability takes."""
    found = []
    for request in requests:
        try:
            found.append(visual_prompt(request))
        except GenerationError:  # The request itself will say so.
            continue
    return found


def not_finite(key: bytes) -> Response:
    """Return the response of a model whose outputs are no numbers."""
    message = "the model's outputs are not finite; try ?dtype=float32"
    return Response(key, "error", message=message)
