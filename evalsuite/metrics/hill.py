"""Diversity as an effective number of kinds: Hill numbers and what is built on them."""

import math
from collections.abc import Sequence
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

FloatArray = NDArray[np.float64]

Order = float | Literal["inf"]
"""Order of a diversity: 0 counts kinds, 1 is Shannon's, 2 is Simpson's, inf sees the largest."""

_LIKE_ONE = 1e-8  # orders closer to 1 than this are order 1
_NEAR_ONE = 0.5  # orders closer to 1 than this need expm1 to keep their digits


def read_order(q: Order, caller: str) -> float:
    """An order as a float.

    Parameters
    ----------
    q : float or "inf"
        At least 0; ``math.inf`` and ``"inf"`` are the same.
    caller : str
        The function that an error names.

    Raises
    ------
    ValueError
        If it is negative, NaN or no number.

    Examples
    --------
    >>> read_order("inf", "f"), read_order(2, "f")
    (inf, 2.0)
    """
    if isinstance(q, str):
        order = math.inf if q == "inf" else math.nan
    elif isinstance(q, (int, float, np.integer, np.floating)) and not isinstance(q, bool):
        order = float(q)
    else:
        order = math.nan
    if not order >= 0.0:
        raise ValueError(f"{caller}: the order must be a number >= 0 or 'inf', got {q!r}")
    return order


def read_orders(orders: Sequence[Order], caller: str) -> tuple[float, ...]:
    """Several orders, at least one, each as by `read_order`.

    >>> read_orders((1, "inf"), "f")
    (1.0, inf)
    """
    if isinstance(orders, str) or not len(orders):
        raise ValueError(f"{caller}: expected a sequence of orders, got {orders!r}")
    return tuple(read_order(q, caller) for q in orders)


def hill_number(abundances: ArrayLike, *, q: Order = 1.0) -> float:
    """Effective number of kinds, ``(sum p_i^q)^(1 / (1 - q))``.

    Parameters
    ----------
    abundances : array of shape (k,)
        Counts or weights, at least 0; scaled to sum to one. Zeros are ignored.
    q : float or "inf"
        0 counts kinds, 1 is exp(Shannon), 2 is inverse Simpson, inf is 1 / max.

    Returns
    -------
    float, between 1 and the number of abundances above 0

    Raises
    ------
    ValueError
        If there is no abundance above 0, or one is negative or not finite.

    Notes
    -----
    Hill (1973), Ecology 54; the plug-in value of the sample. `evalsuite.stats.hill_estimate`
    corrects for kinds not seen and has an interval.

    Examples
    --------
    >>> hill_number([0.5, 0.5, 0.0], q=2)
    2.0
    """
    order = read_order(q, "hill_number")
    return float(hill_of_shares(_shares(abundances, "hill_number"), order))


def hill_of_shares(shares: FloatArray, order: float) -> FloatArray:
    """Hill number of each row of shares.

    Parameters
    ----------
    shares : array of shape (..., k)
        At least 0, summing to 1 along the last axis. Zeros are ignored.
    order : float
        As `read_order` gives it.

    Returns
    -------
    array of shape (...,), at least 1

    Examples
    --------
    >>> hill_of_shares(np.array([[0.5, 0.5], [1.0, 0.0]]), 2.0)
    array([2., 1.])
    """
    positive = shares > 0.0
    if order == 0.0:
        return np.asarray(positive.sum(axis=-1), dtype=np.float64)
    largest = shares.max(axis=-1, keepdims=True)
    if math.isinf(order):
        return np.asarray(1.0 / largest[..., 0])
    if order == 2.0:
        return np.asarray(1.0 / np.square(shares).sum(axis=-1))
    logs = np.log(shares, out=np.zeros_like(shares), where=positive)
    if abs(order - 1.0) < _LIKE_ONE:
        entropy = -(shares * logs).sum(axis=-1)
    elif abs(order - 1.0) < _NEAR_ONE:
        # sum p^q = 1 + sum p (p^(q-1) - 1), which does not cancel near q = 1.
        entropy = np.log1p((shares * np.expm1((order - 1.0) * logs)).sum(axis=-1)) / (1.0 - order)
    else:
        top = np.log(largest)
        with np.errstate(over="ignore"):  # exp of minus infinity is the 0 that it should be
            powers = np.where(positive, np.exp(order * np.minimum(logs - top, 0.0)), 0.0)
        # The quotient first: an order near the largest number would overflow in a product.
        entropy = order / (1.0 - order) * top[..., 0] + np.log(powers.sum(axis=-1)) / (1.0 - order)
    return np.asarray(np.exp(np.maximum(entropy, 0.0)))


def normalized_entropy(counts: ArrayLike) -> float:
    """Shannon entropy over that of the uniform distribution on the closed set.

    Parameters
    ----------
    counts : array of shape (k,), k >= 2
        One count or weight for each kind of the closed set, zeros included: k is its size.

    Returns
    -------
    float, in [0, 1]

    Raises
    ------
    ValueError
        If there are fewer than two kinds, no count above 0, or one is negative or not finite.

    Examples
    --------
    >>> normalized_entropy([10, 10, 0, 0])
    0.5
    """
    shares = _shares(counts, "normalized_entropy")
    if shares.size < 2:
        raise ValueError("normalized_entropy: a closed set has at least 2 kinds, got 1")
    return min(math.log(float(hill_of_shares(shares, 1.0))) / math.log(shares.size), 1.0)


