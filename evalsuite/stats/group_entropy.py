"""Mean entropy of many closed distributions, each of them sampled in strata and held fixed.

Where the groups are given (these concepts and no others) and only what is drawn is left to chance,
the spread between groups is no uncertainty: the interval comes from the draws within them.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from evalsuite.stats.assemblage import normal_quantile
from evalsuite.stats.clusters import FloatArray, IntArray, check_level
from evalsuite.stats.entropy_points import chao_wang_jost_entropies
from evalsuite.stats.estimate import Estimate

FEW_DRAWS = 20
"""Fewer draws in a group leave a bias that a mean over groups keeps."""

METHOD = "Chao-Wang-Jost by group, jackknife over draws within strata, groups fixed"


@dataclass(frozen=True)
class ClosedGroup:
    """The labels of one group.

    Parameters
    ----------
    labels : integer array of shape (n,)
        Numbers of classes, from 0.
    items : integer array of shape (n,)
        What was drawn, such as the number of an image. One item may have a label in several
        groups.
    strata : integer array of shape (n,)
        What each item was drawn from, such as the number of a prompt.
    n_classes : int
        Size of the closed set, at least 2.

    Raises
    ------
    ValueError
        If lengths differ or a label is beyond the set.
    """

    labels: IntArray
    items: IntArray
    strata: IntArray
    n_classes: int

    def __post_init__(self) -> None:
        if not len(self.labels) == len(self.items) == len(self.strata):
            raise ValueError("ClosedGroup: labels, items and strata differ in length")
        if self.n_classes < 2:
            raise ValueError(f"ClosedGroup: a closed set has at least 2, got {self.n_classes}")
        if len(self.labels) and not 0 <= min(self.labels) <= max(self.labels) < self.n_classes:
            raise ValueError(f"ClosedGroup: a label is beyond 0 .. {self.n_classes - 1}")

    def table(self) -> IntArray:
        """Counts of shape (strata, classes)."""
        names, number = np.unique(self.strata, return_inverse=True)
        found = np.zeros((len(names), self.n_classes), dtype=np.int64)
        np.add.at(found, (number.reshape(-1), self.labels), 1)
        return found


def group_entropy(group: ClosedGroup) -> float | None:
    """Normalised entropy of one group, corrected for bias; None with fewer than two draws.

    Chao-Wang-Jost (2013), less what drawing by strata saves of its bias, over ``log n_classes``.
    Not cut at 1: averages of cut ones are biased.

    Examples
    --------
    >>> draws = np.arange(8)
    >>> halves = ClosedGroup(draws % 2, draws, np.zeros(8, dtype=int), 2)
    >>> round(group_entropy(halves), 6)
    1.095761
    >>> apart = ClosedGroup(draws % 2, draws, draws % 2, 2)  # no chance in it
    >>> round(group_entropy(apart), 6)
    0.992712
    """
    if len(group.labels) < 2:
        return None
    return float(_corrected(group.table()[None])[0]) / math.log(group.n_classes)


def fixed_groups_entropy(groups: Sequence[ClosedGroup], *, level: float = 0.95) -> Estimate:
    """Mean over groups of their normalised entropies, with an interval for these very groups.

    Parameters
    ----------
    groups : sequence of ClosedGroup
        Those with fewer than two draws are missing.
    level : float
        Nominal coverage, in (0, 1).

    Returns
    -------
    Estimate
        Standard error: the jackknife over items within strata, so that labels of one item stay
        together. The upper end also allows for a class rarer than any that was seen, and for groups
        that show one class only the share that as many items leave open. ``n`` counts groups,
        ``n_clusters`` items.

    Raises
    ------
    ValueError
        If there are no groups.

    Notes
    -----
    The standard error is conservative where all classes are about equally common: the entropy is
    flat there. Coverage is simulated in tests/tasks/test_grade_truth.py.

    Examples
    --------
    >>> rng = np.random.default_rng(3)
    >>> n = np.arange(96)
    >>> many = [ClosedGroup(rng.integers(4, size=96), n + 96 * g, n // 16, 4) for g in range(16)]
    >>> found = fixed_groups_entropy(many)
    >>> round(found.estimate, 2), found.ci_low < 1 <= found.ci_high
    (1.0, True)
    """
    check_level(level, "fixed_groups_entropy")
    if not groups:
        raise ValueError("fixed_groups_entropy: no groups")
    usable = [group for group in groups if len(group.labels) >= 2]
    n_missing = len(groups) - len(usable)
    items = {int(item) for group in usable for item in group.items}
    if not usable:
        return _nothing(n_missing, level)
    tables = [group.table() for group in usable]
    weights = [1 / (len(usable) * math.log(group.n_classes)) for group in usable]
    points = [float(_corrected(table[None])[0]) for table in tables]
    estimate = math.fsum(w * h for w, h in zip(weights, points, strict=True))
    se = math.sqrt(_variance(usable, tables, weights, points))
    z = normal_quantile(level)
    single = [own for own in usable if len(set(own.labels.tolist())) == 1]
    nothing_else = unseen_entropy(single, level=level) / len(usable)
    above = math.hypot(z * se, z * _one_more(tables, weights), nothing_else)
    # The mean, unlike the groups in it, is no part of another mean: it ends where entropy does.
    within = min(max(estimate, 0.0), 1.0)
    low, high = max(within - z * se, 0.0), min(within + above, 1.0)
    is_interval = high - low > 1e-12
    return Estimate(
        estimate=within,
        se=se if se > 1e-12 else None,
        ci_low=low if is_interval else None,
        ci_high=high if is_interval else None,
        level=level,
        method=METHOD,
        n=len(usable),
        n_clusters=len(items),
        n_missing=n_missing,
        warnings=_warnings(tables, estimate, is_interval),
    )


def _warnings(tables: Sequence[IntArray], estimate: float, is_interval: bool) -> tuple[str, ...]:
    found = []
    fewest = min(int(table.sum()) for table in tables)
    if fewest < FEW_DRAWS:
        found.append(
            f"few draws: {fewest} in a group; below {FEW_DRAWS} a bias is left in each, which the "
            "mean keeps"
        )
    if not 0 <= estimate <= 1:
        found.append(f"at the end of the range: {estimate:.4g} came out, which no entropy is")
    if not is_interval:
        found.append("degenerate: the draws show no spread and leave nothing else to be seen")
    return tuple(found)


def _nothing(n_missing: int, level: float) -> Estimate:
    return Estimate(
        estimate=None, se=None, ci_low=None, ci_high=None, level=level, method="none", n=0,
        n_clusters=0, n_missing=n_missing,
        warnings=("all missing: no group has two labels",),
    )  # fmt: skip


def _corrected(tables: IntArray) -> FloatArray:
    """Entropy of each table of shape (strata, classes), in nats.

    The bias of the plug-in is ``-sum_v Var(p_v) / 2 p_v``. Chao-Wang-Jost corrects it for n draws
    from one distribution; strata that differ have a smaller variance, by the spread of their own
    shares, and that part of the correction is taken back. [derived]
    """
    counts = tables.sum(axis=1)
    return np.asarray(chao_wang_jost_entropies(counts) - saved_by_strata(tables))


def saved_by_strata(tables: IntArray) -> FloatArray:
    """What drawing by strata saves of the bias, in nats; a table is (strata, classes)."""
    counts = tables.sum(axis=1)
    if tables.shape[1] == 1:
        return np.zeros(len(tables))
    n, own = counts.sum(axis=1)[:, None], tables.sum(axis=2)[:, :, None]
    p = counts / n
    total = p * (1 - p) * n / np.maximum(n - 1, 1)
    shares = tables / np.maximum(own, 1)
    # A stratum of one draw does not show its variance: that of all stands in.
    spread = np.where(
        own > 1, shares * (1 - shares) * own / np.maximum(own - 1, 1), total[:, None, :]
    )
    within = (own / n[:, :, None] * spread).sum(axis=1)
    saved = np.divide(total - within, p, out=np.zeros_like(p), where=p > 0).sum(axis=1)
    return np.asarray(saved / (2 * n[:, 0]))


def item_dependence(groups: Sequence[ClosedGroup]) -> float:
    """How much larger a mean's variance is for items that have labels in several groups.

    Jackknife variance over items, over that of the same labels as if each had an item of its own;
    at least 1.
    """
    usable = [group for group in groups if len(group.labels) >= 2]
    tables = [group.table() for group in usable]
    weights = [1 / math.log(group.n_classes) for group in usable]
    points = [float(_corrected(table[None])[0]) for table in tables]
    together = _variance(usable, tables, weights, points)
    apart = math.fsum(
        _variance([group], [table], [weight], [point])
        for group, table, weight, point in zip(usable, tables, weights, points, strict=True)
    )
    return max(together / apart, 1.0) if apart > 0 else 1.0


def _variance(
    groups: Sequence[ClosedGroup],
    tables: Sequence[IntArray],
    weights: Sequence[float],
    points: Sequence[float],
) -> float:
    """Jackknife over items within strata of the weighted sum of the groups' entropies.

    An item left out changes the shares of its whole group, by ``1 / (n-1)`` of its influence, so
    that ``n_s / (n_s - 1)`` makes up for the mean of its stratum. [derived]
    """
    change: dict[int, float] = {}
    stratum: dict[int, int] = {}
    for group, table, weight, point in zip(groups, tables, weights, points, strict=True):
        n = int(table.sum())
        left = weight * (n - 1) / n * (_left_out(table) - point)
        number = np.unique(group.strata, return_inverse=True)[1].reshape(-1)
        for item, own, value in zip(
            group.items.tolist(), group.strata.tolist(), left[number, group.labels], strict=True
        ):
            change[item] = change.get(item, 0.0) + float(value)
            stratum[item] = own
    strata = np.unique(list(stratum.values()), return_inverse=True)[1].reshape(-1)
    values = np.array(list(change.values()))
    own_n = np.bincount(strata)
    mean = np.bincount(strata, weights=values) / own_n
    # An item that is alone in its stratum is held against no change.
    centred = values - np.where(own_n > 1, mean, 0.0)[strata]
    factor = np.where(own_n > 1, own_n / np.maximum(own_n - 1, 1), 1.0)[strata]
    return float((factor * centred**2).sum())


def _left_out(table: IntArray) -> FloatArray:
    """The entropy without one draw of each cell; of shape (strata, classes), 0 in empty cells."""
    places = np.argwhere(table > 0)
    less = np.repeat(table[None], len(places), axis=0)
    less[np.arange(len(places)), places[:, 0], places[:, 1]] -= 1
    found = np.zeros(table.shape)
    found[places[:, 0], places[:, 1]] = _corrected(less)
    return found


def _one_more(tables: Sequence[IntArray], weights: Sequence[float]) -> float:
    """What a class rarer than any seen would add, as `diversity_intervals` takes it, by group."""
    from scipy.special import digamma

    squares = []
    for table, weight in zip(tables, weights, strict=True):
        counts = table.sum(axis=0)
        n, seen = int(counts.sum()), counts[counts > 0]
        if len(seen) > 1 and len(seen) < len(counts):
            squares.append((weight * float(digamma(n) - digamma(1)) / n / float(seen.min())) ** 2)
    return math.sqrt(math.fsum(squares))


def unseen_entropy(groups: Sequence[ClosedGroup], *, level: float) -> float:
    """Most that the normalised entropies of groups that show one class can sum to.

    With N items in these groups, that none shows another class has a chance of ``1 - level`` where
    the others have the share ``u = 1 - (1-level)^(1/N)``; entropy is concave, so equal shares over
    the groups are the most it can be.
    """
    from scipy.special import entr

    items = {int(item) for group in groups for item in group.items}
    if not items:
        return 0.0
    u = -math.expm1(math.log1p(-level) / len(items))
    shares = [min(u, 1 - 1 / group.n_classes) for group in groups]
    return math.fsum(
        float(entr(own) + entr(1 - own) + own * math.log(group.n_classes - 1))
        / math.log(group.n_classes)
        for own, group in zip(shares, groups, strict=True)
    )
