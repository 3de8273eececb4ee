"""Prompts to texts: the template, the tokens, the sampling loop or beam search, the text."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import jinja2

from evalsuite.errors import GenerationError
from evalsuite.models.beam_search import Found, Searcher
from evalsuite.models.chat_template import TEMPLATE_DATE, dateless
from evalsuite.models.device import memory_watched
from evalsuite.models.sampling import Drawn, SampleRow, generate
from evalsuite.models.verbalized import FORM_TOKENS, answer_in_calls, wrap
from evalsuite.requests import Prompt, Request, Response, TextPart

Template = Literal["chat", "plain"]


@dataclass(frozen=True)
class PromptTemplate:
    """How a prompt is put to the model.

    Parameters
    ----------
    kind : chat or plain
        The tokenizer's chat template, or the bare text to go on with.
    system : str or None
        A system message that goes before every prompt (chat only).
    verbalized : int or None
        Ask for so many answers a call (chat only); see `evalsuite.models.verbalized`.
    """

    kind: Template
    system: str | None
    verbalized: int | None = None


class TextGenerator:
    """Samples answers from a causal language model, or searches for the best.

    A request whose sampling has ``beams`` is answered by the hypothesis of its index.

    Parameters
    ----------
    model : transformers causal language model, in evaluation mode
    tokenizer : its tokenizer
    template : PromptTemplate
    context : int or None
        Most tokens of prompt and answer together; None where the model sets no limit.
    """

    def __init__(
        self, model: Any, tokenizer: Any, template: PromptTemplate, context: int | None
    ) -> None:
        self._model = model
        self._tokenizer = tokenizer
        self._template = template
        self._context = context
        self._end_ids = end_ids(model, tokenizer)
        self._chat_template = dateless(tokenizer) if template.kind == "chat" else None
        self._searcher = Searcher(model, end_ids=self._end_ids, has_stop=self._has_stop)

    def sizes(self, prompts: Sequence[Prompt]) -> list[int]:
        """Length of each prompt in tokens; 1 where the template cannot take it.

        Of a call for several answers, each has its share.
        """
        if (n := self._template.verbalized) is None:
            return self._lengths(prompts)
        whole = self._lengths([_call_prompt(prompt, n) for prompt in prompts])
        return [-(-length // n) + FORM_TOKENS for length in whole]

    def generate(self, requests: Sequence[Request]) -> list[Response]:
        """Answer each request."""
        if self._template.verbalized is None:
            return self._answer(requests)
        return answer_in_calls(requests, self._template.verbalized, self._answer)

    def _lengths(self, prompts: Sequence[Prompt]) -> list[int]:
        read = self._read(prompts)
        return [1 if isinstance(read[p], str) else len(read[p]) for p in prompts]

    def _answer(self, requests: Sequence[Request]) -> list[Response]:
        read = self._read([request.prompt for request in requests])
        responses: dict[bytes, Response] = {}
        rows: dict[bytes, SampleRow] = {}
        for request in requests:
            try:
                rows[request.key] = self._row(request, read[request.prompt])
            except GenerationError as error:
                responses[request.key] = Response(request.key, "error", message=str(error))
        sampled = [row for row in rows.values() if not row.sampling.beams]
        searched = [row for row in rows.values() if row.sampling.beams]
        with memory_watched():
            drawn = generate(self._model, sampled, end_ids=self._end_ids, has_stop=self._has_stop)
            found = self._searcher.find(searched)
        place = {request.key: request.index for request in requests}
        drawn += [_drawn(f, place[row.key]) for f, row in zip(found, searched, strict=True)]
        for row, sample in zip(sampled + searched, drawn, strict=True):
            responses[row.key] = self._response(row, sample)
        return [responses[request.key] for request in requests]

    def _row(self, request: Request, ids: tuple[int, ...] | str) -> SampleRow:
        if request.sampling is None:
            raise GenerationError("a request to generate text needs a sampling")
        if isinstance(ids, str):
            raise GenerationError(ids)
        beams = request.sampling.beams
        if beams and request.index >= beams:
            raise GenerationError(
                f"a search with {beams} beams has {beams} answers, not {request.index + 1}; ask "
                "for fewer samples or more beams"
            )
        limit = request.sampling.max_new_tokens
        if self._context is not None and len(ids) + limit > self._context:
            raise GenerationError(
                f"the prompt has {len(ids)} tokens and the answer may have {limit}, but the model "
                f"reads at most {self._context}; shorten the prompt or lower max_new_tokens"
            )
        return SampleRow(ids, request.key, request.sampling)

    def _read(self, prompts: Sequence[Prompt]) -> dict[Prompt, tuple[int, ...] | str]:
        """Token ids of each distinct prompt, or why it has none."""
        return {prompt: self._tokens(prompt) for prompt in dict.fromkeys(prompts)}

    def _tokens(self, prompt: Prompt) -> tuple[int, ...] | str:
        texts = [part for part in prompt.parts if isinstance(part, TextPart)]
        if len(texts) < len(prompt.parts):
            return "this model reads text only, but the prompt has other parts"
        if self._template.kind == "plain":
            ids = self._tokenizer(prompt.text)["input_ids"]
        else:
            try:
                ids = self._tokenizer(self._chat(texts), add_special_tokens=False)["input_ids"]
            # A template is foreign text: it may also fail on the types of what it is given.
            except (jinja2.TemplateError, TypeError, ValueError) as error:
                return f"the model's chat template does not take this prompt: {error}"
        if not ids:
            # Nothing to condition on: the answer starts where any text starts.
            start = self._tokenizer.bos_token_id
            start = self._tokenizer.eos_token_id if start is None else start
            if start is None:
                return "the prompt is empty and the model has no start token"
            ids = [int(start)]
        return tuple(ids)

    def _chat(self, texts: Sequence[TextPart]) -> str:
        messages = [{"role": part.role, "content": part.text} for part in texts]
        if self._template.system is not None:
            messages.insert(0, {"role": "system", "content": self._template.system})
        text: str = self._tokenizer.apply_chat_template(
            messages,
            tokenize=False,
            add_generation_prompt=True,
            chat_template=self._chat_template,
            date_string=TEMPLATE_DATE,
        )
        return text

    def _decode(self, ids: Sequence[int]) -> str:
        text: str = self._tokenizer.decode(list(ids), skip_special_tokens=True)
        return text

    def _has_stop(self, ids: Sequence[int], stops: tuple[str, ...]) -> bool:
        text = self._decode(ids)
        return any(stop in text for stop in stops)

    def _response(self, row: SampleRow, sample: Drawn) -> Response:
        if sample.problem is not None:
            return Response(row.key, "error", message=sample.problem)
        text = self._decode(sample.token_ids)
        ends = [text.index(stop) for stop in row.sampling.stop if stop in text]
        text = text[: min(ends, default=len(text))]
        return Response(
            row.key,
            "ok",
            text=text,
            finish=sample.finish,
            n_prompt_tokens=len(row.prompt),
            n_new_tokens=sample.n_drawn,
        )


def _call_prompt(prompt: Prompt, n_items: int) -> Prompt:
    try:
        return wrap(prompt, n_items)
    except GenerationError:  # The request itself will say so.
        return prompt


def _drawn(found: Found, index: int) -> Drawn:
    """The hypothesis that stands for a sample."""
    if found.problem is not None:
        return Drawn((), 0, None, found.problem)
    if index >= len(found.hypotheses):
        n = len(found.hypotheses)
        return Drawn((), 0, None, f"the search has {n} answers only: there are no others")
    best = found.hypotheses[index]
    return Drawn(best.token_ids, best.n_drawn, best.finish)


def end_ids(model: Any, tokenizer: Any) -> frozenset[int]:
    """Return every token that ends an answer: of the generation config, config and tokenizer."""
    found: set[int] = set()
    for source in (model.generation_config, model.config, tokenizer):
        ids = getattr(source, "eos_token_id", None)
        found.update([ids] if isinstance(ids, int) else ids or [])
    return frozenset(found)
