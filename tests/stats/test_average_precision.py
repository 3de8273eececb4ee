import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats as scipy_stats
from sklearn.metrics import average_precision_score

from evalsuite.stats import jackknife_interval
from evalsuite.stats.average_precision import average_precision, average_precision_interval


def codes(estimate):
    return [warning.partition(":")[0] for warning in estimate.warnings]


def ranked(rng, n, prevalence, *, cluster=1, ties=False):
    """Labels and scores that a shared part makes alike within clusters."""
    groups, share = np.repeat(np.arange(n // cluster), cluster), 0.5 if cluster > 1 else 0.0
    common = rng.normal(size=(2, n // cluster))[:, groups] * math.sqrt(share)
    noise = common + rng.normal(size=(2, n)) * math.sqrt(1 - share)
    labels = (noise[0] < scipy_stats.norm.ppf(prevalence)).astype(float)
    scores = noise[1] + 2 * labels
    return labels, np.round(scores) if ties else scores, groups


@pytest.mark.parametrize("ties", [False, True])
@pytest.mark.parametrize("seed", range(4))
def test_the_value_is_that_of_scikit_learn(seed, ties):
    rng = np.random.default_rng(seed)
    labels, scores, _ = ranked(rng, 150, 0.2, ties=ties)
    weights = rng.uniform(0.1, 3, size=150)
    ap, _ = average_precision(labels, scores)
    assert ap == pytest.approx(average_precision_score(labels, scores), rel=1e-12)
    weighted, _ = average_precision(labels, scores, weights=weights)
    reference = average_precision_score(labels, scores, sample_weight=weights)
    assert weighted == pytest.approx(reference, rel=1e-12)


@pytest.mark.parametrize("ties", [False, True])
def test_influences_are_the_derivatives_by_the_weights(ties):
    rng = np.random.default_rng(5)
    labels, scores, _ = ranked(rng, 60, 0.3, ties=ties)
    weights = rng.uniform(0.5, 2, size=60)
    _, influences = average_precision(labels, scores, weights=weights)
    numerical = []
    for i in range(60):
        step = np.zeros(60)
        step[i] = 1e-5
        up, down = (
            average_precision(labels, scores, weights=weights + s)[0] for s in (step, -step)
        )
        numerical.append((up - down) / 2e-5)
    assert influences == pytest.approx(numerical, abs=1e-8)
    assert influences @ weights == pytest.approx(0.0, abs=1e-12)


@pytest.mark.parametrize("cluster", [1, 4])
def test_the_standard_error_is_about_that_of_the_jackknife(cluster):
    rng = np.random.default_rng(6)
    labels, scores, groups = ranked(rng, 800, 0.3, cluster=cluster)
    result = average_precision_interval(labels, scores, clusters=groups)
    left_out = [
        average_precision(labels[groups != g], scores[groups != g])[0] for g in np.unique(groups)
    ]
    # The jackknife differs by terms of the next order in 1/n.
    assert result.se == pytest.approx(jackknife_interval(result.estimate, left_out).se, rel=0.02)


def test_the_interval_is_a_t_interval_of_the_logit():
    rng = np.random.default_rng(7)
    labels, scores, _ = ranked(rng, 300, 0.2)
    result = average_precision_interval(labels, scores, level=0.9)
    ap = result.estimate
    half = scipy_stats.t.ppf(0.95, labels.sum() - 1) * result.se / (ap * (1 - ap))
    ends = [1 / (1 + math.exp(-(math.log(ap / (1 - ap)) + sign * half))) for sign in (-1, 1)]
    assert (result.ci_low, result.ci_high) == pytest.approx(ends)
    assert (result.n, result.n_clusters, result.warnings) == (300, 300, ())


def test_copies_of_rows_do_not_narrow_a_clustered_interval():
    labels, scores, _ = ranked(np.random.default_rng(8), 200, 0.3)
    single = average_precision_interval(labels, scores)
    copied = average_precision_interval(
        np.repeat(labels, 3), np.repeat(scores, 3), clusters=np.repeat(np.arange(200), 3)
    )
    assert (copied.estimate, copied.ci_low, copied.ci_high) == pytest.approx(
        (single.estimate, single.ci_low, single.ci_high)
    )


@pytest.mark.parametrize(
    ("labels", "scores", "estimate", "code"),
    [
        ([0.0] * 12, range(12), None, "no positives"),
        ([1.0] * 12, range(12), 1.0, "all positives"),
        ([0.0] * 6 + [1.0] * 6, range(12), 1.0, "perfect ranking"),
        ([0.0] * 6 + [1.0] * 6, [0.5] * 12, 0.5, None),
        ([1.0, 0.0, 0.0, 0.0], [1, 2, 3, 4], 0.25, "too few positives"),
        ([1.0, 0.0], [1, 2], 0.5, "too few clusters"),
    ],
)
def test_no_interval_is_made_up_where_none_can_be_had(labels, scores, estimate, code):
    result = average_precision_interval(labels, scores)
    assert result.estimate == (estimate if estimate is None else pytest.approx(estimate))
    if code:
        assert result.se is None and result.ci_low is None and result.ci_high is None
        assert codes(result) == [code]
    else:
        assert result.ci_low < result.estimate < result.ci_high


def test_few_positives_are_warned_of():
    labels, scores, _ = ranked(np.random.default_rng(9), 100, 0.1)
    result = average_precision_interval(labels, scores)
    assert labels.sum() < 20 and codes(result) == ["few positives"]


def test_rows_without_a_score_are_missing():
    labels, scores, _ = ranked(np.random.default_rng(10), 100, 0.4)
    holes = average_precision_interval([*labels, 1.0], [*scores, math.nan])
    whole = average_precision_interval(labels, scores)
    assert holes == whole.model_copy(update={"n_missing": 1})
    nothing = average_precision_interval([1.0], [math.nan])
    assert nothing.estimate is None and nothing.n_missing == 1


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: average_precision_interval([], []), "n >= 1"),
        (lambda: average_precision_interval([1, 0], [1.0]), "1 scores but labels"),
        (lambda: average_precision_interval([1, 2], [1.0, 2.0]), "0 or 1"),
        (lambda: average_precision_interval([1, math.nan], [1.0, 2.0]), "0 or 1"),
        (lambda: average_precision_interval([1, 0], [1.0, math.inf]), "infinite"),
        (lambda: average_precision_interval([1, 0], [1.0, 2.0], clusters=[1]), "1 cluster"),
        (lambda: average_precision_interval([1, 0], [1.0, 2.0], level=1.0), "level"),
    ],
)
def test_input_that_makes_no_sense_is_an_error(call, message):
    with pytest.raises(ValueError, match=message):
        call()


@settings(max_examples=100, deadline=None)
@given(
    st.lists(st.tuples(st.booleans(), st.integers(-3, 3)), min_size=2, max_size=40),
    st.randoms(use_true_random=False),
)
def test_order_and_monotone_changes_of_scores_do_not_matter(rows, random):
    labels, scores = (np.array(column, dtype=float) for column in zip(*rows, strict=True))
    order = random.sample(range(len(rows)), len(rows))
    one = average_precision_interval(labels, scores)
    other = average_precision_interval(labels[order], np.exp(scores[order]))
    assert one.warnings == other.warnings
    if one.estimate is not None:
        assert other.estimate == pytest.approx(one.estimate)
        assert one.estimate >= labels.mean() / 2 and one.estimate <= 1.0 + 1e-12
    if one.ci_low is not None:
        assert (other.ci_low, other.ci_high) == pytest.approx((one.ci_low, one.ci_high))


@pytest.mark.parametrize("cluster", [1, 4])
@pytest.mark.parametrize("prevalence", [0.06, 0.3])
def test_nominal_95_percent_intervals_cover_the_population_value(prevalence, cluster):
    rng = np.random.default_rng(11)
    truth, _ = average_precision(*ranked(rng, 1_000_000, prevalence)[:2])
    covered, runs = 0, 500
    for _ in range(runs):
        labels, scores, groups = ranked(rng, 200, prevalence, cluster=cluster)
        result = average_precision_interval(labels, scores, clusters=groups)
        # Where no interval can be formed the claim is void, not wrong.
        covered += result.ci_low is None or result.ci_low <= truth <= result.ci_high
    assert covered / runs >= 0.91
