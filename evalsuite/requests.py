"""What is asked of a model and what it answers: frozen values, and the key that ties them."""

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Annotated, Any, Literal, Self

import numpy as np
from numpy.typing import NDArray
from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    SerializerFunctionWrapHandler,
    field_validator,
    model_serializer,
    model_validator,
)

Status = Literal["ok", "refused", "filtered", "error"]
Finish = Literal["stop", "length"]


def canonical_json(value: Any) -> str:
    """JSON with sorted keys, no blanks and no NaN: equal values give equal texts."""
    return json.dumps(
        value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False
    )


def digest(value: Any) -> str:
    """sha256, in hex, of the canonical JSON of a value."""
    return hashlib.sha256(canonical_json(value).encode()).hexdigest()


class Frozen(BaseModel):
    """Base of the suite's value types: immutable, and a field that it does not know is an error."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    def model_copy(self, *, update: Mapping[str, Any] | None = None, deep: bool = False) -> Self:
        """Copy without the cached properties: a digest of the old fields is not the copy's."""
        copied = super().model_copy(update=update, deep=deep)
        for name in copied.__dict__.keys() - type(self).model_fields.keys():
            del copied.__dict__[name]
        return copied


class TextPart(Frozen):
    """One text of a prompt: a message, a question or the text to judge."""

    kind: Literal["text"] = "text"
    role: Literal["system", "user", "assistant"] = "user"
    text: str


class ImagePart(Frozen):
    """One image of a prompt, named by the sha256 of its PNG bytes; the bytes stay in the store."""

    kind: Literal["image"] = "image"
    sha256: str


class LabelsPart(Frozen):
    """The closed set of labels or answers that a judge chooses from."""

    kind: Literal["labels"] = "labels"
    labels: tuple[str, ...]


Part = Annotated[TextPart | ImagePart | LabelsPart, Field(discriminator="kind")]


class Prompt(Frozen):
    """Everything that is shown to a model in one request."""

    parts: tuple[Part, ...]

    @classmethod
    def of_text(cls, text: str) -> "Prompt":
        """Return the prompt that is one user text."""
        return cls(parts=(TextPart(text=text),))

    @property
    def text(self) -> str:
        """The text parts, joined by blank lines."""
        return "\n\n".join(part.text for part in self.parts if isinstance(part, TextPart))

    @cached_property
    def digest(self) -> str:
        """sha256 of the parts."""
        return digest(self.model_dump(mode="json"))


class Decoding(Frozen):
    """How the next token is chosen. The defaults sample from the model's own distribution.

    Parameters
    ----------
    temperature : float
        At least 0; 0 always takes the likeliest token.
    top_p, top_k, min_p : float, int, float
        Nucleus mass in (0, 1], number of likeliest tokens kept (0: all), and the share of the
        likeliest token's probability below which a token is dropped, in [0, 1).
    stop : tuple of str
        Texts that end an answer; they are not part of it.
    beams, beam_groups : int
        Beam search instead of sampling where ``beams`` is not 0: sample i of a prompt is its i-th
        best hypothesis. Several groups, each of ``beams / beam_groups``: diverse beam search.
    diversity_strength : float
        Lambda of diverse beam search, the penalty for a token that earlier groups chose.
    """

    temperature: float = Field(1.0, ge=0.0, allow_inf_nan=False)
    top_p: float = Field(1.0, gt=0.0, le=1.0)
    top_k: int = Field(0, ge=0)
    min_p: float = Field(0.0, ge=0.0, lt=1.0)
    stop: tuple[Annotated[str, Field(min_length=1)], ...] = ()
    beams: int = Field(0, ge=0, le=1024)
    beam_groups: int = Field(1, ge=1, le=1024)
    diversity_strength: float = Field(0.0, ge=0.0, allow_inf_nan=False)

    @field_validator("temperature", "min_p", "diversity_strength")
    @classmethod
    def _one_zero(cls, value: float) -> float:
        """Take -0.0 for 0.0: equal values, so equal keys."""
        return value + 0.0

    @model_validator(mode="after")
    def _beams_fit(self) -> Self:
        if not self.beams:
            if self.beam_groups > 1 or self.diversity_strength:
                raise ValueError("beam_groups and diversity_strength need beams")
            return self
        if self.beams % self.beam_groups:
            raise ValueError(f"{self.beams} beams cannot be cut into {self.beam_groups} groups")
        if self.diversity_strength and self.beam_groups == 1:
            raise ValueError("diversity_strength needs beam_groups of 2 or more")
        if (self.temperature, self.top_p, self.top_k, self.min_p) != (1.0, 1.0, 0, 0.0):
            raise ValueError("beam search takes no temperature, top_p, top_k or min_p")
        return self

    @model_serializer(mode="wrap")
    def _without_later_fields(self, handler: SerializerFunctionWrapHandler) -> dict[str, Any]:
        """Leave out fields that came later while they are at their defaults: keys stay valid."""
        values: dict[str, Any] = handler(self)
        later = ("beams", "beam_groups", "diversity_strength")
        defaults = {name: type(self).model_fields[name].default for name in later}
        return {n: v for n, v in values.items() if n not in defaults or v != defaults[n]}


