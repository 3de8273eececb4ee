import math
import warnings

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats as scipy_stats

from evalsuite.stats import mean_interval
from evalsuite.stats.bootstrap import cluster_bootstrap


def codes(estimate):
    return [warning.partition(":")[0] for warning in estimate.warnings]


def median(values):
    return float(np.median(values))


def worst_decile(values):
    ordered = np.sort(values)
    return float(ordered[: max(1, len(ordered) // 10)].mean())


def test_single_values_have_the_bca_interval_of_scipy():
    values = np.random.default_rng(0).exponential(size=50)
    result = cluster_bootstrap(values, median, rng=np.random.default_rng(1))
    reference = scipy_stats.bootstrap(
        (values,), np.median, n_resamples=2000, method="BCa", rng=np.random.default_rng(1)
    )
    assert (result.ci_low, result.ci_high) == pytest.approx(tuple(reference.confidence_interval))
    assert result.se == pytest.approx(reference.standard_error)
    assert (result.estimate, result.n, result.warnings) == (median(values), 50, ())


def test_few_clusters_have_percentiles_and_a_warning():
    rng = np.random.default_rng(2)
    values, clusters = rng.exponential(size=36), np.repeat(np.arange(9), 4)
    result = cluster_bootstrap(values, median, clusters=clusters)
    assert result.method == "percentile bootstrap over clusters"
    assert result.ci_low < result.estimate < result.ci_high and codes(result) == ["few clusters"]


def test_copies_of_values_do_not_narrow_a_clustered_interval():
    values = np.random.default_rng(3).exponential(size=40)
    single = cluster_bootstrap(values, np.mean)
    copied = cluster_bootstrap(np.repeat(values, 3), np.mean, clusters=np.repeat(np.arange(40), 3))
    assert (copied.ci_low, copied.ci_high) == pytest.approx((single.ci_low, single.ci_high))


def test_the_mean_has_about_its_t_interval():
    values = np.random.default_rng(4).normal(size=200)
    result, plain = cluster_bootstrap(values, np.mean), mean_interval(values)
    # Ends of 2,000 draws are stable to about 0.3 standard errors.
    assert result.ci_low == pytest.approx(plain.ci_low, abs=0.3 * plain.se)
    assert result.ci_high == pytest.approx(plain.ci_high, abs=0.3 * plain.se)


@pytest.mark.parametrize("n", [12, 30])
def test_constant_values_are_degenerate_without_a_python_warning(n):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        result = cluster_bootstrap([0.3] * n, median)
    assert result.estimate == 0.3 and result.se is None
    assert result.ci_low is None and result.ci_high is None and codes(result) == ["degenerate"]


def test_a_median_in_a_crowd_has_no_interval_of_width_zero():
    result = cluster_bootstrap([0.0] * 3 + [1.0] * 60 + [2.0] * 3, median)
    assert result.estimate == 1.0 and result.ci_low is None and codes(result) == ["degenerate"]


@pytest.mark.parametrize(
    ("values", "clusters", "statistic", "code"),
    [
        ([1.0, 2.0, 3.0, 4.0], [0, 0, 1, 1], median, "too few clusters"),
        ([math.nan] * 5, None, median, "all missing"),
        ([1.0, 2.0, 3.0], None, lambda v: math.nan, "undefined"),
        ([1.0, 2.0, 3.0], None, lambda v: 1.0 if 3.0 in v else math.inf, "undefined"),
    ],
)
def test_no_interval_is_made_up_where_none_can_be_had(values, clusters, statistic, code):
    result = cluster_bootstrap(values, statistic, clusters=clusters)
    assert result.se is None and result.ci_low is None and result.ci_high is None
    assert codes(result) == [code]


def test_missing_values_are_counted_and_left_out():
    values = [*np.random.default_rng(5).exponential(size=30)]
    whole = cluster_bootstrap(values, median)
    holes = cluster_bootstrap([*values, math.nan, math.nan], median)
    assert holes == whole.model_copy(update={"n_missing": 2})


def test_a_seed_gives_an_interval_and_the_default_stream_is_fixed():
    values = np.random.default_rng(6).exponential(size=30)
    assert cluster_bootstrap(values, np.mean) == cluster_bootstrap(values, np.mean)
    one, other = (
        cluster_bootstrap(values, np.mean, rng=np.random.default_rng(seed)) for seed in (1, 2)
    )
    assert one.ci_low != other.ci_low


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: cluster_bootstrap([], median), "n >= 1"),
        (lambda: cluster_bootstrap([1.0, math.inf], median), "infinite"),
        (lambda: cluster_bootstrap([1.0, 2.0], median, clusters=[1]), "1 cluster"),
        (lambda: cluster_bootstrap([1.0, 2.0], median, level=1.0), "level"),
    ],
)
def test_input_that_makes_no_sense_is_an_error(call, message):
    with pytest.raises(ValueError, match=message):
        call()


@settings(max_examples=40, deadline=None)
@given(st.lists(st.integers(-5, 5), min_size=3, max_size=30), st.sampled_from([0.25, 2.0, 8.0]))
def test_the_interval_holds_the_estimate_and_scales_with_the_values(values, scale):
    # Powers of 2 are exact: BCa counts draws below the estimate, and rounding would break ties.
    numbers = np.array(values, dtype=float)
    one = cluster_bootstrap(numbers, worst_decile, draws=99)
    other = cluster_bootstrap(numbers * scale, worst_decile, draws=99)
    assert codes(one) == codes(other)
    if one.ci_low is not None:
        assert one.ci_low <= one.estimate <= one.ci_high and one.ci_low < one.ci_high
        assert other.ci_low == pytest.approx(one.ci_low * scale)


def test_nominal_95_percent_intervals_cover_a_median_over_clusters():
    rng, covered, runs = np.random.default_rng(7), 0, 150
    clusters = np.repeat(np.arange(30), 3)
    for _ in range(runs):
        values = np.exp(np.repeat(rng.normal(size=30), 3) + 0.5 * rng.normal(size=90))
        result = cluster_bootstrap(values, median, clusters=clusters, draws=300)
        covered += result.ci_low <= 1.0 <= result.ci_high
    assert covered / runs >= 0.89
