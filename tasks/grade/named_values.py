"""Prompts that name a value of an attribute: whether a model can draw it, and labelled images.

A concept's line may give, with an attribute, ``asked``: ``{value: prompt}``. Each such prompt is a
unit of its own beside the concept's scenes, and no part of its distributions.
"""

import json
import re
from collections.abc import Iterator, Sequence
from functools import lru_cache
from typing import Any

from evalsuite.errors import BadInput
from evalsuite.prompts import Unit
from evalsuite.requests import Prompt, canonical_json
from evalsuite_tasks.grade.attributes import normalised, shown, sound_text
from evalsuite_tasks.grade.concepts import AskedConcept, concept_of
from evalsuite_tasks.grade.published import parse_set

_ASKED = "asked"

Asked = dict[str, dict[str, dict[str, str]]]
"""Prompts by concept, attribute and value."""


def parse_grade_set(text: str, *, source: str) -> tuple[Unit, ...]:
    """Read a set as `parse_set` does, and the prompts that name values.

    Returns
    -------
    The units of each concept's scenes, then those that name a value.

    Raises
    ------
    BadInput
        As of `parse_set`; if ``asked`` is no object of prompts, names a value that its attribute
        does not list, or gives one prompt twice.
    """
    lines, asked = [], {}
    for number, raw in enumerate(re.split(r"\r\n|\n|\r", text.removeprefix("\ufeff")), 1):
        line = raw
        if f'"{_ASKED}"' in raw:
            line, own = _without_asked(raw, f"{source}, line {number}")
            asked.update(own)
        lines.append(line)
    scenes = parse_set("\n".join(lines), source=source)
    units: list[Unit] = []
    for place, unit in enumerate(scenes):
        units.append(unit)
        is_last = place + 1 == len(scenes) or scenes[place + 1].cluster != unit.cluster
        if is_last:
            units += _naming_units(unit, asked.get(unit.cluster, {}), source)
    _refuse_repeats(units, source)
    return tuple(units)


def asked_value(unit: Unit) -> str | None:
    """The value that a unit's prompt names; None where the prompt leaves it open."""
    return _read(unit.id, unit.details)[1]


def concept_in(unit: Unit) -> AskedConcept:
    """What a unit says of its concept; of a prompt that names a value, that attribute alone.

    Raises
    ------
    BadInput
        If the unit is of another task's set.
    """
    return _read(unit.id, unit.details)[0]


@lru_cache(maxsize=65_536)
def _read(unit_id: str, details: str) -> tuple[AskedConcept, str | None]:
    value = None
    if f'"{_ASKED}"' in details:
        content = json.loads(details)
        value = content.pop(_ASKED, None)
        details = canonical_json(content)
    unit = Unit(id=unit_id, prompt=Prompt.of_text(unit_id), cluster=unit_id, details=details)
    return concept_of(unit), value


def _without_asked(raw: str, where: str) -> tuple[str, Asked]:
    """The line without its ``asked`` fields, and these by the concept's id and attribute."""
    try:
        line = json.loads(raw)
    except (ValueError, RecursionError):
        return raw, {}  # The reader of the line says what is wrong with it.
    attributes = line.get("attributes") if isinstance(line, dict) else None
    if not isinstance(attributes, list):
        return raw, {}
    found: dict[str, dict[str, str]] = {}
    for attribute in attributes:
        if isinstance(attribute, dict) and _ASKED in attribute:
            found[str(attribute.get("id"))] = _prompts(attribute.pop(_ASKED), where)
    return json.dumps(line), {str(line.get("id")): found}


def _prompts(value: Any, where: str) -> dict[str, str]:
    if not isinstance(value, dict):
        raise BadInput(f'{where}: asked must be an object such as {{"red": "a red car"}}')
    found = {}
    for name, prompt in value.items():
        try:
            found[normalised(name)] = sound_text(prompt)
        except (ValueError, AttributeError):
            raise BadInput(f"{where}: asked {shown(name)} needs a prompt, in one line") from None
    return found


def _naming_units(scene: Unit, asked: dict[str, dict[str, str]], source: str) -> Iterator[Unit]:
    concept = concept_of(scene)
    for attribute in concept.attributes:
        prompts = asked.get(attribute.id, {})
        strange = [value for value in prompts if value not in attribute.support]
        if strange:
            raise BadInput(
                f"{source}: concept {concept.id!r}, attribute {attribute.id!r}: asked names "
                f"{shown(strange[0])}, which is none of its values; correct one of them"
            )
        for place, value in enumerate(attribute.support):
            if value in prompts:
                yield _naming_unit(scene, attribute.id, value, prompts[value], place)


def _naming_unit(scene: Unit, attribute: str, value: str, prompt: str, place: int) -> Unit:
    details = json.loads(scene.details)
    details["attributes"] = [own for own in details["attributes"] if own["id"] == attribute]
    details[_ASKED] = value
    return Unit(
        id=f"{scene.cluster[:60]}-{attribute[:30]}-{place + 1}",
        prompt=Prompt.of_text(prompt),
        stratum=scene.stratum,
        cluster=scene.cluster,
        details=canonical_json(details),
    )


def _refuse_repeats(units: Sequence[Unit], source: str) -> None:
    seen: dict[str, Unit] = {}
    for unit in units:
        if unit.id in seen:
            raise BadInput(f"{source}: two prompts have the id {unit.id!r}; rename a concept")
        seen[unit.id] = unit
