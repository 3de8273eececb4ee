"""Kernels for Vendi scores: n-grams, cosine, Gaussian, probability product and Tanimoto."""

import re
from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike

from evalsuite.metrics.vendi.eigenvalues import FloatArray
from evalsuite.metrics.vendi.rows import named_rows, read_rows, unit_rows

_WORD_OR_SIGN = re.compile(r"\w+(?:['’]\w+)*|[^\w\s]")


def words_and_signs(text: str) -> list[str]:
    """Words and punctuation signs of a text, each sign a token; case stays.

    A word is a run of letters, digits and underscores, apostrophes inside it included. NLTK's
    ``word_tokenize`` differs: it splits contractions and keeps hyphens and decimal points inside
    words. Vowel marks of scripts such as Devanagari count as signs: give token lists there.

    >>> words_and_signs("Look, Jane.")
    ['Look', ',', 'Jane', '.']
    """
    return _WORD_OR_SIGN.findall(text)


def ngram_kernel(
    texts: Sequence[str | Sequence[str]],
    *,
    orders: Sequence[int] = (1, 2, 3, 4),
    normalize: bool = True,
) -> FloatArray:
    """Mean over the orders of the cosine between raw n-gram counts.

    Parameters
    ----------
    texts : sequence of str or of token lists
        Strings are split by `words_and_signs`.
    orders : sequence of int
        Lengths of the n-grams, each at least 1.
    normalize : bool
        A text with no n-gram of some order has a zero vector there, so that it is less than 1 alike
        to itself. By default the kernel is then scaled back to ones on the diagonal, as
        `normalize_kernel` does; with False it is left as it is.

    Returns
    -------
    array of shape (n, n)

    Raises
    ------
    ValueError
        If there are no texts, an order is below 1 or, with ``normalize``, a text has no n-gram of
        any order.

    Notes
    -----
    Friedman and Dieng (TMLR 2023), section 5; a sum of cosines, so positive semidefinite.

    Examples
    --------
    >>> ngram_kernel(["a b c", "a b d"], orders=(1, 2)).round(4)
    array([[1.    , 0.5833],
           [0.5833, 1.    ]])
    """
    from scipy.sparse import csr_array

    if isinstance(texts, str) or not len(texts):
        raise ValueError(f"ngram_kernel: expected a sequence of texts, got {texts!r}")
    if not len(orders) or min(orders) < 1:
        raise ValueError(f"ngram_kernel: orders must be at least 1, got {orders!r}")
    tokens = [words_and_signs(text) if isinstance(text, str) else list(text) for text in texts]
    kernel = np.zeros((len(tokens), len(tokens)))
    for n in orders:
        grams = [list(zip(*(text[i:] for i in range(n)), strict=False)) for text in tokens]
        numbers: dict[tuple[str, ...], int] = {}
        columns = [numbers.setdefault(gram, len(numbers)) for text in grams for gram in text]
        rows = np.repeat(np.arange(len(grams)), [len(text) for text in grams])
        shape = (len(grams), max(len(numbers), 1))
        counts = csr_array((np.ones(rows.size), (rows, columns)), shape=shape)
        dots = (counts @ counts.T).toarray()
        lengths = np.sqrt(np.diag(dots))
        lengths[lengths == 0.0] = 1.0
        kernel += dots / lengths / lengths[:, np.newaxis]
    kernel /= len(orders)
    return normalize_kernel(kernel, caller="ngram_kernel") if normalize else kernel


def cosine_kernel(features: ArrayLike) -> FloatArray:
    """Cosines between all rows, in float64.

    The score of features needs no kernel: `vendi_score` solves the smaller Gram matrix.

    Examples
    --------
    >>> cosine_kernel([[1.0, 0.0], [0.0, 3.0]])
    array([[1., 0.],
           [0., 1.]])
    """
    unit, _ = unit_rows(read_rows(features, "cosine_kernel"), "cosine_kernel")
    return np.asarray(unit @ unit.T)


