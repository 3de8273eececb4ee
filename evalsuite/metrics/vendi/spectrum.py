"""Spectra of kernels and of features under the cosine kernel."""

import numpy as np
from numpy.typing import ArrayLike, NDArray

from evalsuite.metrics.hill import Order, read_order
from evalsuite.metrics.vendi.density import MAX_SIDE, Density, kernel_density
from evalsuite.metrics.vendi.eigenvalues import (
    FLOAT64_EPS,
    FloatArray,
    NotPSD,
    Spectrum,
    check_psd,
    eigenvalue_rounding,
    spectrum_of_eigenvalues,
    spectrum_of_matrix,
)
from evalsuite.metrics.vendi.gram import StreamedGram, feature_spectrum_of_blocks
from evalsuite.metrics.vendi.rows import (
    ZeroRows,
    check_zero_rows,
    read_rows,
    read_weights,
    unit_rows,
)

__all__ = [
    "FLOAT64_EPS",
    "MAX_SIDE",
    "Density",
    "FloatArray",
    "NotPSD",
    "Order",
    "Spectrum",
    "StreamedGram",
    "ZeroRows",
    "check_psd",
    "eigenvalue_rounding",
    "feature_density",
    "feature_spectrum",
    "feature_spectrum_of_blocks",
    "kernel_density",
    "kernel_spectrum",
    "read_order",
    "read_rows",
    "read_weights",
    "spectrum_of_eigenvalues",
    "spectrum_of_matrix",
    "unit_rows",
]


def kernel_spectrum(
    kernel: ArrayLike,
    *,
    weights: ArrayLike | None = None,
    psd: NotPSD = "error",
    eig_tol: float | None = None,
    max_side: int = MAX_SIDE,
    caller: str = "kernel_spectrum",
) -> Spectrum:
    """Spectrum of a similarity matrix over n, or weighted by ``sqrt(p_i p_j)``.

    Parameters
    ----------
    kernel : array of shape (n, n), n >= 1
        Symmetric, positive semidefinite, with ones on the diagonal, but for rounding.
    weights : array of shape (n,), optional
        At least 0, summing to 1; ``1 / n`` by default.
    psd : {"error", "clip"}
        What to do with a kernel that is not positive semidefinite.
    eig_tol : float, optional
        Up to which size an eigenvalue is 0; by default ``10 sqrt(n) eps`` times the largest, with
        the machine epsilon of the dtype that the kernel is given in.
    max_side : int
        Larger kernels are refused.
    caller : str
        The function that an error names.

    Raises
    ------
    ValueError
        If the matrix is not such a kernel. A diagonal that is not 1 is refused and not scaled
        away: `normalize_kernel` does that where it is meant.

    Examples
    --------
    >>> round(kernel_spectrum([[1, 0.5], [0.5, 1]]).score(1), 6)
    1.754765
    """
    check_psd(psd, caller)
    density = kernel_density(kernel, weights=weights, max_side=max_side, caller=caller)
    return density.spectrum(psd=psd, eig_tol=eig_tol, caller=caller)


def feature_spectrum(
    features: ArrayLike,
    *,
    weights: ArrayLike | None = None,
    zero: ZeroRows = "error",
    eig_tol: float | None = None,
    max_side: int = MAX_SIDE,
    caller: str = "feature_spectrum",
) -> Spectrum:
    """Spectrum of the cosine kernel of features, from the smaller of the two Gram matrices.

    Parameters
    ----------
    features : array of shape (n, d)
        Rows are scaled to unit length in float64. A row and its negative count as the same.
    weights : array of shape (n,), optional
        At least 0, summing to 1; ``1 / n`` by default.
    zero : {"error", "drop", "orthogonal"}
        What to do with rows of zeros: refuse them, leave them out (their weight goes to the
        others), or take each as a kind of its own.
    eig_tol : float, optional
        Up to which size an eigenvalue is 0.
    max_side : int
        Refused where both n and d are larger.
    caller : str
        The function that an error names.

    Raises
    ------
    ValueError
        If there are no rows, or rows are not finite or, with ``zero="error"``, zero.

    Notes
    -----
    ``O(min(n, d)^2 max(n, d))``. Friedman and Dieng (TMLR 2023), section 3.3.

    Examples
    --------
    >>> feature_spectrum([[1.0, 0.0], [0.0, 2.0], [3.0, 0.0], [0.0, -4.0]]).score(2)
    2.0
    """
    density = feature_density(
        features, weights=weights, zero=zero, max_side=max_side, caller=caller
    )
    return density.spectrum(eig_tol=eig_tol, caller=caller)


def feature_density(
    features: ArrayLike,
    *,
    weights: ArrayLike | None = None,
    zero: ZeroRows = "error",
    max_side: int = MAX_SIDE,
    caller: str = "feature_density",
) -> Density:
    """Smaller density matrix of features; parameters and errors are those of `feature_spectrum`.

    Examples
    --------
    >>> feature_density([[3.0, 0.0], [0.0, 1.0], [0.0, 2.0], [1.0, 0.0]]).matrix
    array([[0.5, 0. ],
           [0. , 0.5]])
    """
    check_zero_rows(zero, caller)
    rows = read_rows(features, caller)
    n, d = rows.shape
    if min(n, d) > max_side:
        raise ValueError(
            f"{caller}: {n} rows of {d} features need a matrix of side {min(n, d)}, above "
            f"max_side = {max_side}; project them to fewer features first"
        )
    p = read_weights(weights, n, caller)
    if n <= d:
        return _row_density(rows, p, zero, caller)
    gram = StreamedGram(zero=zero, max_side=max_side, caller=caller)
    gram.add(rows, weights=p)
    return gram.density()


def _row_density(
    rows: NDArray[np.generic], weights: FloatArray | None, zero: ZeroRows, caller: str
) -> Density:
    """The n x n density matrix."""
    unit, is_zero = unit_rows(rows, caller, zero=zero)
    p = np.full(len(unit), 1.0 / len(unit)) if weights is None else weights
    if zero == "drop":
        unit, p = unit[~is_zero], p[~is_zero]
        if not len(unit):
            raise ValueError(f"{caller}: all {is_zero.size} rows are zero")
        if p.sum() <= 0.0:
            raise ValueError(f"{caller}: no row that is left has a weight")
        p = p / p.sum()
    scaled = unit * np.sqrt(p)[:, np.newaxis]
    matrix = scaled @ scaled.T
    if zero == "orthogonal":
        matrix[is_zero, is_zero] = p[is_zero]
    return Density(matrix, n_items=len(unit), n_dropped=is_zero.size - len(unit))
