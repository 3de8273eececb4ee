"""What ``score`` computed, typed by what kind of quantity it is, and the estimate made of it.

A task never picks an estimator: it says that a quantity is a mean over prompts, a share of answers,
a distribution of labels ..., and `estimate_measure` applies the method of that kind.
"""

from evalsuite.measures.card import ALL, MeasureCard
from evalsuite.measures.estimates import MeasureEstimate, estimate_measure
from evalsuite.measures.kinds import (
    CategoricalMeasure,
    CorrelationMeasure,
    FeatureSet,
    GapMeasure,
    GroupEntropyMeasure,
    GroupRow,
    KernelMeasure,
    LabelGroup,
    LabelRow,
    MeanMeasure,
    Measure,
    MeasureRow,
    PairRow,
    PooledMeasure,
    ProportionMeasure,
    RankedRow,
    RankingMeasure,
)
from evalsuite.measures.unit_scores import UnitScores, unit_scores

__all__ = [
    "ALL",
    "CategoricalMeasure",
    "CorrelationMeasure",
    "FeatureSet",
    "GapMeasure",
    "GroupEntropyMeasure",
    "GroupRow",
    "KernelMeasure",
    "LabelGroup",
    "LabelRow",
    "MeanMeasure",
    "Measure",
    "MeasureCard",
    "MeasureEstimate",
    "MeasureRow",
    "PairRow",
    "PooledMeasure",
    "ProportionMeasure",
    "RankedRow",
    "RankingMeasure",
    "UnitScores",
    "estimate_measure",
    "unit_scores",
]
