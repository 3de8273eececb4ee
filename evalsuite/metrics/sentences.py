"""Cutting a text into sentences by rules alone, the same everywhere."""

import re

import numpy as np

# A run of stops and whatever closes behind it, before a blank; the stops of scripts without blanks;
# line breaks. The look behind and the possessive repeats keep the search linear.
_STOP = re.compile(
    r"""(?<![.!?…।؟۔])[.!?…।؟۔]++["'”’»)\]*_]*+(?=\s)|[。！？｡]++[」』”’）]*+|\n++"""
)
_CLOSING = "\"'”’»)]*_"
_NEXT = re.compile(r"[^\S\n]*+(\S?)")
_BEFORE_A_NAME = frozenset(
    [
        "mr",
        "mrs",
        "ms",
        "mx",
        "dr",
        "prof",
        "st",
        "rev",
        "gen",
        "col",
        "sgt",
        "lt",
        "capt",
        "cmdr",
        "hon",
        "gov",
        "sen",
        "rep",
        "pres",
        "messrs",
        "vs",
        "e.g",
        "i.e",
        "eg",
        "ie",
        "cf",
        "viz",
        "approx",
        "u.s",
        "u.k",
    ]
)
_BEFORE_A_NUMBER = frozenset(
    [
        "no",
        "nos",
        "fig",
        "figs",
        "eq",
        "eqs",
        "vol",
        "p",
        "pp",
        "ch",
        "sec",
        "art",
        "pt",
        "ed",
        "est",
        "al",
        "ca",
        "jan",
        "feb",
        "mar",
        "apr",
        "jun",
        "jul",
        "aug",
        "sep",
        "sept",
        "oct",
        "nov",
        "dec",
    ]
)
_LONGEST = 24  # characters that can hold an abbreviation and the brackets before it


def sentences(text: str) -> list[str]:
    """Cut a text into its sentences.

    A sentence ends behind ``.``, ``!``, ``?`` or an ellipsis (and the quotes, brackets or asterisks
    that close there) where a blank follows, behind the full stops of Chinese, Japanese, Hindi,
    Arabic and Urdu, and at every line break. It goes on

    - where a small letter follows a full stop, an ellipsis or a closing quote;
    - behind a title or another English abbreviation that does not end sentences (``Dr.``, ``e.g.``,
      ``U.S.``), and behind ``No.``, ``Fig.``, ``al.`` or a month where a digit or bracket follows;
    - behind a single capital letter (an initial) but ``I``;
    - behind a number of up to three digits at its start (an item of a list).

    Returns
    -------
    list of str
        Without surrounding blanks, none of them blank; together they hold every other character of
        the text, in order.

    Examples
    --------
    >>> sentences('Dr. J. Smith left. "Why?" he asked... Nobody knew 3.5 years later.')
    ['Dr. J. Smith left.', '"Why?" he asked...', 'Nobody knew 3.5 years later.']
    """
    found, start = [], 0
    for stop in _STOP.finditer(text):
        if _goes_on(text, start, stop):
            continue
        found.append(text[start : stop.end()].strip())
        start = stop.end()
    found.append(text[start:].strip())
    return [sentence for sentence in found if sentence]


def sampled_sentence_pairs(
    first: str, second: str, *, n: int = 5, rng: np.random.Generator
) -> list[tuple[str, str]]:
    """Pairs of sentences of two texts, at the same places.

    Both texts are cut into `sentences`, the longer list to the length of the shorter; of the places
    up to ``n`` are drawn without replacement and kept in order.

    Parameters
    ----------
    n : int
        At least 1.

    Raises
    ------
    ValueError
        If a text is blank, or n < 1.

    Notes
    -----
    The sentence-sampled variant of Kirk et al. (ICLR 2024) as it is described; their code samples
    characters.

    Examples
    --------
    >>> sampled_sentence_pairs("One. Two. Three.", "Four. Five.", rng=np.random.default_rng(0))
    [('One.', 'Four.'), ('Two.', 'Five.')]
    """
    if n < 1:
        raise ValueError(f"sampled_sentence_pairs: n must be at least 1, got {n}")
    one, other = sentences(first), sentences(second)
    length = min(len(one), len(other))
    if not length:
        raise ValueError("sampled_sentence_pairs: a text is blank")
    places = sorted(rng.permutation(length)[:n].tolist())
    return [(one[place], other[place]) for place in places]


def _goes_on(text: str, start: int, stop: re.Match[str]) -> bool:
    """Whether a stop is part of its sentence."""
    mark = stop.group()
    if mark[0] not in ".…" and mark[-1] not in _CLOSING:
        return False
    following = _NEXT.match(text, stop.end())
    letter = following.group(1) if following else ""
    if letter.islower():
        return True
    if mark != ".":
        return False
    before = text[max(start, stop.start() - _LONGEST) : stop.start()]
    if stop.start() - start < _LONGEST and before.strip().isdecimal():
        return len(before.strip()) <= 3
    word = "".join(before.split()[-1:]).lstrip("([\"'“‘*_")
    if word.lower() in _BEFORE_A_NUMBER:
        return letter.isdigit() or letter in ("(", "[")
    return word.lower() in _BEFORE_A_NAME or (len(word) == 1 and word.isupper() and word != "I")
