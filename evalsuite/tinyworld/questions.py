"""Questions about tinyworld's drawings, in the words that its answerer understands."""

import re
from collections.abc import Mapping

from evalsuite.tinyworld.world import ATTRIBUTES, OCCUPATIONS, SHAPES, Kind

QUESTIONS: Mapping[str, str] = {
    "occupation": "Which occupation does the person have?",
    "presentation": "Is the perceived presentation of the {noun} masculine or feminine?",
    "tone": "Which skin tone does the {noun} have?",
    "shape": "Which shape is shown?",
    "colour": "Which colour does the {noun} have?",
    "size": "Is the {noun} small or large?",
    "background": "Which colour does the background of the {noun} have?",
}
"""By attribute; ``noun`` is an occupation or a shape, ``person`` or ``shape``."""

_NOUNS: Mapping[Kind, tuple[str, ...]] = {
    "person": (*OCCUPATIONS, "person"),
    "shape": (*SHAPES, "shape"),
}


def question(attribute: str, noun: str) -> str:
    """Ask for an attribute.

    >>> question("tone", "nurse")
    'Which skin tone does the nurse have?'
    """
    return QUESTIONS[attribute].format(noun=noun)


def asked_attribute(text: str) -> tuple[Kind, str]:
    """Which attribute a question asks for, and of what kind of drawing.

    Raises
    ------
    ValueError
        If it is none of the questions.

    Examples
    --------
    >>> asked_attribute("Is the star small or large?")
    ('shape', 'size')
    """
    for kind, nouns in _NOUNS.items():
        for attribute in ATTRIBUTES[kind]:
            before, slot, after = QUESTIONS[attribute].partition("{noun}")
            noun = f"(?:{'|'.join(nouns)})" if slot else ""
            if re.fullmatch(re.escape(before) + noun + re.escape(after), text.strip()):
                return kind, attribute
    raise ValueError(f"not a question about tinyworld: {text[:80]!r}")
