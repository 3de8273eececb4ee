"""The bootstrap with unseen classes: samples from the distribution a sample came from."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np

from evalsuite.stats.clusters import FloatArray, IntArray
from evalsuite.stats.counts import rare_counts

N_BOOT = 200
"""Bootstrap samples of an interval: enough for a standard error."""

CELLS = 4_000_000
"""Counts held at once; more samples are drawn in turns."""


@dataclass(frozen=True)
class Assemblages:
    """Estimated distributions that the samples of a count matrix came from.

    Parameters
    ----------
    n : array of shape (units,)
        Observations of each sample.
    seen : array of shape (units, classes)
        Shares of the classes that were seen; they sum to the coverage.
    unseen_mass : array of shape (units,)
        Share of all classes that were not, 1 - coverage.
    n_unseen : array of shape (units,)
        Classes that share it equally.
    """

    n: IntArray
    seen: FloatArray
    unseen_mass: FloatArray
    n_unseen: IntArray

    def shares(self, unit: int) -> FloatArray:
        """The whole distribution of one unit, seen classes first."""
        each = self.unseen_mass[unit] / max(int(self.n_unseen[unit]), 1)
        unseen = np.full(int(self.n_unseen[unit]), each)
        return np.concatenate([self.seen[unit][self.seen[unit] > 0], unseen])


def unseen_classes(matrix: IntArray) -> FloatArray:
    """Chao1's lower bound on the number of unseen classes of each row.

    ``(n-1)/n f1^2/(2 f2)``, or ``(n-1)/n f1(f1-1)/2`` where f2 = 0; Chao (1984, 1987).

    >>> unseen_classes(np.array([[50, 30, 10, 5, 2, 1, 1, 1]])).round(3).tolist()
    [4.455]
    """
    n = matrix.sum(axis=1)
    f1, f2 = rare_counts(matrix)
    pairs = np.where(f2 > 0, f1 * f1 / (2 * np.maximum(f2, 1)), f1 * (f1 - 1) / 2)
    return np.asarray((n - 1) / n * pairs)


def singleton_factor(matrix: IntArray) -> FloatArray:
    """``(n-1) f1 / ((n-1) f1 + 2 f2)`` of each row, with its form for f2 = 0; 0 where f1 = 0.

    The share of its mass that a new observation leaves unseen; Chao & Jost (2012).
    """
    n = matrix.sum(axis=1)
    f1, f2 = rare_counts(matrix)
    singles = np.where(f2 > 0, (n - 1) * f1, (n - 1) * np.maximum(f1 - 1, 0))
    return np.asarray(singles / (singles + 2 * np.maximum(f2, 1)))


def estimate_assemblages(matrix: IntArray) -> Assemblages:
    """Estimate the distribution that each row came from.

    Seen classes have ``p = (x/n)(1 - w (1-x/n)^n)``, with w such that they sum to the coverage;
    ceil(f0) unseen ones share the rest. Chao et al. (2014), appendix S2.

    Parameters
    ----------
    matrix : integer array of shape (units, classes)
        At least one observation a row.
    """
    n = matrix.sum(axis=1)
    f1, _ = rare_counts(matrix)
    n_unseen = np.ceil(unseen_classes(matrix) - 1e-9).astype(np.int64)
    missed = np.where(n_unseen > 0, f1 / n * singleton_factor(matrix), 0.0)
    p = matrix / n[:, None]
    detuned = p * (1 - p) ** n[:, None]
    total = detuned.sum(axis=1)
    weight = np.divide(missed, total, out=np.zeros_like(missed), where=total > 0)
    return Assemblages(n, p - weight[:, None] * detuned, missed, n_unseen)


def resample(
    assemblages: Assemblages, rng: np.random.Generator, n_boot: int = N_BOOT
) -> Iterator[tuple[slice, IntArray]]:
    """Bootstrap samples of each assemblage, as large as the sample that it was estimated from.

    Parameters
    ----------
    assemblages : Assemblages
    rng : numpy Generator
    n_boot : int
        Samples of each.

    Yields
    ------
    (slice, integer array of shape (units of the slice, n_boot, columns))
        Columns beyond the seen classes hold the unseen ones that were drawn, in no order.
    """
    units, classes = assemblages.seen.shape
    largest_unseen = np.minimum(assemblages.n, assemblages.n_unseen)
    width = classes + int(largest_unseen.max(initial=0)) + 1
    step = max(1, CELLS // (n_boot * width))
    for start in range(0, units, step):
        chunk = slice(start, min(start + step, units))
        yield chunk, _draw(assemblages, chunk, rng, n_boot)


def bootstrap(
    matrix: IntArray,
    statistic: Callable[[IntArray], FloatArray],
    rng: np.random.Generator,
    n_boot: int = N_BOOT,
) -> FloatArray:
    """The statistic of bootstrap samples with unseen classes.

    Parameters
    ----------
    matrix : integer array of shape (units, classes)
        At least one observation a row.
    statistic : function of an integer array of shape (rows, columns)
        Gives an array of shape (rows,).
    rng : numpy Generator
    n_boot : int
        Samples of each unit.

    Returns
    -------
    array of shape (units, n_boot)

    Examples
    --------
    >>> def observed(samples):
    ...     return (samples > 0).sum(axis=1)
    >>> bootstrap(np.array([[6, 3, 1, 1]]), observed, np.random.default_rng(1), 3).shape
    (1, 3)
    """
    values = np.empty((matrix.shape[0], n_boot))
    for chunk, samples in resample(estimate_assemblages(matrix), rng, n_boot):
        flat = samples.reshape(-1, samples.shape[-1])
        values[chunk] = statistic(flat).reshape(-1, n_boot)
    return values


def normal_quantile(level: float) -> float:
    """Half width, in standard errors, of a two-sided normal interval.

    >>> round(normal_quantile(0.95), 6)
    1.959964
    """
    from scipy.special import ndtri

    return float(ndtri(0.5 + level / 2))


def _draw(
    assemblages: Assemblages, chunk: slice, rng: np.random.Generator, n_boot: int
) -> IntArray:
    shares = np.concatenate([assemblages.seen[chunk], assemblages.unseen_mass[chunk, None]], axis=1)
    shares /= shares.sum(axis=1, keepdims=True)
    n = assemblages.n[chunk, None]
    drawn = rng.multinomial(n, shares[:, None, :], size=(shares.shape[0], n_boot))
    seen, unseen = drawn[..., :-1], drawn[..., -1]
    if not unseen.any():
        return np.asarray(seen)
    return np.concatenate([seen, _spread(unseen, assemblages.n_unseen[chunk], rng)], axis=-1)


def _spread(totals: IntArray, n_classes: IntArray, rng: np.random.Generator) -> IntArray:
    """Counts of equally likely classes, of which each row draws ``totals``; only those drawn.

    Drawing the labels keeps the width at the number of draws, however many classes there are.
    """
    width = int(totals.max())
    position = np.arange(width)
    labels = rng.integers(0, np.maximum(n_classes, 1)[:, None, None], (*totals.shape, width))
    # What a row does not draw becomes a label of its own, and is taken out at the end.
    labels = np.where(position < totals[..., None], labels, -1 - position)
    labels.sort(axis=-1)
    first = np.ones(labels.shape, dtype=bool)
    first[..., 1:] = labels[..., 1:] != labels[..., :-1]
    begin = np.maximum.accumulate(np.where(first, position, 0), axis=-1)
    last = np.ones(labels.shape, dtype=bool)
    last[..., :-1] = first[..., 1:]
    return np.asarray(np.where(last & (labels >= 0), position - begin + 1, 0))
