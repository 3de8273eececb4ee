import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import minimize

from evalsuite.stats.judge_error import prediction_powered
from evalsuite.stats.judged_labels import JudgedLabels
from evalsuite.stats.multiclass_judge import (
    confusion_shares,
    confusion_statistic,
    ppi_shares,
    ppi_statistic,
)

CONFUSION = np.array([[0.8, 0.1, 0.1], [0.15, 0.7, 0.15], [0.05, 0.15, 0.8]])


def codes(estimate):
    return [warning.partition(":")[0] for warning in estimate.warnings]


def entropy(shares):
    return -np.sum(np.where(shares > 0, shares * np.log(np.maximum(shares, 1e-300)), 0.0), axis=-1)


def first_share(shares):
    return shares[..., 0]


def judged(rng, shares, n):
    truth = rng.choice(3, n, p=shares)
    judge = (rng.random((n, 1)) > CONFUSION[truth].cumsum(axis=1)).sum(axis=1)
    return truth, np.minimum(judge, 2)


def table(truth, judge, k=3):
    return np.bincount(np.asarray(truth) * k + judge, minlength=k * k).reshape(k, k)


def test_two_categories_are_the_prediction_powered_mean():
    truth = np.array([int(digit) for digit in "1011001011"])
    judge = np.array([int(digit) for digit in "1010011011"])
    rest = np.array([int(digit) for digit in "10011010011100101101"])
    shares = ppi_shares(table(truth, judge, 2), np.bincount(rest))
    assert shares[1] == pytest.approx(0.579588, abs=5e-7)
    assert shares[1] == pytest.approx(prediction_powered(truth, judge, rest).mean)


def test_one_weight_serves_all_categories_and_shares_stay_shares():
    rng = np.random.default_rng(0)
    truth, judge = judged(rng, [0.6, 0.3, 0.1], 900)
    joint, rest = table(truth[:200], judge[:200]), np.bincount(judge[200:], minlength=3)
    shares = ppi_shares(joint, rest)
    hot = [np.eye(3)[part] for part in (truth[:200], judge[:200], judge[200:])]
    weights = [
        (np.cov(hot[0][:, k], hot[1][:, k])[0, 1], np.concatenate(hot[1:])[:, k].var(ddof=1))
        for k in range(3)
    ]
    covariance, variance = np.sum(weights, axis=0)
    weight = covariance / ((1 + 200 / 700) * variance)
    columns = [
        prediction_powered(hot[0][:, k], hot[1][:, k], hot[2][:, k], weight=weight).mean
        for k in range(3)
    ]
    assert shares == pytest.approx(columns)
    clipped = ppi_shares([[9, 0, 0], [0, 9, 0], [0, 9, 0]], [10, 2, 90])
    assert clipped.min() >= 0.0 and clipped.sum() == pytest.approx(1.0)


def test_a_stack_of_tables_gives_the_shares_of_each():
    rng = np.random.default_rng(1)
    joint, rest = rng.integers(1, 9, size=(5, 3, 3)), rng.integers(1, 9, size=(5, 3))
    each = [ppi_shares(a, b) for a, b in zip(joint, rest, strict=True)]
    assert ppi_shares(joint, rest) == pytest.approx(np.array(each))


def test_known_confusion_is_undone():
    truth = np.array([0.6, 0.3, 0.1])
    says = truth @ CONFUSION
    assert confusion_shares(CONFUSION * 1000, says * 1000) == pytest.approx(truth, abs=1e-6)


def test_corrected_shares_are_the_constrained_least_squares():
    says = np.array([0.9, 0.05, 0.05])  # more of the first than any mixture gives
    reference = minimize(
        lambda t: np.sum((CONFUSION.T @ t - says) ** 2),
        np.full(3, 1 / 3),
        bounds=[(0, 1)] * 3,
        constraints={"type": "eq", "fun": lambda t: t.sum() - 1},
        method="SLSQP",
        options={"ftol": 1e-14},
    ).x
    assert confusion_shares(CONFUSION * 1000, says * 1000) == pytest.approx(reference, abs=1e-5)


def test_a_judge_that_tells_nothing_apart_is_refused():
    with pytest.raises(ValueError, match="condition number"):
        confusion_shares([[50, 50], [45, 55]], [50, 50])
    with pytest.raises(ValueError, match="condition number"):
        confusion_shares([[50, 50], [50, 50]], [50, 50])
    with pytest.raises(ValueError, match="no calibration of true category 1"):
        confusion_shares([[50, 50], [0, 0]], [50, 50])


def labels_of(rng, shares, n, others, *, calibration=None):
    truth, judge = judged(rng, calibration or shares, n)
    return JudgedLabels(truth, judge, judged(rng, shares, others)[1], range(3))


