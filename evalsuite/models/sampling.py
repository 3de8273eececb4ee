"""The sampling loop: many samples of many prompts from a causal language model.

A token depends on the row's own random stream and on the model's logits, and on nothing else, so
that another batch size, order or worker gives the same texts, up to rounding of the logits.
"""

import inspect
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from evalsuite.models.key_value_cache import new_cache, select, trim_left
from evalsuite.models.token_choice import draw
from evalsuite.requests import Finish, Sampling, uniforms

HasStop = Callable[[Sequence[int], tuple[str, ...]], bool]
"""Whether the text of some tokens contains one of the stop strings."""

# A smaller batch is worth copying the cache once this share of its rows has ended.
_ENDED_SHARE = 0.25


@dataclass(frozen=True)
class SampleRow:
    """One sample to draw.

    Parameters
    ----------
    prompt : tuple of int
        Token ids, at least one.
    key : bytes
        Names the random stream; the request's key.
    sampling : Sampling
    """

    prompt: tuple[int, ...]
    key: bytes
    sampling: Sampling


@dataclass(frozen=True)
class Drawn:
    """The tokens of one sample, the end token (if it was drawn) not among them.

    ``finish`` is ``stop`` after an end token or stop string and ``length`` at the limit. With a
    ``problem`` the sample could not be drawn, and ``finish`` is None.
    """

    token_ids: tuple[int, ...]
    n_drawn: int
    finish: Finish | None
    problem: str | None = None


def generate(
    model: Any, rows: Sequence[SampleRow], *, end_ids: frozenset[int], has_stop: HasStop
) -> list[Drawn]:
    """Draw one sample for each row.

    Each distinct prompt is read once; its samples fork the key-value cache. Rows that have ended
    leave the batch.

    Parameters
    ----------
    model : transformers causal language model
        In evaluation mode. Its prompts and answers must fit its context.
    rows : sequence of SampleRow
        Samples of one prompt need not stand side by side.
    end_ids : frozenset of int
        Tokens that end an answer.
    has_stop : callable
        Asked after each token of a row that has stop strings.

    Returns
    -------
    list of Drawn, in the order of the rows.

    Raises
    ------
    BadInput
        If the model keeps no attention cache that can be forked.
    """
    if not rows:
        return []
    progress = [Progress(row) for row in rows]
    with torch.inference_mode():
        batch = Batch(model, progress)
        while True:
            chances = np.array([p.chance() for p in batch.live])
            tokens = draw(batch.logits, [p.row.sampling for p in batch.live], chances)
            for p, token in zip(batch.live, tokens, strict=True):
                if not p.ended:
                    p.take(token, end_ids, has_stop)
            if all(p.ended for p in batch.live):
                return [p.result() for p in progress]
            batch.drop_ended()
            batch.step()


def forced_logits(
    model: Any, answers: Mapping[tuple[int, ...], tuple[int, ...]]
) -> dict[tuple[int, ...], Any]:
    """Feed given answers to prompts in one batch, as `generate` does with drawn ones.

    Parameters
    ----------
    model : transformers causal language model
        In evaluation mode.
    answers : mapping of tuple of int to tuple of int
        Token ids of each prompt and of its answer; a row leaves the batch when its answer is fed.

    Returns
    -------
    dict of tuple of int to tensor of shape (vocabulary,)
        The next logits after each prompt, and after it with each beginning of its answer.

    Raises
    ------
    BadInput
        If the model keeps no attention cache that can be forked.
    """
    logits: dict[tuple[int, ...], Any] = {}
    with torch.inference_mode():
        rows = [
            SampleRow(prompt, b"", Sampling(max_new_tokens=len(answer) + 1))
            for prompt, answer in answers.items()
        ]
        batch = Batch(model, [Progress(row) for row in rows])
        while True:
            for p, row_logits in zip(batch.live, batch.logits, strict=True):
                answer = answers[p.row.prompt]
                if p.ended:
                    continue
                logits[p.row.prompt + tuple(p.tokens)] = row_logits
                if len(p.tokens) == len(answer):
                    p.finish = "length"
                else:
                    p.tokens.append(answer[len(p.tokens)])
            if all(p.ended for p in batch.live):
                return logits
            batch.drop_ended()
            batch.step()


