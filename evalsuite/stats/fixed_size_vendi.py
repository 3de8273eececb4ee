"""Order-1 Vendi scores at a fixed sample size."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike

from evalsuite.metrics.vendi.sets import vendi_scores_by_set
from evalsuite.stats.clusters import Clusters, check_level
from evalsuite.stats.estimate import Estimate
from evalsuite.stats.kernels import unit_rows
from evalsuite.stats.means import mean_interval
from evalsuite.stats.streams import stream


def vendi_fixed_n(
    features: ArrayLike,
    *,
    n: int = 50,
    subsets: int = 50,
    level: float = 0.95,
    rng: np.random.Generator | None = None,
) -> Estimate:
    """Order-1 Vendi score at a fixed sample size, averaged over random subsets.

    Order 1 grows with the sample, so only scores at one n compare. Subsets are drawn without
    replacement: duplicates would lower the score.

    Parameters
    ----------
    features : array of shape (rows, d), rows >= n
        Rows are scaled to unit length.
    n : int
        Rows of a subset, at least 2.
    subsets : int
        How many subsets are averaged; one where n is all rows.
    level : float
        Nominal coverage, in (0, 1).
    rng : numpy.random.Generator, optional
        By default a fixed stream, so that equal features give equal scores.

    Returns
    -------
    Estimate
        Without an interval: subsets of one set overlap, so their spread says nothing of how the
        set was drawn. `mean_vendi_fixed_n` has one, over independent sets.

    Raises
    ------
    ValueError
        If there are fewer than n rows, or a row is zero or not finite.

    Examples
    --------
    >>> round(vendi_fixed_n(np.eye(60), n=50).estimate, 6)
    50.0
    """
    check_level(level, "vendi_fixed_n")
    rows = unit_rows(features, "vendi_fixed_n")
    if n < 2 or subsets < 1:
        raise ValueError(f"vendi_fixed_n: n must be >= 2 and subsets >= 1, got {n} and {subsets}")
    if len(rows) < n:
        raise ValueError(
            f"vendi_fixed_n: {len(rows)} rows, fewer than the fixed n of {n}; scores at different "
            "n do not compare"
        )
    generator = stream("vendi_fixed_n") if rng is None else rng
    draws = subsets if len(rows) > n else 1
    chosen = [rows[generator.permutation(len(rows))[:n]] for _ in range(draws)]
    scores = vendi_scores_by_set(np.stack(chosen), orders=(1,))
    return Estimate(
        estimate=float(np.mean(scores)),
        se=None,
        ci_low=None,
        ci_high=None,
        level=level,
        method=f"order-1 Vendi score at n = {n}, mean of {draws} subsets",
        n=len(rows),
        n_clusters=1,
        warnings=("one set: an interval needs several independent sets at the same n",),
    )


def mean_vendi_fixed_n(
    sets: Sequence[ArrayLike],
    *,
    n: int = 50,
    clusters: Clusters | None = None,
    level: float = 0.95,
    rng: np.random.Generator | None = None,
) -> Estimate:
    """Mean of `vendi_fixed_n` over independent sets, with the t interval over them.

    Parameters
    ----------
    sets : sequence of arrays of shape (rows, d), rows >= n
    n, clusters, level, rng
        As for `vendi_fixed_n` and `mean_interval`; 50 subsets of each set.

    Examples
    --------
    >>> mean_vendi_fixed_n([np.eye(6)] * 5, n=6).warnings
    ('degenerate: all 5 values are equal, the spread is unknown',)
    """
    generator = stream("vendi_fixed_n") if rng is None else rng
    scores = [vendi_fixed_n(rows, n=n, rng=generator).estimate for rows in sets]
    result = mean_interval(np.array(scores, dtype=float), clusters=clusters, level=level)
    method = f"order-1 Vendi score at n = {n}, {result.method}"
    return result.model_copy(update={"method": method})
