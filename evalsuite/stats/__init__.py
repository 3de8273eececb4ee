"""Estimates with honest intervals; scipy and statsmodels are imported where they are needed."""

from evalsuite.stats.estimate import Estimate
from evalsuite.stats.jackknife import jackknife_interval
from evalsuite.stats.means import mean_interval
from evalsuite.stats.proportions import clustered_proportion_interval, proportion_interval

__all__ = [
    "Estimate",
    "clustered_proportion_interval",
    "jackknife_interval",
    "mean_interval",
    "proportion_interval",
]
