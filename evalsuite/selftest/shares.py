"""Cells of shares: independent trials and trials in clusters."""

from functools import partial

import numpy as np

from evalsuite.selftest import peers
from evalsuite.selftest.cells import Answers, Cell, IntArray, Outcome, Peer, answers_of
from evalsuite.selftest.means import CLUSTER_SIZE, clusters_of
from evalsuite.stats import clustered_proportion_interval, proportion_interval
from evalsuite.stats.proportions import IntervalMethod

METHODS: tuple[IntervalMethod, ...] = ("wilson", "jeffreys")


def share_cells() -> list[Cell]:
    """`proportion_interval` and `clustered_proportion_interval`."""
    single = [
        Cell(f"share, {method.capitalize()}", f"p = {p:g}", f"n = {n}", p,
             partial(_single, method, p, n), outside=_outside(method, p, n))
        for method in METHODS
        for p in (0.05, 0.2, 0.5, 0.9)
        for n in (20, 50, 200)
    ]  # fmt: skip
    clustered = [
        Cell("share over clusters, Wilson", f"p = {p:g}, clusters of 5, ICC .3", f"{g} clusters", p,
             partial(_clustered, p, g), outside=None if g >= 10 else "few clusters")
        for p in (0.1, 0.5)
        for g in (6, 12, 40, 120)
    ]  # fmt: skip
    return single + clustered


def _outside(method: IntervalMethod, p: float, n: int) -> str | None:
    # Equal posterior tails cover .95 on average over p, and less at some small p.
    return "rare" if method == "jeffreys" and n * min(p, 1 - p) < 5 else None


def _single(
    method: IntervalMethod, p: float, n: int, rng: np.random.Generator, runs: int
) -> Outcome:
    successes = rng.binomial(n, p, size=runs)
    different, where = np.unique(successes, return_inverse=True)
    ours = answers_of(proportion_interval(int(k), n, method=method) for k in different)
    return Outcome(ours.take(where), _walds(successes, n))


def _walds(successes: IntArray, n: int) -> tuple[Peer, ...]:
    return (Peer(peers.WALD, peers.wald(successes, n)),)


def _clustered(p: float, g: int, rng: np.random.Generator, runs: int) -> Outcome:
    # A beta of a + b = 1/ICC - 1 makes two trials of a cluster correlate by the ICC.
    weight = 1 / 0.3 - 1
    chance = rng.beta(p * weight, (1 - p) * weight, size=(runs, g))
    trials = rng.random((runs, g, CLUSTER_SIZE)) < chance[:, :, None]
    values = trials.reshape(runs, -1).astype(np.float64)
    labels = clusters_of(g)
    ours: Answers = answers_of(
        clustered_proportion_interval(row, clusters=labels) for row in values
    )
    return Outcome(ours, _walds(values.sum(axis=1).astype(np.int64), values.shape[1]))
