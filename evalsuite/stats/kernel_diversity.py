"""Order-2 kernel diversity (Vendi scores) that compares across sample sizes, with intervals."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from evalsuite.stats.clusters import Clusters, FloatArray, IntArray, check_level, read_values
from evalsuite.stats.estimate import Estimate
from evalsuite.stats.jackknife import jackknife_interval
from evalsuite.stats.kernels import read_kernel, unit_rows
from evalsuite.stats.means import mean_interval
from evalsuite.stats.reciprocal import NOTHING, reciprocal

FEW_ROWS = 50
"""Fewer rows of one set leave the jackknife short where many are copies."""

COLLAPSED = 0.64
"""A collision probability above that of one kind with a share of .8."""

_BLOCK = 1024  # rows of a kernel held at a time


@dataclass(frozen=True)
class Collisions:
    """How alike two independent draws are: the population quantity u behind order-2 diversity.

    Parameters
    ----------
    probability : float
        u, the mean squared similarity over pairs of rows from different clusters.
    row_means : array of shape (n,)
        The same mean over the pairs of each row; their mean, weighted by how many pairs each row
        has, is u.
    left_out : array of shape (G,)
        u without each cluster, NaN where fewer than two clusters are left.
    """

    probability: float
    row_means: FloatArray
    left_out: FloatArray

    def __float__(self) -> float:
        return self.probability


def collision_probability(features: ArrayLike, *, clusters: Clusters | None = None) -> Collisions:
    """Mean squared cosine over pairs of different rows, or of rows from different clusters.

    An unbiased U-statistic of ``E k(X, X')^2``: unlike a Vendi score it does not grow with n.

    Parameters
    ----------
    features : array of shape (n, d), n >= 2
        Rows are scaled to unit length in float64. A row and its negative count as the same.
    clusters : sequence of n labels, optional
        What was sampled independently. By default each row is its own cluster.

    Raises
    ------
    ValueError
        If there are fewer than two rows or clusters, or a row is zero or not finite.

    Notes
    -----
    Costs ``O(n d min(n, d))`` time and holds at most 1024 rows of the kernel.

    Examples
    --------
    >>> collision_probability([[1.0, 0.0], [0.0, 2.0], [3.0, 0.0]]).probability
    0.3333333333333333
    """
    caller = "collision_probability"
    rows = unit_rows(features, caller)
    cluster = _cluster_numbers(clusters, len(rows), caller)
    n, d = rows.shape
    if n <= d:
        blocks = ((at, rows[at] @ rows.T) for at in _row_blocks(n))
        return _collisions(_row_sums(blocks, cluster), cluster)
    return _collisions(_row_sums_from_gram(rows, cluster), cluster)


def collision_probabilities(features: ArrayLike) -> FloatArray:
    """`collision_probability` of each of many equally large sets.

    Parameters
    ----------
    features : array of shape (units, n, d), n >= 2

    Returns
    -------
    array of shape (units,)

    Examples
    --------
    >>> collision_probabilities([[[1.0, 0.0], [0.0, 1.0]], [[1.0, 1.0], [1.0, 1.0]]]).round(12)
    array([0., 1.])
    """
    stack = np.asarray(features)
    if stack.ndim != 3:
        raise ValueError(f"collision_probabilities: expected (units, n, d), got {stack.shape}")
    return np.array([collision_probability(unit).probability for unit in stack])


def vendi_unbiased(
    features: ArrayLike, *, clusters: Clusters | None = None, level: float = 0.95
) -> Estimate:
    """Order-2 Vendi score of the population that rows are drawn from, ``1 / u``.

    ``VS_2u = n(n-1) / sum_{i != j} K_ij^2`` for the cosine kernel K. It estimates the effective
    number of kinds of the population and not of the sample, so it compares across n and may exceed
    n. The jackknife over rows (clusters) gives an interval of u, which is inverted.

    Parameters
    ----------
    features : array of shape (n, d), n >= 2
        Rows are scaled to unit length.
    clusters : sequence of n labels, optional
        What was sampled independently, such as prompts: then only pairs from different clusters
        count. By default each row is its own cluster.
    level : float
        Nominal coverage, in (0, 1).

    Returns
    -------
    Estimate
        Null with a warning where no pair is alike at all; then the lower end is the exact bound
        from disjoint pairs. The upper end is null, with a warning, where the interval of u
        reaches 0. Null bounds as for `jackknife_interval` otherwise.

    Raises
    ------
    ValueError
        If there are fewer than two rows or clusters, or a row is zero or not finite.

    Notes
    -----
    The reciprocal of an unbiased estimate is itself biased upwards, by about ``se_u^2 / u^3``.
    Measured coverage of nominal 95 % intervals for 8 to 200 rows: 93-99 % for Gaussian features,
    91-100 % for one of 10 or 20 orthogonal kinds a row.

    Examples
    --------
    >>> kinds = np.repeat(np.arange(3), [10, 15, 5])
    >>> result = vendi_unbiased(np.eye(3)[kinds])
    >>> round(result.estimate, 4), round(result.ci_low, 4), round(result.ci_high, 4)
    (2.7188, 2.0654, 3.5788)
    """
    check_level(level, "vendi_unbiased")
    collisions = collision_probability(features, clusters=clusters)
    return _inverted_jackknife(collisions, level)


def vendi_unbiased_from_kernel(
    kernel: ArrayLike, *, clusters: Clusters | None = None, level: float = 0.95
) -> Estimate:
    """`vendi_unbiased` of a similarity matrix.

    Parameters
    ----------
    kernel : array of shape (n, n), n >= 2
        Symmetric, positive semidefinite, with ones on the diagonal.
    clusters, level
        As for `vendi_unbiased`.

    Raises
    ------
    ValueError
        If the matrix is not such a kernel.

    Examples
    --------
    >>> vendi_unbiased_from_kernel([[1, 0.5, 0], [0.5, 1, 0], [0, 0, 1]]).estimate
    12.0
    """
    caller = "vendi_unbiased_from_kernel"
    check_level(level, caller)
    matrix = read_kernel(kernel, caller)
    cluster = _cluster_numbers(clusters, len(matrix), caller)
    blocks = ((at, matrix[at]) for at in _row_blocks(len(matrix)))
    return _inverted_jackknife(_collisions(_row_sums(blocks, cluster), cluster), level)


def mean_vendi_unbiased(
    us: ArrayLike, *, clusters: Clusters | None = None, level: float = 0.95
) -> Estimate:
    """Order-2 diversity over prompts: collision probabilities averaged, then inverted once.

    Parameters
    ----------
    us : array of shape (prompts,)
        `collision_probability` of each prompt, in [0, 1]; NaN is missing.
    clusters : sequence of labels, optional
        What was sampled independently. By default each prompt is its own cluster.
    level : float
        Nominal coverage, in (0, 1).

    Returns
    -------
    Estimate
        The t interval of the mean u, inverted; null where `mean_interval` is, and the upper end
        null, with a warning, where the interval of u reaches 0.

    Examples
    --------
    >>> result = mean_vendi_unbiased([0.5, 0.25, 0.25, 0.2, 0.3, 0.5, 0.4, 0.3, 0.2, 0.1])
    >>> round(result.estimate, 4), round(result.ci_low, 4), round(result.ci_high, 4)
    (3.3333, 2.4377, 4.5581)
    """
    values, _, _ = read_values(us, clusters, "mean_vendi_unbiased")
    if values.size and (values.min() < 0.0 or values.max() > 1.0 + 1e-9):
        raise ValueError("mean_vendi_unbiased: collision probabilities must lie in [0, 1]")
    return reciprocal(mean_interval(us, clusters=clusters, level=level))


def _cluster_numbers(clusters: Clusters | None, n: int, caller: str) -> IntArray:
    _, cluster, _ = read_values(np.zeros(n), clusters, caller)
    if cluster.max() == 0:
        raise ValueError(f"{caller}: pairs need at least two clusters")
    return cluster


def _row_blocks(n: int) -> list[slice]:
    return [slice(start, min(start + _BLOCK, n)) for start in range(0, n, _BLOCK)]


def _row_sums(blocks: Iterator[tuple[slice, FloatArray]], cluster: IntArray) -> FloatArray:
    """Squared similarities of each row to the rows of other clusters, added up."""
    parts = []
    for at, block in blocks:
        squares = np.square(block)
        squares[cluster[at, None] == cluster[None, :]] = 0.0
        parts.append(squares.sum(axis=1))
    return np.concatenate(parts)


def _row_sums_from_gram(rows: FloatArray, cluster: IntArray) -> FloatArray:
    """`_row_sums` from ``sum_j K_ij^2 = x_i' C x_i`` with the d x d matrix C of all rows."""
    gram = rows.T @ rows
    total = np.concatenate(
        [np.einsum("ij,ij->i", rows[at] @ gram, rows[at]) for at in _row_blocks(len(rows))]
    )
    order = np.argsort(cluster, kind="stable")
    own = np.square(np.einsum("ij,ij->i", rows, rows))
    if cluster.max() + 1 < len(rows):
        for members in np.split(order, np.flatnonzero(np.diff(cluster[order])) + 1):
            inside = rows[members]
            if len(members) > rows.shape[1]:
                own[members] = np.einsum("ij,ij->i", inside @ (inside.T @ inside), inside)
            else:
                own[members] = np.square(inside @ inside.T).sum(axis=1)
    return np.asarray(np.maximum(total - own, 0.0))


def _collisions(row_sums: FloatArray, cluster: IntArray) -> Collisions:
    sizes = np.bincount(cluster)
    n = cluster.size
    pairs = n * n - int(np.dot(sizes, sizes))
    total = float(row_sums.sum())
    # Leaving a cluster out takes away its pairs with the others, in both orders.
    rest = pairs - 2 * sizes * (n - sizes)
    with np.errstate(divide="ignore", invalid="ignore"):
        left = (total - 2 * np.bincount(cluster, weights=row_sums)) / rest
    return Collisions(
        probability=total / pairs,
        row_means=row_sums / (n - sizes[cluster]),
        left_out=np.where(rest > 0, np.maximum(left, 0.0), np.nan),
    )


def collision_warnings(u: float, n: int) -> tuple[str, ...]:
    """Where the jackknife of the collision probability of n rows is known to fall short.

    >>> collision_warnings(0.1, 200)
    ()
    """
    warnings: tuple[str, ...] = ()
    if n < FEW_ROWS:
        warnings += (f"few rows: {n}, below {FEW_ROWS} the interval is rough",)
    if u > COLLAPSED:
        warnings += (
            f"collapsed: two answers are alike with a chance of {u:.2g}, so that few rows say "
            "what else there is",
        )
    return warnings


def _inverted_jackknife(collisions: Collisions, level: float) -> Estimate:
    n, n_clusters = collisions.row_means.size, collisions.left_out.size
    u = min(collisions.probability, 1.0)
    if u > NOTHING:
        found = jackknife_interval(u, collisions.left_out, level=level, n=n)
        notes = () if found.ci_low is None else collision_warnings(u, n)
        return reciprocal(found.model_copy(update={"warnings": found.warnings + notes}))
    # Disjoint pairs are independent, and each is alike with a probability of at least u.
    bound = 1.0 - ((1.0 - level) / 2) ** (1.0 / (n_clusters // 2))
    nothing = Estimate(
        estimate=0.0,
        se=None,
        ci_low=None,
        ci_high=bound,
        level=level,
        method="exact over disjoint pairs",
        n=n,
        n_clusters=n_clusters,
    )
    return reciprocal(nothing)
