"""Cells of one sample of classes: entropy, Hill numbers, rarefaction and sample coverage."""

from collections.abc import Callable
from dataclasses import replace
from functools import partial

import numpy as np

from evalsuite.selftest import peers, truth
from evalsuite.selftest.cells import (
    Answers,
    Cell,
    IntArray,
    Outcome,
    Peer,
    answers_of,
    without_warnings,
)
from evalsuite.selftest.truth import Classes, outside_sets
from evalsuite.stats import Estimate, mean_interval
from evalsuite.stats.coverage import sample_coverage
from evalsuite.stats.diversity_intervals import entropy_intervals, simpson_intervals
from evalsuite.stats.entropy import entropy_estimate
from evalsuite.stats.entropy_points import chao_wang_jost_entropies, plug_in_entropies
from evalsuite.stats.hill import hill_estimate
from evalsuite.stats.rarefaction import rarefied_hill

SIZES = (20, 50, 200)
MOST_BIAS = 0.05
"""Nats that the entropy of an open set is off by at most, on average, in scope."""

WARNED_RUNS = 200
"""At most as many draws the public function is called for where its core makes the intervals."""

CLOSED = (
    truth.UNIFORM_4, truth.UNIFORM_10, truth.ZIPF_20, truth.GENTLE, truth.LEANING, truth.MODE_90,
    truth.MODE_99, truth.COLLAPSED,
)  # fmt: skip
FEW = (truth.UNIFORM_10, truth.ZIPF_20, truth.GENTLE, truth.COLLAPSED)

DIRICHLET = 6
"""Classes of a prompt whose shares are uniform on the simplex."""

Public = Callable[[IntArray], Estimate]
Core = Callable[[IntArray, np.random.Generator], Answers]


def entropy_cells() -> list[Cell]:
    """`entropy_estimate`, of an open set of classes and of a closed one."""
    cells = []
    for is_closed, distributions in ((False, truth.DISTRIBUTIONS), (True, CLOSED)):
        name = f"entropy, {'closed' if is_closed else 'open'} set"
        for classes in distributions:
            n_classes = len(classes.shares) if is_closed else None
            simulate = partial(_entropy, classes, n_classes)
            cells += _over_sizes(name, classes, classes.entropy, simulate)
    return [replace(cell, most_bias=MOST_BIAS) for cell in cells]


def mean_entropy_cells() -> list[Cell]:
    """Chao-Wang-Jost entropies of prompts, averaged, as a task does with labels of its answers."""
    # The mean entropy of a Dirichlet distribution, all concentrations being 1.
    target = sum(1 / k for k in range(2, DIRICHLET + 1))
    return [
        Cell("mean entropy over prompts, t", f"Dirichlet prompts, {n} answers each",
             f"{units} prompts", target, partial(_mean_entropy, n, units),
             outside=None if n >= 20 else "n < 20 a prompt")
        for n in (8, 20, 50)
        for units in (12, 40, 120)
    ]  # fmt: skip


def hill_cells() -> list[Cell]:
    """`hill_estimate` at q = 0, a lower bound, and at q = 1 and 2."""
    cells = []
    for classes in FEW:
        cells += _over_sizes(
            "Hill number q = 0", classes, classes.hill(0), partial(_richness, classes),
            outside="a lower bound",
        )  # fmt: skip
    for classes in FEW:
        cells += _over_sizes(
            "Hill number q = 1", classes, classes.hill(1),
            partial(_public_at, classes, partial(hill_estimate, q=1)),
        )  # fmt: skip
    for classes in truth.DISTRIBUTIONS:
        cells += _over_sizes(
            "Hill number q = 2", classes, classes.hill(2), partial(_simpson, classes)
        )
    return cells


def rarefied_cells() -> list[Cell]:
    """`rarefied_hill` of n observations at fewer."""
    return [
        Cell(
            f"rarefied Hill number q = {q}", classes.name, f"n = {n} at m = {m}",
            classes.rarefied(q, m),
            partial(_public_at, classes, partial(rarefied_hill, q=q, m=m), n),
            outside=outside_sets(classes, n),
        )
        for q in (0, 1, 2)
        for classes in (truth.ZIPF_20, truth.GENTLE, truth.MODE_90)
        for n, m in ((50, 20), (200, 50))
    ]  # fmt: skip


def coverage_cells() -> list[Cell]:
    """`sample_coverage` of as many observations as there are, less the share they really cover."""
    return [
        Cell(
            "sample coverage, estimated less true", classes.name, f"n = {n}", 0.0,
            partial(_own_coverage, classes, n), outside=outside_sets(classes, n),
        )
        for classes in (truth.UNIFORM_10, truth.ZIPF_20, truth.ZIPF_200, truth.GENTLE,
                        truth.COLLAPSED)
        for n in SIZES
    ]  # fmt: skip


