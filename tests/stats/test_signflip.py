import time

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats as scipy_stats

from evalsuite.stats.signflip import (
    EXACT_CLUSTERS,
    cluster_sums,
    saddlepoint_tail,
    sign_flip_test,
    sign_flip_tests,
)

PAIRED = np.array([0.1, 0.1, -0.05, 0.1, 0.2, 0.05, 0.1, 0.1])

SIZES = {
    "normal": lambda rng, g: np.abs(rng.normal(size=g)),
    "uniform": lambda rng, g: rng.random(g),
    "t of 2 degrees": lambda rng, g: np.abs(rng.standard_t(2, size=g)),
    "Cauchy": lambda rng, g: np.abs(rng.standard_cauchy(g)),
    "lognormal": lambda rng, g: np.exp(2 * rng.normal(size=g)),
    "one outlier": lambda rng, g: np.append(np.abs(rng.normal(size=g - 1)), 50.0),
    "ones": lambda rng, g: np.ones(g),
    "quarters": lambda rng, g: rng.integers(1, 4, g) / 4,
    "eighths": lambda rng, g: rng.integers(1, 9, g) / 8,
    "twos and threes": lambda rng, g: rng.integers(2, 4, g) * 1.0,
    "ones and tens": lambda rng, g: np.append(np.ones(g // 2), np.full(g - g // 2, 10.0)),
    "ones and dust": lambda rng, g: np.append(1e-3 * rng.random(2), np.ones(g - 2)),
    "nearly ones": lambda rng, g: 1 + 1e-3 * rng.random(g),
}


def enumerated(sizes):
    """Absolute sums under all flips that keep the first sign, largest first."""
    sums = sizes[:1]
    for size in sizes[1:]:
        sums = np.concatenate([sums + size, sums - size])
    return np.sort(np.abs(sums))[::-1]


def test_the_vector_of_the_specification_is_reproduced():
    assert sign_flip_test(PAIRED) == (0.0234375, "exact")


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("n", [2, 5, 12])
def test_exact_p_values_are_those_of_scipy(n, seed):
    d = np.random.default_rng(seed).normal(0.3, 1.0, size=n)
    expected = scipy_stats.permutation_test(
        (d,), np.mean, permutation_type="samples", n_resamples=np.inf
    )
    p, method = sign_flip_test(d)
    assert (p, method) == (pytest.approx(expected.pvalue, rel=1e-12), "exact")


def test_monte_carlo_p_values_are_those_of_scipy_but_for_chance():
    d = np.random.default_rng(1).normal(0.25, 1.0, size=60)
    expected = scipy_stats.permutation_test(
        (d,), np.mean, permutation_type="samples", n_resamples=9999, rng=np.random.default_rng(2)
    )
    p, method = sign_flip_test(d)
    assert method == "Monte Carlo"
    # Two counts of 9,999 flips each: five standard deviations of their difference.
    assert p == pytest.approx(expected.pvalue, abs=5 * np.sqrt(2 * p * (1 - p) / 9999))


@pytest.mark.parametrize("g", [17, 22, EXACT_CLUSTERS])
def test_halves_counted_together_give_what_enumeration_gives(g):
    d = np.random.default_rng(g).normal(0.5, 1.0, size=g)
    if g < EXACT_CLUSTERS:
        expected = (enumerated(np.abs(d)) >= abs(d.sum()) * (1 - 1e-12)).mean()
    else:  # too many to list, but of ones the sum is binomial
        d = np.append(np.ones(g - 3), -np.ones(3))
        expected = 2 * scipy_stats.binom.cdf(3, g, 0.5)
    assert sign_flip_test(d) == (pytest.approx(expected, rel=1e-12), "exact")


def test_ties_hidden_by_rounding_count_as_ties():
    d = [0.1 + 0.2 - 0.3 + 0.1, 0.1, 0.3 - 0.2, -(0.7 - 0.6), 0.1]
    assert sign_flip_test(d).p_value == 2 * 6 / 32


def test_differences_of_nothing_but_rounding_do_not_count():
    dust = 0.1 + 0.2 - 0.3
    assert dust != 0.0
    assert sign_flip_test([dust, -dust, *PAIRED, 0.0]) == sign_flip_test(PAIRED)


@pytest.mark.parametrize("d", [[0.0] * 5, [np.nan] * 5, [0.0, np.nan]])
def test_no_difference_at_all_has_p_one(d):
    assert sign_flip_test(d) == (1.0, "exact")


def test_whole_clusters_are_flipped():
    d = np.random.default_rng(3).normal(0.2, 1.0, size=30)
    clusters = np.repeat(list("abcdef"), 5)
    assert sign_flip_test(d, clusters=clusters) == sign_flip_test(d.reshape(6, 5).sum(axis=1))
    assert sign_flip_test(d, clusters=clusters).p_value >= 2 / 64


def test_missing_differences_are_left_out():
    d = [0.1, np.nan, *PAIRED[1:], np.nan]
    assert sign_flip_test(d) == sign_flip_test(PAIRED)


@pytest.mark.parametrize("g", [29, 200, 2000])
def test_signs_that_all_agree_have_the_smallest_p_there_is(g):
    p, method = sign_flip_test(np.full(g, 0.3))
    assert p == max(2.0 ** (1 - g), np.finfo(float).tiny) and p > 0
    assert method == "saddlepoint"


def test_the_p_value_of_a_pair_does_not_depend_on_the_other_pairs():
    rng = np.random.default_rng(4)
    d = rng.normal(rng.uniform(0, 0.6, size=(40, 1)), 1.0, size=(40, 60))
    d[::5, 20:] = 0.0
    together = sign_flip_tests(d)
    alone = [sign_flip_tests(row[None, :]) for row in d]
    assert set(together.methods) == {"exact", "Monte Carlo", "saddlepoint"}
    assert together.methods == tuple(one.methods[0] for one in alone)
    assert together.p_values == pytest.approx([one.p_values[0] for one in alone], rel=1e-9)


def test_another_generator_gives_other_flips_and_the_default_the_same_again():
    d = np.random.default_rng(5).normal(0.2, 1.0, size=50)
    assert sign_flip_test(d) == sign_flip_test(d)
    assert sign_flip_test(d) != sign_flip_test(d, rng=np.random.default_rng(6))


@pytest.mark.parametrize("kind", SIZES)
@pytest.mark.parametrize("g", [17, 19, 22])
def test_the_saddlepoint_is_never_much_below_the_exact_p_value(kind, g):
    sizes = SIZES[kind](np.random.default_rng(g), g)
    sums = enumerated(sizes)
    ranks = np.array([2, 3, 5, 9, 20, 50, 100, 300, 1000, 2000])
    observed = np.unique(sums[ranks[ranks <= sums.size / 1000]])
    exact = np.array([(sums >= s - 1e-10 * sizes.sum()).mean() for s in observed])
    observed, exact = observed[exact <= 1e-3], exact[exact <= 1e-3]
    ratio = saddlepoint_tail(np.tile(sizes, (observed.size, 1)), observed) / exact
    assert (ratio >= 0.8).all()


@pytest.mark.parametrize("kind", ["normal", "uniform", "ones", "quarters", "eighths"])
def test_the_saddlepoint_is_close_to_the_exact_p_value_where_it_is_used(kind):
    rng = np.random.default_rng(7)
    sizes = SIZES[kind](rng, EXACT_CLUSTERS)
    for mean in (0.62, 0.68, 0.75):
        signs = np.where(rng.permutation(EXACT_CLUSTERS) < mean * EXACT_CLUSTERS + 4, 1, -1)
        exact, method = sign_flip_test(sizes * signs)
        (tail,) = saddlepoint_tail(sizes[None, :], [abs((sizes * signs).sum())])
        assert method == "exact"
        assert 0.8 <= tail / exact <= 4.0


@pytest.mark.parametrize(("blur", "most"), [(None, 7.3), (0.01, 14.0)])
def test_one_dominating_cluster_makes_the_saddlepoint_conservative_within_bounds(blur, most):
    rng, ratios = np.random.default_rng(21), []
    signs = 1 - 2.0 * ((np.arange(2**16)[:, None] >> np.arange(16)) & 1)
    for dominance in np.repeat([1.0, 3.0, 10.0, 40.0], 60):
        small = rng.normal(size=15) if blur is None else 1 + blur * rng.normal(size=15)
        sizes = np.abs(np.append(dominance * np.linalg.norm(small), small))
        observed = sizes.sum() - 2 * sizes[rng.choice(15, rng.integers(1, 5), replace=False)].sum()
        exact = (np.abs(signs @ sizes) >= observed * (1 - 1e-10)).mean()
        if observed > 0 and exact < 0.001:
            ratios.append(saddlepoint_tail(sizes[None, :], [observed])[0] / exact)
    assert len(ratios) > 30
    assert min(ratios) > 0.7 and max(ratios) <= most


def test_the_saddlepoint_of_ones_is_the_binomial_tail():
    for g, disagree in ((100, 25), (100, 30), (1000, 400), (1000, 430)):
        expected = 2 * scipy_stats.binom.cdf(disagree, g, 0.5)
        (tail,) = saddlepoint_tail(np.ones((1, g)), [g - 2.0 * disagree])
        assert 1.0 <= tail / expected <= 1.1


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.floats(-1e3, 1e3, allow_subnormal=False), min_size=1, max_size=45),
    st.floats(1e-3, 1e3),
)
def test_p_values_are_probabilities_that_know_no_scale_sign_or_zeros(values, scale):
    d = np.round(values, 3)
    p, method = sign_flip_test(d)
    assert 0.0 < p <= 1.0
    for other in (-d, d[::-1] if method == "exact" else d, np.append(d, 0.0) * 1.0):
        if method == "exact":
            assert sign_flip_test(other).p_value == p
    assert sign_flip_test(-d).p_value == p
    assert sign_flip_test(d * scale).p_value == pytest.approx(p, rel=1e-6)


