"""What a model can be asked to do. A judge is a model in another role."""

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol, runtime_checkable

from evalsuite.requests import Entrant, ImagePart, Request, Response, canonical_json

if TYPE_CHECKING:
    from evalsuite.prompts import Unit

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
class RatesText(Protocol):
    """Gives one number to a text, or to an answer (second part) to a prompt (first): a reward."""

    def rate_text(self, requests: Sequence[Request]) -> list[Response]: ...


@runtime_checkable
class TokenizesText(Protocol):
    """Cuts a text into tokens: a JSON text with ``vocab_size`` and ``ids`` (`token_list`)."""

    def tokenize_text(self, requests: Sequence[Request]) -> list[Response]: ...


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


@runtime_checkable
class CaptionsImages(Protocol):
    """Describes an image in words."""

    def caption_images(self, requests: Sequence[Request], read: ReadImage) -> list[Response]: ...


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
    decoded : bool
        Whether the answer is drawn token by token, so that a request carries a ``Sampling``.
    sees_images : bool
        Whether the method also takes a reader of images.
    """

    name: str
    protocol: type
    method: str
    sampled: bool = False
    decoded: bool = False
    sees_images: bool = False


CAPABILITIES: dict[type, Capability] = {
    capability.protocol: capability
    for capability in (
        Capability("generates_text", GeneratesText, "generate_text", sampled=True, decoded=True),
        Capability("generates_images", GeneratesImages, "generate_images", sampled=True),
        Capability("embeds_text", EmbedsText, "embed_text"),
        Capability("embeds_images", EmbedsImages, "embed_images", sees_images=True),
        Capability("classifies_text", ClassifiesText, "classify_text"),
        Capability("rates_text", RatesText, "rate_text"),
        Capability("tokenizes_text", TokenizesText, "tokenize_text"),
        Capability("classifies_images", ClassifiesImages, "classify_images", sees_images=True),
        Capability("detects_objects", DetectsObjects, "detect_objects", sees_images=True),
        Capability(
            "answers_visual_questions",
            AnswersVisualQuestions,
            "answer_questions",
            sees_images=True,
        ),
        Capability("captions_images", CaptionsImages, "caption_images", sees_images=True),
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


@runtime_checkable
class NeedsUnits(Protocol):
    """A handle that must know what a run will ask: one on answers that stand in a file."""

    def for_units(
        self,
        units: "Sequence[Unit]",
        *,
        known: "Sequence[Unit]",
        samples: int,
        replicates: int,
    ) -> ModelHandle:
        """Check that there is an answer to everything that will be asked.

        Parameters
        ----------
        units : sequence of Unit
            What is asked.
        known : sequence of Unit
            The whole prompt set, of which ``units`` may be a part.

        Raises
        ------
        BadInput
            Naming the file and line, or the prompt, that does not fit.
        """
        ...


@dataclass(frozen=True)
class TokenList:
    """A text as tokens of a model's vocabulary."""

    vocab_size: int
    ids: tuple[int, ...]

    def to_text(self) -> str:
        """As the answer of a model that `TokenizesText`."""
        return canonical_json({"vocab_size": self.vocab_size, "ids": self.ids})

    @classmethod
    def from_text(cls, text: str) -> "TokenList":
        """Read such an answer.

        >>> TokenList.from_text(TokenList(10, (3, 4)).to_text())
        TokenList(vocab_size=10, ids=(3, 4))
        """
        value = json.loads(text)
        return cls(int(value["vocab_size"]), tuple(int(number) for number in value["ids"]))
