"""How the judge reads images of known content, and shares corrected for its errors.

The known images are a reference's answers to prompts that name a value: those of a procedural world
that draws what it is told, or a folder of pictures that people labelled (``outputs:FOLDER``).
"""

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from evalsuite.measures import GroupEntropyMeasure, Measure, MeasureRow, ProportionMeasure
from evalsuite.requests import canonical_json
from evalsuite_tasks.grade.answers import Answer
from evalsuite_tasks.grade.diversity import label_groups
from evalsuite_tasks.grade.named_values import asked_value, concept_in

if TYPE_CHECKING:
    from evalsuite_tasks.grade.task import GradeOptions

Counts = NDArray[np.int64]

_ARTICLE = re.compile(r"^(?:an?|the) ", re.IGNORECASE)


def judge_measures(
    answers: Sequence[Answer],
    reference: Sequence[Answer],
    options: "GradeOptions",
    notes: tuple[str, ...] = (),
) -> list[Measure]:
    """The judge's agreement with known content, and the corrected entropy."""
    calibrations = confusion_counts(answers, reference, options)
    names = {
        f"{concept_in(own.unit).id}/{own.attribute.id}": calibration_name(own, options)
        for own in answers
    }
    measures: list[Measure] = [
        GroupEntropyMeasure(
            "normalized_entropy_judge_corrected", label_groups(answers, names), calibrations, notes
        )
    ]
    if reference:
        rows = tuple(_row(own) for own in reference)
        measures.append(ProportionMeasure("judge_agreement", rows))
    return measures


def calibration_name(answer: Answer, options: "GradeOptions") -> str:
    """Name of the confusion counts that hold for a question.

    Questions of one attribute and the same values share them where they differ in nothing but the
    concept's name: equal ids alone may stand for unrelated questions. Or each has its own.
    """
    attribute, question = answer.attribute, answer.attribute.question
    if options.calibration_by == "attribute":
        noun = _ARTICLE.sub("", concept_in(answer.unit).name)
        question = re.sub(rf"\b{re.escape(noun)}\b", "...", question, flags=re.IGNORECASE)
    return canonical_json([attribute.id, question, attribute.support])


def confusion_counts(
    answers: Sequence[Answer], reference: Sequence[Answer], options: "GradeOptions"
) -> dict[str, Counts]:
    """Counts by truth and the judge's answer, of shape (K, K + 1); the last: none of the values."""
    found: dict[str, Counts] = {}
    for own in (*answers, *reference):
        k = len(own.attribute.support)
        found.setdefault(calibration_name(own, options), np.zeros((k, k + 1), dtype=np.int64))
    for own in reference:
        truth = asked_value(own.unit)
        if own.kind == "missing" or truth is None:
            continue
        support = own.attribute.support
        said = support.index(own.text) if own.kind == "value" else len(support)
        found[calibration_name(own, options)][support.index(truth), said] += 1
    return found


def _row(own: Answer) -> MeasureRow:
    unit = own.unit
    value = None if own.kind == "missing" else float(own.text == asked_value(unit))
    return MeasureRow(unit.id, unit.cluster, unit.stratum, own.replicate, value, own.index)
