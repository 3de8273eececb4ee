import math

import numpy as np
import pytest
from scipy import stats as scipy_stats
from statsmodels.stats.proportion import proportion_confint

from evalsuite.stats import clustered_proportion_interval, mean_interval, proportion_interval

UNEQUAL = np.repeat(np.arange(20), [1, 2, 12, 1] * 5)


def codes(estimate):
    return [warning.partition(":")[0] for warning in estimate.warnings]


def is_without_interval(estimate):
    return estimate.se is None and estimate.ci_low is None and estimate.ci_high is None


@pytest.mark.parametrize(
    ("successes", "n", "low", "high"), [(0, 30, 0.0, 0.1135), (27, 30, 0.7438, 0.9654)]
)
def test_wilson_vectors_of_the_specification_are_reproduced(successes, n, low, high):
    result = proportion_interval(successes, n)
    assert result.ci_low == pytest.approx(low, abs=5e-5)
    assert result.ci_high == pytest.approx(high, abs=5e-5)
    assert result.estimate == successes / n
    assert result.n == result.n_clusters == n


def test_the_jeffreys_vector_of_the_specification_is_reproduced():
    result = proportion_interval(0, 30, method="jeffreys")
    assert (result.ci_low, result.method) == (0.0, "Jeffreys")
    assert result.ci_high == pytest.approx(0.0797, abs=5e-5)


def test_the_jeffreys_interval_has_equal_posterior_tails():
    result = proportion_interval(27, 30, method="jeffreys", level=0.9)
    expected = scipy_stats.beta.ppf([0.05, 0.95], 27.5, 3.5)
    assert (result.ci_low, result.ci_high) == pytest.approx(expected, rel=1e-9)


def test_a_certain_looking_share_has_no_standard_error_but_an_interval():
    for result in (proportion_interval(0, 30), proportion_interval(30, 30)):
        assert result.se is None
        assert result.ci_high - result.ci_low > 0.1
        assert result.ci_low <= result.estimate <= result.ci_high


def test_no_trials_give_no_share():
    result = proportion_interval(0, 0)
    assert result.estimate is None and is_without_interval(result)
    assert codes(result) == ["no trials"]


def test_nothing_is_estimated_where_everything_is_missing():
    result = clustered_proportion_interval([np.nan] * 4)
    assert result.estimate is None and is_without_interval(result)
    assert (result.n, result.n_clusters, result.n_missing) == (0, 0, 4)
    assert codes(result) == ["all missing"]


def test_trials_on_their_own_have_the_plain_wilson_interval():
    trials = [1, 0, 1, 1, np.nan, 0, 1]
    plain = proportion_interval(4, 6)
    for clusters in (None, list("abcdefg")):
        result = clustered_proportion_interval(trials, clusters=clusters)
        assert result == plain.model_copy(update={"n_missing": 1})


