"""Diversity and fairness metrics: pure functions of arrays and texts."""

from evalsuite.metrics.best_of_n import (
    best_of_n_draws,
    best_of_n_pairs,
    best_of_n_probabilities,
    expected_best_of_n_distance,
)
from evalsuite.metrics.categorical import (
    expected_total_variation,
    top_share,
    total_variation_distance,
)
from evalsuite.metrics.entailment import (
    NLI_LABELS,
    NLI_RANGES,
    NliVariant,
    nli_diversity,
    nli_diversity_of_sentences,
    nli_weights,
)
from evalsuite.metrics.hill import (
    hill_number,
    internal_diversity,
    leinster_cobbold,
    normalized_entropy,
)
from evalsuite.metrics.ngram_sets import ngram_diversity_of_sets
from evalsuite.metrics.ngrams import (
    GPT2_VOCAB_SIZE,
    NgramDiversity,
    averaged_distinct,
    distinct_n,
    expectation_adjusted_distinct,
    kirk_tokens,
    leave_one_out_ngram_diversity,
    share_of_empty_orders,
    truncated_texts,
)
from evalsuite.metrics.quality import FrontierRow, effective_diversity, quality_frontier
from evalsuite.metrics.sentences import sampled_sentence_pairs, sentences
from evalsuite.metrics.similarity import (
    leave_one_out_mean_pairwise_cosine_distance,
    mean_pairwise_cosine_distance,
)
from evalsuite.metrics.vendi.scores import (
    vendi_score,
    vendi_score_from_kernel,
    vendi_scores,
    vendi_scores_from_kernel,
    vendi_scores_of_blocks,
)
from evalsuite.metrics.vendi.sets import vendi_scores_by_set

__all__ = [
    "GPT2_VOCAB_SIZE",
    "NLI_LABELS",
    "NLI_RANGES",
    "FrontierRow",
    "NgramDiversity",
    "NliVariant",
    "averaged_distinct",
    "best_of_n_draws",
    "best_of_n_pairs",
    "best_of_n_probabilities",
    "distinct_n",
    "effective_diversity",
    "expectation_adjusted_distinct",
    "expected_best_of_n_distance",
    "expected_total_variation",
    "hill_number",
    "internal_diversity",
    "kirk_tokens",
    "leave_one_out_mean_pairwise_cosine_distance",
    "leave_one_out_ngram_diversity",
    "leinster_cobbold",
    "mean_pairwise_cosine_distance",
    "ngram_diversity_of_sets",
    "nli_diversity",
    "nli_diversity_of_sentences",
    "nli_weights",
    "normalized_entropy",
    "quality_frontier",
    "sampled_sentence_pairs",
    "sentences",
    "share_of_empty_orders",
    "top_share",
    "total_variation_distance",
    "truncated_texts",
    "vendi_score",
    "vendi_score_from_kernel",
    "vendi_scores",
    "vendi_scores_by_set",
    "vendi_scores_from_kernel",
    "vendi_scores_of_blocks",
]
