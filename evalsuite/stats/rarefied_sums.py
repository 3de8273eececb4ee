"""Rarefied and extrapolated Hill numbers of many samples of equal size, without intervals.

On the scale on which they are estimated without bias: the number itself for q = 0, its logarithm
for q = 1, and its reciprocal for q = 2.
"""

import numpy as np

from evalsuite.stats.assemblage import Assemblages, estimate_assemblages, unseen_classes
from evalsuite.stats.clusters import FloatArray, IntArray
from evalsuite.stats.collapsed import simpson_sums
from evalsuite.stats.counts import rare_counts
from evalsuite.stats.entropy_points import plug_in_entropies

_LARGE = 200.0  # expected observations of a class from which the expansion is exact to 1e-8
_BLOCK = 5_000  # shares whose binomial terms are held at a time


def to_sums(matrix: IntArray, q: int, m: int) -> FloatArray:
    """Value at m observations of each row: of D_0, of log D_1 or of 1/D_2.

    Up to n, the mean over all subsets of m observations: the sum over classes of the expectation,
    over the hypergeometric number k of the class among them, of [k > 0], ``-(k/m) log(k/m)`` or
    ``(k/m)^2``. Beyond n:

    - q = 0: ``S_obs + f0 (1 - (1 - f1/(n f0 + f1))^(m-n))``, Chao et al. (2014)
    - q = 1: ``H_plug-in + E H(m) - E H(n)``, with the expected entropies of samples of m and of n
      from the distribution that `estimate_assemblages` makes of the sample; at most log D_0, and
      not below log D_2 where that leaves room. [derived]
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
    made = estimate_assemblages(matrix)
    rise = _expected_entropies(made, m) - _expected_entropies(made, n)
    most = np.log(_richness_beyond(matrix, n, m))
    least = np.minimum(-np.log(to_sums(matrix, 2, m)), most)
    return np.asarray(np.clip(plug_in_entropies(matrix) + rise, least, most))


def _expected_entropies(assemblages: Assemblages, m: int) -> FloatArray:
    """Expectation of the plug-in entropy of m observations from each distribution."""
    each = assemblages.unseen_mass / np.maximum(assemblages.n_unseen, 1)
    shares = np.concatenate([assemblages.seen, each[:, None]], axis=1)
    different, where = np.unique(shares, return_inverse=True)
    blocks = [
        _expected_terms(different[i : i + _BLOCK], m) for i in range(0, len(different), _BLOCK)
    ]
    terms = np.concatenate(blocks)[where.reshape(shares.shape)]
    return np.asarray(terms[:, :-1].sum(axis=1) + assemblages.n_unseen * terms[:, -1])


def _expected_terms(p: FloatArray, m: int) -> FloatArray:
    """Expectation of ``-(k/m) log(k/m)`` for binomial k of m with each share p."""
    from scipy.special import gammaln, xlog1py, xlogy

    # Expansion to the second order in 1/m, of which the next is 1/(mp)^3 of p.
    safe = np.where(m * p > _LARGE, p, 0.5)
    terms = -safe * np.log(safe) - (1 - safe) / (2 * m) + (safe - 1 / safe) / (12 * m * m)
    few = m * p <= _LARGE
    k = np.arange(1, min(m, int(_LARGE + 14 * _LARGE**0.5)) + 1)
    log_binom = gammaln(m + 1) - gammaln(k + 1) - gammaln(m - k + 1)
    rare = p[few, None]
    chance = np.exp(log_binom + xlogy(k, rare) + xlog1py(m - k, -rare))
    terms[few] = -(chance * (k / m * np.log(k / m))).sum(axis=1)
    return terms
