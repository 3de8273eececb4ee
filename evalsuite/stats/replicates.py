"""What runs with other seeds add to the uncertainty of a mean over units."""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from evalsuite.stats.clusters import Clusters, FloatArray, check_level
from evalsuite.stats.estimate import Estimate
from evalsuite.stats.means import mean_interval
from evalsuite.stats.paired import t_error

MIN_REPLICATES = 3
"""Fewer runs than this give an interval and a warning."""


@dataclass(frozen=True)
class ReplicatedEstimate:
    """A mean over units and runs, and how much of its uncertainty comes from the seed.

    Parameters
    ----------
    estimate : Estimate
        Its ``se`` is ``sqrt(se_prompt^2 + var_seed / n_replicates)``; ``n`` counts scores and
        ``n_clusters`` units, or the clusters of them.
    n_replicates : int
    se_prompt : float or None
        Of the mean over units, of these runs.
    var_seed : float or None
        Variance of what a seed adds to every unit, at least 0; None from a single run.
    seed_share : float or None
        Part of ``se^2`` that is ``var_seed / n_replicates``, in [0, 1].
    df : float or None
        Degrees of freedom of the interval.
    """

    estimate: Estimate
    n_replicates: int
    se_prompt: float | None
    var_seed: float | None
    seed_share: float | None
    df: float | None


def replicate_interval(
    scores: ArrayLike, *, clusters: Clusters | None = None, level: float = 0.95
) -> ReplicatedEstimate:
    """Mean of scores of units under several seeds, with an interval that covers other seeds too.

    In the model ``s_ir = mu + a_i + b_r + e_ir`` the variance of b is estimated by two-way moments,
    ``max(0, (MS_seed - MS_resid) / n_units)``, from the units that have a score in every run.

    Parameters
    ----------
    scores : array of shape (units, replicates)
        NaN is missing; a unit that lacks a run is left out.
    clusters : sequence of labels, one a unit, optional
        What was sampled independently. By default each unit is its own cluster.
    level : float
        Nominal coverage, in (0, 1).

    Returns
    -------
    ReplicatedEstimate
        ``se_prompt`` is the larger of the clustered and the independent standard error of the
        units' means. No interval where `mean_interval` has none for them; a warning below 3 runs,
        and where units are left out. A single run has the interval of its units, with a warning.

    Raises
    ------
    ValueError
        If the scores are no such matrix, infinite, or there is not one cluster label a unit.

    Notes
    -----
    The degrees of freedom are Satterthwaite's (1946), of the sum of ``se_prompt^2`` (clusters less
    1), ``MS_seed`` and ``MS_resid``; where the seed variance is 0, those of the clusters.
    Measured over 20,000 runs, 95 % intervals of 25 and 100 units cover 0.924 to 0.957 of the time
    with 3 seeds and 0.936 to 0.953 with 4, by how much of the variance is the seed's; of 2 seeds,
    down to 0.89.

    Examples
    --------
    >>> scores = [[0.2, 0.4, 0.3], [0.5, 0.6, 0.7], [0.1, 0.3, 0.2], [0.6, 0.8, 0.7]]
    >>> result = replicate_interval(scores)
    >>> round(result.estimate.se, 5), round(result.var_seed, 5), round(result.seed_share, 3)
    (0.1291, 0.0075, 0.15)
    """
    matrix = _as_scores(scores)
    check_level(level, "replicate_interval")
    n_replicates = matrix.shape[1]
    # The mean of a unit with a missing run is NaN, which mean_interval leaves out.
    prompt = mean_interval(matrix.mean(axis=1), clusters=clusters, level=level)
    error = t_error(prompt, caller="replicate_interval")
    complete = matrix[~np.isnan(matrix).any(axis=1)]
    warnings = prompt.warnings + _notes(len(matrix) - len(complete), len(matrix), n_replicates)
    total = _Total() if error is None else _total(complete, *error)
    half = None
    if total.se is not None and total.df is not None:
        from scipy.special import stdtrit

        half = float(stdtrit(total.df, 0.5 + level / 2)) * total.se
    centre = prompt.estimate
    estimate = Estimate(
        estimate=centre,
        se=total.se,
        ci_low=None if half is None or centre is None else centre - half,
        ci_high=None if half is None or centre is None else centre + half,
        level=level,
        method=f"{prompt.method}, two-way over seeds",
        n=complete.size,
        n_clusters=prompt.n_clusters,
        n_missing=matrix.size - complete.size,
        warnings=warnings,
    )
    return ReplicatedEstimate(
        estimate, n_replicates, error and error[0], total.var_seed, total.seed_share, total.df
    )


@dataclass(frozen=True)
class _Total:
    se: float | None = None
    df: float | None = None
    var_seed: float | None = None
    seed_share: float | None = None


def _as_scores(scores: ArrayLike) -> FloatArray:
    matrix = np.asarray(scores, dtype=np.float64)
    if matrix.ndim != 2 or not matrix.size:
        raise ValueError(
            f"replicate_interval: expected shape (units, replicates), each >= 1, got {matrix.shape}"
        )
    if np.isinf(matrix).any():
        raise ValueError(f"replicate_interval: {np.isinf(matrix).sum()} scores are infinite")
    return matrix


def _total(scores: FloatArray, se_prompt: float, df_prompt: float) -> _Total:
    """Total standard error of complete scores of at least two units."""
    n_units, n_replicates = scores.shape
    if n_replicates == 1:
        return _Total(se_prompt, df_prompt)
    seeds = scores.mean(axis=0)
    ms_seed = n_units * float(seeds.var(ddof=1))
    rest = scores - scores.mean(axis=1, keepdims=True) - seeds + scores.mean()
    df_seed, df_rest = n_replicates - 1, (n_units - 1) * (n_replicates - 1)
    ms_rest = float((rest**2).sum()) / df_rest
    var_seed = max(0.0, (ms_seed - ms_rest) / n_units)
    variance = se_prompt**2 + var_seed / n_replicates
    if var_seed == 0.0:
        return _Total(se_prompt, df_prompt, 0.0, 0.0)
    parts = [(se_prompt**2, df_prompt)]
    parts += [(ms / scores.size, df) for ms, df in ((ms_seed, df_seed), (ms_rest, df_rest))]
    df = variance**2 / sum(part**2 / freedom for part, freedom in parts)
    share = var_seed / n_replicates / variance
    # A difference of mean squares can give less than 1, which no set of two runs has.
    return _Total(math.sqrt(variance), max(df, 1.0), var_seed, share)


def _notes(n_incomplete: int, n_units: int, n_replicates: int) -> tuple[str, ...]:
    notes: list[str] = []
    if n_incomplete:
        notes.append(
            f"incomplete units: {n_incomplete} of {n_units} lack a run and are left out of it all"
        )
    if n_replicates == 1:
        notes.append("one replicate: the interval says nothing of other seeds")
    elif n_replicates < MIN_REPLICATES:
        notes.append(
            f"few replicates: {n_replicates}, below {MIN_REPLICATES} the seed variance is a guess"
        )
    return tuple(notes)
