"""A model of every kind that computes nothing: seeded, instant, and able to fail on request.

For tests, for trying a task and for rehearsing failures. What it answers follows from the request
alone; colder sampling gives less varied texts, and texts that share words have nearby vectors.
"""

import hashlib
import os
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal, Self

import numpy as np
from pydantic import Field, model_validator

from evalsuite.errors import BadInput, OutOfMemory, UnknownName
from evalsuite.images import BLANK
from evalsuite.models.capabilities import CAPABILITIES, LoadedModel, ReadImage
from evalsuite.models.decoding_options import DecodingOptions
from evalsuite.models.fake_answers import (
    asked_labels,
    cut_text,
    describe_image,
    draw_png,
    find_boxes,
    image_vector,
    rate_words,
    score_labels,
    shown_images,
    text_vector,
    write_text,
)
from evalsuite.models.listing import ModelListing
from evalsuite.models.spec import ModelSpec, unknown
from evalsuite.requests import Decoding, Entrant, Request, Response, Status, uniforms

Answer = Callable[[Request], Response]
Mishap = Literal["fail", "refuse", "filter", "empty", "nan", "blank"]
_MISHAPS: tuple[Mishap, ...] = ("fail", "refuse", "filter", "empty", "nan", "blank")
_STATUSES: dict[Mishap | None, Status] = {
    "fail": "error",
    "refuse": "refused",
    "filter": "filtered",
}

_BY_NAME = {c.name: protocol for protocol, c in CAPABILITIES.items()}
_CAPABILITIES: dict[str, tuple[str, ...]] = {
    "text": ("generates_text", "tokenizes_text"),
    "images": ("generates_images",),
    "text-embedder": ("embeds_text",),
    "image-embedder": ("embeds_images",),
    "text-classifier": ("classifies_text", "rates_text"),
    "rater": ("rates_text",),
    "image-classifier": ("classifies_images",),
    "detector": ("detects_objects",),
    "vqa": ("answers_visual_questions",),
    "captioner": ("captions_images",),
    "all": tuple(_BY_NAME),
}


# What draws images draws other ones since fake-2.
_REVISIONS = {"images": "fake-2", "all": "fake-2"}


class FakeOptions(DecodingOptions):
    """What may stand behind the ``?`` of ``fake:...``, besides the decoding.

    ``fail``, ``refuse``, ``filter``, ``empty``, ``nan`` and ``blank`` are shares of the requests,
    drawn from their keys: errors, refusals, filtered answers, empty texts, vectors of NaN and
    images in which nothing is drawn. With ``dim``, ``words`` and ``side`` (of images, in pixels)
    they are part of the entrant. The others cannot change what is finally answered:
    ``fail_first`` answers of a loaded model are errors, the ``hang``-th sleeps for ever, the
    ``die``-th ends the process, more than ``oom`` rows are too many, ``delay`` seconds pass a
    batch, ``log`` gets the key of every answer, ``batch_tokens`` go into a pack.
    """

    dim: int = Field(32, ge=2, le=4096)
    words: int = Field(50, ge=2, le=8000)
    side: int = Field(32, ge=32, le=1024)
    fail: float = Field(0.0, ge=0.0, le=1.0)
    refuse: float = Field(0.0, ge=0.0, le=1.0)
    filter: float = Field(0.0, ge=0.0, le=1.0)
    empty: float = Field(0.0, ge=0.0, le=1.0)
    nan: float = Field(0.0, ge=0.0, le=1.0)
    blank: float = Field(0.0, ge=0.0, le=1.0)
    fail_first: int = Field(0, ge=0)
    hang: int | None = Field(None, ge=1)
    die: int | None = Field(None, ge=1)
    oom: int | None = Field(None, ge=0)
    delay: float = Field(0.0, ge=0.0, le=3600.0)
    log: Path | None = None
    batch_tokens: int = Field(4096, ge=1)
    post_training_of: str | None = None

    @model_validator(mode="after")
    def _shares(self) -> Self:
        if sum(getattr(self, name) for name in _MISHAPS) > 1.0:
            raise ValueError(f"{', '.join(_MISHAPS)} add up to more than 1")
        return self

    def settings(self) -> tuple[tuple[str, float], ...]:
        """The options that can change an answer and are not at their default, sorted."""
        changed = self.model_dump(
            include={"dim", "words", "side", *_MISHAPS}, exclude_defaults=True
        )
        return tuple(sorted(changed.items()))


