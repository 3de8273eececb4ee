"""Questions about an image as a chat model reads them: text, tokens, and the tokens of answers."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import jinja2

from evalsuite.errors import BadInput, GenerationError
from evalsuite.models.chat_template import TEMPLATE_DATE, dateless
from evalsuite.models.visual_options import worded

# Which token of the template the processor replaces by those of an image.
_MARKER_NAMES = ("image_token", "boi_token", "start_image_token")

# Two questions that have nothing in common show what of the wording every question shares.
_UNLIKE = ("Is it red?", "How many?")

_REMEMBERED = 4096

Tokens = tuple[int, ...]


@dataclass(frozen=True)
class Turn:
    """A question about an image, up to where the answer starts.

    Parameters
    ----------
    text : str
        As the template writes it.
    head, tail : tuple of int
        Tokens that all questions about an image share, the place of the image being one token yet,
        and the others.
    answers : tuple of tuple of int
        Tokens of each answer of a closed set.
    """

    text: str
    head: tuple[int, ...]
    tail: tuple[int, ...]
    answers: tuple[tuple[int, ...], ...]


class TurnWriter:
    """Writes questions by the chat template of a processor.

    Parameters
    ----------
    processor : transformers processor
    end_ids : frozenset of int
        Tokens that end an answer.
    name : str
        The model's, for messages.

    Raises
    ------
    BadInput
        If there is no chat template, it takes no image, or no token ends an answer.
    """

    def __init__(self, processor: Any, *, end_ids: frozenset[int], name: str) -> None:
        self._tokenizer = processor.tokenizer
        self._end_ids = end_ids
        self._end_id = _end_id(self._tokenizer, end_ids, name)
        self._template = _template(processor, name)
        added = self._tokenizer.added_tokens_decoder.values()
        self._special = [str(token) for token in added if token.special]
        names = (getattr(processor, which, None) for which in _MARKER_NAMES)
        self._markers = [
            self._tokenizer.convert_tokens_to_ids(marker)
            for marker in names
            if isinstance(marker, str)
        ]
        self._shared: dict[bool, Tokens] = {}
        # The same few questions come with every pack of images.
        self._remembered = lru_cache(_REMEMBERED)(self._turn)
        try:
            for is_closed in (True, False):
                answers = ("yes", "no") if is_closed else None
                tails = [self._turn(text, answers).tail for text in _UNLIKE]
                self._shared[is_closed] = _common_start(*tails)
        except GenerationError as error:
            raise BadInput(f"model {name}: {error}; choose another model") from error

    def turn(self, question: str | None, answers: tuple[str, ...] | None) -> Turn:
        """Write a question; None asks for a caption.

        Raises
        ------
        GenerationError
            If the template does not take it, or a text spells out a token of the model.
        """
        return self._remembered(question, answers)

    def _turn(self, question: str | None, answers: tuple[str, ...] | None) -> Turn:
        for text in (question or "", *(answers or ())):
            if spelt := [token for token in self._special if token in text]:
                raise GenerationError(f"{text[:80]!r} spells out {spelt[0]}, a token of the model")
        content = [{"type": "image"}, {"type": "text", "text": worded(question, answers)}]
        asked = [{"role": "user", "content": content}]
        text = self._written(asked, add_generation_prompt=True)
        ids = self._tokens(text)
        cut = self._marker(ids) + 1
        shared = () if question is None else self._shared.get(answers is not None, ())
        if ids[cut : cut + len(shared)] == shared:
            cut += len(shared)
        own = tuple(self._answer(asked, text, ids, answer) for answer in answers or ())
        return Turn(text, ids[:cut], ids[cut:], own)

    def turns(
        self, questions: Iterable[tuple[str | None, tuple[str, ...] | None]]
    ) -> dict[tuple[str | None, tuple[str, ...] | None], Turn | str]:
        """Write each distinct question once; a text where there is none says why."""
        found: dict[tuple[str | None, tuple[str, ...] | None], Turn | str] = {}
        for question in dict.fromkeys(questions):
            try:
                found[question] = self.turn(*question)
            except GenerationError as error:
                found[question] = str(error)
        return found

    def _marker(self, ids: Sequence[int]) -> int:
        for marker in self._markers:
            if ids.count(marker) == 1:
                return ids.index(marker)
        raise GenerationError("the model's chat template has no place for one image")

    def _answer(
        self, asked: list[dict[str, Any]], text: str, ids: tuple[int, ...], answer: str
    ) -> tuple[int, ...]:
        """Tokens of an answer as the template writes an answered question, and an end token.

        The end token belongs to it, so that "red" is not likelier than "red brick" by being its
        beginning. Where the template writes answered questions otherwise than open ones, the answer
        stands directly behind the open one.
        """
        reply = {"role": "assistant", "content": [{"type": "text", "text": answer}]}
        whole = self._written([*asked, reply], add_generation_prompt=False)
        rest = whole[len(text) :]
        if not whole.startswith(text) or answer not in rest:
            rest = answer
        found = self._behind(text, ids, rest)
        ends = [place for place, token in enumerate(found) if token in self._end_ids]
        if ends and ends[0] > 0:
            return found[: ends[0] + 1]
        found = self._behind(text, ids, rest[: rest.index(answer)] + answer)
        if not found:
            raise GenerationError(f"the answer {answer!r} has no tokens")
        return (*found, self._end_id)

    def _behind(self, text: str, ids: tuple[int, ...], rest: str) -> tuple[int, ...]:
        """Tokens of a text behind another one, whose own tokens stay as they are."""
        joint = self._tokens(text + rest)
        return joint[len(ids) :] if joint[: len(ids)] == ids else self._tokens(rest)

    def _tokens(self, text: str) -> tuple[int, ...]:
        return tuple(self._tokenizer(text, add_special_tokens=False, verbose=False)["input_ids"])

    def _written(self, messages: list[dict[str, Any]], *, add_generation_prompt: bool) -> str:
        try:
            text: str = self._tokenizer.apply_chat_template(
                messages,
                tokenize=False,
                add_generation_prompt=add_generation_prompt,
                chat_template=self._template,
                date_string=TEMPLATE_DATE,
            )
        # A template is foreign text: it may also fail on the types of what it is given.
        except (jinja2.TemplateError, TypeError, ValueError) as error:
            raise GenerationError(
                f"the model's chat template does not take a question about an image: {error}"
            ) from error
        return text


def _template(processor: Any, name: str) -> str:
    tokenizer = processor.tokenizer
    template = getattr(processor, "chat_template", None) or tokenizer.chat_template
    if not isinstance(template, str):
        raise BadInput(
            f"model {name}: has no chat template, so it cannot be asked about an image; choose an "
            "instruction-tuned model"
        )
    tokenizer.chat_template = template  # processors keep it beside their tokenizer
    return dateless(tokenizer)


def _common_start(one: Tokens, other: Tokens) -> Tokens:
    pairs = enumerate(zip(one, other, strict=False))
    n = next((i for i, (a, b) in pairs if a != b), 0)
    return one[:n]


def adds_special_tokens(tokenizer: Any, text: str) -> bool:
    """Whether the tokenizer should add its start token: not where the template wrote it."""
    start = tokenizer.bos_token
    return not (start and text.startswith(start))


def _end_id(tokenizer: Any, end_ids: frozenset[int], name: str) -> int:
    if tokenizer.eos_token_id in end_ids:
        return int(tokenizer.eos_token_id)
    if not end_ids:
        raise BadInput(f"model {name}: no token ends its answers; choose another model")
    return min(end_ids)
