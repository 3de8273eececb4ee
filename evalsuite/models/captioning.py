"""Images to captions by models made for that: BLIP, GIT and encoder-decoders such as ViT-GPT2."""

from collections.abc import Sequence
from typing import Any

import torch
import transformers

from evalsuite.errors import BadInput
from evalsuite.models.capabilities import ReadImage
from evalsuite.models.device import memory_watched
from evalsuite.models.image_options import ImageOptions
from evalsuite.models.image_preparation import (
    Prepare,
    batches,
    image_processor,
    image_rows,
    pixels_seen,
    prepared_images,
)
from evalsuite.models.loaded_weights import load_tokenizer, load_weights
from evalsuite.models.model_facts import ModelFacts
from evalsuite.models.safe_loading import ModelFolder
from evalsuite.models.visual_loading import IMAGE_TOKENS, batch_tokens
from evalsuite.models.visual_prompts import MAX_CHARACTERS, MAX_NEW_TOKENS
from evalsuite.requests import Request, Response

GREEDY: dict[str, Any] = {
    "max_new_tokens": MAX_NEW_TOKENS,
    "do_sample": False,
    "num_beams": 1,
    "repetition_penalty": 1.0,
    "no_repeat_ngram_size": 0,
    "return_dict_in_generate": False,
}
"""The likeliest token each time, whatever the folder's generation_config.json says."""


class Captioner:
    """Describes images in words.

    Parameters
    ----------
    model : transformers model that writes a text about an image, in evaluation mode
    tokenizer : its tokenizer
    prepare : callable
        Makes the pixels of an image.
    end_id : int
        Token that ends a caption.
    n_pixels : int
        Pixels of an image as the model sees it.
    budget : int
        Most tokens, those of images among them, of one forward pass.
    """

    def __init__(
        self,
        model: Any,
        tokenizer: Any,
        prepare: Prepare,
        *,
        end_id: int,
        n_pixels: int,
        budget: int,
    ) -> None:
        self._model = model
        self._tokenizer = tokenizer
        self._prepare = prepare
        self._end_id = end_id
        self._n_pixels = n_pixels
        self._budget = budget

    @property
    def pack_budget(self) -> int:
        """Tokens of a pack."""
        return self._budget

    def sizes(self, requests: Sequence[Request]) -> list[int]:
        """Tokens that each request takes: an image is as long as many words."""
        return [IMAGE_TOKENS] * len(requests)

    def caption_images(self, requests: Sequence[Request], read: ReadImage) -> list[Response]:
        """Describe the image of each request."""
        images = prepared_images(requests, read, self._prepare)
        captions: dict[int, tuple[int, ...]] = {}
        with memory_watched(), torch.inference_mode():
            n_images = max(1, self._budget // IMAGE_TOKENS)
            for places in batches(images.tensors, n_images * self._n_pixels):
                pixels = image_rows([images.tensors[i] for i in places], self._model)
                rows = self._model.generate(pixel_values=pixels, **GREEDY)
                captions.update(zip(places, (tuple(r) for r in rows.tolist()), strict=True))
        return [
            Response(request.key, "error", message=images.problems[i])
            if i in images.problems
            else written(request.key, captions[images.places[i]], self._tokenizer, self._end_id)
            for i, request in enumerate(requests)
        ]


def written(key: bytes, tokens: Sequence[int], tokenizer: Any, end_id: int) -> Response:
    """Make the response of a row that ``generate`` wrote behind one start token."""
    own = list(tokens[1:])
    is_ended = end_id in own
    own = own[: own.index(end_id)] if is_ended else own
    text: str = tokenizer.decode(own, skip_special_tokens=True)
    return Response(
        key,
        "ok",
        text=text.strip()[:MAX_CHARACTERS],
        finish="stop" if is_ended else "length",
        n_new_tokens=len(own),
    )


def load(folder: ModelFolder, facts: ModelFacts, options: ImageOptions, device: str) -> Captioner:
    """Load a model that describes images.

    Raises
    ------
    BadInput
        If its weights do not fit its architecture, or no token ends its captions.
    """
    name = f"transformers:{folder.label}"
    auto = transformers.AutoModelForImageTextToText
    model = load_weights(auto, folder, options, device, name=name, unused=("pooler",))
    prepare = image_processor(folder, name=name)
    return Captioner(
        model,
        load_tokenizer(folder, name=name),
        prepare,
        end_id=_end_id(model, name),
        n_pixels=pixels_seen(prepare, name=name),
        budget=batch_tokens(options, model),
    )


def _end_id(model: Any, name: str) -> int:
    """The one token that ends a caption."""
    if model.config.model_type == "blip":  # whose generate takes no other
        end = model.config.text_config.sep_token_id
    else:
        end = model.generation_config.eos_token_id
    if not isinstance(end, int):
        raise BadInput(f"model {name}: its files name no one token that ends its captions")
    return end
