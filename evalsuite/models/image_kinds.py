"""Kinds of models that see images: which architecture is which, and what each can be asked."""

import importlib
from dataclasses import dataclass
from typing import Any, Literal, TypeGuard

from evalsuite.models.capabilities import (
    AnswersVisualQuestions,
    CaptionsImages,
    ClassifiesImages,
    EmbedsImages,
    EmbedsText,
)

ImageKind = Literal[
    "dual_encoder",
    "image_encoder",
    "image_classifier",
    "visual_questions",
    "captioning",
    "visual_chat",
]
_CHAT_ENDING = "ForConditionalGeneration"
_CLASSIFIER_ENDING = "ForImageClassification"
_ARCHITECTURES: dict[str, ImageKind] = {
    "CLIPModel": "dual_encoder",
    "SiglipModel": "dual_encoder",
    "Dinov2Model": "image_encoder",
    "Dinov2WithRegistersModel": "image_encoder",
    "ViTModel": "image_encoder",
    "BlipForQuestionAnswering": "visual_questions",
    "ViltForQuestionAnswering": "visual_questions",
    "BlipForConditionalGeneration": "captioning",
    "GitForCausalLM": "captioning",
    "VisionEncoderDecoderModel": "captioning",
}


@dataclass(frozen=True)
class _Loader:
    """What a kind can be asked, and the module whose ``load`` loads it."""

    capabilities: frozenset[type]
    module: str


_LOADERS: dict[ImageKind, _Loader] = {
    "dual_encoder": _Loader(
        frozenset({EmbedsImages, EmbedsText, ClassifiesImages}), "evalsuite.models.loaded_images"
    ),
    "image_encoder": _Loader(frozenset({EmbedsImages}), "evalsuite.models.loaded_images"),
    "image_classifier": _Loader(
        frozenset({ClassifiesImages}), "evalsuite.models.image_classification"
    ),
    "visual_questions": _Loader(
        frozenset({AnswersVisualQuestions}), "evalsuite.models.visual_questions"
    ),
    "captioning": _Loader(frozenset({CaptionsImages}), "evalsuite.models.captioning"),
    "visual_chat": _Loader(
        frozenset({AnswersVisualQuestions, CaptionsImages}), "evalsuite.models.visual_chat"
    ),
}


def image_kind(config: dict[str, Any]) -> ImageKind | None:
    """Kind of the model that a config.json describes; None if it sees no images.

    A model with an image tower that continues a text is a ``visual_chat`` model.

    Examples
    --------
    >>> image_kind({"architectures": ["Dinov2Model"]})
    'image_encoder'
    >>> image_kind({"architectures": ["LlavaForConditionalGeneration"], "vision_config": {}})
    'visual_chat'
    >>> image_kind({"architectures": ["T5ForConditionalGeneration"]})
    """
    names = [str(name) for name in config.get("architectures") or []]
    for name in names:
        if name in _ARCHITECTURES:
            return _ARCHITECTURES[name]
        if name.endswith(_CLASSIFIER_ENDING):
            return "image_classifier"
        if name.endswith(_CHAT_ENDING) and "vision_config" in config:
            return "visual_chat"
    return None


def is_image_kind(kind: str) -> TypeGuard[ImageKind]:
    """Whether a kind of model is one of those that see images."""
    return kind in _LOADERS


def image_capabilities(kind: ImageKind) -> frozenset[type]:
    """What a model of a kind can be asked.

    >>> sorted(capability.__name__ for capability in image_capabilities("visual_chat"))
    ['AnswersVisualQuestions', 'CaptionsImages']
    """
    return _LOADERS[kind].capabilities


def image_loader(kind: ImageKind) -> Any:
    """The module whose ``load(folder, facts, options, device)`` loads a kind; it imports torch."""
    return importlib.import_module(_LOADERS[kind].module)
