"""Scores of units whose answers are labels or features: one value a unit and replicate."""

from collections import Counter, defaultdict
from collections.abc import Sequence
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from evalsuite.measures.kinds import (
    CategoricalMeasure,
    FeatureSet,
    KernelMeasure,
    LabelRow,
    MeasureRow,
)

FEW_LABELS = 20
"""Fewer labels in a unit leave a bias in its entropy that many units make visible."""

Floats = NDArray[np.float64]
Counts = NDArray[np.int64]


def label_rows(
    measure: CategoricalMeasure | KernelMeasure,
) -> tuple[tuple[MeasureRow, ...], Literal["identity", "reciprocal"]]:
    """One row a unit and replicate, and how the measure follows from their mean."""
    if isinstance(measure, KernelMeasure):
        check_size(measure)
        values = [feature_score(own, measure) for own in measure.sets]
        rows = tuple(_row(own, v) for own, v in zip(measure.sets, values, strict=True))
        return rows, "reciprocal" if measure.order == 2 else "identity"
    groups: dict[tuple[str, int], list[LabelRow]] = defaultdict(list)
    for row in measure.rows:
        groups[row.unit, row.replicate].append(row)
    check_labels(measure)
    labels = [[row.label for row in own if row.label is not None] for own in groups.values()]
    is_enough = [len(own) >= _least(measure) for own in labels]
    values = [None] * len(labels)
    if any(is_enough):
        chosen = [own for own, enough in zip(labels, is_enough, strict=True) if enough]
        found = iter(label_statistic(measure, count_matrix(chosen, measure.classes)).tolist())
        values = [next(found) if enough else None for enough in is_enough]
    rows = tuple(
        MeasureRow(
            unit=own[0].unit,
            cluster=own[0].cluster,
            stratum=own[0].stratum,
            replicate=own[0].replicate,
            value=value,
            is_partial=len(present) < len(own),
        )
        for own, present, value in zip(groups.values(), labels, values, strict=True)
    )
    return rows, "reciprocal" if is_inverted(measure) else "identity"


def check_labels(measure: CategoricalMeasure) -> None:
    """Refuse labels beyond the closed set, and statistics that lack what they need.

    Raises
    ------
    ValueError
        Naming the measure and the label or the option.
    """
    name, classes = measure.name, measure.classes
    if measure.statistic in {"normalized_entropy", "squared_distance"} and classes is None:
        raise ValueError(f"{name}: {measure.statistic} needs the classes of a closed set")
    if classes is not None and len(set(classes)) < len(classes):
        raise ValueError(f"{name}: a class stands twice in the closed set")
    if measure.statistic == "normalized_entropy" and len(classes or ()) < 2:
        raise ValueError(f"{name}: normalized_entropy needs at least 2 classes")
    if measure.statistic == "squared_distance" and len(measure.target) != len(classes or ()):
        raise ValueError(f"{name}: {len(measure.target)} shares for {len(classes or ())} classes")
    strange = {row.label for row in measure.rows if row.label is not None} - set(classes or ())
    if classes is not None and strange:
        raise ValueError(f"{name}: label {min(strange)!r} is none of the classes")


def check_size(measure: KernelMeasure) -> None:
    """Refuse order 1 at unequal sizes: it grows with the number of answers.

    Raises
    ------
    ValueError
        Naming the measure and what it lacks.
    """
    if measure.order == 2:
        return
    if measure.scope == "pooled":
        raise ValueError(f"{measure.name}: order 1 is taken by unit; pool with order 2")
    sizes = sorted({own.n_asked for own in measure.sets})
    if measure.size is None and len(sizes) > 1:
        raise ValueError(
            f"{measure.name}: order 1 needs one size, and the sets have {sizes[0]} to {sizes[-1]} "
            "answers; give size"
        )


