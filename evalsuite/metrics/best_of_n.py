"""Best-of-N by simulation: which answers of a pool a policy would show that keeps the best of N."""

import math

import numpy as np
from numpy.typing import ArrayLike, NDArray

FloatArray = NDArray[np.float64]


def best_of_n_draws(
    rewards: ArrayLike, *, n: int, repeats: int, rng: np.random.Generator
) -> NDArray[np.int64]:
    """Draw n of a pool without replacement, keep the highest reward, and again.

    Parameters
    ----------
    rewards : array of shape (pool,)
    n : int
        Answers of one draw, from 1 to the size of the pool.
    repeats : int
        Independent draws, at least 1. They share the pool, so that they repeat answers more often
        than the policy itself would; the wider the pool, the less. Two draws show the same answer
        with chance ``sum p_i^2`` of `best_of_n_probabilities`: .34 for 16 of 32 different rewards.
    rng : numpy.random.Generator

    Returns
    -------
    array of shape (repeats,)
        Places in the pool; of equal rewards the one that was drawn first.

    Raises
    ------
    ValueError
        If rewards are not finite, or n or repeats out of range.

    Notes
    -----
    The simulation of Kirk et al. (ICLR 2024, arXiv 2310.06452): N = 16 of a pool of 32.

    Examples
    --------
    >>> best_of_n_draws([0.1, 0.9, 0.5], n=3, repeats=4, rng=np.random.default_rng(0))
    array([1, 1, 1, 1])
    """
    pool = _rewards(rewards, n, "best_of_n_draws")
    if repeats < 1:
        raise ValueError(f"best_of_n_draws: repeats must be at least 1, got {repeats}")
    order = np.argsort(rng.random((repeats, pool.size)), axis=1)[:, :n]
    kept = pool[order].argmax(axis=1)
    return np.asarray(np.take_along_axis(order, kept[:, None], axis=1)[:, 0])


def best_of_n_probabilities(rewards: ArrayLike, *, n: int) -> FloatArray:
    """Chance of each answer of a pool to be the one that `best_of_n_draws` keeps.

    Parameters
    ----------
    rewards : array of shape (pool,)
    n : int

    Returns
    -------
    array of shape (pool,), summing to 1
        ``C(r, n) - C(r - m, n)`` over ``C(pool, n)``, shared among the m answers of a reward that r
        answers do not exceed.

    Examples
    --------
    >>> best_of_n_probabilities([3.0, 1.0, 2.0], n=2).round(4)
    array([0.6667, 0.    , 0.3333])
    """
    pool = _rewards(rewards, n, "best_of_n_probabilities")
    _, place, counts = np.unique(pool, return_inverse=True, return_counts=True)
    below = np.cumsum(counts)
    total = math.comb(pool.size, n)
    shares = [
        (math.comb(int(r), n) - math.comb(int(r - m), n)) / total / int(m)
        for r, m in zip(below, counts, strict=True)
    ]
    return np.array(shares)[place]


def expected_best_of_n_distance(features: ArrayLike, rewards: ArrayLike, *, n: int) -> float:
    """Mean cosine distance of two independent `best_of_n_draws`, without drawing.

    Both draws come from the same pool. They keep the same answer with chance ``sum p_i^2`` of
    `best_of_n_probabilities` and such a pair is at distance 0, whereas two answers of the policy
    itself come from two pools: the value lies below the policy's own distance. For a pool of 32 and
    n = 16 the chance is about a third, so that the best of a pool of equally distant answers comes
    out about a third too low; only a wider pool helps.

    Parameters
    ----------
    features : array of shape (pool, d)
        Embeddings, at any scale. A row of zeros has cosine 0 with every row, itself included.
    rewards : array of shape (pool,)
    n : int
        Answers of one draw, from 1 to the size of the pool.

    Returns
    -------
    float, in [0, 2]
        The expectation of `mean_pairwise_cosine_distance` over any number of draws.

    Raises
    ------
    ValueError
        If shapes do not fit, values are not finite, or n is out of range.

    Notes
    -----
    With s the mean of the unit rows under p the distance is ``1 - |s|^2``, and equally
    ``sum p_i |u_i - s|^2``, which does not cancel where rows are nearly equal.

    Examples
    --------
    >>> expected_best_of_n_distance([[1, 0], [0, 1], [1, 1]], [0.2, 0.2, 0.1], n=2)
    0.5
    """
    caller = "expected_best_of_n_distance"
    chances = best_of_n_probabilities(_rewards(rewards, n, caller), n=n)
    rows = np.asarray(features, dtype=np.float64)
    if rows.ndim != 2 or len(rows) != chances.size or not np.isfinite(rows).all():
        raise ValueError(
            f"{caller}: expected {chances.size} finite rows of features, one a reward, "
            f"got shape {rows.shape}"
        )
    # Scaled by the largest value first, so that the squares neither overflow nor vanish.
    rows = rows / _or_one(np.abs(rows).max(axis=1, initial=0.0, keepdims=True))
    norms = np.linalg.norm(rows, axis=1, keepdims=True)
    rows, is_zero = rows / _or_one(norms), norms[:, 0] == 0.0
    deviations = rows - chances @ rows
    scatter = chances @ np.einsum("ij,ij->i", deviations, deviations)
    return float(min(scatter + chances[is_zero].sum(), 2.0))


def _or_one(scale: FloatArray) -> FloatArray:
    return np.where(scale == 0.0, 1.0, scale)


def best_of_n_pairs(
    rewards: ArrayLike, *, n: int, repeats: int, rng: np.random.Generator
) -> NDArray[np.int64]:
    """Two answers of a best-of-N policy at a time, from n answers of their own each.

    Draws of `best_of_n_draws` share answers, so that one can be shown twice and a mean distance
    comes out too low. Here 2 n different answers are drawn and cut into halves, and each half keeps
    its best: the two are independent draws of the policy, whatever the size of the pool.

    Parameters
    ----------
    rewards : array of shape (pool,)
    n : int
        At least 1, at most half of the pool.
    repeats : int
        Pairs to draw, at least 1.
    rng : numpy.random.Generator

    Returns
    -------
    array of shape (repeats, 2)
        Places in the pool.

    Raises
    ------
    ValueError
        If rewards are not finite, or n or repeats out of range.

    Examples
    --------
    >>> best_of_n_pairs([0.1, 0.9], n=1, repeats=2, rng=np.random.default_rng(0)).shape
    (2, 2)
    """
    pool = _rewards(rewards, 2 * n, "best_of_n_pairs")
    if repeats < 1:
        raise ValueError(f"best_of_n_pairs: repeats must be at least 1, got {repeats}")
    order = np.argsort(rng.random((repeats, pool.size)), axis=1)[:, : 2 * n].reshape(-1, 2, n)
    kept = pool[order].argmax(axis=2)
    return np.asarray(np.take_along_axis(order, kept[:, :, None], axis=2)[:, :, 0])


def _rewards(rewards: ArrayLike, n: int, caller: str) -> FloatArray:
    pool = np.asarray(rewards, dtype=np.float64)
    if pool.ndim != 1 or not pool.size or not np.isfinite(pool).all():
        raise ValueError(f"{caller}: expected a row of finite rewards, got shape {pool.shape}")
    if not 1 <= n <= pool.size:
        raise ValueError(f"{caller}: n must lie in 1 to the pool's {pool.size}, got {n}")
    return pool
