"""``embedded:tinyworld``: draws scenes from a joint distribution that is known exactly.

No model and no training: a sampler behind the interface of a text-to-image model, so that every
measure of images can be held against the truth.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field

from evalsuite.errors import BadInput
from evalsuite.images import png_bytes
from evalsuite.models.capabilities import GeneratesImages, LoadedModel
from evalsuite.models.model_packages import INSTALL_IMAGE, require_packages
from evalsuite.models.spec import ModelSpec
from evalsuite.requests import Entrant, Request, Response, uniforms
from evalsuite.tinyworld.captions import Description, parse
from evalsuite.tinyworld.drawing import SIZE, draw
from evalsuite.tinyworld.joint import JOINTS, Joint, read_joint
from evalsuite.tinyworld.world import Scene, all_scenes

if TYPE_CHECKING:
    from evalsuite.prompts import Unit

REVISION = "tinyworld-1"
"""Raised by any change to what is drawn or how it is drawn from."""

_MOST_BYTES = 1_000_000


class ProceduralOptions(BaseModel):
    """What may stand behind the ``?`` of ``embedded:tinyworld``.

    Parameters
    ----------
    bias : str
        ``balanced``, ``stereotyped`` or a JSON file of conditional tables
        (`evalsuite.tinyworld.joint.product_joint`).
    collapse : float
        Probability with which the likeliest scene of the prompt is drawn, whatever the joint says.
    duplicates : float
        Probability with which an image is a copy of one that is the prompt's own.
    size : int
        Width and height in pixels.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    bias: str = "balanced"
    collapse: float = Field(0.0, ge=0.0, le=1.0)
    duplicates: float = Field(0.0, ge=0.0, le=1.0)
    size: int = Field(SIZE, ge=SIZE, le=1024)


@dataclass(frozen=True, eq=False)
class ProceduralHandle:
    """The sampler with its joint."""

    entrant: Entrant
    joint: Joint
    options: ProceduralOptions

    @property
    def capabilities(self) -> frozenset[type]:
        """It answers a prompt with an image."""
        return frozenset({GeneratesImages})

    @property
    def chosen_decoding(self) -> dict[str, object]:
        """Nothing: it does not write."""
        return {}

    def for_units(
        self, units: "Sequence[Unit]", *, known: "Sequence[Unit]", samples: int, replicates: int
    ) -> "ProceduralHandle":
        """Check that every prompt can be drawn.

        Raises
        ------
        BadInput
            Naming the first prompt that is not of tinyworld's grammar.
        """
        check_prompts(self.entrant.model, units)
        return self

    def load(self, device: str) -> LoadedModel:
        """Load nothing; every device is as good.

        Raises
        ------
        MissingPackage
            If Pillow is not installed, which writes the images.
        """
        require_packages(self.entrant.model, "pillow", install=INSTALL_IMAGE)
        return ProceduralSampler(self.joint, self.options)


class ProceduralSampler:
    """Draws what prompts describe; what they leave open follows the joint."""

    pack_budget = 256 * SIZE**2
    """Pixels of one pack."""

    def __init__(self, joint: Joint, options: ProceduralOptions) -> None:
        self._joint = joint
        self._options = options
        self._cells = cache(self._cells_of)

    def sizes(self, requests: Sequence[Request]) -> list[int]:
        """Pixels of each image."""
        return [self._options.size**2] * len(requests)

    def generate_images(self, requests: Sequence[Request]) -> list[Response]:
        """Draw one scene a request, from the request's own random stream."""
        return [self._drawn(request) for request in requests]

    def _drawn(self, request: Request) -> Response:
        prompt = request.prompt.text
        try:
            parse(prompt)
        except ValueError:
            raise BadInput(_outside(request.entrant.model, prompt)) from None
        is_copy = uniforms(request.key, 2)[1] < self._options.duplicates
        stream = _shared_stream(request) if is_copy else request.key
        scenes, cumulative = self._cells(prompt)
        cell = int(np.searchsorted(cumulative, uniforms(stream, 1)[0], side="right"))
        scene = scenes[min(cell, len(scenes) - 1)]
        pixels = draw(scene, int.from_bytes(stream[16:24], "big"), size=self._options.size)
        return Response(request.key, "ok", image=png_bytes(pixels))

    def _cells_of(self, prompt: str) -> tuple[list[Scene], NDArray[np.float64]]:
        found: Description = parse(prompt)
        table = self._joint.collapsed(found.kind, found.named, self._options.collapse)
        cells = all_scenes(found.kind)
        possible = np.flatnonzero(table)
        return [cells[i] for i in possible], np.cumsum(table.flat[possible])


def open_procedural(spec: ModelSpec) -> ProceduralHandle:
    """Return a handle on the sampler.

    Raises
    ------
    UnknownName, BadInput
        If an option does not fit, or the file of the joint cannot be read.
    """
    options = spec.read_options(ProceduralOptions)
    joint, bias = _joint(options.bias, str(spec))
    settings = options.model_dump(exclude={"bias"}, exclude_defaults=True) | {"bias": bias}
    entrant = Entrant(
        model=str(spec),
        backend="procedural",
        revision=REVISION,
        settings=tuple(sorted(settings.items())),
    )
    return ProceduralHandle(entrant, joint, options)


def check_prompts(model: str, units: "Sequence[Unit]") -> None:
    """Refuse prompts that are not of tinyworld's grammar.

    Raises
    ------
    BadInput
        Naming the first of them.
    """
    for unit in units:
        try:
            parse(unit.prompt.text)
        except ValueError:
            raise BadInput(_outside(model, unit.prompt.text)) from None


def _outside(model: str, prompt: str) -> str:
    return (
        f"{model} draws nothing but tinyworld, and {prompt[:60]!r} is no prompt of it (such as 'a "
        "woman doctor on a mint background'); use --set tinyworld, or another model"
    )


def _joint(bias: str, model: str) -> tuple[Joint, str]:
    """The joint, and what stands for it in the entrant."""
    if bias in JOINTS:
        return JOINTS[bias], bias
    path = Path(bias)
    try:
        if path.stat().st_size > _MOST_BYTES:
            raise BadInput(f"model {model}: {path.name} is larger than {_MOST_BYTES:,} bytes")
        raw = path.read_bytes()
    except OSError as error:
        raise BadInput(
            f"model {model}: bias is {', '.join(JOINTS)} or a JSON file, and {bias!r} cannot be "
            f"read ({error.strerror})"
        ) from None
    try:
        joint = read_joint(raw.decode("utf-8"))
    except ValueError as error:
        raise BadInput(f"model {model}: {path.name}: {error}") from None
    return joint, "sha256:" + hashlib.sha256(raw).hexdigest()


def _shared_stream(request: Request) -> bytes:
    """The stream of the one image that copies of a prompt's images are of."""
    fields = (
        request.entrant.identity,
        request.prompt.digest,
        str(request.seed),
        str(request.occurrence),
    )
    return hashlib.sha256("\n".join(("copies", *fields)).encode()).digest()
