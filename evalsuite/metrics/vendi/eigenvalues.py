"""The spectrum of a density matrix: which eigenvalues count, and the scores read off them."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from evalsuite.metrics.hill import Order, hill_of_shares, read_order

FloatArray = NDArray[np.float64]

NotPSD = Literal["error", "clip"]
"""What to do with a matrix that is not positive semidefinite: refuse it, or set its negative
eigenvalues to 0 and scale the others to sum to 1."""

FLOAT64_EPS = float(np.finfo(np.float64).eps)


@dataclass(frozen=True, eq=False)
class Spectrum:
    """Eigenvalues of a density matrix that are not 0, and how they were told from rounding.

    Parameters
    ----------
    eigenvalues : array of shape (rank,)
        The kept eigenvalues, largest first, scaled to sum to 1.
    side : int
        m, the side of the matrix that was solved.
    n_items : int
        How many items the matrix describes, those left out not counted.
    tolerance : float
        Eigenvalues up to this count as 0 (the ``eig_tol`` of a result row).
    smallest : float
        Smallest eigenvalue before anything was cut.
    trace_error : float
        How far the sum of all eigenvalues was from 1.
    clipped_mass : float
        Sum of the sizes of negative eigenvalues beyond rounding; above 0 with ``psd="clip"`` only.
    n_dropped : int
        Items left out because they are zero.

    Examples
    --------
    >>> spectrum = spectrum_of_matrix(np.diag([0.5, 0.25, 0.25]))
    >>> spectrum.rank, spectrum.score(2)
    (3, 2.6666666666666665)
    """

    eigenvalues: FloatArray
    side: int
    n_items: int
    tolerance: float
    smallest: float
    trace_error: float
    clipped_mass: float = 0.0
    n_dropped: int = 0

    @property
    def rank(self) -> int:
        """How many eigenvalues are not 0."""
        return int(self.eigenvalues.size)

    def score(self, q: Order) -> float:
        """Vendi score of order q: the Hill number of the eigenvalues."""
        return float(hill_of_shares(self.eigenvalues, read_order(q, "Spectrum.score")))

    def scores(self, orders: Sequence[Order]) -> FloatArray:
        """Vendi scores of several orders, shape (orders,)."""
        return np.array([self.score(q) for q in orders])

    def entropy(self, q: Order) -> float:
        """Renyi entropy of order q in nats: the logarithm of the score."""
        return math.log(self.score(q))


def spectrum_of_matrix(
    rho: ArrayLike,
    *,
    eps: float = FLOAT64_EPS,
    psd: NotPSD = "error",
    eig_tol: float | None = None,
    n_items: int | None = None,
    n_dropped: int = 0,
    caller: str = "spectrum_of_matrix",
) -> Spectrum:
    """Spectrum of a symmetric density matrix.

    Parameters
    ----------
    rho : array of shape (m, m), m >= 1
        Symmetric but for rounding, trace 1.
    eps : float
        Machine epsilon of the least precise step that made it.
    psd : {"error", "clip"}
        What to do with negative eigenvalues beyond rounding.
    eig_tol : float, optional
        Up to which size an eigenvalue is 0; ``10 sqrt(m) eps`` times the largest by default.
    n_items : int, optional
        How many items the matrix describes; m by default.
    n_dropped : int
        Carried into the result.
    caller : str
        The function that an error names.

    Raises
    ------
    ValueError
        If the matrix is not such a matrix.

    Examples
    --------
    >>> spectrum_of_matrix([[0.5, 0.5], [0.5, 0.5]]).eigenvalues.round(12)
    array([1.])
    """
    matrix = np.asarray(rho, dtype=np.float64)
    if matrix.ndim != 2 or matrix.shape[0] != matrix.shape[1] or not matrix.size:
        raise ValueError(f"{caller}: expected shape (m, m) with m >= 1, got {matrix.shape}")
    if not np.isfinite(matrix).all():
        raise ValueError(f"{caller}: the matrix is not finite")
    return spectrum_of_eigenvalues(
        np.linalg.eigvalsh((matrix + matrix.T) / 2),
        eps=eps,
        psd=psd,
        eig_tol=eig_tol,
        n_items=n_items,
        n_dropped=n_dropped,
        caller=caller,
    )


def spectrum_of_eigenvalues(
    eigenvalues: ArrayLike,
    *,
    eps: float = FLOAT64_EPS,
    psd: NotPSD = "error",
    eig_tol: float | None = None,
    n_items: int | None = None,
    n_dropped: int = 0,
    caller: str = "spectrum_of_eigenvalues",
) -> Spectrum:
    """`spectrum_of_matrix` from all m eigenvalues of the matrix, in any order.

    Examples
    --------
    >>> spectrum_of_eigenvalues([0.0, 0.5, 0.5, 1e-17]).rank
    2
    """
    check_psd(psd, caller)
    values = np.sort(np.asarray(eigenvalues, dtype=np.float64))[::-1]
    rounding = eigenvalue_rounding(values, eps)
    tolerance = rounding if eig_tol is None else _read_tolerance(eig_tol, caller)
    trace_error = abs(float(values.sum()) - 1.0)
    if trace_error > max(1e-6, 100 * eps):
        raise ValueError(f"{caller}: the trace of a density matrix is 1, got {values.sum():.9g}")
    negative = values[values < -max(rounding, tolerance)]
    if negative.size and psd == "error":
        raise ValueError(
            f"{caller}: the kernel is not positive semidefinite, its smallest eigenvalue over n is "
            f"{values[-1]:.6g}; psd='clip' sets negative ones to 0 and scales the rest"
        )
    kept = values[values > tolerance]
    if not kept.size:
        raise ValueError(f"{caller}: no eigenvalue is above eig_tol = {tolerance:.3g}")
    return Spectrum(
        eigenvalues=kept / kept.sum(),
        side=values.size,
        n_items=values.size if n_items is None else n_items,
        tolerance=tolerance,
        smallest=float(values[-1]),
        trace_error=trace_error,
        clipped_mass=float(np.abs(negative).sum()),
        n_dropped=n_dropped,
    )


def eigenvalue_rounding(eigenvalues: NDArray[Any], eps: float) -> float:
    """How far an eigenvalue may be from 0 by rounding only, ``10 sqrt(m) eps max|l|``.

    Parameters
    ----------
    eigenvalues : array of shape (m,)
        All eigenvalues of a matrix.
    eps : float
        Machine epsilon of the least precise step that made the matrix.

    Examples
    --------
    >>> eigenvalue_rounding(np.array([0.0, 1.0, 1.0, 2.0]), 0.5)
    20.0
    """
    return float(10 * np.sqrt(eigenvalues.size) * eps * np.abs(eigenvalues).max())


def check_psd(psd: str, caller: str) -> None:
    """Refuse an unknown way with negative eigenvalues."""
    if psd not in ("error", "clip"):
        raise ValueError(f"{caller}: psd must be 'error' or 'clip', got {psd!r}")


def _read_tolerance(eig_tol: float, caller: str) -> float:
    if not 0.0 <= eig_tol < 1.0:
        raise ValueError(f"{caller}: eig_tol must be in [0, 1), got {eig_tol!r}")
    return float(eig_tol)
