"""Vendi scores of features, kernels and blocks of rows: one order, or all from one spectrum."""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from numpy.typing import ArrayLike

from evalsuite.metrics.hill import Order, read_order, read_orders
from evalsuite.metrics.vendi.density import MAX_SIDE, kernel_density
from evalsuite.metrics.vendi.eigenvalues import FloatArray, NotPSD, Spectrum, check_psd
from evalsuite.metrics.vendi.gram import StreamedGram
from evalsuite.metrics.vendi.rows import ZeroRows
from evalsuite.metrics.vendi.spectrum import feature_density

ORDERS: tuple[float, ...] = (0.1, 0.5, 1.0, 2.0, math.inf)
"""Orders reported by default: small ones see rare kinds, inf sees only the most common."""


@dataclass(frozen=True, eq=False)
class VendiScores:
    """Scores of several orders, and the spectrum they were read off.

    Parameters
    ----------
    orders : tuple of float
    values : array of shape (orders,)
    spectrum : Spectrum
        With rank, tolerance, smallest eigenvalue and trace error for the result row.

    Examples
    --------
    >>> scores = vendi_scores([[1.0, 0.0], [0.0, 1.0]])
    >>> scores[2], scores["inf"]
    (2.0, 2.0)
    """

    orders: tuple[float, ...]
    values: FloatArray
    spectrum: Spectrum

    def __getitem__(self, q: Order) -> float:
        order = read_order(q, "VendiScores")
        if order not in self.orders:
            raise KeyError(f"VendiScores: no order {q}, there are {self.orders}")
        return float(self.values[self.orders.index(order)])


def vendi_score(
    features: ArrayLike,
    *,
    q: Order = 1.0,
    weights: ArrayLike | None = None,
    zero: ZeroRows = "error",
    eig_tol: float | None = None,
    max_side: int = MAX_SIDE,
) -> float:
    """Vendi score of rows under the cosine kernel: their effective number of different kinds.

    Parameters
    ----------
    features : array of shape (n, d)
        Embeddings on any scale; the whole way is float64. A row and its negative are one kind.
    q : float or "inf"
        Order of the Hill number of the eigenvalues of ``K / n``. 0 is the rank; small orders weigh
        rare kinds, 2 is the inverse mean squared similarity, inf sees duplication only.
    weights : array of shape (n,), optional
        At least 0, summing to 1; ``1 / n`` by default.
    zero : {"error", "drop", "orthogonal"}
        What to do with rows of zeros: refuse them, leave them out, or take each as its own kind.
    eig_tol : float, optional
        Eigenvalues up to this count as 0; ``10 sqrt(m) eps`` times the largest by default.
    max_side : int
        Refused where both n and d are larger.

    Returns
    -------
    float, between 1 and n
        Grows with n for q <= 1: compare at equal n, see `n_sweep`.

    Raises
    ------
    ValueError
        If there are no rows, or rows are not finite or, with ``zero="error"``, zero.

    Notes
    -----
    Friedman and Dieng (TMLR 2023, arXiv 2210.02410), definition 3.1; orders of Pasarkar and Dieng
    (AISTATS 2024, arXiv 2310.12952). Order 2 is a Frobenius norm and solves for no eigenvalues.

    Examples
    --------
    >>> round(vendi_score([[100, 0], [99, 1], [1, 99], [0, 100]]), 12)
    1.999897991279
    """
    caller = "vendi_score"
    order = read_order(q, caller)
    density = feature_density(
        features, weights=weights, zero=zero, max_side=max_side, caller=caller
    )
    if order == 2.0 and eig_tol is None:
        return 1.0 / density.sum_of_squares()
    return density.spectrum(eig_tol=eig_tol, caller=caller).score(order)


