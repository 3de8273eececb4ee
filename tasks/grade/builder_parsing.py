"""Reading what a text model answers while a GRADE set is built: strictly, and never as code.

What cannot be read is an error that says why; nothing is guessed at, and nothing is left out.
"""

import ast
import io
import re
import tokenize
import warnings
from collections.abc import Iterable, Sequence

from evalsuite_tasks.grade.attributes import MOST_VALUES, normalised, shown, sound_text
from evalsuite_tasks.grade.concepts import PROMPTS_PER_SCENE

MOST_QUESTIONS = 5
"""Questions about a concept, at most."""

_MOST_TEXT = 20_000
_NUMBERED = re.compile(r"([0-9]{1,3})\.[ \t]+(\S.*)")
_SAYS_NONE = re.compile(
    r"(none|neither|nothing)( (of|in) .*)?|n/?a|not (visible|applicable|specified|sure|clear)"
    r"|unknown|unclear|others?|something else|anything else|can(no|')t (tell|say|see|be .*)"
)


class Unreadable(ValueError):
    """An answer is not of the form that was asked for."""


def read_list(text: str) -> tuple[str, ...]:
    r"""Read a list of texts: what stands between the first ``[`` and the last ``]``.

    Without square brackets a Python set in braces is read too; the order is that of the text.

    Raises
    ------
    Unreadable
        If there is none, it holds anything but texts, a comma is missing, or a text is blank.

    Examples
    --------
    >>> read_list("Sure:\n['red', 'dark blue']")
    ('red', 'dark blue')
    >>> read_list('{"red", "blue"}'), read_list("[]")
    (('red', 'blue'), ())
    """
    if len(text) > _MOST_TEXT:
        raise Unreadable(f"{len(text):,} characters, and {_MOST_TEXT:,} is the most")
    literal = _between(text, "[", "]") or _between(text, "{", "}")
    if literal is None:
        raise Unreadable(f"no list in {shown(text)}")
    values = _texts(literal)
    if len(values) > MOST_VALUES:
        raise Unreadable(f"{len(values)} texts, and {MOST_VALUES} is the most")
    for value in values:
        try:
            sound_text(value)
        except ValueError as error:
            raise Unreadable(f"the text {shown(value)} {error}") from None
    return tuple(value.strip() for value in values)


def _between(text: str, opening: str, closing: str) -> str | None:
    start, end = text.find(opening), text.rfind(closing)
    return text[start : end + 1] if 0 <= start < end else None


def _texts(literal: str) -> list[str]:
    """The texts of a list or set literal, in order."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", SyntaxWarning)  # Of a backslash in a text.
            node = ast.parse(literal, mode="eval").body
    # ValueError of a null character; the other two of brackets nested very deep.
    except (SyntaxError, ValueError, MemoryError, RecursionError):
        raise Unreadable(f"not a list of texts: {shown(literal)}") from None
    if not isinstance(node, ast.List | ast.Set):
        raise Unreadable(f"not a list of texts: {shown(literal)}")
    values = [item.value for item in node.elts if isinstance(item, ast.Constant)]
    texts = [value for value in values if isinstance(value, str)]
    if len(texts) != len(node.elts):
        raise Unreadable(f"something that is no text stands in {shown(literal)}")
    # Python joins two texts that stand side by side; here that is a comma that was forgotten.
    if _count_strings(literal) != len(texts):
        raise Unreadable(f"a comma is missing in {shown(literal)}")
    return texts


def _count_strings(literal: str) -> int:
    tokens = tokenize.generate_tokens(io.StringIO(literal).readline)
    try:
        return sum(token.type == tokenize.STRING for token in tokens)
    except (tokenize.TokenError, SyntaxError):
        raise Unreadable(f"not a list of texts: {shown(literal)}") from None


def read_captions(text: str, concept: str) -> tuple[str, ...]:
    """Read the captions of one kind of scene.

    Raises
    ------
    Unreadable
        If they are not three, two are equal, or one does not begin with the concept and go on.

    Examples
    --------
    >>> read_captions('["a kite in a park.", "a kite on a beach", "A kite at a fair."]', "a kite")
    ('a kite in a park.', 'a kite on a beach.', 'a kite at a fair.')
    """
    captions = [_caption(own, concept) for own in read_list(text)]
    if len(captions) != PROMPTS_PER_SCENE:
        raise Unreadable(f"{len(captions)} captions, not {PROMPTS_PER_SCENE}")
    if len(set(map(normalised, captions))) != len(captions):
        raise Unreadable("two captions are the same")
    return tuple(captions)


def _caption(text: str, concept: str) -> str:
    place = text[len(concept) :].rstrip(". ")
    if normalised(text[: len(concept)]) != normalised(concept) or not place.startswith(" "):
        raise Unreadable(f"the caption {shown(text)} is not {shown(concept)} and a place")
    return f"{concept}{place}."


def read_questions(text: str) -> tuple[str, ...]:
    r"""Read the numbered questions of an answer; other lines may stand before and between them.

    Raises
    ------
    Unreadable
        If there is none, there are more than `MOST_QUESTIONS`, their numbers are not 1, 2 ... in
        order, one does not end with a question mark, or two are equal.

    Examples
    --------
    >>> read_questions("Kites differ in shape.\n1. What shape is the kite?\n2. Has it a tail?")
    ('What shape is the kite?', 'Has it a tail?')
    """
    if len(text) > _MOST_TEXT:
        raise Unreadable(f"{len(text):,} characters, and {_MOST_TEXT:,} is the most")
    lines = [_NUMBERED.fullmatch(line.strip()) for line in text.split("\n")]
    found = [(line[1], line[2]) for line in lines if line is not None]
    if not found:
        raise Unreadable(f"no numbered question in {shown(text)}")
    for place, (number, question) in enumerate(found, 1):
        if number != str(place):
            raise Unreadable(f"a question is numbered {number} and not {place}")
        if not question.endswith("?"):
            raise Unreadable(f"{shown(question)} is no question")
        try:
            sound_text(question)
        except ValueError as error:
            raise Unreadable(f"the question {shown(question)} {error}") from None
    if len(found) > MOST_QUESTIONS:
        raise Unreadable(f"{len(found)} questions, and {MOST_QUESTIONS} is the most")
    if len({normalised(question) for _, question in found}) != len(found):
        raise Unreadable("two questions are the same")
    return tuple(question for _, question in found)


def merged(lists: Iterable[Sequence[str]]) -> tuple[str, ...]:
    """All values of several lists once, as they are compared; without those that say none fits.

    >>> merged([["Red", "none of the above"], ["blue", " red"]])
    ('red', 'blue')
    """
    values = dict.fromkeys(normalised(value) for own in lists for value in own)
    return tuple(value for value in values if not _SAYS_NONE.fullmatch(value))


def read_kept(text: str, offered: Sequence[str]) -> tuple[str, ...]:
    """Read which of the offered values stay; they come in the order that they were offered in.

    Raises
    ------
    Unreadable
        If it is no list, or holds a value that was not offered.

    Examples
    --------
    >>> read_kept('["Oval", "round"]', ["round", "circular", "oval"])
    ('round', 'oval')
    """
    kept = {normalised(value) for value in read_list(text)}
    strange = sorted(kept - set(offered))
    if strange:
        raise Unreadable(f"{shown(strange[0])} is none of the values that were offered")
    return tuple(value for value in offered if value in kept)
