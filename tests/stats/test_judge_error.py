import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from evalsuite.stats import mean_interval, proportion_interval
from evalsuite.stats.judge_error import ppi_mean, prediction_powered

TRUTH = [int(digit) for digit in "1011001011"]
JUDGE = [int(digit) for digit in "1010011011"]
UNLABELLED = [int(digit) for digit in "10011010011100101101"]


def codes(estimate):
    return [warning.partition(":")[0] for warning in estimate.warnings]


def judged(rng, theta, sensitivity, specificity, n):
    truth = (rng.random(n) < theta).astype(float)
    says = np.where(truth == 1, rng.random(n) < sensitivity, rng.random(n) >= specificity)
    return truth, says.astype(float)


def test_the_vector_of_the_specification_is_reproduced():
    core = prediction_powered(TRUTH, JUDGE, UNLABELLED)
    assert core.weight == pytest.approx(0.408245, abs=5e-7)
    assert core.mean == pytest.approx(0.579588, abs=5e-7)
    assert core.se == pytest.approx(0.143461, abs=5e-7)


def test_the_vector_with_full_weight_is_reproduced():
    core = prediction_powered(TRUTH, JUDGE, UNLABELLED, weight=1.0)
    assert core.mean == pytest.approx(0.55)
    # The specification's 0.179931 divides by n; ours by n - 1, part by part.
    judge = np.var(UNLABELLED) / 20
    labelled = np.var(np.subtract(TRUTH, JUDGE)) / 10
    assert math.sqrt(judge + labelled) == pytest.approx(0.179931, abs=5e-7)
    assert core.se == pytest.approx(math.sqrt(judge * 20 / 19 + labelled * 10 / 9))


def test_few_labels_are_warned_of_and_may_say_more_alone():
    result = ppi_mean(TRUTH, JUDGE, UNLABELLED)
    alone = proportion_interval(6, 10)
    assert (result.estimate, result.ci_low, result.ci_high) == (0.6, alone.ci_low, alone.ci_high)
    assert result.method == "Wilson of the labelled outputs alone"
    assert codes(result) == ["few labels", "rare labels", "narrower of two"]
    assert "costs coverage" in result.warnings[-1]


def test_few_labels_of_a_good_judge_keep_the_correction():
    rng = np.random.default_rng(0)
    truth, judge = judged(rng, 0.5, 0.9, 0.9, 525)
    result = ppi_mean(truth[:25], judge[:25], judge[25:])
    alone = proportion_interval(int(truth[:25].sum()), 25)
    assert result.method.startswith("prediction-powered")
    assert result.ci_high - result.ci_low < alone.ci_high - alone.ci_low
    assert {"few labels", "narrower of two"} <= set(codes(result))
    assert "narrower of two" not in codes(ppi_mean(truth[:30], judge[:30], judge[30:]))


def test_a_useless_judge_leaves_the_mean_of_the_labels():
    rng = np.random.default_rng(1)
    truth = rng.normal(size=60)
    result = ppi_mean(truth, np.ones(60), np.ones(500))
    plain = mean_interval(truth)
    assert (result.estimate, result.ci_low, result.ci_high) == pytest.approx(
        (plain.estimate, plain.ci_low, plain.ci_high)
    )


def test_a_good_judge_narrows_the_interval():
    rng = np.random.default_rng(2)
    truth = rng.normal(size=2000)
    judge = truth + 0.3 * rng.normal(size=2000) + 5
    result = ppi_mean(truth[:100], judge[:100], judge[100:])
    plain = mean_interval(truth[:100])
    assert result.ci_high - result.ci_low < 0.5 * (plain.ci_high - plain.ci_low)
    assert abs(result.estimate - truth.mean()) < abs(truth[:100].mean() - truth.mean())


def test_each_output_in_a_cluster_of_its_own_changes_nothing():
    rng = np.random.default_rng(3)
    truth, judge = judged(rng, 0.4, 0.8, 0.9, 300)
    plain = ppi_mean(truth[:60], judge[:60], judge[60:])
    named = ppi_mean(
        truth[:60],
        judge[:60],
        judge[60:],
        labelled_clusters=range(60),
        unlabelled_clusters=range(60, 300),
    )
    assert named == plain.model_copy(update={"method": f"{plain.method} over clusters"})


def test_copies_of_outputs_do_not_narrow_a_clustered_interval():
    rng = np.random.default_rng(4)
    truth, judge = judged(rng, 0.4, 0.8, 0.9, 300)
    plain = prediction_powered(truth[:60], judge[:60], judge[60:], weight=0.5)
    four = [np.repeat(part, 4) for part in (truth[:60], judge[:60], judge[60:])]
    clusters = (np.repeat(np.arange(60), 4), np.repeat(np.arange(60, 300), 4))
    copied = prediction_powered(*four, clusters=clusters, weight=0.5)
    assert (copied.mean, copied.se) == pytest.approx((plain.mean, plain.se))


