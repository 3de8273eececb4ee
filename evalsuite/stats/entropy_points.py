"""Estimates of the entropy of many samples at once, in nats, without intervals.

Every function takes a matrix of counts, of shape (units, classes), with at least one observation a
row, and returns an array of shape (units,). Zeros are classes that were not seen.
"""

import math

import numpy as np

from evalsuite.stats.clusters import FloatArray, IntArray
from evalsuite.stats.counts import rare_counts

TABLE_LIMIT = 1_000_000
"""Functions of a count are looked up in a table unless it would be longer than this."""


def plug_in_entropies(matrix: IntArray) -> FloatArray:
    """``-sum (x/n) log(x/n)``, biased down by about (S-1)/2n.

    >>> plug_in_entropies(np.array([[1, 1, 0], [2, 0, 0]])).round(6).tolist()
    [0.693147, 0.0]
    """
    n = matrix.sum(axis=1)
    return np.asarray(np.maximum(np.log(n) - _x_log_x(matrix).sum(axis=1) / n, 0.0))


def miller_madow_entropies(matrix: IntArray) -> FloatArray:
    """Plug-in + (S_obs - 1)/2n."""
    seen = (matrix > 0).sum(axis=1)
    return np.asarray(plug_in_entropies(matrix) + (seen - 1) / (2 * matrix.sum(axis=1)))


def jackknife_entropies(matrix: IntArray) -> FloatArray:
    """``n H0 - (n-1)/n sum_j x_j H0(x_j - 1)``; the plug-in where there is one class."""
    n = matrix.sum(axis=1)
    total = _x_log_x(matrix).sum(axis=1)
    without = total[:, None] - _x_log_x(matrix) + _x_log_x(np.maximum(matrix - 1, 0))
    rest = np.maximum(n - 1, 1)[:, None]
    left_out = np.where(matrix > 0, np.log(rest) - without / rest, 0.0)
    mean = (matrix * left_out).sum(axis=1) / n
    h0 = plug_in_entropies(matrix)
    some = (matrix > 0).sum(axis=1) > 1
    return np.asarray(np.where(some, np.maximum(n * h0 - (n - 1) * mean, 0.0), h0))


def chao_shen_entropies(matrix: IntArray) -> FloatArray:
    """Horvitz-Thompson sum over coverage-adjusted shares; Chao & Shen (2003).

    ``-sum p log p / (1 - (1-p)^n)`` with ``p = C x/n`` and ``C = 1 - f1/n``; where all are
    singletons, f1 = n - 1 keeps C above 0.
    """
    n = matrix.sum(axis=1)[:, None]
    f1 = rare_counts(matrix)[0][:, None]
    # One observation leaves f1 = 0: it is the whole sample, and the entropy 0.
    coverage = 1 - np.where(f1 == n, n - 1, f1) / n
    p = coverage * matrix / n
    there = matrix > 0
    with np.errstate(divide="ignore"):  # log1p(-1) = -inf gives a chance of 1 of being seen
        seen = -np.expm1(n * np.log1p(-np.where(there, p, 0.5)))
    terms = np.where(there, p * np.log(np.where(there, p, 1.0)) / seen, 0.0)
    return np.asarray(np.maximum(-terms.sum(axis=1), 0.0))


def chao_wang_jost_entropies(matrix: IntArray) -> FloatArray:
    """Entropy from the slope of the accumulation curve; Chao, Wang & Jost (2013).

    ``sum (x/n)(psi(n) - psi(x)) + (f1/n) T``, with T the share of the entropy in unseen classes,
    computed by `unseen_term`.
    """
    n = matrix.sum(axis=1)
    f1, f2 = rare_counts(matrix)
    size = int(n.max(initial=1))
    if size <= TABLE_LIMIT:
        table = _digammas(size)
        psi = table[matrix]
        psi_n = table[n]
    else:
        from scipy.special import digamma

        psi, psi_n = digamma(np.maximum(matrix, 1)), digamma(n)
    seen = psi_n - np.einsum("ij,ij->i", matrix, psi) / n
    return np.asarray(np.maximum(seen + f1 / n * _unseen_terms(n, f1, f2), 0.0))


def unseen_term(n: int, f1: int, f2: int) -> float:
    """T of Chao, Wang & Jost: what one singleton stands for among the unseen classes.

    ``T = (1-A)^(1-n) (-log A - sum_{r=1}^{n-1} (1-A)^r / r)`` cancels catastrophically where
    ``(1-A)^(1-n)`` is large. The sum is the beginning of the series of ``-log A``, so what is left
    is its tail, ``T = sum_{k>=0} (1-A)^(k+1) / (n+k)``, of positive terms only.

    >>> round(unseen_term(100, 3, 1), 9)
    0.772580117
    """
    a = _a(n, f1, f2)
    if f1 == 0 or a >= 1.0:
        return 0.0
    decay = -math.log1p(-a)
    if (n - 1) * decay < 10.0:
        # At most exp(10) of relative error in the difference: a few times 1e-12 remain.
        r = np.arange(1, n)
        head = math.fsum((np.exp(-decay * r) / r).tolist())
        return math.exp((n - 1) * decay) * (-math.log(a) - head)
    k = np.arange(math.ceil(40.0 / a) + 1)  # exp(-40) of the first term is left out
    return math.fsum((np.exp(-decay * (k + 1)) / (n + k)).tolist())


def _a(n: int, f1: int, f2: int) -> float:
    if f2 > 0:
        return 2 * f2 / ((n - 1) * f1 + 2 * f2)
    return 2 / ((n - 1) * (f1 - 1) + 2) if f1 > 0 else 1.0


def _unseen_terms(n: IntArray, f1: IntArray, f2: IntArray) -> FloatArray:
    # Bootstrap stacks repeat few different triples many times over.
    triples = np.stack([n, f1, f2], axis=1)
    different, where = np.unique(triples, axis=0, return_inverse=True)
    terms = np.array([unseen_term(*triple) for triple in different.tolist()])
    return terms[where.reshape(-1)]


def _x_log_x(matrix: IntArray) -> FloatArray:
    size = int(matrix.max(initial=1))
    if size <= TABLE_LIMIT:
        x = np.arange(size + 1)
        return np.asarray((x * np.log(np.maximum(x, 1)))[matrix])
    return np.asarray(matrix * np.log(np.maximum(matrix, 1)))


def _digammas(size: int) -> FloatArray:
    from scipy.special import digamma

    table = digamma(np.arange(size + 1, dtype=np.float64))
    table[0] = 0.0  # a class that was not seen adds nothing
    return np.asarray(table)
