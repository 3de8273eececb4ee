"""How long the model under test generates, as its engine reports it."""

import time
from types import TracebackType
from typing import Self

from evalsuite.progress import Silent

OF_MODEL = "model "
"""How the label of a call on the model under test begins."""


class Stopwatch(Silent):
    """Passes everything on to another progress and adds up how long the model generated.

    Attributes
    ----------
    seconds : float
        Of the calls on the model under test, loading left out.
    n_stored : int
        Answers to those calls that were in the store.
    """

    def __init__(self, inner: Silent) -> None:
        super().__init__()
        self.inner = inner
        self.seconds = 0.0
        self.n_stored = 0
        self._began = 0.0

    def __enter__(self) -> Self:
        self.inner.__enter__()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """End the other one."""
        self.inner.__exit__(kind, error, trace)

    def call(self, label: str) -> None:
        """Begin a call; that of the model is labelled so."""
        super().call(label)
        self.inner.call(label)

    def load(self, model: str) -> None:
        """Say that a model is being loaded."""
        self.inner.load(model)

    def start(self, *, n_done: int, n_todo: int, work: int) -> None:
        """Start the clock: the model is loaded."""
        if self.label.startswith(OF_MODEL):
            self.n_stored += n_done
        self._began = time.monotonic()
        self.inner.start(n_done=n_done, n_todo=n_todo, work=work)

    def advance(self, *, n: int, work: int) -> None:
        """Say that answers came."""
        self.inner.advance(n=n, work=work)

    def finish(self) -> None:
        """Stop the clock."""
        if self.label.startswith(OF_MODEL):
            self.seconds += time.monotonic() - self._began
        self.inner.finish()
