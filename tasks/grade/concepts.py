"""The concepts of a GRADE set: the scenes that each is drawn in, and what is asked of the images.

Rassin et al. 2024 (arXiv 2410.22592): a concept has prompts that leave its attributes open, and
each attribute is a question with a closed set of answers.
"""

import json
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Literal, get_args

from pydantic import AfterValidator, Field, ValidationError

from evalsuite.errors import BadInput
from evalsuite.measures import ALL
from evalsuite.prompts import Id, Unit
from evalsuite.requests import Frozen, Prompt, canonical_json
from evalsuite_tasks.grade.attributes import (
    NO_ANSWER,
    Attribute,
    checked_attributes,
    first_twice,
    normalised,
    shown,
    sound_text,
)

Scene = Literal["common", "uncommon"]

PROMPTS_PER_SCENE = 3
"""Of each concept: three scenes where it is usual, and three where it is not."""


@dataclass(frozen=True, slots=True)
class ScenePrompt:
    """A prompt, and whether its scene is one where people expect the concept."""

    text: str
    scene: Scene


@dataclass(frozen=True, slots=True)
class Concept:
    """What is drawn: ``a cookie``, say.

    Parameters
    ----------
    id, name : str
        Short and safe for a path; and as it stands in the prompts.
    prompts : tuple of ScenePrompt
        The common scenes first.
    category : str
        For slices; may be empty.
    """

    id: str
    name: str
    prompts: tuple[ScenePrompt, ...]
    attributes: tuple[Attribute, ...]
    category: str = ""


@dataclass(frozen=True, slots=True)
class AskedConcept:
    """What a unit says of its concept.

    Parameters
    ----------
    id, name : str
    scene : common or uncommon
        Of the unit's prompt.
    """

    id: str
    name: str
    scene: Scene
    attributes: tuple[Attribute, ...]


_Text = Annotated[str, AfterValidator(sound_text)]
_ConceptId = Annotated[Id, Field(max_length=80)]  # Room for what a unit's id adds.
_ThreeTexts = Annotated[
    tuple[_Text, ...], Field(min_length=PROMPTS_PER_SCENE, max_length=PROMPTS_PER_SCENE)
]


class _Question(Frozen):
    id: Id
    question: _Text
    values: tuple[_Text, ...]


class _Prompts(Frozen):
    common: _ThreeTexts
    uncommon: _ThreeTexts


class _Line(Frozen):
    """A concept as a line of a set has it."""

    concept: _Text
    id: _ConceptId
    category: Annotated[str, AfterValidator(lambda text: text and sound_text(text))] = ""
    prompts: _Prompts
    attributes: tuple[_Question, ...]


class _Details(Frozen):
    """A concept as a unit carries it."""

    concept: str
    id: Id
    scene: Scene
    attributes: tuple[_Question, ...]


def read_concepts(text: str, *, source: str) -> tuple[Concept, ...]:
    """Read a set of our own: a JSON object a line, with concept, id, category, prompts, attributes.

    Parameters
    ----------
    source : str
        Name of the file, for messages.

    Raises
    ------
    BadInput
        With the number of the line: on what is no such object, on ids, concepts, prompts, questions
        or values that are not unique, on values that mean that none fits, on a single value.
    """
    concepts: list[Concept] = []
    lines: dict[tuple[str, str], int] = {}
    for number, raw in enumerate(re.split(r"\r\n|\n|\r", text.removeprefix("\ufeff")), 1):
        if not raw.strip():
            continue
        where = f"{source}, line {number}"
        concept = _concept(raw, where)
        for what, own in (("id", concept.id), ("concept", normalised(concept.name))):
            first = lines.setdefault((what, own), number)
            if first != number:
                raise BadInput(
                    f"{where}: {what} {shown(own)} stands in line {first} already; give every "
                    "concept an id and a name of its own"
                )
        concepts.append(concept)
    if not concepts:
        raise BadInput(f"{source}: the set is empty; it needs one JSON object a line")
    return tuple(concepts)


