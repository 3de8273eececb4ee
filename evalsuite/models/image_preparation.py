"""From the PNG bytes of requests to the tensors that an image model reads; it imports torch."""

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch
import transformers

from evalsuite.errors import BadInput
from evalsuite.images import BadImage, read_image
from evalsuite.models.capabilities import ReadImage
from evalsuite.models.loaded_weights import first_line
from evalsuite.models.safe_loading import ModelFolder
from evalsuite.requests import ImagePart, Request

if TYPE_CHECKING:
    from PIL.Image import Image

Prepare = Callable[["Image"], torch.Tensor]
"""Makes the tensor (channels, height, width) of one image; the same for equal images."""

_PROBE_PIXELS = 64


@dataclass(frozen=True)
class PreparedImages:
    """The images of some requests, each different one once.

    Parameters
    ----------
    tensors : list of tensors
    places : list of int
        For each request, where its image is in ``tensors``; -1 where it cannot be read.
    problems : dict of int to str
        By request, why it cannot.
    """

    tensors: list[torch.Tensor]
    places: list[int]
    problems: dict[int, str]


def prepared_images(
    requests: Sequence[Request], read: ReadImage, prepare: Prepare
) -> PreparedImages:
    """Read and prepare the image of each request."""
    tensors: list[torch.Tensor] = []
    places: list[int] = []
    problems: dict[int, str] = {}
    known: dict[str, int | str] = {}
    for i, request in enumerate(requests):
        images = [part for part in request.prompt.parts if isinstance(part, ImagePart)]
        if len(images) != 1:
            problems[i] = f"this model reads one image at a time, and here are {len(images)}"
            places.append(-1)
            continue
        found = known.get(images[0].sha256)
        if found is None:
            found = _prepared(images[0], read, prepare, tensors)
            known[images[0].sha256] = found
        if isinstance(found, str):
            problems[i] = found
        places.append(-1 if isinstance(found, str) else found)
    return PreparedImages(tensors, places, problems)


def _prepared(
    part: ImagePart, read: ReadImage, prepare: Prepare, tensors: list[torch.Tensor]
) -> int | str:
    try:
        image = read_image(read(part), where=f"image {part.sha256[:12]}")
    except BadImage as error:
        return str(error)
    tensors.append(prepare(image))
    return len(tensors) - 1


def batches(tensors: Sequence[torch.Tensor], batch_pixels: int) -> Iterator[list[int]]:
    """Cut tensors into batches of one shape that hold at most so many pixels, in order."""
    by_shape: dict[torch.Size, list[int]] = {}
    for i, tensor in enumerate(tensors):
        by_shape.setdefault(tensor.shape, []).append(i)
    for shape, places in by_shape.items():
        n_rows = max(1, batch_pixels // (shape[-2] * shape[-1]))
        for start in range(0, len(places), n_rows):
            yield places[start : start + n_rows]


def image_sizes(requests: Sequence[Request], pixels: int) -> list[int]:
    """Pixels that each request adds to a pack: an image that several ask about is computed once."""
    images = [
        [part.sha256 for part in request.prompt.parts if isinstance(part, ImagePart)]
        for request in requests
    ]
    n_asked = Counter(sha256 for own in images for sha256 in own)
    return [sum(-(-pixels // n_asked[sha256]) for sha256 in own) or 1 for own in images]


def image_processor(folder: ModelFolder, *, name: str) -> Prepare:
    """Load how a transformers model prepares an image.

    The library's Pillow code is taken where there is a choice: it is what such models were trained
    and published with, and it does not change with the version of torchvision.

    Raises
    ------
    BadInput
        If the folder's settings are none that the library knows.
    """
    try:
        processor = transformers.AutoImageProcessor.from_pretrained(
            str(folder.path), local_files_only=True, trust_remote_code=False, backend="pil"
        )
    # A setting of the wrong kind fails wherever it is first used.
    except (OSError, ValueError, ImportError, TypeError, LookupError, AttributeError) as error:
        raise _refusal(name, error) from error

    def prepare(image: "Image") -> torch.Tensor:
        pixels: torch.Tensor = processor(images=image, return_tensors="pt")["pixel_values"][0]
        return pixels

    return prepare


def pixels_seen(prepare: Prepare, *, name: str) -> int:
    """How many pixels the model sees of a square image.

    Raises
    ------
    BadInput
        If images cannot be prepared by the folder's settings.
    """
    from PIL import Image

    try:
        shape = prepare(Image.new("RGB", (_PROBE_PIXELS, _PROBE_PIXELS))).shape
    except (ValueError, TypeError, LookupError, AttributeError, RuntimeError) as error:
        raise _refusal(name, error) from error
    return int(shape[-2] * shape[-1])


def _refusal(name: str, error: Exception) -> BadInput:
    return BadInput(
        f"model {name}: images cannot be prepared as its files say: {first_line(error)}"
    )


def image_rows(tensors: Sequence[torch.Tensor], model: Any) -> torch.Tensor:
    """Stack tensors of one shape on the device and in the precision of a model."""
    parameter = next(model.parameters())
    return torch.stack(list(tensors)).to(parameter.device, parameter.dtype)
