"""Shares of a group against its shares in a reference, as log ratios."""

import math
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from evalsuite.stats.clusters import check_level
from evalsuite.stats.counts import read_category_counts
from evalsuite.stats.estimate import Estimate
from evalsuite.stats.proportions import proportion_interval
from evalsuite.stats.suppression import MIN_ROWS, suppressed


def amplification(
    successes: ArrayLike,
    n: ArrayLike,
    reference: ArrayLike,
    *,
    reference_n: ArrayLike | None = None,
    level: float = 0.95,
) -> tuple[Estimate, ...]:
    """Log ratio of a group's share to its share in a reference, cell by cell; 0 is neither.

    Parameters
    ----------
    successes, n : array of shape (cells,)
        Outputs of the group, and all outputs, of each cell (such as a profession).
    reference : array of shape (cells,)
        The group's share in the reference, in (0, 1].
    reference_n : array of shape (cells,), optional
        How many the reference counted; then its uncertainty is part of the interval. By default the
        reference is taken as exact, and a warning says so.
    level : float
        Nominal coverage, in (0, 1).

    Returns
    -------
    tuple of Estimate, one a cell
        With the Wilson ends of the shares, combined by the square-and-add rule of Zou & Donner
        (2008). Null with the warning ``suppressed`` below 20 outputs; without successes the ratio
        and its lower end are null.

    Raises
    ------
    ValueError
        If lengths differ, a count is impossible or a reference share lies outside (0, 1].

    Examples
    --------
    >>> (result,) = amplification([30], [100], [0.15])
    >>> round(result.estimate, 4), round(result.ci_low, 4), round(result.ci_high, 4)
    (0.6931, 0.3782, 0.9704)
    """
    check_level(level, "amplification")
    k, m, share = (np.atleast_1d(np.asarray(part)) for part in (successes, n, reference))
    sizes = np.zeros(m.shape) if reference_n is None else np.atleast_1d(np.asarray(reference_n))
    if not (k.shape == m.shape == share.shape == sizes.shape) or k.ndim != 1:
        raise ValueError("amplification: expected arrays of one length")
    if not ((share > 0) & (share <= 1)).all():
        raise ValueError("amplification: every reference share must lie in (0, 1]")
    if k.size:
        read_category_counts(np.stack([k, m - k], axis=1), "amplification")
    cells = np.column_stack([k, m, share, sizes]).tolist()
    return tuple(_log_ratio(x, total, at, size, level) for x, total, at, size in cells)


def _log_ratio(k: float, n: float, reference: float, size: float, level: float) -> Estimate:
    share = proportion_interval(int(k), int(n), level=level)
    update: dict[str, Any] = {"method": "log ratio, Wilson", "se": None}
    if n < MIN_ROWS:
        return suppressed(share.model_copy(update=update), int(n))
    low, high = share.ci_low or 0.0, share.ci_high or 1.0
    below = above = 0.0  # how far the log of the reference may be off
    warnings: tuple[str, ...] = ("exact reference: its own uncertainty is left out",)
    if size:
        other = proportion_interval(round(reference * size), int(size), level=level)
        below = math.log(reference / (other.ci_low or reference))
        above = math.log((other.ci_high or reference) / reference)
        warnings = ()
    if not k:
        end = math.log(high / reference) + below
        why = (*warnings, "no successes: the ratio has no lower end")
        nothing = {"estimate": None, "ci_low": None, "ci_high": end, "warnings": why}
        return share.model_copy(update=update | nothing)
    at = math.log(k / n / reference)
    ends = {
        "ci_low": at - math.hypot(math.log(k / n / low), above),
        "ci_high": at + math.hypot(math.log(high * n / k), below),
    }
    return share.model_copy(update=update | ends | {"estimate": at, "warnings": warnings})