def gaussian_kernel(features: ArrayLike, *, sigma: float) -> FloatArray:
    """``exp(-|x - y|^2 / (2 sigma^2))`` between all rows.

    Parameters
    ----------
    features : array of shape (n, d)
    sigma : float
        Width, above 0.

    Raises
    ------
    ValueError
        If there are no rows, a row is not finite, or the width is not above 0.

    Notes
    -----
    Distances are summed from differences and not from a Gram matrix: equal rows are exactly 1
    alike, which scores of order below 1 need.

    Examples
    --------
    >>> gaussian_kernel([[0.0], [1.0]], sigma=1.0).round(6)
    array([[1.      , 0.606531],
           [0.606531, 1.      ]])
    """
    from scipy.spatial.distance import pdist, squareform

    if not 0.0 < sigma < np.inf:
        raise ValueError(f"gaussian_kernel: sigma must be finite and above 0, got {sigma!r}")
    rows = read_rows(features, "gaussian_kernel").astype(np.float64)
    bad = np.asarray(~np.isfinite(rows).all(axis=1))
    if bad.any():
        raise ValueError(f"gaussian_kernel: rows are not finite: {named_rows(bad)}")
    if len(rows) == 1:
        return np.ones((1, 1))
    kernel = squareform(np.exp(pdist(rows / sigma, "sqeuclidean") / -2.0))
    np.fill_diagonal(kernel, 1.0)
    return np.asarray(kernel)


def probability_product_kernel(probabilities: ArrayLike) -> FloatArray:
    """``sum_y sqrt(p(y|x) p(y|x'))`` between all rows of classifier posteriors.

    It is the cosine kernel of ``sqrt(probabilities)``: `vendi_score` of those is faster.

    Parameters
    ----------
    probabilities : array of shape (n, classes)
        At least 0, each row summing to 1 within 1e-6.

    Raises
    ------
    ValueError
        If a row is no distribution; it names the rows.

    Examples
    --------
    >>> probability_product_kernel([[1.0, 0.0], [0.5, 0.5]]).round(6)
    array([[1.      , 0.707107],
           [0.707107, 1.      ]])
    """
    caller = "probability_product_kernel"
    rows = read_rows(probabilities, caller).astype(np.float64)
    with np.errstate(invalid="ignore"):
        is_good = (rows >= 0.0).all(axis=1) & (np.abs(rows.sum(axis=1) - 1.0) <= 1e-6)
    if not is_good.all():
        raise ValueError(f"{caller}: rows that are no distribution: {named_rows(~is_good)}")
    return cosine_kernel(np.sqrt(rows))


def tanimoto_kernel(bits: ArrayLike) -> FloatArray:
    """Shared bits over bits set in either, ``|A & B| / |A | B|``, between all rows.

    Parameters
    ----------
    bits : array of shape (n, b)
        Boolean, or 0 and 1: unpacked fingerprints.

    Raises
    ------
    ValueError
        If there are other values, or a row without a set bit, which has no Tanimoto similarity; it
        names the rows.

    Examples
    --------
    >>> tanimoto_kernel([[1, 1, 0], [0, 1, 1]]).round(6)
    array([[1.      , 0.333333],
           [0.333333, 1.      ]])
    """
    given = read_rows(bits, "tanimoto_kernel")
    rows = given.astype(np.float64)
    if given.dtype.kind != "b" and not ((rows == 0.0) | (rows == 1.0)).all():
        raise ValueError("tanimoto_kernel: bits must be boolean, or 0 and 1")
    sizes = rows.sum(axis=1)
    if not sizes.all():
        raise ValueError(f"tanimoto_kernel: rows without a set bit: {named_rows(sizes == 0.0)}")
    shared = rows @ rows.T
    return np.asarray(shared / (sizes[:, np.newaxis] + sizes - shared))


def normalize_kernel(kernel: ArrayLike, *, caller: str = "normalize_kernel") -> FloatArray:
    """A kernel scaled to ones on its diagonal, ``K_ij / sqrt(K_ii K_jj)``.

    Parameters
    ----------
    kernel : array of shape (n, n)
    caller : str
        The function that an error names.

    Raises
    ------
    ValueError
        If the matrix is not square, or a diagonal value is not finite and above 0; it names them.

    Examples
    --------
    >>> normalize_kernel([[4.0, 1.0], [1.0, 1.0]])
    array([[1. , 0.5],
           [0.5, 1. ]])
    """
    matrix = np.asarray(kernel, dtype=np.float64)
    if matrix.ndim != 2 or matrix.shape[0] != matrix.shape[1] or not matrix.size:
        raise ValueError(f"{caller}: expected shape (n, n) with n >= 1, got {matrix.shape}")
    diagonal = np.diag(matrix)
    with np.errstate(invalid="ignore"):
        bad = ~(np.isfinite(diagonal) & (diagonal > 0.0))
    if bad.any():
        raise ValueError(f"{caller}: items not alike to themselves in rows: {named_rows(bad)}")
    lengths = np.sqrt(diagonal)
    scaled = matrix / lengths / lengths[:, np.newaxis]
    np.fill_diagonal(scaled, 1.0)
    return np.asarray(scaled)
