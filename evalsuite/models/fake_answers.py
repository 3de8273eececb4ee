"""What fake models answer: texts, vectors, scores, boxes and pictures that follow from requests."""

import hashlib
import heapq
import math
import struct
import zlib
from collections.abc import Iterator, Sequence
from functools import lru_cache
from itertools import islice

import numpy as np
from numpy.typing import NDArray

from evalsuite.models.capabilities import ReadImage, TokenList
from evalsuite.requests import (
    Box,
    Finish,
    ImagePart,
    LabelsPart,
    Request,
    Response,
    Sampling,
    TextPart,
    uniforms,
)

_SYLLABLES = "badefigolumanepirosutavewizokaleminoruse"
_END_RANK = 5  # the end of a text stands among the likelier words, so that heat changes its length
_BEAM_WORDS = 8
_GRID = 4


def write_text(request: Request, words: int) -> Response:
    """A text in a language of so many words, the likeliest of which depend on the prompt.

    Its words are drawn one by one and on their own, as the request's sampling says; one more rank
    than there are words ends the text. With beams, the text of index i is the i-th likeliest.
    """
    sampling = request.sampling or Sampling()
    if sampling.beams:
        return _found_text(request, sampling, words)
    cumulative = _word_probabilities(sampling, words).cumsum()
    draws = uniforms(request.key, sampling.max_new_tokens) * cumulative[-1]
    ranks = np.searchsorted(cumulative, draws, side="right")
    end = min(_END_RANK, words)
    if ranks[0] == end:
        ranks[0] = 0  # empty texts come by the option ``empty`` only
    ends = np.flatnonzero(ranks == end)
    ranks = ranks[: ends[0]] if ends.size else ranks
    finish: Finish = "stop" if ends.size else "length"
    return _spelt(request, sampling, (ranks - (ranks > end)).tolist(), finish, words)


def _found_text(request: Request, sampling: Sampling, words: int) -> Response:
    found = _hypotheses(sampling, words)
    if request.index >= len(found):
        message = f"a search with {sampling.beams} beams found {len(found)} answers: no others"
        return Response(request.key, "error", message=message)
    ranks = found[request.index]
    finish: Finish = "stop" if len(ranks) < sampling.max_new_tokens else "length"
    return _spelt(request, sampling, ranks, finish, words)