def vendi_score_from_kernel(
    kernel: ArrayLike,
    *,
    q: Order = 1.0,
    weights: ArrayLike | None = None,
    psd: NotPSD = "error",
    eig_tol: float | None = None,
    max_side: int = MAX_SIDE,
) -> float:
    """`vendi_score` of a similarity matrix.

    Parameters
    ----------
    kernel : array of shape (n, n)
        Symmetric, positive semidefinite, with ones on the diagonal (`normalize_kernel` makes them).
    q, weights, eig_tol
        As for `vendi_score`; the machine epsilon is that of the dtype of the kernel.
    psd : {"error", "clip"}
        What to do with a kernel that is not positive semidefinite: refuse it, or set its negative
        eigenvalues to 0 and scale the others to sum to 1.
    max_side : int
        Larger kernels are refused; work in feature space instead.

    Raises
    ------
    ValueError
        If the matrix is not such a kernel.

    Examples
    --------
    >>> round(vendi_score_from_kernel([[1, 0.9, 0], [0.9, 1, 0], [0, 0, 1]]), 6)
    2.1573
    """
    caller = "vendi_score_from_kernel"
    order = read_order(q, caller)
    check_psd(psd, caller)
    density = kernel_density(kernel, weights=weights, max_side=max_side, caller=caller)
    if order == 2.0 and eig_tol is None and density.is_surely_psd():
        return 1.0 / density.sum_of_squares()
    return density.spectrum(psd=psd, eig_tol=eig_tol, caller=caller).score(order)


def vendi_scores(
    features: ArrayLike,
    *,
    orders: Sequence[Order] = ORDERS,
    weights: ArrayLike | None = None,
    zero: ZeroRows = "error",
    eig_tol: float | None = None,
    max_side: int = MAX_SIDE,
) -> VendiScores:
    """`vendi_score` of several orders from one spectrum.

    Examples
    --------
    >>> vendi_scores([[1.0, 0.0], [0.5, 0.75**0.5]]).values.round(6)
    array([1.97159 , 1.866025, 1.754765, 1.6     , 1.333333])
    """
    caller = "vendi_scores"
    read = read_orders(orders, caller)
    density = feature_density(
        features, weights=weights, zero=zero, max_side=max_side, caller=caller
    )
    return _scores(read, density.spectrum(eig_tol=eig_tol, caller=caller))


def vendi_scores_from_kernel(
    kernel: ArrayLike,
    *,
    orders: Sequence[Order] = ORDERS,
    weights: ArrayLike | None = None,
    psd: NotPSD = "error",
    eig_tol: float | None = None,
    max_side: int = MAX_SIDE,
) -> VendiScores:
    """`vendi_score_from_kernel` of several orders from one spectrum.

    Examples
    --------
    >>> vendi_scores_from_kernel([[1, 0.5], [0.5, 1]], orders=(0, 2)).values.round(6)
    array([2. , 1.6])
    """
    caller = "vendi_scores_from_kernel"
    read = read_orders(orders, caller)
    check_psd(psd, caller)
    density = kernel_density(kernel, weights=weights, max_side=max_side, caller=caller)
    return _scores(read, density.spectrum(psd=psd, eig_tol=eig_tol, caller=caller))


def vendi_scores_of_blocks(
    blocks: Iterable[ArrayLike],
    *,
    orders: Sequence[Order] = ORDERS,
    zero: ZeroRows = "error",
    eig_tol: float | None = None,
) -> VendiScores:
    """`vendi_scores` of rows that come in blocks, in the memory of one block and a d x d matrix.

    Parameters
    ----------
    blocks : iterable of arrays of shape (rows, d)
        Read once, one at a time.
    orders, zero, eig_tol
        As for `vendi_scores`.

    Examples
    --------
    >>> vendi_scores_of_blocks(([[1, 0], [0, 1]] for _ in range(3)), orders=(1, "inf")).values
    array([2., 2.])
    """
    caller = "vendi_scores_of_blocks"
    read = read_orders(orders, caller)
    gram = StreamedGram(zero=zero, caller=caller)
    for block in blocks:
        gram.add(block)
    return _scores(read, gram.spectrum(eig_tol=eig_tol))


def _scores(orders: tuple[float, ...], spectrum: Spectrum) -> VendiScores:
    return VendiScores(orders, spectrum.scores(orders), spectrum)
