"""Labels for images without training: how near each label's text lies to an image."""

from collections import OrderedDict
from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from evalsuite.errors import GenerationError
from evalsuite.models.capabilities import ReadImage
from evalsuite.models.image_embedding import NOT_FINITE, ImageEmbedder, unit_rows
from evalsuite.requests import LabelsPart, Request, Response, TextPart

EmbedTexts = Callable[[Sequence[str]], NDArray[np.float64]]
"""Vectors of texts; raises `GenerationError` for one that the model cannot read whole."""

_MOST_SETS = 256


class ZeroShotClassifier:
    """Scores labels by the cosine of their texts' vectors and an image's.

    The scores of an image are the softmax, over the labels asked for, of the model's own logits:
    its scale times the cosine. A SigLIP model also has a bias, which is the same for all labels and
    falls out; its own probabilities, of each label against nothing, do not sum to one and are not
    given.

    Parameters
    ----------
    images : ImageEmbedder
    embed_texts : callable
    label_text : callable
        From a label to the text that is compared.
    scale : float
        The model's logit scale.
    """

    def __init__(
        self,
        images: ImageEmbedder,
        embed_texts: EmbedTexts,
        *,
        label_text: Callable[[str], str],
        scale: float,
    ) -> None:
        self._images = images
        self._embed_texts = embed_texts
        self._label_text = label_text
        self._scale = scale
        self._known: OrderedDict[tuple[str, ...], NDArray[np.float64] | str] = OrderedDict()

    def classify(self, requests: Sequence[Request], read: ReadImage) -> list[Response]:
        """Give each label of each request its probability among the labels of the request.

        What cannot be read or scored is an error of its own; the others are not affected.
        """
        images, vectors = self._images.features(requests, read)
        vectors = unit_rows(vectors)
        return [
            self._scored(request, vectors[place])
            if place >= 0
            else Response(request.key, "error", message=images.problems[i])
            for i, (request, place) in enumerate(zip(requests, images.places, strict=True))
        ]

    def _scored(self, request: Request, vector: NDArray[np.float64]) -> Response:
        labels = self._labels(request)
        if isinstance(labels, str):
            return Response(request.key, "error", message=labels)
        with np.errstate(invalid="ignore", over="ignore"):
            logits = self._scale * (labels @ vector)
        scores = softmax(logits)
        if not np.isfinite(scores).all():
            return Response(request.key, "error", message=NOT_FINITE)
        return Response(request.key, "ok", scores=tuple(scores.tolist()))

    def _labels(self, request: Request) -> NDArray[np.float64] | str:
        """Vectors of a request's labels, or why there are none."""
        parts = request.prompt.parts
        asked = [part.labels for part in parts if isinstance(part, LabelsPart)]
        if len(asked) != 1 or not asked[0]:
            return "no labels to choose from"
        if any(isinstance(part, TextPart) for part in parts):
            return "this model compares an image with labels, and reads no question about it"
        if asked[0] not in self._known:
            self._known[asked[0]] = self._embedded(asked[0])
            if len(self._known) > _MOST_SETS:
                self._known.popitem(last=False)
        self._known.move_to_end(asked[0])
        return self._known[asked[0]]

    def _embedded(self, labels: tuple[str, ...]) -> NDArray[np.float64] | str:
        try:
            return unit_rows(self._embed_texts([self._label_text(label) for label in labels]))
        except GenerationError as error:
            return str(error)


def softmax(logits: NDArray[np.float64]) -> NDArray[np.float64]:
    """Probabilities of one row of logits; NaN where they are not finite.

    >>> softmax(np.array([1.0, 1.0])).tolist()
    [0.5, 0.5]
    """
    with np.errstate(invalid="ignore"):
        exponentials = np.exp(logits - logits.max())
        shares: NDArray[np.float64] = exponentials / exponentials.sum()
    return shares
