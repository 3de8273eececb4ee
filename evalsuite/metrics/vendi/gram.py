"""Spectra of features that are read block by block: the d x d Gram matrix, in bounded memory."""

from collections.abc import Iterable

import numpy as np
from numpy.typing import ArrayLike, NDArray

from evalsuite.metrics.vendi.density import MAX_SIDE, Density
from evalsuite.metrics.vendi.eigenvalues import FloatArray, Spectrum
from evalsuite.metrics.vendi.rows import (
    BLOCK,
    ZeroRows,
    check_zero_rows,
    read_rows,
    unit_rows,
)


class StreamedGram:
    """Adds up ``sum_i w_i x_i x_i^T`` over unit rows, in float64, whatever the number of rows.

    Parameters
    ----------
    zero : {"error", "drop", "orthogonal"}
        What to do with rows of zeros: refuse, leave out and count, or each as a kind of its own.
    max_side : int
        Wider rows are refused.
    caller : str
        The function that an error names.

    Notes
    -----
    Holds one d x d matrix and at most 8192 rows in float64 at a time.

    Examples
    --------
    >>> gram = StreamedGram()
    >>> gram.add([[1.0, 0.0], [0.0, 2.0]])
    >>> gram.add([[5.0, 0.0], [0.0, 1.0]])
    >>> gram.n_rows, round(gram.spectrum().score(1), 12)
    (4, 2.0)
    """

    def __init__(
        self,
        *,
        zero: ZeroRows = "error",
        max_side: int = MAX_SIDE,
        caller: str = "StreamedGram",
    ) -> None:
        check_zero_rows(zero, caller)
        self._max_side = max_side
        self._zero: ZeroRows = zero
        self._caller = caller
        self._sum: FloatArray | None = None
        self._weight = 0.0
        self._zero_weights: list[float] = []
        self.n_rows = 0
        self.n_zero = 0

    def add(self, block: ArrayLike, *, weights: ArrayLike | None = None) -> None:
        """Add the rows of a block.

        Parameters
        ----------
        block : array of shape (rows, d)
            Any floating dtype; the same d each time. A block without rows adds nothing.
        weights : array of shape (rows,), optional
            At least 0, on any scale; 1 by default.

        Raises
        ------
        ValueError
            If the shape differs, or rows are not finite or, with ``zero="error"``, zero. Rows are
            named by their place in the whole stream.
        """
        given = np.asarray(block)
        if given.ndim == 2 and not len(given):
            return
        rows = read_rows(given, self._caller)
        if rows.shape[1] > self._max_side:
            raise ValueError(
                f"{self._caller}: rows of {rows.shape[1]} features are above max_side = "
                f"{self._max_side}; project them to fewer features first"
            )
        if self._sum is not None and rows.shape[1] != len(self._sum):
            raise ValueError(
                f"{self._caller}: blocks differ in width, {len(self._sum)} and {rows.shape[1]}"
            )
        p = None if weights is None else self._read_block_weights(weights, len(rows))
        for start in range(0, len(rows), BLOCK):
            at = slice(start, start + BLOCK)
            unit, is_zero = unit_rows(
                rows[at], self._caller, zero=self._zero, first=self.n_rows, whole=rows
            )
            self._add(unit, is_zero, np.ones(len(unit)) if p is None else p[at])
        self.n_rows += len(rows)

    def density(self) -> Density:
        """Density matrix of all rows so far.

        Raises
        ------
        ValueError
            If there are no rows, or none that counts.
        """
        if not self.n_rows:
            raise ValueError(f"{self._caller}: no rows")
        is_dropping = self._zero == "drop"
        if self._sum is None or (is_dropping and self.n_zero == self.n_rows):
            raise ValueError(f"{self._caller}: all {self.n_rows} rows are zero")
        own = np.array([] if is_dropping else self._zero_weights)
        total = self._weight + float(own.sum())
        if total <= 0.0:
            raise ValueError(f"{self._caller}: no row that is left has a weight")
        dropped = self.n_zero if is_dropping else 0
        return Density(
            (self._sum + self._sum.T) / (2 * total),
            n_items=self.n_rows - dropped,
            own=own / total,
            n_dropped=dropped,
        )

    def spectrum(self, *, eig_tol: float | None = None) -> Spectrum:
        """Spectrum of all rows so far; ``eig_tol`` as for `spectrum_of_matrix`."""
        return self.density().spectrum(eig_tol=eig_tol, caller=self._caller)

    def _add(self, unit: FloatArray, is_zero: NDArray[np.bool_], weights: FloatArray) -> None:
        # One array and its own transpose: half the work, and exactly symmetric.
        scaled = unit * np.sqrt(weights)[:, np.newaxis]
        gram = scaled.T @ scaled
        self._sum = gram if self._sum is None else np.add(self._sum, gram, out=self._sum)
        self._weight += float(weights[~is_zero].sum())
        self._zero_weights.extend(weights[is_zero].tolist())
        self.n_zero += int(is_zero.sum())

    def _read_block_weights(self, weights: ArrayLike, n: int) -> FloatArray:
        p = np.asarray(weights, dtype=np.float64)
        if p.shape != (n,):
            raise ValueError(f"{self._caller}: expected {n} weights, got shape {p.shape}")
        if not np.isfinite(p).all() or p.min() < 0.0:
            raise ValueError(f"{self._caller}: weights must be finite and at least 0")
        return p


def feature_spectrum_of_blocks(
    blocks: Iterable[ArrayLike], *, zero: ZeroRows = "error", eig_tol: float | None = None
) -> Spectrum:
    """Cosine spectrum of rows that come in blocks, such as shards of a file.

    Parameters
    ----------
    blocks : iterable of arrays of shape (rows, d)
        Read once, one at a time.
    zero : {"error", "drop", "orthogonal"}
        What to do with rows of zeros.
    eig_tol : float, optional
        Up to which size an eigenvalue is 0.

    Raises
    ------
    ValueError
        If there are no rows, or as for `StreamedGram.add`.

    Examples
    --------
    >>> feature_spectrum_of_blocks(np.eye(4)[i : i + 1] for i in range(4)).score("inf")
    4.0
    """
    gram = StreamedGram(zero=zero, caller="feature_spectrum_of_blocks")
    for block in blocks:
        gram.add(block)
    return gram.spectrum(eig_tol=eig_tol)
