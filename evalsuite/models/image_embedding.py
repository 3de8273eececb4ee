"""Images, and texts where the model reads them, to vectors; imported when a model is loaded."""

from collections.abc import Sequence
from typing import Any, Protocol

import numpy as np
import torch
from numpy.typing import NDArray

from evalsuite.models.capabilities import ReadImage
from evalsuite.models.device import memory_watched
from evalsuite.models.image_preparation import Prepare, PreparedImages, batches, prepared_images
from evalsuite.requests import Request, Response

Vectors = NDArray[np.float32]
NOT_FINITE = "the model's outputs are not finite; try ?dtype=float32"


class ImageTower(Protocol):
    """Part of a model that makes vectors of images."""

    def image_features(self, tensors: Sequence[torch.Tensor]) -> Any:
        """Vectors (images, dimensions), not scaled, for tensors of one shape."""
        ...


class ImageEmbedder:
    """Embeds images with one tower of a model.

    Parameters
    ----------
    tower : ImageTower
    prepare : callable
        From an image to its tensor.
    normalize : bool
        Whether vectors are scaled to length one.
    batch_pixels : int
        Most pixels of one forward pass.
    """

    def __init__(
        self, tower: ImageTower, prepare: Prepare, *, normalize: bool, batch_pixels: int
    ) -> None:
        self._tower = tower
        self._prepare = prepare
        self._normalize = normalize
        self._batch_pixels = batch_pixels

    def embed(self, requests: Sequence[Request], read: ReadImage) -> list[Response]:
        """Embed the image of each request; one that cannot be read is an error of its own."""
        images, vectors = self.features(requests, read)
        if self._normalize:
            vectors = unit_rows(vectors)
        return [
            embedded(request, vectors[place])
            if place >= 0
            else Response(request.key, "error", message=images.problems[i])
            for i, (request, place) in enumerate(zip(requests, images.places, strict=True))
        ]

    def features(
        self, requests: Sequence[Request], read: ReadImage
    ) -> tuple[PreparedImages, NDArray[np.float64]]:
        """The images of requests, and the vector, not scaled, of each different one."""
        images = prepared_images(requests, read, self._prepare)
        found: dict[int, NDArray[np.float64]] = {}
        with memory_watched(), torch.inference_mode():
            for batch in batches(images.tensors, self._batch_pixels):
                rows = self._tower.image_features([images.tensors[i] for i in batch])
                found.update(zip(batch, rows.double().cpu().numpy(), strict=True))
        return images, np.array([found[i] for i in range(len(found))])


def unit_rows(vectors: NDArray[np.float64]) -> NDArray[np.float64]:
    """Scale each row to length one.

    >>> unit_rows(np.array([[3.0, 4.0]])).tolist()
    [[0.6, 0.8]]
    """
    if not vectors.size:
        return vectors
    with np.errstate(invalid="ignore", over="ignore"):  # what is not finite is told apart later
        lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
        scaled: NDArray[np.float64] = vectors / np.maximum(lengths, 1e-12)
    return scaled


def embedded(
    request: Request, vector: NDArray[np.float64], *, n_tokens: int | None = None, cut: bool = False
) -> Response:
    """Answer with a vector; ``cut`` says that a text was longer than what was embedded."""
    if not np.isfinite(vector).all():
        return Response(request.key, "error", message=NOT_FINITE)
    return Response(
        request.key,
        "ok",
        vector=vector.astype(np.float32),
        finish=None if n_tokens is None else "length" if cut else "stop",
        n_prompt_tokens=n_tokens,
    )
