"""What a model can be asked to do. A judge is a model in another role."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

from evalsuite.requests import Entrant, ImagePart, Request, Response

ReadImage = Callable[[ImagePart], bytes]
"""Gives the PNG bytes of an image part."""


@runtime_checkable
class GeneratesText(Protocol):
    """Answers a text prompt with a text."""

    def generate_text(self, requests: Sequence[Request]) -> list[Response]: ...


@runtime_checkable
class GeneratesImages(Protocol):
    """Answers a text prompt with an image (PNG)."""

    def generate_images(self, requests: Sequence[Request]) -> list[Response]: ...


@runtime_checkable
class EmbedsText(Protocol):
    """Maps a text to a vector."""

    def embed_text(self, requests: Sequence[Request]) -> list[Response]: ...


@runtime_checkable
class EmbedsImages(Protocol):
    """Maps an image to a vector."""

    def embed_images(self, requests: Sequence[Request], read: ReadImage) -> list[Response]: ...


@runtime_checkable
class ClassifiesText(Protocol):
    """Scores each label of a closed set for a text, or for a pair (premise and hypothesis)."""

    def classify_text(self, requests: Sequence[Request]) -> list[Response]: ...


@runtime_checkable
class ClassifiesImages(Protocol):
    """Scores each label of a closed set for an image."""

    def classify_images(self, requests: Sequence[Request], read: ReadImage) -> list[Response]: ...


@runtime_checkable
class DetectsObjects(Protocol):
    """Finds the objects of a closed set of labels in an image."""

    def detect_objects(self, requests: Sequence[Request], read: ReadImage) -> list[Response]: ...


@runtime_checkable
class AnswersVisualQuestions(Protocol):
    """Answers a question about an image, scoring each answer of a closed set, or freely."""

    def answer_questions(self, requests: Sequence[Request], read: ReadImage) -> list[Response]: ...


@dataclass(frozen=True)
class Capability:
    """One thing a model can be asked to do.

    Parameters
    ----------
    name : str
        Stands in every request's key; never renamed.
    protocol : type
        What a loaded model must satisfy.
    method : str
        The protocol's one method.
    sampled : bool
        Whether the answer depends on chance, so that a request carries seed, index and occurrence.
    sees_images : bool
        Whether the method also takes a reader of images.
    """

    name: str
    protocol: type
    method: str
    sampled: bool = False
    sees_images: bool = False


CAPABILITIES: dict[type, Capability] = {
    capability.protocol: capability
    for capability in (
        Capability("generates_text", GeneratesText, "generate_text", sampled=True),
        Capability("generates_images", GeneratesImages, "generate_images", sampled=True),
        Capability("embeds_text", EmbedsText, "embed_text"),
        Capability("embeds_images", EmbedsImages, "embed_images", sees_images=True),
        Capability("classifies_text", ClassifiesText, "classify_text"),
        Capability("classifies_images", ClassifiesImages, "classify_images", sees_images=True),
        Capability("detects_objects", DetectsObjects, "detect_objects", sees_images=True),
        Capability(
            "answers_visual_questions",
            AnswersVisualQuestions,
            "answer_questions",
            sees_images=True,
        ),
    )
}


class LoadedModel(Protocol):
    """A model in memory; it satisfies the protocol of each capability that its handle declares."""

    def sizes(self, requests: Sequence[Request]) -> list[int]:
        """Length of each request's prompt, in the units of ``pack_budget`` (tokens, pixels)."""
        ...

    @property
    def pack_budget(self) -> int:
        """Most units (rows x (longest prompt + longest answer)) that one pack may hold."""
        ...


class ModelHandle(Protocol):
    """A model that is known but not loaded: what it is and what it can do."""

    @property
    def entrant(self) -> Entrant:
        """Who would stand in the leaderboard row; its decoding holds only what the user chose."""
        ...

    @property
    def capabilities(self) -> frozenset[type]:
        """The protocols that the loaded model will satisfy."""
        ...

    @property
    def chosen_decoding(self) -> dict[str, object]:
        """Decoding options set in the model's name; the task's defaults fill the rest."""
        ...

    def load(self, device: str) -> LoadedModel:
        """Load onto ``auto``, ``cpu`` or ``cuda``. The only step that may import torch."""
        ...
