"""Rarefied and extrapolated Hill numbers of many samples of equal size, without intervals.

On the scale on which they are estimated without bias: the number itself for q = 0, its logarithm
for q = 1, and its reciprocal for q = 2.
"""

import numpy as np

from evalsuite.stats.assemblage import unseen_classes
from evalsuite.stats.clusters import FloatArray, IntArray
from evalsuite.stats.collapsed import simpson_sums
from evalsuite.stats.counts import rare_counts
from evalsuite.stats.entropy_points import chao_wang_jost_entropies, plug_in_entropies


def to_sums(matrix: IntArray, q: int, m: int) -> FloatArray:
    """Value at m observations of each row: of D_0, of log D_1 or of 1/D_2.

    Up to n, the mean over all subsets of m observations: the sum over classes of the expectation,
    over the hypergeometric number k of the class among them, of [k > 0], ``-(k/m) log(k/m)`` or
    ``(k/m)^2``. Beyond n:

    - q = 0: ``S_obs + f0 (1 - (1 - f1/(n f0 + f1))^(m-n))``, Chao et al. (2014)
    - q = 1: ``(n/m) H_plug-in + (1 - n/m) H_Chao-Wang-Jost``. The plug-in entropy of m observations
      is short by (S-1)/2m to the first order, which this weighting reproduces. [derived]
    - q = 2: ``1/m + (1 - 1/m) sum x(x-1)/(n(n-1))``, exact at every m

    Parameters
    ----------
    matrix : integer array of shape (units, classes)
        Rows of the same total n, at least 1.
    q : int
        0, 1 or 2.
    m : int
        At least 1.

    Returns
    -------
    array of shape (units,)

    Examples
    --------
    >>> x = np.array([[50, 30, 10, 5, 2, 1, 1, 1]])
    >>> [to_hill(to_sums(x, q, 50), q).round(5).tolist() for q in (0, 1, 2)]
    [[6.22379], [3.52578], [2.77984]]
    """
    n = int(matrix[0].sum())
    if q == 2:
        # One observation is its own whole: it has no pair to be unlike.
        pairs = simpson_sums(matrix) if n > 1 else np.ones(matrix.shape[0])
        return np.asarray(1 / m + (1 - 1 / m) * pairs)
    if m > n:
        return _richness_beyond(matrix, n, m) if q == 0 else _entropy_beyond(matrix, n, m)
    different, where = np.unique(matrix, return_inverse=True)
    expected = _chances_seen(different, n, m) if q == 0 else _entropy_terms(different, n, m)
    return np.asarray(expected[where.reshape(matrix.shape)].sum(axis=1))


def to_hill(sums: FloatArray, q: int) -> FloatArray:
    """Hill numbers of what `to_sums` gives; infinite where a reciprocal is not positive."""
    if q == 0:
        return sums
    if q == 1:
        return np.asarray(np.exp(sums))
    return np.asarray(np.divide(1.0, sums, out=np.full(sums.shape, np.inf), where=sums > 0))


def _chances_seen(x: IntArray, n: int, m: int) -> FloatArray:
    """``1 - binom(n-x, m) / binom(n, m)``."""
    from scipy.special import gammaln

    rest = np.maximum(n - x, m)
    missed = np.exp(gammaln(rest + 1) - gammaln(rest - m + 1) - gammaln(n + 1) + gammaln(n - m + 1))
    return np.asarray(1 - np.where(n - x >= m, missed, 0.0))


def _entropy_terms(x: IntArray, n: int, m: int) -> FloatArray:
    """Expectation of ``-(k/m) log(k/m)``, k of m drawn without replacement from x among n."""
    return np.array([_entropy_term(int(count), n, m) for count in x])


def _entropy_term(x: int, n: int, m: int) -> float:
    from scipy.special import gammaln

    k = np.arange(max(1, m - (n - x)), min(x, m) + 1)
    if not k.size:
        return 0.0

    def log_binom(a: int, b: IntArray | int) -> FloatArray:
        b = np.asarray(b)
        return np.asarray(gammaln(a + 1) - gammaln(b + 1) - gammaln(a - b + 1))

    chance = np.exp(log_binom(x, k) + log_binom(n - x, m - k) - log_binom(n, m))
    return float(-(chance * (k / m) * np.log(k / m)).sum())


def _richness_beyond(matrix: IntArray, n: int, m: int) -> FloatArray:
    unseen = unseen_classes(matrix)
    f1, _ = rare_counts(matrix)
    some = unseen > 0
    rate = np.divide(f1, n * unseen + f1, out=np.zeros_like(unseen), where=some)
    return np.asarray((matrix > 0).sum(axis=1) + unseen * (1 - (1 - rate) ** (m - n)))


def _entropy_beyond(matrix: IntArray, n: int, m: int) -> FloatArray:
    seen = n / m
    return seen * plug_in_entropies(matrix) + (1 - seen) * chao_wang_jost_entropies(matrix)
