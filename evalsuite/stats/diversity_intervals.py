"""Intervals for the entropy and for ``sum p^2`` of many samples at once."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from evalsuite.stats.assemblage import bootstrap, normal_quantile
from evalsuite.stats.clusters import FloatArray, IntArray
from evalsuite.stats.collapsed import (
    Part,
    Reach,
    entropy_reach,
    rest_share,
    simpson_reach,
    simpson_sums,
)
from evalsuite.stats.counts import read_count_matrix
from evalsuite.stats.entropy_points import chao_wang_jost_entropies

COLLAPSED = 0.8
"""A largest share that may lie above this is taken apart: see `evalsuite.stats.collapsed`."""

CLEAR = 0.4
"""From this largest share on, the lower end is never above the one that taking apart gives."""

UNSEEN_BOOTSTRAP = "bootstrap with unseen classes"
TOP_SPLIT = "largest class and rest"

BoolArray = NDArray[np.bool_]


@dataclass(frozen=True)
class Intervals:
    """Estimates of many samples with their intervals; arrays of shape (units,).

    Parameters
    ----------
    estimate : array
        Not cut, also where a closed set of classes allows less.
    se : array
        Standard deviation over bootstrap samples; 0 where they are all alike.
    low, high : array
        Ends of the intervals.
    is_split : array of bool
        Whether the interval is that of the largest class and the rest.
    """

    estimate: FloatArray
    se: FloatArray
    low: FloatArray
    high: FloatArray
    is_split: BoolArray


def entropy_intervals(
    counts: IntArray, *, level: float, n_classes: int | None, rng: np.random.Generator
) -> Intervals:
    """Chao-Wang-Jost entropy of each row of counts, with an interval, in nats.

    ``estimate +- z se`` with the bootstrap with unseen classes; the upper end adds to ``se^2`` the
    square of what a class rarer than all that were seen would add, see `_one_more`. Where the
    largest share may lie above .8, the interval of its share and of the rest. Where the largest
    share is .4 or more, the lower end is the lower of both: around even shares the bootstrap does
    not see that there is less entropy on either side.

    Parameters
    ----------
    counts : integer array of shape (units, classes)
        At least one observation a row.
    level : float
        Nominal coverage.
    n_classes : int, optional
        Size of a closed set of classes: intervals end at its logarithm.
    rng : numpy Generator

    Examples
    --------
    >>> rng = np.random.default_rng(1)
    >>> many = entropy_intervals(np.array([[50, 0, 0], [20, 17, 13]]), level=0.95,
    ...                          n_classes=None, rng=rng)
    >>> many.is_split.tolist(), many.estimate.round(3).tolist()
    ([True, False], [0.0, 1.104])
    """
    matrix = read_count_matrix(counts, "entropy_intervals")
    estimate = chao_wang_jost_entropies(matrix)
    se = bootstrap(matrix, chao_wang_jost_entropies, rng).std(axis=1, ddof=1)
    most = np.inf if n_classes is None else np.log(n_classes)
    centre = np.minimum(estimate, most)
    z, share = normal_quantile(level), rest_share(matrix, level)
    plain = Reach(z * se, z * np.hypot(se, _one_more(matrix)))

    def split(rows: IntArray, part: Part) -> Reach:
        return entropy_reach(rows, part, level, n_classes, rng)

    reach, is_split = _join(matrix, share, plain, split, "below")
    low = np.maximum(centre - reach.below, 0.0)
    return Intervals(estimate, se, low, np.minimum(centre + reach.above, most), is_split)


def simpson_intervals(
    counts: IntArray, *, level: float, n_classes: int | None, rng: np.random.Generator
) -> Intervals:
    """Unbiased ``sum p^2`` of each row of counts, with an interval made as `entropy_intervals` do.

    Parameters
    ----------
    counts : integer array of shape (units, classes)
        At least two observations a row.
    level, n_classes, rng
        As in `entropy_intervals`; intervals lie between ``1/n_classes`` and 1.
    """
    matrix = read_count_matrix(counts, "simpson_intervals")
    if (matrix.sum(axis=1) < 2).any():
        raise ValueError("simpson_intervals: at least two observations are needed in every row")
    estimate = simpson_sums(matrix)
    se = bootstrap(matrix, simpson_sums, rng).std(axis=1, ddof=1)
    least = 0.0 if n_classes is None else 1 / n_classes
    centre = np.maximum(estimate, least)
    z, share = normal_quantile(level), rest_share(matrix, level)

    def split(rows: IntArray, part: Part) -> Reach:
        return simpson_reach(rows, part, level, n_classes, rng)

    reach, is_split = _join(matrix, share, Reach(z * se, z * se), split, "above")
    low, high = np.maximum(centre - reach.below, least), centre + reach.above
    # Without repeats among so many pairs, their rate is bounded by the rule of three.
    n = matrix.sum(axis=1).astype(np.float64)
    unrepeated = np.where(estimate == 0, -2 * np.log1p(-level) / (n * (n - 1)), 0.0)
    high = np.minimum(np.maximum(high, unrepeated), 1.0)
    return Intervals(estimate, se, low, high, is_split)


def _join(
    matrix: IntArray,
    share: Part,
    plain: Reach,
    split: Callable[[IntArray, Part], Reach],
    less_diverse: Literal["below", "above"],
) -> tuple[Reach, BoolArray]:
    """Reach of the bootstrap or of the split, of each row as its largest share asks for."""
    ends = {"below": plain.below.copy(), "above": plain.above.copy()}
    is_split = 1 - share.low > COLLAPSED
    clear = (1 - share.at >= CLEAR) | is_split
    if clear.any():
        part = Part(share.at[clear], share.low[clear], share.high[clear])
        apart = split(matrix[clear], part)
        for end, values in (("below", apart.below), ("above", apart.above)):
            half = ends[end][clear]
            joined = np.maximum(half, values) if end == less_diverse else half
            ends[end][clear] = np.where(is_split[clear], values, joined)
    return Reach(ends["below"], ends["above"]), is_split


def _one_more(matrix: IntArray) -> FloatArray:
    """What one more singleton would add to the entropy, over the count of the rarest class seen.

    ``(psi(n) - psi(1)) / n / min x``: samples with few singletons or none came from distributions
    with some, and their bootstrap does not know it. Upper ends fell short without it (.91 of 6,000
    samples of 50 from shares halving 13 times, .94 with it); a sample without rare classes hardly
    changes. [derived; measured in docs/statistics.md]
    """
    from scipy.special import digamma

    n = matrix.sum(axis=1)
    rarest = np.where(matrix > 0, matrix, n[:, None]).min(axis=1)
    return np.asarray((digamma(n) - digamma(1)) / n / rarest)
