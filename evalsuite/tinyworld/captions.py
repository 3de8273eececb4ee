"""The grammar of tinyworld's prompts: from a description to words and back.

    [PREFIX] A [PRESENTATION] OCCUPATION [with TONE skin] [on a BACKGROUND background][.]
    [PREFIX] A [SIZE] [COLOUR] SHAPE [on a BACKGROUND background][.]

PREFIX is ``a photo of``, ``a picture of`` or ``a drawing of``, A is ``a`` or ``an``, PRESENTATION
``man`` or ``woman``; ``person`` leaves the occupation open, and ``shape`` the shape.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from evalsuite.tinyworld.world import (
    ATTRIBUTES,
    BACKGROUNDS,
    COLOURS,
    OCCUPATIONS,
    SHAPES,
    SIZES,
    TONES,
    Kind,
)

PREFIXES = ("a photo of", "a picture of", "a drawing of")
WORDS = {"masculine": "man", "feminine": "woman"}
"""What captions call a presentation."""

_PRESENTATIONS = {word: value for value, word in WORDS.items()}


def _one_of(name: str, words: Iterable[str]) -> str:
    return f"(?P<{name}>{'|'.join(sorted(words, key=len, reverse=True))})"


_HEAD = rf"(?:{_one_of('prefix', PREFIXES)} )?an? "
_TAIL = rf"(?: on an? {_one_of('background', BACKGROUNDS)} background)?\.?"
_PERSON = re.compile(
    _HEAD
    + f"(?:{_one_of('presentation', _PRESENTATIONS)} )?"
    + _one_of("occupation", (*OCCUPATIONS, "person"))
    + f"(?: with {_one_of('tone', TONES)} skin)?"
    + _TAIL
)
_SHAPE = re.compile(
    _HEAD
    + f"(?:{_one_of('size', SIZES)} )?(?:{_one_of('colour', COLOURS)} )?"
    + _one_of("shape", (*SHAPES, "shape"))
    + _TAIL
)


@dataclass(frozen=True)
class Description:
    """What a prompt says of a scene; attributes it does not name are open.

    Parameters
    ----------
    kind : ``person`` or ``shape``
    named : dict of str to str
        The attributes that the prompt names.
    prefix : str
        One of `PREFIXES`, or nothing.
    """

    kind: Kind
    named: Mapping[str, str] = field(default_factory=dict)
    prefix: str = ""


def caption(description: Description) -> str:
    """Put a description into words.

    Examples
    --------
    >>> caption(Description("person", {"occupation": "artist", "tone": "dark"}, "a photo of"))
    'a photo of an artist with dark skin'
    >>> caption(Description("shape", {"colour": "red", "background": "mint"}))
    'a red shape on a mint background'
    """
    named = description.named
    if description.kind == "person":
        word = WORDS[named["presentation"]] if "presentation" in named else None
        words = [word, named.get("occupation", "person")]
        after = f" with {named['tone']} skin" if "tone" in named else ""
    else:
        words = [named.get("size"), named.get("colour"), named.get("shape", "shape")]
        after = ""
    noun = " ".join(word for word in words if word)
    article = "an" if noun[0] in "aeiou" else "a"
    ground = f" on a {named['background']} background" if "background" in named else ""
    prefix = f"{description.prefix} " if description.prefix else ""
    return f"{prefix}{article} {noun}{after}{ground}"


def parse(prompt: str) -> Description:
    """Read a prompt.

    Raises
    ------
    ValueError
        If it is not of the grammar.

    Examples
    --------
    >>> parse("A photo of a woman doctor on a grey background.").named["presentation"]
    'feminine'
    """
    text = " ".join(prompt.lower().split())
    for kind, pattern in (("person", _PERSON), ("shape", _SHAPE)):
        found = pattern.fullmatch(text)
        if found is None:
            continue
        values = {name: word for name, word in found.groupdict().items() if word}
        prefix = values.pop("prefix", "")
        if "presentation" in values:
            values["presentation"] = _PRESENTATIONS[values["presentation"]]
        named = {n: w for n, w in values.items() if w in ATTRIBUTES[kind][n]}  # type: ignore[index]
        return Description(kind, named, prefix)  # type: ignore[arg-type]
    raise ValueError(f"not a prompt of tinyworld: {prompt[:80]!r}")
