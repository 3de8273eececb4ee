"""Renyi kernel entropy of order 2 (RKE): mean squared similarity, without any eigenvalue."""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from evalsuite.metrics.vendi.random_features import check_width, finite_rows, seeded
from evalsuite.metrics.vendi.rows import ZeroRows, named_rows, read_rows, unit_rows
from evalsuite.metrics.vendi.spectrum import FLOAT64_EPS, MAX_SIDE, FloatArray, feature_density

_TILE = 2048
"""Side of the part of a Gaussian kernel that is held at a time: 32 MB."""

_STRIP = 512
"""Rows of a given kernel that are read at a time."""

_PAIRS = 1_000_000
"""Features of sampled pairs that are held at a time."""

_FAR = 1e6
"""Squared length over sigma above which distances from dot products lose too many digits."""


@dataclass(frozen=True)
class SampledRke:
    """RKE from sampled pairs, with the standard error of the sampling.

    Parameters
    ----------
    mean_square : float
        Estimate of the mean of k^2 over all n^2 pairs, unbiased.
    mean_square_se : float
        How far it moves with the seed; it says nothing of how the rows were drawn.
    n_items, n_pairs : int
    seed : int
    """

    mean_square: float
    mean_square_se: float
    n_items: int
    n_pairs: int
    seed: int

    @property
    def rke(self) -> float:
        """``-ln mean k^2``, in nats."""
        return -math.log(self.mean_square) + 0.0

    @property
    def rke_se(self) -> float:
        """Standard error of `rke`, by the delta method."""
        return self.mean_square_se / self.mean_square

    @property
    def mode_count(self) -> float:
        """``1 / mean k^2``, the order-2 Vendi score."""
        return 1.0 / self.mean_square

    @property
    def mode_count_se(self) -> float:
        """Standard error of `mode_count`, by the delta method."""
        return self.mean_square_se / self.mean_square**2


def rke_mode_count(
    features: ArrayLike, *, sigma: float | None = None, zero: ZeroRows = "error"
) -> float:
    """RKE mode count ``1 / mean k^2``: the order-2 Vendi score.

    Parameters
    ----------
    features : array of shape (n, d)
    sigma : float, optional
        Width of a Gaussian kernel ``exp(-|x - y|^2 / (2 sigma^2))`` on the rows as they are; by
        default the kernel is the cosine.
    zero : {"error", "drop", "orthogonal"}
        What to do with rows of zeros, which have no cosine.

    Returns
    -------
    float, between 1 and n

    Raises
    ------
    ValueError
        If there are no rows, a row is not finite or has no direction, or sigma is not above 0.

    Notes
    -----
    Jalali, Li and Farnia (NeurIPS 2023). The mean is over all n^2 pairs, an item with itself
    included. The cosine needs the smaller of two Gram matrices, ``O(n d min(n, d))``; the Gaussian
    kernel is exact in ``O(n^2 d)`` time and the memory of one tile. The authors'
    ``compute_rke_mc_frobenius_norm`` returns the reciprocal.

    Examples
    --------
    >>> rke_mode_count([[1.0, 0.0], [0.0, 2.0], [3.0, 0.0], [0.0, 4.0]])
    2.0
    """
    caller = "rke_mode_count"
    if sigma is None:
        side = max(MAX_SIDE, min(np.shape(features), default=0))
        density = feature_density(features, zero=zero, max_side=side, caller=caller)
        return 1.0 / density.sum_of_squares()
    check_width(sigma, caller)
    return 1.0 / _gaussian_mean_square(finite_rows(read_rows(features, caller), caller) / sigma)


def rke(features: ArrayLike, *, sigma: float | None = None, zero: ZeroRows = "error") -> float:
    """RKE ``-ln mean k^2`` in nats, the logarithm of `rke_mode_count` with its parameters.

    Examples
    --------
    >>> round(rke([[1.0, 0.0], [0.0, 1.0]]), 6)
    0.693147
    """
    return math.log(rke_mode_count(features, sigma=sigma, zero=zero))