def each(matrix: IntArray, function: Public) -> Answers:
    """The answers of a function of one sample, called once for each different sample."""
    different, where = np.unique(matrix, axis=0, return_inverse=True)
    return answers_of(function(row) for row in different).take(where.reshape(-1))


def _over_sizes(
    estimator: str,
    classes: Classes,
    target: float,
    simulate: Callable[[int, np.random.Generator, int], Outcome],
    outside: str | None = None,
) -> list[Cell]:
    return [
        Cell(estimator, classes.name, f"n = {n}", target, partial(simulate, n),
             outside or outside_sets(classes, n))
        for n in SIZES
    ]  # fmt: skip


def _from_core(matrix: IntArray, core: Core, public: Public, rng: np.random.Generator) -> Answers:
    """Intervals of the core for every sample, warnings of the public function for the first."""
    different, where = np.unique(matrix, axis=0, return_inverse=True)
    made = core(different, rng).take(where.reshape(-1))
    n_warned = min(WARNED_RUNS, max(50, len(matrix) // 10))
    warned = each(matrix[:n_warned], public).warned
    return Answers(made.estimate, made.low, made.high, warned)


def _entropy(
    classes: Classes, n_classes: int | None, n: int, rng: np.random.Generator, runs: int
) -> Outcome:
    matrix = classes.draw(rng, n, runs)

    def core(rows: IntArray, rng: np.random.Generator) -> Answers:
        made = entropy_intervals(rows, level=0.95, n_classes=n_classes, rng=rng)
        return without_warnings(made.estimate, made.low, made.high)

    ours = _from_core(matrix, core, partial(entropy_estimate, n_classes=n_classes), rng)
    return Outcome(ours, _percentile(matrix, plug_in_entropies, rng))


def _mean_entropy(n: int, units: int, rng: np.random.Generator, runs: int) -> Outcome:
    shares = rng.dirichlet(np.ones(DIRICHLET), size=(runs, units))
    counts = rng.multinomial(n, shares).reshape(-1, DIRICHLET)
    entropies = chao_wang_jost_entropies(counts).reshape(runs, units)
    plug_in = plug_in_entropies(counts).reshape(runs, units)
    ours = answers_of(mean_interval(row) for row in entropies)
    return Outcome(ours, (Peer(peers.PLUG_IN_MEAN, peers.normal_mean(plug_in)),))


def _simpson(classes: Classes, n: int, rng: np.random.Generator, runs: int) -> Outcome:
    matrix = classes.draw(rng, n, runs)

    def core(rows: IntArray, rng: np.random.Generator) -> Answers:
        made = simpson_intervals(rows, level=0.95, n_classes=None, rng=rng)
        with np.errstate(divide="ignore"):
            hill = [1 / np.maximum(ends, 0.0) for ends in (made.estimate, made.high, made.low)]
        return without_warnings(hill[0], hill[1], hill[2])

    ours = _from_core(matrix, core, partial(hill_estimate, q=2), rng)
    return Outcome(ours, _percentile(matrix, peers.plug_in_inverse_simpson, rng))


def _percentile(
    matrix: IntArray, plug_in: Callable[[IntArray], np.ndarray], rng: np.random.Generator
) -> tuple[Peer, ...]:
    different, where = np.unique(matrix, axis=0, return_inverse=True)
    theirs = peers.percentile_plug_in(different, plug_in, rng)
    return (Peer(peers.PERCENTILE, theirs.take(where.reshape(-1))),)


def _richness(classes: Classes, n: int, rng: np.random.Generator, runs: int) -> Outcome:
    matrix = classes.draw(rng, n, runs)
    ours = each(matrix, partial(hill_estimate, q=0))
    return Outcome(ours, (Peer(peers.OBSERVED_CLASSES, peers.classes_seen(matrix)),))


def _own_coverage(classes: Classes, n: int, rng: np.random.Generator, runs: int) -> Outcome:
    counts = rng.multinomial(n, classes.p, size=runs)
    found = each(np.sort(counts, axis=1)[:, ::-1], sample_coverage)
    true = (counts > 0) @ classes.p
    ours = Answers(found.estimate - true, found.low - true, found.high - true, found.warned)
    return Outcome(ours)


def _public_at(
    classes: Classes, function: Public, n: int, rng: np.random.Generator, runs: int
) -> Outcome:
    return Outcome(each(classes.draw(rng, n, runs), function))
