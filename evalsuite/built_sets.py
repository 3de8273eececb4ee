"""What building a prompt set with a text model gives: its lines, and what did not become one."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Problem:
    """Why something that was to be built, or a part of it, is not in the set.

    Parameters
    ----------
    item : str
        What was to be built, as the user named it.
    stage : str
        Where building it went wrong.
    why : str

    Examples
    --------
    >>> str(Problem("a kite", "prompts", "2 captions, not 3"))
    'a kite (prompts): 2 captions, not 3'
    """

    item: str
    stage: str
    why: str

    def __str__(self) -> str:
        return f"{self.item} ({self.stage}): {self.why}"


@dataclass(frozen=True, slots=True)
class BuiltSet:
    """A prompt set that a text model wrote.

    Parameters
    ----------
    lines : tuple of str
        One for each item that was built, in the order that they were asked for.
    built : tuple of str
        The items behind the lines.
    failures : tuple of Problem
        For each item that was not built, the stage that it failed at.
    notes : tuple of Problem
        What was left out of items that were built.
    """

    lines: tuple[str, ...]
    built: tuple[str, ...]
    failures: tuple[Problem, ...]
    notes: tuple[Problem, ...]

    @property
    def text(self) -> str:
        """The set as a JSON Lines file."""
        return "".join(f"{line}\n" for line in self.lines)
