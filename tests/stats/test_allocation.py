import math

import numpy as np
import pytest

from evalsuite.stats.allocation import (
    Costs,
    Plan,
    VarianceComponents,
    best_plan,
    cheapest_plan,
    optimal_samples,
    variance_components,
)
from evalsuite.stats.power import detectable_effect, power_of_mean_difference, required_units

PARTS = VarianceComponents(0.04, 0.12, 0.13, n_units=50)


def test_variance_components_are_unbiased():
    rng = np.random.default_rng(2)
    found = []
    for _ in range(1500):
        gap = rng.normal(0.1, 0.6, size=12)
        a = [rng.normal(m, 0.8, size=k) for m, k in zip(gap, [2, 3, 5] * 4, strict=True)]
        b = [rng.normal(0.0, 0.5, size=4) for _ in gap]
        parts = variance_components(a, b)
        found.append((parts.omega2, parts.sigma2_a, parts.sigma2_b))
    # omega^2 is seldom floored here, which would bias it.
    assert np.mean(found, axis=0) == pytest.approx([0.36, 0.64, 0.25], abs=0.025)


def test_components_make_up_the_variance_of_the_differences_again():
    rng = np.random.default_rng(3)
    a, b = rng.normal(size=(2, 30, 6)) + rng.normal(size=(2, 30, 1))
    parts = variance_components(list(a), list(b))
    d = a.mean(axis=1) - b.mean(axis=1)
    assert parts.sd(6) == pytest.approx(d.std(ddof=1), rel=1e-9)
    assert (parts.n_units, parts.warnings) == (30, ())


def test_a_negative_variance_is_taken_for_zero_and_said():
    a = [[0.0, 1.0], [1.0, 0.0], [0.0, 1.0], [1.0, 0.0]]
    parts = variance_components(a, a)
    assert parts.omega2 == 0.0
    assert [w.partition(":")[0] for w in parts.warnings] == ["negative variance"]


def test_missing_samples_and_units_without_any_are_left_out():
    a = [[0.1, 0.3, np.nan], [0.6, 0.4], [0.9, 0.8], [0.2], [np.nan]]
    b = [[0.1, 0.2], [0.2], [0.2, 0.0], [0.3, 0.5], [0.1]]
    clean = variance_components([[0.1, 0.3], *a[1:4]], b[:4])
    assert variance_components(a, b) == clean
    assert clean.n_units == 4


def test_the_optimal_number_of_samples_is_the_formula_rounded_up():
    assert optimal_samples(0.2, 0.5, 4.0, 1.0).samples == 5
    assert optimal_samples(0.2, 0.501, 4.0, 1.0).samples == 6
    assert optimal_samples(1.0, 0.1, 1.0, 1.0).samples == 1
    assert optimal_samples(0.2, 0.0, 1.0, 1.0).samples == 1
    assert optimal_samples(0.2, 0.5, 0.0, 1.0).samples == 1


def test_samples_that_would_never_end_are_capped_with_a_reason():
    equal = optimal_samples(0.0, 0.5, 1.0, 1.0, max_samples=40)
    assert equal.samples == 40 and equal.reason.startswith("omega is 0")
    rare = optimal_samples(0.001, 0.5, 1.0, 1.0, max_samples=40)
    assert rare.samples == 40 and rare.reason.startswith("capped: the formula gives 500")


@pytest.mark.parametrize("cost_prompt", [0.5, 4.0, 30.0])
def test_the_cheapest_plan_is_near_the_formula_and_reaches_its_power(cost_prompt):
    costs = Costs(prompt=cost_prompt, sample=1.0)
    plan = cheapest_plan(PARTS, 0.02, costs)
    formula = optimal_samples(0.2, 0.5, cost_prompt, 1.0).samples
    assert abs(plan.samples - formula) <= 1
    assert plan.power >= 0.8
    assert plan.power == pytest.approx(
        power_of_mean_difference(plan.units, PARTS.sd(plan.samples), 0.02)
    )
    assert plan.cost == plan.units * (cost_prompt + plan.samples)
    for samples in range(1, 65):
        units = required_units(PARTS.sd(samples), 0.02)
        assert costs.of(units, samples) >= plan.cost


def test_the_best_plan_spends_the_budget_on_what_finds_most():
    costs = Costs(prompt=4.0, sample=1.0)
    plan = best_plan(PARTS, 657.0, costs)
    assert isinstance(plan, Plan) and plan.cost <= 657.0
    for samples in (1, plan.samples - 1, plan.samples + 1, 64):
        units = int(657.0 // costs.of(1, samples))
        assert detectable_effect(units, PARTS.sd(samples)) >= plan.effect
    assert best_plan(PARTS, 6570.0, costs).effect < plan.effect


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: variance_components([[1.0, 2.0]], []), "1 units of a but 0 of b"),
        (lambda: variance_components([[1.0, 2.0]] * 2, [[1.0, 2.0]] * 2), "needs 3"),
        (lambda: variance_components([[1.0]] * 4, [[1.0, 2.0]] * 4), "no unit of a has two"),
        (lambda: variance_components([[[1.0]]] * 4, [[1.0, 2.0]] * 4), "one row"),
        (lambda: optimal_samples(-0.1, 1.0, 1.0, 1.0), "omega"),
        (lambda: optimal_samples(0.1, math.nan, 1.0, 1.0), "sigma"),
        (lambda: optimal_samples(0.1, 1.0, -1.0, 1.0), "a prompt must cost"),
        (lambda: Costs(1.0, 0.0), "a sample must cost"),
        (lambda: Costs(1.0, 1.0, 0), "max_samples"),
        (lambda: best_plan(PARTS, 14.0, Costs(4.0, 1.0)), "budget of 14 does not pay"),
        (lambda: cheapest_plan(VarianceComponents(0, 0, 0, 5), 0.1, Costs(1.0, 1.0)), "sd"),
    ],
)
def test_input_that_makes_no_sense_is_an_error(call, message):
    with pytest.raises(ValueError, match=message):
        call()
