import gc
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats as scipy_stats
from statsmodels.stats.multitest import multipletests

from evalsuite.stats import mean_interval
from evalsuite.stats.gaps import gap


def codes(estimate):
    return [warning.partition(":")[0] for warning in estimate.warnings]


@pytest.fixture(autouse=True, scope="module")
def fast_collection():
    """Holm's adjustment in statsmodels collects garbage, slow among the objects of a test run."""
    gc.freeze()
    yield
    gc.unfreeze()


def bernoulli(rng, rates, n):
    """Rows of n values a group, group after group."""
    return np.concatenate([(rng.random(n) < rate).astype(float) for rate in rates])


@pytest.mark.parametrize(
    ("n", "groups", "printed"),
    [
        (20, 2, 0.0996),  # the specification prints 0.102, which its own formula does not give
        (20, 5, 0.205),
        (20, 10, 0.270),
        (200, 2, 0.032),
        (200, 5, 0.066),
        (200, 10, 0.087),
    ],
)
def test_groups_of_one_rate_show_the_gap_of_the_specification(n, groups, printed):
    below = scipy_stats.binom.cdf(np.arange(n), n, 0.8)
    exact = float((1 - below**groups - (1 - below) ** groups).sum()) / n
    assert exact == pytest.approx(printed, abs=5e-4)
    values = np.zeros(n * groups)
    values[: round(0.8 * values.size)] = 1.0
    rng = np.random.default_rng(4)
    result = gap(rng.permutation(values), np.repeat(np.arange(groups), n), draws=2999)
    # Given the overall rate the mean gap is a little different: 4 % leave room for that.
    assert result.null_mean == pytest.approx(exact, rel=0.04)
    assert result.estimate.estimate == result.observed - result.null_mean


def test_two_groups_have_the_p_value_of_a_permutation_test():
    rng = np.random.default_rng(5)
    a, b = rng.normal(size=24), rng.normal(size=30) + 0.5
    result = gap([*a, *b], ["a"] * 24 + ["b"] * 30)
    reference = scipy_stats.permutation_test(
        (a, b),
        lambda x, y, axis: x.mean(axis=axis) - y.mean(axis=axis),
        n_resamples=9999,
        vectorized=True,
        rng=np.random.default_rng(6),
    )
    assert result.p_value == pytest.approx(reference.pvalue, abs=0.015)
    (pair,) = result.pairs
    welch = scipy_stats.ttest_ind(a, b, equal_var=False)
    assert pair.estimate.estimate == pytest.approx(a.mean() - b.mean())
    assert pair.estimate.se == pytest.approx(abs(pair.estimate.estimate / welch.statistic))
    # The degrees of freedom are rounded down.
    assert pair.p_value == pytest.approx(welch.pvalue, rel=0.02) and pair.p_holm == pair.p_value


def test_crossed_units_are_compared_within_themselves():
    rng = np.random.default_rng(7)
    prompts = rng.normal(size=(30, 1)) * 5
    values = prompts + np.array([0.0, 0.5]) + 0.3 * rng.normal(size=(30, 2))
    groups, units = np.tile(["a", "b"], 30), np.repeat(np.arange(30), 2)
    paired, loose = gap(values.ravel(), groups, units=units), gap(values.ravel(), groups)
    assert paired.p_value < 0.001 < 0.3 < loose.p_value
    (pair,) = paired.pairs
    plain = mean_interval(values[:, 0] - values[:, 1])
    assert (pair.estimate.ci_low, pair.estimate.ci_high) == pytest.approx(
        (plain.ci_low, plain.ci_high)
    )
    assert paired.estimate.ci_low == pytest.approx(-plain.ci_high)


