"""Statistics of the whole set of units at once: each kind's estimate with its interval."""

import math
from dataclasses import dataclass, field

import numpy as np

from evalsuite.measures.columns import (
    cluster_counts,
    gap_of,
    paired_columns,
    ranked_columns,
)
from evalsuite.measures.influences import Influences, influences
from evalsuite.measures.kinds import (
    CategoricalMeasure,
    CorrelationMeasure,
    GapMeasure,
    Measure,
    PooledMeasure,
    RankingMeasure,
)
from evalsuite.stats import Estimate, jackknife_interval
from evalsuite.stats.kernel_diversity import collision_warnings
from evalsuite.stats.reciprocal import reciprocal


@dataclass(frozen=True)
class Whole:
    """An estimate of the whole set.

    Parameters
    ----------
    is_partial : bool
        Whether answers are missing, so that the statistic of all of them is not known.
    facts : dict of str to float
        What stands beside the estimate.
    """

    estimate: Estimate
    is_partial: bool
    facts: dict[str, float] = field(default_factory=dict)


def whole_set(measure: Measure, level: float) -> Whole:
    """The estimate of a statistic of the whole set, by the method of its kind.

    Labels that are draws of their own take the estimators of sections 4 and 5 of the statistics;
    average precision its influence function; a correlation and a gap their own intervals; and all
    else the delete-one-cluster jackknife.
    """
    if isinstance(measure, GapMeasure):
        return _gap(measure, level)
    if isinstance(measure, RankingMeasure):
        return _ranking(measure, level)
    if isinstance(measure, CorrelationMeasure):
        return _correlation(measure, level)
    found = influences(measure)
    if isinstance(measure, CategoricalMeasure):
        counts = cluster_counts(measure)
        if counts.is_independent and len(counts.clusters):
            return _labels(measure, counts.counts.sum(axis=0), counts.n_missing, level)
    if isinstance(measure, PooledMeasure):
        estimate = _jackknife(found, measure.n_missing, level)
        notes = (*measure.notes, *estimate.warnings)
        estimate = estimate.model_copy(update={"warnings": notes})
        return Whole(estimate, found.is_partial, dict(measure.facts))
    return Whole(_jackknife(found, found.n_missing, level), found.is_partial)


def _jackknife(found: Influences, n_missing: int, level: float) -> Estimate:
    if not found.clusters:
        return _nothing(n_missing, level)
    estimate = jackknife_interval(found.value, found.left_out, level=level, n=found.n)
    estimate = estimate.model_copy(update={"n_missing": n_missing})
    if found.link == "identity":
        return estimate
    notes: tuple[str, ...] = ()
    if estimate.estimate is not None and estimate.ci_low is not None:
        notes = collision_warnings(estimate.estimate, estimate.n)
    return reciprocal(estimate.model_copy(update={"warnings": estimate.warnings + notes}))


def _labels(
    measure: CategoricalMeasure, counts: "np.typing.NDArray[np.int64]", n_missing: int, level: float
) -> Whole:
    """Labels that were drawn independently: the estimators of one multinomial sample."""
    from evalsuite.stats.entropy import entropy_estimate
    from evalsuite.stats.hill import hill_estimate
    from evalsuite.stats.rarefaction import rarefied_hill

    k = None if measure.classes is None else len(measure.classes)
    if measure.statistic in {"top_share", "squared_distance"}:
        found = influences(measure)
        return Whole(_jackknife(found, n_missing, level), found.is_partial)
    if measure.statistic != "hill":
        estimate = entropy_estimate(counts, n_classes=k, level=level)
        if measure.statistic == "normalized_entropy":
            estimate = _scaled(estimate, 1 / math.log(k or 1))
    elif measure.size is not None:
        estimate = rarefied_hill(counts, q=measure.q, m=measure.size)
    else:
        estimate = hill_estimate(counts, q=measure.q, n_classes=k, level=level)
    estimate = estimate.model_copy(update={"n_missing": n_missing})
    facts = {"classes_seen": float((counts > 0).sum())}
    return Whole(estimate, n_missing > 0, facts)


def _scaled(estimate: Estimate, factor: float) -> Estimate:
    names = ("estimate", "se", "ci_low", "ci_high")
    values = {name: getattr(estimate, name) for name in names}
    return estimate.model_copy(
        update={name: v if v is None else v * factor for name, v in values.items()}
    )


def _gap(measure: GapMeasure, level: float) -> Whole:
    found = gap_of(measure, level)
    facts = {
        "observed_gap": found.observed,
        "gap_by_chance": found.null_mean,
        "p_value": found.p_value,
        "suppressed_groups": float(len(found.suppressed)),
    }
    is_partial = any(row.value is None for row in measure.rows)
    return Whole(found.estimate, is_partial, {n: v for n, v in facts.items() if v is not None})


def _ranking(measure: RankingMeasure, level: float) -> Whole:
    from evalsuite.stats.average_precision import average_precision_interval

    columns = ranked_columns(measure)
    if not columns.first.size:
        return Whole(_nothing(columns.n_missing, level), is_partial=True)
    found = average_precision_interval(
        columns.first, columns.second, clusters=columns.clusters, level=level
    )
    estimate = found.model_copy(update={"n_missing": columns.n_missing})
    facts = {"prevalence": float(columns.first.mean())}
    return Whole(estimate, columns.n_missing > 0, facts)


def _correlation(measure: CorrelationMeasure, level: float) -> Whole:
    from evalsuite.stats.correlation import correlation_interval

    columns = paired_columns(measure)
    if not columns.first.size:
        return Whole(_nothing(columns.n_missing, level), is_partial=True)
    found = correlation_interval(
        columns.first,
        columns.second,
        kind=measure.method,
        clusters=columns.clusters,
        level=level,
    )
    estimate = found.model_copy(update={"n_missing": columns.n_missing})
    return Whole(estimate, columns.n_missing > 0)


def _nothing(n_missing: int, level: float) -> Estimate:
    return Estimate(
        estimate=None, se=None, ci_low=None, ci_high=None, level=level, method="none", n=0,
        n_clusters=0, n_missing=n_missing, warnings=("all missing: no answer came",),
    )  # fmt: skip
