"""Texts and pairs of texts to scores: a transformer with a head that classifies or rates."""

import inspect
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from evalsuite.errors import BadInput, GenerationError
from evalsuite.models.chat_template import answered_chat, dateless
from evalsuite.models.classifier_options import ClassifierOptions, place_of
from evalsuite.models.device import memory_watched
from evalsuite.requests import LabelsPart, Request, Response, TextPart

# In logits, or in shares of them where they are large. Measured in float32: below 6e-6 for 20 tiny
# architectures and 1e-6 for a real one of 6 layers, whose logits move by .01 in bfloat16; XLNet,
# which looks for its last token in the padding, is off by .6.
_TOLERANCE = {torch.float32: 1e-3}
_HALF_PRECISION = 0.15
_CHECK_TOKENS = (3, 9)

Logits = NDArray[np.float64]


@dataclass(frozen=True)
class _Row:
    """A text or pair as the model reads it."""

    ids: list[int]
    types: list[int] | None
    n_tokens: int  # before it was cut

    @property
    def is_cut(self) -> bool:
        return self.n_tokens > len(self.ids)


class TextClassifier:
    """Scores texts with a transformer that has a classification head.

    Parameters
    ----------
    model : transformers model for sequence classification, in evaluation mode
    tokenizer : its fast tokenizer
    options : ClassifierOptions
        Completed from the model's files.
    labels : tuple of str
        Names of the outputs, in the order of their ids.
    name : str
        The model's name, for messages.
    batch_tokens : int
        Most tokens (rows x longest) of one forward pass.
    """

    def __init__(
        self,
        model: Any,
        tokenizer: Any,
        options: ClassifierOptions,
        *,
        labels: tuple[str, ...],
        name: str,
        batch_tokens: int,
    ) -> None:
        self._model = model
        self._tokenizer = tokenizer
        self._max_length = options.max_length
        self._score_label = options.score_label
        self._labels = labels
        self._name = name
        self._batch_tokens = batch_tokens
        self._chat_template = dateless(tokenizer) if options.template == "chat" else None
        self._has_types = _reads_types(model) and "token_type_ids" in tokenizer.model_input_names

    def sizes(self, requests: Sequence[Request]) -> list[int]:
        """Tokens that each request takes in a forward pass; 1 where it cannot be read."""
        rows = [self._row_or_problem(request) for request in requests]
        return [len(row.ids) if isinstance(row, _Row) else 1 for row in rows]

    def classify(self, requests: Sequence[Request]) -> list[Response]:
        """Give each label of each request its probability among all labels of the model.

        Raises
        ------
        BadInput
            If the model lacks a label that is asked for.
        """
        places = [self._places(request) for request in requests]

        def scores(i: int, logits: Logits) -> tuple[float, ...]:
            return tuple(_softmax(logits)[places[i]].tolist())

        return self._answer(requests, scores)

    def rate(self, requests: Sequence[Request]) -> list[Response]:
        """Rate each text, or answer to a prompt: its one output, or a label's probability."""
        return self._answer(requests, lambda i, logits: (self._rating(logits),))

    def _rating(self, logits: Logits) -> float:
        if self._score_label is None:
            return float(logits[0])
        place = place_of(self._score_label, self._labels, self._name)
        if self._model.config.problem_type == "multi_label_classification":
            # Each label is a question of its own: the probability of yes against no.
            return float(_softmax(np.array([0.0, logits[place]]))[1])
        return float(_softmax(logits)[place])

    def _places(self, request: Request) -> list[int]:
        asked = [part.labels for part in request.prompt.parts if isinstance(part, LabelsPart)]
        return [place_of(label, self._labels, self._name) for labels in asked for label in labels]

    def _answer(
        self,
        requests: Sequence[Request],
        scores: Callable[[int, Logits], tuple[float, ...]],
    ) -> list[Response]:
        rows = [self._row_or_problem(request) for request in requests]
        readable = [i for i, row in enumerate(rows) if isinstance(row, _Row)]
        with memory_watched(), torch.inference_mode():
            logits = self._logits([row for row in rows if isinstance(row, _Row)])
        found = dict(zip(readable, logits, strict=True))
        responses = []
        for i, (request, row) in enumerate(zip(requests, rows, strict=True)):
            if not isinstance(row, _Row):
                responses.append(Response(request.key, "error", message=row))
            elif not np.isfinite(found[i]).all():
                message = "the model's outputs are not finite; try ?dtype=float32"
                responses.append(Response(request.key, "error", message=message))
            else:
                responses.append(
                    Response(
                        request.key,
                        "ok",
                        scores=scores(i, found[i]),
                        finish="length" if row.is_cut else "stop",
                        n_prompt_tokens=row.n_tokens,
                    )
                )
        return responses

    def _row_or_problem(self, request: Request) -> _Row | str:
        try:
            return self._row(request)
        except GenerationError as error:
            return str(error)

    def _row(self, request: Request) -> _Row:
        is_rated = request.capability == "rates_text"
        texts = [part.text for part in request.prompt.parts if isinstance(part, TextPart)]
        n_labels = sum(isinstance(part, LabelsPart) for part in request.prompt.parts)
        if len(texts) not in (1, 2) or len(texts) + n_labels < len(request.prompt.parts):
            raise GenerationError("this model reads one text or a pair of texts, and nothing else")
        if n_labels != (0 if is_rated else 1):
            raise GenerationError(
                "a text to rate comes without labels" if is_rated else "no labels to choose from"
            )
        if is_rated and self._chat_template is not None:
            if len(texts) == 1:
                raise GenerationError(
                    "with its chat template this model rates an answer to a prompt, and there is "
                    "one text only; ?template=pair rates a text by itself"
                )
            texts = [answered_chat(self._tokenizer, self._chat_template, texts)]
            return self._encode(texts, add_special_tokens=False)
        # A text that spells out a special token, such as a separator, is still a text.
        return self._encode(texts, split_special_tokens=True)

    def _encode(self, texts: Sequence[str], **how: bool) -> _Row:
        read = self._tokenizer(*texts, truncation=False, verbose=False, **how)
        n_tokens = len(read["input_ids"])
        if self._max_length is not None and n_tokens > self._max_length:
            read = self._tokenizer(
                *texts, truncation="longest_first", max_length=self._max_length, **how
            )
        if not read["input_ids"]:
            raise GenerationError("the text has no tokens")
        types = read["token_type_ids"] if self._has_types else None
        return _Row(read["input_ids"], types, n_tokens)

    def _logits(self, rows: Sequence[_Row]) -> list[Logits]:
        """Outputs for each row, in order; the longest are computed first."""
        order = sorted(range(len(rows)), key=lambda i: -len(rows[i].ids))
        found: dict[int, Logits] = {}
        for batch in self._batches(order, rows):
            logits = classified(self._model, [rows[i].ids for i in batch], self._types(batch, rows))
            found.update(zip(batch, logits, strict=True))
        return [found[i] for i in range(len(rows))]

    def _types(self, batch: Sequence[int], rows: Sequence[_Row]) -> list[list[int]] | None:
        types = [rows[i].types for i in batch]
        return [own for own in types if own is not None] if self._has_types else None

    def _batches(self, order: Sequence[int], rows: Sequence[_Row]) -> Iterator[Sequence[int]]:
        start = 0
        while start < len(order):
            n_rows = max(1, self._batch_tokens // len(rows[order[start]].ids))
            # Without a padding token a decoder cannot tell where the shorter texts end.
            n_rows = 1 if _padding(self._model) is None else n_rows
            yield order[start : start + n_rows]
            start += n_rows


def classified(
    model: Any, texts: Sequence[list[int]], types: Sequence[list[int]] | None = None
) -> Logits:
    """Return the outputs of a model, (texts, labels), for texts that are padded on the right."""
    width = max(len(ids) for ids in texts)
    ids = torch.full((len(texts), width), _padding(model) or 0)
    mask = torch.zeros((len(texts), width), dtype=torch.long)
    segments = torch.zeros((len(texts), width), dtype=torch.long)
    for i, text in enumerate(texts):
        ids[i, : len(text)] = torch.tensor(text)
        mask[i, : len(text)] = 1
        if types is not None:
            segments[i, : len(text)] = torch.tensor(types[i])
    inputs = {"input_ids": ids, "attention_mask": mask}
    if types is not None:
        inputs["token_type_ids"] = segments
    logits = model(**{name: value.to(model.device) for name, value in inputs.items()}).logits
    found: Logits = logits.double().cpu().numpy()
    return found


def check_packing(model: Any, name: str) -> None:
    """Compare a small padded batch with each of its rows alone.

    Rows whose outputs are not finite are passed over: they fail one by one when they are asked.

    Raises
    ------
    BadInput
        If the outputs differ by more than rounding, or the model cannot read such a batch at all.
    """
    if _padding(model) is None:
        return
    texts = _spread(model)
    try:
        with memory_watched(), torch.inference_mode():
            alone = np.concatenate([classified(model, [text]) for text in texts])
            together = classified(model, texts)
    # What a forward raises that does not know padding is up to its authors.
    except (RuntimeError, TypeError, ValueError, LookupError, AttributeError) as error:
        lines = str(error).strip().splitlines() or [type(error).__name__]
        raise _refusal(model, name, f"fails on a padded batch: {lines[0]}") from error
    difference = np.abs(together - alone)
    worst = float(difference[np.isfinite(difference)].max(initial=0.0))
    usual = max(1.0, float(np.abs(alone[np.isfinite(alone)]).mean())) if worst else 1.0
    if worst / usual > _TOLERANCE.get(model.dtype, _HALF_PRECISION):
        raise _refusal(model, name, "reads the padding of shorter texts")


def _spread(model: Any) -> list[list[int]]:
    """Texts of tokens that lie evenly in the vocabulary, special ones not among them."""
    size = int(model.get_input_embeddings().weight.shape[0])
    config = model.config.get_text_config()
    names = ("pad_token_id", "eos_token_id", "bos_token_id")
    special = {getattr(config, name, None) for name in names}
    usable = [i for i in range(size) if i not in special]
    n = sum(_CHECK_TOKENS)
    ids = iter([usable[(2 * i + 1) * len(usable) // (2 * n)] for i in range(n)])
    # Encoder-decoders are read at their end token, so that every text needs one.
    end = [config.eos_token_id] if getattr(config, "is_encoder_decoder", False) else []
    return [[*(next(ids) for _ in range(n_tokens)), *end] for n_tokens in _CHECK_TOKENS]


def _padding(model: Any) -> int | None:
    padding = getattr(model.config.get_text_config(), "pad_token_id", None)
    return None if padding is None else int(padding)


def _reads_types(model: Any) -> bool:
    """Whether the model tells the two texts of a pair apart by token types."""
    accepts = "token_type_ids" in inspect.signature(model.forward).parameters
    return accepts and getattr(model.config, "type_vocab_size", 0) > 1


def _softmax(logits: Logits) -> Logits:
    exponentials = np.exp(logits - logits.max())
    shares: Logits = exponentials / exponentials.sum()
    return shares


def _refusal(model: Any, name: str, what: str) -> BadInput:
    return BadInput(
        f"model {name}: its scores would depend on how texts are packed (its architecture "
        f"{type(model).__name__} {what}); choose a model of another architecture"
    )
