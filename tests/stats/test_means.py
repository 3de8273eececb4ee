import math

import numpy as np
import pytest
import statsmodels.api as sm
from scipy import stats as scipy_stats

from evalsuite.stats import mean_interval

SCORES = [1, 1, 0, 1, 0, 0, 1, 1, 1, 0]
CLUSTERS = [0, 0, 0, 1, 1, 1, 2, 2, 3, 3]
UNEQUAL = np.repeat(np.arange(20), [1, 2, 12, 1] * 5)
EFFECTIVE = "8.53"  # 80^2 / (10 * 1 + 5 * 4 + 5 * 144)


def codes(estimate):
    return [warning.partition(":")[0] for warning in estimate.warnings]


def is_without_interval(estimate):
    return estimate.se is None and estimate.ci_low is None and estimate.ci_high is None


def test_single_values_give_the_plain_t_interval():
    values = [0.2, 0.5, 0.6, 0.3, 0.9, 0.4, 0.7, 0.8, 0.1, 0.35, 0.45]
    result = mean_interval(values)
    expected = scipy_stats.t.interval(0.95, 10, loc=np.mean(values), scale=scipy_stats.sem(values))
    assert (result.ci_low, result.ci_high) == pytest.approx(expected, rel=1e-9)
    assert result.se == pytest.approx(scipy_stats.sem(values), rel=1e-12)
    assert (result.n, result.n_clusters, result.n_missing, result.warnings) == (11, 11, 0, ())


def test_the_paired_vector_of_the_specification_is_reproduced():
    a = np.array([0.2, 0.5, 0.6, 0.3, 0.9, 0.4, 0.7, 0.8])
    b = np.array([0.1, 0.4, 0.65, 0.2, 0.7, 0.35, 0.6, 0.7])
    result = mean_interval(a - b)
    assert result.estimate == pytest.approx(0.0875)
    # The specification prints 0.0245497, which its own interval contradicts in the last digit.
    assert result.se == pytest.approx(0.0245497, abs=3e-7)
    assert (result.ci_low, result.ci_high) == pytest.approx((0.029450, 0.145550), abs=5e-7)


def test_the_clustered_vector_of_the_specification_is_reproduced():
    result = mean_interval(SCORES, clusters=CLUSTERS)
    assert result.estimate == pytest.approx(0.6)
    assert result.se == pytest.approx(0.134660, abs=5e-7)
    assert result.n_clusters == 4


def test_a_smaller_clustered_error_is_reported_but_not_relied_upon():
    result = mean_interval(SCORES, clusters=CLUSTERS)
    half = scipy_stats.t.ppf(0.975, 3) * 0.163299
    assert (result.ci_low, result.ci_high) == pytest.approx((0.6 - half, 0.6 + half), abs=2e-6)
    assert codes(result) == ["negative within-cluster correlation", "few clusters"]
    assert "0.13466" in result.warnings[0] and "0.163299" in result.warnings[0]


def test_a_larger_clustered_error_makes_the_interval():
    values = [0.1, 0.12, 0.9, 0.88, 0.5, 0.52, 0.3, 0.33]
    result = mean_interval(values, clusters=[1, 1, 2, 2, 3, 3, 4, 4])
    half = scipy_stats.t.ppf(0.975, 3) * result.se
    assert result.se > mean_interval(values).se
    assert result.ci_high - result.estimate == pytest.approx(half, rel=1e-9)
    assert codes(result) == ["few clusters"]


@pytest.mark.parametrize("seed", range(5))
def test_the_clustered_error_is_that_of_statsmodels(seed):
    rng = np.random.default_rng(seed)
    clusters = rng.integers(0, 12, 80)
    values = rng.normal(size=80) + rng.normal(size=12)[clusters]
    fit = sm.OLS(values, np.ones(80)).fit(cov_type="cluster", cov_kwds={"groups": clusters})
    assert mean_interval(values, clusters=clusters).se == pytest.approx(fit.bse[0], rel=1e-10)


def test_labels_of_any_kind_name_the_same_clusters():
    named = mean_interval(SCORES, clusters=[f"c{c}" for c in CLUSTERS])
    assert named == mean_interval(SCORES, clusters=[(c, "x") for c in CLUSTERS])
    assert named == mean_interval(SCORES, clusters=np.array(CLUSTERS))


def test_missing_values_are_counted_and_left_out():
    values = [0.1, np.nan, 0.4, 0.3, np.nan, 0.7]
    result = mean_interval(values, clusters=[1, 2, 3, 4, 5, 5])
    without = mean_interval([0.1, 0.4, 0.3, 0.7], clusters=[1, 3, 4, 5])
    assert (result.n, result.n_clusters, result.n_missing) == (4, 4, 2)
    assert (result.estimate, result.se, result.ci_low) == (
        without.estimate,
        without.se,
        without.ci_low,
    )


