"""Intervals for samples of which one class holds most: its share, and what the rest is made of.

With the share u of everything but the largest class, and the classes of that rest at shares r_i
among themselves, ``H = h(u) + u H(r)`` with ``h(u) = -u log u - (1-u) log(1-u)``, and
``sum p^2 = (1-u)^2 + u^2 sum r^2``. Where u is small its own uncertainty rules, and it is skewed:
no bootstrap of the sample shows it, for a class that was seen once or never has no spread there.
But u is the share of a binomial sample, whose interval is known. The two parts are joined over the
ellipse that has their intervals as its axes, which is the method of variance estimates recovery of
Zou & Donner (2008) with the product u H(r) kept instead of linearised. [derived; measured in
docs/statistics.md]
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from evalsuite.stats.assemblage import bootstrap, normal_quantile
from evalsuite.stats.clusters import FloatArray, IntArray
from evalsuite.stats.entropy_points import chao_wang_jost_entropies, plug_in_entropies

ANGLES = np.linspace(0.0, np.pi / 2, 41)[:, None]
"""Where the arc of the ellipse is looked at; both functions are smooth along it."""


@dataclass(frozen=True)
class Part:
    """An estimate of each unit and the ends of its interval; arrays of shape (units,)."""

    at: FloatArray
    low: FloatArray
    high: FloatArray


@dataclass(frozen=True)
class Reach:
    """How far an interval reaches below and above its estimate; arrays of shape (units,)."""

    below: FloatArray
    above: FloatArray


def rest_share(matrix: IntArray, level: float) -> Part:
    """Share of everything but the largest class of each row, with the Jeffreys interval.

    Where there is nothing else, the upper end is ``1 - (1-level)^(1/n)``, the rule of three.

    Parameters
    ----------
    matrix : integer array of shape (units, classes)
        The largest count of each row first.
    level : float
        Nominal coverage.

    Examples
    --------
    >>> share = rest_share(np.array([[50, 0], [45, 5]]), 0.95)
    >>> share.low.round(4).tolist(), share.high.round(4).tolist()
    ([0.0, 0.0392], [0.0582, 0.2054])
    """
    from scipy.special import betaincinv

    n = matrix.sum(axis=1)
    m = n - matrix[:, 0]
    tail = (1 - level) / 2
    low = np.where(m > 0, betaincinv(m + 0.5, n - m + 0.5, tail), 0.0)
    high = np.where(m > 0, betaincinv(m + 0.5, n - m + 0.5, 1 - tail), _unseen_bound(n, level))
    return Part(m / n, low, high)


def entropy_reach(
    matrix: IntArray, share: Part, level: float, n_classes: int | None, rng: np.random.Generator
) -> Reach:
    """How far the entropy may lie from its estimate.

    Parameters
    ----------
    matrix : integer array of shape (units, classes)
        The largest count of each row first.
    share : Part
        What `rest_share` says of it.
    level : float
        Nominal coverage.
    n_classes : int, optional
        Size of a closed set of classes. In an open one the rest is taken for no more than n
        classes: n observations do not tell more apart.
    rng : numpy Generator
        For 200 bootstrap samples of the rest.
    """
    limit = _log_rest_classes(matrix, n_classes)
    rest = _rest_entropy(matrix, level, limit, rng)

    def entropy(u: FloatArray, h: FloatArray) -> FloatArray:
        return _binary_entropy(u) + u * h

    def largest(u: FloatArray, h: FloatArray) -> FloatArray:
        return entropy(np.minimum(u, 1 / (1 + np.exp(-h))), h)  # no share above has more entropy

    return _reach(share, rest, limit, entropy, largest)


def simpson_reach(
    matrix: IntArray, share: Part, level: float, n_classes: int | None, rng: np.random.Generator
) -> Reach:
    """How far ``sum p^2`` may lie from its estimate; parameters as for `entropy_reach`."""
    floor = np.exp(-_log_rest_classes(matrix, n_classes))
    rest = _rest_simpson(matrix, level, floor, rng)
    # The fewer repeats, the more diverse: turned round, both functions rise with their parts.
    diverse = Part(-rest.at, -rest.high, -rest.low)

    def spread(u: FloatArray, s: FloatArray) -> FloatArray:
        return -((1 - u) ** 2) + u**2 * s

    def largest(u: FloatArray, s: FloatArray) -> FloatArray:
        return spread(np.minimum(u, 1 / (1 - s)), s)  # no share above has fewer repeats

    reach = _reach(share, diverse, -floor, spread, largest)
    return Reach(below=reach.above, above=reach.below)


def simpson_sums(matrix: IntArray) -> FloatArray:
    """Unbiased ``sum p^2``: ``sum x(x-1) / (n(n-1))``; NaN for a row of one observation.

    >>> simpson_sums(np.array([[50, 30, 10, 5, 2, 1, 1, 1]])).round(6).tolist()
    [0.346667]
    """
    n = matrix.sum(axis=1).astype(np.float64)
    pairs = (matrix * (matrix - 1)).sum(axis=1)
    return np.asarray(np.divide(pairs, n * (n - 1), out=np.full(n.shape, np.nan), where=n > 1))


def _reach(
    share: Part,
    rest: Part,
    limit: FloatArray,
    value: Callable[[FloatArray, FloatArray], FloatArray],
    largest: Callable[[FloatArray, FloatArray], FloatArray],
) -> Reach:
    """Extremes over the quarters of the ellipse in which both parts fall, or both rise.

    The rest may end beyond its limit: the ellipse is cut there, not squeezed.
    """
    across, along = np.cos(ANGLES), np.sin(ANGLES)
    at = value(share.at, rest.at)
    rising = largest(
        share.at + (share.high - share.at) * across,
        np.minimum(rest.at + (rest.high - rest.at) * along, limit),
    ).max(axis=0)
    # Of a rest that was not seen nothing is known, so that its extreme is no unlikely one.
    alone = share.at == 0
    rising = np.where(alone, largest(share.high, rest.high), rising)
    falling = value(
        share.at - (share.at - share.low) * across, rest.at - (rest.at - rest.low) * along
    ).min(axis=0)
    return Reach(np.maximum(at - falling, 0.0), np.maximum(rising - at, 0.0))


def _rest_entropy(
    matrix: IntArray, level: float, cap: FloatArray, rng: np.random.Generator
) -> Part:
    """Entropy of the rest; from 0 to the cap where there is none to see."""
    at, low, high = np.zeros(cap.shape), np.zeros(cap.shape), cap.copy()
    some = matrix[:, 1:].any(axis=1)
    if some.any():
        rest, top = matrix[some, 1:], cap[some]
        estimate = chao_wang_jost_entropies(rest)
        half = normal_quantile(level) * bootstrap(rest, chao_wang_jost_entropies, rng).std(
            axis=1, ddof=1
        )
        # What so few observations cannot have seen, spread as widely as can be.
        plug_in = plug_in_entropies(rest)
        unseen = np.minimum(_unseen_bound(rest.sum(axis=1), level), 1 / (1 + np.exp(plug_in - top)))
        widest = _binary_entropy(unseen) + (1 - unseen) * plug_in + unseen * top
        at[some] = np.minimum(estimate, top)
        low[some] = np.clip(estimate - half, 0.0, at[some])
        high[some] = np.maximum(np.maximum(estimate + half, widest), at[some])
    return Part(at, low, high)


def _rest_simpson(
    matrix: IntArray, level: float, floor: FloatArray, rng: np.random.Generator
) -> Part:
    """``sum r^2`` of the rest; from the floor to 1 where it has no two observations."""
    at, low, high = np.full(floor.shape, 0.5), floor.copy(), np.ones(floor.shape)
    some = matrix[:, 1:].sum(axis=1) > 1
    if some.any():
        rest = matrix[some, 1:]
        estimate = simpson_sums(rest)
        half = normal_quantile(level) * bootstrap(rest, simpson_sums, rng).std(axis=1, ddof=1)
        total = rest.sum(axis=1)
        unseen = _unseen_bound(total, level)
        plug_in = ((rest / total[:, None]) ** 2).sum(axis=1)
        seen = (1 - unseen) ** 2 * plug_in
        low[some] = np.minimum(estimate - half, seen)
        high[some] = np.minimum(np.maximum(estimate + half, seen + unseen**2), 1.0)
        at[some] = np.maximum(estimate, floor[some])
    return Part(at, np.minimum(low, at), np.maximum(high, at))


def _log_rest_classes(matrix: IntArray, n_classes: int | None) -> FloatArray:
    most = matrix.sum(axis=1) if n_classes is None else np.full(matrix.shape[0], n_classes - 1)
    return np.asarray(np.log(np.maximum(most, 1)))


def _unseen_bound(n: IntArray, level: float) -> FloatArray:
    """The share that a set of classes may have and still not show in n observations."""
    return np.asarray(-np.expm1(np.log1p(-level) / n))


def _binary_entropy(u: FloatArray) -> FloatArray:
    from scipy.special import entr

    return np.asarray(entr(u) + entr(1 - u))
