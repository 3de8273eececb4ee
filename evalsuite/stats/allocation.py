"""How to share a budget between prompts and samples, where scores are means over samples."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from evalsuite.stats.clusters import FloatArray
from evalsuite.stats.power import detectable_effect, power_of_mean_difference, required_units

MAX_SAMPLES = 1000
"""More samples of one prompt than this are never proposed."""


@dataclass(frozen=True)
class VarianceComponents:
    """What the variance of a unit's difference is made of: ``omega2 + sigma2_a/K + sigma2_b/K``.

    It holds for scores that are means over K samples. Scores that depend on K themselves (distinct,
    entropy, Vendi) have no such parts: there K is fixed and only units are planned.

    Parameters
    ----------
    omega2 : float
        Variance of the true difference over units, at least 0.
    sigma2_a, sigma2_b : float
        Mean variance of the samples of one unit.
    n_units : int
    warnings : tuple of str
    """

    omega2: float
    sigma2_a: float
    sigma2_b: float
    n_units: int
    warnings: tuple[str, ...] = ()

    def sd(self, samples: int) -> float:
        """Standard deviation of a unit's difference, of K samples a side.

        >>> VarianceComponents(0.04, 0.5, 0.7, n_units=50).sd(10)
        0.4
        """
        return math.sqrt(self.omega2 + (self.sigma2_a + self.sigma2_b) / samples)


def variance_components(a: Sequence[ArrayLike], b: Sequence[ArrayLike]) -> VarianceComponents:
    """Estimate the parts from scores of single samples, as of a pilot; unbiased but for the floor.

    Parameters
    ----------
    a, b : sequences of n arrays
        Samples of each unit, as many as there are; units may differ in number. NaN is missing; a
        unit without a sample on a side is left out.

    Returns
    -------
    VarianceComponents
        ``omega2`` is the variance of the differences of means, less what the samples add to it; a
        warning says where that is negative and taken for 0.

    Raises
    ------
    ValueError
        If there are not as many units in a as in b, fewer than 3 with samples on both sides, or no
        unit with two samples on a side.

    Examples
    --------
    >>> a = [[0.1, 0.3], [0.6, 0.4], [0.9, 0.9], [0.2, 0.2]]
    >>> b = [[0.1, 0.1], [0.2, 0.4], [0.2, 0.0], [0.3, 0.5]]
    >>> parts = variance_components(a, b)
    >>> round(parts.omega2, 4), round(parts.sigma2_a, 4), round(parts.sigma2_b, 4)
    (0.1633, 0.01, 0.015)
    """
    caller = "variance_components"
    if len(a) != len(b):
        raise ValueError(f"{caller}: {len(a)} units of a but {len(b)} of b")
    sides = [[_samples(unit, caller) for unit in side] for side in (a, b)]
    units = [i for i in range(len(a)) if sides[0][i].size and sides[1][i].size]
    if len(units) < 3:
        raise ValueError(f"{caller}: {len(units)} units with samples of both, needs 3")
    (sigma2_a, noise_a), (sigma2_b, noise_b) = (
        _within([side[i] for i in units], name, caller)
        for side, name in zip(sides, "ab", strict=True)
    )
    means = np.array([sides[0][i].mean() - sides[1][i].mean() for i in units])
    omega2 = float(means.var(ddof=1)) - noise_a - noise_b
    warnings: tuple[str, ...] = ()
    if omega2 < 0.0:
        warnings = (f"negative variance: omega^2 came out as {omega2:.6g} and is taken for 0",)
    return VarianceComponents(max(0.0, omega2), sigma2_a, sigma2_b, len(units), warnings)


def _samples(unit: ArrayLike, caller: str) -> FloatArray:
    array = np.asarray(unit, dtype=np.float64)
    if array.ndim != 1 or np.isinf(array).any():
        raise ValueError(f"{caller}: the samples of a unit must be one row of finite numbers")
    return np.asarray(array[~np.isnan(array)])


def _within(units: list[FloatArray], name: str, caller: str) -> tuple[float, float]:
    """Mean variance of the samples of one unit, and the mean of the variances of units' means."""
    variances = [float(unit.var(ddof=1)) if unit.size > 1 else math.nan for unit in units]
    if np.isnan(variances).all():
        raise ValueError(f"{caller}: no unit of {name} has two samples, their spread is unknown")
    pooled = float(np.nanmean(variances))
    known = np.where(np.isnan(variances), pooled, variances)
    return pooled, float(np.mean(known / np.array([unit.size for unit in units])))


@dataclass(frozen=True)
class Samples:
    """Samples of each prompt, and why they are not what the formula says, where they are not."""

    samples: int
    reason: str | None = None


