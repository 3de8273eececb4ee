"""The rows of a statistic of the whole set as columns, without what is missing."""

import math
from collections import defaultdict
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from evalsuite.measures.kinds import (
    CategoricalMeasure,
    CorrelationMeasure,
    GapMeasure,
    LabelRow,
    RankingMeasure,
)
from evalsuite.measures.label_scores import check_labels, count_matrix
from evalsuite.stats.gaps import Gap, gap
from evalsuite.stats.streams import stream

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class LabelCounts:
    """Counts of a pooled categorical measure, a row a cluster."""

    clusters: tuple[str, ...]
    counts: NDArray[np.int64]
    n_missing: int

    @property
    def is_independent(self) -> bool:
        """Whether every label is a draw of its own."""
        return bool((self.counts.sum(axis=1) == 1).all())


def cluster_counts(measure: CategoricalMeasure) -> LabelCounts:
    """Count the labels of each cluster, over one order of classes."""
    check_labels(measure)
    by_cluster: dict[str, list[LabelRow]] = defaultdict(list)
    for row in measure.rows:
        if row.label is not None:
            by_cluster[row.cluster].append(row)
    seen = {row.label or "": None for rows in by_cluster.values() for row in rows}
    classes = measure.classes or tuple(seen)
    labels = [[row.label or "" for row in rows] for rows in by_cluster.values()]
    counts = count_matrix(labels, classes) if labels else np.zeros((0, 1), dtype=np.int64)
    n = sum(len(own) for own in labels)
    return LabelCounts(tuple(by_cluster), counts, len(measure.rows) - n)


@dataclass(frozen=True)
class Columns:
    """Rows that have both of their values, as columns."""

    first: Floats
    second: Floats
    clusters: list[str]
    n_missing: int


def ranked_columns(measure: RankingMeasure) -> Columns:
    """Labels (0 or 1) and scores."""
    there = [r for r in measure.rows if r.label is not None and r.score is not None]
    return Columns(
        np.array([r.label for r in there], dtype=np.float64),
        np.array([r.score for r in there], dtype=np.float64),
        [r.cluster for r in there],
        len(measure.rows) - len(there),
    )


def paired_columns(measure: CorrelationMeasure) -> Columns:
    """Both values of each unit."""
    there = [r for r in measure.rows if r.x is not None and r.y is not None]
    return Columns(
        np.array([r.x for r in there], dtype=np.float64),
        np.array([r.y for r in there], dtype=np.float64),
        [r.cluster for r in there],
        len(measure.rows) - len(there),
    )


@lru_cache(maxsize=2)
def gap_of(measure: GapMeasure, level: float) -> Gap:
    """The gap of a measure's rows; prompts or their clusters are the units of the shuffle.

    Kept, because the estimate and the scores of a measure both need its 9,999 permutations.
    """
    values = [math.nan if row.value is None else row.value for row in measure.rows]
    groups, units = [r.group for r in measure.rows], [r.cluster for r in measure.rows]
    return gap(values, groups, units=units, level=level, rng=stream(f"gap {measure.name}"))