@pytest.mark.parametrize(("n", "seed"), [(12, 8), (40, 9)])
def test_p_values_are_uniform_where_there_is_no_difference(n, seed):
    d = np.random.default_rng(seed).standard_t(4, size=(600, n))
    assert scipy_stats.kstest(sign_flip_tests(d).p_values, "uniform").pvalue > 0.01


def test_clusters_that_differ_would_not_be_uniform_if_they_were_ignored():
    rng = np.random.default_rng(10)
    d = rng.normal(size=(400, 12, 1)) + 0.3 * rng.normal(size=(400, 12, 5))
    flat, clusters = d.reshape(400, -1), np.repeat(np.arange(12), 5)
    by_cluster = sign_flip_tests(cluster_sums(flat, clusters)).p_values
    assert scipy_stats.kstest(by_cluster, "uniform").pvalue > 0.01
    assert (sign_flip_tests(flat).p_values < 0.05).mean() > 0.25


def test_cluster_sums_leave_missing_values_out():
    sums = cluster_sums([[1.0, 2.0, np.nan, 4.0], [np.nan, 1.0, 1.0, np.nan]], [7, 3, 7, 3])
    assert sums.tolist() == [[1.0, 6.0], [1.0, 1.0]]


def test_fifty_entrants_take_seconds_and_can_be_told_apart():
    rng = np.random.default_rng(11)
    scores = rng.normal(size=(50, 1000)) + np.linspace(0, 0.5, 50)[:, None]
    a, b = np.triu_indices(50, 1)
    start = time.perf_counter()
    flips = sign_flip_tests(scores[a] - scores[b])
    assert time.perf_counter() - start < 20  # measured: 0.7 s on one core
    assert flips.p_values.min() * 1225 < 1e-6  # which no count of 9,999 flips could show


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: sign_flip_test([]), "n >= 1"),
        (lambda: sign_flip_test([1.0, np.inf]), "infinite"),
        (lambda: sign_flip_test([1.0, 2.0], clusters=[1]), "2 values but 1 cluster"),
        (lambda: sign_flip_tests([1.0, 2.0]), "shape"),
        (lambda: sign_flip_tests(np.zeros((2, 0))), "clusters >= 1"),
        (lambda: sign_flip_tests([[1.0, np.inf]]), "1 differences are infinite"),
        (lambda: cluster_sums([[1.0, 2.0]], [1]), "2 differences but 1 cluster"),
    ],
)
def test_input_that_makes_no_sense_is_an_error(call, message):
    with pytest.raises(ValueError, match=message):
        call()
