"""Models that put images and texts in one space, whatever library computes their vectors."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import torch
from numpy.typing import NDArray

from evalsuite.errors import GenerationError
from evalsuite.models.capabilities import ReadImage
from evalsuite.models.device import memory_watched
from evalsuite.models.image_embedding import ImageEmbedder, ImageTower, embedded, unit_rows
from evalsuite.models.image_options import DualEncoderOptions
from evalsuite.models.image_preparation import Prepare, image_sizes
from evalsuite.models.zero_shot import ZeroShotClassifier
from evalsuite.requests import Request, Response

# What a token of a text counts for among pixels: as much as a patch of 16 x 16.
_PIXELS_A_TOKEN = 256


@dataclass(frozen=True)
class TextRow:
    """A text as a model reads it, and its length in tokens before it was cut."""

    ids: list[int]
    n_tokens: int
    is_cut: bool


class Towers(ImageTower, Protocol):
    """A model of two towers."""

    @property
    def logit_scale(self) -> float:
        """What cosines are multiplied by before a softmax."""
        ...

    def rows(self, texts: Sequence[str]) -> list[TextRow]:
        """Token ids of texts."""
        ...

    def text_features(self, rows: Sequence[list[int]]) -> Any:
        """Vectors (texts, dimensions), not scaled."""
        ...


class DualEncoder:
    """Embeds images and texts, and labels images by the texts of labels.

    Parameters
    ----------
    towers : Towers
    prepare : callable
        From an image to its tensor.
    options : DualEncoderOptions
    image_pixels : int
        Pixels of an image as the model sees it.
    batch_pixels : int
        Most pixels of one pack.
    """

    def __init__(
        self,
        towers: Towers,
        prepare: Prepare,
        options: DualEncoderOptions,
        *,
        image_pixels: int,
        batch_pixels: int,
    ) -> None:
        self._towers = towers
        self._normalize = options.normalize
        self._image_pixels = image_pixels
        self._batch_pixels = batch_pixels
        self._images = ImageEmbedder(
            towers, prepare, normalize=options.normalize, batch_pixels=batch_pixels
        )
        self._labels = ZeroShotClassifier(
            self._images,
            self._whole_texts,
            label_text=options.label_text,
            scale=towers.logit_scale,
        )

    def sizes(self, requests: Sequence[Request]) -> list[int]:
        """Pixels that each request adds to a pack; of a text, what its tokens count for."""
        if not all(request.capability == "embeds_text" for request in requests):
            return image_sizes(requests, self._image_pixels)
        rows = self._towers.rows([request.prompt.text for request in requests])
        return [_PIXELS_A_TOKEN * len(row.ids) for row in rows]

    @property
    def pack_budget(self) -> int:
        """Pixels of a pack."""
        return self._batch_pixels

    def embed_images(self, requests: Sequence[Request], read: ReadImage) -> list[Response]:
        """Embed the image of each request."""
        return self._images.embed(requests, read)

    def embed_text(self, requests: Sequence[Request]) -> list[Response]:
        """Embed the text of each request."""
        rows = self._towers.rows([request.prompt.text for request in requests])
        vectors = self._text_vectors(rows)
        if self._normalize:
            vectors = unit_rows(vectors)
        return [
            embedded(request, vector, n_tokens=row.n_tokens, cut=row.is_cut)
            for request, row, vector in zip(requests, rows, vectors, strict=True)
        ]

    def classify_images(self, requests: Sequence[Request], read: ReadImage) -> list[Response]:
        """Score the labels of each request for its image."""
        return self._labels.classify(requests, read)

    def _whole_texts(self, texts: Sequence[str]) -> NDArray[np.float64]:
        rows = self._towers.rows(texts)
        for text, row in zip(texts, rows, strict=True):
            if row.is_cut:
                raise GenerationError(
                    f"the label {text[:40]!r} has {row.n_tokens} tokens and would be cut, so that "
                    "it might equal another"
                )
        return self._text_vectors(rows)

    def _text_vectors(self, rows: Sequence[TextRow]) -> NDArray[np.float64]:
        """Vectors of texts, in order; the longest are computed first."""
        order = sorted(range(len(rows)), key=lambda i: -len(rows[i].ids))
        found: dict[int, NDArray[np.float64]] = {}
        start = 0
        with memory_watched(), torch.inference_mode():
            while start < len(order):
                width = len(rows[order[start]].ids)
                batch = order[
                    start : start + max(1, self._batch_pixels // _PIXELS_A_TOKEN // width)
                ]
                vectors = self._towers.text_features([rows[i].ids for i in batch])
                found.update(zip(batch, vectors.double().cpu().numpy(), strict=True))
                start += len(batch)
        return np.array([found[i] for i in range(len(rows))])
