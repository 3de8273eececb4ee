"""A model of every kind that computes nothing: seeded, instant, and able to fail on request.

For tests, for trying a task and for rehearsing failures. What it answers follows from the request
alone; colder sampling gives less varied texts, and texts that share words have nearby vectors.
"""

import hashlib
import os
import struct
import time
import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import Literal, Self

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, model_validator

from evalsuite.errors import BadInput, OutOfMemory, UnknownName
from evalsuite.models.capabilities import CAPABILITIES, LoadedModel, ReadImage
from evalsuite.models.decoding_options import DecodingOptions
from evalsuite.models.listing import ModelListing
from evalsuite.models.spec import ModelSpec, unknown
from evalsuite.requests import (
    Box,
    Decoding,
    Entrant,
    Finish,
    ImagePart,
    LabelsPart,
    Request,
    Response,
    Sampling,
    Status,
    uniforms,
)

Answer = Callable[[Request], Response]
Mishap = Literal["fail", "refuse", "filter", "empty", "nan"]
_MISHAPS: tuple[Mishap, ...] = ("fail", "refuse", "filter", "empty", "nan")
_STATUSES: dict[Mishap | None, Status] = {
    "fail": "error",
    "refuse": "refused",
    "filter": "filtered",
}
_SYLLABLES = "badefigolumanepirosutavewizokaleminoruse"
_END_RANK = 5  # the end of a text stands among the likelier words, so that heat changes its length
_IMAGE_PX, _GRID = 16, 4

_BY_NAME = {c.name: protocol for protocol, c in CAPABILITIES.items()}
_NAMES = {
    "text": "generates_text",
    "images": "generates_images",
    "text-embedder": "embeds_text",
    "image-embedder": "embeds_images",
    "text-classifier": "classifies_text",
    "image-classifier": "classifies_images",
    "detector": "detects_objects",
    "vqa": "answers_visual_questions",
}
_CAPABILITIES = {name: (capability,) for name, capability in _NAMES.items()} | {
    "all": tuple(_NAMES.values())
}


class FakeOptions(DecodingOptions):
    """What may stand behind the ``?`` of ``fake:...``, besides the decoding.

    ``fail``, ``refuse``, ``filter``, ``empty`` and ``nan`` are shares of the requests, drawn from
    their keys: errors, refusals, filtered answers, empty texts and vectors of NaN. With ``dim`` and
    ``words`` they are part of the entrant. The others cannot change what is finally answered:
    ``fail_first`` answers of a loaded model are errors, the ``hang``-th sleeps for ever, the
    ``die``-th ends the process, more than ``oom`` rows are too many, ``delay`` seconds pass a
    batch, ``log`` gets the key of every answer, ``batch_tokens`` go into a pack.
    """

    dim: int = Field(32, ge=2, le=4096)
    words: int = Field(50, ge=2, le=8000)
    fail: float = Field(0.0, ge=0.0, le=1.0)
    refuse: float = Field(0.0, ge=0.0, le=1.0)
    filter: float = Field(0.0, ge=0.0, le=1.0)
    empty: float = Field(0.0, ge=0.0, le=1.0)
    nan: float = Field(0.0, ge=0.0, le=1.0)
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
        changed = self.model_dump(include={"dim", "words", *_MISHAPS}, exclude_defaults=True)
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
            revision="fake-1",
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
        """Words of a made-up language, the likeliest of which depend on the prompt."""
        return self._batch(requests, self._text)

    def generate_images(self, requests: Sequence[Request]) -> list[Response]:
        """Small chequered PNG images."""
        return self._batch(requests, lambda r: Response(r.key, "ok", image=_png(r.key)))

    def embed_text(self, requests: Sequence[Request]) -> list[Response]:
        """Unit vectors: the direction of the sum of one random vector a word."""
        dim = self.options.dim
        return self._batch(
            requests, lambda r: Response(r.key, "ok", vector=_bag_of_words(r.prompt.text, dim))
        )

    def embed_images(self, requests: Sequence[Request], read: ReadImage) -> list[Response]:
        """Random unit vectors, equal for equal images."""

        def answer(request: Request) -> Response:
            images = b"".join(_images(request, read))
            vector = _unit(_direction(hashlib.sha256(images).digest(), self.options.dim))
            return Response(request.key, "ok", vector=vector)

        return self._batch(requests, answer)

    def classify_text(self, requests: Sequence[Request]) -> list[Response]:
        """Scores of the request's labels, summing to one."""
        return self._batch(requests, _scores)

    def classify_images(self, requests: Sequence[Request], read: ReadImage) -> list[Response]:
        """Scores of the request's labels, summing to one."""
        return self._batch(requests, _scores)

    def detect_objects(self, requests: Sequence[Request], read: ReadImage) -> list[Response]:
        """Find each label once, or not at all, somewhere in the image."""
        return self._batch(requests, lambda r: _boxes(r, *_images(r, read)))

    def answer_questions(self, requests: Sequence[Request], read: ReadImage) -> list[Response]:
        """Scores of the request's answers; a text where it gives none."""
        return self._batch(requests, lambda r: _scores(r) if _labels(r) else self._text(r))

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
        if mishap == "nan" and response.vector is not None:
            return replace(response, vector=np.full_like(response.vector, np.nan))
        return response

    def _text(self, request: Request) -> Response:
        sampling = request.sampling or Sampling()
        shift = int(request.prompt.digest[:8], 16)
        cumulative = _word_probabilities(sampling, self.options.words).cumsum()
        draws = uniforms(request.key, sampling.max_new_tokens) * cumulative[-1]
        ranks = np.searchsorted(cumulative, draws, side="right")
        end = min(_END_RANK, self.options.words)
        if ranks[0] == end:
            ranks[0] = 0  # empty texts come by the option ``empty`` only
        ends = np.flatnonzero(ranks == end)
        ranks = ranks[: ends[0]] if ends.size else ranks
        finish: Finish = "stop" if ends.size else "length"
        numbers = (ranks - (ranks > end) + shift) % self.options.words
        text = " ".join(map(_word, numbers.tolist()))
        cut = min((text.find(stop) for stop in sampling.stop if stop in text), default=None)
        n_new = ranks.size + (finish == "stop")
        if cut is not None:
            text, finish, n_new = text[:cut], "stop", len(text[: cut + 1].split())
        return Response(
            request.key,
            "ok",
            text=text,
            finish=finish,
            n_prompt_tokens=len(request.prompt.text.split()),
            n_new_tokens=int(n_new),
        )


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