def leinster_cobbold(abundances: ArrayLike, similarity: ArrayLike, *, q: Order = 1.0) -> float:
    """Similarity-sensitive diversity of Leinster and Cobbold (2012).

    ``(sum p_i (Zp)_i^(q-1))^(1 / (1-q))`` over the kinds with p_i > 0. It weighs how common each
    kind and its likes are, and is not the Vendi score, which reads the spectrum.

    Parameters
    ----------
    abundances : array of shape (k,)
        Counts or weights, at least 0; scaled to sum to one.
    similarity : array of shape (k, k)
        Z, at least 0 with ones on its diagonal; it need not be symmetric.
    q : float or "inf"

    Returns
    -------
    float, between 1 / max Z and the Hill number of the abundances

    Raises
    ------
    ValueError
        If the abundances are as in `hill_number`, or the similarity is no such matrix.

    Notes
    -----
    Ecology 93(3), 477-489, equation 1. With the identity it is `hill_number`.

    Examples
    --------
    >>> round(leinster_cobbold([1, 1, 1], [[1, 0.9, 0], [0.9, 1, 0], [0, 0, 1]], q=2), 9)
    1.875
    """
    caller = "leinster_cobbold"
    order = read_order(q, caller)
    shares = _shares(abundances, caller)
    z = _similarities(similarity, shares.size, caller)
    is_there = shares > 0.0
    p, ordinariness = shares[is_there], (z @ shares)[is_there]
    if math.isinf(order):
        return float(1.0 / ordinariness.max())
    logs = np.log(ordinariness)
    if abs(order - 1.0) < _LIKE_ONE:
        return math.exp(-float(p @ logs))
    if abs(order - 1.0) < _NEAR_ONE:
        return math.exp(math.log1p(float(p @ np.expm1((order - 1.0) * logs))) / (1.0 - order))
    terms = np.log(p) + (order - 1.0) * logs
    top = float(terms.max())
    return math.exp((top + math.log(float(np.exp(terms - top).sum()))) / (1.0 - order))


def internal_diversity(kernel: ArrayLike, *, q: float = 1.0) -> float:
    """1 - mean similarity over all n^2 pairs, an item with itself included (IntDiv).

    Parameters
    ----------
    kernel : array of shape (n, n)
        Similarities in [0, 1], or any sign where q is a whole number.
    q : float
        Each similarity is raised to this power first, above 0.

    Returns
    -------
    float
        ``1 - 1 / D`` for q = 1, where D is `leinster_cobbold` of order 2 with equal weights.

    Raises
    ------
    ValueError
        If the matrix is empty, not square, not finite, or negative under a fractional power.

    Notes
    -----
    Friedman and Dieng (TMLR 2023, arXiv 2210.02410), section 4.

    Examples
    --------
    >>> internal_diversity([[1, 0.5], [0.5, 1]])
    0.25
    """
    caller = "internal_diversity"
    matrix = np.asarray(kernel, dtype=np.float64)
    if matrix.ndim != 2 or matrix.shape[0] != matrix.shape[1] or not matrix.size:
        raise ValueError(f"{caller}: expected shape (n, n) with n >= 1, got {matrix.shape}")
    if not np.isfinite(matrix).all():
        raise ValueError(f"{caller}: the kernel is not finite")
    if not (q > 0.0 and math.isfinite(q)):
        raise ValueError(f"{caller}: the power must be finite and above 0, got {q!r}")
    if q != int(q) and matrix.min() < 0.0:
        raise ValueError(f"{caller}: a negative similarity has no power {q}")
    return float(1.0 - (matrix if q == 1.0 else matrix**q).mean())


def _shares(abundances: ArrayLike, caller: str) -> FloatArray:
    given = np.asarray(abundances, dtype=np.float64)
    if given.ndim != 1 or not given.size:
        raise ValueError(f"{caller}: expected shape (k,) with k >= 1, got {given.shape}")
    bad = np.flatnonzero(~np.isfinite(given) | (given < 0.0))
    if bad.size:
        raise ValueError(f"{caller}: values negative or not finite: {bad[:5].tolist()}")
    largest = given.max()
    if largest == 0.0:
        raise ValueError(f"{caller}: no value is above 0")
    scaled = given / largest  # so that no sum overflows
    return np.asarray(scaled / scaled.sum())


def _similarities(similarity: ArrayLike, k: int, caller: str) -> FloatArray:
    z = np.asarray(similarity, dtype=np.float64)
    if z.shape != (k, k):
        raise ValueError(f"{caller}: expected a similarity of shape ({k}, {k}), got {z.shape}")
    if not np.isfinite(z).all() or z.min() < 0.0:
        raise ValueError(f"{caller}: similarities must be finite and at least 0")
    if np.abs(np.diag(z) - 1.0).max() > 1e-6:
        raise ValueError(f"{caller}: the diagonal of the similarity is not 1")
    return z