def rke_mode_count_from_kernel(kernel: ArrayLike) -> float:
    """`rke_mode_count` of a similarity matrix, read some rows at a time.

    Parameters
    ----------
    kernel : array of shape (n, n)
        Symmetric with ones on its diagonal. A `numpy.memmap` may be larger than memory.

    Raises
    ------
    ValueError
        If the matrix is not so; it names the rows.

    Notes
    -----
    The mean needs no eigenvalues, so that the kernel is positive semidefinite is not checked:
    ``vendi_score_from_kernel(kernel, q=2)`` does check it.

    Examples
    --------
    >>> round(rke_mode_count_from_kernel([[1, 0.5], [0.5, 1]]), 12)
    1.6
    """
    caller = "rke_mode_count_from_kernel"
    matrix = np.asanyarray(kernel)
    if matrix.ndim != 2 or matrix.shape[0] != matrix.shape[1] or not matrix.size:
        raise ValueError(f"{caller}: expected shape (n, n) with n >= 1, got {matrix.shape}")
    if matrix.dtype.kind not in "biuf":
        raise ValueError(f"{caller}: expected real numbers, got dtype {matrix.dtype}")
    eps = float(np.finfo(matrix.dtype).eps) if matrix.dtype.kind == "f" else 0.0
    slack = max(1e-6, 10 * eps)
    total = 0.0
    for start in range(0, len(matrix), _STRIP):
        total += _strip_squares(matrix, slice(start, start + _STRIP), slack, caller)
    return len(matrix) ** 2 / total


def rke_from_kernel(kernel: ArrayLike) -> float:
    """RKE in nats of a similarity matrix, the logarithm of `rke_mode_count_from_kernel`.

    Examples
    --------
    >>> round(rke_from_kernel([[1, 0.5], [0.5, 1]]), 6)
    0.470004
    """
    return math.log(rke_mode_count_from_kernel(kernel))


