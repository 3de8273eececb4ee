"""Reading counts of classes: one sample, or a matrix of many."""

import numpy as np
from numpy.typing import ArrayLike, NDArray

from evalsuite.stats.clusters import FloatArray, IntArray

MAX_TOTAL = 10_000_000
"""More observations than this in one sample are refused: tables grow with the number."""


def read_counts(counts: ArrayLike, caller: str) -> IntArray:
    """The counts above zero of one sample, largest first.

    The order of classes means nothing; a fixed one makes intervals that draw random numbers
    independent of it.

    Parameters
    ----------
    counts : array of shape (classes,)
        Whole numbers, at least 0; floats are accepted where they are whole.
    caller : str
        The function that an error names.

    Raises
    ------
    ValueError
        If a count is negative, not finite or not whole, if there is no observation at all, or more
        than 10 million.

    Examples
    --------
    >>> read_counts([2, 0, 5.0], "f")
    array([5, 2])
    """
    array = np.asarray(counts)
    if array.ndim != 1:
        raise ValueError(f"{caller}: expected counts of shape (classes,), got {array.shape}")
    whole = _read_whole(array, caller)
    return np.sort(whole[whole > 0])[::-1].copy()


def read_count_matrix(counts: ArrayLike, caller: str) -> IntArray:
    """The counts of many samples, each a row with the largest first.

    Parameters
    ----------
    counts : array of shape (units, classes)
        As in `read_counts`; columns need not mean the same class in every row.
    caller : str
        The function that an error names.

    Raises
    ------
    ValueError
        As in `read_counts`, for any row.

    Examples
    --------
    >>> read_count_matrix([[1, 0, 3], [0, 2, 0]], "f")
    array([[3, 1, 0],
           [2, 0, 0]])
    """
    array = np.asarray(counts)
    if array.ndim != 2 or not array.shape[0]:
        raise ValueError(f"{caller}: expected counts of shape (units, classes), got {array.shape}")
    return np.sort(_read_whole(array, caller), axis=1)[:, ::-1].copy()


def read_category_counts(counts: ArrayLike, caller: str) -> FloatArray:
    """Counts of named categories, in their order, for one unit or many.

    Parameters
    ----------
    counts : array of shape (categories,) or (units, categories), categories >= 2
        Whole numbers, at least 0; a unit may have none at all.
    caller : str
        The function that an error names.

    Raises
    ------
    ValueError
        If there are fewer than two categories, or counts are not whole and at least 0.

    Examples
    --------
    >>> read_category_counts([2, 0, 5], "f")
    array([2., 0., 5.])
    """
    x = np.asarray(counts, dtype=np.float64)
    if x.ndim not in (1, 2) or not x.size or x.shape[-1] < 2:
        raise ValueError(f"{caller}: expected counts of at least 2 categories, got {x.shape}")
    if not (np.isfinite(x).all() and (x >= 0).all() and (x == np.floor(x)).all()):
        raise ValueError(f"{caller}: counts must be whole numbers of at least 0")
    return x


def rare_counts(matrix: IntArray) -> tuple[IntArray, IntArray]:
    """How many classes of each row were seen exactly once, and how many exactly twice.

    >>> rare_counts(np.array([[5, 2, 1, 1, 0]]))
    (array([2]), array([1]))
    """
    return (matrix == 1).sum(axis=1), (matrix == 2).sum(axis=1)


def read_n_classes(n_classes: int | None, n_seen: int, caller: str) -> int | None:
    """Check the size of a closed label set against the number of labels seen.

    Raises
    ------
    ValueError
        If it is not a whole number, below one, or below the number of labels seen.
    """
    if n_classes is None:
        return None
    if int(n_classes) != n_classes or n_classes < max(1, n_seen):
        raise ValueError(f"{caller}: {n_seen} classes were seen, got n_classes={n_classes}")
    return int(n_classes)


def _read_whole(array: NDArray[np.generic], caller: str) -> IntArray:
    if not (array.dtype == bool or np.issubdtype(array.dtype, np.number)):
        raise ValueError(f"{caller}: counts must be numbers, got {array.dtype}")
    if np.issubdtype(array.dtype, np.complexfloating):
        raise ValueError(f"{caller}: counts must be real, got {array.dtype}")
    values: FloatArray = array.astype(np.float64)
    if not np.isfinite(values).all():
        raise ValueError(f"{caller}: {(~np.isfinite(values)).sum()} counts are not finite")
    if (values < 0).any():
        raise ValueError(f"{caller}: counts must be at least 0, got {values.min():g}")
    if (values != np.floor(values)).any():
        odd = values[values != np.floor(values)][0]
        raise ValueError(f"{caller}: counts must be whole numbers, got {odd:g}")
    totals = values.sum(axis=-1)
    if (totals < 1).any():
        raise ValueError(f"{caller}: no observations, every count is 0")
    if (totals > MAX_TOTAL).any():
        raise ValueError(f"{caller}: at most {MAX_TOTAL} observations, got {totals.max():.0f}")
    return values.astype(np.int64)
