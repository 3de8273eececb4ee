"""Texts to vectors with an ONNX model; imported when one is loaded, because onnxruntime is."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import onnxruntime
from numpy.typing import NDArray
from tokenizers import Tokenizer

from evalsuite.requests import Request, Response

_PACK_TOKENS = 8192


class OnnxEmbedder:
    """Embeds texts by the first token's last hidden state, scaled to length one.

    Each text is computed alone. The model is quantised by scales that it takes from whatever it
    reads at once, so that a text's vector would hang on its company: in batches of 41 sentences
    components moved by up to 0.022, by 0.018 even among texts of equal length, and by 0.021 with
    padding alone; and a batch was no faster (123 sentences a second on one core, either way).

    Parameters
    ----------
    model : Path
        The ONNX file, checked against its pin; ``tokenizer.json`` lies beside it.
    max_length : int
        Window in tokens, special ones included.
    threads : int
        CPU threads.
    """

    def __init__(self, model: Path, *, max_length: int, threads: int) -> None:
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        options.inter_op_num_threads = 1
        self._session = onnxruntime.InferenceSession(
            str(model), options, providers=["CPUExecutionProvider"]
        )
        self._whole = Tokenizer.from_file(str(model.with_name("tokenizer.json")))
        self._cut = Tokenizer.from_file(str(model.with_name("tokenizer.json")))
        for tokenizer in (self._whole, self._cut):
            tokenizer.no_padding()
            tokenizer.no_truncation()
        self._cut.enable_truncation(max_length)

    def sizes(self, requests: Sequence[Request]) -> list[int]:
        """Tokens of each text in its window."""
        texts = [request.prompt.text for request in requests]
        return [len(read.ids) for read in self._cut.encode_batch(texts)]

    @property
    def pack_budget(self) -> int:
        """Tokens of a pack; it bounds how much is lost when a run is stopped."""
        return _PACK_TOKENS

    def embed_text(self, requests: Sequence[Request]) -> list[Response]:
        """Embed the text of each request; ``finish`` is ``length`` where it was cut."""
        return [self._embed(request) for request in requests]

    def _embed(self, request: Request) -> Response:
        ids = self._cut.encode(request.prompt.text).ids
        n_tokens = len(self._whole.encode(request.prompt.text).ids)
        return Response(
            request.key,
            "ok",
            vector=self._vector(ids),
            finish="length" if n_tokens > len(ids) else "stop",
            n_prompt_tokens=n_tokens,
        )

    def _vector(self, ids: Sequence[int]) -> NDArray[np.float32]:
        row = np.array([ids], dtype=np.int64)
        inputs = {
            "input_ids": row,
            "attention_mask": np.ones_like(row),
            "token_type_ids": np.zeros_like(row),
        }
        states = self._session.run(["last_hidden_state"], inputs)[0]
        first = states[0, 0].astype(np.float64)
        vector: NDArray[np.float32] = (first / max(float(np.linalg.norm(first)), 1e-12)).astype(
            np.float32
        )
        return vector
