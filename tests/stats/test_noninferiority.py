import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats as scipy_stats

from evalsuite.stats import mean_interval, proportion_interval
from evalsuite.stats.noninferiority import (
    non_inferiority,
    non_inferiority_of_equals,
    non_inferiority_ratio,
)
from evalsuite.stats.paired import paired_difference
from evalsuite.stats.replicates import replicate_interval

D = np.array([0.02, -0.01, 0.03, 0.0, -0.02, 0.01, 0.02, -0.01, 0.0, 0.01, -0.03, 0.02])
BASE = np.array([4.0, 6.0, 5.0, 3.0, 7.0, 5.5, 4.5, 6.5, 5.0, 4.0, 0.0, 0.0])
CANDIDATE = np.array([3.9, 6.1, 5.0, 2.8, 7.1, 5.4, 4.6, 6.3, 5.1, 3.9, 0.2, 0.0])


EVEN = np.concatenate([D, 2 * D.mean() - D])  # without skewness
T_EVEN = scipy_stats.t.ppf(0.95, 2 * len(D) - 1) * scipy_stats.sem(EVEN)


def johnson(d):
    """The Cornish-Fisher term of the bound of a mean, from the sample's own skewness."""
    t, n = scipy_stats.t.ppf(0.95, len(d) - 1), len(d)
    return (1 + 2 * t * t) / 6 * scipy_stats.skew(d, bias=False) * d.std(ddof=1) / n


def test_the_bounds_are_one_sided_t_bounds():
    result = non_inferiority(EVEN, 0.02)
    assert result.lower_bound == pytest.approx(D.mean() - T_EVEN, rel=1e-9)
    assert result.upper_bound == pytest.approx(D.mean() + T_EVEN, rel=1e-9)
    expected = scipy_stats.ttest_1samp(EVEN, -0.02, alternative="greater").pvalue
    assert result.p_value == pytest.approx(expected, rel=1e-9)
    assert (result.threshold, result.margin, result.level) == (-0.02, 0.02, 0.95)
    assert (result.scale, result.reason) == ("difference", None)


@pytest.mark.parametrize("sign", [1.0, -1.0])
def test_a_long_tail_widens_the_bound_on_its_side_and_never_narrows_the_other(sign):
    d = sign * np.array([0.0, 0.1, -0.1, 0.05, -0.05, 0.02, 0.0, 0.03, -0.9, -0.4, 0.08, 0.1])
    result, half = non_inferiority(d, 0.02), scipy_stats.t.ppf(0.95, 11) * scipy_stats.sem(d)
    term = johnson(d)
    assert abs(term) > 0.02
    assert result.lower_bound == pytest.approx(d.mean() - half + min(0.0, term), rel=1e-4)
    assert result.upper_bound == pytest.approx(d.mean() + half + max(0.0, term), rel=1e-4)
    assert any(warning.startswith("skewed") for warning in result.estimate.warnings)


def test_a_loss_of_the_margin_passes_less_often_than_a_t_bound_lets_it():
    rng = np.random.default_rng(6)
    draws = 1 - rng.exponential(size=(1500, 60))
    by_t = np.mean([non_inferiority(mean_interval(d), 1e-9).verdict == "PASS" for d in draws])
    ours = np.mean([non_inferiority(d, 1e-9).verdict == "PASS" for d in draws])
    assert by_t > 0.07 and ours < 0.07


@pytest.mark.parametrize(
    ("shift", "verdict"),
    [(0.0, "PASS"), (0.5, "PASS"), (-0.02, "INCONCLUSIVE"), (-0.05, "FAIL")],
)
def test_each_verdict_is_reached(shift, verdict):
    assert non_inferiority(D + shift, 0.02).verdict == verdict


def test_a_gain_is_never_held_against_a_candidate():
    assert non_inferiority(10 + 5 * D, 0.001).verdict == "PASS"


def test_an_estimate_gives_the_verdict_of_its_differences():
    clusters = np.repeat(np.arange(4), 3)
    estimate = mean_interval(D, clusters=clusters, level=0.8)
    one = non_inferiority(estimate, 0.02)
    other = non_inferiority(D, 0.02, clusters=clusters)
    assert one.estimate == estimate
    assert one.lower_bound == pytest.approx(other.lower_bound, rel=1e-9)
    assert one.p_value == pytest.approx(other.p_value, rel=1e-9)


