"""What became of the answers that are in no distribution, and where in its list a judge chooses."""

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from evalsuite.measures import MeanMeasure, Measure, MeasureRow, ProportionMeasure
from evalsuite_tasks.grade.answers import Answer
from evalsuite_tasks.grade.named_values import asked_value

if TYPE_CHECKING:
    from evalsuite_tasks.grade.task import GradeOptions


def rate_measures(answers: Sequence[Answer], options: "GradeOptions") -> list[Measure]:
    """One row an answer about an image whose prompt leaves the attribute open."""
    own = [answer for answer in answers if asked_value(answer.unit) is None]
    measures: list[Measure] = [
        ProportionMeasure("none_rate", _rows(own, lambda a: float(a.kind == "none"))),
        ProportionMeasure("outside_rate", _rows(own, lambda a: float(a.kind == "outside"))),
        ProportionMeasure("tie_rate", tuple(_row(a, _tied(a)) for a in own)),
    ]
    # With one order for all images, the place of an answer cannot be told from what it says.
    if options.answer_order == "shuffled":
        measures.append(MeanMeasure("first_offered_excess", _rows(own, _excess)))
    return measures


def _rows(
    answers: Sequence[Answer], value: Callable[[Answer], float | None]
) -> tuple[MeasureRow, ...]:
    return tuple(_row(own, None if own.kind == "missing" else value(own)) for own in answers)


def _tied(own: Answer) -> float | None:
    return float(own.is_tie) if own.is_tie or own.kind != "missing" else None


def _excess(own: Answer) -> float | None:
    """1 or 0 for the first answer offered or another one, less what an even choice would give.

    Even over the values only: that none of them fits is always offered last.
    """
    if own.is_first is None or own.kind == "none" or own.n_offered < 2:
        return None
    return float(own.is_first) - 1 / (own.n_offered - 1)


def _row(own: Answer, value: float | None) -> MeasureRow:
    unit = own.unit
    return MeasureRow(unit.id, unit.cluster, unit.stratum, own.replicate, value, own.index)