def optimal_samples(
    omega: float,
    sigma: float,
    cost_prompt: float,
    cost_sample: float,
    *,
    max_samples: int = MAX_SAMPLES,
) -> Samples:
    """Samples of each prompt that give most for the money: ``sqrt(sigma^2/omega^2 * c_p/c_s)``.

    Parameters
    ----------
    omega : float
        Standard deviation of the true difference over prompts, at least 0.
    sigma : float
        Of a difference of single samples of one prompt, ``sqrt(sigma_a^2 + sigma_b^2)``, at least
        0.
    cost_prompt : float
        Of one more prompt, without its samples, at least 0.
    cost_sample : float
        Of one more sample of one prompt, of both models, above 0.
    max_samples : int
        At least 1.

    Returns
    -------
    Samples
        The formula rounded up, at least 1. With omega 0 nothing limits it but ``max_samples``, and
        the reason says so.

    Raises
    ------
    ValueError
        If a number is out of its range.

    Examples
    --------
    >>> optimal_samples(0.2, 0.5, 4.0, 1.0)
    Samples(samples=5, reason=None)
    >>> optimal_samples(0.0, 0.5, 4.0, 1.0, max_samples=50).samples
    50
    """
    caller = "optimal_samples"
    Costs(cost_prompt, cost_sample, max_samples)
    for name, value in (("omega", omega), ("sigma", sigma)):
        if not (math.isfinite(value) and value >= 0.0):
            raise ValueError(f"{caller}: {name} must be a number of at least 0, got {value}")
    if sigma == 0.0 or cost_prompt == 0.0:
        return Samples(1)
    if omega == 0.0:
        return Samples(
            max_samples, f"omega is 0: prompts do not differ, so samples are capped: {max_samples}"
        )
    best = sigma / omega * math.sqrt(cost_prompt / cost_sample)
    if best > max_samples:
        return Samples(max_samples, f"capped: the formula gives {best:.6g}, above {max_samples}")
    # 5 may come out as 5.000000000000001, which is 5.
    return Samples(max(1, math.ceil(best * (1 - 1e-12))))


@dataclass(frozen=True)
class Costs:
    """What a plan is paid with, in any one unit: ``n (prompt + K sample)``.

    Parameters
    ----------
    prompt : float
        Of one more prompt, without its samples, at least 0.
    sample : float
        Of one more sample of one prompt, of both models, above 0.
    max_samples : int
        At least 1.
    """

    prompt: float
    sample: float
    max_samples: int = 64

    def __post_init__(self) -> None:
        if not (math.isfinite(self.prompt) and self.prompt >= 0.0):
            raise ValueError(f"costs: a prompt must cost at least 0, got {self.prompt}")
        if not (math.isfinite(self.sample) and self.sample > 0.0):
            raise ValueError(f"costs: a sample must cost more than 0, got {self.sample}")
        if self.max_samples < 1:
            raise ValueError(f"costs: max_samples must be at least 1, got {self.max_samples}")

    def of(self, units: int, samples: int) -> float:
        """What n units of K samples cost."""
        return units * (self.prompt + samples * self.sample)


@dataclass(frozen=True)
class Plan:
    """So many units of so many samples a side, what they cost, and what they find how surely."""

    units: int
    samples: int
    cost: float
    effect: float
    power: float


def cheapest_plan(
    parts: VarianceComponents,
    delta: float,
    costs: Costs,
    *,
    power: float = 0.8,
    level: float = 0.95,
) -> Plan:
    """The plan that finds ``delta`` with the power for the least cost, of all K up to the cap.

    >>> parts = VarianceComponents(0.04, 0.12, 0.13, n_units=50)
    >>> plan = cheapest_plan(parts, 0.1, Costs(prompt=4.0, sample=1.0))
    >>> plan.units, plan.samples, plan.cost
    (73, 5, 657.0)
    """
    plans = []
    for samples in range(1, costs.max_samples + 1):
        sd = parts.sd(samples)
        units = required_units(sd, delta, power=power, level=level)
        cost = costs.of(units, samples)
        plans.append(
            Plan(
                units, samples, cost, delta, power_of_mean_difference(units, sd, delta, level=level)
            )
        )
    return min(plans, key=lambda plan: (plan.cost, plan.samples))


def best_plan(
    parts: VarianceComponents,
    budget: float,
    costs: Costs,
    *,
    power: float = 0.8,
    level: float = 0.95,
) -> Plan:
    """The plan within the budget that finds the smallest effect with the power.

    Raises
    ------
    ValueError
        If the budget does not pay for 3 units of one sample each.

    Examples
    --------
    >>> parts = VarianceComponents(0.04, 0.12, 0.13, n_units=50)
    >>> plan = best_plan(parts, 657.0, Costs(prompt=4.0, sample=1.0))
    >>> plan.units, plan.samples, round(plan.effect, 4)
    (73, 5, 0.0997)
    """
    plans = []
    for samples in range(1, costs.max_samples + 1):
        units = math.floor(budget / costs.of(1, samples) * (1 + 1e-12)) if budget > 0.0 else 0
        if units < 3:
            break
        effect = detectable_effect(units, parts.sd(samples), power=power, level=level)
        plans.append(Plan(units, samples, costs.of(units, samples), effect, power))
    if not plans:
        raise ValueError(
            f"best_plan: a budget of {budget:g} does not pay for 3 units, {costs.of(3, 1):g}"
        )
    return min(plans, key=lambda plan: (plan.effect, plan.cost))
