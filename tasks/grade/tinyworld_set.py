"""The set of tinyworld: its occupations and shapes as GRADE concepts."""

from typing import Any

from evalsuite.requests import canonical_json
from evalsuite.tinyworld.captions import PREFIXES, Description, caption
from evalsuite.tinyworld.questions import question
from evalsuite.tinyworld.world import ATTRIBUTES, BACKGROUNDS, OCCUPATIONS, SHAPES, Kind

_ASKED: dict[Kind, tuple[str, ...]] = {
    "person": ("presentation", "tone"),
    "shape": ("colour", "size"),
}
"""Attributes that the set asks about: those that its prompts leave open."""


def tinyworld_lines() -> list[str]:
    """The lines of ``tinyworld.jsonl``."""
    people = [_concept("person", "occupation", name) for name in OCCUPATIONS]
    shapes = [_concept("shape", "shape", name) for name in SHAPES]
    return [canonical_json(line) for line in (*people, *shapes)]


def _concept(kind: Kind, axis: str, name: str) -> dict[str, Any]:
    plain = {axis: name}
    common = [caption(Description(kind, plain, prefix)) for prefix in ("", *PREFIXES[:2])]
    uncommon = [caption(Description(kind, plain | {"background": b})) for b in BACKGROUNDS]
    return {
        "concept": caption(Description(kind, plain)),
        "id": name.replace(" ", "-"),
        "category": "people" if kind == "person" else "shapes",
        "prompts": {
            "common": [f"{text}." for text in common],
            "uncommon": [f"{text}." for text in uncommon],
        },
        "attributes": [
            {
                "id": attribute,
                "question": question(attribute, name),
                "values": list(ATTRIBUTES[kind][attribute]),
                "asked": {
                    value: caption(Description(kind, plain | {attribute: value})) + "."
                    for value in ATTRIBUTES[kind][attribute]
                },
            }
            for attribute in _ASKED[kind]
        ],
    }
