"""Entropies of groups that are held fixed: their mean with its interval, and one score a group."""

import numpy as np

from evalsuite.measures.kinds import GroupEntropyMeasure, LabelGroup, MeasureRow
from evalsuite.measures.whole_set import Whole
from evalsuite.stats.group_entropy import ClosedGroup, fixed_groups_entropy, group_entropy
from evalsuite.stats.judged_group_entropy import (
    JudgedGroup,
    calibration_problem,
    judged_group_entropy,
    judged_groups_entropy,
)

Place = tuple[str, int]


def group_entropies(measure: GroupEntropyMeasure, level: float) -> Whole:
    """The mean entropy of the groups, as they are labelled or corrected for the judge's errors.

    Raises
    ------
    ValueError
        If there are no groups, a label is beyond its group's classes, or a calibration is lacking.
    """
    closed = _closed(measure)
    is_partial = any(row.label is None for group in measure.groups for row in group.rows)
    if measure.calibrations is None:
        estimate = fixed_groups_entropy(closed, level=level)
    else:
        judged = [_judged(own, group) for own, group in zip(closed, measure.groups, strict=True)]
        estimate = judged_groups_entropy(judged, measure.calibrations, level=level)
    notes = (*estimate.warnings, *measure.notes)
    estimate = estimate.model_copy(update={"warnings": notes})
    facts = {
        "groups": float(estimate.n),
        "groups_without_value": float(estimate.n_missing),
        "drawn": float(estimate.n_clusters),
    }
    return Whole(estimate, is_partial or estimate.n_missing > 0, facts)


def group_rows(measure: GroupEntropyMeasure) -> tuple[MeasureRow, ...]:
    """One row a group: its entropy, by which entrants are compared group by group.

    Corrected for the judge, a score keeps the bias of its few labels, which the estimate of all
    groups does not; between entrants of as many labels it falls away.
    """
    return tuple(
        MeasureRow(
            unit=group.name,
            cluster=group.cluster,
            stratum=group.stratum,
            replicate=0,
            value=_value(own, group, measure),
            is_partial=any(row.label is None for row in group.rows),
        )
        for own, group in zip(_closed(measure), measure.groups, strict=True)
    )


def _value(own: ClosedGroup, group: LabelGroup, measure: GroupEntropyMeasure) -> float | None:
    if measure.calibrations is None:
        return group_entropy(own)
    judged = _judged(own, group)
    joint = measure.calibrations[judged.calibration]
    return None if calibration_problem(joint) else judged_group_entropy(judged, joint)


def _judged(own: ClosedGroup, group: LabelGroup) -> JudgedGroup:
    if group.calibration is None:
        raise ValueError(f"group {group.name}: has no calibration")
    return JudgedGroup(own, group.n_other, group.calibration)


def _closed(measure: GroupEntropyMeasure) -> list[ClosedGroup]:
    """Labels as numbers; what is drawn, and from what, is numbered over all groups."""
    names = [group.name for group in measure.groups]
    if len(set(names)) != len(names):
        raise ValueError(f"{measure.name}: two groups of one name")
    strata: dict[Place, int] = {}
    items: dict[tuple[Place, int], int] = {}
    found = []
    for group in measure.groups:
        number = {label: place for place, label in enumerate(group.classes)}
        there = [row for row in group.rows if row.label is not None]
        places = [(row.unit, row.replicate) for row in there]
        for row in there:
            if row.label not in number:
                raise ValueError(f"{measure.name}: label {row.label!r} is none of {group.name}'s")
        drawn = [
            items.setdefault((place, row.index), len(items))
            for place, row in zip(places, there, strict=True)
        ]
        found.append(
            ClosedGroup(
                np.array([number[row.label or ""] for row in there], dtype=np.int64),
                np.array(drawn, dtype=np.int64),
                np.array([strata.setdefault(p, len(strata)) for p in places], dtype=np.int64),
                len(group.classes),
            )
        )
    return found
