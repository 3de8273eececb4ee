"""Does it, can it: a value's share by default, against success where a prompt names it."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

from evalsuite.measures import Measure, MeasureRow, ProportionMeasure
from evalsuite.prompts import Unit
from evalsuite_tasks.grade.answers import Answer
from evalsuite_tasks.grade.attributes import Attribute
from evalsuite_tasks.grade.distributions import Distribution
from evalsuite_tasks.grade.named_values import asked_value, concept_in

CAN = 0.8
"""A value that at least this share of the images shows where the prompt names it can be drawn."""

RARE = 0.5
"""A value is rare below this part of its even share, 1 over the number of values."""


@dataclass(frozen=True)
class NamedValue:
    """A value, and how often images show it where it is named and where it is left open.

    Parameters
    ----------
    success, share : float or None
        None where no answer came.
    """

    unit: Unit
    replicate: int
    attribute: Attribute
    value: str
    success: float | None
    share: float | None
    is_partial: bool

    @property
    def is_rare(self) -> bool | None:
        """Whether the value is rare by default."""
        if self.share is None:
            return None
        return self.share < RARE / len(self.attribute.support)

    @property
    def can(self) -> bool | None:
        """Whether the model can draw it."""
        return None if self.success is None else self.success >= CAN


def named_values(answers: Sequence[Answer], multi: Sequence[Distribution]) -> list[NamedValue]:
    """Every value that a prompt of its own names."""
    shares = {(own.owner, own.attribute.id, own.replicate): own for own in multi}
    by_prompt: dict[tuple[str, int], list[Answer]] = defaultdict(list)
    for own in answers:
        if asked_value(own.unit) is not None:
            by_prompt[own.unit.id, own.replicate].append(own)
    return [_named(own, shares) for own in by_prompt.values()]


def _named(
    answers: Sequence[Answer], shares: dict[tuple[str, str, int], Distribution]
) -> NamedValue:
    first = answers[0]
    value = asked_value(first.unit) or ""
    came = [own for own in answers if own.kind != "missing"]
    success = sum(own.text == value for own in came) / len(came) if came else None
    place = (concept_in(first.unit).id, first.attribute.id, first.replicate)
    group = shares.get(place)
    is_known = group is not None and group.n_valid > 0
    return NamedValue(
        first.unit,
        first.replicate,
        first.attribute,
        value,
        success,
        group.counts[value] / group.n_valid if group is not None and is_known else None,
        len(came) < len(answers) or group is None or group.n_missing > 0,
    )


def naming_measures(answers: Sequence[Answer], multi: Sequence[Distribution]) -> list[Measure]:
    """Success where a value is named, and rare values that the model can and cannot draw.

    None for a set without such prompts.
    """
    named = named_values(answers, multi)
    if not named:
        return []
    rows = tuple(_row(own) for own in answers if asked_value(own.unit) is not None)
    return [
        ProportionMeasure("asked_success", rows),
        ProportionMeasure("underused_share", _rare_rows(named, can=True)),
        ProportionMeasure("unable_share", _rare_rows(named, can=False)),
    ]


def _row(own: Answer) -> MeasureRow:
    unit = own.unit
    value = None if own.kind == "missing" else float(own.text == asked_value(unit))
    return MeasureRow(unit.id, unit.cluster, unit.stratum, own.replicate, value, own.index)


def _rare_rows(named: Sequence[NamedValue], *, can: bool) -> tuple[MeasureRow, ...]:
    rows = []
    for own in named:
        value = None if own.is_rare is None or own.can is None else own.is_rare and own.can is can
        rows.append(
            MeasureRow(
                unit=own.unit.id,
                cluster=own.unit.cluster,
                stratum=own.unit.stratum,
                replicate=own.replicate,
                value=None if value is None else float(value),
                is_partial=own.is_partial,
            )
        )
    return tuple(rows)
