"""Ranks that say how far they can be told apart."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

BoolArray = NDArray[np.bool_]


@dataclass(frozen=True)
class RankInterval:
    """The ranks that significant differences leave open to an entrant; 1 is the best.

    Parameters
    ----------
    low, high : int
        Ends of the interval, both included.
    tied_with_best : bool
        Whether it has a score and is significantly worse than no other: ``low`` is 1.
    """

    low: int
    high: int
    tied_with_best: bool


def rank_intervals(wins: ArrayLike, scores: ArrayLike) -> tuple[RankInterval, ...]:
    """Rank interval of each of N entrants from who is significantly better than whom.

    The lowest rank is 1 + the number of entrants significantly better, the highest N - the number
    significantly worse. Differences need not be transitive: a may beat c, and b be told apart from
    neither.

    Parameters
    ----------
    wins : boolean array of shape (N, N)
        ``wins[i, j]`` where i is significantly better than j, after correction for all pairs.
    scores : array of shape (N,)
        Higher is better; NaN is no score, and ties with nothing.

    Returns
    -------
    tuple of RankInterval
        One an entrant, in their order.

    Raises
    ------
    ValueError
        If the matrix is not square and boolean, an entrant beats itself, two beat each other, or
        there is not one score an entrant.

    Examples
    --------
    >>> wins = [[False, False, True], [False, False, False], [False, False, False]]
    >>> for rank in rank_intervals(wins, [0.9, 0.8, 0.7]):
    ...     print(rank.low, rank.high, rank.tied_with_best)
    1 2 True
    1 3 True
    2 3 False
    """
    matrix, values = _as_wins(wins), np.asarray(scores, dtype=np.float64)
    n = len(matrix)
    if values.shape != (n,):
        raise ValueError(f"rank_intervals: {n} entrants but scores of shape {values.shape}")
    better, worse = matrix.sum(axis=0), matrix.sum(axis=1)
    tied = (better == 0) & ~np.isnan(values)
    return tuple(
        RankInterval(1 + int(better[i]), n - int(worse[i]), bool(tied[i])) for i in range(n)
    )


def _as_wins(wins: ArrayLike) -> BoolArray:
    matrix = np.asarray(wins)
    if matrix.ndim != 2 or matrix.shape[0] != matrix.shape[1] or not matrix.size:
        raise ValueError(f"rank_intervals: expected shape (N, N), N >= 1, got {matrix.shape}")
    if matrix.dtype != np.bool_:
        raise ValueError(f"rank_intervals: expected booleans, got {matrix.dtype}")
    if matrix.diagonal().any():
        raise ValueError(f"rank_intervals: entrant {matrix.diagonal().argmax()} beats itself")
    both = np.argwhere(matrix & matrix.T)
    if both.size:
        raise ValueError(f"rank_intervals: entrants {both[0][0]} and {both[0][1]} beat each other")
    return np.asarray(matrix, dtype=np.bool_)