@dataclass(eq=False)
class Progress:
    """A row while it is being drawn."""

    row: SampleRow
    tokens: list[int] = field(default_factory=list)
    finish: Finish | None = None
    problem: str | None = None
    n_drawn: int = 0
    stream: NDArray[np.float64] | None = None

    @property
    def ended(self) -> bool:
        """Whether nothing more is to be drawn."""
        return self.finish is not None or self.problem is not None

    def chance(self) -> float:
        """The uniform of the next token; anything once the row has ended."""
        if self.stream is None:
            self.stream = uniforms(self.row.key, self.row.sampling.max_new_tokens)
        return float(self.stream[0 if self.ended else self.n_drawn])

    def take(self, token: int | None, end_ids: frozenset[int], has_stop: HasStop) -> None:
        """Add a drawn token; None where the logits were not finite."""
        if token is None:
            self.problem = f"the logits of token {self.n_drawn + 1} of the answer are not finite"
            return
        self.n_drawn += 1
        if token in end_ids:
            self.finish = "stop"
            return
        self.tokens.append(token)
        stop = self.row.sampling.stop
        if stop and has_stop(self.tokens, stop):
            self.finish = "stop"
        elif self.n_drawn == self.row.sampling.max_new_tokens:
            self.finish = "length"

    def result(self) -> Drawn:
        """What was drawn."""
        return Drawn(tuple(self.tokens), self.n_drawn, self.finish, self.problem)


class Batch:
    """The model's side: cache, mask and the next logits of the rows that are still in the batch."""

    def __init__(self, model: Any, progress: Sequence[Progress]) -> None:
        self._model = model
        self._accepted = frozenset(inspect.signature(model.forward).parameters)
        self.live = list(progress)
        prompts = list(dict.fromkeys(p.row.prompt for p in progress))
        place = {prompt: i for i, prompt in enumerate(prompts)}
        self._width = max(len(prompt) for prompt in prompts)
        longest = max(p.row.sampling.max_new_tokens for p in progress)
        ids = torch.zeros((len(prompts), self._width), dtype=torch.long)
        mask = torch.zeros((len(prompts), self._width + longest), dtype=torch.long)
        for i, prompt in enumerate(prompts):
            ids[i, self._width - len(prompt) :] = torch.tensor(prompt)
            mask[i, self._width - len(prompt) :] = 1
        self._mask = mask.to(model.device)
        self._n_read = self._width
        self._cache = new_cache(model.config)
        positions = (mask[:, : self._width].cumsum(dim=-1) - 1).clamp_(min=0)
        self.logits = self._forward(ids.to(model.device), positions.to(model.device))
        index = torch.tensor([place[p.row.prompt] for p in progress], device=model.device)
        select(self._cache, index)
        self._select_rows(index)
        self._positions = self._mask[:, : self._width].sum(dim=-1, keepdim=True)

    def _forward(self, ids: Any, positions: Any) -> Any:
        # Some models take no position_ids. Where that is because their positions are relative, or
        # counted by the mask, padding does no harm; padding_check refuses the others at loading.
        optional = {"position_ids": positions, "logits_to_keep": 1}
        output = self._model(
            input_ids=ids,
            attention_mask=self._mask[:, : self._n_read],
            past_key_values=self._cache,
            use_cache=True,
            **{name: value for name, value in optional.items() if name in self._accepted},
        )
        return output.logits[:, -1]

    def _select_rows(self, index: Any) -> None:
        self._mask = self._mask[index]
        self.logits = self.logits[index]

    def step(self) -> None:
        """Feed each row its last token."""
        # A row that has ended but is still in the batch is fed anything; nobody reads its logits.
        last = [p.tokens[-1] if p.tokens else 0 for p in self.live]
        self._n_read += 1
        ids = torch.tensor(last, device=self._mask.device)[:, None]
        self.logits = self._forward(ids, self._positions)
        self._positions = self._positions + 1

    def reorder(self, index: Any) -> None:
        """Give each row the cache of another row of its prompt."""
        select(self._cache, index)

    def drop_ended(self) -> None:
        """Shrink the batch if enough rows have ended."""
        kept = [i for i, p in enumerate(self.live) if not p.ended]
        if len(self.live) - len(kept) <= _ENDED_SHARE * len(self.live):
            return
        index = torch.tensor(kept, device=self._mask.device)
        self.live = [self.live[i] for i in kept]
        select(self._cache, index)
        self._select_rows(index)
        self._positions = self._positions[index]
        padding = self._width - max(len(p.row.prompt) for p in self.live)
        if padding and trim_left(self._cache, padding):
            self._mask = self._mask[:, padding:]
            self._width -= padding
            self._n_read -= padding
