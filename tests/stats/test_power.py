import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats as scipy_stats
from statsmodels.stats.power import TTestPower

from evalsuite.stats import mean_interval
from evalsuite.stats.power import (
    detectable_effect,
    minimum_detectable_effect,
    planned_units,
    power_of_mean_difference,
    required_units,
)
from evalsuite.stats.spread import spread_factors

D = np.array([0.1, 0.1, -0.05, 0.1, 0.2, 0.05, 0.1, 0.1])


def codes(estimate):
    return [warning.partition(":")[0] for warning in estimate.warnings]


def test_the_vectors_of_the_specification_are_reproduced():
    assert minimum_detectable_effect(D).estimate == pytest.approx(0.068778, abs=5e-7)
    assert planned_units(D.std(ddof=1), 0.05) == 16


def test_the_effect_has_the_interval_of_the_standard_deviation():
    result = minimum_detectable_effect(D, level=0.9)
    low, high = spread_factors(D, level=0.9)
    assert result.ci_low == pytest.approx(result.estimate * low, rel=1e-9)
    assert result.ci_high == pytest.approx(result.estimate * high, rel=1e-9)
    assert codes(result) == ["few clusters"]


@pytest.mark.parametrize(
    ("draw", "least"),
    [
        (lambda rng, shape: rng.normal(size=shape), 0.935),
        (lambda rng, shape: rng.gamma(2.0, size=shape) / math.sqrt(2), 0.88),
    ],
    ids=["normal", "skewed"],
)
def test_the_interval_of_the_effect_covers_the_true_one(draw, least):
    d = draw(np.random.default_rng(0), (1500, 30))
    truth = (scipy_stats.norm.ppf(0.975) + scipy_stats.norm.ppf(0.8)) / math.sqrt(30)
    results = [minimum_detectable_effect(row) for row in d]
    assert np.mean([r.ci_low <= truth <= r.ci_high for r in results]) >= least


def test_few_skewed_differences_are_said_to_be_so():
    d = np.random.default_rng(0).exponential(size=200)
    assert codes(minimum_detectable_effect(d[:30])) == ["skewed"]
    assert codes(minimum_detectable_effect(d)) == []
    assert codes(minimum_detectable_effect(np.linspace(-1, 1, 30))) == []


def test_few_differences_have_an_effect_without_an_interval():
    result = minimum_detectable_effect([0.1, 0.2, -0.1, 0.3])
    assert result.estimate is not None and result.ci_low is None
    assert codes(result) == ["few clusters", "unknown spread"]


def test_clusters_raise_the_effect_that_can_be_detected():
    values = np.repeat(np.random.default_rng(1).normal(size=12), 5)
    clusters = np.repeat(np.arange(12), 5)
    clustered = minimum_detectable_effect(values, clusters=clusters)
    plain = minimum_detectable_effect(values)
    ratio = mean_interval(values, clusters=clusters).se / mean_interval(values).se
    assert clustered.estimate / plain.estimate == pytest.approx(ratio, rel=1e-9)
    assert clustered.n_clusters == 12


@pytest.mark.parametrize(
    ("values", "code"), [([0.5] * 20, "degenerate"), ([1.0, 2.0], "too few clusters")]
)
def test_without_a_spread_nothing_is_known_of_the_effect(values, code):
    result = minimum_detectable_effect(values)
    assert (result.estimate, result.se, result.ci_low) == (None, None, None)
    assert codes(result) == [code]


# statsmodels has NaN where power is all but certain, at n = 100 and delta = 1.
@pytest.mark.parametrize("n", [3, 8, 20, 100])
@pytest.mark.parametrize("delta", [0.05, 0.2, 0.4])
def test_power_is_that_of_statsmodels(n, delta):
    expected = TTestPower().power(delta / 0.7, n, 0.1)
    found = power_of_mean_difference(n, 0.7, delta, level=0.9)
    assert found == pytest.approx(expected, rel=1e-6)


