"""Truncated Vendi scores: from the largest eigenvalues only, which need fewer items."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from evalsuite.metrics.hill import Order, hill_of_shares, read_orders
from evalsuite.metrics.vendi.random_features import check_width, finite_rows, seeded
from evalsuite.metrics.vendi.rows import ZeroRows, read_rows, unit_rows
from evalsuite.metrics.vendi.scores import ORDERS
from evalsuite.metrics.vendi.spectrum import (
    FLOAT64_EPS,
    MAX_SIDE,
    FloatArray,
    NotPSD,
    Spectrum,
    eigenvalue_rounding,
    feature_spectrum,
    kernel_spectrum,
    spectrum_of_matrix,
)

_CELLS = 4_000_000
"""Similarities to landmarks held at a time: 32 MB."""


@dataclass(frozen=True, eq=False)
class TruncatedScores:
    """Vendi scores of several orders from t eigenvalues and the mass of the others.

    Parameters
    ----------
    orders : tuple of float
    values : array of shape (orders,)
    t : int
        How many eigenvalues are kept; no score is above it.
    eigenvalues : array of shape (min(t, rank),)
        After the tail is spread over them, largest first.
    tail : float
        Sum of the eigenvalues left out.
    spectrum : Spectrum
        All eigenvalues.
    """

    orders: tuple[float, ...]
    values: FloatArray
    t: int
    eigenvalues: FloatArray
    tail: float
    spectrum: Spectrum


@dataclass(frozen=True, eq=False)
class NystroemScores:
    """Vendi scores of several orders by the Nystroem method.

    Parameters
    ----------
    orders : tuple of float
    values : array of shape (orders,)
        Without any tail: the mass that the landmarks do not see is left out and the rest scaled to
        sum to 1, so that the scores are too low where ``seen`` is well below 1.
    t : int
        Landmarks.
    landmarks : tuple of int
        Their rows.
    seen : float
        Share of the trace that the landmarks see, at most 1.
    spectrum : Spectrum
        Of what they see, scaled to sum to 1.
    seed : int
    """

    orders: tuple[float, ...]
    values: FloatArray
    t: int
    landmarks: tuple[int, ...]
    seen: float
    spectrum: Spectrum
    seed: int


def truncated_scores_of_spectrum(
    spectrum: Spectrum, *, t: int, orders: Sequence[Order] = ORDERS
) -> TruncatedScores:
    """Truncated Vendi scores of a spectrum that is already solved.

    Parameters
    ----------
    spectrum : Spectrum
    t : int
        Eigenvalues kept, at least 1. From the rank on the score is the plain Vendi score.
    orders : sequence of float or "inf"

    Raises
    ------
    ValueError
        If t or an order is out of range.

    Notes
    -----
    The t largest eigenvalues each get ``1 / t`` of the mass of the others. Ospanov and Farnia
    (2024, arXiv 2410.21719), whose code first raises all eigenvalues to 1e-10; here those that are
    rounding count as 0 instead.

    Examples
    --------
    >>> from evalsuite.metrics.vendi.spectrum import spectrum_of_matrix
    >>> spectrum = spectrum_of_matrix(np.diag([0.4, 0.3, 0.2, 0.1]))
    >>> found = truncated_scores_of_spectrum(spectrum, t=2, orders=(1,))
    >>> found.eigenvalues.round(12), found.values.round(6)
    (array([0.55, 0.45]), array([1.990008]))
    """
    return _truncated(spectrum, t, orders, "truncated_scores_of_spectrum")


def truncated_vendi_scores(
    features: ArrayLike,
    *,
    t: int,
    orders: Sequence[Order] = ORDERS,
    zero: ZeroRows = "error",
    eig_tol: float | None = None,
    max_side: int = MAX_SIDE,
) -> TruncatedScores:
    """`truncated_scores_of_spectrum` of rows under the cosine kernel.

    Parameters
    ----------
    features : array of shape (n, d)
    t : int
        Eigenvalues kept, at least 1.
    orders : sequence of float or "inf"
    zero : {"error", "drop", "orthogonal"}
        What to do with rows of zeros.
    eig_tol : float, optional
        Up to which size an eigenvalue is 0.
    max_side : int
        Refused where both n and d are larger.

    Examples
    --------
    >>> truncated_vendi_scores(np.eye(4), t=3, orders=(1, "inf")).values.round(6)
    array([3., 3.])
    """
    caller = "truncated_vendi_scores"
    spectrum = feature_spectrum(
        features, zero=zero, eig_tol=eig_tol, max_side=max_side, caller=caller
    )
    return _truncated(spectrum, t, orders, caller)


def truncated_vendi_scores_from_kernel(
    kernel: ArrayLike,
    *,
    t: int,
    orders: Sequence[Order] = ORDERS,
    psd: NotPSD = "error",
    eig_tol: float | None = None,
    max_side: int = MAX_SIDE,
) -> TruncatedScores:
    """`truncated_scores_of_spectrum` of a similarity matrix.

    Parameters
    ----------
    kernel : array of shape (n, n)
        Symmetric, positive semidefinite, with ones on the diagonal.
    t : int
        Eigenvalues kept, at least 1.
    orders : sequence of float or "inf"
    psd : {"error", "clip"}
        What to do with a kernel that is not positive semidefinite.
    eig_tol : float, optional
        Up to which size an eigenvalue is 0.
    max_side : int
        Larger kernels are refused.

    Examples
    --------
    >>> truncated_vendi_scores_from_kernel([[1, 0.5], [0.5, 1]], t=1, orders=(1,)).values
    array([1.])
    """
    caller = "truncated_vendi_scores_from_kernel"
    spectrum = kernel_spectrum(kernel, psd=psd, eig_tol=eig_tol, max_side=max_side, caller=caller)
    return _truncated(spectrum, t, orders, caller)


def nystroem_vendi_scores(
    features: ArrayLike,
    *,
    t: int,
    seed: int,
    sigma: float | None = None,
    orders: Sequence[Order] = ORDERS,
    eig_tol: float | None = None,
    max_side: int = MAX_SIDE,
) -> NystroemScores:
    """Vendi scores of order t from the similarities of all rows to t of them, the landmarks.

    Parameters
    ----------
    features : array of shape (n, d)
    t : int
        Landmarks, between 1 and n; ``O(n t (t + d) + t^3)``.
    seed : int
        Draws the landmarks without replacement; stored in the result.
    sigma : float, optional
        Width of a Gaussian kernel; by default the kernel is the cosine.
    orders : sequence of float or "inf"
    eig_tol : float, optional
        Up to which size an eigenvalue is 0.
    max_side : int
        More landmarks are refused.

    Raises
    ------
    ValueError
        If rows are not finite or have no direction, or an option is out of range.

    Notes
    -----
    Features ``Z = K_nt K_tt^(-1/2)`` and the eigenvalues of ``Z^T Z / n``: at most t of them, so
    there is no tail to spread (Ospanov and Farnia 2024, arXiv 2410.21719). With t = n it is exact.

    Examples
    --------
    >>> found = nystroem_vendi_scores(np.eye(4), t=3, seed=0, orders=(1,))
    >>> found.values.round(6), found.seen
    (array([3.]), 0.75)
    """
    caller = "nystroem_vendi_scores"
    read, rng = read_orders(orders, caller), seeded(seed, caller)
    given = read_rows(features, caller)
    if not 1 <= t <= min(len(given), max_side):
        raise ValueError(f"{caller}: t must lie in 1 to {min(len(given), max_side)}, got {t!r}")
    if sigma is None:
        rows = unit_rows(given, caller)[0]
    else:
        check_width(sigma, caller)
        rows = finite_rows(given, caller) / sigma
    landmarks = np.sort(rng.choice(len(rows), t, replace=False))
    covariance = _seen_covariance(rows, rows[landmarks], is_cosine=sigma is None)
    seen = float(np.trace(covariance))
    spectrum = spectrum_of_matrix(
        covariance / seen, eig_tol=eig_tol, n_items=len(rows), caller=caller
    )
    return NystroemScores(
        orders=read,
        values=spectrum.scores(read),
        t=int(t),
        landmarks=tuple(landmarks.tolist()),
        seen=min(seen, 1.0),
        spectrum=spectrum,
        seed=int(seed),
    )


def _truncated(spectrum: Spectrum, t: int, orders: Sequence[Order], caller: str) -> TruncatedScores:
    read = read_orders(orders, caller)
    if isinstance(t, bool) or not isinstance(t, (int, np.integer)) or t < 1:
        raise ValueError(f"{caller}: t must be a whole number of at least 1, got {t!r}")
    kept = spectrum.eigenvalues[:t]
    tail = float(spectrum.eigenvalues[t:].sum())
    kept = kept + tail / t
    return TruncatedScores(
        orders=read,
        values=np.array([float(hill_of_shares(kept, order)) for order in read]),
        t=int(t),
        eigenvalues=kept,
        tail=tail,
        spectrum=spectrum,
    )


def _seen_covariance(rows: FloatArray, landmarks: FloatArray, *, is_cosine: bool) -> FloatArray:
    """``Z^T Z / n`` of the Nystroem features, some rows at a time."""
    values, vectors = np.linalg.eigh(_similarities(landmarks, landmarks, is_cosine=is_cosine))
    is_kept = values > eigenvalue_rounding(values, FLOAT64_EPS)
    root = vectors[:, is_kept] / np.sqrt(values[is_kept])
    total = np.zeros((root.shape[1], root.shape[1]))
    step = max(1, _CELLS // len(landmarks))
    for start in range(0, len(rows), step):
        part = _similarities(rows[start : start + step], landmarks, is_cosine=is_cosine) @ root
        total += part.T @ part
    return np.asarray(total / len(rows))


def _similarities(a: FloatArray, b: FloatArray, *, is_cosine: bool) -> FloatArray:
    if is_cosine:
        return np.asarray(a @ b.T)
    from scipy.spatial.distance import cdist

    return np.asarray(np.exp(cdist(a, b, "sqeuclidean") / -2.0))
