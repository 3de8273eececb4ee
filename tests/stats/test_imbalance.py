import math

import numpy as np
import pytest
from scipy import stats as scipy_stats

from evalsuite.stats import proportion_interval
from evalsuite.stats.imbalance import imbalance, multinomial_imbalance, squared_distance


@pytest.mark.parametrize(("n", "mean"), [(8, 0.137), (20, 0.088), (50, 0.056), (200, 0.028)])
def test_a_fair_model_is_expected_to_be_as_far_off_as_the_specification_says(n, mean):
    assert imbalance(n // 2, n).expected == pytest.approx(mean, abs=5e-4)


@pytest.mark.parametrize("target", [0.5, 0.2, 0.123, 0.999])
@pytest.mark.parametrize("n", [1, 7, 8, 50])
def test_the_expected_distance_is_that_of_the_binomial(n, target):
    k = np.arange(n + 1)
    mean = float(scipy_stats.binom.pmf(k, n, target) @ np.abs(k / n - target))
    assert imbalance(0, n, target=target).expected == pytest.approx(mean, rel=1e-9)


def test_the_distance_has_the_ends_of_wilson_and_the_exact_p_value():
    result, share = imbalance(45, 50), proportion_interval(45, 50)
    assert result.estimate.estimate == pytest.approx(0.4)
    assert result.estimate.ci_low == pytest.approx(share.ci_low - 0.5)
    assert result.estimate.ci_high == pytest.approx(share.ci_high - 0.5)
    assert result.p_value == pytest.approx(scipy_stats.binomtest(45, 50).pvalue)


def test_a_share_near_its_target_may_be_fair():
    result = imbalance(5, 8)
    assert result.estimate.ci_low == 0.0
    assert result.estimate.estimate < result.expected and result.p_value > 0.7


def test_two_categories_are_the_binomial_case():
    two, one = multinomial_imbalance([13, 37], target=[0.4, 0.6]), imbalance(13, 50, target=0.4)
    assert two.estimate.estimate == pytest.approx(one.estimate.estimate)
    # Standard errors of 9,999 draws: 0.0004 of the mean, 0.003 of the p-value.
    assert two.expected == pytest.approx(one.expected, abs=0.002)
    assert two.p_value == pytest.approx(one.p_value, abs=0.015)


def test_a_multinomial_p_value_is_uniform_or_higher_for_a_fair_model():
    rng = np.random.default_rng(0)
    p = [multinomial_imbalance(x, draws=199).p_value for x in rng.multinomial(12, [0.25] * 4, 400)]
    assert np.mean(np.array(p) <= 0.05) < 0.08
    assert multinomial_imbalance([400, 0, 0, 0]).p_value == 1e-4  # never 0


@pytest.mark.parametrize("truth", [[0.25] * 4, [0.7, 0.1, 0.1, 0.1]])
def test_multinomial_intervals_cover_the_true_distance(truth):
    rng = np.random.default_rng(1)
    distance = np.abs(np.array(truth) - 0.25).sum() / 2
    results = [multinomial_imbalance(x, draws=1).estimate for x in rng.multinomial(60, truth, 300)]
    assert np.mean([r.ci_low <= distance <= r.ci_high for r in results]) >= 0.95


def test_the_simulation_of_the_specification_is_reproduced():
    rng = np.random.default_rng(2)
    fair = rng.multinomial(8, [0.1] * 10, size=40_000)
    plug_in = np.square(fair / 8 - 0.1).sum(axis=1).mean()
    assert plug_in == pytest.approx(0.112, abs=0.001)
    # Standard error 0.0003; the specification's own run has 0.0008.
    assert squared_distance(fair).mean() == pytest.approx(0.0, abs=0.001)
    shares = np.array([0.1 + math.sqrt(0.09), *[0.1 - math.sqrt(0.09) / 9] * 9])
    assert np.square(shares - 0.1).sum() == pytest.approx(0.1)
    biased = squared_distance(rng.multinomial(8, shares, size=40_000))
    assert biased.mean() == pytest.approx(0.1, abs=0.003)


def test_the_squared_distance_is_the_mean_over_pairs_of_different_outputs():
    counts, target = np.array([3, 1, 2]), np.array([0.5, 0.2, 0.3])
    draws = np.eye(3)[np.repeat([0, 1, 2], counts)] - target
    pairs = [draws[i] @ draws[j] for i in range(6) for j in range(6) if i != j]
    assert squared_distance(counts, target) == pytest.approx(np.mean(pairs))
    many = squared_distance([[3, 1, 2], [0, 0, 1], [0, 0, 0]], target)
    assert many[0] == pytest.approx(np.mean(pairs)) and np.isnan(many[1:]).all()


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: imbalance(0, 0), "n >= 1"),
        (lambda: imbalance(5, 4), "5 successes in 4"),
        (lambda: imbalance(1, 4, target=1.0), "target must lie"),
        (lambda: multinomial_imbalance([0, 0]), "not all 0"),
        (lambda: multinomial_imbalance([1, 1], target=[1.0, 0.0]), "a target is 0"),
        (lambda: squared_distance([1]), "at least 2 categories"),
        (lambda: squared_distance([1.5, 1]), "whole numbers"),
        (lambda: squared_distance([-1, 1]), "whole numbers"),
        (lambda: squared_distance([math.nan, 1]), "whole numbers"),
        (lambda: squared_distance([1, 1], [0.5, 0.6]), "sum to 1"),
        (lambda: squared_distance([1, 1], [0.2, 0.3, 0.5]), "2 categories but"),
    ],
)
def test_input_that_makes_no_sense_is_an_error(call, message):
    with pytest.raises(ValueError, match=message):
        call()
