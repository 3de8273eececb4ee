"""Vendi scores of many equally large sets at once, such as the samples of each prompt."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

from evalsuite.metrics.hill import Order, hill_of_shares, read_orders
from evalsuite.metrics.vendi.eigenvalues import FLOAT64_EPS, FloatArray
from evalsuite.metrics.vendi.rows import ZeroRows, check_zero_rows
from evalsuite.metrics.vendi.scores import ORDERS

_CHUNK = 400_000
"""Features cast to float64 at a time: 3.2 MB, which stays near a core's cache."""


def vendi_scores_by_set(
    features: ArrayLike, *, orders: Sequence[Order] = ORDERS, zero: ZeroRows = "error"
) -> FloatArray:
    """`vendi_score` of each of many equally large sets, for several orders.

    Parameters
    ----------
    features : array of shape (P, S, d)
        P sets of S rows; each row is scaled to unit length in float64.
    orders : sequence of float or "inf"
    zero : {"error", "drop", "orthogonal"}
        What to do with rows of zeros: refuse them, leave them out of their set, or take each as a
        kind of its own.

    Returns
    -------
    array of shape (P, orders)

    Raises
    ------
    ValueError
        If the shape is another, or a row is not finite or, with ``zero="error"``, zero; it names
        set and row.

    Notes
    -----
    Batched Gram matrices of side min(S, d) and a batched symmetric solver, a few sets at a time.
    Where order 2 alone is asked for there is no solver.

    Examples
    --------
    >>> vendi_scores_by_set([[[1, 0], [0, 1]], [[1, 1], [2, 2]]], orders=(1, "inf")).round(12)
    array([[2., 2.],
           [1., 1.]])
    """
    caller = "vendi_scores_by_set"
    read = read_orders(orders, caller)
    check_zero_rows(zero, caller)
    stack = np.asarray(features)
    if stack.dtype.kind not in "biuf":
        raise ValueError(f"{caller}: expected real numbers, got dtype {stack.dtype}")
    if stack.ndim != 3 or not stack.size:
        raise ValueError(
            f"{caller}: expected features of shape (P, S, d), none of them 0, got {stack.shape}"
        )
    scores = np.empty((len(stack), len(read)))
    step = max(1, _CHUNK // (stack.shape[1] * max(stack.shape[1:])))
    buffer = np.empty((min(step, len(stack)), *stack.shape[1:]))
    for start in range(0, len(stack), step):
        part = stack[start : start + step]
        # One buffer for all chunks: fresh memory for each costs more than the casting.
        rows = buffer[: len(part)]
        np.copyto(rows, part, casting="unsafe")
        scores[start : start + step] = _set_scores(rows, start, read, zero)
    return scores


def _set_scores(
    rows: FloatArray, first: int, orders: tuple[float, ...], zero: ZeroRows
) -> FloatArray:
    matrices, is_zero = _cosines(rows, first, zero)
    n_kept = rows.shape[1] - (is_zero.sum(axis=1, keepdims=True) if zero == "drop" else 0)
    own = np.where(is_zero & (zero == "orthogonal"), 1.0 / n_kept, 0.0)
    matrices /= np.reshape(n_kept, (-1, 1, 1))
    if orders == (2.0,):
        squares = np.einsum("pij,pij->p", matrices, matrices) + np.square(own).sum(axis=1)
        return np.asarray(1.0 / squares)[:, np.newaxis]
    values = np.asarray(np.linalg.eigvalsh(matrices), dtype=np.float64)
    if own.any():
        values = np.concatenate([values, own], axis=1)
    tolerance = 10 * np.sqrt(values.shape[1]) * FLOAT64_EPS * values.max(axis=1, keepdims=True)
    values[values <= tolerance] = 0.0
    values /= values.sum(axis=1, keepdims=True)
    return np.stack([hill_of_shares(values, order) for order in orders], axis=1)


def _cosines(rows: FloatArray, first: int, zero: ZeroRows) -> tuple[FloatArray, NDArray[np.bool_]]:
    """Smaller Gram matrices of the unit rows of each set, and which rows are zero."""
    n_rows, width = rows.shape[1:]
    with np.errstate(over="ignore", invalid="ignore"):
        matrices = rows @ rows.transpose(0, 2, 1) if n_rows <= width else None
        if matrices is None:
            squares = np.einsum("pid,pid->pi", rows, rows)
        else:
            squares = np.einsum("pii->pi", matrices)
    if not (np.isfinite(squares).all() and squares.min() > 1e-200):
        rows = _scaled(rows, first, zero)
        squares = np.einsum("pid,pid->pi", rows, rows)
        matrices = rows @ rows.transpose(0, 2, 1) if n_rows <= width else None
    is_zero = squares == 0.0
    scale = 1.0 / np.sqrt(np.where(is_zero, 1.0, squares))
    if matrices is None:
        unit = rows * scale[:, :, np.newaxis]
        return unit.transpose(0, 2, 1) @ unit, is_zero
    # Scaling the small matrix is cheaper than scaling the rows.
    matrices *= scale[:, :, np.newaxis]
    matrices *= scale[:, np.newaxis, :]
    return matrices, is_zero


def _scaled(rows: FloatArray, first: int, zero: ZeroRows) -> FloatArray:
    """Rows over their largest value, so that their squares neither overflow nor vanish."""
    caller = "vendi_scores_by_set"
    bad = np.asarray(~np.isfinite(rows).all(axis=2))
    if bad.any():
        raise ValueError(f"{caller}: rows are not finite: {_named(bad, first)}")
    largest = np.abs(rows).max(axis=2, keepdims=True)
    is_zero = largest[:, :, 0] == 0.0
    if zero == "error" and is_zero.any():
        raise ValueError(f"{caller}: zero rows have no direction: {_named(is_zero, first)}")
    if zero == "drop" and is_zero.all(axis=1).any():
        empty = np.flatnonzero(is_zero.all(axis=1))[:5] + first
        raise ValueError(f"{caller}: all rows are zero in sets {empty.tolist()}")
    return np.asarray(rows / np.where(largest == 0.0, 1.0, largest))


def _named(flags: NDArray[np.bool_], first: int) -> str:
    found = np.argwhere(flags)
    names = [f"set {p + first} row {i}" for p, i in found[:5]]
    return ", ".join(names) + (f" and {len(found) - 5} others" if len(found) > 5 else "")
