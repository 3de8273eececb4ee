"""What each unit adds to a measure: the scores that entrants are compared by, unit by unit."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from evalsuite.measures.card import MeasureCard
from evalsuite.measures.group_entropies import group_rows
from evalsuite.measures.influences import influences
from evalsuite.measures.kinds import (
    CategoricalMeasure,
    GroupEntropyMeasure,
    KernelMeasure,
    MeanMeasure,
    Measure,
    MeasureRow,
    ProportionMeasure,
)
from evalsuite.measures.label_scores import label_rows

Link = Literal["identity", "reciprocal"]
"""How a measure follows from the mean of its scores: as it is, or as one over it."""

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class UnitScores:
    """The scores of a measure, as columns; the measure is ``link(mean of value)``.

    Parameters
    ----------
    link : str
        Effective numbers (order 2) are averaged as collision probabilities and inverted once.
    is_sampled : bool
        Whether a score is the unit's own, so that signs can be flipped unit by unit. Otherwise it
        is a pseudo-value of a cluster, whose mean and spread alone mean something.
    unit, cluster, stratum : arrays of shape (n,), of str
    replicate, index : arrays of shape (n,), of int
        ``index`` is -1 where a score is made of all samples of its unit.
    value, low, high : arrays of shape (n,)
        NaN: missing, or without a bound. ``low`` and ``high`` are the least and greatest values
        possible; where nothing is missing, the value itself.
    is_partial : array of shape (n,), of bool
        Whether answers behind the value are missing.
    """

    link: Link
    is_sampled: bool
    unit: NDArray[np.object_]
    cluster: NDArray[np.object_]
    stratum: NDArray[np.object_]
    replicate: NDArray[np.int64]
    index: NDArray[np.int64]
    value: Floats
    low: Floats
    high: Floats
    is_partial: NDArray[np.bool_]

    def __len__(self) -> int:
        return int(self.value.size)

    def where(self, kept: NDArray[np.bool_]) -> "UnitScores":
        """The scores that are marked."""
        columns = {name: getattr(self, name)[kept] for name in COLUMNS}
        return UnitScores(self.link, self.is_sampled, **columns)

    @property
    def is_whole(self) -> bool:
        """Whether no answer is missing behind any score."""
        return not (self.is_partial.any() or np.isnan(self.value).any())


COLUMNS = (
    "unit", "cluster", "stratum", "replicate", "index", "value", "low", "high", "is_partial",
)  # fmt: skip


def linked(link: Link, value: float) -> float | None:
    """The measure at a mean of scores; None where there is none.

    >>> linked("reciprocal", 0.25), linked("identity", 0.25), linked("reciprocal", 0.0)
    (4.0, 0.25, None)
    """
    if math.isnan(value):
        return None
    if link == "identity":
        return value
    return 1 / value if value > 0 else None


def unit_scores(measure: Measure, card: MeasureCard) -> UnitScores:
    """Reduce a measure to its scores by unit, or to pseudo-values by cluster where it has none."""
    if isinstance(measure, MeanMeasure | ProportionMeasure):
        return _columns(measure.rows, card, "identity", is_sampled=True)
    if isinstance(measure, CategoricalMeasure | KernelMeasure) and measure.scope == "unit":
        rows, link = label_rows(measure)
        return _columns(rows, card, link, is_sampled=True)
    if isinstance(measure, GroupEntropyMeasure):
        return _columns(group_rows(measure), card, "identity", is_sampled=True)
    found = influences(measure)
    return _columns(found.rows(), card, found.link, is_sampled=False)


def _columns(
    rows: Sequence[MeasureRow], card: MeasureCard, link: Link, *, is_sampled: bool
) -> UnitScores:
    ends = (card.low, card.high)
    if link == "reciprocal":
        ends = (_inverse(card.high), _inverse(card.low))
    return UnitScores(
        link=link,
        is_sampled=is_sampled,
        unit=np.array([row.unit for row in rows], dtype=object),
        cluster=np.array([row.cluster for row in rows], dtype=object),
        stratum=np.array([row.stratum for row in rows], dtype=object),
        replicate=np.array([row.replicate for row in rows], dtype=np.int64),
        index=np.array([-1 if row.index is None else row.index for row in rows], dtype=np.int64),
        value=np.array([_number(row.value) for row in rows], dtype=np.float64),
        low=np.array([_end(row, row.low, ends[0]) for row in rows], dtype=np.float64),
        high=np.array([_end(row, row.high, ends[1]) for row in rows], dtype=np.float64),
        is_partial=np.array([row.is_partial or row.value is None for row in rows], dtype=bool),
    )


def _inverse(value: float | None) -> float | None:
    return None if value is None or value <= 0 else 1 / value


def _number(value: float | None) -> float:
    return math.nan if value is None else value


def _end(row: MeasureRow, own: float | None, of_measure: float | None) -> float:
    if row.value is not None and not row.is_partial:
        return row.value
    return _number(of_measure if own is None else own)