@lru_cache(maxsize=64)
def _word_probabilities(sampling: Sampling, words: int) -> NDArray[np.float64]:
    """Zipf's law over the ranks, sharpened and cut as the decoding says."""
    ranks = np.arange(1, words + 2)  # one more than words: the end
    if sampling.temperature == 0.0:
        return np.asarray(ranks == 1, dtype=np.float64)
    p = np.exp(-np.log(ranks) / sampling.temperature)
    p /= p.sum()
    keep = p >= sampling.min_p * p[0]
    keep &= (p.cumsum() - p) < sampling.top_p
    if sampling.top_k:
        keep &= ranks <= sampling.top_k
    return np.where(keep, p, 0.0)


def _word(number: int) -> str:
    digits = [number % 20, number // 20 % 20, number // 400]
    return "".join(
        _SYLLABLES[2 * digit : 2 * digit + 2] for digit in digits[: 2 if number < 400 else 3]
    )


def _direction(seed: bytes, dim: int) -> NDArray[np.float64]:
    return np.asarray(uniforms(seed, dim) - 0.5)


@lru_cache(maxsize=16384)
def _word_direction(word: str, dim: int) -> NDArray[np.float64]:
    return _direction(hashlib.sha256(word.encode()).digest(), dim)


def _bag_of_words(text: str, dim: int) -> NDArray[np.float32]:
    vectors = [_word_direction(word, dim) for word in text.lower().split()]
    return _unit(np.sum(vectors, axis=0) if vectors else np.zeros(dim))


def _unit(vector: NDArray[np.float64]) -> NDArray[np.float32]:
    norm = float(np.linalg.norm(vector))
    return (vector / (norm or 1.0)).astype(np.float32)


def _labels(request: Request) -> tuple[str, ...]:
    parts = (part for part in request.prompt.parts if isinstance(part, LabelsPart))
    return next((part.labels for part in parts), ())


def _images(request: Request, read: ReadImage) -> list[bytes]:
    return [read(part) for part in request.prompt.parts if isinstance(part, ImagePart)]


def _scores(request: Request) -> Response:
    labels = _labels(request)
    if not labels:
        return Response(request.key, "error", message="the request names no labels to score")
    # Exponential draws, scaled to sum to one: uniform over all ways to share out 1.
    draws = -np.log1p(-uniforms(request.key, len(labels)))
    scores = draws / draws.sum()
    return Response(request.key, "ok", scores=tuple(scores.tolist()))


def _boxes(request: Request, *images: bytes) -> Response:
    if not images:
        return Response(request.key, "error", message="the request shows no image")
    width, height = struct.unpack(">II", images[0][16:24])
    labels = _labels(request)
    boxes = []
    for label, u in zip(labels, uniforms(request.key, 6 * len(labels)).reshape(-1, 6), strict=True):
        x, y = np.sort(u[2:4]) * width, np.sort(u[4:6]) * height
        if u[0] < 0.5:
            corners = (float(x[0]), float(y[0]), float(x[1]), float(y[1]))
            boxes.append(Box(label, float(u[1]), *corners))
    return Response(request.key, "ok", boxes=tuple(boxes))


def _png(key: bytes) -> bytes:
    """A grid of random colours as an 8-bit RGB file, written by hand to need no imaging package."""
    colours = (uniforms(key, _GRID * _GRID * 3) * 256).astype(np.uint8).reshape(_GRID, _GRID, 3)
    cell = _IMAGE_PX // _GRID
    pixels = colours.repeat(cell, axis=0).repeat(cell, axis=1)
    rows = b"".join(b"\0" + row.tobytes() for row in pixels)  # 0: no filter
    header = struct.pack(">IIBBBBB", _IMAGE_PX, _IMAGE_PX, 8, 2, 0, 0, 0)
    chunks = ((b"IHDR", header), (b"IDAT", zlib.compress(rows)), (b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(body)) + tag + body + struct.pack(">I", zlib.crc32(tag + body))
        for tag, body in chunks
    )
