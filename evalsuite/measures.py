"""What ``score`` computed, typed by what kind of quantity it is, and the estimate made of it.

A task never picks an estimator: it says that a quantity is a mean over prompts, a share of answers
or a statistic of the pooled set, and `estimate_measure` applies the method of that kind.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Literal

import numpy as np
from pydantic import BaseModel, ConfigDict, Field

from evalsuite.stats import (
    Estimate,
    clustered_proportion_interval,
    jackknife_interval,
    mean_interval,
)

ROUNDING = 1e-9
"""How far a value may lie beyond its range by rounding."""

ALL = "all"
"""Name of the slice that holds every unit."""


class MeasureCard(BaseModel):
    """What a measure is, declared once in its task's card.

    Parameters
    ----------
    name : str
        Lower case, stands in every row.
    version : int
        Raised by any change that can move its values; part of the fingerprint.
    summary : str
        One line for people.
    higher_is_better : bool or None
        None where neither direction is better.
    low, high : float or None
        Ends of the range; None where it is not bounded.
    unit : str
        Unit of the value, empty for a pure number.
    judge : str or None
        Role of the judge that it needs.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]{0,60}$")]
    summary: str
    version: int = 1
    higher_is_better: bool | None = None
    low: float | None = None
    high: float | None = None
    unit: str = ""
    judge: str | None = None


@dataclass(frozen=True, slots=True)
class MeasureRow:
    """One value that a measure is made of, and where it comes from.

    A row without ``value`` is missing. ``is_partial``: some of the answers behind the value are
    missing, so that it could have been another one; ``low`` and ``high`` are then its least and
    greatest possible value, where the task knows better than the range of the measure.
    """

    unit: str
    cluster: str
    stratum: str
    replicate: int
    value: float | None
    index: int | None = None
    is_partial: bool = False
    low: float | None = None
    high: float | None = None


@dataclass(frozen=True)
class MeanMeasure:
    """A mean of scores; prompts (or their clusters) are the independent draws."""

    name: str
    rows: tuple[MeasureRow, ...]


@dataclass(frozen=True)
class ProportionMeasure:
    """A share of yes answers; each row's value is 0 or 1."""

    name: str
    rows: tuple[MeasureRow, ...]


@dataclass(frozen=True)
class PooledMeasure:
    """A statistic of the whole set of units at once.

    Parameters
    ----------
    value : float or None
        The statistic; None where it cannot be computed.
    rows : tuple of MeasureRow
        One a cluster: the statistic with that cluster left out.
    n, n_missing : int
        Units in the set, and units that had to be left out of it.
    notes : tuple of str
        What a reader must know of the value; they join the estimate's warnings.
    """

    name: str
    value: float | None
    rows: tuple[MeasureRow, ...]
    n: int
    n_missing: int = 0
    notes: tuple[str, ...] = ()


Measure = MeanMeasure | ProportionMeasure | PooledMeasure


class MeasureEstimate(BaseModel):
    """A measure on a slice of the units: the estimate and what stands beside it.

    ``bound_low`` and ``bound_high`` are the estimate if every missing answer had been the worst or
    the best possible; null where the range is not finite. ``sd`` is the spread of rows (ddof 0).
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    measure: str
    measure_version: int
    kind: Literal["mean", "proportion", "pooled"]
    slice: str
    higher_is_better: bool | None
    unit: str
    estimate: Estimate
    sd: float | None
    bound_low: float | None
    bound_high: float | None


def estimate_measure(
    measure: Measure, card: MeasureCard, *, level: float = 0.95
) -> list[MeasureEstimate]:
    """Make the estimate of a measure over all units and over each stratum.

    Means take the clustered t interval and shares the Wilson interval with a design effect; a
    pooled statistic takes the delete-one-cluster jackknife, over all units only.

    Raises
    ------
    ValueError
        If the measure is not the card's or has no rows.
    """
    if measure.name != card.name:
        raise ValueError(f"measure {measure.name!r} with the card of {card.name!r}")
    if isinstance(measure, PooledMeasure):
        # With a unit left out, the statistic of all of them is known by its range only.
        value, ends = measure.value, (card.low, card.high)
        bounds = ends if measure.n_missing or value is None else (value, value)
        return [_describe(card, "pooled", ALL, _pooled(measure, level), None, bounds)]
    strata = sorted({row.stratum for row in measure.rows if row.stratum})
    slices = [(ALL, measure.rows)]
    if len(strata) > 1:
        slices += [(s, tuple(r for r in measure.rows if r.stratum == s)) for s in strata]
    return [_rowwise(measure, card, name, rows, level) for name, rows in slices]


def _rowwise(
    measure: MeanMeasure | ProportionMeasure,
    card: MeasureCard,
    name: str,
    rows: Sequence[MeasureRow],
    level: float,
) -> MeasureEstimate:
    values = np.array([np.nan if r.value is None else r.value for r in rows], dtype=np.float64)
    clusters = np.array([r.cluster for r in rows])
    kind: Literal["mean", "proportion"]
    if isinstance(measure, MeanMeasure):
        kind, estimate = "mean", mean_interval(values, clusters=clusters, level=level)
    else:
        kind = "proportion"
        estimate = clustered_proportion_interval(values, clusters=clusters, level=level)
    present = values[~np.isnan(values)]
    sd = float(present.std()) if present.size else None
    return _describe(card, kind, name, estimate, sd, _bounds(rows, card))


def _pooled(measure: PooledMeasure, level: float) -> Estimate:
    value = np.nan if measure.value is None else measure.value
    left_out = [np.nan if row.value is None else row.value for row in measure.rows]
    estimate = jackknife_interval(value, left_out, level=level, n=measure.n)
    warnings = (*measure.notes, *estimate.warnings)
    return estimate.model_copy(update={"n_missing": measure.n_missing, "warnings": warnings})


def _bounds(rows: Sequence[MeasureRow], card: MeasureCard) -> tuple[float | None, float | None]:
    """Mean of the rows' worst and of their best values."""
    lows = [_end(row, row.low, card.low) for row in rows]
    highs = [_end(row, row.high, card.high) for row in rows]
    return _mean(lows), _mean(highs)


def _end(row: MeasureRow, own: float | None, of_measure: float | None) -> float | None:
    if row.value is not None and not row.is_partial:
        return row.value
    return of_measure if own is None else own


def _mean(values: Sequence[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return float(np.mean(known)) if known and len(known) == len(values) else None


def _describe(
    card: MeasureCard,
    kind: Literal["mean", "proportion", "pooled"],
    name: str,
    estimate: Estimate,
    sd: float | None,
    bounds: tuple[float | None, float | None],
) -> MeasureEstimate:
    return MeasureEstimate(
        measure=card.name,
        measure_version=card.version,
        kind=kind,
        slice=name,
        higher_is_better=card.higher_is_better,
        unit=card.unit,
        estimate=_within(estimate, card),
        sd=sd,
        bound_low=bounds[0],
        bound_high=bounds[1],
    )


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
