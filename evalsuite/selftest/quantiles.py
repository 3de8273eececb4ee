"""Cells of the cluster bootstrap: statistics that are neither means nor smooth."""

import math
from functools import partial

import numpy as np

from evalsuite.selftest import peers
from evalsuite.selftest.cells import Cell, FloatArray, Outcome, Peer, answers_of
from evalsuite.selftest.means import clustered, clusters_of, normal
from evalsuite.stats.bootstrap import BCA_CLUSTERS, cluster_bootstrap

DRAWS = 400
"""Fewer than by default, which a self-test of thousands of runs could not pay."""


def quantile_cells() -> list[Cell]:
    """`cluster_bootstrap` of the upper quartile of normal values in clusters of 5, and alone."""
    upper = 0.6744897501960817
    return [
        Cell(
            "cluster bootstrap, upper quartile",
            "normal, clusters of 5, ICC .3" if is_clustered else "normal",
            f"{n} {'clusters' if is_clustered else 'units'}",
            upper,
            partial(_quartile, n, is_clustered),
            outside=None if n >= BCA_CLUSTERS else "fewer than 20 clusters",
        )
        for is_clustered in (False, True)
        for n in (12, 40)
    ]


def upper_quartiles(values: FloatArray) -> FloatArray:
    """The value that a quarter lies above, by interpolation.

    >>> upper_quartiles(np.array([[1.0, 2.0, 3.0, 4.0, 5.0]])).tolist()
    [4.0]
    """
    ordered = np.sort(values, axis=-1)
    place = 0.75 * (values.shape[-1] - 1)
    below, above = ordered[..., math.floor(place)], ordered[..., math.ceil(place)]
    return np.asarray(below + (place % 1) * (above - below))


def _quartile(n: int, is_clustered: bool, rng: np.random.Generator, runs: int) -> Outcome:
    labels = clusters_of(n) if is_clustered else list(range(n))
    values = clustered(normal, labels, rng, runs, icc=0.3 if is_clustered else 0.0)

    def statistic(own: FloatArray) -> float:
        return float(upper_quartiles(own))

    ours = answers_of(
        cluster_bootstrap(row, statistic, clusters=labels, draws=DRAWS, rng=rng) for row in values
    )
    theirs = peers.percentiles_over_samples(values, upper_quartiles, rng)
    return Outcome(ours, (Peer(peers.SAMPLE_PERCENTILES, theirs),))
