"""Cells of means: of units, of clusters, of replicates, of pairs; ratios; what a plan can find."""

import math
from collections.abc import Callable
from functools import partial

import numpy as np

from evalsuite.selftest import peers
from evalsuite.selftest.cells import Cell, FloatArray, Outcome, Peer, answers_of
from evalsuite.stats import Estimate, jackknife_interval, mean_interval
from evalsuite.stats.paired import paired_difference
from evalsuite.stats.power import minimum_detectable_effect
from evalsuite.stats.replicates import replicate_interval

MeanInterval = Callable[..., Estimate]
Draw = Callable[[np.random.Generator, tuple[int, ...]], FloatArray]

CLUSTER_SIZE = 5


def normal(rng: np.random.Generator, shape: tuple[int, ...]) -> FloatArray:
    """Standard normal numbers."""
    return rng.normal(size=shape)


def skewed(rng: np.random.Generator, shape: tuple[int, ...]) -> FloatArray:
    """Gamma numbers of shape 2, mean 0 and variance 1: skewness 1.4."""
    return (rng.gamma(2.0, size=shape) - 2.0) / math.sqrt(2.0)


def lattice(rng: np.random.Generator, shape: tuple[int, ...]) -> FloatArray:
    """-1, 0 or 1, of mean 0 and variance 1/2."""
    return rng.choice([-1.0, 0.0, 1.0], size=shape, p=[0.25, 0.5, 0.25])


DRAWS: dict[str, Draw] = {"normal": normal, "skewed (gamma)": skewed, "lattice -1 0 1": lattice}


def mean_cells(interval: MeanInterval = mean_interval) -> list[Cell]:
    """`mean_interval`, over units and over clusters.

    Parameters
    ----------
    interval : function
        Another one shows that the self-test finds what is wrong.
    """
    single = [
        Cell("mean, t", name, f"n = {n}", 0.0, partial(_mean, interval, draw, n))
        for name, draw in DRAWS.items()
        for n in (12, 20, 50, 120)
    ]
    over_clusters = [
        Cell("mean over clusters, t", f"{name}, clusters of 5, ICC .3", f"{g} clusters", 0.0,
             partial(_clustered_mean, interval, DRAWS[name], clusters_of(g)),
             outside=None if g >= 10 else "few clusters")
        for name in ("normal", "skewed (gamma)")
        for g in (6, 12, 40, 120)
    ]  # fmt: skip
    unequal = [
        Cell("mean over clusters, t", "normal, clusters of 1 to 9, ICC .3", f"{g} clusters", 0.0,
             partial(_clustered_mean, interval, normal, clusters_of(g, unequal=True)),
             # 12 clusters of these sizes weigh as much as 8.6 equal ones.
             outside=None if g >= 40 else "few effective clusters")
        for g in (6, 12, 40, 120)
    ]  # fmt: skip
    return single + over_clusters + unequal


def replicate_cells() -> list[Cell]:
    """`replicate_interval`, where a seed moves all units together."""
    return [
        Cell(
            "mean over replicates",
            f"{share:.0%} of the variance from {n_seeds} seeds",
            f"n = {n}",
            0.0,
            partial(_replicates, n, n_seeds, share),
            outside=None if n_seeds >= 3 else "fewer than 3 replicates",
        )
        for n in (20, 50, 120)
        for n_seeds, share in ((2, 0.3), (3, 0.0), (3, 0.3), (3, 0.8), (5, 0.3))
    ]


def pooled_cells() -> list[Cell]:
    """`jackknife_interval` of a ratio of sums over clusters."""
    return [
        Cell("pooled jackknife", "ratio of sums", f"{g} clusters", 0.5, partial(_ratio, g),
             outside=None if g >= 10 else "few clusters")
        for g in (6, 12, 40, 120)
    ]  # fmt: skip


def paired_cells() -> list[Cell]:
    """`paired_difference` of two models on the same units."""
    return [
        Cell(
            "paired difference",
            f"{name}, correlation .8{', clusters of 5, ICC .3' if clustered else ''}",
            f"{n} {'clusters' if clustered else 'units'}",
            0.2,
            partial(_paired, draw, n, clustered),
        )
        for name, draw in DRAWS.items()
        for clustered in (False, True)
        for n in (12, 40, 120)
    ]


