"""How a Vendi score grows with the number of items."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from evalsuite.metrics.hill import Order, read_order
from evalsuite.metrics.vendi.eigenvalues import FloatArray
from evalsuite.metrics.vendi.rows import read_rows, unit_rows
from evalsuite.metrics.vendi.scores import vendi_score


@dataclass(frozen=True, eq=False)
class SizeSweep:
    """Vendi scores of random subsets by their size.

    Parameters
    ----------
    order : float
    sizes : tuple of int
    mean : array of shape (sizes,)
        Mean score of the subsets of each size.
    spread : array of shape (sizes,)
        Standard deviation over the subsets; 0 at the size of the whole, of which there is one. It
        says how subsets of these rows differ, not how the rows were drawn.
    repeats : int
        Subsets of each size.
    """

    order: float
    sizes: tuple[int, ...]
    mean: FloatArray
    spread: FloatArray
    repeats: int


def n_sweep(
    features: ArrayLike,
    *,
    order: Order = 1.0,
    sizes: Sequence[int] | None = None,
    repeats: int = 20,
    rng: np.random.Generator,
) -> SizeSweep:
    """Vendi score at several sample sizes, over random subsets without replacement.

    A score of order <= 1 grows with n; where it still does between n/2 and n, it says how large
    the sample is. Subsets are drawn without replacement because duplicates lower the score.

    Parameters
    ----------
    features : array of shape (n, d), n >= 4
        Rows are scaled to unit length.
    order : float or "inf"
    sizes : sequence of int, optional
        Between 1 and n; n // 4, n // 2 and n by default.
    repeats : int
        Subsets of each size, at least 2.
    rng : numpy.random.Generator
        Draws the subsets.

    Raises
    ------
    ValueError
        If a size or the number of repeats is out of range, or rows are not finite or zero.

    Examples
    --------
    >>> sweep = n_sweep(np.eye(8), repeats=2, rng=np.random.default_rng(0))
    >>> sweep.sizes, sweep.mean.round(6)
    ((2, 4, 8), array([2., 4., 8.]))
    """
    caller = "n_sweep"
    q = read_order(order, caller)
    rows, _ = unit_rows(read_rows(features, caller), caller)
    n = len(rows)
    if sizes is None and n < 4:
        raise ValueError(f"{caller}: quarters need at least 4 rows, got {n}")
    chosen = (n // 4, n // 2, n) if sizes is None else tuple(int(size) for size in sizes)
    if not chosen or min(chosen) < 1 or max(chosen) > n:
        raise ValueError(f"{caller}: sizes must lie in 1 to {n}, got {chosen}")
    if repeats < 2:
        raise ValueError(f"{caller}: repeats must be at least 2, got {repeats}")
    scores = [_subset_scores(rows, size, q, repeats, rng) for size in chosen]
    return SizeSweep(
        order=q,
        sizes=chosen,
        mean=np.array([found.mean() for found in scores]),
        spread=np.array([found.std(ddof=1) if found.size > 1 else 0.0 for found in scores]),
        repeats=repeats,
    )


def _subset_scores(
    rows: FloatArray, size: int, order: float, repeats: int, rng: np.random.Generator
) -> NDArray[np.float64]:
    if size == len(rows):
        return np.array([vendi_score(rows, q=order)])
    return np.array(
        [
            vendi_score(rows[rng.choice(len(rows), size, replace=False)], q=order)
            for _ in range(repeats)
        ]
    )
