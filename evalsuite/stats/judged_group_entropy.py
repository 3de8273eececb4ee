"""Mean entropy of many closed distributions that a judge read who errs in a known way."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from evalsuite.stats.clusters import FloatArray, IntArray, check_level
from evalsuite.stats.estimate import Estimate
from evalsuite.stats.group_entropy import (
    ClosedGroup,
    item_dependence,
    saved_by_strata,
    unseen_entropy,
)
from evalsuite.stats.multiclass_judge import MAX_CONDITION
from evalsuite.stats.streams import stream

DRAWS = 200
"""Bootstrap samples: enough for a bias and a standard error."""

SHOWN_REASONS = 3
"""So many calibrations that cannot be used are named."""

METHOD = "confusion-corrected shares by group, percentiles over calibration and draws, groups fixed"


@dataclass(frozen=True)
class JudgedGroup:
    """What a judge says of the items of one group.

    Parameters
    ----------
    group : ClosedGroup
        The judge's labels of the group's items; those that the judge places in the closed set.
    n_other : int
        Items of which the judge says that none of the classes fits.
    calibration : str
        The confusion counts that hold for this group.
    """

    group: ClosedGroup
    n_other: int
    calibration: str

    def says(self) -> FloatArray:
        """Counts by the judge: of each class, and of none of them."""
        counts = np.bincount(self.group.labels, minlength=self.group.n_classes)
        return np.append(counts, self.n_other).astype(np.float64)


def calibration_problem(joint: IntArray | FloatArray) -> str | None:
    """Say why confusion counts cannot correct anything; None where they can.

    Parameters
    ----------
    joint : array of shape (K, K + 1)
        Counts by truth (rows) and judge; the last column: the judge says that none fits.

    Examples
    --------
    >>> calibration_problem(np.array([[9, 1, 0], [0, 10, 0]])) is None
    True
    >>> calibration_problem(np.array([[9, 1, 0], [0, 0, 0]]))
    'no calibration: 1 of 2 classes has no labelled item'
    """
    table = np.asarray(joint, dtype=np.float64)
    rows = table.sum(axis=1)
    if not rows.all():
        lacking = int((rows == 0).sum())
        have = "has" if lacking == 1 else "have"
        return f"no calibration: {lacking} of {len(rows)} classes {have} no labelled item"
    condition = float(np.linalg.cond(table / rows[:, None]))
    if not condition <= MAX_CONDITION:
        return (
            f"ill-conditioned: the confusion matrix has condition number {condition:.4g}, above "
            f"{MAX_CONDITION:g} the judge tells too little apart"
        )
    return None


def judged_shares(joint: IntArray | FloatArray, says: FloatArray) -> FloatArray:
    """True shares that explain a judge's shares best: ``min ||M' t - q||`` on the simplex.

    Parameters
    ----------
    joint : array of shape (K, K + 1)
        As for `calibration_problem`.
    says : array of shape (K + 1,)
        Counts or shares by the judge.

    Examples
    --------
    >>> judged_shares(np.array([[80, 20, 0], [10, 90, 0]]), np.array([45, 55, 0])).round(6)
    array([0.5, 0.5])
    """
    found = _shares(np.asarray(joint, dtype=np.float64)[None], np.asarray(says)[None])
    return np.asarray(found[0])


def _shares(joints: FloatArray, says: FloatArray) -> FloatArray:
    """`judged_shares` of many, of shapes (draws, K, K + 1) and (draws, K + 1)."""
    k = joints.shape[1]
    matrices = joints / joints.sum(axis=2, keepdims=True)
    judged = says / says.sum(axis=1, keepdims=True)
    # With the sum held at 1 only; where that is below 0 somewhere, the constraint is at work.
    left = np.ones((len(joints), k + 1, k + 1))
    left[:, :k, :k] = matrices @ matrices.transpose(0, 2, 1)
    left[:, k, k] = 0.0
    right = np.ones((len(joints), k + 1, 1))
    right[:, :k] = matrices @ judged[:, :, None]
    shares = np.linalg.solve(left, right)[:, :k, 0]
    for i in np.flatnonzero((shares < 0).any(axis=1)):
        shares[i] = _on_simplex(matrices[i], judged[i])
    return np.asarray(shares)


def _on_simplex(matrix: FloatArray, judged: FloatArray) -> FloatArray:
    from scipy.optimize import nnls

    # A heavy last equation holds the sum at 1.
    weight = 1e4
    design = np.vstack([matrix.T, np.full(len(matrix), weight)])
    shares = nnls(design, np.append(judged, weight))[0]
    return np.asarray(shares / shares.sum())


def judged_group_entropy(judged: JudgedGroup, joint: IntArray | FloatArray) -> float | None:
    """Normalised entropy of the corrected shares of one group; None without a label.

    Not corrected for the bias of a small sample, which `judged_groups_entropy` does.
    """
    if not len(judged.group.labels):
        return None
    shares = judged_shares(joint, judged.says())
    return float(_entropy(shares)) / math.log(judged.group.n_classes)


def judged_groups_entropy(
    groups: Sequence[JudgedGroup],
    calibrations: Mapping[str, IntArray | FloatArray],
    *,
    level: float = 0.95,
    draws: int = DRAWS,
    rng: np.random.Generator | None = None,
) -> Estimate:
    """Mean over groups of the entropies of their true shares, from those a judge gives.

    Parameters
    ----------
    groups : sequence of JudgedGroup
        Those whose calibration cannot be used (`calibration_problem`) are missing.
    calibrations : dict of str to array of shape (K, K + 1)
        Confusion counts by name; groups may share one, and then share its error.
    level : float
        Nominal coverage, in (0, 1).
    draws : int
        Bootstrap samples.
    rng : numpy Generator, optional
        By default a fixed stream.

    Returns
    -------
    Estimate
        Corrected for the bias of small samples by the bootstrap; a value beyond 0 or 1 is set to
        that end, with a warning. The interval holds percentiles over calibrations that the
        confusion counts leave possible, and over labels drawn through them. Labels of one item
        widen it where they go together. Null, with a warning that gives the reason, where no group
        can be corrected.

    Raises
    ------
    ValueError
        If there are no groups, or a calibration is lacking or of another size.

    Notes
    -----
    It supposes that every item truly has one of the classes, and that the judge errs on these items
    as on the labelled ones.

    Examples
    --------
    >>> rng = np.random.default_rng(1)
    >>> truth = rng.choice(2, size=4000, p=[0.9, 0.1])
    >>> says = np.where(rng.random(4000) < 0.2, 1 - truth, truth)  # wrong in a fifth
    >>> own = ClosedGroup(says, np.arange(4000), np.zeros(4000, dtype=int), 2)
    >>> joint = np.array([[800, 200, 0], [200, 800, 0]])
    >>> found = judged_groups_entropy([JudgedGroup(own, 0, "q")], {"q": joint})
    >>> found.ci_low < 0.469 < found.ci_high  # and of the judge's own shares it is .83
    True
    """
    check_level(level, "judged_groups_entropy")
    if not groups:
        raise ValueError("judged_groups_entropy: no groups")
    problems = _problems(groups, calibrations)
    usable = [own for own in groups if len(own.group.labels) and not problems[own.calibration]]
    n_missing = len(groups) - len(usable)
    notes = _reasons(problems)
    if not usable:
        return _nothing(n_missing, level, notes)
    generator = stream("judged_groups_entropy") if rng is None else rng
    found = _sampled(usable, calibrations, draws, generator)
    widening = math.sqrt(item_dependence([own.group for own in usable]))
    noise = found.again - found.at
    bias = float(noise.mean()) + found.saved
    estimate = found.point - bias
    # Twice the value less that of its draw: the basic bootstrap, at each calibration.
    values = found.at - bias - widening * (noise - noise.mean())
    se = float(values.std(ddof=1))
    ends = np.quantile(values, ((1 - level) / 2, (1 + level) / 2))
    # Groups that come out as one class are never sure to be that.
    nothing_else = unseen_entropy(found.single, level=level) / len(usable)
    # The prior's errors lower every draw of the calibration alike: the upper end is freed of that.
    shift = max(found.point - float(found.at.mean()), 0.0)
    within = min(max(estimate, 0.0), 1.0)
    low = max(min(float(ends[0]), within), 0.0)
    high = min(within + math.hypot(max(float(ends[1]) + shift - within, 0.0), nothing_else), 1.0)
    if within != estimate:
        notes += (f"at the end of the range: {estimate:.4g} came out, which no entropy is",)
    is_interval = high - low > 1e-12
    if not is_interval:
        notes += ("degenerate: no draw changes the statistic",)
    return Estimate(
        estimate=within,
        se=se if se > 1e-12 else None,
        ci_low=low if is_interval else None,
        ci_high=high if is_interval else None,
        level=level,
        method=METHOD,
        n=len(usable),
        n_clusters=len({int(item) for own in usable for item in own.group.items}),
        n_missing=n_missing,
        warnings=notes,
    )


def _reasons(problems: Mapping[str, str | None]) -> tuple[str, ...]:
    """Why calibrations cannot be used: of the first, and how many more there are."""
    found = [f"{name}: {problem}" for name, problem in sorted(problems.items()) if problem]
    if len(found) <= SHOWN_REASONS:
        return tuple(found)
    rest = f"and {len(found) - SHOWN_REASONS:,} more calibrations that cannot be used"
    return (*found[:SHOWN_REASONS], rest)


def _problems(
    groups: Sequence[JudgedGroup], calibrations: Mapping[str, IntArray | FloatArray]
) -> dict[str, str | None]:
    found: dict[str, str | None] = {}
    for own in groups:
        joint = calibrations.get(own.calibration)
        k = own.group.n_classes
        if joint is None or np.shape(joint) != (k, k + 1):
            raise ValueError(
                f"judged_groups_entropy: calibration {own.calibration!r} must have shape "
                f"({k}, {k + 1}), got {None if joint is None else np.shape(joint)}"
            )
        if own.calibration not in found:
            found[own.calibration] = calibration_problem(joint)
    return found


@dataclass(frozen=True)
class _Sampled:
    """The mean entropy as it is; with each calibration drawn anew; and with labels drawn too.

    ``single``: the groups that come out as one class.
    """

    point: float
    single: list[ClosedGroup]
    saved: float
    at: FloatArray
    again: FloatArray


def _sampled(
    groups: Sequence[JudgedGroup],
    calibrations: Mapping[str, IntArray | FloatArray],
    draws: int,
    rng: np.random.Generator,
) -> _Sampled:
    anew = {
        name: _posterior(calibrations[name], draws, rng)
        for name in dict.fromkeys(own.calibration for own in groups)
    }
    point, saved, at, again = 0.0, 0.0, np.zeros(draws), np.zeros(draws)
    single = []
    for own in groups:
        weight = 1 / (len(groups) * math.log(own.group.n_classes))
        says, matrices = own.says(), anew[own.calibration]
        shares = judged_shares(calibrations[own.calibration], says)
        point += weight * float(_entropy(shares))
        saved += weight * float(saved_by_strata(own.group.table()[None])[0])
        if (shares > 0).sum() == 1:
            single.append(own.group)
        true = _shares(matrices, np.repeat(says[None], draws, axis=0))
        at += weight * _entropy(true)
        fitted = np.maximum(np.einsum("dk,dkj->dj", true, matrices), 0.0)
        drawn = rng.multinomial(int(says.sum()), fitted / fitted.sum(axis=1, keepdims=True))
        again += weight * _entropy(_shares(matrices, drawn.astype(np.float64)))
    return _Sampled(point, single, saved, at, again)


def _posterior(joint: IntArray | FloatArray, draws: int, rng: np.random.Generator) -> FloatArray:
    """Confusion matrices that the calibration leaves possible, row by row.

    Dirichlet with a prior that weighs as much as one labelled item a row, on the errors: resampling
    would never show an error that a small calibration happened not to show.
    """
    table = np.asarray(joint, dtype=np.float64)
    k = len(table)
    prior = np.where(np.eye(k, k + 1) > 0, 0.5, 0.5 / k)
    return np.stack([rng.dirichlet(row, size=draws) for row in table + prior], axis=1)


def _entropy(shares: FloatArray) -> FloatArray:
    from scipy.special import entr

    return np.asarray(entr(shares).sum(axis=-1))


def _nothing(n_missing: int, level: float, notes: tuple[str, ...]) -> Estimate:
    return Estimate(
        estimate=None, se=None, ci_low=None, ci_high=None, level=level, method="none", n=0,
        n_clusters=0, n_missing=n_missing,
        warnings=notes or ("all missing: no group has a label",),
    )  # fmt: skip
