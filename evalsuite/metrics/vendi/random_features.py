"""Vendi scores of the Gaussian kernel from random Fourier features, for any number of rows."""

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from evalsuite.metrics.hill import Order, read_orders
from evalsuite.metrics.vendi.rows import named_rows, read_rows
from evalsuite.metrics.vendi.scores import ORDERS
from evalsuite.metrics.vendi.spectrum import MAX_SIDE, FloatArray, Spectrum, StreamedGram

_CELLS = 4_000_000
"""Features held at a time: 32 MB."""


@dataclass(frozen=True, eq=False)
class FourierMap:
    """Features whose dot products estimate a Gaussian kernel.

    ``[cos(w_j x), sin(w_j x)] / sqrt(D)`` over D frequencies: 2 D features of length 1.

    Parameters
    ----------
    frequencies : array of shape (d, D)

    Examples
    --------
    >>> fourier = FourierMap.draw(3, sigma=1.0, n_frequencies=50, rng=np.random.default_rng(0))
    >>> float(np.square(fourier([[1.0, 2.0, 3.0]])).sum().round(12))
    1.0
    """

    frequencies: FloatArray

    @classmethod
    def draw(
        cls, d: int, *, sigma: float, n_frequencies: int, rng: np.random.Generator
    ) -> "FourierMap":
        """Draw frequencies from a normal distribution with variance ``1 / sigma^2``."""
        return cls(rng.standard_normal((d, n_frequencies)) / sigma)

    @property
    def n_frequencies(self) -> int:
        """D, half the number of features."""
        return int(self.frequencies.shape[1])

    def __call__(self, rows: ArrayLike) -> FloatArray:
        """Features of rows of shape (n, d), shape (n, 2 D)."""
        return on_circle(np.asarray(rows, dtype=np.float64) @ self.frequencies)

    def angles(self, rows: ArrayLike, *, caller: str, first: int = 0) -> Iterator[FloatArray]:
        """Angles ``w_j x`` of rows, a block of rows at a time; ``first`` numbers them in errors."""
        given = read_rows(rows, caller)
        if given.shape[1] != len(self.frequencies):
            raise ValueError(
                f"{caller}: blocks differ in width, {len(self.frequencies)} and {given.shape[1]}"
            )
        step = max(1, _CELLS // (2 * self.n_frequencies))
        for start in range(0, len(given), step):
            part = finite_rows(given[start : start + step], caller, first=first + start)
            yield part @ self.frequencies


@dataclass(frozen=True, eq=False)
class RandomFeatureScores:
    """Vendi scores of several orders by random Fourier features.

    Parameters
    ----------
    orders : tuple of float
    values : array of shape (orders,)
    spectrum : Spectrum
        Of the 2 D x 2 D covariance of the features.
    sigma : float
        Width of the Gaussian kernel.
    n_frequencies : int
        D; no score is above 2 D.
    seed : int
        Other seeds give other scores: it belongs to the result.
    warnings : tuple of str
        Texts "code: why"; ``few_frequencies`` where the order-1 score is above D / 4.
    """

    orders: tuple[float, ...]
    values: FloatArray
    spectrum: Spectrum
    sigma: float
    n_frequencies: int
    seed: int
    warnings: tuple[str, ...]


def random_feature_scores(
    features: ArrayLike,
    *,
    sigma: float,
    n_frequencies: int,
    seed: int,
    orders: Sequence[Order] = ORDERS,
    eig_tol: float | None = None,
    max_side: int = MAX_SIDE,
) -> RandomFeatureScores:
    """Vendi scores under the Gaussian kernel ``exp(-|x - y|^2 / (2 sigma^2))``, estimated.

    Parameters
    ----------
    features : array of shape (n, d)
        Any floating dtype; the way is float64. Rows are not scaled to unit length.
    sigma : float
        Width of the kernel, above 0.
    n_frequencies : int
        D, at least 1. The cost is ``O(n D^2 + D^3)``, the error falls as ``1 / sqrt(D)``.
    seed : int
        Draws the frequencies; stored in the result.
    orders : sequence of float or "inf"
    eig_tol : float, optional
        Up to which size an eigenvalue is 0.
    max_side : int
        More than this many features, 2 D, are refused.

    Raises
    ------
    ValueError
        If there are no rows, a row is not finite, or an option is out of range.

    Notes
    -----
    Ospanov, Zhang, Jalali and others (2024, arXiv 2407.02961), FKEA. Scores of order up to 1 come
    out too low where the true spectrum is long beside D. Unlike the authors' code nothing is
    clamped from below (1e-10 for each of 2 D eigenvalues moves scores of order below 1) and nothing
    is rounded. Where n is at most some thousands, `gaussian_kernel` is exact and no dearer.

    Examples
    --------
    >>> rows = np.repeat([[0.0], [50.0]], 5, axis=0)
    >>> found = random_feature_scores(rows, sigma=1.0, n_frequencies=300, seed=0, orders=(1, 2))
    >>> found.values.round(1), found.warnings
    (array([2., 2.]), ())
    """
    return _scores(
        [features],
        sigma=sigma,
        n_frequencies=n_frequencies,
        seed=seed,
        orders=orders,
        eig_tol=eig_tol,
        max_side=max_side,
        caller="random_feature_scores",
    )


def random_feature_scores_of_blocks(
    blocks: Iterable[ArrayLike],
    *,
    sigma: float,
    n_frequencies: int,
    seed: int,
    orders: Sequence[Order] = ORDERS,
    eig_tol: float | None = None,
    max_side: int = MAX_SIDE,
) -> RandomFeatureScores:
    """`random_feature_scores` of rows that come in blocks, such as shards of a file.

    Parameters
    ----------
    blocks : iterable of arrays of shape (rows, d)
        Read once, one at a time.
    sigma, n_frequencies, seed, orders, eig_tol, max_side
        As for `random_feature_scores`.

    Examples
    --------
    >>> blocks = (np.full((3, 2), value) for value in (0.0, 90.0))
    >>> random_feature_scores_of_blocks(blocks, sigma=1.0, n_frequencies=9, seed=0).spectrum.rank
    2
    """
    return _scores(
        blocks,
        sigma=sigma,
        n_frequencies=n_frequencies,
        seed=seed,
        orders=orders,
        eig_tol=eig_tol,
        max_side=max_side,
        caller="random_feature_scores_of_blocks",
    )


def on_circle(angles: FloatArray) -> FloatArray:
    """``[cos, sin] / sqrt(D)`` of angles of shape (n, D): rows of length 1, shape (n, 2 D)."""
    n, width = angles.shape
    features = np.empty((n, 2 * width))
    np.cos(angles, out=features[:, :width])
    np.sin(angles, out=features[:, width:])
    features /= math.sqrt(width)
    return features


def finite_rows(rows: NDArray[np.generic], caller: str, *, first: int = 0) -> FloatArray:
    """Rows in float64, refused by their number where they are not finite."""
    values = rows.astype(np.float64)
    bad = np.asarray(~np.isfinite(values).all(axis=1))
    if bad.any():
        raise ValueError(f"{caller}: rows are not finite: {named_rows(bad, first)}")
    return values


def check_width(sigma: float, caller: str, *, name: str = "sigma") -> None:
    """Refuse a width of a kernel that is none."""
    if not 0.0 < sigma < math.inf:
        raise ValueError(f"{caller}: {name} must be finite and above 0, got {sigma!r}")


def check_frequencies(n_frequencies: int, max_side: int, caller: str) -> None:
    """Refuse a number of frequencies that is none or too large to be solved."""
    if n_frequencies < 1:
        raise ValueError(f"{caller}: n_frequencies must be at least 1, got {n_frequencies!r}")
    if 2 * n_frequencies > max_side:
        raise ValueError(
            f"{caller}: {n_frequencies} frequencies need a matrix of side {2 * n_frequencies}, "
            f"above max_side = {max_side}"
        )


def seeded(seed: int, caller: str) -> np.random.Generator:
    """Generator of a seed that is a whole number of at least 0."""
    if isinstance(seed, bool) or not isinstance(seed, (int, np.integer)) or seed < 0:
        raise ValueError(f"{caller}: seed must be a whole number of at least 0, got {seed!r}")
    return np.random.default_rng(int(seed))


def _scores(
    blocks: Iterable[ArrayLike],
    *,
    sigma: float,
    n_frequencies: int,
    seed: int,
    orders: Sequence[Order],
    eig_tol: float | None,
    max_side: int,
    caller: str,
) -> RandomFeatureScores:
    read = read_orders(orders, caller)
    check_width(sigma, caller)
    check_frequencies(n_frequencies, max_side, caller)
    rng = seeded(seed, caller)
    gram = StreamedGram(max_side=max_side, caller=caller)
    fourier: FourierMap | None = None
    for block in blocks:
        rows = np.asarray(block)
        if rows.ndim == 2 and not len(rows):
            continue
        if fourier is None:
            d = read_rows(rows, caller).shape[1]
            fourier = FourierMap.draw(d, sigma=sigma, n_frequencies=n_frequencies, rng=rng)
        for angles in fourier.angles(rows, caller=caller, first=gram.n_rows):
            gram.add(on_circle(angles))
    spectrum = gram.spectrum(eig_tol=eig_tol)
    return RandomFeatureScores(
        orders=read,
        values=spectrum.scores(read),
        spectrum=spectrum,
        sigma=float(sigma),
        n_frequencies=int(n_frequencies),
        seed=int(seed),
        warnings=few_frequencies(spectrum, n_frequencies),
    )


def few_frequencies(spectrum: Spectrum, n_frequencies: int) -> tuple[str, ...]:
    """Warning that a score comes near the number of features, which bounds it."""
    score = spectrum.score(1.0)
    if score <= n_frequencies / 4:
        return ()
    return (
        f"few_frequencies: the order-1 score {score:.4g} is above D / 4 = {n_frequencies / 4:.4g}; "
        "scores of order up to 1 are too low, take more frequencies",
    )