class Sampling(Decoding):
    """A decoding and the limit that the task puts on an answer's length."""

    max_new_tokens: int = Field(48, ge=1, le=32768)

    @cached_property
    def digest(self) -> str:
        """sha256 of all fields."""
        return digest(self.model_dump(mode="json"))


class Entrant(Frozen):
    """A model plus everything about it that is the entrant's choice.

    ``model`` and ``post_training_of`` are names for people. The other fields can change an answer;
    all but ``decoding`` (which reaches a request as its ``Sampling``) make up the ``identity``.

    Parameters
    ----------
    model : str
        Name without options, such as ``embedded:smollm2-135m``.
    backend : str
        What computes the answers.
    revision : str
        Commit of a hub model, ``sha256:...`` of local weights, or the version of built-in code.
    template : str or None
        How a prompt is put to the model: ``chat``, ``plain`` ...
    dtype : str or None
        Precision the model runs in.
    settings : tuple of (str, scalar)
        Any other option that can change an answer, sorted by name.
    """

    model: str
    backend: str
    revision: str
    template: str | None = None
    dtype: str | None = None
    settings: tuple[tuple[str, str | int | float | bool | None], ...] = ()
    decoding: Decoding | None = None
    remote_code: bool = False
    post_training_of: str | None = None

    @cached_property
    def identity(self) -> str:
        """sha256 of what can change an answer, apart from the decoding."""
        fields = {"backend", "revision", "template", "dtype", "settings", "remote_code"}
        return digest(self.model_dump(mode="json", include=fields))


@dataclass(frozen=True, slots=True)
class Request:
    """One thing to ask: sample ``index`` of one prompt.

    A dataclass and not a pydantic model, because runs hold millions of them.

    ``seed``, ``index`` and ``occurrence`` are 0 where the answer does not depend on chance.
    """

    capability: str
    entrant: Entrant
    prompt: Prompt
    sampling: Sampling | None = None
    seed: int = 0
    index: int = 0
    occurrence: int = 0  # the n-th request for an equal prompt
    key: bytes = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        key = request_key(
            self.capability,
            self.entrant.identity,
            self.prompt.digest,
            self.sampling.digest if self.sampling else "-",
            self.seed,
            self.index,
            self.occurrence,
        )
        object.__setattr__(self, "key", key)


def request_key(
    capability: str,
    identity: str,
    prompt: str,
    sampling: str,
    seed: int,
    index: int,
    occurrence: int,
) -> bytes:
    """sha256 over everything that can change the answer, and nothing else.

    Left out on purpose: batch size, device, engine, worker, task, names and the answer's place in a
    run; none of them may move a number.
    """
    fields = (capability, identity, prompt, sampling, str(seed), str(index), str(occurrence))
    return hashlib.sha256("\n".join(fields).encode()).digest()


@dataclass(frozen=True, slots=True)
class Box:
    """A found object: label, score in [0, 1] and corners in pixels."""

    label: str
    score: float
    x0: float
    y0: float
    x1: float
    y1: float


@dataclass(frozen=True, slots=True)
class Response:
    """What came back for a request. Only status ``ok`` carries a value.

    A response read without its payload (vector, image) is ``ok`` and has none of it; an image
    leaves its sha256, by which a judge can be asked about it.

    ``finish`` is ``length`` where a limit cut the answer (or, for an embedding, the text to embed).
    ``scores`` are in the order of the request's labels.
    """

    key: bytes
    status: Status
    text: str | None = None
    finish: Finish | None = None
    n_prompt_tokens: int | None = None
    n_new_tokens: int | None = None
    vector: NDArray[np.float32] | None = None
    image: bytes | None = None
    scores: tuple[float, ...] | None = None
    boxes: tuple[Box, ...] | None = None
    message: str | None = None
    image_sha256: str | None = None

    def __post_init__(self) -> None:
        if self.image is not None and self.image_sha256 is None:
            object.__setattr__(self, "image_sha256", hashlib.sha256(self.image).hexdigest())
        has_value = any(
            v is not None
            for v in (
                self.text,
                self.vector,
                self.image,
                self.scores,
                self.boxes,
                self.image_sha256,
            )
        )
        if has_value and self.status != "ok":
            raise ValueError(f"a response of status {self.status!r} cannot carry a value")


def uniforms(key: bytes, n: int) -> NDArray[np.float64]:
    """The first ``n`` uniforms in [0, 1) of a request's own random stream.

    The stream is Philox, a counter-based generator, keyed by the request: number ``i`` is the same
    whatever else is drawn, in whatever order, by whichever worker.

    >>> bool((uniforms(b"k" * 32, 3) == uniforms(b"k" * 32, 5)[:3]).all())
    True
    """
    generator = np.random.Generator(np.random.Philox(key=int.from_bytes(key[:16], "big")))
    return generator.random(n)


def unique_by_key(requests: Iterable[Request]) -> list[Request]:
    """Drop repeated keys, keeping the first of each and the order."""
    found: dict[bytes, Request] = {}
    for request in requests:
        found.setdefault(request.key, request)
    return list(found.values())
