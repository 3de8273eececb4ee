"""How often a judge is wrong, group by group."""

from typing import Any

from evalsuite.stats.clusters import Clusters, Labels, check_level
from evalsuite.stats.estimate import Estimate
from evalsuite.stats.proportions import clustered_proportion_interval
from evalsuite.stats.suppression import MIN_ROWS, suppressed


def group_error_rates(
    truth: Labels,
    judge: Labels,
    groups: Labels,
    *,
    clusters: Clusters | None = None,
    level: float = 0.95,
) -> tuple[tuple[Any, Estimate], ...]:
    """How often a judge is wrong in each group: unequal rates make or hide gaps.

    Parameters
    ----------
    truth, judge, groups : sequences of n labels
    clusters : sequence of n labels, optional
        What was sampled independently. By default each output is its own cluster.
    level : float
        Nominal coverage, in (0, 1).

    Returns
    -------
    tuple of (group, Estimate)
        By Wilson; null, with the warning ``suppressed``, for groups with fewer than 20 outputs.

    Raises
    ------
    ValueError
        If lengths differ.

    Examples
    --------
    >>> rates = group_error_rates("ab" * 20, "aa" * 20, ["x"] * 40)
    >>> [(group, rate.estimate) for group, rate in rates]
    [('x', 0.5)]
    """
    check_level(level, "group_error_rates")
    names = list(range(len(truth))) if clusters is None else list(clusters)
    if len({len(truth), len(judge), len(groups), len(names)}) != 1:
        raise ValueError("group_error_rates: expected sequences of one length")
    found = []
    for group in dict.fromkeys(groups):
        at = [i for i, own in enumerate(groups) if own == group]
        wrong = [float(truth[i] != judge[i]) for i in at]
        rate = clustered_proportion_interval(wrong, clusters=[names[i] for i in at], level=level)
        if len(at) < MIN_ROWS:
            rate = suppressed(rate, len(at))
        found.append((group, rate))
    return tuple(found)