@pytest.mark.parametrize("statistic", [ppi_statistic, confusion_statistic])
def test_each_output_in_a_cluster_of_its_own_changes_nothing(statistic):
    rng = np.random.default_rng(2)
    plain = labels_of(rng, [0.5, 0.3, 0.2], 100, 300)
    named = JudgedLabels(
        plain.truth, plain.judge, plain.unlabelled, range(3), range(100), range(100, 400)
    )
    assert statistic(plain, entropy, draws=200) == statistic(named, entropy, draws=200)


@pytest.mark.parametrize("statistic", [ppi_statistic, confusion_statistic])
def test_copies_of_outputs_do_not_narrow_a_clustered_interval(statistic):
    rng = np.random.default_rng(3)
    plain = labels_of(rng, [0.5, 0.3, 0.2], 100, 300)
    parts = [np.repeat(part, 3) for part in (plain.truth, plain.judge, plain.unlabelled)]
    ids = np.repeat(np.arange(400), 3)
    copied = JudgedLabels(*parts, range(3), ids[:300], ids[300:])
    single, clustered = (statistic(own, first_share, draws=1000) for own in (plain, copied))
    assert clustered.se == pytest.approx(single.se, rel=0.1)
    assert clustered.n_clusters == 100


def test_prompts_in_both_parts_are_resampled_together():
    # Each prompt has one answer, which both parts and the judge show: the error is that of prompts.
    rng = np.random.default_rng(4)
    answers = rng.choice(3, 60, p=[0.5, 0.3, 0.2])
    rest = np.repeat(answers, 4)
    prompts = np.repeat(np.arange(60), 4)
    shared = JudgedLabels(answers, answers, rest, range(3), range(60), prompts)
    apart = JudgedLabels(answers, answers, rest, range(3), range(60), prompts + 60)
    one, two = (ppi_statistic(own, first_share) for own in (shared, apart))
    share = float(np.mean(answers == 0))
    assert one.se == pytest.approx(math.sqrt(share * (1 - share) / 60), rel=0.1)
    assert one.se > 1.15 * two.se


def test_draws_that_do_not_vary_and_few_clusters_give_no_interval():
    constant = JudgedLabels([0] * 30, [0] * 30, [0] * 90, [0, 1])
    result = ppi_statistic(constant, first_share)
    assert result.estimate == 1.0 and result.se is None and codes(result) == ["degenerate"]
    few = JudgedLabels([0, 1] * 9, [0, 1] * 9, [0, 1], [0, 1], [0, 1] * 9, [2, 3])
    result = ppi_statistic(few, first_share)
    assert result.ci_low is None and codes(result) == ["too few clusters"]
    undefined = ppi_statistic(
        JudgedLabels([0, 1] * 9, [0, 1] * 9, [0, 1] * 9, [0, 1]),
        lambda shares: np.full(len(shares), np.nan),
    )
    assert undefined.estimate is None and codes(undefined) == ["undefined"]


@settings(max_examples=50, deadline=None)
@given(st.integers(0, 10**6), st.integers(2, 4))
def test_names_and_order_of_categories_do_not_matter(seed, k):
    rng = np.random.default_rng(seed)
    joint, rest = rng.integers(0, 6, size=(k, k)) + 12 * np.eye(k), rng.integers(1, 20, size=k)
    order = rng.permutation(k)
    renamed = joint[np.ix_(order, order)]
    assert ppi_shares(renamed, rest[order]) == pytest.approx(ppi_shares(joint, rest)[order])
    assert confusion_shares(renamed, rest[order]) == pytest.approx(
        confusion_shares(joint, rest)[order], abs=1e-6
    )


@pytest.mark.parametrize("shares", [[0.6, 0.3, 0.1], [0.9, 0.07, 0.03]])
def test_nominal_95_percent_intervals_cover_the_entropy_that_the_judge_misses(shares):
    rng, truth, runs = np.random.default_rng(8), float(entropy(np.array(shares))), 200
    covered = naive = 0
    for _ in range(runs):
        labels = labels_of(rng, shares, 200, 800)
        result = ppi_statistic(labels, entropy, draws=300)
        covered += result.ci_low <= truth <= result.ci_high
        says = np.bincount(labels.unlabelled, minlength=3) / 800
        naive += abs(entropy(says) - truth) < 0.06
    assert covered / runs >= 0.88 and naive / runs < 0.2


@pytest.mark.parametrize("shares", [[0.6, 0.3, 0.1], [0.9, 0.07, 0.03]])
def test_nominal_95_percent_intervals_cover_under_label_shift(shares):
    rng, covered, runs = np.random.default_rng(9), np.zeros(2), 100
    for _ in range(runs):
        labels = labels_of(rng, shares, 300, 700, calibration=[1 / 3] * 3)
        for i, statistic in enumerate((entropy, first_share)):
            result = confusion_statistic(labels, statistic, draws=100)
            truth = float(statistic(np.array(shares)))
            covered[i] += result.ci_low <= truth <= result.ci_high
            assert result.ci_low <= result.estimate <= result.ci_high
    assert covered.min() / runs >= 0.89
