"""Image models of the transformers library in memory; imported when one is loaded."""

from collections.abc import Sequence
from typing import Any

import torch
import transformers

from evalsuite.errors import BadInput
from evalsuite.models.capabilities import ReadImage
from evalsuite.models.dual_encoder import DualEncoder, TextRow
from evalsuite.models.image_embedding import ImageEmbedder
from evalsuite.models.image_options import PIXELS, DualEncoderOptions, ImageEncoderOptions
from evalsuite.models.image_preparation import image_processor, image_rows, image_sizes, pixels_seen
from evalsuite.models.loaded_weights import check_vocabulary, load_tokenizer, load_weights
from evalsuite.models.model_facts import ModelFacts
from evalsuite.models.safe_loading import ModelFolder
from evalsuite.requests import Request, Response


class ImageEncoder:
    """Embeds images."""

    def __init__(self, embedder: ImageEmbedder, *, image_pixels: int, batch_pixels: int) -> None:
        self._embedder = embedder
        self._image_pixels = image_pixels
        self._batch_pixels = batch_pixels

    def sizes(self, requests: Sequence[Request]) -> list[int]:
        """Pixels that each request adds to a pack."""
        return image_sizes(requests, self._image_pixels)

    @property
    def pack_budget(self) -> int:
        """Pixels of a pack."""
        return self._batch_pixels

    def embed_images(self, requests: Sequence[Request], read: ReadImage) -> list[Response]:
        """Embed the image of each request."""
        return self._embedder.embed(requests, read)


class PatchTower:
    """Pooled hidden states of a vision transformer.

    Parameters
    ----------
    model : transformers model, in evaluation mode
    pooling : cls or mean
    """

    def __init__(self, model: Any, pooling: str) -> None:
        self._model = model
        self._pooling = pooling
        # Register tokens stand between the class token and the patches.
        self._n_before = 1 + int(getattr(model.config, "num_register_tokens", 0))

    def image_features(self, tensors: Sequence[torch.Tensor]) -> Any:
        """Vectors of images of one shape."""
        states = self._model(pixel_values=image_rows(tensors, self._model)).last_hidden_state
        if self._pooling == "cls":
            return states[:, 0]
        return states[:, self._n_before :].float().mean(dim=1)


class ClipTowers:
    """A CLIP or SigLIP model of the transformers library.

    CLIP reads a text up to its end token. SigLIP learned on texts padded to its full length and
    reads the padding too, so each of its texts is padded to that length.
    """

    def __init__(self, model: Any, tokenizer: Any, *, name: str) -> None:
        self._model = model
        self._tokenizer = tokenizer
        self._is_padded = model.config.model_type.startswith("siglip")
        text_config = model.config.text_config
        self._length = int(text_config.max_position_embeddings)
        check_vocabulary(len(tokenizer), int(text_config.vocab_size), name)
        if tokenizer.pad_token_id is None:
            raise BadInput(f"model {name}: its tokenizer has no padding token")

    @property
    def logit_scale(self) -> float:
        """What cosines are multiplied by before a softmax."""
        return float(self._model.logit_scale.detach().double().exp())

    def rows(self, texts: Sequence[str]) -> list[TextRow]:
        """Token ids of texts, cut to the model's length."""
        whole = self._tokenizer(list(texts), truncation=False, verbose=False)["input_ids"]
        padding = "max_length" if self._is_padded else False
        read = self._tokenizer(
            list(texts), truncation=True, max_length=self._length, padding=padding
        )["input_ids"]
        return [
            TextRow(ids or [int(self._tokenizer.pad_token_id)], len(own), len(own) > self._length)
            for ids, own in zip(read, whole, strict=True)
        ]

    def text_features(self, rows: Sequence[list[int]]) -> Any:
        """Vectors of texts; those of CLIP may be of different lengths."""
        width = max(len(ids) for ids in rows)
        ids = torch.full((len(rows), width), int(self._tokenizer.pad_token_id))
        mask = torch.zeros((len(rows), width), dtype=torch.long)
        for i, row in enumerate(rows):
            ids[i, : len(row)] = torch.tensor(row)
            mask[i, : len(row)] = 1
        device = self._model.device
        inputs = {"input_ids": ids.to(device)}
        if not self._is_padded:
            inputs["attention_mask"] = mask.to(device)
        return _pooled(self._model.get_text_features(**inputs))

    def image_features(self, tensors: Sequence[torch.Tensor]) -> Any:
        """Vectors of images of one shape."""
        pixels = image_rows(tensors, self._model)
        return _pooled(self._model.get_image_features(pixel_values=pixels))


def load(
    folder: ModelFolder,
    facts: ModelFacts,
    options: DualEncoderOptions | ImageEncoderOptions,
    device: str,
) -> DualEncoder | ImageEncoder:
    """Load a CLIP or SigLIP model, or one that embeds images only.

    Raises
    ------
    BadInput
        If the weights do not fit the architecture, or images or texts cannot be read as the folder
        says.
    """
    name = f"transformers:{folder.label}"
    prepare = image_processor(folder, name=name)
    pixels = pixels_seen(prepare, name=name)
    # Vectors are taken before any pooler, whose weights need not be there.
    unused = ("pooler",) if isinstance(options, ImageEncoderOptions) else ()
    model = load_weights(transformers.AutoModel, folder, options, device, name=name, unused=unused)
    budget = options.batch_pixels or PIXELS[model.device.type]
    if isinstance(options, ImageEncoderOptions):
        embedder = ImageEmbedder(
            PatchTower(model, options.pooling),
            prepare,
            normalize=options.normalize,
            batch_pixels=budget,
        )
        return ImageEncoder(embedder, image_pixels=pixels, batch_pixels=budget)
    towers = ClipTowers(model, load_tokenizer(folder, name=name), name=name)
    return DualEncoder(towers, prepare, options, image_pixels=pixels, batch_pixels=budget)


def _pooled(features: Any) -> Any:
    """The vectors; older versions of the library return them bare."""
    return features if isinstance(features, torch.Tensor) else features.pooler_output
