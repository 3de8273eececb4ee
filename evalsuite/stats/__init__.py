"""Estimates with honest intervals; scipy and statsmodels are imported where they are needed."""

from evalsuite.stats.average_precision import average_precision_interval
from evalsuite.stats.correlation import correlation_interval
from evalsuite.stats.coverage import sample_coverage
from evalsuite.stats.entropy import entropy_estimate
from evalsuite.stats.estimate import Estimate
from evalsuite.stats.gaps import gap
from evalsuite.stats.hill import hill_estimate
from evalsuite.stats.imbalance import imbalance, squared_distance
from evalsuite.stats.jackknife import jackknife_interval
from evalsuite.stats.judge_error import ppi_mean
from evalsuite.stats.kernel_diversity import mean_vendi_unbiased, vendi_unbiased
from evalsuite.stats.means import mean_interval
from evalsuite.stats.multiplicity import benjamini_hochberg, holm
from evalsuite.stats.noninferiority import non_inferiority, non_inferiority_ratio
from evalsuite.stats.paired import mcnemar_p, paired_difference, paired_test
from evalsuite.stats.power import minimum_detectable_effect, planned_units, required_units
from evalsuite.stats.proportions import clustered_proportion_interval, proportion_interval
from evalsuite.stats.ranking import rank_intervals
from evalsuite.stats.rarefaction import compare_at_coverage, compare_at_size, rarefied_hill
from evalsuite.stats.replicates import replicate_interval
from evalsuite.stats.rogan_gladen import rogan_gladen

__all__ = [
    "Estimate",
    "average_precision_interval",
    "benjamini_hochberg",
    "clustered_proportion_interval",
    "compare_at_coverage",
    "compare_at_size",
    "correlation_interval",
    "entropy_estimate",
    "gap",
    "hill_estimate",
    "holm",
    "imbalance",
    "jackknife_interval",
    "mcnemar_p",
    "mean_interval",
    "mean_vendi_unbiased",
    "minimum_detectable_effect",
    "non_inferiority",
    "non_inferiority_ratio",
    "paired_difference",
    "paired_test",
    "planned_units",
    "ppi_mean",
    "proportion_interval",
    "rank_intervals",
    "rarefied_hill",
    "replicate_interval",
    "required_units",
    "rogan_gladen",
    "sample_coverage",
    "squared_distance",
    "vendi_unbiased",
]
