import numpy as np
import pytest
import statsmodels.api as sm
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats as scipy_stats

from evalsuite.stats import jackknife_interval, mean_interval
from evalsuite.stats.paired import (
    McNemar,
    mcnemar_p,
    paired_difference,
    paired_test,
    t_p_value,
)

A = np.array([0.2, 0.5, 0.6, 0.3, 0.9, 0.4, 0.7, 0.8])
B = np.array([0.1, 0.4, 0.65, 0.2, 0.7, 0.35, 0.6, 0.7])


def codes(estimate):
    return [warning.partition(":")[0] for warning in estimate.warnings]


def test_the_vector_of_the_specification_is_reproduced():
    result = paired_test(A, B)
    estimate = result.estimate
    assert estimate.estimate == pytest.approx(0.0875, abs=1e-12)
    # The specification prints 0.0245497, which its own interval contradicts in the last digit.
    assert estimate.se == pytest.approx(0.0245495, abs=5e-8)
    assert (estimate.ci_low, estimate.ci_high) == pytest.approx((0.029450, 0.145550), abs=5e-7)
    assert t_p_value(estimate) == pytest.approx(0.009167, abs=5e-7)
    assert (result.p_value, result.p_method) == (0.0234375, "exact")
    assert estimate.method == "paired t"


def test_the_interval_and_its_p_value_are_those_of_scipy():
    rng = np.random.default_rng(0)
    a, b = rng.normal(0.1, 1.0, size=(2, 40))
    expected = scipy_stats.ttest_rel(a, b)
    result = paired_difference(a, b, level=0.9)
    low, high = expected.confidence_interval(0.9)
    assert (result.ci_low, result.ci_high) == pytest.approx((low, high), rel=1e-9)
    assert t_p_value(result) == pytest.approx(expected.pvalue, rel=1e-9)


def test_clusters_give_the_error_of_statsmodels():
    rng = np.random.default_rng(1)
    clusters = rng.integers(0, 15, 90)
    a, b = rng.normal(size=(2, 90)) + rng.normal(size=(2, 15))[:, clusters]
    result = paired_difference(a, b, clusters=clusters)
    fit = sm.OLS(a - b, np.ones(90)).fit(cov_type="cluster", cov_kwds={"groups": clusters})
    assert result.se == pytest.approx(fit.bse[0], rel=1e-10)
    assert (result.n_clusters, result.method) == (15, "paired t over clusters")


def test_pairing_gains_twice_the_covariance():
    rng = np.random.default_rng(2)
    a, b = rng.normal(size=(2, 200)) + 2 * rng.normal(size=200)
    apart = mean_interval(a).se ** 2 + mean_interval(b).se ** 2
    gain = 2 * np.cov(a, b)[0, 1] / 200
    assert paired_difference(a, b).se ** 2 == pytest.approx(apart - gain, rel=1e-9)


def test_a_value_missing_on_either_side_is_missing():
    a, b = np.append(A, [np.nan, 0.5]), np.append(B, [0.5, np.nan])
    result, plain = paired_test(a, b), paired_test(A, B)
    assert (result.estimate.n, result.estimate.n_missing) == (8, 2)
    assert result.estimate.ci_low == plain.estimate.ci_low
    assert result.p_value == plain.p_value


def test_nothing_is_tested_where_no_pair_is_complete():
    result = paired_test([np.nan, 1.0, np.nan], [1.0, np.nan, np.nan])
    assert (result.p_value, result.p_method) == (None, None)
    assert codes(result.estimate) == ["all missing"]


def test_constant_differences_have_a_sign_flip_p_value_but_no_interval():
    result = paired_test(B + 0.25, B)
    assert codes(result.estimate) == [
        "degenerate",
    ]
    assert result.estimate.ci_low is None
    assert result.p_value == 2 / 256


def test_flips_come_from_the_generator_given():
    a, b = np.random.default_rng(3).normal(0.0, 1.0, size=(2, 50))
    default = paired_test(a, b)
    assert default == paired_test(a, b)
    assert default != paired_test(a, b, rng=np.random.default_rng(4))


@settings(max_examples=50, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 20), st.integers(0, 20)), min_size=3, max_size=12))
def test_exchanging_the_models_changes_the_sign_and_nothing_else(pairs):
    a, b = np.array(pairs, dtype=float).T
    one, other = paired_test(a, b), paired_test(b, a)
    assert one.p_value == other.p_value
    assert one.estimate.estimate == pytest.approx(-other.estimate.estimate, abs=1e-12)
    if one.estimate.ci_low is not None:
        assert one.estimate.ci_low == pytest.approx(-other.estimate.ci_high, rel=1e-9, abs=1e-12)


