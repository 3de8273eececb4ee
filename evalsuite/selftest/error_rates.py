"""How often tests, gates and plans decide wrongly where the truth is known."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from itertools import combinations

import numpy as np

from evalsuite.selftest.cells import FloatArray, at_least
from evalsuite.selftest.groups import PERMUTATIONS
from evalsuite.selftest.means import DRAWS, Draw, clustered, clusters_of, lattice, normal, skewed
from evalsuite.selftest.results import RateResult
from evalsuite.stats.gaps import gap
from evalsuite.stats.imbalance import imbalance, multinomial_imbalance
from evalsuite.stats.multiplicity import holm
from evalsuite.stats.noninferiority import Verdict, non_inferiority, non_inferiority_ratio
from evalsuite.stats.paired import mcnemar_p, t_p_value
from evalsuite.stats.power import power_of_mean_difference, required_units
from evalsuite.stats.signflip import cluster_sums, sign_flip_tests
from evalsuite.stats.streams import stream

ALPHA = 0.05
NEAR = 0.03
"""How far a simulated power may lie from the planned one."""

ROWS = 50

UNIFORM = 0.001
"""Smallest p-value of a Kolmogorov-Smirnov test that is put down to chance."""

WRONG: tuple[tuple[Verdict, float], ...] = (("PASS", 0.5), ("FAIL", 0.0))
"""Verdicts of a gate with a margin of .5, and the true loss at which each is wrong."""

Decide = Callable[[np.random.Generator, int], FloatArray]


@dataclass(frozen=True)
class Rate:
    """A decision on draws from a known truth.

    Parameters
    ----------
    test, setting : str
    decide : function of (rng, runs)
        1 where a run decides, 0 where it does not; of a check of uniformity, p-values.
    planned : float or None
        The power that was planned; None where the rate may be at most .05.
    is_uniform : bool
        Whether the p-values are to be uniform.
    is_promised : bool
    """

    test: str
    setting: str
    decide: Decide
    planned: float | None = None
    is_uniform: bool = False
    is_promised: bool = True

    @property
    def name(self) -> str:
        """Test and setting in one line."""
        return f"{self.test}: {self.setting}"


def judge(rate: Rate, *, runs: int, seed: int) -> RateResult:
    """Draw the runs of a rate from its own stream and compare it with what is promised."""
    decided = rate.decide(stream(f"selftest {rate.name}", seed), runs)
    if rate.is_uniform:
        from scipy.stats import kstest

        found = float(kstest(decided, "uniform").pvalue)
        promise, holds = "uniform p", found >= UNIFORM
    else:
        found = float(decided.mean())
        promise, holds = _promise(found, rate.planned, decided.size)
    return RateResult(
        test=rate.test,
        setting=rate.setting,
        rate=found,
        promise=promise if rate.is_promised else "none",
        in_scope=rate.is_promised,
        holds=holds or not rate.is_promised,
        runs=int(decided.size),
    )


def sign_flip_rates() -> list[Rate]:
    """False positives of the sign-flip test where there is no difference."""
    test = "sign-flip test, p <= .05 without a difference"
    rates = [
        Rate(test, f"{name}, {g} units", partial(_flips, draw, g))
        for name, draw in (
            ("normal", normal),
            ("difference of two skewed scores", _exchangeable),
            ("lattice -1 0 1", lattice),
        )
        for g in (8, 20, 120)
    ]
    rates += [
        Rate(test, f"{g} clusters of 5, ICC .3", partial(_clustered_flips, g)) for g in (8, 20, 120)
    ]
    rates += [
        Rate(test, f"skewed differences of mean 0, {g} units", partial(_flips, skewed, g),
             is_promised=False)
        for g in (8, 20, 120)
    ]  # fmt: skip
    rates += [
        Rate("sign-flip p-values, Kolmogorov-Smirnov", f"normal, {g} units",
             partial(_flip_p_values, normal, g), is_uniform=True)
        for g in (20, 120)
    ]  # fmt: skip
    rates.append(Rate("Holm over 15 pairs, any false claim", "6 equal models, 20 units", _family))
    rates.append(Rate("McNemar's test, p <= .05 without a difference", "50 units", _mcnemar))
    return rates


def fairness_rates() -> list[Rate]:
    """False findings about a model that is fair."""
    imbalances = [
        Rate("imbalance, p <= .05 for a fair model", f"2 categories, n = {n}",
             partial(_imbalanced, n))
        for n in (8, 20, 50, 200)
    ]  # fmt: skip
    imbalances.append(
        Rate("imbalance, p <= .05 for a fair model", "10 categories, n = 50", _multi_imbalanced)
    )
    gaps = [
        Rate("gap, p <= .05 without a gap", f"3 groups, 40 {what}", partial(_gaps, is_crossed))
        for what, is_crossed in (("values each", False), ("prompts with all groups", True))
    ]
    return imbalances + gaps


def gate_rates() -> list[Rate]:
    """Wrong verdicts of the release gate."""
    rates = []
    draws: dict[str, Draw] = DRAWS | {"skewed to losses": _to_losses}
    del draws["skewed (gamma)"]
    for wrong, loss in WRONG:
        for name, draw in draws.items():
            for n in (20, 60, 120):
                rates.append(
                    Rate(
                        f"gate, {wrong} at a loss of {'the margin' if loss else '0'}",
                        f"{name}, {n} units",
                        partial(_verdicts, draw, n, loss, wrong),
                        # The bound is a t bound: few skewed values make it lean to one side.
                        is_promised=draw is not _to_losses or wrong == "FAIL",
                    )
                )
    rates.append(
        Rate("gate, PASS at a loss of the margin", "12 clusters of 5, ICC .3", _clustered_gate)
    )
    rates.append(
        Rate("gate of a ratio, PASS at a loss of the margin", "gamma scores, 60 units", _ratio_gate)
    )
    return rates


def power_rates() -> list[Rate]:
    """Power of comparisons as planned, found with the t interval and with the sign-flip test."""
    rates = []
    for test, decide in (("t interval", _t_finds), ("sign-flip test", _flip_finds)):
        for name, draw in (("normal", normal), ("skewed (gamma)", skewed)):
            for power, delta in ((0.8, 0.8), (0.8, 0.5), (0.8, 0.3), (0.9, 0.4)):
                n = required_units(1.0, delta, power=power)
                rates.append(
                    Rate(
                        f"power of the {test}",
                        f"{name} differences of {delta:g} sd, {n} units planned for {power:g}",
                        partial(decide, draw, n, delta),
                        planned=power_of_mean_difference(n, 1.0, delta),
                        is_promised=draw is normal,
                    )
                )
    return rates


def _promise(rate: float, planned: float | None, runs: int) -> tuple[str, bool]:
    if planned is None:
        return "at most .05", at_least(1 - rate, 1 - ALPHA, runs)
    chance = 3 * math.sqrt(planned * (1 - planned) / runs)
    return f"{planned:.3f} +- .03", abs(rate - planned) <= NEAR + chance


def _to_losses(rng: np.random.Generator, shape: tuple[int, ...]) -> FloatArray:
    losses: FloatArray = skewed(rng, shape)
    return -losses


def _exchangeable(rng: np.random.Generator, shape: tuple[int, ...]) -> FloatArray:
    a, b = rng.gamma(0.5, size=(2, *shape))
    return np.asarray(a - b)


def _flip_p_values(draw: Draw, g: int, rng: np.random.Generator, runs: int) -> FloatArray:
    # Rows of one call share their flips, and so a part of their Monte Carlo error: few rows a call.
    parts = np.array_split(draw(rng, (runs, g)), max(1, runs // ROWS))
    return np.concatenate([sign_flip_tests(part, rng=rng).p_values for part in parts])


def _rejected(p_values: FloatArray) -> FloatArray:
    return (p_values <= ALPHA).astype(np.float64)


def _flips(draw: Draw, g: int, rng: np.random.Generator, runs: int) -> FloatArray:
    return _rejected(sign_flip_tests(draw(rng, (runs, g)), rng=rng).p_values)


def _clustered_flips(g: int, rng: np.random.Generator, runs: int) -> FloatArray:
    labels = clusters_of(g)
    sums = cluster_sums(clustered(normal, labels, rng, runs), labels)
    return _rejected(sign_flip_tests(sums, rng=rng).p_values)


def _family(rng: np.random.Generator, runs: int) -> FloatArray:
    pairs = np.array(list(combinations(range(6), 2))).T

    def smallest() -> float:
        scores = rng.normal(size=20) + rng.normal(size=(6, 20))
        p_values = sign_flip_tests(scores[pairs[0]] - scores[pairs[1]]).p_values
        return min(p for p in holm(p_values.tolist()) if p is not None)

    return _rejected(np.array([smallest() for _ in range(runs)]))


def _imbalanced(n: int, rng: np.random.Generator, runs: int) -> FloatArray:
    counts, where = np.unique(rng.binomial(n, 0.5, size=runs), return_inverse=True)
    return _rejected(np.array([imbalance(int(k), n).p_value for k in counts])[where])


def _multi_imbalanced(rng: np.random.Generator, runs: int) -> FloatArray:
    counts = rng.multinomial(50, np.full(10, 0.1), size=runs)
    found = (multinomial_imbalance(row, draws=PERMUTATIONS, rng=rng).p_value for row in counts)
    return _rejected(np.array(list(found)))


def _gaps(is_crossed: bool, rng: np.random.Generator, runs: int) -> FloatArray:
    shared = rng.normal(size=(runs, 40, 1)) if is_crossed else 0.0
    values = (rng.normal(size=(runs, 40, 3)) + shared > -1.0).astype(np.float64)
    groups = np.tile(np.arange(3), 40).tolist()
    units = np.repeat(np.arange(40), 3).tolist() if is_crossed else None
    p_values = (
        gap(row, groups, units=units, draws=PERMUTATIONS, rng=rng).p_value
        for row in values.reshape(runs, -1)
    )
    return _rejected(np.array([1.0 if p is None else p for p in p_values]))


def _mcnemar(rng: np.random.Generator, runs: int) -> FloatArray:
    chance = rng.random((runs, 1, 50))
    scores = (rng.random((runs, 2, 50)) < chance).astype(np.float64)
    return _rejected(np.array([mcnemar_p(a, b).p_value for a, b in scores]))


def _verdicts(
    draw: Draw, n: int, loss: float, wrong: Verdict, rng: np.random.Generator, runs: int
) -> FloatArray:
    values = draw(rng, (runs, n)) - loss
    return np.array([float(non_inferiority(row, 0.5).verdict == wrong) for row in values])


def _clustered_gate(rng: np.random.Generator, runs: int) -> FloatArray:
    labels = clusters_of(12)
    values = clustered(normal, labels, rng, runs) - 0.5
    verdicts = (non_inferiority(row, 0.5, clusters=labels).verdict for row in values)
    return np.array([float(verdict == "PASS") for verdict in verdicts])


def _ratio_gate(rng: np.random.Generator, runs: int) -> FloatArray:
    level = rng.gamma(4.0, 0.25, size=(runs, 60))
    base, candidate = level * rng.gamma(16.0, 1 / 16, size=(2, runs, 60))
    pairs = zip(0.9 * candidate, base, strict=True)
    verdicts = (non_inferiority_ratio(c, b, 0.1).verdict for c, b in pairs)
    return np.array([float(verdict == "PASS") for verdict in verdicts])


def _t_finds(draw: Draw, n: int, delta: float, rng: np.random.Generator, runs: int) -> FloatArray:
    p_values = (t_p_value(row + delta) for row in draw(rng, (runs, n)))
    return _rejected(np.array([1.0 if p is None else p for p in p_values]))


def _flip_finds(
    draw: Draw, n: int, delta: float, rng: np.random.Generator, runs: int
) -> FloatArray:
    return _rejected(sign_flip_tests(draw(rng, (runs, n)) + delta, rng=rng).p_values)
