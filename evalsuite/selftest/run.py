"""The self-test as a whole: which cells there are, and whether what is promised holds."""

import gc
import math
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from difflib import get_close_matches
from importlib import import_module

from evalsuite.errors import BadInput, UnknownName, VerificationFailed
from evalsuite.selftest.cells import Cell, measure
from evalsuite.selftest.classes import (
    coverage_cells,
    entropy_cells,
    hill_cells,
    mean_entropy_cells,
    rarefied_cells,
)
from evalsuite.selftest.error_rates import (
    Rate,
    fairness_rates,
    gate_rates,
    judge,
    power_rates,
    sign_flip_rates,
)
from evalsuite.selftest.groups import amplification_cells, gap_cells, imbalance_cells
from evalsuite.selftest.judges import agreement_cells, judge_cells
from evalsuite.selftest.kernels import homogeneity_cells, vendi_cells
from evalsuite.selftest.means import (
    mean_cells,
    paired_cells,
    plan_cells,
    pooled_cells,
    replicate_cells,
)
from evalsuite.selftest.quantiles import quantile_cells
from evalsuite.selftest.rankings import average_precision_cells, correlation_cells
from evalsuite.selftest.results import CellResult, RateResult, SelfTest
from evalsuite.selftest.shares import share_cells

DEFAULT_RUNS = 200
MIN_RUNS = 50

AVERAGE_COVERAGE = 0.94
"""What the cells in scope cover on average."""

CELLS: dict[str, Callable[[], list[Cell]]] = {
    "mean": mean_cells,
    "share": share_cells,
    "replicates": replicate_cells,
    "pooled": pooled_cells,
    "paired": paired_cells,
    "quantile": quantile_cells,
    "plan": plan_cells,
    "entropy": entropy_cells,
    "mean_entropy": mean_entropy_cells,
    "hill": hill_cells,
    "rarefied": rarefied_cells,
    "coverage": coverage_cells,
    "vendi": vendi_cells,
    "homogeneity": homogeneity_cells,
    "judge": judge_cells,
    "agreement": agreement_cells,
    "imbalance": imbalance_cells,
    "amplification": amplification_cells,
    "gap": gap_cells,
    "average_precision": average_precision_cells,
    "correlation": correlation_cells,
}
RATES: dict[str, Callable[[], list[Rate]]] = {
    "sign_flip": sign_flip_rates,
    "fairness": fairness_rates,
    "gate": gate_rates,
    "power": power_rates,
}


def run_selftest(
    *,
    runs: int = DEFAULT_RUNS,
    seed: int = 0,
    only: str | None = None,
    tell: Callable[[str], None] = lambda line: None,
) -> SelfTest:
    """Measure coverage and error rates of the suite's statistics where the truth is known.

    Parameters
    ----------
    runs : int
        Draws of each cell, at least 50.
    seed : int
        Root of the streams, at least 0; every cell has its own.
    only : str, optional
        One group of cells or rates, such as ``entropy``.
    tell : function
        Is told each group as it begins.

    Raises
    ------
    BadInput
        If a number is too small.
    UnknownName
        If there is no such group.
    """
    if runs < MIN_RUNS or seed < 0:
        raise BadInput(f"selftest needs {MIN_RUNS} runs or more and a seed from 0 on, got {runs} "
                       f"and {seed}")  # fmt: skip
    cells, rates = select(only)
    return run_cells(cells, rates, runs=runs, seed=seed, tell=tell)


def select(only: str | None = None) -> tuple[list[Cell], list[Rate]]:
    """The cells and rates of one group, or all.

    >>> cells, rates = select("gate")
    >>> len(cells), rates[0].test
    (0, 'gate, PASS at a loss of the margin')
    """
    names = [*CELLS, *RATES]
    if only is not None and only not in names:
        close = get_close_matches(only, names, n=1)
        hint = f" Did you mean {close[0]!r}?" if close else ""
        raise UnknownName(f"no part {only!r} of the self-test.{hint} There are {', '.join(names)}.")
    cells = [cell for name, made in CELLS.items() if only in (None, name) for cell in made()]
    rates = [rate for name, made in RATES.items() if only in (None, name) for rate in made()]
    return cells, rates


def run_cells(
    cells: Sequence[Cell],
    rates: Sequence[Rate] = (),
    *,
    runs: int,
    seed: int = 0,
    tell: Callable[[str], None] = lambda line: None,
) -> SelfTest:
    """`run_selftest` of given cells and rates."""
    found: list[CellResult] = []
    judged: list[RateResult] = []
    last, n = "", len(cells) + len(rates)
    with _old_objects_left_alone():
        for number, cell in enumerate(cells):
            if cell.estimator != last:
                tell(f"{number} of {n} done, {runs} runs each; {cell.estimator}")
            last = cell.estimator
            found.append(measure(cell, runs=runs, seed=seed))
        for number, rate in enumerate(rates, start=len(cells)):
            if rate.test != last:
                tell(f"{number} of {n} done, {runs} runs each; {rate.test}")
            last = rate.test
            judged.append(judge(rate, runs=runs, seed=seed))
    return summarise(found, judged, runs=runs, seed=seed)


def summarise(
    cells: Sequence[CellResult], rates: Sequence[RateResult], *, runs: int, seed: int
) -> SelfTest:
    """Put results together and name what does not hold."""
    inside = [cell.coverage for cell in cells if cell.in_scope and cell.coverage is not None]
    average = math.fsum(inside) / len(inside) if inside else None
    error = math.sqrt(sum(c * (1 - c) / runs for c in inside)) / max(len(inside), 1)
    failures = [cell.name for cell in cells if not cell.holds]
    failures += [rate.name for rate in rates if not rate.holds]
    return SelfTest(
        runs=runs,
        seed=seed,
        cells=tuple(cells),
        rates=tuple(rates),
        average_coverage=average,
        average_holds=average is None or average >= AVERAGE_COVERAGE - 3 * error,
        failures=tuple(failures),
    )


def check(found: SelfTest) -> None:
    """Refuse a self-test in which a promise does not hold.

    Raises
    ------
    VerificationFailed
        Naming the cells.
    """
    problems = list(found.failures)
    if not found.average_holds:
        problems.append(f"average coverage in scope {found.average_coverage:.4f}, below .94")
    if problems:
        raise VerificationFailed(
            f"the self-test fails in {len(problems)} places: {'; '.join(problems)}"
        )


@contextmanager
def _old_objects_left_alone() -> Iterator[None]:
    """Keep the collections that statsmodels' Holm asks for to what a cell made itself."""
    import_module("statsmodels.stats.multitest")
    gc.freeze()
    try:
        yield
    finally:
        gc.unfreeze()
