"""Texts to vectors: pooled hidden states of a transformer."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray

from evalsuite.models.device import memory_watched
from evalsuite.requests import Request, Response

Pooling = Literal["mean", "cls"]


@dataclass(frozen=True)
class EmbeddingSettings:
    """How a text becomes one vector.

    Parameters
    ----------
    pooling : mean or cls
        Mean over the tokens (special ones too, as sentence-transformers does), or the first token.
    normalize : bool
        Whether vectors are scaled to length one.
    max_length : int
        Most tokens of a window, special ones included.
    long : truncate or chunk
        Of a longer text, take the first window, or the mean over its windows weighted by their
        numbers of tokens.
    """

    pooling: Pooling
    normalize: bool
    max_length: int
    long: Literal["truncate", "chunk"]


class TextEmbedder:
    """Embeds texts with a transformer that returns hidden states.

    Parameters
    ----------
    model : transformers base model, in evaluation mode
    tokenizer : its fast tokenizer
    settings : EmbeddingSettings
    batch_tokens : int
        Most tokens (rows x longest) of one forward pass.
    """

    def __init__(
        self, model: Any, tokenizer: Any, settings: EmbeddingSettings, batch_tokens: int
    ) -> None:
        self._model = model
        self._tokenizer = tokenizer
        self._settings = settings
        self._batch_tokens = batch_tokens

    def sizes(self, texts: Sequence[str]) -> list[int]:
        """Tokens that each text takes in a forward pass."""
        windows, _ = self._windows(texts)
        return [sum(len(window) for window in own) for own in windows]

    def embed(self, requests: Sequence[Request]) -> list[Response]:
        """Embed the text of each request.

        Returns
        -------
        list of Response
            ``finish`` is ``length`` where a text was cut.
        """
        windows, lengths = self._windows([request.prompt.text for request in requests])
        flat = [window for own in windows for window in own]
        with memory_watched(), torch.inference_mode():
            pooled = self._pool(flat)
        responses = []
        start = 0
        for request, own, n_tokens in zip(requests, windows, lengths, strict=True):
            vector = self._combine(pooled[start : start + len(own)], own)
            start += len(own)
            is_cut = self._settings.long == "truncate" and n_tokens > self._settings.max_length
            responses.append(
                Response(
                    request.key,
                    "ok",
                    vector=vector,
                    finish="length" if is_cut else "stop",
                    n_prompt_tokens=n_tokens,
                )
            )
        return responses

    def _windows(self, texts: Sequence[str]) -> tuple[list[list[list[int]]], list[int]]:
        """Token ids of each text's windows, and the length of each whole text in tokens."""
        whole = self._tokenizer(list(texts), truncation=False, verbose=False)["input_ids"]
        limit = self._settings.max_length
        cut = self._tokenizer(
            list(texts), truncation=True, max_length=limit, return_overflowing_tokens=True
        )
        windows: list[list[list[int]]] = [[] for _ in texts]
        for text, ids in zip(cut["overflow_to_sample_mapping"], cut["input_ids"], strict=True):
            if self._settings.long == "chunk" or not windows[text]:
                windows[text].append(ids or [self._pad_id])
        return windows, [len(ids) for ids in whole]

    @property
    def _pad_id(self) -> int:
        # Models that number positions by looking for padding (RoBERTa) need the true id.
        return int(self._tokenizer.pad_token_id or 0)

    def _pool(self, windows: Sequence[list[int]]) -> NDArray[np.float32]:
        """Pooled vector of each window, in order; the longest are computed first."""
        order = sorted(range(len(windows)), key=lambda i: -len(windows[i]))
        pooled: list[NDArray[np.float32]] = [np.empty(0, np.float32)] * len(windows)
        start = 0
        while start < len(order):
            n_rows = max(1, self._batch_tokens // len(windows[order[start]]))
            batch = order[start : start + n_rows]
            for i, vector in zip(batch, self._forward([windows[i] for i in batch]), strict=True):
                pooled[i] = vector
            start += n_rows
        return np.stack(pooled)

    def _forward(self, windows: Sequence[list[int]]) -> NDArray[np.float32]:
        width = max(len(window) for window in windows)
        ids = torch.full((len(windows), width), self._pad_id)
        mask = torch.zeros((len(windows), width), dtype=torch.long)
        for i, window in enumerate(windows):
            ids[i, : len(window)] = torch.tensor(window)
            mask[i, : len(window)] = 1
        device = self._model.device
        states = self._model(input_ids=ids.to(device), attention_mask=mask.to(device))[0].float()
        if self._settings.pooling == "cls":
            pooled = states[:, 0]
        else:
            kept = mask.to(device)[:, :, None]
            # Padding may hold anything, NaN included: it is selected away, not multiplied by zero.
            pooled = states.masked_fill(kept == 0, 0.0).sum(dim=1) / kept.sum(dim=1)
        vectors: NDArray[np.float32] = pooled.cpu().numpy()
        return vectors

    def _combine(
        self, pooled: NDArray[np.float32], windows: Sequence[list[int]]
    ) -> NDArray[np.float32]:
        weights = np.array([len(window) for window in windows], dtype=np.float64)
        vector: NDArray[np.float64] = (weights[:, None] * pooled).sum(axis=0) / weights.sum()
        if self._settings.normalize:
            vector = vector / max(float(np.linalg.norm(vector)), 1e-12)
        return vector.astype(np.float32, copy=False)