def test_a_cluster_in_both_parts_counts_once():
    # Prompt effects that both parts share do not average out over the parts.
    rng = np.random.default_rng(5)
    effect = np.repeat(rng.normal(size=40), 4)
    truth, rest = effect[::4].copy(), effect + 0.1 * rng.normal(size=160)
    judge = truth + 0.1 * rng.normal(size=40)
    prompts = np.repeat(np.arange(40), 4)
    shared = prediction_powered(truth, judge, rest, clusters=(range(40), prompts))
    apart = prediction_powered(truth, judge, rest, clusters=(range(40), prompts + 40))
    assert shared.mean == apart.mean and shared.weight == apart.weight
    assert shared.se > 1.1 * apart.se


def test_missing_labels_are_counted_and_left_out():
    rng = np.random.default_rng(6)
    truth, judge = judged(rng, 0.4, 0.8, 0.9, 200)
    whole = ppi_mean(truth[:50], judge[:50], judge[50:])
    holes = ppi_mean([*truth[:50], np.nan, 1.0], [*judge[:50], 1.0, np.nan], [*judge[50:], np.nan])
    assert holes == whole.model_copy(update={"n_missing": 3})


def test_labels_that_agree_have_the_interval_of_a_certain_looking_share():
    result = ppi_mean(np.ones(50), np.ones(50), np.ones(500))
    assert result.ci_low == pytest.approx(proportion_interval(50, 50).ci_low)
    assert codes(result) == ["degenerate", "rare labels"]


def test_constant_scores_have_no_interval():
    result = ppi_mean(np.full(50, 2.5), np.full(50, 2.5), np.full(500, 2.5))
    assert result.estimate == 2.5 and result.se is None and result.ci_low is None
    assert codes(result) == ["degenerate"]


def test_a_judge_that_was_never_wrong_is_not_taken_for_infallible():
    labels = np.tile([0.0, 1.0], 30)
    result = ppi_mean(labels, labels, np.tile([0.0, 1.0], 300))
    assert codes(result) == ["no judge error seen"]
    assert "up to 0.049" in result.warnings[0]


def test_two_clusters_give_no_interval():
    labels = np.tile([0.3, 1.0], 30)
    result = ppi_mean(
        labels, labels, labels, labelled_clusters=[0, 1] * 30, unlabelled_clusters=[2] * 60
    )
    assert result.ci_low is None and codes(result) == ["too few clusters"]


def test_a_corrected_share_stays_a_share():
    truth, judge = [0.0] * 39 + [1.0], [0.0] * 20 + [1.0] * 20
    result = ppi_mean(truth, judge, [0.0] * 200)
    core = prediction_powered(truth, judge, [0.0] * 200)
    assert core.mean == pytest.approx(result.estimate) or core.mean < 0
    assert 0.0 <= result.ci_low <= result.estimate <= result.ci_high <= 1.0


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: ppi_mean([1], [1], [1, 0]), "1 labelled outputs"),
        (lambda: ppi_mean([1, 0], [1, 0], [1]), "1 unlabelled outputs"),
        (lambda: ppi_mean([1, 0], [1, 0, 1], [1, 0]), "one shape"),
        (lambda: ppi_mean([1, math.inf], [1, 0], [1, 0]), "infinite"),
        (lambda: ppi_mean([1, 0], [1, 0], [1, 0], level=0.0), "level"),
        (lambda: ppi_mean([1, 0], [1, 0], [1, 0], labelled_clusters=[1, 2]), "or of neither"),
        (
            lambda: ppi_mean(
                [1, 0], [1, 0], [1, 0], labelled_clusters=[1], unlabelled_clusters=[1, 2]
            ),
            "2 labelled labels but 1 cluster",
        ),
    ],
)
def test_input_that_makes_no_sense_is_an_error(call, message):
    with pytest.raises(ValueError, match=message):
        call()


SCORES = hnp.arrays(np.float64, st.integers(3, 20), elements=st.integers(-4, 4))


@settings(max_examples=100, deadline=None)
@given(SCORES, SCORES, st.randoms(use_true_random=False))
def test_order_does_not_matter_and_shifts_of_the_judge_cancel(labelled, rest, random):
    judge = np.array([random.choice([-1.0, 0.0, 2.0]) for _ in labelled]) + labelled
    core = prediction_powered(labelled, judge, rest)
    order = random.sample(range(labelled.size), labelled.size)
    moved = prediction_powered(labelled[order], judge[order] + 7, rest[::-1] + 7)
    assert (moved.mean, moved.se) == pytest.approx((core.mean, core.se), abs=1e-9)
    result = ppi_mean(labelled, judge, rest)
    if result.ci_low is not None:
        assert result.ci_low <= result.estimate <= result.ci_high


@pytest.mark.parametrize("rates", [(0.1, 0.9, 0.85), (0.5, 0.75, 0.7), (0.8, 0.75, 0.7)])
def test_nominal_95_percent_intervals_cover_what_the_naive_ones_miss(rates):
    # The specification's cells: 93, 96 and 95 % against 0, 63 and 0 %; 1,500 runs there.
    rng, covered, naive = np.random.default_rng(8), 0, 0
    for _ in range(800):
        truth, judge = judged(rng, *rates, 1000)
        result = ppi_mean(truth[:200], judge[:200], judge[200:])
        covered += result.ci_low <= rates[0] <= result.ci_high
        plain = proportion_interval(int(judge.sum()), 1000)
        naive += plain.ci_low <= rates[0] <= plain.ci_high
    assert covered / 800 >= 0.92 and naive / 800 < 0.7
