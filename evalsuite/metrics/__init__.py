"""Diversity and fairness metrics: pure functions of arrays and texts."""

from evalsuite.metrics.ngrams import (
    NgramDiversity,
    averaged_distinct,
    distinct_n,
    expectation_adjusted_distinct,
    kirk_tokens,
    leave_one_out_ngram_diversity,
)
from evalsuite.metrics.similarity import (
    leave_one_out_mean_pairwise_cosine_distance,
    mean_pairwise_cosine_distance,
)

__all__ = [
    "NgramDiversity",
    "averaged_distinct",
    "distinct_n",
    "expectation_adjusted_distinct",
    "kirk_tokens",
    "leave_one_out_mean_pairwise_cosine_distance",
    "leave_one_out_ngram_diversity",
    "mean_pairwise_cosine_distance",
]