def label_notes(measure: CategoricalMeasure) -> tuple[str, ...]:
    """What averages over units keep of the bias in each, where their labels are few."""
    counts = Counter((row.unit, row.replicate) for row in measure.rows if row.label is not None)
    fewest = min(counts.values(), default=FEW_LABELS)
    if measure.statistic == "top_share":
        return (f"biased upwards: shares of the most common of {fewest} labels or more compare "
                "between entrants of as many labels only",)  # fmt: skip
    is_corrected = measure.statistic in {"entropy", "normalized_entropy", "hill"}
    if not is_corrected or is_inverted(measure) or measure.size is not None:
        return ()
    if fewest >= FEW_LABELS:
        return ()
    return (f"few labels: {fewest} in a unit; below {FEW_LABELS} a bias is left in each, which an "
            "average over units keeps",)  # fmt: skip


def is_inverted(measure: CategoricalMeasure) -> bool:
    """Whether scores are collision probabilities, averaged before they are inverted."""
    return measure.statistic == "hill" and measure.q == 2 and measure.size is None


def _least(measure: CategoricalMeasure) -> int:
    """Fewest labels that a unit's statistic can be made of."""
    if measure.statistic == "top_share":
        return 1
    return max(2, measure.size or 0)


def count_matrix(labels: Sequence[Sequence[str]], classes: Sequence[str] | None) -> Counts:
    """Counts of labels, a row a unit.

    Columns are the classes; of an open set, each row's own labels, so that width stays small.

    >>> count_matrix([["a", "b", "a"], ["c"]], None).tolist()
    [[2, 1], [1, 0]]
    """
    counted = [Counter(own) for own in labels]
    if classes is not None:
        return np.array([[own[c] for c in classes] for own in counted], dtype=np.int64)
    width = max(len(own) for own in counted)
    return np.array([[*own.values(), *[0] * (width - len(own))] for own in counted], dtype=np.int64)


def label_statistic(measure: CategoricalMeasure, counts: Counts) -> Floats:
    """The statistic of each row of counts; order 2 as a collision probability."""
    from evalsuite.stats.collapsed import simpson_sums
    from evalsuite.stats.entropy_points import chao_wang_jost_entropies
    from evalsuite.stats.hill import hill_numbers
    from evalsuite.stats.imbalance import squared_distance

    if measure.statistic == "top_share":
        return np.asarray(counts.max(axis=1) / counts.sum(axis=1), dtype=np.float64)
    if measure.statistic == "squared_distance":
        return squared_distance(counts, measure.target)
    if measure.statistic == "hill":
        if measure.size is not None:
            return _rarefied(counts, measure.q, measure.size)
        k = None if measure.classes is None else len(measure.classes)
        return (
            simpson_sums(counts) if measure.q == 2 else hill_numbers(counts, measure.q, n_classes=k)
        )
    entropies = chao_wang_jost_entropies(counts)
    if measure.statistic == "normalized_entropy":
        return np.asarray(entropies / np.log(len(measure.classes or ())), dtype=np.float64)
    return entropies


def _rarefied(counts: Counts, q: int, size: int) -> Floats:
    """Rarefied Hill numbers of rows that may differ in their totals, each of at least ``size``."""
    from evalsuite.stats.rarefied_sums import to_hill, to_sums

    totals = counts.sum(axis=1)
    found = np.empty(len(counts))
    for total in np.unique(totals):
        rows = totals == total
        found[rows] = to_hill(to_sums(counts[rows], q, size), q)
    return found


def feature_score(own: FeatureSet, measure: KernelMeasure) -> float | None:
    """Collision probability (order 2) or Vendi score at a fixed size (order 1) of one set."""
    from evalsuite.stats.fixed_size_vendi import vendi_fixed_n
    from evalsuite.stats.kernel_diversity import collision_probability
    from evalsuite.stats.streams import stream

    size = measure.size or own.n_asked
    if len(own.features) < (2 if measure.order == 2 else max(2, size)):
        return None
    if measure.order == 2:
        return collision_probability(own.features).probability
    rng = stream(f"{measure.name} {own.unit} {own.replicate}")
    return vendi_fixed_n(own.features, n=size, rng=rng).estimate


def _row(own: FeatureSet, value: float | None) -> MeasureRow:
    return MeasureRow(
        unit=own.unit,
        cluster=own.cluster,
        stratum=own.stratum,
        replicate=own.replicate,
        value=value,
        is_partial=len(own.features) < own.n_asked,
    )