def test_units_of_one_group_are_shuffled_whole():
    # Ten prompts a group, five equal answers each: really ten values a group, not fifty.
    rng = np.random.default_rng(8)
    p_values, loose = [], []
    groups, units = np.repeat(["a", "b"], 50), np.repeat(np.arange(20), 5)
    for _ in range(100):
        values = np.repeat(rng.normal(size=20), 5)
        p_values.append(gap(values, groups, units=units, draws=199).p_value)
        loose.append(gap(values, groups, draws=199).p_value)
    assert np.mean(np.array(p_values) <= 0.05) <= 0.12
    assert np.mean(np.array(loose) <= 0.05) > 0.25
    assert scipy_stats.kstest(p_values, "uniform").pvalue > 0.01


def test_a_crossed_unit_leaves_the_shuffling_of_whole_units_alone():
    # With a true gap of .5 between 200 single units, it used to shuffle the one crossed unit only.
    rng = np.random.default_rng(13)
    groups = np.repeat(["a", "b"], 100)
    values = (rng.random(200) < np.where(groups == "a", 0.75, 0.25)).astype(float)
    alone = gap(values, groups, units=np.arange(200), draws=999)
    mixed = gap([*values, 1.0, 0.0], [*groups, "a", "b"], units=[*range(200), 200, 200], draws=999)
    assert alone.estimate.estimate > 0.35
    assert mixed.estimate.estimate == pytest.approx(alone.estimate.estimate, abs=0.02)
    assert mixed.p_value == alone.p_value == 1 / 1000
    assert codes(alone.estimate) == [] and codes(mixed.estimate) == ["mixed design"]


def test_crossed_units_that_lost_a_group_keep_the_level():
    rng = np.random.default_rng(14)
    labels, units, p_values, corrected = np.tile([0, 1, 2], 40), np.repeat(np.arange(40), 3), [], []
    for _ in range(150):
        values = (2 * rng.normal(size=(40, 1)) + rng.normal(size=(40, 3))).ravel()
        values[rng.random(120) < 0.3] = np.nan
        result = gap(values, labels, units=units, draws=99)
        p_values.append(result.p_value)
        corrected.append(result.estimate.estimate)
    assert "mixed design" in codes(result.estimate)
    assert np.mean(np.array(p_values) <= 0.05) <= 0.1
    assert scipy_stats.kstest(p_values, "uniform").pvalue > 0.005
    assert abs(np.mean(corrected)) < 4 * np.std(corrected) / math.sqrt(150)


def test_units_of_one_value_each_are_as_good_as_none():
    rng = np.random.default_rng(15)
    values, groups = bernoulli(rng, [0.5, 0.9], 30), np.repeat([0, 1], 30)
    named = gap(values, groups, units=[f"u{i}" for i in range(60)], draws=99)
    assert named == gap(values, groups, draws=99)
    assert named.pairs[0].estimate.method == "Newcombe, Bonferroni"


def test_holm_adjusts_over_the_pairs():
    rng = np.random.default_rng(9)
    values = bernoulli(rng, [0.8, 0.5, 0.75, 0.3], 60)
    result = gap(values, np.repeat(list("wxyz"), 60), draws=99)
    plain = [pair.p_value for pair in result.pairs]
    assert len(plain) == 6
    adjusted = multipletests(plain, method="holm")[1]
    assert [pair.p_holm for pair in result.pairs] == pytest.approx(adjusted.tolist())
    a, b = values[:60], values[180:]
    table = [[a.sum(), 60 - a.sum()], [b.sum(), 60 - b.sum()]]
    chi2 = scipy_stats.chi2_contingency(table, correction=False).pvalue
    assert plain[2] == pytest.approx(chi2, rel=1e-9)


def test_small_groups_are_suppressed_and_missing_values_counted():
    rng = np.random.default_rng(10)
    values = [*bernoulli(rng, [0.5, 0.5], 30), *[1.0] * 19, *[1.0] * 19, math.nan]
    groups = ["a"] * 30 + ["b"] * 30 + ["c"] * 19 + ["d"] * 20
    result = gap(values, groups, draws=99)
    whole = gap(values[:60], groups[:60], draws=99)
    assert result.suppressed == ("c", "d") and codes(result.estimate) == ["suppressed"]
    assert (result.observed, result.pairs) == (whole.observed, whole.pairs)
    assert (result.estimate.n, result.estimate.n_missing) == (60, 1)


