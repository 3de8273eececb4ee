"""Vendi scores: the diversity of a set as the effective rank of its similarity matrix."""

from evalsuite.metrics.vendi.conditional import (
    ConditionalScores,
    conditional_random_feature_scores,
    conditional_vendi_scores,
    conditional_vendi_scores_from_kernels,
)
from evalsuite.metrics.vendi.density import MAX_SIDE
from evalsuite.metrics.vendi.eigenvalues import Spectrum, spectrum_of_matrix
from evalsuite.metrics.vendi.gram import StreamedGram, feature_spectrum_of_blocks
from evalsuite.metrics.vendi.influence import (
    EXACT_WORK,
    LeftOutScores,
    left_out_vendi_scores,
    left_out_vendi_scores_from_kernel,
)
from evalsuite.metrics.vendi.kernels import (
    cosine_kernel,
    gaussian_kernel,
    ngram_kernel,
    normalize_kernel,
    probability_product_kernel,
    tanimoto_kernel,
    words_and_signs,
)
from evalsuite.metrics.vendi.quality_weighted import (
    GreedySelection,
    greedy_selection,
    quality_weighted_vendi,
    quality_weighted_vendi_by_set,
    quality_weighted_vendi_from_kernel,
)
from evalsuite.metrics.vendi.random_features import (
    FourierMap,
    RandomFeatureScores,
    random_feature_scores,
    random_feature_scores_of_blocks,
)
from evalsuite.metrics.vendi.rke import (
    SampledRke,
    relative_rke,
    relative_rke_from_kernel,
    rke,
    rke_from_kernel,
    rke_mode_count,
    rke_mode_count_from_kernel,
    sampled_rke,
)
from evalsuite.metrics.vendi.scendi import (
    ScendiScore,
    scendi_score,
    scendi_score_of_covariances,
    scendi_score_random_features,
)
from evalsuite.metrics.vendi.scores import (
    ORDERS,
    VendiScores,
    vendi_score,
    vendi_score_from_kernel,
    vendi_scores,
    vendi_scores_from_kernel,
    vendi_scores_of_blocks,
)
from evalsuite.metrics.vendi.sets import vendi_scores_by_set
from evalsuite.metrics.vendi.spectrum import feature_spectrum, kernel_spectrum
from evalsuite.metrics.vendi.sweep import SizeSweep, n_sweep
from evalsuite.metrics.vendi.truncated import (
    NystroemScores,
    TruncatedScores,
    nystroem_vendi_scores,
    truncated_scores_of_spectrum,
    truncated_vendi_scores,
    truncated_vendi_scores_from_kernel,
)

__all__ = [
    "EXACT_WORK",
    "MAX_SIDE",
    "ORDERS",
    "ConditionalScores",
    "FourierMap",
    "GreedySelection",
    "LeftOutScores",
    "NystroemScores",
    "RandomFeatureScores",
    "SampledRke",
    "ScendiScore",
    "SizeSweep",
    "Spectrum",
    "StreamedGram",
    "TruncatedScores",
    "VendiScores",
    "conditional_random_feature_scores",
    "conditional_vendi_scores",
    "conditional_vendi_scores_from_kernels",
    "cosine_kernel",
    "feature_spectrum",
    "feature_spectrum_of_blocks",
    "gaussian_kernel",
    "greedy_selection",
    "kernel_spectrum",
    "left_out_vendi_scores",
    "left_out_vendi_scores_from_kernel",
    "n_sweep",
    "ngram_kernel",
    "normalize_kernel",
    "nystroem_vendi_scores",
    "probability_product_kernel",
    "quality_weighted_vendi",
    "quality_weighted_vendi_by_set",
    "quality_weighted_vendi_from_kernel",
    "random_feature_scores",
    "random_feature_scores_of_blocks",
    "relative_rke",
    "relative_rke_from_kernel",
    "rke",
    "rke_from_kernel",
    "rke_mode_count",
    "rke_mode_count_from_kernel",
    "sampled_rke",
    "scendi_score",
    "scendi_score_of_covariances",
    "scendi_score_random_features",
    "spectrum_of_matrix",
    "tanimoto_kernel",
    "truncated_scores_of_spectrum",
    "truncated_vendi_scores",
    "truncated_vendi_scores_from_kernel",
    "vendi_score",
    "vendi_score_from_kernel",
    "vendi_scores",
    "vendi_scores_by_set",
    "vendi_scores_from_kernel",
    "vendi_scores_of_blocks",
    "words_and_signs",
]