def test_nothing_is_estimated_where_everything_is_missing():
    result = mean_interval([np.nan] * 4)
    assert result.estimate is None and is_without_interval(result)
    assert (result.n, result.n_clusters, result.n_missing) == (0, 0, 4)
    assert codes(result) == ["all missing"]


@pytest.mark.parametrize("values", [[0.5] * 20, [0.1 + 0.2, 0.3] * 10, [0.0] * 20])
def test_constant_values_give_no_interval_of_width_zero(values):
    result = mean_interval(values)
    assert result.estimate == pytest.approx(values[0])
    assert is_without_interval(result)
    assert codes(result) == ["degenerate"]


def test_small_but_real_differences_are_not_taken_for_rounding():
    result = mean_interval([1e-15, 2e-15, 3e-15, 1e-15] * 5)
    assert result.se > 0 and result.ci_low < result.ci_high


def test_clusters_of_equal_means_do_not_report_a_zero_error():
    result = mean_interval([0.0, 1.0] * 12, clusters=[i // 2 for i in range(24)])
    assert result.se is None
    assert result.ci_high - result.ci_low > 0.3
    assert codes(result) == ["negative within-cluster correlation"]


@pytest.mark.parametrize("clusters", [[1] * 6, [1, 1, 1, 2, 2, 2]])
def test_fewer_than_three_clusters_give_no_interval(clusters):
    result = mean_interval([0.1, 0.5, 0.3, 0.2, 0.9, 0.4], clusters=clusters)
    assert result.estimate == pytest.approx(0.4)
    assert is_without_interval(result)
    assert codes(result) == ["too few clusters"]


def test_one_value_has_a_mean_but_no_interval():
    result = mean_interval([0.4])
    assert result.estimate == 0.4 and is_without_interval(result)


@pytest.mark.parametrize(("n", "warned"), [(3, True), (9, True), (10, False)])
def test_fewer_than_ten_clusters_are_warned_of(n, warned):
    result = mean_interval(np.linspace(0, 1, n))
    assert result.ci_low is not None
    assert codes(result) == (["few clusters"] if warned else [])


def test_unequal_clusters_are_warned_of_and_keep_their_interval():
    values = np.random.default_rng(3).normal(size=UNEQUAL.size) + UNEQUAL
    result = mean_interval(values, clusters=UNEQUAL)
    half = scipy_stats.t.ppf(0.975, 19) * result.se
    assert result.ci_high - result.estimate == pytest.approx(half, rel=1e-9)
    assert codes(result) == ["unequal clusters"]
    assert "20 clusters" in result.warnings[0] and EFFECTIVE in result.warnings[0]


def test_clusters_are_as_unequal_as_the_values_that_are_there():
    values = np.linspace(0, 1, 50)
    clusters = np.repeat(np.arange(10), 5)
    assert codes(mean_interval(values, clusters=clusters)) == []
    values[:4] = np.nan
    assert codes(mean_interval(values, clusters=clusters)) == ["unequal clusters"]


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: mean_interval([]), "n >= 1"),
        (lambda: mean_interval([[1.0, 2.0]]), "shape"),
        (lambda: mean_interval([1.0, math.inf]), "infinite"),
        (lambda: mean_interval([1e200, -1e200, 3.0, 1e200]), "3 values beyond 1e.150"),
        (lambda: mean_interval([1.0, 2.0], clusters=[1]), "2 values but 1 cluster"),
        (lambda: mean_interval([1.0, 2.0], level=1.0), "level"),
    ],
)
def test_input_that_makes_no_sense_is_an_error(call, message):
    with pytest.raises(ValueError, match=message):
        call()


def test_nominal_95_percent_intervals_of_a_mean_cover_its_truth():
    rng, icc = np.random.default_rng(11), 0.4
    effects = rng.normal(scale=math.sqrt(icc), size=(2000, 20, 1))
    draws = effects + rng.normal(scale=math.sqrt(1 - icc), size=(2000, 20, 5))
    draws = draws.reshape(2000, -1)
    clusters = np.repeat(np.arange(20), 5)
    results = [mean_interval(row, clusters=clusters) for row in draws]
    covered = np.mean([r.ci_low <= 0.0 <= r.ci_high for r in results])
    naive = np.mean([abs(r.mean()) <= 1.96 * r.std(ddof=1) / 10 for r in draws])
    assert covered >= 0.93
    assert naive < 0.85  # what ignoring the clusters would have given
