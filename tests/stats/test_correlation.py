import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats as scipy_stats

from evalsuite.stats import jackknife_interval
from evalsuite.stats.correlation import correlation_interval, left_out_correlations

KINDS = ["pearson", "spearman", "kendall"]
REFERENCES = {
    "pearson": scipy_stats.pearsonr,
    "spearman": scipy_stats.spearmanr,
    "kendall": scipy_stats.kendalltau,
}


def codes(estimate):
    return [warning.partition(":")[0] for warning in estimate.warnings]


def drawn(rng, n, rho, cluster=1):
    """Pairs of correlation rho that share half of their variance within clusters."""
    root = np.linalg.cholesky([[1, rho], [rho, 1]])
    share = 0.5 if cluster > 1 else 0.0
    groups = np.repeat(np.arange(n // cluster), cluster)
    common = rng.normal(size=(n // cluster, 2))[groups] * math.sqrt(share)
    pairs = (common + rng.normal(size=(groups.size, 2)) * math.sqrt(1 - share)) @ root.T
    return pairs[:, 0], pairs[:, 1], groups


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("ties", [False, True])
def test_correlations_without_a_cluster_are_those_of_scipy(kind, ties):
    rng = np.random.default_rng(0)
    x, y, _ = drawn(rng, 40, 0.6)
    if ties:
        x, y = np.round(x), np.round(y)
    cluster = rng.permutation(np.repeat(np.arange(9), [1, 1, 2, 3, 4, 5, 6, 8, 10]))
    expected = [REFERENCES[kind](x[cluster != g], y[cluster != g]).statistic for g in range(9)]
    assert left_out_correlations(x, y, cluster, kind) == pytest.approx(expected, abs=1e-12)


@pytest.mark.parametrize("kind", KINDS)
def test_the_interval_is_the_jackknife_of_fishers_z(kind):
    x, y, groups = drawn(np.random.default_rng(1), 60, 0.5, cluster=4)
    result = correlation_interval(x, y, kind=kind, clusters=groups, level=0.9)
    r = REFERENCES[kind](x, y).statistic
    left_out = left_out_correlations(x, y, groups, kind)
    z = jackknife_interval(math.atanh(r), np.arctanh(left_out), level=0.9)
    assert result.estimate == pytest.approx(r)
    assert (result.ci_low, result.ci_high) == pytest.approx(
        (math.tanh(z.ci_low), math.tanh(z.ci_high))
    )
    assert result.se == pytest.approx(z.se * (1 - r**2))
    assert (result.n, result.n_clusters, result.warnings) == (60, 15, ())


def test_large_samples_of_normal_pairs_have_fishers_interval():
    x, y, _ = drawn(np.random.default_rng(2), 4000, 0.5)
    result = correlation_interval(x, y)
    fisher = scipy_stats.pearsonr(x, y).confidence_interval(0.95)
    assert (result.ci_low, result.ci_high) == pytest.approx((fisher.low, fisher.high), abs=0.004)


@pytest.mark.parametrize("kind", KINDS)
def test_copies_of_pairs_do_not_narrow_a_clustered_interval(kind):
    x, y, _ = drawn(np.random.default_rng(3), 30, 0.5)
    copied = correlation_interval(
        np.repeat(x, 3), np.repeat(y, 3), kind=kind, clusters=np.repeat(np.arange(30), 3)
    )
    single = correlation_interval(x, y, kind=kind)
    if kind != "kendall":  # whose tau-b takes copies for ties
        assert copied.estimate == pytest.approx(single.estimate)
    assert (copied.ci_low, copied.ci_high) == pytest.approx(
        (single.ci_low, single.ci_high), abs=0.02
    )


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    ("x", "y", "estimate", "code"),
    [
        (range(12), range(12), 1.0, "perfect correlation"),
        (range(12), range(12, 0, -1), -1.0, "perfect correlation"),
        ([2.0] * 12, range(12), None, "constant"),
        (range(12), [0.1 + 0.2, 0.3] * 6, None, "constant"),
        ([1.0], [2.0], None, "too few pairs"),
        ([1.0, 2.0], [2.0, math.nan], None, "too few pairs"),
        ([math.nan] * 3, [1.0, 2.0, 3.0], None, "all missing"),
    ],
)
def test_no_interval_is_made_up_where_none_can_be_had(kind, x, y, estimate, code):
    result = correlation_interval(x, y, kind=kind)
    assert result.estimate == estimate
    assert result.se is None and result.ci_low is None and result.ci_high is None
    assert codes(result) == [code]


@pytest.mark.parametrize("kind", KINDS)
def test_a_correlation_that_one_pair_makes_has_no_interval(kind):
    x, y = [*[0.0] * 11, 1.0], [*np.linspace(0, 1, 11), 0.9]
    result = correlation_interval(x, y, kind=kind)
    assert result.estimate > 0 and result.ci_low is None and codes(result) == ["undefined"]


def test_two_clusters_give_no_interval():
    x, y, _ = drawn(np.random.default_rng(4), 20, 0.5)
    result = correlation_interval(x, y, clusters=[0] * 10 + [1] * 10)
    assert result.estimate is not None and result.ci_low is None
    assert codes(result) == ["too few clusters"]


def test_few_and_unequal_clusters_are_warned_of():
    x, y, _ = drawn(np.random.default_rng(5), 60, 0.5)
    few = correlation_interval(x, y, clusters=np.arange(60) % 9)
    unequal = correlation_interval(x, y, clusters=[*range(20), *[20] * 40])
    assert few.ci_low is not None and codes(few) == ["few clusters"]
    assert unequal.ci_low is not None and codes(unequal) == ["unequal clusters"]


def test_pairs_with_a_hole_are_missing():
    x, y, _ = drawn(np.random.default_rng(6), 30, 0.5)
    whole = correlation_interval(x, y)
    holes = correlation_interval([*x, math.nan, 1.0], [*y, 1.0, math.nan])
    assert holes == whole.model_copy(update={"n_missing": 2})


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: correlation_interval([], []), "n >= 1"),
        (lambda: correlation_interval([1.0, 2.0], [1.0]), "one shape"),
        (lambda: correlation_interval([[1.0]], [[1.0]]), "shape"),
        (lambda: correlation_interval([1.0, 2.0], [1.0, math.inf]), "infinite"),
        (lambda: correlation_interval([1.0, -math.inf], [1.0, 2.0]), "infinite"),
        (lambda: correlation_interval([1.0, 2.0], [1.0, 2.0], clusters=[1]), "1 cluster"),
        (lambda: correlation_interval([1.0, 2.0], [1.0, 2.0], kind="phi"), "got 'phi'"),
        (lambda: correlation_interval([1.0, 2.0], [1.0, 2.0], level=0.0), "level"),
    ],
)
def test_input_that_makes_no_sense_is_an_error(call, message):
    with pytest.raises(ValueError, match=message):
        call()


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.tuples(st.integers(-5, 5), st.integers(-5, 5)), min_size=4, max_size=25),
    st.sampled_from(KINDS),
    st.randoms(use_true_random=False),
)
def test_order_scale_and_exchange_of_the_two_do_not_matter(pairs, kind, random):
    x, y = np.array(pairs, dtype=float).T
    order = random.sample(range(len(pairs)), len(pairs))
    one = correlation_interval(x, y, kind=kind)
    other = correlation_interval(3 * y[order] - 7, 0.5 * x[order] + 1, kind=kind)
    assert (one.estimate is None) == (other.estimate is None)
    assert codes(one) == codes(other)
    if one.estimate is not None:
        assert other.estimate == pytest.approx(one.estimate, abs=1e-9)
    if one.ci_low is not None:
        assert (other.ci_low, other.ci_high) == pytest.approx((one.ci_low, one.ci_high), abs=1e-6)
        assert -1 <= one.ci_low <= one.estimate <= one.ci_high <= 1
        mirrored = correlation_interval(-x, y, kind=kind)
        assert mirrored.ci_low == pytest.approx(-one.ci_high, abs=1e-6)


@pytest.mark.parametrize("cluster", [1, 4])
@pytest.mark.parametrize("kind", KINDS)
def test_nominal_95_percent_intervals_cover_the_correlation(kind, cluster):
    rng, rho, runs = np.random.default_rng(7), 0.6, 300
    truth = {
        "pearson": rho,
        "spearman": 6 / math.pi * math.asin(rho / 2),
        "kendall": 2 / math.pi * math.asin(rho),
    }[kind]
    covered = 0
    for _ in range(runs):
        x, y, groups = drawn(rng, 48, rho, cluster=cluster)
        result = correlation_interval(x, y, kind=kind, clusters=groups)
        covered += result.ci_low <= truth <= result.ci_high
    assert covered / runs >= 0.91