def test_an_interval_over_seeds_brings_its_own_degrees_of_freedom():
    scores = np.random.default_rng(0).normal(size=(20, 3)) * 0.1 + [0.1, 0.0, -0.1]
    total = replicate_interval(scores)
    result = non_inferiority(total.estimate, 0.3, df=total.df)
    half = scipy_stats.t.ppf(0.95, total.df) * total.estimate.se
    assert total.df < 10
    assert result.lower_bound == pytest.approx(total.estimate.estimate - half, rel=1e-9)


@pytest.mark.parametrize(
    ("differences", "clusters", "code"),
    [
        ([0.0] * 20, None, "degenerate"),
        ([0.5] * 20, None, "degenerate"),
        (D, [1] * 6 + [2] * 6, "too few clusters"),
        ([np.nan] * 5, None, "all missing"),
    ],
)
def test_without_an_interval_there_is_no_verdict_but_a_reason(differences, clusters, code):
    result = non_inferiority(differences, 0.02, clusters=clusters)
    assert result.verdict == "INCONCLUSIVE"
    assert result.reason.startswith(f"{code}: ")
    assert (result.lower_bound, result.upper_bound, result.p_value) == (None, None, None)


def test_the_ratio_is_that_of_means_and_its_bounds_those_of_its_logarithm():
    result = non_inferiority_ratio(CANDIDATE, BASE, 0.05)
    ratio = CANDIDATE.mean() / BASE.mean()
    adds = CANDIDATE / CANDIDATE.mean() - BASE / BASE.mean()
    half, term = scipy_stats.t.ppf(0.95, 11) * scipy_stats.sem(adds), johnson(adds)
    assert result.estimate.estimate == pytest.approx(ratio, rel=1e-12)
    assert result.lower_bound == pytest.approx(ratio * math.exp(-half + min(term, 0)), rel=1e-4)
    assert result.upper_bound == pytest.approx(ratio * math.exp(half + max(term, 0)), rel=1e-4)
    assert result.estimate.ci_low < result.lower_bound < ratio < result.upper_bound
    assert (result.verdict, result.scale, result.threshold) == ("PASS", "ratio", 0.95)


def test_the_delta_method_agrees_with_the_jackknife_of_the_log_ratio():
    rng = np.random.default_rng(1)
    base = rng.gamma(4.0, size=80)
    candidate = base * rng.uniform(0.7, 1.2, size=80)
    left_out = np.log((candidate.sum() - candidate) / (base.sum() - base))
    jackknife = math.sqrt(79 / 80 * ((left_out - left_out.mean()) ** 2).sum())
    result = non_inferiority_ratio(candidate, base, 0.1)
    assert result.estimate.se / result.estimate.estimate == pytest.approx(jackknife, rel=0.02)


@settings(max_examples=30, deadline=None)
@given(st.floats(1e-3, 1e3))
def test_a_ratio_does_not_depend_on_the_unit_of_the_scores(scale):
    one = non_inferiority_ratio(CANDIDATE, BASE, 0.02)
    other = non_inferiority_ratio(CANDIDATE * scale, BASE * scale, 0.02)
    assert other.verdict == one.verdict
    assert other.lower_bound == pytest.approx(one.lower_bound, rel=1e-9)


@pytest.mark.parametrize(
    ("candidate", "base", "code"),
    [
        (CANDIDATE * 0, BASE, "zero mean: the mean of the candidate"),
        (CANDIDATE, BASE * 0, "zero mean: the mean of the base"),
        (BASE * 0.97, BASE, "degenerate"),
        (BASE * np.nan, BASE, "all missing"),
        (CANDIDATE[:2], BASE[:2], "too few clusters"),
    ],
)
def test_a_ratio_that_cannot_be_bounded_is_inconclusive(candidate, base, code):
    result = non_inferiority_ratio(candidate, base, 0.05)
    assert result.verdict == "INCONCLUSIVE"
    assert result.reason.startswith(code)
    assert result.lower_bound is None