def test_one_large_group_has_no_gap():
    result = gap(np.ones(30), ["a"] * 25 + ["b"] * 5)
    assert result.observed is None and result.p_value is None and result.pairs == ()
    assert codes(result.estimate) == ["too few groups", "suppressed"]


def test_groups_that_all_agree_have_no_gap_of_width_zero():
    result = gap(np.ones(60), np.repeat([1, 2, 3], 20), draws=99)
    assert result.observed == 0.0 and result.p_value == 1.0
    assert result.estimate.ci_low == 0.0 and result.estimate.ci_high > 0.1
    scores = gap(np.full(60, 0.3), np.repeat([1, 2, 3], 20), draws=99)
    assert scores.estimate.ci_high is None and codes(scores.estimate) == ["degenerate"]
    assert {pair.p_holm for pair in scores.pairs} == {None}


def test_few_units_give_no_interval():
    result = gap(np.arange(80.0), np.tile([0, 1], 40), units=np.repeat([0, 1], 40), draws=99)
    assert result.estimate.ci_low is None and codes(result.estimate) == ["too few clusters"]


def test_the_interval_of_a_gap_is_repeatable():
    rng = np.random.default_rng(11)
    values, groups = bernoulli(rng, [0.5, 0.7, 0.6], 25), np.repeat([0, 1, 2], 25)
    assert gap(values, groups, draws=99) == gap(values, groups, draws=99)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: gap([], []), "n >= 1"),
        (lambda: gap([1.0, 2.0], ["a"]), "2 values but 1 group"),
        (lambda: gap([1.0, math.inf], ["a", "b"]), "infinite"),
        (lambda: gap([1.0, 2.0], ["a", "b"], units=[1]), "2 values but 1 cluster"),
        (lambda: gap([1.0, 2.0], ["a", "b"], level=0.0), "level"),
    ],
)
def test_input_that_makes_no_sense_is_an_error(call, message):
    with pytest.raises(ValueError, match=message):
        call()


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 10**6), st.integers(2, 4), st.floats(-50, 50), st.booleans())
def test_a_shift_moves_no_gap_and_the_interval_holds_the_estimate(seed, groups, shift, crossed):
    rng = np.random.default_rng(seed)
    values, labels = rng.normal(size=21 * groups), np.tile(np.arange(groups), 21)
    units = np.repeat(np.arange(21), groups) if crossed else None
    one = gap(values, labels, units=units, draws=49)
    moved = gap(values + shift, labels, units=units, draws=49)
    assert moved.observed == pytest.approx(one.observed, abs=1e-9)
    assert moved.p_value == one.p_value
    result = one.estimate
    assert result.ci_low <= result.estimate <= result.ci_high
    assert 0 < one.p_value <= 1 and one.observed <= result.ci_high


@pytest.mark.parametrize("crossed", [False, True])
@pytest.mark.parametrize("truth", [0.0, 0.3])
def test_nominal_95_percent_intervals_cover_the_largest_difference(crossed, truth):
    rng = np.random.default_rng(12)
    rates, covered, runs = 0.8 - truth * np.array([0.0, 0.5, 1.0]), 0, 200
    labels, units = np.tile([0, 1, 2], 40), np.repeat(np.arange(40), 3)
    for _ in range(runs):
        scores = scipy_stats.norm.cdf(
            math.sqrt(0.5) * (rng.normal(size=(40, 1)) + rng.normal(size=(40, 3)))
            if crossed
            else rng.normal(size=(40, 3))
        )
        values = (scores < rates).astype(float).ravel()
        result = gap(values, labels, units=units if crossed else None, draws=9).estimate
        covered += result.ci_low <= truth <= result.ci_high
    assert covered / runs >= 0.92
