"""From a measure to its estimates: each kind has its estimator, and a task never picks one."""

from typing import Literal

import numpy as np
from pydantic import BaseModel, ConfigDict

from evalsuite.measures.card import ALL, MeasureCard
from evalsuite.measures.group_entropies import group_entropies
from evalsuite.measures.kinds import (
    CategoricalMeasure,
    CorrelationMeasure,
    GapMeasure,
    GroupEntropyMeasure,
    KernelMeasure,
    MeanMeasure,
    Measure,
    PooledMeasure,
    ProportionMeasure,
    RankingMeasure,
)
from evalsuite.measures.label_scores import label_notes
from evalsuite.measures.replication import with_seed_variance
from evalsuite.measures.unit_scores import UnitScores, linked, unit_scores
from evalsuite.measures.whole_set import Whole, whole_set
from evalsuite.stats import Estimate, clustered_proportion_interval, mean_interval
from evalsuite.stats.reciprocal import reciprocal

ROUNDING = 1e-9
"""How far a value may lie beyond its range by rounding."""

Kind = Literal[
    "mean", "proportion", "pooled", "categorical", "kernel", "gap", "ranking", "correlation",
    "group_entropy",
]  # fmt: skip
_KINDS: dict[type, Kind] = {
    MeanMeasure: "mean",
    ProportionMeasure: "proportion",
    PooledMeasure: "pooled",
    CategoricalMeasure: "categorical",
    KernelMeasure: "kernel",
    GapMeasure: "gap",
    RankingMeasure: "ranking",
    CorrelationMeasure: "correlation",
    GroupEntropyMeasure: "group_entropy",
}


class MeasureEstimate(BaseModel):
    """A measure on a slice of the units: the estimate and what stands beside it.

    Parameters
    ----------
    sd : float or None
        Spread of the rows (ddof 0).
    bound_low, bound_high : float or None
        The estimate if every missing answer had been the worst or the best possible; null where the
        range is not finite.
    facts : dict of str to float
        Numbers that the kind of measure has beside its estimate, such as the p-value of a gap.
    seed_variance, seed_share : float or None
        Of several replicates: the variance of what a seed adds to all units at once, and the part
        of the squared standard error that is ``seed_variance / replicates``.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    measure: str
    measure_version: int
    kind: Kind
    slice: str
    higher_is_better: bool | None
    unit: str
    estimate: Estimate
    sd: float | None
    bound_low: float | None
    bound_high: float | None
    facts: dict[str, float] = {}
    seed_variance: float | None = None
    seed_share: float | None = None


def estimate_measure(
    measure: Measure, card: MeasureCard, *, level: float = 0.95
) -> list[MeasureEstimate]:
    """Make the estimate of a measure over all units and, where they have scores, by stratum.

    Scores of units take the clustered t interval, shares the Wilson interval with a design effect,
    and averages of collision probabilities are inverted once. A statistic of the whole set takes
    the method of its kind (`whole_set`), and so do groups that are held fixed
    (`group_entropies`), over all units only.

    Raises
    ------
    ValueError
        If the measure is not the card's, has no rows, or rows that it cannot be made of.
    """
    if measure.name != card.name:
        raise ValueError(f"measure {measure.name!r} with the card of {card.name!r}")
    if isinstance(measure, GroupEntropyMeasure):
        return [_of_whole(measure, card, group_entropies(measure, level))]
    scores = unit_scores(measure, card)
    if not scores.is_sampled:
        return [_of_whole(measure, card, whole_set(measure, level))]
    strata = sorted({stratum for stratum in scores.stratum if stratum})
    slices = [(ALL, scores)]
    if len(strata) > 1:
        slices += [(s, scores.where(scores.stratum == s)) for s in strata]
    return [_of_scores(measure, card, name, own, level) for name, own in slices]


def _of_scores(
    measure: Measure, card: MeasureCard, name: str, scores: UnitScores, level: float
) -> MeasureEstimate:
    if isinstance(measure, ProportionMeasure):
        estimate = clustered_proportion_interval(scores.value, clusters=scores.cluster, level=level)
    else:
        estimate = mean_interval(scores.value, clusters=scores.cluster, level=level)
    seeds = with_seed_variance(estimate, scores)
    estimate = seeds.estimate
    if isinstance(measure, ProportionMeasure):
        estimate = _share(estimate)
    seed_variance = seeds.variance
    if scores.link == "reciprocal":
        # As of the effective number itself, by the delta method.
        if seed_variance is not None and estimate.estimate:
            seed_variance /= estimate.estimate**4
        estimate = reciprocal(estimate)
    if isinstance(measure, CategoricalMeasure):
        notes = (*label_notes(measure), *estimate.warnings)
        estimate = estimate.model_copy(update={"warnings": notes})
    present = scores.value[~np.isnan(scores.value)]
    low, high = (_mean(own) for own in (scores.low, scores.high))
    if scores.link == "reciprocal":
        low, high = (None if end is None else linked("reciprocal", end) for end in (high, low))
    return MeasureEstimate(
        **_described(measure, card, name),
        estimate=_within(estimate, card),
        sd=float(present.std()) if present.size else None,
        bound_low=low,
        bound_high=high,
        seed_variance=seed_variance,
        seed_share=seeds.share,
    )


def _share(estimate: Estimate) -> Estimate:
    """A share with its interval cut at 0 and 1, which the variance between seeds may pass."""
    ends = (estimate.ci_low, estimate.ci_high)
    low, high = (None if end is None else min(max(end, 0.0), 1.0) for end in ends)
    return estimate.model_copy(update={"ci_low": low, "ci_high": high})


def _of_whole(measure: Measure, card: MeasureCard, whole: Whole) -> MeasureEstimate:
    # With an answer missing, the statistic of all of them is known by its range only.
    value = whole.estimate.estimate
    low, high = (card.low, card.high) if whole.is_partial or value is None else (value, value)
    return MeasureEstimate(
        **_described(measure, card, ALL),
        estimate=_within(whole.estimate, card),
        sd=None,
        bound_low=low,
        bound_high=high,
        facts=whole.facts,
    )


def _described(measure: Measure, card: MeasureCard, name: str) -> dict[str, object]:
    return {
        "measure": card.name,
        "measure_version": card.version,
        "kind": _KINDS[type(measure)],
        "slice": name,
        "higher_is_better": card.higher_is_better,
        "unit": card.unit,
    }


def _mean(values: "np.typing.NDArray[np.float64]") -> float | None:
    """Mean of worst or of best values; None where one of them has no bound."""
    return None if np.isnan(values).any() or not values.size else float(np.mean(values))


def _within(estimate: Estimate, card: MeasureCard) -> Estimate:
    """The estimate with its interval cut at the ends of the range: nothing lies beyond them.

    Raises
    ------
    ValueError
        If the estimate itself lies beyond them: the card or the task is wrong.
    """
    value = estimate.estimate
    if value is not None and not (
        (card.low is None or value >= card.low - ROUNDING)
        and (card.high is None or value <= card.high + ROUNDING)
    ):
        raise ValueError(f"{card.name}: {value} lies outside its range [{card.low}, {card.high}]")
    low, high = estimate.ci_low, estimate.ci_high
    if low is not None and value is not None and card.low is not None:
        low = min(value, max(low, card.low))
    if high is not None and value is not None and card.high is not None:
        high = max(value, min(high, card.high))
    return estimate.model_copy(update={"ci_low": low, "ci_high": high})