@lru_cache(maxsize=64)
def _hypotheses(sampling: Sampling, words: int) -> tuple[tuple[int, ...], ...]:
    """Ranks of the words of each hypothesis, the likeliest first.

    All have a few words only. Where groups are kept apart, each avoids the word that the group
    before it likes best.
    """
    n_groups = sampling.beam_groups if sampling.diversity_strength else 1
    length = min(sampling.max_new_tokens, _BEAM_WORDS)
    own = list(islice(_likeliest(length, words), sampling.beams // n_groups))
    shifted = [tuple((r + g) % words for r in ranks) for g in range(n_groups) for ranks in own]
    return tuple(sorted(shifted, key=_rarity))


def _rarity(ranks: Sequence[int]) -> int:
    """One over the likelihood of a text by Zipf's law, up to a factor."""
    return math.prod(rank + 1 for rank in ranks)


def _likeliest(length: int, words: int) -> Iterator[tuple[int, ...]]:
    """All texts of a length, as ranks, by falling likelihood."""
    start = (0,) * length
    heap = [(1, start, 0)]
    while heap:
        _, ranks, last = heapq.heappop(heap)
        yield ranks
        # Ranks are raised from the left to the right, so that each text is reached in one way.
        for place in range(last, length):
            raised = (*ranks[:place], ranks[place] + 1, *ranks[place + 1 :])
            if raised[place] < words:
                heapq.heappush(heap, (_rarity(raised), raised, place))


def _spelt(
    request: Request, sampling: Sampling, ranks: Sequence[int], finish: Finish, words: int
) -> Response:
    shift = int(request.prompt.digest[:8], 16)
    text = " ".join(_word((rank + shift) % words) for rank in ranks)
    cut = min((text.find(stop) for stop in sampling.stop if stop in text), default=None)
    n_new = len(ranks) + (finish == "stop")
    if cut is not None:
        text, finish, n_new = text[:cut], "stop", len(text[: cut + 1].split())
    return Response(
        request.key,
        "ok",
        text=text,
        finish=finish,
        n_prompt_tokens=len(request.prompt.text.split()),
        n_new_tokens=n_new,
    )


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


@lru_cache(maxsize=16)
def _vocabulary(words: int) -> dict[str, int]:
    return {_word(number): number for number in range(words)}


def cut_text(request: Request, words: int) -> Response:
    """The words of a text as tokens of a language of so many words.

    A word of another language is taken for one of this.
    """
    known = _vocabulary(words)
    ids = tuple(known.get(word, _number(word, words)) for word in request.prompt.text.split())
    text = TokenList(words, ids).to_text()
    return Response(request.key, "ok", text=text, n_prompt_tokens=len(ids))


def _number(word: str, words: int) -> int:
    return int.from_bytes(hashlib.sha256(word.encode()).digest()[:8], "big") % words


def rate_words(request: Request) -> Response:
    """The mean of the words' own numbers, each in [-1, 1); of a prompt and an answer, the answer's.

    Texts that share words get ratings that are near; a text without words gets 0.
    """
    texts = [part.text for part in request.prompt.parts if isinstance(part, TextPart)]
    values = [_word_rating(word) for word in (texts[-1] if texts else "").lower().split()]
    rating = math.fsum(values) / len(values) if values else 0.0
    return Response(request.key, "ok", scores=(rating,))


@lru_cache(maxsize=16384)
def _word_rating(word: str) -> float:
    return 2.0 * float(uniforms(hashlib.sha256(b"rating" + word.encode()).digest(), 1)[0]) - 1.0


def _direction(seed: bytes, dim: int) -> NDArray[np.float64]:
    return np.asarray(uniforms(seed, dim) - 0.5)


@lru_cache(maxsize=16384)
def _word_direction(word: str, dim: int) -> NDArray[np.float64]:
    return _direction(hashlib.sha256(word.encode()).digest(), dim)


def text_vector(text: str, dim: int) -> NDArray[np.float32]:
    """Unit vector of shape (dim,) of a text's bag of words; zeros for a text without words."""
    vectors = [_word_direction(word, dim) for word in text.lower().split()]
    return _unit(np.sum(vectors, axis=0) if vectors else np.zeros(dim))


def _unit(vector: NDArray[np.float64]) -> NDArray[np.float32]:
    norm = float(np.linalg.norm(vector))
    return (vector / (norm or 1.0)).astype(np.float32)


def image_vector(images: Sequence[bytes], dim: int) -> NDArray[np.float32]:
    """Unit vector of shape (dim,), equal for equal images."""
    return _unit(_direction(hashlib.sha256(b"".join(images)).digest(), dim))


def asked_labels(request: Request) -> tuple[str, ...]:
    """The labels or answers that a request offers; none where it has no such part."""
    parts = (part for part in request.prompt.parts if isinstance(part, LabelsPart))
    return next((part.labels for part in parts), ())


def shown_images(request: Request, read: ReadImage) -> list[bytes]:
    """The bytes of each image of a request, in its order."""
    return [read(part) for part in request.prompt.parts if isinstance(part, ImagePart)]


def describe_image(request: Request, images: Sequence[bytes], words: int) -> Response:
    """A text that depends on the images and on what is asked about them."""
    if not images:
        return Response(request.key, "error", message="the request shows no image")
    return write_text(request, words)


def score_labels(request: Request) -> Response:
    """A score in [0, 1] for each asked label, summing to one; an error where none is asked."""
    labels = asked_labels(request)
    if not labels:
        return Response(request.key, "error", message="the request names no labels to score")
    # Exponential draws, scaled to sum to one: uniform over all ways to share out 1.
    draws = -np.log1p(-uniforms(request.key, len(labels)))
    scores = draws / draws.sum()
    return Response(request.key, "ok", scores=tuple(scores.tolist()))


def find_boxes(request: Request, images: Sequence[bytes]) -> Response:
    """About every second asked label, each in a box inside the first image, a PNG file."""
    if not images:
        return Response(request.key, "error", message="the request shows no image")
    width, height = struct.unpack(">II", images[0][16:24])
    labels = asked_labels(request)
    boxes = []
    for label, u in zip(labels, uniforms(request.key, 6 * len(labels)).reshape(-1, 6), strict=True):
        x, y = np.sort(u[2:4]) * width, np.sort(u[4:6]) * height
        if u[0] < 0.5:
            corners = (float(x[0]), float(y[0]), float(x[1]), float(y[1]))
            boxes.append(Box(label, float(u[1]), *corners))
    return Response(request.key, "ok", boxes=tuple(boxes))


def draw_png(key: bytes, side: int) -> bytes:
    """A grid of random colours, ``side`` pixels wide and high, as an 8-bit RGB file.

    Written by hand, so that trying a task needs no imaging package.
    """
    colours = (uniforms(key, _GRID * _GRID * 3) * 256).astype(np.uint8).reshape(_GRID, _GRID, 3)
    place = np.arange(side) * _GRID // side
    rows = b"".join(b"\0" + row.tobytes() for row in colours[place][:, place])  # 0: no filter
    header = struct.pack(">IIBBBBB", side, side, 8, 2, 0, 0, 0)
    chunks = ((b"IHDR", header), (b"IDAT", zlib.compress(rows)), (b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(body)) + tag + body + struct.pack(">I", zlib.crc32(tag + body))
        for tag, body in chunks
    )
