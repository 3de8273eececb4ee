"""Cells of shares by a judge that errs."""

from collections.abc import Callable
from functools import partial

import numpy as np

from evalsuite.selftest import peers
from evalsuite.selftest.cells import (
    Cell,
    FloatArray,
    IntArray,
    Outcome,
    Peer,
    answers_of,
    points,
)
from evalsuite.selftest.truth import Classes
from evalsuite.stats import Estimate
from evalsuite.stats.agreement import cohen_kappa, krippendorff_alpha
from evalsuite.stats.entropy_points import plug_in_entropies
from evalsuite.stats.judge_error import ppi_mean
from evalsuite.stats.judged_labels import JudgedLabels
from evalsuite.stats.multiclass_judge import confusion_statistic, ppi_statistic
from evalsuite.stats.rogan_gladen import rogan_gladen

JUDGES = ((0.1, 0.9, 0.85), (0.5, 0.75, 0.7), (0.8, 0.75, 0.7))
"""True share, sensitivity and specificity."""

N_OUTPUTS = 1000


SHARES = Classes("shares .4 .3 .2 .1", (0.4, 0.3, 0.2, 0.1))
"""Of four categories, of which a judge names the right one 80 % of the time."""

RIGHT = 0.8
N_BOOT = {ppi_statistic: 400, confusion_statistic: 100}
"""Fewer bootstrap samples than by default, which a self-test of thousands of runs could not pay."""


def judge_cells() -> list[Cell]:
    """`ppi_mean`, `rogan_gladen` and the entropy of corrected shares of four categories."""
    powered = [
        Cell("prediction-powered share", _name(*judge), f"{n} of 1000 labelled", judge[0],
             partial(_powered, judge, n),
             outside=None if n * min(judge[0], 1 - judge[0]) >= 10 else "rare labels")
        for judge in JUDGES
        for n in (50, 200)
    ]  # fmt: skip
    calibrated = [
        Cell("Rogan-Gladen share", _name(*judge), f"n = 1000, error rates of {m} each", judge[0],
             partial(_calibrated, judge, m))
        for judge in JUDGES
        for m in (50, 200)
    ]  # fmt: skip
    names = {ppi_statistic: "prediction-powered", confusion_statistic: "confusion-corrected"}
    entropies = [
        Cell(f"entropy of {name} shares", f"{SHARES.name}, judge right in 80 %",
             f"{n} of 1000 labelled", SHARES.entropy, partial(_entropy, function, n))
        for function, name in names.items()
        for n in (100, 200)
    ]  # fmt: skip
    return powered + calibrated + entropies


def agreement_cells() -> list[Cell]:
    """`cohen_kappa` and `krippendorff_alpha` of two raters of two categories."""
    kappa = (2 * 0.85 - 1) ** 2
    return [
        Cell(name, "two raters, 85 % right", f"n = {n}", kappa, partial(_agreement, statistic, n))
        for name, statistic in (("Cohen's kappa", _kappa), ("Krippendorff's alpha", _alpha))
        for n in (50, 200)
    ]


def _name(share: float, sensitivity: float, specificity: float) -> str:
    return f"share {share:g}, sensitivity {sensitivity:g}, specificity {specificity:g}"


def _powered(
    judge: tuple[float, float, float], n: int, rng: np.random.Generator, runs: int
) -> Outcome:
    share, sensitivity, specificity = judge
    truth = rng.random((runs, N_OUTPUTS)) < share
    calls = rng.random((runs, N_OUTPUTS)) < np.where(truth, sensitivity, 1 - specificity)
    y, f = truth.astype(np.float64), calls.astype(np.float64)
    ours = answers_of(ppi_mean(a[:n], b[:n], b[n:]) for a, b in zip(y, f, strict=True))
    return Outcome(ours, (Peer(peers.NAIVE_JUDGE, peers.wald(calls.sum(axis=1), N_OUTPUTS)),))


def _calibrated(
    judge: tuple[float, float, float], m: int, rng: np.random.Generator, runs: int
) -> Outcome:
    share, sensitivity, specificity = judge
    called = rng.binomial(
        N_OUTPUTS, share * sensitivity + (1 - share) * (1 - specificity), size=runs
    )
    rates = zip(
        called / N_OUTPUTS, rng.binomial(m, sensitivity, size=runs) / m,
        rng.binomial(m, specificity, size=runs) / m, strict=True,
    )  # fmt: skip
    ours = answers_of(_rogan_gladen(p, q1, q0, m) for p, q1, q0 in rates)
    return Outcome(ours, (Peer(peers.NAIVE_JUDGE, peers.wald(called, N_OUTPUTS)),))


def _rogan_gladen(share: float, sensitivity: float, specificity: float, m: int) -> Estimate:
    return _or_refused(
        lambda: rogan_gladen(
            float(share), N_OUTPUTS, sensitivity=float(sensitivity), n_sensitivity=m,
            specificity=float(specificity), n_specificity=m,
        )
    )  # fmt: skip


def _or_refused(estimate: Callable[[], Estimate]) -> Estimate:
    """An estimate, without a number where the judge looks useless in this draw."""
    try:
        return estimate()
    except ValueError as error:
        return Estimate(
            estimate=None, se=None, ci_low=None, ci_high=None, method="refused", n=N_OUTPUTS,
            n_clusters=N_OUTPUTS, warnings=(f"refused: {error}",),
        )  # fmt: skip


def _entropy(
    function: Callable[..., Estimate], n: int, rng: np.random.Generator, runs: int
) -> Outcome:
    k = len(SHARES.shares)
    truth = rng.choice(k, p=SHARES.p, size=(runs, N_OUTPUTS))
    other = (truth + rng.integers(1, k, size=truth.shape)) % k
    judge = np.where(rng.random(truth.shape) < RIGHT, truth, other)

    def corrected(y: IntArray, f: IntArray) -> Estimate:
        labels = JudgedLabels(y[:n].tolist(), f[:n].tolist(), f[n:].tolist(), range(k))
        return _or_refused(lambda: function(labels, _entropies, draws=N_BOOT[function], rng=rng))

    ours = answers_of(corrected(y, f) for y, f in zip(truth, judge, strict=True))
    counts = np.stack([(judge == category).sum(axis=1) for category in range(k)], axis=1)
    return Outcome(ours, (Peer(peers.NAIVE_ENTROPY, points(plug_in_entropies(counts))),))


def _entropies(shares: FloatArray) -> FloatArray:
    from scipy.special import entr

    return np.asarray(entr(shares).sum(axis=-1))


def _kappa(first: IntArray, second: IntArray) -> Estimate:
    return cohen_kappa(first.tolist(), second.tolist())


def _alpha(first: IntArray, second: IntArray) -> Estimate:
    return krippendorff_alpha(np.stack([first, second], axis=1).tolist())


def _agreement(
    statistic: Callable[[IntArray, IntArray], Estimate],
    n: int,
    rng: np.random.Generator,
    runs: int,
) -> Outcome:
    truth = rng.integers(0, 2, size=(runs, 1, n))
    ratings = truth ^ (rng.random((runs, 2, n)) >= 0.85)
    return Outcome(answers_of(statistic(a, b) for a, b in ratings))
