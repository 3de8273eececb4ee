"""Rows that share a beginning: an image is read once, and its questions fork what was read.

Rows that are read together have equal lengths, so that none ever attends to padding.
"""

import copy
import inspect
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch

from evalsuite.models.key_value_cache import new_cache, select
from evalsuite.requests import Finish

Tokens = tuple[int, ...]


class Branches:
    """Rows of one length that a model has read, and that can be read on, forked or dropped.

    Parameters
    ----------
    model : transformers model that generates text, in evaluation mode
    cache : its keys and values
    deltas : tensor of shape (rows, 1) or None
        How far the next position is from the number of tokens read, where the model counts the
        positions of an image otherwise than its tokens.
    """

    def __init__(self, model: Any, cache: Any, deltas: Any) -> None:
        self._model = model
        self._cache = cache
        self._deltas = deltas

    @classmethod
    def reading(cls, model: Any, inputs: Mapping[str, Any]) -> "Branches":
        """Read the beginnings of rows, images among them.

        Parameters
        ----------
        inputs : mapping of str to tensor
            What the processor made of them; ``input_ids`` without padding.

        Raises
        ------
        BadInput
            If the model keeps no attention cache that can be forked.
        """
        cache = new_cache(model.config)
        forward(model, past_key_values=cache, use_cache=True, last_only=True, **inputs)
        # Left there by models whose text positions go on from the size of the image.
        deltas = getattr(getattr(model, "model", None), "rope_deltas", None)
        return cls(model, cache, deltas)

    @property
    def device(self) -> Any:
        """Where the model is."""
        return self._model.device

    @property
    def n_read(self) -> int:
        """Tokens of each row."""
        return int(self._cache.get_seq_length())

    def fork(self, rows: Sequence[int]) -> "Branches":
        """Return these rows, each as often as it stands there; self stays as it is."""
        index = torch.tensor(rows, device=self._model.device)
        # Layers replace their tensors, never change them: a copy of the layers is a fork.
        cache = copy.copy(self._cache)
        cache.layers = [copy.copy(layer) for layer in self._cache.layers]
        select(cache, index)
        deltas = None if self._deltas is None else self._deltas[index]
        return Branches(self._model, cache, deltas)

    def read(self, tokens: Any, *, last_only: bool = False, beside: "Beside | None" = None) -> Any:
        """Read on.

        Parameters
        ----------
        tokens : tensor of int of shape (rows, n)
        last_only : bool
            Whether the last logits are all that is wanted.
        beside : Beside or None
            How the tokens stand to each other where they do not follow one another.

        Returns
        -------
        tensor of shape (rows, n or 1, vocabulary)
            The next logits after each token.
        """
        more: dict[str, Any] = {}
        if beside is not None:
            more["attention_mask"] = _additive(beside.sees, self.n_read, self._model.dtype)
            more["position_ids"] = self.n_read + beside.steps
        if self._deltas is not None:
            steps = torch.arange(tokens.shape[1], device=tokens.device)
            steps = steps if beside is None else beside.steps
            more["position_ids"] = (self.n_read + self._deltas + steps).expand(3, *tokens.shape)
        return forward(
            self._model,
            input_ids=tokens,
            past_key_values=self._cache,
            use_cache=True,
            last_only=last_only,
            **more,
        )


@dataclass(frozen=True)
class Beside:
    """Several continuations of one row that are read side by side.

    Parameters
    ----------
    steps : tensor of int of shape (rows, n)
        Place of each token in its own continuation.
    sees : tensor of bool of shape (rows, n, n)
        Which tokens, itself among them, each one attends to.
    """

    steps: Any
    sees: Any


def _additive(sees: Any, n_read: int, dtype: Any) -> Any:
    """What is added to the attention's scores: everything read before is seen by every token."""
    hidden = torch.zeros(sees.shape, dtype=dtype, device=sees.device)
    hidden = hidden.masked_fill(~sees, torch.finfo(dtype).min)
    return torch.nn.functional.pad(hidden, (n_read, 0))[:, None]


def forward(model: Any, *, last_only: bool, **inputs: Any) -> Any:
    """Logits of a forward pass: all, or those after the last token as (rows, 1, vocabulary)."""
    if last_only and "logits_to_keep" in inspect.signature(model.forward).parameters:
        inputs["logits_to_keep"] = 1
    logits = model(**inputs).logits
    return logits[:, -1:] if last_only else logits


def write_greedily(
    branches: Branches, logits: Any, *, end_ids: frozenset[int], limit: int
) -> list[tuple[Tokens, Finish] | None]:
    """Take the likeliest token until each row has ended.

    Parameters
    ----------
    branches : Branches
        One row a question, read to its end.
    logits : tensor of shape (questions, vocabulary)
        What the model expects next.
    end_ids : frozenset of int
        Tokens that end an answer, and are no part of it.
    limit : int
        Most tokens of an answer.

    Returns
    -------
    list of (token ids, ``stop`` or ``length``), None where the logits were not finite.
    """
    written: list[list[int]] = [[] for _ in range(logits.shape[0])]
    found: list[tuple[Tokens, Finish] | None] = [None] * len(written)
    live = list(range(len(written)))
    while True:
        tokens, is_finite = logits.argmax(-1).tolist(), logits.isfinite().all(-1).tolist()
        kept: list[int] = []  # places among the rows that are still read
        for place, row in enumerate(live):
            if not is_finite[place]:
                continue
            if tokens[place] in end_ids:
                found[row] = (tuple(written[row]), "stop")
                continue
            written[row].append(tokens[place])
            if len(written[row]) == limit:
                found[row] = (tuple(written[row]), "length")
                continue
            kept.append(place)
        if not kept:
            return found
        live = [live[place] for place in kept]
        branches = branches.fork(kept) if len(kept) < len(tokens) else branches
        following = torch.tensor([[tokens[place]] for place in kept], device=logits.device)
        logits = branches.read(following, last_only=True)[:, -1]
