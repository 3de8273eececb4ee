"""What the self-test finds."""

from pydantic import Field

from evalsuite.requests import Frozen


class PeerResult(Frozen):
    """Another method on the same draws.

    Parameters
    ----------
    method : str
        What it does.
    target : float
        What it means to estimate; not always the target of the cell.
    coverage : float or None
        None where the method has no interval.
    bias : float or None
        Mean estimate less the target.
    width : float or None
    """

    method: str
    target: float
    coverage: float | None
    bias: float | None
    width: float | None


class CellResult(Frozen):
    """One estimator on one truth at one size.

    Parameters
    ----------
    estimator, truth, size : str
        What is computed, where the data come from, and how many there are.
    target : float
        The true value.
    in_scope : bool
        Whether the suite promises the coverage here.
    outside : str or None
        Why it does not.
    runs : int
        Draws.
    coverage : float or None
        Share of the intervals that hold the target; None where there is no interval in any run.
    holds : bool
        Whether the promise is kept but for Monte Carlo error; True out of scope.
    no_interval : float
        Share of runs without an interval; they are no part of ``coverage``.
    unbounded : float
        Share of runs whose interval has one end only.
    bias : float or None
        Mean estimate less the target.
    width : float or None
        Mean width of the intervals with two ends.
    warned : float
        Share of runs in which the estimate carries a warning, among ``warned_runs``.
    warned_runs : int
    peers : tuple of PeerResult
    """

    estimator: str
    truth: str
    size: str
    target: float
    in_scope: bool
    outside: str | None
    runs: int
    coverage: float | None
    holds: bool
    no_interval: float
    unbounded: float
    bias: float | None
    width: float | None
    warned: float
    warned_runs: int
    peers: tuple[PeerResult, ...] = ()

    @property
    def name(self) -> str:
        """Estimator, truth and size in one line."""
        return cell_name(self.estimator, self.truth, self.size)


class RateResult(Frozen):
    """How often a decision goes wrong, or right.

    Parameters
    ----------
    test, setting : str
        What decides, and on which data.
    rate : float
        The share found; of a check of uniformity its p-value.
    promise : str
        What the rate has to be.
    in_scope : bool
        Whether the suite promises it here.
    holds : bool
        Whether it is so but for Monte Carlo error; True out of scope.
    runs : int
    """

    test: str
    setting: str
    rate: float
    promise: str
    in_scope: bool
    holds: bool
    runs: int

    @property
    def name(self) -> str:
        """Test and setting in one line."""
        return f"{self.test}: {self.setting}"


class SelfTest(Frozen):
    """All of it.

    Parameters
    ----------
    runs, seed : int
        Draws of each cell, and the root of all their streams.
    cells : tuple of CellResult
    rates : tuple of RateResult
    average_coverage : float or None
        Over the cells in scope.
    average_holds : bool
        Whether that is .94, but for Monte Carlo error.
    failures : tuple of str
        Cells and rates in scope that do not hold.
    """

    runs: int = Field(ge=1)
    seed: int = Field(ge=0)
    cells: tuple[CellResult, ...]
    rates: tuple[RateResult, ...]
    average_coverage: float | None
    average_holds: bool
    failures: tuple[str, ...]

    @property
    def silent(self) -> tuple[CellResult, ...]:
        """Cells out of scope that fall short of .90 and warn in fewer than half of the runs."""
        return tuple(
            cell
            for cell in self.cells
            if cell.coverage is not None
            and not cell.in_scope
            and cell.coverage < 0.9
            and cell.warned < 0.5
        )


def cell_name(estimator: str, truth: str, size: str) -> str:
    """Estimator, truth and size in one line.

    >>> cell_name("mean", "normal", "n = 20")
    'mean: normal, n = 20'
    """
    return f"{estimator}: {truth}, {size}"
