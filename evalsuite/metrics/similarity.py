"""How far apart the embeddings of a set are, without looking at every pair."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

FloatArray = NDArray[np.float64]


def mean_pairwise_cosine_distance(features: ArrayLike) -> float:
    """Mean of 1 - cosine over all pairs of different rows.

    Parameters
    ----------
    features : array of shape (n, d), n >= 2
        Embeddings; any scale. A row of zeros has cosine 0 with every row.

    Returns
    -------
    float, in [0, 2]
        0 if all rows point the same way, 1 if they are orthogonal.

    Raises
    ------
    ValueError
        If the array is not two-dimensional, has fewer than two rows or values that are not finite.

    Notes
    -----
    The "Sentence-BERT diversity" of Kirk et al. (ICLR 2024, arXiv 2310.06452). With s the sum of
    the n unit rows, the mean cosine is ``(|s|^2 - n) / (n (n - 1))``; equally, the distance is the
    trace of the unit rows' covariance (ddof 1). The second form is computed, in float64 and O(nd),
    because it does not cancel where rows are nearly equal.

    Examples
    --------
    >>> mean_pairwise_cosine_distance([[1.0, 0.0], [0.0, 2.0]])
    1.0
    """
    rows, is_zero = _unit_rows(features, "mean_pairwise_cosine_distance")
    n = len(rows)
    if n < 2:
        raise ValueError(f"mean_pairwise_cosine_distance: needs at least 2 rows, got {n}")
    deviations = rows - rows.mean(axis=0)
    return float(_distance(np.vdot(deviations, deviations), np.sum(is_zero), np.asarray(n)))


def leave_one_out_mean_pairwise_cosine_distance(
    features: ArrayLike, *, groups: Sequence[Any] | NDArray[Any] | None = None
) -> FloatArray:
    """`mean_pairwise_cosine_distance` with each group of rows left out in turn, for a jackknife.

    Parameters
    ----------
    features : array of shape (n, d)
        As in `mean_pairwise_cosine_distance`.
    groups : sequence of n labels, optional
        The cluster of each row; by default each row is its own.

    Returns
    -------
    array of shape (groups,)
        In the order in which the groups first appear; NaN where fewer than two rows remain. O(nd).

    Raises
    ------
    ValueError
        As `mean_pairwise_cosine_distance`, or if there are not as many labels as rows.

    Examples
    --------
    >>> rows = [[1.0, 0.0], [0.0, 2.0], [0.0, 1.0]]
    >>> leave_one_out_mean_pairwise_cosine_distance(rows).round(9).tolist()
    [0.0, 1.0, 1.0]
    """
    caller = "leave_one_out_mean_pairwise_cosine_distance"
    rows, is_zero = _unit_rows(features, caller)
    n = len(rows)
    if n < 2:
        raise ValueError(f"{caller}: needs at least 2 rows, got {n}")
    labels = range(n) if groups is None else list(groups)
    if len(labels) != n:
        raise ValueError(f"{caller}: {n} rows but {len(labels)} group labels")
    numbers: dict[Any, int] = {}
    group = np.array([numbers.setdefault(label, len(numbers)) for label in labels])
    deviations = rows - rows.mean(axis=0)
    remaining = n - np.bincount(group)
    sums = np.zeros((len(numbers), rows.shape[1]))
    np.add.at(sums, group, deviations)
    squares = np.einsum("ij,ij->i", deviations, deviations)
    # Deviations sum to zero, so what stays behind sums to minus what a group takes with it.
    shift = np.einsum("ij,ij->i", sums, sums) / np.maximum(remaining, 1)
    scatter = np.maximum(squares.sum() - np.bincount(group, weights=squares) - shift, 0.0)
    zeros = is_zero.sum() - np.bincount(group, weights=is_zero)
    distances = _distance(scatter, zeros, np.maximum(remaining, 2))
    return np.where(remaining < 2, np.nan, distances)


def _distance(scatter: Any, n_zero: Any, n: Any) -> FloatArray:
    """Mean distance of n rows from the sum of their squared deviations from their mean."""
    # Zero rows are no unit rows: they lack 1 each in the sum of squares, which this puts back.
    distance = scatter / (n - 1) + n_zero / n
    # Equal rows differ from their mean by rounding: squares of about 1e-32. That is exactly 0.
    return np.where(distance < 1e-24, 0.0, np.minimum(distance, 2.0))


def _unit_rows(features: ArrayLike, caller: str) -> tuple[FloatArray, NDArray[np.bool_]]:
    """Rows scaled to length 1, and which of them are zero and stay so."""
    rows = np.asarray(features, dtype=np.float64)
    if rows.ndim != 2:
        raise ValueError(f"{caller}: expected an array of shape (n, d), got {rows.shape}")
    bad = np.flatnonzero(~np.isfinite(rows).all(axis=1))
    if bad.size:
        named = ", ".join(map(str, bad[:10])) + (", ..." if bad.size > 10 else "")
        raise ValueError(f"{caller}: values that are not finite in {bad.size} rows: {named}")
    # Scaled by the largest value first, so that the squares neither overflow nor vanish.
    largest = np.abs(rows).max(axis=1, initial=0.0, keepdims=True)
    is_zero = largest[:, 0] == 0.0
    rows = rows / np.where(largest == 0.0, 1.0, largest)
    norms = np.linalg.norm(rows, axis=1, keepdims=True)
    return rows / np.where(norms == 0.0, 1.0, norms), is_zero
