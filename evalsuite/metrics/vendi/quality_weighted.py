"""Quality-weighted Vendi scores and the selection of items that have a high one."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from evalsuite.metrics.hill import Order, read_order, read_orders
from evalsuite.metrics.vendi.rows import ZeroRows, named_rows
from evalsuite.metrics.vendi.scores import ORDERS, vendi_score, vendi_scores_from_kernel
from evalsuite.metrics.vendi.spectrum import (
    MAX_SIDE,
    FloatArray,
    NotPSD,
    kernel_density,
    spectrum_of_eigenvalues,
)

_CELLS = 2_000_000
"""Similarities of candidate sets held at a time: 16 MB."""

_TIE = 1e-12
"""Scores closer than this, relatively, are tied."""


@dataclass(frozen=True, eq=False)
class GreedySelection:
    """Items in the order in which they were chosen.

    Parameters
    ----------
    indices : tuple of int
    scores : array of shape (size,)
        Quality-weighted Vendi score of the first 1, 2, ... of them. It may fall: each step takes
        the best item that is left, even where none raises the score.
    order : float
    """

    indices: tuple[int, ...]
    scores: FloatArray
    order: float


def quality_weighted_vendi(
    features: ArrayLike,
    quality: ArrayLike,
    *,
    q: Order = 1.0,
    zero: ZeroRows = "error",
    eig_tol: float | None = None,
) -> float:
    """Mean quality times the Vendi score of rows under the cosine kernel.

    Parameters
    ----------
    features : array of shape (n, d)
    quality : array of shape (n,)
        At least 0.
    q : float or "inf"
    zero : {"error", "orthogonal"}
        What to do with rows of zeros; their quality counts, so they cannot be left out.
    eig_tol : float, optional
        Up to which size an eigenvalue is 0.

    Raises
    ------
    ValueError
        If a quality is negative or not finite, or as for `vendi_score`.

    Notes
    -----
    Nguyen and Dieng (2024, arXiv 2405.02449).

    Examples
    --------
    >>> quality_weighted_vendi([[1.0, 0.0], [0.0, 1.0]], [0.5, 1.0], q=2)
    1.5
    """
    caller = "quality_weighted_vendi"
    if zero == "drop":
        raise ValueError(f"{caller}: zero must be 'error' or 'orthogonal', got 'drop'")
    s = _read_quality(quality, len(np.asarray(features)), caller)
    return float(s.mean()) * vendi_score(features, q=q, zero=zero, eig_tol=eig_tol)


def quality_weighted_vendi_from_kernel(
    kernel: ArrayLike,
    quality: ArrayLike,
    *,
    q: Order = 1.0,
    psd: NotPSD = "error",
    eig_tol: float | None = None,
) -> float:
    """`quality_weighted_vendi` of a similarity matrix.

    Parameters
    ----------
    kernel : array of shape (n, n)
        Symmetric, positive semidefinite, with ones on the diagonal.
    quality : array of shape (n,)
        At least 0.
    q : float or "inf"
    psd : {"error", "clip"}
        What to do with a kernel that is not positive semidefinite.
    eig_tol : float, optional
        Up to which size an eigenvalue is 0.

    Examples
    --------
    >>> quality_weighted_vendi_from_kernel([[1, 0], [0, 1]], [0.5, 1.0], q="inf")
    1.5
    """
    caller = "quality_weighted_vendi_from_kernel"
    s = _read_quality(quality, len(np.asarray(kernel)), caller)
    scores = vendi_scores_from_kernel(kernel, orders=(q,), psd=psd, eig_tol=eig_tol)
    return float(s.mean() * scores.values[0])


def quality_weighted_vendi_by_set(
    kernels: Sequence[ArrayLike] | ArrayLike,
    qualities: Sequence[ArrayLike] | ArrayLike,
    *,
    orders: Sequence[Order] = ORDERS,
    psd: NotPSD = "error",
) -> FloatArray:
    """`quality_weighted_vendi_from_kernel` of many sets, which may differ in size.

    Parameters
    ----------
    kernels : sequence of arrays of shape (n_p, n_p), or array of shape (P, n, n)
    qualities : sequence of arrays of shape (n_p,), or array of shape (P, n)
    orders : sequence of float or "inf"
    psd : {"error", "clip"}
        What to do with a kernel that is not positive semidefinite.

    Returns
    -------
    array of shape (P, orders)

    Raises
    ------
    ValueError
        If there are not as many qualities as kernels, or as for one set; it names the set.

    Examples
    --------
    >>> quality_weighted_vendi_by_set([np.eye(2), np.ones((3, 3))], [[1, 1], [1, 2, 3]], orders=[2])
    array([[2.],
           [2.]])
    """
    caller = "quality_weighted_vendi_by_set"
    read = read_orders(orders, caller)
    sets, given = list(kernels), list(qualities)  # type: ignore[arg-type]
    if len(sets) != len(given) or not sets:
        raise ValueError(f"{caller}: {len(sets)} kernels but {len(given)} sets of qualities")
    scores = np.empty((len(sets), len(read)))
    for p, (kernel, quality) in enumerate(zip(sets, given, strict=True)):
        try:
            mean = _read_quality(quality, len(np.asarray(kernel)), caller).mean()
            scores[p] = mean * vendi_scores_from_kernel(kernel, orders=read, psd=psd).values
        except ValueError as error:
            raise ValueError(f"{caller}: set {p}: {error}") from error
    return scores


def greedy_selection(
    kernel: ArrayLike,
    quality: ArrayLike,
    *,
    size: int,
    q: Order = 1.0,
    max_side: int = MAX_SIDE,
) -> GreedySelection:
    """Choose items one by one, each the one that makes the quality-weighted score the highest.

    Parameters
    ----------
    kernel : array of shape (n, n)
        Symmetric, positive semidefinite, with ones on the diagonal.
    quality : array of shape (n,)
        At least 0.
    size : int
        How many to choose, between 1 and n.
    q : float or "inf"
    max_side : int
        Larger kernels are refused.

    Raises
    ------
    ValueError
        If the kernel is not so, a quality is negative or not finite, or the size is out of range.

    Notes
    -----
    Nguyen and Dieng (2024, arXiv 2405.02449), whose code returns the candidate that it scanned
    last in place of the best. Ties, up to 1e-12 of the score, go to the lowest index. Order 2 keeps
    sums of squares, ``O(n)`` a step; others solve a matrix for each candidate.

    Examples
    --------
    >>> greedy_selection([[1, 0.9, 0], [0.9, 1, 0], [0, 0, 1]], [1.0, 1.0, 0.8], size=2).indices
    (0, 2)
    """
    caller = "greedy_selection"
    order = read_order(q, caller)
    density = kernel_density(kernel, max_side=max_side, caller=caller)
    if not density.is_surely_psd():
        density.spectrum(caller=caller)
    similarity = density.matrix * density.n_items
    s = _read_quality(quality, len(similarity), caller)
    if not 1 <= size <= len(s):
        raise ValueError(f"{caller}: size must lie in 1 to {len(s)}, got {size!r}")
    chosen: list[int] = []
    scores = []
    squares = np.zeros(len(s))  # of the similarities of each item to those chosen
    total = 0.0  # of the squared similarities among those chosen
    for step in range(1, size + 1):
        left = np.setdiff1d(np.arange(len(s)), chosen)
        if order == 2.0:
            vendi = step**2 / (total + 2.0 * squares[left] + 1.0)
        else:
            vendi = _bordered_scores(similarity, chosen, left, order, density.eps, caller)
        weighted = (s[chosen].sum() + s[left]) / step * vendi
        best = int(np.flatnonzero(weighted >= weighted.max() * (1.0 - _TIE))[0])
        total += 2.0 * squares[left[best]] + 1.0
        squares += np.square(similarity[left[best]])
        chosen.append(int(left[best]))
        scores.append(float(weighted[best]))
    return GreedySelection(tuple(chosen), np.array(scores), order)


def _bordered_scores(
    similarity: FloatArray,
    chosen: list[int],
    left: NDArray[np.int64],
    order: float,
    eps: float,
    caller: str,
) -> FloatArray:
    """Vendi scores of the chosen items with each of those that are left."""
    among = np.array(chosen, dtype=np.int64)
    side = among.size + 1
    scores = np.empty(len(left))
    step = max(1, _CELLS // side**2)
    for start in range(0, len(left), step):
        part = left[start : start + step]
        matrices = np.empty((len(part), side, side))
        matrices[:, :-1, :-1] = similarity[np.ix_(among, among)]
        matrices[:, -1, :-1] = similarity[np.ix_(part, among)]
        matrices[:, :-1, -1] = matrices[:, -1, :-1]
        matrices[:, -1, -1] = similarity[part, part]
        values = np.linalg.eigvalsh(matrices / side)
        scores[start : start + step] = [
            spectrum_of_eigenvalues(each, eps=eps, caller=caller).score(order) for each in values
        ]
    return scores


def _read_quality(quality: ArrayLike, n: int, caller: str) -> FloatArray:
    s = np.asarray(quality, dtype=np.float64)
    if s.shape != (n,):
        raise ValueError(f"{caller}: expected {n} qualities, got shape {s.shape}")
    bad = np.asarray(~np.isfinite(s) | (s < 0.0))
    if bad.any():
        raise ValueError(f"{caller}: qualities negative or not finite: {named_rows(bad)}")
    return s
