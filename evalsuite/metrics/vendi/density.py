"""Density matrices before their spectrum is solved, and those of kernels."""

import math
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import ArrayLike, NDArray

from evalsuite.metrics.vendi.eigenvalues import (
    FLOAT64_EPS,
    FloatArray,
    NotPSD,
    Spectrum,
    spectrum_of_eigenvalues,
)
from evalsuite.metrics.vendi.rows import named_rows, read_weights

MAX_SIDE = 10_000
"""Largest matrix that is solved unless more is asked for: 800 MB in float64, some minutes."""


@dataclass(frozen=True, eq=False)
class Density:
    """A density matrix before its spectrum is solved.

    Parameters
    ----------
    matrix : array of shape (m, m)
        Exactly symmetric.
    n_items : int
        How many items it describes.
    own : array of shape (k,)
        Eigenvalues known beforehand: the shares of items that are alike to nothing but themselves.
        With them the trace is 1.
    eps : float
        Machine epsilon of the least precise step that made it.
    n_dropped : int
        Items left out because they are zero.

    Examples
    --------
    >>> Density(np.diag([0.25, 0.25]), n_items=4, own=np.array([0.5])).spectrum().eigenvalues
    array([0.5 , 0.25, 0.25])
    """

    matrix: FloatArray
    n_items: int
    own: FloatArray = field(default_factory=lambda: np.empty(0))
    eps: float = FLOAT64_EPS
    n_dropped: int = 0

    def spectrum(
        self, *, psd: NotPSD = "error", eig_tol: float | None = None, caller: str = "Density"
    ) -> Spectrum:
        """Solve for the eigenvalues; parameters as for `spectrum_of_matrix`."""
        return spectrum_of_eigenvalues(
            np.concatenate([np.linalg.eigvalsh(self.matrix), self.own]),
            eps=self.eps,
            psd=psd,
            eig_tol=eig_tol,
            n_items=self.n_items,
            n_dropped=self.n_dropped,
            caller=caller,
        )

    def sum_of_squares(self) -> float:
        """Sum of the squared eigenvalues, scaled to sum to 1, without solving for them."""
        trace = float(np.trace(self.matrix)) + float(self.own.sum())
        squares = float(np.vdot(self.matrix, self.matrix)) + float(self.own @ self.own)
        return squares / trace**2

    def is_surely_psd(self) -> bool:
        """Whether a Cholesky factor proves that no eigenvalue is negative beyond rounding."""
        # The largest eigenvalue is at least the sum of squares, as the trace is 1: this asks for
        # no more slack than the rule of `eigenvalue_rounding` gives.
        slack = 10 * math.sqrt(len(self.matrix)) * self.eps * self.sum_of_squares()
        raised = self.matrix.copy()
        raised[np.diag_indices(len(raised))] += slack
        try:
            np.linalg.cholesky(raised)
        except np.linalg.LinAlgError:
            return False
        return True


def kernel_density(
    kernel: ArrayLike,
    *,
    weights: ArrayLike | None = None,
    max_side: int = MAX_SIDE,
    caller: str = "kernel_density",
) -> Density:
    """Density matrix of a kernel; parameters and errors are those of `kernel_spectrum`.

    Examples
    --------
    >>> kernel_density([[1, 0.5], [0.5, 1]]).matrix
    array([[0.5 , 0.25],
           [0.25, 0.5 ]])
    """
    given, eps = _read_kernel(kernel, max_side, caller)
    n = len(given)
    p = read_weights(weights, n, caller)
    matrix = given.astype(np.float64)
    matrix = (matrix + matrix.T) / 2
    if p is None:
        matrix /= n
    else:
        matrix *= np.sqrt(p)[:, np.newaxis]
        matrix *= np.sqrt(p)
    return Density(matrix, n_items=n, eps=eps)


def _read_kernel(
    kernel: ArrayLike, max_side: int, caller: str
) -> tuple[NDArray[np.generic], float]:
    if hasattr(kernel, "tocsr"):
        raise ValueError(
            f"{caller}: a sparse kernel has no full spectrum without being made dense; "
            "give kernel.toarray()"
        )
    given = np.asarray(kernel)
    if given.ndim != 2 or given.shape[0] != given.shape[1] or not given.size:
        raise ValueError(f"{caller}: expected shape (n, n) with n >= 1, got {given.shape}")
    if len(given) > max_side:
        raise ValueError(
            f"{caller}: a kernel of {len(given)} rows is above max_side = {max_side}; work in "
            "feature space instead: vendi_score(features), or StreamedGram for blocks of rows"
        )
    if given.dtype.kind not in "biuf":
        raise ValueError(f"{caller}: expected real numbers, got dtype {given.dtype}")
    precision = float(np.finfo(given.dtype).eps) if given.dtype.kind == "f" else 0.0
    eps = max(precision, FLOAT64_EPS)
    bad = ~np.isfinite(given).all(axis=1)
    if bad.any():
        raise ValueError(f"{caller}: the kernel is not finite in rows: {named_rows(bad)}")
    slack = max(1e-6, 10 * eps)
    if not _is_symmetric(given, slack):
        raise ValueError(f"{caller}: the kernel is not symmetric")
    off = np.abs(np.diag(given).astype(np.float64) - 1.0) > slack
    if off.any():
        raise ValueError(
            f"{caller}: the diagonal of the kernel is not 1 in rows: {named_rows(off)}; "
            "normalize_kernel scales it"
        )
    return given, eps


def _is_symmetric(matrix: NDArray[np.generic], slack: float) -> bool:
    """Whether a matrix is its transpose but for rounding, without a second one in memory."""
    for start in range(0, len(matrix), 512):
        at = slice(start, start + 512)
        difference = matrix[at].astype(np.float64) - matrix[:, at].T.astype(np.float64)
        if np.abs(difference).max() > slack:
            return False
    return True
