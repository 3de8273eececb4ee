"""The kinds of measures that ``score`` may return, and the rows they are made of."""

from dataclasses import dataclass, field
from typing import Literal

import numpy as np
from numpy.typing import NDArray

Scope = Literal["unit", "pooled"]
"""``unit``: a statistic of each unit, averaged over units; ``pooled``: one of all rows at once."""

LabelStatistic = Literal["entropy", "normalized_entropy", "hill", "top_share", "squared_distance"]


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


@dataclass(frozen=True, slots=True)
class LabelRow:
    """The label of one answer; None is missing."""

    unit: str
    cluster: str
    stratum: str
    replicate: int
    index: int
    label: str | None


@dataclass(frozen=True, slots=True)
class FeatureSet:
    """The features of one unit's answers in one replicate, those that came.

    Parameters
    ----------
    features : array of shape (number that came, d)
    n_asked : int
        Answers that were asked for.
    """

    unit: str
    cluster: str
    stratum: str
    replicate: int
    features: NDArray[np.floating]
    n_asked: int


@dataclass(frozen=True, slots=True)
class GroupRow:
    """One score and the group that it is about; None is missing."""

    unit: str
    cluster: str
    stratum: str
    replicate: int
    index: int
    group: str
    value: float | None


@dataclass(frozen=True, slots=True)
class RankedRow:
    """A true label and the score that a detector gave; None is missing."""

    unit: str
    cluster: str
    stratum: str
    replicate: int
    index: int
    label: bool | None
    score: float | None


@dataclass(frozen=True, slots=True)
class PairRow:
    """Two values of one unit; None is missing."""

    unit: str
    cluster: str
    stratum: str
    replicate: int
    x: float | None
    y: float | None


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
    facts : dict of str to float
        Numbers that stand beside the estimate.
    """

    name: str
    value: float | None
    rows: tuple[MeasureRow, ...]
    n: int
    n_missing: int = 0
    notes: tuple[str, ...] = ()
    facts: dict[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class CategoricalMeasure:
    """How labels are spread over the classes of a closed or an open set.

    Parameters
    ----------
    statistic : str
        ``entropy`` (nats), ``normalized_entropy`` (over log K, K the size of the closed set),
        ``hill`` (effective number of classes of order ``q``), ``top_share`` (share of the most
        common label) or ``squared_distance`` (to ``target``, without bias).
    scope : str
        The distribution of each unit, averaged, or the one of all rows.
    classes : tuple of str or None
        The closed set, unused labels included; None where any label may occur.
    q : int
        Order of ``hill``: 0, 1 or 2.
    size : int or None
        ``hill`` is rarefied to this many answers, so that it does not hang on how many there are.
    target : tuple of float
        Shares of the classes, in their order; they sum to one.
    """

    name: str
    rows: tuple[LabelRow, ...]
    statistic: LabelStatistic
    scope: Scope = "unit"
    classes: tuple[str, ...] | None = None
    q: Literal[0, 1, 2] = 1
    size: int | None = None
    target: tuple[float, ...] = ()


@dataclass(frozen=True)
class KernelMeasure:
    """How many different things a set of features holds: the Vendi family, cosine kernel.

    Parameters
    ----------
    order : int
        2 is unbiased and comparable over sample sizes. 1 is taken at ``size`` answers.
    scope : str
        The features of each unit, averaged, or those of all units.
    size : int or None
        Answers in each random subset of order 1; None for as many as the sets hold.
    """

    name: str
    sets: tuple[FeatureSet, ...]
    order: Literal[1, 2] = 2
    scope: Scope = "unit"
    size: int | None = None


@dataclass(frozen=True)
class GapMeasure:
    """The largest difference between the means of groups, less what noise alone would show."""

    name: str
    rows: tuple[GroupRow, ...]


@dataclass(frozen=True)
class RankingMeasure:
    """How well scores rank the true before the false: average precision."""

    name: str
    rows: tuple[RankedRow, ...]


@dataclass(frozen=True)
class CorrelationMeasure:
    """How two values of a unit go together."""

    name: str
    rows: tuple[PairRow, ...]
    method: Literal["pearson", "spearman"] = "spearman"


@dataclass(frozen=True)
class LabelGroup:
    """The labels of one closed distribution, drawn from one unit or from several.

    Parameters
    ----------
    name : str
        Unique in its measure.
    cluster, stratum : str
        As of a unit.
    classes : tuple of str
        The closed set, unused labels included.
    rows : tuple of LabelRow
        One an answer; a label of the set, or None: missing. Answers of one unit, replicate and
        index are about the same thing, in whatever group.
    n_other : int
        Further answers, that none of the classes fits.
    calibration : str or None
        Name of the confusion counts of the judge that gave the labels.
    """

    name: str
    cluster: str
    stratum: str
    classes: tuple[str, ...]
    rows: tuple[LabelRow, ...]
    n_other: int = 0
    calibration: str | None = None


@dataclass(frozen=True)
class GroupEntropyMeasure:
    """Mean normalised entropy of groups that are given: what varies is what is drawn of each.

    Parameters
    ----------
    groups : tuple of LabelGroup
    calibrations : dict of str to array of shape (K, K + 1), or None
        Confusion counts of the judge, by truth and verdict (the last: none of the classes), by
        which shares are corrected. None takes the labels as they are.
    notes : tuple of str
        What a reader must know of what was drawn; they join the estimate's warnings.
    """

    name: str
    groups: tuple[LabelGroup, ...]
    calibrations: dict[str, NDArray[np.int64]] | None = None
    notes: tuple[str, ...] = ()


Measure = (
    MeanMeasure
    | ProportionMeasure
    | PooledMeasure
    | CategoricalMeasure
    | KernelMeasure
    | GapMeasure
    | RankingMeasure
    | CorrelationMeasure
    | GroupEntropyMeasure
)
