"""Reading features and similarity matrices."""

import numpy as np
from numpy.typing import ArrayLike, NDArray

from evalsuite.metrics.vendi.eigenvalues import eigenvalue_rounding
from evalsuite.stats.clusters import FloatArray

_TOLERANCE = 1e-6  # how far a kernel may be from symmetric and from a unit diagonal


def unit_rows(features: ArrayLike, caller: str) -> FloatArray:
    """Features scaled to unit length, in float64.

    Parameters
    ----------
    features : array of shape (n, d), n >= 2
    caller : str
        The function that an error names.

    Raises
    ------
    ValueError
        If there are fewer than two rows, or a row is zero or not finite.

    Examples
    --------
    >>> unit_rows([[3.0, 4.0], [0.0, 2.0]], "f")
    array([[0.6, 0.8],
           [0. , 1. ]])
    """
    rows = np.asarray(features, dtype=np.float64)
    if rows.ndim != 2 or len(rows) < 2 or not rows.shape[1]:
        raise ValueError(f"{caller}: expected shape (n, d) with n >= 2, got {rows.shape}")
    bad = np.asarray(~np.isfinite(rows).all(axis=1))
    if bad.any():
        raise ValueError(f"{caller}: rows are not finite: {_named(bad)}")
    largest = np.abs(rows).max(axis=1, keepdims=True)
    if not largest.all():
        raise ValueError(f"{caller}: zero rows have no direction: {_named(largest[:, 0] == 0)}")
    rows = rows / largest  # so that no length overflows
    return np.asarray(rows / np.linalg.norm(rows, axis=1, keepdims=True))


def read_kernel(kernel: ArrayLike, caller: str) -> FloatArray:
    """A similarity matrix, made exactly symmetric.

    Parameters
    ----------
    kernel : array of shape (n, n), n >= 2
        Symmetric, positive semidefinite, with ones on the diagonal, but for rounding.
    caller : str
        The function that an error names.

    Raises
    ------
    ValueError
        If the matrix is not such a kernel.

    Examples
    --------
    >>> read_kernel([[1, 0.5], [0.5, 1]], "f")
    array([[1. , 0.5],
           [0.5, 1. ]])
    """
    given = np.asarray(kernel)
    matrix = given.astype(np.float64)
    if matrix.ndim != 2 or matrix.shape[0] != matrix.shape[1] or len(matrix) < 2:
        raise ValueError(f"{caller}: expected shape (n, n) with n >= 2, got {matrix.shape}")
    if not np.isfinite(matrix).all():
        raise ValueError(f"{caller}: the kernel is not finite")
    if np.abs(matrix - matrix.T).max() > _TOLERANCE:
        raise ValueError(f"{caller}: the kernel is not symmetric")
    if np.abs(np.diag(matrix) - 1.0).max() > _TOLERANCE:
        raise ValueError(f"{caller}: the diagonal of the kernel is not 1")
    matrix = (matrix + matrix.T) / 2
    spectrum = np.linalg.eigvalsh(matrix)
    eps = np.finfo(given.dtype if given.dtype.kind == "f" else np.float64).eps
    if spectrum[0] < -eigenvalue_rounding(spectrum, eps):
        raise ValueError(
            f"{caller}: the kernel is not positive semidefinite, its smallest eigenvalue is "
            f"{spectrum[0]:.6g}"
        )
    return np.asarray(matrix)


def _named(flags: NDArray[np.bool_]) -> str:
    found = np.flatnonzero(flags)
    return ", ".join(map(str, found[:5])) + (" and others" if found.size > 5 else "")
