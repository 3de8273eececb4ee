"""Hand-made tables of the grade task: images that need no pixels, and what a judge says of them."""

import json
from collections.abc import Iterator, Mapping, Sequence

from evalsuite.execution import scored
from evalsuite.measures import MeasureEstimate
from evalsuite.prompts import Unit
from evalsuite.requests import (
    Entrant,
    ImagePart,
    LabelsPart,
    Prompt,
    Request,
    Response,
    TextPart,
)
from evalsuite.tables import ResponseTable, Row, Tables
from evalsuite_tasks.grade.asking import offered
from evalsuite_tasks.grade.attributes import Attribute, normalised
from evalsuite_tasks.grade.named_values import concept_in, parse_grade_set
from evalsuite_tasks.grade.task import GradeOptions, task

MODEL = Entrant(model="m", backend="b", revision="1")
JUDGE = Entrant(model="j", backend="b", revision="1")
PLACES = ("here", "there", "at home", "in a lab", "on a roof", "under water")

TIE, LOST, NO_IMAGE = "<tie>", "<lost>", "<no image>"
"""Answers that are none: two equal scores, a judge's error, an image that did not come."""

Said = Mapping[tuple[str, str], Sequence[str]]
"""Answers by unit and attribute, in sample order."""


def units(
    concepts: Mapping[str, Mapping[str, Sequence[str]]],
    *,
    asked: bool = False,
    question: str = "What {attribute} has {concept}?",
) -> tuple[Unit, ...]:
    """A set of concepts, each with attributes and their values; six prompts a concept."""
    lines = []
    for concept, attributes in concepts.items():
        prompts = [f"{concept} {place}." for place in PLACES]
        own = [
            {
                "id": name,
                "question": question.format(attribute=name, concept=concept),
                "values": list(values),
            }
            | ({"asked": {v: f"{concept}, {name} {v}." for v in values}} if asked else {})
            for name, values in attributes.items()
        ]
        scenes = {"common": prompts[:3], "uncommon": prompts[3:]}
        lines.append(
            {
                "concept": concept,
                "id": concept.replace(" ", "-"),
                "prompts": scenes,
                "attributes": own,
            }
        )
    return parse_grade_set("\n".join(map(json.dumps, lines)), source="made.jsonl")


def made(
    said: Said,
    all_units: Sequence[Unit],
    *,
    known: Said | None = None,
    options: GradeOptions | None = None,
    free: bool = False,
) -> Tables:
    """Tables of answers to the images of units; ``known`` of reference images."""
    options = options or GradeOptions()
    tables = dict(zip(("images", "answers"), _pair(said, all_units, options, free), strict=True))
    if known is not None:
        pair = _pair(known, all_units, options, free)
        tables |= dict(zip(("reference_images", "reference_answers"), pair, strict=True))
    return Tables(**tables)


def _pair(
    said: Said, all_units: Sequence[Unit], options: GradeOptions, free: bool
) -> tuple[ResponseTable, ResponseTable]:
    images, answers = [], []
    for unit in all_units:
        attributes = [a for a in concept_in(unit).attributes if (unit.id, a.id) in said]
        for index in range(max((len(said[unit.id, a.id]) for a in attributes), default=0)):
            own = {a.id: said[unit.id, a.id][index] for a in attributes}
            images.append(_image(unit, index, is_there=NO_IMAGE not in own.values()))
            answers += [_answer(images[-1], a, own[a.id], options, free) for a in attributes]

    def unread(keys: Sequence[bytes]) -> Iterator[Response]:
        raise AssertionError("no payload is read")

    return ResponseTable("model", images, unread), ResponseTable("vqa", answers, unread)


def _image(unit: Unit, index: int, *, is_there: bool) -> Row:
    ask = Request("generates_images", MODEL, unit.prompt, index=index)
    status = "ok" if is_there else "filtered"
    sha256 = f"{unit.id}-{index}" if is_there else None
    return Row(unit, 0, index, status, ask, Response(ask.key, status, image_sha256=sha256))


def _answer(image: Row, attribute: Attribute, text: str, options: GradeOptions, free: bool) -> Row:
    place = (image.unit, image.replicate, image.index)
    if image.image_sha256 is None:
        return Row(*place, "unasked", topic=attribute.id)
    labels = offered(attribute, image, options)
    parts = (ImagePart(sha256=image.image_sha256), TextPart(text=attribute.question))
    if not free:
        parts = (*parts, LabelsPart(labels=labels))
    ask = Request("answers_visual_questions", JUDGE, Prompt(parts=parts))
    if text == LOST:
        return Row(*place, "error", ask, Response(ask.key, "error"), topic=attribute.id)
    if free:
        return Row(*place, "ok", ask, Response(ask.key, "ok", text=text), topic=attribute.id)
    scores = [float(normalised(label) == normalised(text)) for label in labels]
    if text == TIE:
        scores = [0.5, 0.5, *[0.0] * (len(labels) - 2)]
    elif not any(scores):
        raise AssertionError(f"{text!r} is not offered")
    return Row(*place, "ok", ask, Response(ask.key, "ok", scores=tuple(scores)), topic=attribute.id)


def spread(unit: Unit, attribute: str, answers: Sequence[str]) -> dict[tuple[str, str], list[str]]:
    """All answers to one question about one unit."""
    return {(unit.id, attribute): list(answers)}


def score(tables: Tables, **options: object) -> dict[str, MeasureEstimate]:
    """Every estimate over all units, by measure."""
    found = scored(task, "image", GradeOptions(**options), tables).estimates  # type: ignore[arg-type]
    return {own.measure: own for own in found if own.slice == "all"}


def value(found: Mapping[str, MeasureEstimate], name: str) -> float:
    """The value of a measure, which must be there."""
    estimate = found[name].estimate.estimate
    assert estimate is not None, (name, found[name].estimate.warnings)
    return estimate