@dataclass(frozen=True)
class FakeHandle:
    """A fake model that is not loaded yet."""

    entrant: Entrant
    capabilities: frozenset[type]
    options: FakeOptions

    @property
    def chosen_decoding(self) -> dict[str, object]:
        """Decoding options that stand in the model's name."""
        return self.options.chosen()

    def load(self, device: str) -> LoadedModel:
        """Make the model; every device is as good."""
        return FakeModel(self.options)


class FakeBackend:
    """Opens ``fake:text`` and its siblings."""

    def open(
        self, spec: ModelSpec, *, offline: bool, home: Path, trusted: frozenset[str] = frozenset()
    ) -> FakeHandle:
        """Read a fake model's name and options.

        Raises
        ------
        UnknownName
            If there is no such fake model or option.
        BadInput
            If an option's value does not fit or a revision is asked for.
        """
        if spec.name not in _CAPABILITIES:
            raise UnknownName(unknown("fake model", spec.name, list(_CAPABILITIES)))
        if spec.revision is not None:
            raise BadInput(f"model {spec}: fake models have no revisions; leave out the @ part")
        options = spec.read_options(FakeOptions)
        chosen = options.chosen()
        entrant = Entrant(
            model=str(spec),
            backend="fake",
            revision=_REVISIONS.get(spec.name, "fake-1"),
            settings=options.settings(),
            decoding=Decoding.model_validate(chosen) if chosen else None,
            post_training_of=options.post_training_of,
        )
        protocols = frozenset(_BY_NAME[name] for name in _CAPABILITIES[spec.name])
        return FakeHandle(entrant, protocols, options)

    def describe(self) -> list[ModelListing]:
        """All fake models."""
        return [
            ModelListing(
                name=f"fake:{name}",
                capabilities=capabilities,
                summary="seeded noise in no time, for tests and for trying a task",
                installed=True,
                install=None,
            )
            for name, capabilities in _CAPABILITIES.items()
        ]


backend = FakeBackend()


