"""Cells of fairness statistics: distance from a target, and gaps between groups."""

import math
from functools import partial

import numpy as np

from evalsuite.selftest import peers
from evalsuite.selftest.cells import (
    Cell,
    FloatArray,
    Outcome,
    Peer,
    answers_of,
    points,
)
from evalsuite.stats import mean_interval
from evalsuite.stats.amplification import amplification
from evalsuite.stats.gaps import gap
from evalsuite.stats.imbalance import imbalance, squared_distance

REFERENCE = 0.2
REFERENCE_SIZE = 500
UNFAIR = (0.3, *((0.7 / 9,) * 9))
PERMUTATIONS = 199
"""Of each gap: with (1 + number as extreme) / 200 the p-value is still exact at .05."""


def imbalance_cells() -> list[Cell]:
    """`imbalance` of one set, and `squared_distance` averaged over units."""
    single = [
        Cell("distance from a target of .5", f"share {p:g}", f"n = {n}", abs(p - 0.5),
             partial(_imbalance, p, n))
        for p in (0.5, 0.7)
        for n in (8, 20, 50, 200)
    ]  # fmt: skip
    squared = [
        Cell("squared distance over units", f"{name}, 10 categories, 8 outputs each",
             f"{units} units", _distance(shares), partial(_squared, shares, units),
             outside=None if units >= 10 else "few units")
        for name, shares in (("fair", (0.1,) * 10), ("one of .3", UNFAIR))
        for units in (12, 40, 120)
    ]  # fmt: skip
    return single + squared


def amplification_cells() -> list[Cell]:
    """`amplification` over a reference that is a sample of 500 itself."""
    return [
        Cell("log ratio to a reference", f"share {p:g} over .2 of 500", f"n = {n}",
             math.log(p / REFERENCE), partial(_amplification, p, n))
        for p in (0.2, 0.3)
        for n in (50, 200)
    ]  # fmt: skip


def gap_cells() -> list[Cell]:
    """`gap` between groups that are equal, and that are not."""
    return [
        Cell("gap between groups", f"{name}, {g} groups around .8", f"{n} a group", true,
             partial(_gap, g, n, true))
        for g, n in ((2, 50), (5, 20), (5, 200))
        for name, true in (("no gap", 0.0), ("gap of .3", 0.3))
    ]  # fmt: skip


def _imbalance(p: float, n: int, rng: np.random.Generator, runs: int) -> Outcome:
    successes, where = np.unique(rng.binomial(n, p, size=runs), return_inverse=True)
    ours = answers_of(imbalance(int(k), n).estimate for k in successes)
    return Outcome(ours.take(where))


def _amplification(p: float, n: int, rng: np.random.Generator, runs: int) -> Outcome:
    counted = rng.binomial(REFERENCE_SIZE, REFERENCE, size=runs) / REFERENCE_SIZE
    successes = rng.binomial(n, p, size=runs)
    sizes = np.full(runs, REFERENCE_SIZE)
    return Outcome(
        answers_of(amplification(successes, np.full(runs, n), counted, reference_n=sizes))
    )


def _distance(shares: tuple[float, ...]) -> float:
    return float(np.square(np.array(shares) - 1 / len(shares)).sum())


def _squared(shares: tuple[float, ...], units: int, rng: np.random.Generator, runs: int) -> Outcome:
    counts = rng.multinomial(8, shares, size=(runs, units))
    flat = counts.reshape(-1, len(shares))
    values = squared_distance(flat).reshape(runs, units)
    plug_in = peers.squared_distance(flat, np.full(len(shares), 1 / len(shares)))
    theirs = peers.normal_mean(plug_in.reshape(runs, units))
    ours = answers_of(mean_interval(row) for row in values)
    return Outcome(ours, (Peer(peers.RAW_DISTANCE, theirs),))


def _gap(g: int, n: int, true: float, rng: np.random.Generator, runs: int) -> Outcome:
    rates = 0.8 - true * np.arange(g) / (g - 1)
    values = (rng.random((runs, n, g)) < rates).astype(np.float64)
    groups = np.tile(np.arange(g), n).tolist()
    ours = answers_of(
        gap(row, groups, draws=PERMUTATIONS, rng=rng).estimate for row in values.reshape(runs, -1)
    )
    raw: FloatArray = np.ptp(values.mean(axis=1), axis=1)
    return Outcome(ours, (Peer(peers.RAW_GAP, points(raw)),))
