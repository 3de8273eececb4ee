"""Telling a waiting person how far a run is: a bar on a terminal, plain lines elsewhere."""

import re
import sys
import time
from types import TracebackType
from typing import Protocol, Self

_CONTROLS = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")


def printable(text: str) -> str:
    r"""Take out what could steer a terminal: control characters but for line ends and tabs.

    For every text that others wrote: prompts, categories, names of models, answers. Half of a
    surrogate pair, which no terminal can be sent, becomes a question mark.

    >>> printable("red \x1b[31mtext\x9b2J\n")
    'red [31mtext2J\n'
    """
    return _CONTROLS.sub("", text).encode("utf-8", "replace").decode()


class Progress(Protocol):
    """What an engine reports to."""

    def call(self, label: str) -> None:
        """Begin a call such as ``model: generates_text``."""

    def load(self, model: str) -> None:
        """Say that a model is being loaded."""

    def start(self, *, n_done: int, n_todo: int, work: int) -> None:
        """Say how many answers are cached, how many are to come and how much work they are."""

    def advance(self, *, n: int, work: int) -> None:
        """Say that answers came."""

    def finish(self) -> None:
        """End the call."""


class Silent:
    """Reports nothing; keeps the counts of the current call."""

    def __init__(self) -> None:
        self.label = ""
        self.n_done = self.n_cached = self.n_todo = self.work = self.work_done = 0
        self.n_new = 0
        self._started = time.monotonic()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Nothing to put away."""

    def call(self, label: str) -> None:
        """Begin a call."""
        self.label = label

    def load(self, model: str) -> None:
        """Say that a model is being loaded."""

    def start(self, *, n_done: int, n_todo: int, work: int) -> None:
        """Set the counts."""
        self.n_done, self.n_todo, self.n_cached = n_done, n_todo, n_done
        self.work, self.work_done = work, 0
        self._started = time.monotonic()

    def advance(self, *, n: int, work: int) -> None:
        """Count."""
        self.n_done += n
        self.n_new += n
        self.n_todo -= n
        self.work_done += work

    def finish(self) -> None:
        """End the call."""

    @property
    def n_total(self) -> int:
        """Answers of the call."""
        return self.n_done + self.n_todo

    def time_left_s(self) -> float | None:
        """Seconds to go at the pace so far; None before a tenth of a second of evidence."""
        elapsed = time.monotonic() - self._started
        if not self.work_done or elapsed < 0.1:
            return None
        return elapsed * (self.work - self.work_done) / self.work_done

    def rate(self) -> float:
        """Answers a second of the call so far, cached ones left out."""
        elapsed = time.monotonic() - self._started
        return (self.n_done - self.n_cached) / elapsed if elapsed > 0 else 0.0

    def line(self) -> str:
        """The state of the call in one line."""
        if not self.n_total:
            return f"{self.label or 'the start'}, before the first answer"
        left = self.time_left_s()
        parts = [f"{self.label}: {self.n_done:,} of {self.n_total:,}"]
        if self.n_cached:
            parts.append(f"{self.n_cached / max(1, self.n_total):.0%} from the store")
        parts.append(f"{self.rate():.1f}/s")
        if left is not None and self.n_todo:
            parts.append(f"about {duration(left)} left")
        return ", ".join(parts)


class Lines(Silent):
    """Plain lines on standard error, at most one every few seconds."""

    every_s = 10.0

    def __init__(self) -> None:
        super().__init__()
        self._said = 0.0

    def load(self, model: str) -> None:
        """Say that a model is being loaded."""
        print(f"loading {printable(model)}", file=sys.stderr, flush=True)

    def start(self, *, n_done: int, n_todo: int, work: int) -> None:
        """Say what is cached."""
        super().start(n_done=n_done, n_todo=n_todo, work=work)
        self._said = time.monotonic()
        print(
            f"{self.label}: {n_done:,} from the store, {n_todo:,} to do",
            file=sys.stderr,
            flush=True,
        )

    def advance(self, *, n: int, work: int) -> None:
        """Say it, if the last line is some seconds old."""
        super().advance(n=n, work=work)
        if time.monotonic() - self._said >= self.every_s:
            self._said = time.monotonic()
            print(self.line(), file=sys.stderr, flush=True)

    def finish(self) -> None:
        """Say the end."""
        print(self.line(), file=sys.stderr, flush=True)


class Bar(Silent):
    """A rich bar on a terminal, fed by work done and not by answers: long prompts go first."""

    def __init__(self) -> None:
        super().__init__()
        from rich.console import Console
        from rich.progress import BarColumn, SpinnerColumn, TextColumn
        from rich.progress import Progress as RichProgress

        self._rich = RichProgress(
            SpinnerColumn(),
            TextColumn("{task.description}", markup=False),  # a model's path may hold brackets
            BarColumn(),
            TextColumn("{task.percentage:>3.0f}%", markup=False),
            console=Console(stderr=True, markup=False, emoji=False),
        )
        self._task = self._rich.add_task("", total=None, visible=False)

    def __enter__(self) -> Self:
        self._rich.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Give the terminal back."""
        self._rich.stop()

    def load(self, model: str) -> None:
        """Show that a model is being loaded."""
        self._rich.reset(
            self._task, description=f"loading {printable(model)}", total=None, visible=True
        )

    def start(self, *, n_done: int, n_todo: int, work: int) -> None:
        """Begin the bar; what is cached counts as done at the average work of an answer."""
        super().start(n_done=n_done, n_todo=n_todo, work=work)
        self._cached_work = work * n_done // max(1, n_todo)
        self._rich.reset(self._task, total=work + self._cached_work, description=self.line())
        self._rich.update(self._task, completed=self._cached_work)

    def advance(self, *, n: int, work: int) -> None:
        """Move the bar."""
        super().advance(n=n, work=work)
        done = self._cached_work + self.work_done
        self._rich.update(self._task, completed=done, description=self.line())

    def finish(self) -> None:
        """Leave the last state as a line."""
        self._rich.console.print(self.line(), highlight=False, markup=False)
        self._rich.update(self._task, visible=False)


def progress_for_stderr() -> Silent:
    """A bar where standard error is a terminal, else plain lines."""
    return Bar() if sys.stderr.isatty() else Lines()


def duration(seconds: float) -> str:
    """Seconds as people say them.

    >>> duration(8), duration(95), duration(7300)
    ('8 s', '1 min 35 s', '2 h 01 min')
    """
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02d} s"
    return f"{whole // 3600} h {whole % 3600 // 60:02d} min"
