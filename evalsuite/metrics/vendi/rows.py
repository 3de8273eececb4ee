"""Reading rows of features and their weights."""

from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

FloatArray = NDArray[np.float64]

ZeroRows = Literal["error", "drop", "orthogonal"]
"""What to do with rows of zeros, which have no cosine: refuse them, leave them out, or take each as
alike to nothing but itself."""

BLOCK = 8192
"""Rows cast to float64 at a time."""


def check_zero_rows(zero: str, caller: str) -> None:
    """Refuse an unknown way with zero rows."""
    if zero not in ("error", "drop", "orthogonal"):
        raise ValueError(f"{caller}: zero must be 'error', 'drop' or 'orthogonal', got {zero!r}")


def read_rows(features: ArrayLike, caller: str) -> NDArray[np.generic]:
    """Features as a two-dimensional array of their own dtype.

    Parameters
    ----------
    features : array of shape (n, d), n >= 1 and d >= 1
    caller : str
        The function that an error names.

    Raises
    ------
    ValueError
        If the shape is another.

    Examples
    --------
    >>> read_rows([[1.0, 2.0]], "f").shape
    (1, 2)
    """
    rows = np.asarray(features)
    if rows.dtype.kind not in "biuf":
        raise ValueError(f"{caller}: expected real numbers, got dtype {rows.dtype}")
    if rows.ndim != 2 or not rows.size:
        raise ValueError(
            f"{caller}: expected features of shape (n, d) with n >= 1 and d >= 1, got {rows.shape}"
        )
    return rows


def read_row_pairs(
    outputs: ArrayLike, prompts: ArrayLike, caller: str
) -> tuple[NDArray[np.generic], NDArray[np.generic]]:
    """Features of outputs and of the prompt behind each; errors as `read_rows`.

    Raises
    ------
    ValueError
        If there are not as many prompts as outputs.
    """
    x, t = read_rows(outputs, caller), read_rows(prompts, caller)
    if len(x) != len(t):
        raise ValueError(f"{caller}: {len(x)} outputs but {len(t)} prompts; give one row for each")
    return x, t


def unit_rows(
    rows: ArrayLike,
    caller: str,
    *,
    zero: ZeroRows = "error",
    first: int = 0,
    whole: ArrayLike | None = None,
) -> tuple[FloatArray, NDArray[np.bool_]]:
    """Rows of length 1 in float64, and which of them are zero and stay so.

    Parameters
    ----------
    rows : array of shape (n, d)
        Cast to float64 before anything else.
    caller : str
        The function that an error names.
    zero : {"error", "drop", "orthogonal"}
        With "error", rows of zeros are refused; otherwise they are returned as zeros.
    first : int
        Number of the first row, for errors.
    whole : array of shape (rows, d), optional
        The rows that these are a part of, and that ``first`` counts: an error names its rows.

    Raises
    ------
    ValueError
        If a row is not finite, or zero with ``zero="error"``; it names the rows.

    Examples
    --------
    >>> unit_rows([[3.0, 4.0]], "f")[0]
    array([[0.6, 0.8]])
    """
    values = np.asarray(rows, dtype=np.float64)
    # A sum is finite only where all its terms are; the costly look is for the others.
    with np.errstate(over="ignore", invalid="ignore"):
        squares = np.einsum("ij,ij->i", values, values)
    if not np.isfinite(squares).all() or (squares < 1e-200).any():
        values, squares = _rescued(values, caller, zero, first, values if whole is None else whole)
    is_zero = squares == 0.0
    lengths = np.where(is_zero, 1.0, np.sqrt(squares))
    return values / lengths[:, np.newaxis], np.asarray(is_zero)


def read_weights(weights: ArrayLike | None, n: int, caller: str) -> FloatArray | None:
    """Weights of n items, scaled to sum to exactly 1; None stays None.

    Parameters
    ----------
    weights : array of shape (n,) or None
        At least 0, summing to 1 within 1e-6.
    n : int
        Number of items.
    caller : str
        The function that an error names.

    Raises
    ------
    ValueError
        If they are not so.

    Examples
    --------
    >>> read_weights([0.25, 0.75], 2, "f")
    array([0.25, 0.75])
    """
    if weights is None:
        return None
    p = np.asarray(weights, dtype=np.float64)
    if p.shape != (n,):
        raise ValueError(f"{caller}: expected {n} weights, got shape {p.shape}")
    bad = np.asarray(~np.isfinite(p) | (p < 0.0))
    if bad.any():
        raise ValueError(f"{caller}: weights negative or not finite: {named_rows(bad)}")
    total = float(p.sum())
    if abs(total - 1.0) > 1e-6:
        raise ValueError(f"{caller}: weights must sum to 1, their sum is {total:.9g}")
    return np.asarray(p / total)


def named_rows(flags: NDArray[np.bool_], first: int = 0) -> str:
    """Numbers of the flagged rows, ten at most.

    >>> named_rows(np.array([True, False, True]), first=10)
    '10, 12'
    """
    found = np.flatnonzero(flags) + first
    return ", ".join(map(str, found[:10])) + (
        f" and {found.size - 10} others" if found.size > 10 else ""
    )


def _rescued(
    values: FloatArray, caller: str, zero: ZeroRows, first: int, whole: ArrayLike
) -> tuple[FloatArray, FloatArray]:
    """Rows over their largest value, whose squares neither overflow nor vanish."""
    largest = np.abs(values).max(axis=1, keepdims=True)
    if not np.isfinite(largest).all():
        bad = np.asarray(~np.isfinite(np.asarray(whole)).all(axis=1))
        raise ValueError(f"{caller}: rows are not finite: {named_rows(bad, first)}")
    if zero == "error" and not largest.all():
        bad = np.asarray(~np.asarray(whole).any(axis=1))
        raise ValueError(
            f"{caller}: zero rows have no direction: {named_rows(bad, first)}; "
            "zero='drop' leaves them out, zero='orthogonal' takes each as a kind of its own"
        )
    values = values / np.where(largest == 0.0, 1.0, largest)
    return values, np.einsum("ij,ij->i", values, values)