class FakeModel:
    """Answers everything; see `FakeOptions` for how it can be made to misbehave."""

    def __init__(self, options: FakeOptions) -> None:
        self.options = options
        self._n_answers = 0

    def sizes(self, requests: Sequence[Request]) -> list[int]:
        """Words of each prompt, at least 1."""
        return [max(1, len(request.prompt.text.split())) for request in requests]

    @property
    def pack_budget(self) -> int:
        """The option ``batch_tokens``."""
        return self.options.batch_tokens

    def generate_text(self, requests: Sequence[Request]) -> list[Response]:
        """Words of a made-up language, the likeliest of which depend on the prompt.

        With beams, the text of index i is the i-th likeliest of a few words.
        """
        return self._batch(requests, lambda r: write_text(r, self.options.words))

    def generate_images(self, requests: Sequence[Request]) -> list[Response]:
        """Chequered PNG images, of other colours for every request."""
        side = self.options.side
        return self._batch(requests, lambda r: Response(r.key, "ok", image=draw_png(r.key, side)))

    def embed_text(self, requests: Sequence[Request]) -> list[Response]:
        """Unit vectors: the direction of the sum of one random vector a word."""
        dim = self.options.dim
        return self._batch(
            requests, lambda r: Response(r.key, "ok", vector=text_vector(r.prompt.text, dim))
        )

    def embed_images(self, requests: Sequence[Request], read: ReadImage) -> list[Response]:
        """Random unit vectors, equal for equal images."""

        def answer(request: Request) -> Response:
            vector = image_vector(shown_images(request, read), self.options.dim)
            return Response(request.key, "ok", vector=vector)

        return self._batch(requests, answer)

    def classify_text(self, requests: Sequence[Request]) -> list[Response]:
        """Scores of the request's labels, summing to one."""
        return self._batch(requests, score_labels)

    def rate_text(self, requests: Sequence[Request]) -> list[Response]:
        """One number for each text, or for an answer to a prompt: the mean over its words."""
        return self._batch(requests, rate_words)

    def tokenize_text(self, requests: Sequence[Request]) -> list[Response]:
        """The words of each text."""
        return self._batch(requests, lambda r: cut_text(r, self.options.words))

    def classify_images(self, requests: Sequence[Request], read: ReadImage) -> list[Response]:
        """Scores of the request's labels, summing to one."""
        return self._batch(requests, lambda r: self._score(r, read))

    def detect_objects(self, requests: Sequence[Request], read: ReadImage) -> list[Response]:
        """Find each label once, or not at all, somewhere in the image."""
        return self._batch(requests, lambda r: find_boxes(r, shown_images(r, read)))

    def answer_questions(self, requests: Sequence[Request], read: ReadImage) -> list[Response]:
        """Scores of the request's answers; a text where it gives none."""
        return self._batch(
            requests,
            lambda r: self._score(r, read) if asked_labels(r) else self._describe(r, read),
        )

    def caption_images(self, requests: Sequence[Request], read: ReadImage) -> list[Response]:
        """Words of a made-up language, other ones for every image."""
        return self._batch(requests, lambda r: self._describe(r, read))

    def _score(self, request: Request, read: ReadImage) -> Response:
        shown_images(request, read)  # As a model would: an image that cannot be read is seen.
        return score_labels(request)

    def _describe(self, request: Request, read: ReadImage) -> Response:
        return describe_image(request, shown_images(request, read), self.options.words)

    def _batch(self, requests: Sequence[Request], answer: Answer) -> list[Response]:
        limit = self.options.oom
        if limit is not None and len(requests) > limit:
            raise OutOfMemory(f"fake model: {len(requests)} rows, there is room for {limit}")
        time.sleep(self.options.delay)
        return [self._respond(request, answer) for request in requests]

    def _respond(self, request: Request, answer: Answer) -> Response:
        self._n_answers += 1
        while self._n_answers == self.options.hang:
            time.sleep(3600.0)
        if self._n_answers == self.options.die:
            os._exit(137)  # as kill -9 would: nothing is flushed, nothing cleaned up
        response = self._misbehave(request, answer)
        if self.options.log is not None:
            _append_line(self.options.log, request.key.hex())
        return response

    def _misbehave(self, request: Request, answer: Answer) -> Response:
        key, mishap = request.key, _mishap(request.key, self.options)
        if self._n_answers <= self.options.fail_first:
            mishap = "fail"
        if mishap in _STATUSES:
            return Response(key, _STATUSES[mishap], message=f"the fake model was told to {mishap}")
        response = answer(request)
        if mishap == "empty" and response.text is not None:
            return replace(response, text="", finish="stop", n_new_tokens=0)
        if mishap == "blank" and response.image is not None:
            return Response(key, "filtered", message=BLANK)
        if mishap == "nan" and response.vector is not None:
            return replace(response, vector=np.full_like(response.vector, np.nan))
        return response


def _mishap(key: bytes, options: FakeOptions) -> Mishap | None:
    """What goes wrong with a request, by a uniform of its own."""
    draw = float(uniforms(hashlib.sha256(b"mishap" + key).digest(), 1)[0])
    for name in _MISHAPS:
        draw -= getattr(options, name)
        if draw < 0.0:
            return name
    return None


def _append_line(path: Path, line: str) -> None:
    # One unbuffered write to a file opened for appending: lines of several processes stay whole.
    file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
    try:
        os.write(file, line.encode() + b"\n")
    finally:
        os.close(file)
