"""What each cluster adds to a statistic of the whole set: the ground of its paired comparisons."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from evalsuite.measures.columns import (
    Columns,
    cluster_counts,
    gap_of,
    paired_columns,
    ranked_columns,
)
from evalsuite.measures.kinds import (
    CategoricalMeasure,
    CorrelationMeasure,
    GapMeasure,
    GroupEntropyMeasure,
    KernelMeasure,
    Measure,
    MeasureRow,
    PooledMeasure,
    RankingMeasure,
)
from evalsuite.measures.label_scores import check_size, is_inverted, label_statistic

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Influences:
    """A statistic and what each cluster adds to it.

    Parameters
    ----------
    value : float
        The statistic, before ``link``; NaN where it cannot be computed.
    clusters : tuple of str
    left_out : array of shape (G,)
        The statistic without each cluster; NaN where that cannot be computed.
    link : str
        How the measure follows from the statistic.
    n, n_missing : int
        Rows that the statistic is made of, and those that are not there.
    absent : tuple of str
        Clusters of which no row is there.
    """

    value: float
    clusters: tuple[str, ...]
    left_out: Floats
    link: Literal["identity", "reciprocal"]
    n: int
    n_missing: int
    absent: tuple[str, ...] = ()

    @property
    def is_partial(self) -> bool:
        """Whether answers are missing."""
        return self.n_missing > 0

    def rows(self) -> tuple[MeasureRow, ...]:
        """Pseudo-values of the clusters, whose mean is the statistic.

        ``value + (G-1) (mean left_out - left_out_g)``: their standard error is the jackknife's.
        """
        nothing = tuple(
            MeasureRow(cluster, cluster, "", 0, None, is_partial=True) for cluster in self.absent
        )
        g = len(self.clusters)
        if not g:
            return nothing
        pseudo = self.value + (g - 1) * (self.left_out.mean() - self.left_out)
        return (
            tuple(
                MeasureRow(
                    unit=cluster,
                    cluster=cluster,
                    stratum="",
                    replicate=0,
                    value=None if math.isnan(value) else float(value),
                    is_partial=self.is_partial,
                )
                for cluster, value in zip(self.clusters, pseudo, strict=True)
            )
            + nothing
        )


def influences(measure: Measure) -> Influences:
    """Leave each cluster out of a statistic of the whole set."""
    if isinstance(measure, PooledMeasure):
        return _pooled(measure)
    if isinstance(measure, GroupEntropyMeasure):
        raise TypeError(f"{measure.name}: {type(measure).__name__} has scores of groups")
    found = _of_rows(measure)
    rows = measure.sets if isinstance(measure, KernelMeasure) else measure.rows
    absent = dict.fromkeys(row.cluster for row in rows).keys() - set(found.clusters)
    return replace(found, absent=tuple(sorted(absent)))


def _of_rows(measure: Measure) -> Influences:
    if isinstance(measure, CategoricalMeasure):
        return _labels(measure)
    if isinstance(measure, KernelMeasure):
        return _features(measure)
    if isinstance(measure, RankingMeasure):
        return _ranking(measure)
    if isinstance(measure, CorrelationMeasure):
        return _correlation(measure)
    if isinstance(measure, GapMeasure):
        return _gap(measure)
    raise TypeError(f"{measure.name}: {type(measure).__name__} has scores of units")


def _pooled(measure: PooledMeasure) -> Influences:
    return Influences(
        value=math.nan if measure.value is None else measure.value,
        clusters=tuple(row.cluster for row in measure.rows),
        left_out=np.array([math.nan if r.value is None else r.value for r in measure.rows]),
        link="identity",
        n=measure.n,
        n_missing=measure.n_missing,
    )


def _labels(measure: CategoricalMeasure) -> Influences:
    found = cluster_counts(measure)
    total = found.counts.sum(axis=0)
    n, least = int(total.sum()), max(2, measure.size or 0)
    value, left_out = math.nan, np.full(len(found.clusters), math.nan)
    if n >= least:
        value = float(label_statistic(measure, total[None, :])[0])
        # Clusters of equal counts leave equal sets behind.
        parts, place = np.unique(found.counts, axis=0, return_inverse=True)
        rest = total - parts
        enough = rest.sum(axis=1) >= least
        left = np.full(len(parts), math.nan)
        if enough.any():
            left[enough] = label_statistic(measure, rest[enough])
        left_out = left[place.ravel()]
    link: Literal["identity", "reciprocal"] = "reciprocal" if is_inverted(measure) else "identity"
    return Influences(value, found.clusters, left_out, link, n, found.n_missing)


def _features(measure: KernelMeasure) -> Influences:
    from evalsuite.stats.kernel_diversity import collision_probability

    check_size(measure)
    sets = [own for own in measure.sets if len(own.features)]
    n_missing = sum(own.n_asked - len(own.features) for own in measure.sets)
    clusters = [own.cluster for own in sets for _ in range(len(own.features))]
    names = tuple(dict.fromkeys(clusters))
    if len(names) < 2:
        return Influences(
            math.nan, names, np.full(len(names), math.nan), "reciprocal", 0, n_missing
        )
    rows = np.concatenate([own.features for own in sets])
    found = collision_probability(rows, clusters=clusters)
    return Influences(found.probability, names, found.left_out, "reciprocal", len(rows), n_missing)


def _from_influence(
    value: float, own: Floats, columns: Columns, clusters: Sequence[str]
) -> Influences:
    """From what each row adds to a statistic: their sum in a cluster, left out of it."""
    names = tuple(dict.fromkeys(clusters))
    number = {name: place for place, name in enumerate(names)}
    sums = np.zeros(len(names))
    np.add.at(sums, [number[name] for name in clusters], own)
    g = len(names)
    # A row adds own/n to the statistic; the jackknife's factor makes up for G - 1 of G clusters.
    left_out = value - sums * g / max(g - 1, 1)
    return Influences(value, names, left_out, "identity", own.size, columns.n_missing)


def _ranking(measure: RankingMeasure) -> Influences:
    from evalsuite.stats.average_precision import average_precision

    columns = ranked_columns(measure)
    value, own = math.nan, np.zeros(columns.first.size)
    if columns.first.sum() > 0:
        value, own = average_precision(columns.first, columns.second)
    return _from_influence(value, own, columns, columns.clusters)


def _gap(measure: GapMeasure) -> Influences:
    """The gap's two extreme groups are held fixed: what a cluster adds to their means."""
    there = [row for row in measure.rows if row.value is not None]
    found = gap_of(measure, 0.95)
    columns = Columns(
        np.array([row.value for row in there], dtype=np.float64),
        np.zeros(len(there)),
        [row.cluster for row in there],
        len(measure.rows) - len(there),
    )
    own = np.zeros(len(there))
    value = found.estimate.estimate
    if value is not None:
        groups = np.array([row.group for row in there], dtype=object)
        kept = sorted({name for pair in found.pairs for name in (pair.first, pair.second)})
        means = {name: columns.first[groups == name].mean() for name in kept}
        for name, sign in ((max(kept, key=means.__getitem__), 1.0),
                           (min(kept, key=means.__getitem__), -1.0)):  # fmt: skip
            at = groups == name
            own[at] += sign * (columns.first[at] - means[name]) / at.sum()
    return _from_influence(math.nan if value is None else value, own, columns, columns.clusters)


def _correlation(measure: CorrelationMeasure) -> Influences:
    from evalsuite.stats.correlation import correlation_interval, left_out_correlations

    columns = paired_columns(measure)
    names = tuple(dict.fromkeys(columns.clusters))
    value, left_out = math.nan, np.full(len(names), math.nan)
    if names:
        found = correlation_interval(columns.first, columns.second, kind=measure.method)
        value = math.nan if found.estimate is None else found.estimate
        number = {name: place for place, name in enumerate(names)}
        cluster = np.array([number[name] for name in columns.clusters], dtype=np.int64)
        left_out = left_out_correlations(columns.first, columns.second, cluster, measure.method)
    return Influences(value, names, left_out, "identity", columns.first.size, columns.n_missing)