def test_mcnemar_is_the_exact_binomial_test_of_the_discordant_pairs():
    rng = np.random.default_rng(5)
    a, b = (rng.random((2, 60)) < [[0.7], [0.5]]).astype(float)
    only_a, only_b = int(((a == 1) & (b == 0)).sum()), int(((a == 0) & (b == 1)).sum())
    result = mcnemar_p(np.append(a, np.nan), np.append(b, 1.0))
    assert (result.only_a, result.only_b, result.n, result.n_missing) == (only_a, only_b, 60, 1)
    expected = scipy_stats.binomtest(only_a, only_a + only_b).pvalue
    assert result.p_value == pytest.approx(expected, rel=1e-12)


def test_mcnemar_is_the_sign_flip_test_of_binary_scores():
    a, b = [1, 1, 1, 1, 1, 1, 0, 1, 0], [0, 0, 0, 0, 0, 0, 1, 1, 0]
    assert mcnemar_p(a, b).p_value == paired_test(a, b).p_value == 0.125


@pytest.mark.parametrize("score", [0, 1])
def test_pairs_that_all_agree_have_mcnemar_p_one(score):
    assert mcnemar_p([score] * 4, [score] * 4) == McNemar(1.0, 0, 0, 4, 0)


def test_the_p_value_agrees_with_the_interval_it_comes_from():
    values = np.array([0.0, 1.0] * 12) - 0.3
    clusters = np.arange(24) // 2  # the interval is that of independent values
    for level in (0.8, 0.9, 0.95, 0.99):
        interval = mean_interval(values, clusters=clusters, level=level)
        p = t_p_value(interval)
        assert (p < 1 - level) == (not interval.ci_low <= 0.0 <= interval.ci_high)
        assert p == pytest.approx(t_p_value(values, clusters=clusters), rel=1e-9)
    assert t_p_value(interval, null=interval.ci_low) == pytest.approx(0.01, rel=1e-9)


def test_pseudo_values_have_the_p_value_of_their_jackknife():
    values = np.random.default_rng(6).normal(0.4, 1.0, size=25)
    jackknife = jackknife_interval(values.mean(), (values.sum() - values) / 24)
    assert t_p_value(jackknife) == pytest.approx(t_p_value(values), rel=1e-9)
    assert t_p_value(jackknife) == pytest.approx(scipy_stats.ttest_1samp(values, 0).pvalue)


@pytest.mark.parametrize("values", [[0.5] * 12, [1.0, 2.0], [np.nan] * 4])
def test_there_is_no_t_test_where_there_is_no_interval(values):
    assert t_p_value(values) is None


def test_an_interval_lost_in_rounding_is_no_error_and_no_test():
    values = 1.0 + 1e-11 * np.random.default_rng(8).normal(size=10**5)
    assert t_p_value(values) is not None
    narrow = mean_interval(values).model_copy(
        update={"estimate": 1.0, "ci_low": 1.0, "ci_high": 1.0}
    )
    assert t_p_value(narrow) is None


def test_a_t_p_value_is_never_zero():
    assert t_p_value(1.0 + 1e-9 * np.random.default_rng(7).normal(size=200)) > 0.0


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: paired_difference([], []), "paired_difference: .* n >= 1"),
        (lambda: paired_difference([1.0, 2.0], [1.0]), r"\(2,\) and \(1,\)"),
        (lambda: paired_test([[1.0]], [[1.0]]), "one shape"),
        (lambda: paired_difference([1.0, np.inf], [1.0, np.inf]), "2 scores are infinite"),
        (lambda: paired_difference(A, B, clusters=[1]), "8 values but 1 cluster"),
        (lambda: paired_difference(A, B, level=1.0), "level"),
        (lambda: mcnemar_p([1, 0.5], [0, 1]), "0 or 1"),
        (lambda: mcnemar_p([1, 0], [0]), "mcnemar_p: expected"),
        (lambda: t_p_value(A, null=np.nan), "null"),
        (lambda: t_p_value(mean_interval(A), clusters=range(8)), "clusters go with an array"),
        (lambda: t_p_value(mean_interval(A), df=0), "0 degrees of freedom"),
        (
            lambda: t_p_value(mean_interval(A).model_copy(update={"ci_high": 9.0})),
            "not symmetric",
        ),
    ],
)
def test_input_that_makes_no_sense_is_an_error(call, message):
    with pytest.raises(ValueError, match=message):
        call()