def test_clustered_trials_take_wilson_at_the_effective_number():
    trials = [1, 1, 1, 1, 0, 0, 0, 0] * 3
    clusters = [i // 4 for i in range(24)]
    result = clustered_proportion_interval(trials, clusters=clusters)
    mean = mean_interval(trials, clusters=clusters)
    deff = (mean.se / mean_interval(trials).se) ** 2
    effective = 24 / deff
    expected = proportion_confint(0.5 * effective, effective, method="wilson")
    assert deff > 4
    assert (result.ci_low, result.ci_high) == pytest.approx(expected, rel=1e-12)
    assert result.se == mean.se
    assert codes(result) == ["few clusters"]


def test_a_design_effect_below_one_does_not_narrow_the_interval():
    trials = [0, 1] * 12
    result = clustered_proportion_interval(trials, clusters=[i // 2 for i in range(24)])
    plain = proportion_interval(12, 24)
    assert (result.ci_low, result.ci_high) == (plain.ci_low, plain.ci_high)
    assert codes(result) == ["negative within-cluster correlation"]


@pytest.mark.parametrize("value", [0, 1])
def test_clusters_count_once_where_all_trials_agree(value):
    result = clustered_proportion_interval([value] * 60, clusters=[i // 5 for i in range(60)])
    plain = proportion_interval(12 * value, 12)
    assert (result.ci_low, result.ci_high) == (plain.ci_low, plain.ci_high)
    assert result.estimate == value and result.n == 60 and result.n_clusters == 12
    assert codes(result) == ["design effect unknown"]


@pytest.mark.parametrize("value", [0, 1])
def test_unequal_clusters_count_by_their_sizes_where_all_trials_agree(value):
    result = clustered_proportion_interval([value] * UNEQUAL.size, clusters=UNEQUAL)
    effective = 80**2 / (10 * 1 + 5 * 4 + 5 * 144)
    expected = proportion_confint(value * effective, effective, method="wilson")
    assert (result.ci_low, result.ci_high) == pytest.approx(expected, rel=1e-12)
    assert result.n_clusters == 20
    assert codes(result) == ["design effect unknown", "unequal clusters"]
    assert all("8.53" in warning for warning in result.warnings)


def test_unequal_clusters_are_warned_of_and_keep_their_interval():
    trials = np.random.default_rng(4).integers(0, 2, 20)[UNEQUAL]
    result = clustered_proportion_interval(trials, clusters=UNEQUAL)
    deff = (result.se / mean_interval(trials).se) ** 2
    effective = UNEQUAL.size / deff
    share = trials.mean() * effective
    expected = proportion_confint(share, effective, method="wilson")
    assert (result.ci_low, result.ci_high) == pytest.approx(expected, rel=1e-12)
    assert codes(result) == ["unequal clusters"]


def test_a_share_over_two_clusters_has_no_interval():
    result = clustered_proportion_interval([0, 1, 1, 1], clusters=[1, 1, 2, 2])
    assert result.estimate == 0.75 and is_without_interval(result)
    assert codes(result) == ["too few clusters"]


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: clustered_proportion_interval([]), "n >= 1"),
        (lambda: clustered_proportion_interval([0.5, 1.0]), "0 or 1"),
        (lambda: clustered_proportion_interval([0, 1], clusters=[1]), "2 values but 1 cluster"),
        (lambda: proportion_interval(-1, 3), "-1 successes in 3"),
        (lambda: proportion_interval(4, 3), "4 successes in 3"),
        (lambda: proportion_interval(0, -3), "0 successes in -3"),
        (lambda: proportion_interval(1, 3, level=0.0), "level"),
        (lambda: proportion_interval(1, 3, method="wald"), "wilson or jeffreys, got 'wald'"),
    ],
)
def test_input_that_makes_no_sense_is_an_error(call, message):
    with pytest.raises(ValueError, match=message):
        call()


def test_nominal_95_percent_intervals_of_a_share_cover_its_truth():
    rng, icc = np.random.default_rng(12), 0.4
    effects = rng.normal(scale=math.sqrt(icc), size=(2000, 40, 1))
    draws = effects + rng.normal(scale=math.sqrt(1 - icc), size=(2000, 40, 5))
    draws = draws.reshape(2000, -1)
    truth = scipy_stats.norm.cdf(-0.8)
    clusters = np.repeat(np.arange(40), 5)
    results = [clustered_proportion_interval(row > 0.8, clusters=clusters) for row in draws]
    assert np.mean([r.ci_low <= truth <= r.ci_high for r in results]) >= 0.93


@pytest.mark.parametrize(
    ("successes", "n"), [(2.9, 5), (2, 5.5), (math.nan, 5), (2, math.inf), (2, math.nan)]
)
def test_a_part_of_a_trial_is_refused(successes, n):
    with pytest.raises(ValueError, match=r"^proportion_interval: counts must be whole"):
        proportion_interval(successes, n)
