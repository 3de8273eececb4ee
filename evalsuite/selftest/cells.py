"""One cell of the self-test: an estimator on draws from a known truth."""

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from evalsuite.selftest.results import CellResult, PeerResult, cell_name
from evalsuite.stats import Estimate
from evalsuite.stats.streams import stream

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]
BoolArray = NDArray[np.bool_]

LEAST_COVERAGE = 0.90
"""What every cell in scope has to cover."""

MOST_REFUSED = 0.01
"""Share of runs without an interval that a cell in scope may have."""

ROUNDING = 1e-9
"""Ends of intervals that meet the target but for rounding hold it."""


@dataclass(frozen=True)
class Answers:
    """What a method says of many draws.

    Parameters
    ----------
    estimate : array of shape (runs,)
        NaN where there is none.
    low, high : array of shape (runs,)
        Both NaN where there is no interval; infinite where an end is missing.
    warned : array of shape (runs,) or of the first of them
        Whether the estimate carries a warning.
    """

    estimate: FloatArray
    low: FloatArray
    high: FloatArray
    warned: BoolArray

    def covered(self, target: float) -> BoolArray:
        """Whether each interval that there is holds the target."""
        there = ~np.isnan(self.low)
        slack = ROUNDING * (1 + abs(target))
        low, high = self.low[there], self.high[there]
        return np.asarray((low <= target + slack) & (target <= high + slack))

    def take(self, index: IntArray) -> "Answers":
        """The answers at an index, which may repeat; warnings are of all answers then."""
        return Answers(self.estimate[index], self.low[index], self.high[index], self.warned[index])


@dataclass(frozen=True)
class Peer:
    """The answers of another method; ``target`` where it means something else."""

    method: str
    answers: Answers
    target: float | None = None


@dataclass(frozen=True)
class Outcome:
    """Our answers to many draws and those of others to the same."""

    ours: Answers
    peers: tuple[Peer, ...] = ()


@dataclass(frozen=True)
class Cell:
    """An estimator on one truth at one size.

    Parameters
    ----------
    estimator, truth, size : str
    target : float
        The true value of what is estimated.
    simulate : function of (rng, runs)
        Draws and answers.
    outside : str or None
        Why the suite promises nothing here; None where it promises coverage.
    most_bias : float or None
        Where the suite promises that the bias is smaller than this, too.
    """

    estimator: str
    truth: str
    size: str
    target: float
    simulate: Callable[[np.random.Generator, int], Outcome]
    outside: str | None = None
    most_bias: float | None = None

    @property
    def name(self) -> str:
        """Estimator, truth and size in one line."""
        return cell_name(self.estimator, self.truth, self.size)


def answers_of(estimates: Iterable[Estimate]) -> Answers:
    """The answers of a function that was called for each draw."""
    rows = [(e.estimate, e.ci_low, e.ci_high, bool(e.warnings)) for e in estimates]
    ends = np.array([_ends(low, high) for _, low, high, _ in rows])
    return Answers(
        np.array([math.nan if at is None else at for at, *_ in rows]),
        ends[:, 0],
        ends[:, 1],
        np.array([warned for *_, warned in rows], dtype=bool),
    )


def without_warnings(estimate: FloatArray, low: FloatArray, high: FloatArray) -> Answers:
    """The answers of a method that never warns."""
    return Answers(estimate, low, high, np.zeros(estimate.size, dtype=bool))


def points(estimate: FloatArray) -> Answers:
    """The answers of a method that has no interval."""
    nothing = np.full(estimate.size, math.nan)
    return without_warnings(estimate, nothing, nothing)


def measure(cell: Cell, *, runs: int, seed: int) -> CellResult:
    """Draw the runs of a cell from its own stream and see how often it is right."""
    outcome = cell.simulate(stream(f"selftest {cell.name}", seed), runs)
    ours = outcome.ours
    covered = ours.covered(cell.target)
    coverage = float(covered.mean()) if covered.size else None
    no_interval = float(np.isnan(ours.low).mean())
    return CellResult(
        estimator=cell.estimator,
        truth=cell.truth,
        size=cell.size,
        target=cell.target,
        in_scope=cell.outside is None,
        outside=cell.outside,
        runs=runs,
        coverage=coverage,
        holds=cell.outside is not None
        or (_holds(coverage, covered.size, no_interval, runs) and _is_unbiased(ours, cell)),
        no_interval=no_interval,
        unbounded=float((np.isinf(ours.low) | np.isinf(ours.high)).mean()),
        bias=_bias(ours, cell.target),
        width=_width(ours),
        warned=float(ours.warned.mean()),
        warned_runs=ours.warned.size,
        peers=tuple(_peer(peer, cell.target) for peer in outcome.peers),
    )


def at_least(rate: float, least: float, runs: int) -> bool:
    """Whether a share is a given one or more, but for three binomial standard errors.

    >>> at_least(0.87, 0.9, 4000), at_least(0.87, 0.9, 100)
    (False, True)
    """
    return rate >= least - 3 * math.sqrt(least * (1 - least) / runs)


def _ends(low: float | None, high: float | None) -> tuple[float, float]:
    if low is None and high is None:
        return math.nan, math.nan
    return -math.inf if low is None else low, math.inf if high is None else high


def _holds(coverage: float | None, n_intervals: int, no_interval: float, runs: int) -> bool:
    return (
        coverage is not None
        and at_least(coverage, LEAST_COVERAGE, n_intervals)
        and at_least(1 - no_interval, 1 - MOST_REFUSED, runs)
    )


def _is_unbiased(answers: Answers, cell: Cell) -> bool:
    if cell.most_bias is None:
        return True
    known = answers.estimate[np.isfinite(answers.estimate)]
    chance = 3 * float(known.std()) / math.sqrt(known.size)
    return abs(float(known.mean()) - cell.target) < cell.most_bias + chance


def _bias(answers: Answers, target: float) -> float | None:
    known = answers.estimate[np.isfinite(answers.estimate)]
    return float(known.mean() - target) if known.size else None


def _width(answers: Answers) -> float | None:
    there = np.isfinite(answers.low) & np.isfinite(answers.high)
    return float((answers.high - answers.low)[there].mean()) if there.any() else None


def _peer(peer: Peer, target: float) -> PeerResult:
    target = target if peer.target is None else peer.target
    covered = peer.answers.covered(target)
    return PeerResult(
        method=peer.method,
        target=target,
        coverage=float(covered.mean()) if covered.size else None,
        bias=_bias(peer.answers, target),
        width=_width(peer.answers),
    )
