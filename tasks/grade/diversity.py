"""Entropy of the answers: as the paper publishes it, and corrected for the number of images."""

from collections import defaultdict
from collections.abc import Iterable, Sequence

from evalsuite.measures import (
    GroupEntropyMeasure,
    LabelGroup,
    LabelRow,
    MeanMeasure,
    Measure,
    MeasureRow,
)
from evalsuite_tasks.grade.answers import Answer
from evalsuite_tasks.grade.distributions import Distribution
from evalsuite_tasks.grade.named_values import asked_value, concept_in


def entropy_measures(
    multi: Sequence[Distribution],
    single: Sequence[Distribution],
    answers: Sequence[Answer],
    notes: tuple[str, ...] = (),
) -> list[Measure]:
    """The published score in both groupings, by the number of values, and corrected."""
    sizes = {
        "binary": [own for own in multi if len(own.counts) == 2],
        "more": [own for own in multi if len(own.counts) > 2],
    }
    return [
        MeanMeasure("normalized_entropy_multi", entropy_rows(multi)),
        MeanMeasure("normalized_entropy_single", entropy_rows(single)),
        *(
            MeanMeasure(f"normalized_entropy_{name}", entropy_rows(own))
            for name, own in sizes.items()
            if own
        ),
        GroupEntropyMeasure("normalized_entropy_corrected", label_groups(answers), notes=notes),
    ]


def entropy_rows(groups: Iterable[Distribution]) -> tuple[MeasureRow, ...]:
    """One row a group; one without a valid answer is missing."""
    return tuple(group_row(own, own.entropy) for own in groups)


def group_row(own: Distribution, value: float | None) -> MeasureRow:
    """The value of a group, in its concept's cluster."""
    return MeasureRow(
        unit=own.group,
        cluster=own.cluster,
        stratum=own.stratum,
        replicate=own.replicate,
        value=value,
        is_partial=own.n_missing > 0,
    )


def label_groups(
    answers: Iterable[Answer], calibrations: dict[str, str] | None = None
) -> tuple[LabelGroup, ...]:
    """The values that were seen, by concept and attribute, with the prompt of each.

    Parameters
    ----------
    calibrations : dict of str to str, optional
        Names of the judge's confusion counts by group. Answers that none of the values fits are
        then counted, for the judge may have erred in them; else they are left out.
    """
    by_group: dict[str, list[Answer]] = defaultdict(list)
    for own in answers:
        if asked_value(own.unit) is None:
            by_group[f"{concept_in(own.unit).id}/{own.attribute.id}"].append(own)
    return tuple(
        LabelGroup(
            name=name,
            cluster=group[0].unit.cluster,
            stratum=group[0].unit.stratum,
            classes=group[0].attribute.support,
            rows=tuple(_label(own) for own in group if own.kind in ("value", "missing")),
            n_other=sum(own.kind in ("none", "outside") for own in group) if calibrations else 0,
            calibration=None if calibrations is None else calibrations[name],
        )
        for name, group in by_group.items()
    )


def _label(own: Answer) -> LabelRow:
    unit = own.unit
    label = own.text if own.kind == "value" else None
    return LabelRow(unit.id, unit.cluster, unit.stratum, own.replicate, own.index, label)
