"""Vendi scores with each cluster of rows left out, for a jackknife over clusters."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from evalsuite.metrics.hill import Order, hill_of_shares, read_orders
from evalsuite.metrics.vendi.density import MAX_SIDE, Density, kernel_density
from evalsuite.metrics.vendi.eigenvalues import FloatArray
from evalsuite.metrics.vendi.rows import BLOCK, read_rows, unit_rows
from evalsuite.metrics.vendi.scores import ORDERS
from evalsuite.metrics.vendi.spectrum import feature_density

Clusters = Sequence[Any] | NDArray[Any]

EXACT_WORK = 200 * 1000**3
"""Clusters times the cube of a matrix side up to which each score is solved anew: some 20 seconds
of one core, for 3500 clusters of rows of 384 features or 440 of 768."""


@dataclass(frozen=True, eq=False)
class LeftOutScores:
    """Pooled Vendi scores, whole and with each cluster left out.

    Parameters
    ----------
    orders : tuple of float
    whole : array of shape (orders,)
        Scores of all rows.
    left_out : array of shape (clusters, orders)
        Scores without each cluster, in the order in which the clusters first appear.
    sizes : array of shape (clusters,)
        Rows of each cluster.
    is_exact : tuple of bool
        For each order, whether the scores were solved anew; otherwise they are first-order.
    """

    orders: tuple[float, ...]
    whole: FloatArray
    left_out: FloatArray
    sizes: NDArray[np.int64]
    is_exact: tuple[bool, ...]


def left_out_vendi_scores(
    features: ArrayLike,
    *,
    clusters: Clusters | None = None,
    orders: Sequence[Order] = ORDERS,
    exact: bool | None = None,
    max_side: int = MAX_SIDE,
) -> LeftOutScores:
    """`vendi_scores` of all rows, and without each cluster of rows in turn.

    Parameters
    ----------
    features : array of shape (n, d)
        Rows are scaled to unit length.
    clusters : sequence of n labels, at least two different, optional
        What was sampled independently, such as prompts; by default each row is its own.
    orders : sequence of float or "inf"
    exact : bool, optional
        Whether each score is solved anew; by default where clusters times the cube of
        min(n, d) is at most `EXACT_WORK`.
    max_side : int
        Refused where both n and d are larger.

    Returns
    -------
    LeftOutScores

    Raises
    ------
    ValueError
        If there are fewer than two clusters, or rows are not finite or zero.

    Notes
    -----
    The first-order way keeps the eigenvectors u_k of the whole and moves its eigenvalues to
    ``(n l_k - sum_c (u_k . x_i)^2) / (n - n_c)``, which is the infinitesimal jackknife (the
    influence of a row is ``x' f'(rho) x - tr f'(rho) rho``) but for the curvature of f. That
    matters: the new values are still a spectrum, and as f is concave (order <= 1) or convex
    (order > 1), they are never further from the truth than the derivative of f. They never
    understate a score. Order 2 is exact either way: it is a polynomial of the matrix.

    Standard errors of a jackknife over first-order scores, relative to exact ones, measured for 50
    to 200 clusters with slowly falling spectra: 0.1-0.8 at order 0.1, 0.6-0.9 at 0.5, 0.7-1.2 at 1,
    1 at 2, and 1.0-2.9 at inf (where the largest eigenvalues are close). Order 0 has none: a
    rank is only seen to fall where a cluster owns an eigenvector. So where there are too many
    clusters to solve for each, merge them at random into 50 groups and leave those out exactly.

    Examples
    --------
    >>> found = left_out_vendi_scores([[1, 0], [0, 1], [0, 2]], orders=(2,))
    >>> found.whole.round(6), found.left_out[:, 0].round(6)
    (array([1.8]), array([1., 2., 2.]))
    """
    caller = "left_out_vendi_scores"
    read = read_orders(orders, caller)
    rows, _ = unit_rows(read_rows(features, caller), caller)
    n, d = rows.shape
    density = feature_density(rows, max_side=max_side, caller=caller)
    if n <= d:
        return _from_kernel(density, clusters, read, exact, caller)
    members = _members(clusters, n, caller)
    whole = density.spectrum(caller=caller).scores(read)
    # Both ways take the rows of a cluster away from one sum over all rows.
    if _is_exact(exact, len(members), d):
        left_out = np.array(
            [_without(density, rows[at]).spectrum(caller=caller).scores(read) for at in members]
        )
        return _result(read, whole, left_out, members, solved=True)
    values, vectors = np.linalg.eigh(density.matrix)
    mass = np.zeros((len(members), d))
    for c, at in enumerate(members):
        for start in range(0, len(at), BLOCK):
            mass[c] += np.square(rows[at[start : start + BLOCK]] @ vectors).sum(axis=0)
    own = np.array([_own_squares(rows[at]) for at in members])
    left_out = _first_order(values, mass, own, n, read)
    return _result(read, whole, left_out, members, solved=False)


def left_out_vendi_scores_from_kernel(
    kernel: ArrayLike,
    *,
    clusters: Clusters | None = None,
    orders: Sequence[Order] = ORDERS,
    exact: bool | None = None,
    max_side: int = MAX_SIDE,
) -> LeftOutScores:
    """`left_out_vendi_scores` of a similarity matrix.

    Parameters
    ----------
    kernel : array of shape (n, n)
        Symmetric, positive semidefinite, with ones on the diagonal.
    clusters, orders, exact, max_side
        As for `left_out_vendi_scores`, with n for min(n, d).

    Raises
    ------
    ValueError
        If the matrix is not such a kernel or there are fewer than two clusters.

    Examples
    --------
    >>> left_out_vendi_scores_from_kernel(np.eye(4), orders=(1,)).left_out[:, 0].round(6)
    array([3., 3., 3., 3.])
    """
    caller = "left_out_vendi_scores_from_kernel"
    read = read_orders(orders, caller)
    density = kernel_density(kernel, max_side=max_side, caller=caller)
    return _from_kernel(density, clusters, read, exact, caller)


def _from_kernel(
    density: Density,
    clusters: Clusters | None,
    orders: tuple[float, ...],
    exact: bool | None,
    caller: str,
) -> LeftOutScores:
    """From the n x n density matrix, in which leaving rows out is taking a submatrix."""
    rho, n = density.matrix, density.n_items
    members = _members(clusters, n, caller)
    whole = density.spectrum(caller=caller).scores(orders)
    if _is_exact(exact, len(members), n):
        rest = (np.setdiff1d(np.arange(n), at, assume_unique=True) for at in members)
        parts = (Density(rho[np.ix_(r, r)] * (n / r.size), r.size, eps=density.eps) for r in rest)
        left_out = np.array([part.spectrum(caller=caller).scores(orders) for part in parts])
        return _result(orders, whole, left_out, members, solved=True)
    values, vectors = np.linalg.eigh(rho)
    values = np.maximum(values, 0.0)
    squares = np.square(vectors)
    mass = n * values * np.array([squares[at].sum(axis=0) for at in members])
    own = np.array([np.square(rho[np.ix_(at, at)]).sum() for at in members]) * n**2
    left_out = _first_order(values, mass, own, n, orders)
    return _result(orders, whole, left_out, members, solved=False)


def _first_order(
    values: FloatArray, mass: FloatArray, own: FloatArray, n: int, orders: tuple[float, ...]
) -> FloatArray:
    """Scores from moved eigenvalues; what each cluster adds to each eigenvalue is its mass.

    ``own`` is the sum of squared similarities inside each cluster.
    """
    sizes = mass.sum(axis=1).round()
    left = (n - sizes)[:, np.newaxis]
    moved = np.maximum(n * values - mass, 0.0) / left
    # What is left of an eigenvalue that a cluster takes away is rounding of the whole.
    tolerance = 10 * np.sqrt(values.size) * np.finfo(np.float64).eps * values.max() * n / left
    moved = np.where(moved > tolerance, moved, 0.0)
    moved /= moved.sum(axis=1, keepdims=True)
    squares = n**2 * np.square(values).sum() - 2 * n * (mass @ values) + own
    scores = [
        left[:, 0] ** 2 / squares if order == 2.0 else hill_of_shares(moved, order)
        for order in orders
    ]
    return np.stack(scores, axis=1)


def _without(density: Density, rows: FloatArray) -> Density:
    n, rest = density.n_items, density.n_items - len(rows)
    matrix = (n * density.matrix - rows.T @ rows) / rest
    # The rounding of the whole stays, while what is left of it may be small.
    return Density(matrix, n_items=rest, eps=density.eps * n / rest)


def _own_squares(rows: FloatArray) -> float:
    """Sum of the squared similarities among some rows, from the smaller Gram matrix."""
    gram = rows @ rows.T if len(rows) <= rows.shape[1] else rows.T @ rows
    return float(np.vdot(gram, gram))


def _is_exact(exact: bool | None, n_clusters: int, side: int) -> bool:
    return n_clusters * side**3 <= EXACT_WORK if exact is None else exact


def _members(clusters: Clusters | None, n: int, caller: str) -> list[NDArray[np.int64]]:
    """Rows of each cluster, in the order in which the clusters first appear."""
    labels = range(n) if clusters is None else list(clusters)
    if len(labels) != n:
        raise ValueError(f"{caller}: {n} rows but {len(labels)} cluster labels")
    found: dict[Any, list[int]] = {}
    for row, label in enumerate(labels):
        found.setdefault(label, []).append(row)
    if len(found) < 2:
        raise ValueError(f"{caller}: leaving one out needs at least two clusters, got {len(found)}")
    return [np.array(rows, dtype=np.int64) for rows in found.values()]


def _result(
    orders: tuple[float, ...],
    whole: FloatArray,
    left_out: FloatArray,
    members: list[NDArray[np.int64]],
    *,
    solved: bool,
) -> LeftOutScores:
    return LeftOutScores(
        orders=orders,
        whole=whole,
        left_out=left_out,
        sizes=np.array([at.size for at in members]),
        is_exact=tuple(solved or order == 2.0 for order in orders),
    )
