"""Estimates with honest intervals; scipy and statsmodels are imported where they are needed."""

from evalsuite.stats.estimate import Estimate
from evalsuite.stats.intervals import (
    clustered_proportion_interval,
    mean_interval,
    proportion_interval,
)
from evalsuite.stats.jackknife import jackknife_interval

__all__ = [
    "Estimate",
    "clustered_proportion_interval",
    "jackknife_interval",
    "mean_interval",
    "proportion_interval",
]
