"""Texts to images with a diffusers pipeline: one random stream an image, whatever the pack."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import groupby
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from evalsuite.errors import BadInput, GenerationError, OutOfMemory
from evalsuite.images import is_blank, png_bytes
from evalsuite.models.device import memory_watched
from evalsuite.models.pipeline_options import PipelineOptions
from evalsuite.models.prompt_mixing import prompts_mix
from evalsuite.requests import Request, Response

_LENGTH_WARNING = "sequence-length-is-longer-than-the-specified-maximum"
_NO_LIMIT = 1_000_000  # Tokenizers without a limit carry a number far above it.


class ImageGenerator:
    """Generates images with a loaded pipeline.

    Parameters
    ----------
    pipeline : diffusers pipeline, on its device
    options : PipelineOptions
    name : str
        The model's name for the messages.
    size : (int, int)
        Width and height of an image.
    pack_pixels : int
        Most pixels of one pack.
    """

    def __init__(
        self,
        pipeline: Any,
        options: PipelineOptions,
        *,
        name: str,
        size: tuple[int, int],
        pack_pixels: int,
    ) -> None:
        self._pipeline = pipeline
        self._options = options
        self._name = name
        self._pixels = size[0] * size[1]
        self._pack_pixels = pack_pixels
        self._mixes = False
        self._tokenizers = _limited_tokenizers(pipeline)

    def check(self) -> None:
        """Prove the options on the pipeline, up to its first step, before anything is generated.

        Raises
        ------
        BadInput
            If the pipeline does not take them together.
        """
        unit = getattr(self._pipeline, "vae_scale_factor", 1)
        for name in ("width", "height"):
            # Pipelines round such a size down without a word.
            if (pixels := getattr(self._options, name)) is not None and pixels % unit:
                raise BadInput(f"model {self._name}: {name}={pixels} is no multiple of {unit}")
        try:
            with memory_watched(), torch.inference_mode():
                self._mixes = prompts_mix(self._pipeline, self._arguments)
        except OutOfMemory:
            raise
        # A pipeline raises whatever it trips over when options do not fit.
        except Exception as error:
            raise BadInput(
                f"model {self._name}: the pipeline cannot run with these options: "
                f"{_first_line(error)}"
            ) from error

    def sizes(self, requests: Sequence[Request]) -> list[int]:
        """Pixels of each image."""
        return [self._pixels] * len(requests)

    @property
    def pack_budget(self) -> int:
        """Pixels of a pack."""
        return self._pack_pixels

    def generate_images(self, requests: Sequence[Request]) -> list[Response]:
        """Draw the image of each request.

        Returns
        -------
        list of Response
            ``filtered`` where the safety checker took the image or nothing is drawn, ``error``
            where it holds numbers that are no colours. ``finish`` is ``length`` where every text
            encoder saw only the beginning of the prompt.

        Raises
        ------
        OutOfMemory
            If they do not fit together.
        GenerationError
            If the pipeline fails; the engine finds out which request is at fault.
        """
        return [answer for pack in self._packs(requests) for answer in self._generate(pack)]

    def _packs(self, requests: Sequence[Request]) -> Iterator[Sequence[Request]]:
        """One call each; of equal prompts where others would change what is drawn."""
        if self._mixes:
            yield requests
            return
        for _, own in groupby(requests, key=lambda request: request.prompt.digest):
            yield list(own)

    def _generate(self, requests: Sequence[Request]) -> list[Response]:
        prompts = [self._options.prefix + request.prompt.text for request in requests]
        generators = [generator_of(request.key) for request in requests]
        try:
            with memory_watched(), torch.inference_mode():
                output = self._pipeline(**self._arguments(prompts), generator=generators)
        except OutOfMemory:
            raise
        # Pipelines raise errors of every kind; one request's must not end the run.
        except Exception as error:
            raise GenerationError(f"{type(error).__name__}: {_first_line(error)}") from error
        images = getattr(output, "images", None)
        if images is None or len(images) != len(requests):
            n = 0 if images is None else len(images)
            raise GenerationError(f"the pipeline gave {n} images for {len(requests)} prompts")
        taken = getattr(output, "nsfw_content_detected", None) or [False] * len(requests)
        answers = (
            _response(request.key, np.asarray(image), bool(is_taken))
            for request, image, is_taken in zip(requests, images, taken, strict=True)
        )
        return [
            replace(answer, finish="length" if self._is_cut(prompt) else "stop")
            for answer, prompt in zip(answers, prompts, strict=True)
        ]

    def _is_cut(self, prompt: str) -> bool:
        """Whether no text encoder sees the whole prompt; False where their limits are not told."""
        return bool(self._tokenizers) and all(
            len(tokenizer(prompt, verbose=False)["input_ids"]) > tokenizer.model_max_length
            for tokenizer in self._tokenizers
        )

    def _arguments(self, prompts: list[str]) -> dict[str, Any]:
        arguments: dict[str, Any] = {**self._options.call_arguments(), "output_type": "np"}
        if "negative_prompt" in arguments:
            arguments["negative_prompt"] = [arguments["negative_prompt"]] * len(prompts)
        return {"prompt": prompts, **arguments}


def generator_of(key: bytes) -> torch.Generator:
    """The random stream of one image: on the CPU on every device, from its request's key."""
    return torch.Generator("cpu").manual_seed(int.from_bytes(key[:8], "big") >> 1)


def _limited_tokenizers(pipeline: Any) -> list[Any]:
    """The pipeline's tokenizers, if each has a limit of its own."""
    found = [t for name, t in pipeline.components.items() if name.startswith("tokenizer") and t]
    for tokenizer in found:
        # A prompt that was cut is told by its response, not by a warning about the first of them.
        tokenizer.deprecation_warnings[_LENGTH_WARNING] = True
    return found if all(t.model_max_length < _NO_LIMIT for t in found) else []


def _response(key: bytes, image: NDArray[Any], is_taken: bool) -> Response:
    """Answer with a pipeline's image: floats in [0, 1], shape (height, width, channels)."""
    if is_taken:
        return Response(key, "filtered", message="the pipeline's safety checker took the image")
    if image.ndim != 3 or image.shape[2] not in (1, 3):
        return Response(key, "error", message=f"an image of shape {image.shape} came out")
    if not np.isfinite(image).all():
        return Response(
            key, "error", message="the image is not finite; a wider ?dtype may help (float32)"
        )
    pixels = (np.clip(image, 0.0, 1.0) * 255.0).round().astype(np.uint8)
    pixels = np.repeat(pixels, 3, axis=2) if pixels.shape[2] == 1 else pixels
    if is_blank(pixels):
        return Response(key, "filtered", message="the image is blank: every pixel is equal")
    return Response(key, "ok", image=png_bytes(pixels))


def _first_line(error: BaseException) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0]