def test_a_missing_score_takes_its_unit_out_of_both_means():
    candidate, base = np.append(CANDIDATE, np.nan), np.append(BASE, 100.0)
    result = non_inferiority_ratio(candidate, base, 0.05)
    plain = non_inferiority_ratio(CANDIDATE, BASE, 0.05)
    assert result.lower_bound == plain.lower_bound
    assert (result.estimate.n, result.estimate.n_missing) == (12, 1)


@pytest.mark.parametrize("margin", [0.0, -0.02, math.nan, math.inf])
def test_a_margin_that_is_no_loss_is_refused(margin):
    for call in (
        lambda: non_inferiority(D, margin),
        lambda: non_inferiority_ratio(CANDIDATE, BASE, margin),
    ):
        with pytest.raises(ValueError, match=r"margin is the largest loss .* got"):
            call()


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: non_inferiority_ratio(CANDIDATE, BASE, 1.0), r"\(0, 1\), got 1.0"),
        (lambda: non_inferiority_ratio(-CANDIDATE, BASE, 0.1), "at least 0"),
        (lambda: non_inferiority_ratio(CANDIDATE, BASE[:3], 0.1), "expected two arrays"),
        (lambda: non_inferiority(D, 0.1, level=0.0), "level"),
        (lambda: non_inferiority_ratio(CANDIDATE, BASE, 0.1, level=1.5), "level"),
        (lambda: non_inferiority(mean_interval(D), 0.1, clusters=range(12)), "clusters go with"),
        (lambda: non_inferiority(proportion_interval(3, 20), 0.1), "not symmetric"),
        (lambda: non_inferiority([], 0.1), "n >= 1"),
    ],
)
def test_input_that_makes_no_sense_is_an_error(call, message):
    with pytest.raises(ValueError, match=message):
        call()


@pytest.mark.parametrize(
    ("true", "wrong", "bound"),
    [(-0.05, "PASS", 0.065), (-0.05, "FAIL", 0.065), (0.0, "FAIL", 0.002)],
)
def test_a_gate_is_wrong_as_often_as_it_says(true, wrong, bound):
    # At the margin either verdict has 5 %; the bound is 3 standard errors of 2,000 runs above.
    d = np.random.default_rng(2).normal(true, 0.15, size=(2000, 40))
    verdicts = [non_inferiority(row, 0.05).verdict for row in d]
    assert verdicts.count(wrong) / 2000 <= bound


def test_a_gate_on_a_ratio_passes_a_bad_candidate_as_rarely_as_it_says():
    rng = np.random.default_rng(3)
    base = rng.gamma(2.0, size=(2000, 40))
    candidate = 0.9 * base * rng.uniform(0.5, 1.5, size=(2000, 40))
    gates = [non_inferiority_ratio(c, b, 0.1) for c, b in zip(candidate, base, strict=True)]
    passed, failed = ([g.verdict for g in gates].count(v) / 2000 for v in ("PASS", "FAIL"))
    assert passed <= 0.075 and failed <= 0.075  # 5 %, for skewed scores of 40 units


def test_a_difference_through_pairing_can_be_gated():
    result = non_inferiority(paired_difference(CANDIDATE, BASE), 0.2)
    assert result.verdict == "PASS"


def test_equal_scores_are_bounded_by_the_rule_of_three_times_the_range():
    result = non_inferiority_of_equals(60, 1.0, 0.06)
    assert result.lower_bound == pytest.approx(-(1 - 0.05 ** (1 / 60)))
    assert result.verdict == "PASS" and result.estimate.ci_low < result.lower_bound
    assert non_inferiority_of_equals(60, 1.0, 0.04).verdict == "INCONCLUSIVE"
    for n, reach in ((0, 1.0), (5, 0.0), (5, math.inf)):
        with pytest.raises(ValueError, match="n_units must be"):
            non_inferiority_of_equals(n, reach, 0.1)


def test_a_loss_of_the_margin_that_few_units_carry_passes_in_5_percent_of_samples():
    # One unit in 20 loses all of the range: none of 58 shows it with a chance of .95^58 = .051.
    assert non_inferiority_of_equals(58, 1.0, 0.05).verdict == "INCONCLUSIVE"
    assert non_inferiority_of_equals(59, 1.0, 0.05).verdict == "PASS"