def plan_cells() -> list[Cell]:
    """`minimum_detectable_effect` of a pilot."""
    z = 1.959963984540054 + 0.8416212335729143
    return [
        Cell(
            "minimum detectable effect", f"{name} differences", f"n = {n}",
            z * (math.sqrt(0.5) if draw is lattice else 1.0) / math.sqrt(n),
            partial(_detectable, draw, n),
            outside="skewed, n < 50" if draw is skewed and n < 50 else None,
        )
        for name, draw in DRAWS.items()
        for n in (12, 20, 50, 120)
    ]  # fmt: skip


def _mean(
    interval: MeanInterval, draw: Draw, n: int, rng: np.random.Generator, runs: int
) -> Outcome:
    values = draw(rng, (runs, n))
    ours = answers_of(interval(row) for row in values)
    bug = peers.over_root_b(values, rng)
    return Outcome(ours, (Peer(peers.SD_OVER_ROOT_B, bug),))


def clusters_of(g: int, unequal: bool = False) -> list[int]:
    """Labels of g clusters of 5, or of 1, 3, 7 and 9 in turn."""
    sizes = [1, 3, 7, 9] if unequal else [CLUSTER_SIZE]
    return [c for c in range(g) for _ in range(sizes[c % len(sizes)])]


def clustered(
    draw: Draw, labels: list[int], rng: np.random.Generator, runs: int, icc: float = 0.3
) -> FloatArray:
    """Values of shape (runs, n), of mean 0 and variance 1, alike within clusters."""
    shared = draw(rng, (runs, max(labels) + 1))[:, labels]
    own = draw(rng, (runs, len(labels)))
    return math.sqrt(icc) * shared + math.sqrt(1 - icc) * own


def _clustered_mean(
    interval: MeanInterval, draw: Draw, labels: list[int], rng: np.random.Generator, runs: int
) -> Outcome:
    values = clustered(draw, labels, rng, runs)
    ours = answers_of(interval(row, clusters=labels) for row in values)
    return Outcome(ours, (Peer(peers.IGNORING_CLUSTERS, peers.normal_mean(values)),))


def _replicates(n: int, n_seeds: int, share: float, rng: np.random.Generator, runs: int) -> Outcome:
    own = rng.normal(size=(runs, n, 1)) + rng.normal(size=(runs, n, n_seeds))
    # Of the variance of the mean, the units' part is (1 + 1/R)/n and the seeds' is var_seed/R.
    units = (1 + 1 / n_seeds) / n
    sd = math.sqrt(units * share / (1 - share) * n_seeds)
    scores = own + sd * rng.normal(size=(runs, 1, n_seeds))
    ours = answers_of(replicate_interval(run).estimate for run in scores)
    return Outcome(ours, (Peer(peers.ONE_RUN, peers.normal_mean(scores.mean(axis=2))),))


def _ratio(g: int, rng: np.random.Generator, runs: int) -> Outcome:
    size = rng.gamma(4.0, 0.5, size=(runs, g))
    part = size * rng.beta(2.0, 2.0, size=(runs, g))

    def ratio(tops: FloatArray, bottoms: FloatArray) -> Estimate:
        left_out = (tops.sum() - tops) / (bottoms.sum() - bottoms)
        return jackknife_interval(float(tops.sum() / bottoms.sum()), left_out)

    ours = answers_of(ratio(a, b) for a, b in zip(part, size, strict=True))
    return Outcome(ours)


def _paired(draw: Draw, n: int, is_clustered: bool, rng: np.random.Generator, runs: int) -> Outcome:
    labels = clusters_of(n) if is_clustered else list(range(n))
    icc = 0.3 if is_clustered else 0.0
    common = rng.normal(size=(runs, len(labels)))
    # (1 - 1/9)/(1 + 1/9) is the correlation of the two sides.
    noise = clustered(draw, labels, rng, runs, icc) / 3
    a, b = common + noise + 0.2, common - noise
    clusters = labels if is_clustered else None
    ours = answers_of(paired_difference(x, y, clusters=clusters) for x, y in zip(a, b, strict=True))
    return Outcome(ours, (Peer(peers.UNPAIRED, peers.unpaired(a, b)),))


def _detectable(draw: Draw, n: int, rng: np.random.Generator, runs: int) -> Outcome:
    values = draw(rng, (runs, n))
    return Outcome(answers_of(minimum_detectable_effect(row) for row in values))