def _concept(raw: str, where: str) -> Concept:
    try:
        line = _Line.model_validate(json.loads(raw, object_pairs_hook=_object))
    except ValidationError as error:
        raise BadInput(f"{where}: {_first_problem(error)}; correct the line") from None
    # ValueError, and not only its JSONDecodeError: a name given twice, a far too long integer.
    except (ValueError, RecursionError) as error:
        raise BadInput(f"{where}: not JSON ({error}); write one object a line") from None
    if line.category == ALL:
        raise BadInput(f"{where}: category {ALL!r} is the name of the whole set; choose another")
    attributes = checked_attributes(
        [Attribute(own.id, own.question, own.values) for own in line.attributes], where=where
    )
    for own in attributes:
        if own.support != own.values:
            raise BadInput(
                f"{where}: attribute {own.id!r} lists {' or '.join(map(repr, NO_ANSWER))}; leave "
                "it out, it is offered with every question"
            )
    prompts = (
        *(ScenePrompt(prompt, "common") for prompt in line.prompts.common),
        *(ScenePrompt(prompt, "uncommon") for prompt in line.prompts.uncommon),
    )
    _check_differ("prompt", [prompt.text for prompt in prompts], where)
    _check_differ("question", [attribute.question for attribute in attributes], where)
    return Concept(line.id, line.concept, prompts, attributes, line.category)


def _check_differ(what: str, texts: Sequence[str], where: str) -> None:
    twice = first_twice([normalised(text) for text in texts])
    if twice is not None:
        raise BadInput(f"{where}: the {what} {shown(twice)} stands there twice; replace one")


def _object(pairs: list[tuple[str, object]]) -> dict[str, object]:
    twice = first_twice([name for name, _ in pairs])
    if twice is not None:
        raise ValueError(f"{shown(twice)} is given twice")
    return dict(pairs)


def _first_problem(error: ValidationError) -> str:
    problem = error.errors(include_url=False, include_input=False)[0]
    where = ".".join(str(part) for part in problem["loc"]) or "the line"
    said = f"{where}: {problem['msg'].removeprefix('Value error, ')}"
    return said if said.isprintable() and len(said) <= 300 else ascii(said)[:300]


def units_of(concepts: Sequence[Concept]) -> tuple[Unit, ...]:
    """The units of a set: its prompts, in clusters of a concept and strata of a category."""
    units = []
    for concept in concepts:
        seen: Counter[str] = Counter()
        details = {scene: _details(concept, scene) for scene in get_args(Scene)}
        for prompt in concept.prompts:
            seen[prompt.scene] += 1
            units.append(
                Unit(
                    id=f"{concept.id}-{prompt.scene}-{seen[prompt.scene]}",
                    prompt=Prompt.of_text(prompt.text),
                    stratum=concept.category,
                    cluster=concept.id,
                    details=details[prompt.scene],
                )
            )
    return tuple(units)


def _details(concept: Concept, scene: str) -> str:
    attributes = [
        {"id": own.id, "question": own.question, "values": own.values} for own in concept.attributes
    ]
    return canonical_json(
        {"id": concept.id, "concept": concept.name, "scene": scene, "attributes": attributes}
    )


def concept_of(unit: Unit) -> AskedConcept:
    """Read back what `units_of` wrote of a unit's concept.

    Raises
    ------
    BadInput
        If the unit is of another task's set, or somebody changed its details.
    """
    where = f"unit {unit.id}"
    try:
        details = _Details.model_validate_json(unit.details)
    except ValidationError as error:
        raise BadInput(
            f"{where}: its details are not of a GRADE set ({_first_problem(error)}); take a set "
            "whose lines have concept, prompts and attributes"
        ) from None
    attributes = checked_attributes(
        [Attribute(own.id, own.question, own.values) for own in details.attributes], where=where
    )
    return AskedConcept(details.id, details.concept, details.scene, attributes)