@pytest.mark.parametrize("n", [8, 20, 100])
@pytest.mark.parametrize("power", [0.3, 0.8])
def test_power_is_the_share_of_simulated_intervals_that_exclude_zero(n, power):
    delta = detectable_effect(n, 1.0, power=power)
    d = np.random.default_rng(n).normal(delta, 1.0, size=(10_000, n))
    t = d.mean(axis=1) / (d.std(axis=1, ddof=1) / math.sqrt(n))
    found = (np.abs(t) > scipy_stats.t.ppf(0.975, n - 1)).mean()
    assert power_of_mean_difference(n, 1.0, delta) == pytest.approx(found, abs=0.015)


@pytest.mark.parametrize("n", [2, 1000, 10**8])
def test_power_stays_a_probability_at_the_extremes(n):
    assert power_of_mean_difference(n, 1.0, 1e4) == pytest.approx(1.0, abs=1e-3)
    assert power_of_mean_difference(n, 1.0, 1e-9) == pytest.approx(0.05, abs=1e-6)


@settings(max_examples=50, deadline=None)
@given(st.floats(0.01, 3.0), st.floats(0.2, 0.99), st.floats(0.7, 0.99))
def test_required_units_are_the_fewest_that_reach_the_power(delta, power, level):
    n = required_units(1.0, delta, power=power, level=level)
    assert power_of_mean_difference(n, 1.0, delta, level=level) >= power
    assert n == 3 or power_of_mean_difference(n - 1, 1.0, delta, level=level) < power


@settings(max_examples=50, deadline=None)
@given(st.integers(2, 500), st.floats(0.1, 10.0), st.floats(0.2, 0.99))
def test_the_detectable_effect_is_detected_with_the_power(n, sd, power):
    delta = detectable_effect(n, sd, power=power)
    assert power_of_mean_difference(n, sd, delta) == pytest.approx(power, abs=1e-8)


def test_many_units_need_what_normal_quantiles_say():
    n = planned_units(1.0, 0.03)
    assert n <= required_units(1.0, 0.03) <= n + 3
    assert detectable_effect(5000, 1.0) == pytest.approx(2.8015852 / math.sqrt(5000), rel=1e-3)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: minimum_detectable_effect([]), "n >= 1"),
        (lambda: minimum_detectable_effect(D, power=1.0), "power"),
        (lambda: minimum_detectable_effect(D, level=0.0), "level"),
        (lambda: minimum_detectable_effect(D, level=0.4, power=0.9), "level must be at least 0.5"),
        (lambda: minimum_detectable_effect(D, level=0.6, power=0.3), "power above 1 - level"),
        (lambda: planned_units(0.0, 0.1), "sd must be a number above 0, got 0.0"),
        (lambda: planned_units(1.0, math.nan), "delta"),
        (lambda: planned_units(1.0, 0.1, power=0.0), "power"),
        (lambda: power_of_mean_difference(1, 1.0, 0.1), "n must be at least 2"),
        (lambda: power_of_mean_difference(9, math.inf, 0.1), "sd"),
        (lambda: required_units(1.0, -0.1), "delta"),
        (lambda: required_units(1.0, 1e-7), "more than 1000000000 units"),
        (lambda: detectable_effect(1, 1.0), "n must be at least 2"),
        (lambda: detectable_effect(9, 1.0, power=0.04), "above 1 - level"),
    ],
)
def test_input_that_makes_no_sense_is_an_error(call, message):
    with pytest.raises(ValueError, match=message):
        call()


def test_large_differences_have_the_effect_of_small_ones_times_their_size():
    values = np.array([0.1, 0.1, -0.05, 0.1, 0.2, 0.05, 0.1, 0.1])
    small, large = minimum_detectable_effect(values), minimum_detectable_effect(values * 1e149)
    expected = [small.estimate * 1e149, small.ci_low * 1e149, small.ci_high * 1e149]
    assert [large.estimate, large.ci_low, large.ci_high] == pytest.approx(expected, rel=1e-9)