def sampled_rke(
    features: ArrayLike, *, sigma: float | None = None, n_pairs: int = 1_000_000, seed: int
) -> SampledRke:
    """RKE from pairs of different rows drawn at random, with replacement.

    Parameters
    ----------
    features : array of shape (n, d)
    sigma : float, optional
        Width of a Gaussian kernel; by default the kernel is the cosine.
    n_pairs : int
        At least 2.
    seed : int

    Raises
    ------
    ValueError
        As for `rke_mode_count`, or if the number of pairs or the seed is out of range.

    Notes
    -----
    A row with itself is 1 alike and is added exactly, ``1 / n + (1 - 1 / n) mean k^2``: less noise
    than sampling it, as the authors' ``compute_rke_mc`` does.

    Examples
    --------
    >>> found = sampled_rke([[1.0, 0.0], [0.0, 1.0]], n_pairs=10, seed=0)
    >>> found.mode_count, found.mode_count_se
    (2.0, 0.0)
    """
    caller = "sampled_rke"
    given = read_rows(features, caller)
    if n_pairs < 2:
        raise ValueError(f"{caller}: n_pairs must be at least 2, got {n_pairs!r}")
    if sigma is not None:
        check_width(sigma, caller)
    rows = unit_rows(given, caller)[0] if sigma is None else finite_rows(given, caller) / sigma
    rng, n = seeded(seed, caller), len(rows)
    if n == 1:
        return SampledRke(1.0, 0.0, n, n_pairs, int(seed))
    first = rng.integers(n, size=n_pairs)
    second = (first + rng.integers(1, n, size=n_pairs)) % n
    squares = np.empty(n_pairs)
    step = max(1, _PAIRS // rows.shape[1])
    for start in range(0, n_pairs, step):
        at = slice(start, start + step)
        a, b = rows[first[at]], rows[second[at]]
        if sigma is None:
            squares[at] = np.square(np.einsum("ij,ij->i", a, b))
        else:
            squares[at] = np.exp(-np.square(a - b).sum(axis=1))
    share = 1.0 - 1.0 / n
    return SampledRke(
        mean_square=1.0 / n + share * float(squares.mean()),
        mean_square_se=share * float(squares.std(ddof=1)) / math.sqrt(n_pairs),
        n_items=n,
        n_pairs=int(n_pairs),
        seed=int(seed),
    )


def relative_rke(
    features: ArrayLike,
    reference: ArrayLike,
    *,
    sigma: float | None = None,
    max_side: int = MAX_SIDE,
) -> float:
    """Relative RKE of order 1/2 between two sets, ``-ln |K_XY / sqrt(n m)|_*^2`` in nats.

    Parameters
    ----------
    features : array of shape (n, d)
    reference : array of shape (m, d)
    sigma : float, optional
        Width of a Gaussian kernel; by default the kernel is the cosine.
    max_side : int
        Refused where a matrix with a smaller side above this must be solved.

    Returns
    -------
    float, at least 0
        0 for a set and itself, in any order and repeated any number of times; inf where nothing in
        one set is alike to anything in the other.

    Raises
    ------
    ValueError
        As for `rke_mode_count`, or if the sets differ in width.

    Notes
    -----
    Jalali, Li and Farnia (NeurIPS 2023); ``|.|_*`` is the nuclear norm, the sum of singular values.
    The cosine needs no n x m matrix: the triangular factors of both sets have the same norm.

    Examples
    --------
    >>> round(relative_rke([[1.0, 0.0], [0.0, 1.0]], [[1.0, 0.0]]), 6)
    0.693147
    """
    caller = "relative_rke"
    given, other = read_rows(features, caller), read_rows(reference, caller)
    if given.shape[1] != other.shape[1]:
        raise ValueError(
            f"{caller}: the sets differ in width, {given.shape[1]} and {other.shape[1]}"
        )
    if sigma is not None:
        check_width(sigma, caller)
    side = min(len(given), len(other), *([given.shape[1]] if sigma is None else []))
    if side > max_side:
        raise ValueError(
            f"{caller}: needs a matrix of side {side}, above max_side = {max_side}; give part of "
            "the rows, or random Fourier features of both under the cosine"
        )
    scale = math.sqrt(len(given) * len(other))
    if sigma is None:
        x, y = unit_rows(given, caller)[0], unit_rows(other, caller)[0]
        x, y = (np.asarray(np.linalg.qr(rows, mode="r")) for rows in (x, y))
        return max(_relative(x @ y.T / scale), 0.0)
    from scipy.spatial.distance import cdist

    x, y = finite_rows(given, caller) / sigma, finite_rows(other, caller) / sigma
    return max(_relative(np.exp(cdist(x, y, "sqeuclidean") / -2.0) / scale), 0.0)


def relative_rke_from_kernel(cross_kernel: ArrayLike) -> float:
    """`relative_rke` of the similarities between two sets.

    Parameters
    ----------
    cross_kernel : array of shape (n, m)
        Of a positive semidefinite kernel with ones on its diagonal, so between -1 and 1.

    Raises
    ------
    ValueError
        If it is not such an array, or its nuclear norm is above ``sqrt(n m)``, which no such kernel
        has.

    Examples
    --------
    >>> round(relative_rke_from_kernel([[1.0, 0.5], [0.5, 1.0]]), 12)
    0.0
    """
    caller = "relative_rke_from_kernel"
    cross = finite_rows(read_rows(cross_kernel, caller), caller)
    found = _relative(cross / math.sqrt(cross.size))
    if found < -1e-6:
        raise ValueError(
            f"{caller}: the nuclear norm is {math.exp(-found / 2):.6g} times sqrt(n m) and must be "
            "at most that; is the diagonal of the kernel 1?"
        )
    return max(found, 0.0)


def _relative(cross: FloatArray) -> float:
    values = np.linalg.svd(cross, compute_uv=False)
    # Both sets have unit rows, so that 1 is the largest norm there is and the scale of rounding.
    norm = float(values[values > 10 * math.sqrt(values.size) * FLOAT64_EPS].sum())
    if norm == 0.0:
        return math.inf
    found = -2.0 * math.log(norm)
    return 0.0 if abs(found) < 1e-12 else found


def _gaussian_mean_square(rows: FloatArray) -> float:
    """Mean of ``exp(-|x - y|^2)`` over all pairs of rows, tile by tile above the diagonal."""
    from scipy.spatial.distance import cdist

    rows = rows - rows.mean(axis=0)
    squares = np.einsum("ij,ij->i", rows, rows)
    is_far = float(squares.max()) > _FAR
    total = 0.0
    for start in range(0, len(rows), _TILE):
        at = slice(start, start + _TILE)
        for other in range(start, len(rows), _TILE):
            to = slice(other, other + _TILE)
            if is_far:
                tile = -cdist(rows[at], rows[to], "sqeuclidean")
            else:
                tile = 2.0 * rows[at] @ rows[to].T
                tile -= squares[at, np.newaxis]
                tile -= squares[to]
                np.minimum(tile, 0.0, out=tile)
            np.exp(tile, out=tile)
            if other == start:
                np.fill_diagonal(tile, 1.0)
            total += float(tile.sum()) * (1 if other == start else 2)
    return total / len(rows) ** 2


def _strip_squares(matrix: NDArray[np.generic], at: slice, slack: float, caller: str) -> float:
    """Sum of the squares of some rows of a kernel, which are checked first."""
    strip = np.asarray(matrix[at], dtype=np.float64)
    bad = np.asarray(~np.isfinite(strip).all(axis=1))
    if bad.any():
        raise ValueError(f"{caller}: the kernel is not finite in rows: {named_rows(bad, at.start)}")
    own = strip[np.arange(len(strip)), at.start + np.arange(len(strip))]
    off = np.asarray(np.abs(own - 1.0) > slack)
    if off.any():
        raise ValueError(
            f"{caller}: the diagonal of the kernel is not 1 in rows: {named_rows(off, at.start)}; "
            "normalize_kernel scales it"
        )
    # A value that is not finite on the other side fails the comparison and is asymmetric, too.
    if not np.abs(strip - np.asarray(matrix[:, at], dtype=np.float64).T).max() <= slack:
        raise ValueError(f"{caller}: the kernel is not symmetric")
    return float(np.vdot(strip, strip))
