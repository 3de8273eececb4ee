"""Default behaviours: one answer that nearly all images give."""

from collections import defaultdict
from collections.abc import Sequence

from evalsuite.measures import Measure, MeasureRow, ProportionMeasure
from evalsuite_tasks.grade.distributions import Distribution
from evalsuite_tasks.grade.diversity import group_row


def has_default(own: Distribution, threshold: float) -> bool | None:
    """Whether the most frequent answer has at least that share; None without an answer.

    Answers that none fits are left out before, those outside of the set are not: they stay in the
    denominator, and can be the most frequent answer themselves (GRADE section 6).
    """
    top = own.top
    return None if top is None else top[1] >= threshold


def default_measures(
    multi: Sequence[Distribution], single: Sequence[Distribution], threshold: float
) -> list[Measure]:
    """Both definitions, in both groupings: share of groups, and of concepts or prompts with one."""
    return [
        ProportionMeasure("default_rate_multi", _group_rows(multi, threshold)),
        ProportionMeasure("default_rate_single", _group_rows(single, threshold)),
        ProportionMeasure("concepts_with_default", _owner_rows(multi, threshold)),
        ProportionMeasure("prompts_with_default", _owner_rows(single, threshold)),
    ]


def _group_rows(groups: Sequence[Distribution], threshold: float) -> tuple[MeasureRow, ...]:
    return tuple(group_row(own, _number(has_default(own, threshold))) for own in groups)


def _owner_rows(groups: Sequence[Distribution], threshold: float) -> tuple[MeasureRow, ...]:
    """One row a concept or prompt: whether any of its groups has a default behaviour."""
    owned: dict[tuple[str, int], list[Distribution]] = defaultdict(list)
    for own in groups:
        owned[own.owner, own.replicate].append(own)
    rows = []
    for (owner, replicate), own_groups in owned.items():
        found = [has_default(own, threshold) for own in own_groups]
        known = [own for own in found if own is not None]
        rows.append(
            MeasureRow(
                unit=owner,
                cluster=own_groups[0].cluster,
                stratum=own_groups[0].stratum,
                replicate=replicate,
                value=_number(any(known) if known else None),
                is_partial=any(own.n_missing for own in own_groups),
            )
        )
    return tuple(rows)


def _number(value: bool | None) -> float | None:
    return None if value is None else float(value)
