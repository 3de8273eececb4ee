"""An attribute of a GRADE set: a question about an image and its closed set of answers."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from evalsuite.errors import BadInput

NO_ANSWER = ("none of the above", "neither")
"""Answers that say that none fits; they are never part of a distribution."""

MOST_VALUES = 64
"""Longest list of answers to a question."""

MOST_CHARACTERS = 2000
"""Longest prompt, question or answer."""

_SHOWN = 60


@dataclass(frozen=True, slots=True)
class Attribute:
    """A question about every image of a concept.

    Parameters
    ----------
    id : str
        Unique in its concept.
    values : tuple of str
        Answers as they are offered, in lower case. A published set may list ``neither`` here.
    """

    id: str
    question: str
    values: tuple[str, ...]

    @property
    def support(self) -> tuple[str, ...]:
        """Answers that a distribution is over: the values, but for those of `NO_ANSWER`.

        >>> Attribute("hair", "Long or short hair?", ("long", "neither", "short")).support
        ('long', 'short')
        """
        return tuple(value for value in self.values if value not in NO_ANSWER)


def normalised(answer: str) -> str:
    """An answer or a value as they are compared (GRADE section 6): lower case, no outer blanks.

    >>> normalised(" None of the Above ")
    'none of the above'
    """
    return answer.strip().lower()


def shown(text: str) -> str:
    """A text as a message may hold it: in quotes, on one line, not too long."""
    return ascii(text) if len(text) <= _SHOWN else ascii(text[:_SHOWN] + "...")


def sound_text(text: str) -> str:
    """Check a text that is shown to a model.

    Raises
    ------
    ValueError
        If it is blank, too long, or holds what is no character of a line.
    """
    if not text.strip():
        raise ValueError("is blank")
    if len(text) > MOST_CHARACTERS:
        raise ValueError(f"has {len(text):,} characters, and {MOST_CHARACTERS:,} is the most")
    if any(ord(c) < 32 or ord(c) == 127 or "\ud800" <= c <= "\udfff" for c in text):
        raise ValueError("holds a control character or a lone surrogate")
    return text


def first_twice(texts: Sequence[str]) -> str | None:
    """The first text that is there twice.

    >>> first_twice(["a", "b", "c", "b"])
    'b'
    """
    counts = Counter(texts)
    return next((text for text in texts if counts[text] > 1), None)


def checked_attributes(attributes: Sequence[Attribute], *, where: str) -> tuple[Attribute, ...]:
    """Give the attributes of a concept with their values as they are compared.

    Raises
    ------
    BadInput
        If there is none, ids or questions are not unique, a value stands twice (but for case and
        outer blanks), or fewer than two or far too many values are left to choose from.
    """
    if not attributes:
        raise BadInput(f"{where}: the concept has no attribute; write a question with its values")
    for what, own in (
        ("id", [attribute.id for attribute in attributes]),
        ("question", [attribute.question for attribute in attributes]),
    ):
        twice = first_twice(own)
        if twice is not None:
            raise BadInput(
                f"{where}: two attributes have the {what} {shown(twice)}; keep one of them"
            )
    return tuple(_checked_attribute(attribute, where) for attribute in attributes)


def _checked_attribute(attribute: Attribute, where: str) -> Attribute:
    what = f"{where}: attribute {attribute.id!r}"
    values = tuple(map(normalised, attribute.values))
    twice = first_twice(values)
    if twice is not None:
        raise BadInput(f"{what} has the value {shown(twice)} twice, but for case; keep one")
    own = Attribute(attribute.id, attribute.question, values)
    if len(own.support) < 2:
        raise BadInput(
            f"{what} has {len(own.support)} value to choose from, and with fewer than two there is "
            "no diversity; add one, or leave the attribute out"
        )
    if len(values) > MOST_VALUES:
        raise BadInput(f"{what} has {len(values)} values, and {MOST_VALUES} is the most; cut them")
    return own
