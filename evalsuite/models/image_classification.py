"""Images to labels of a fixed head; imported when such a model is loaded."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
import transformers
from numpy.typing import NDArray

from evalsuite.errors import BadInput
from evalsuite.models.capabilities import ReadImage
from evalsuite.models.classifier_options import ClassifierOptions, label_names, place_of
from evalsuite.models.image_embedding import NOT_FINITE, ImageEmbedder
from evalsuite.models.image_options import PIXELS, ImageClassifierOptions
from evalsuite.models.image_preparation import image_processor, image_rows, image_sizes, pixels_seen
from evalsuite.models.loaded_weights import load_weights
from evalsuite.models.model_facts import ModelFacts
from evalsuite.models.safe_loading import ModelFolder
from evalsuite.models.zero_shot import softmax
from evalsuite.requests import LabelsPart, Request, Response


class _Head:
    """The outputs of a model, taken for a vector of the image."""

    def __init__(self, model: Any) -> None:
        self._model = model

    def image_features(self, tensors: Sequence[torch.Tensor]) -> Any:
        return self._model(pixel_values=image_rows(tensors, self._model)).logits


class ImageClassifier:
    """Scores images for the labels that a model was trained on.

    The scores of a request are the softmax of the model's logits over the labels that are asked
    for, so that they sum to one: the probabilities given that one of these labels is right.

    Parameters
    ----------
    images : ImageEmbedder
        Over the model's outputs.
    labels : tuple of str
        Names of the outputs, in the order of their ids.
    name : str
        The model's name, for messages.
    """

    def __init__(
        self,
        images: ImageEmbedder,
        labels: tuple[str, ...],
        *,
        name: str,
        image_pixels: int,
        batch_pixels: int,
    ) -> None:
        self._images = images
        self._labels = labels
        self._name = name
        self._image_pixels = image_pixels
        self._batch_pixels = batch_pixels

    def sizes(self, requests: Sequence[Request]) -> list[int]:
        """Pixels that each request adds to a pack."""
        return image_sizes(requests, self._image_pixels)

    @property
    def pack_budget(self) -> int:
        """Pixels of a pack."""
        return self._batch_pixels

    def classify_images(self, requests: Sequence[Request], read: ReadImage) -> list[Response]:
        """Score the labels of each request for its image.

        Raises
        ------
        BadInput
            If the model lacks a label that is asked for.
        """
        places = [self._places(request) for request in requests]
        images, logits = self._images.features(requests, read)
        responses = []
        for i, (request, image) in enumerate(zip(requests, images.places, strict=True)):
            if image < 0:
                responses.append(Response(request.key, "error", message=images.problems[i]))
            elif not places[i]:
                message = "no labels to choose from"
                responses.append(Response(request.key, "error", message=message))
            else:
                responses.append(_scored(request, logits[image][places[i]]))
        return responses

    def _places(self, request: Request) -> list[int]:
        asked = [part.labels for part in request.prompt.parts if isinstance(part, LabelsPart)]
        return [place_of(label, self._labels, self._name) for labels in asked for label in labels]


def load(
    folder: ModelFolder, facts: ModelFacts, options: ImageClassifierOptions, device: str
) -> ImageClassifier:
    """Load an image classifier.

    Raises
    ------
    BadInput
        If its outputs are no labels to choose from, the weights do not fit the architecture, or
        images cannot be prepared as the folder says.
    """
    name = f"transformers:{folder.label}"
    if facts.problem_type not in (None, "single_label_classification") or len(facts.labels) < 2:
        raise BadInput(
            f"model {name}: its {len(facts.labels)} outputs are not labels to choose from "
            f"(problem_type {facts.problem_type} in its config.json). Choose a model that gives "
            "each image one label."
        )
    labels = label_names(ClassifierOptions(labels=options.labels), facts, name)
    prepare = image_processor(folder, name=name)
    pixels = pixels_seen(prepare, name=name)
    kind = transformers.AutoModelForImageClassification
    model = load_weights(kind, folder, options, device, name=name)
    budget = options.batch_pixels or PIXELS[model.device.type]
    images = ImageEmbedder(_Head(model), prepare, normalize=False, batch_pixels=budget)
    return ImageClassifier(images, labels, name=name, image_pixels=pixels, batch_pixels=budget)


def _scored(request: Request, logits: NDArray[np.float64]) -> Response:
    scores = softmax(logits)
    if not np.isfinite(scores).all():
        return Response(request.key, "error", message=NOT_FINITE)
    return Response(request.key, "ok", scores=tuple(scores.tolist()))
