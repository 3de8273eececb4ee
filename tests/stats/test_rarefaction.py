import math
from itertools import combinations, pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats as scipy_stats

from evalsuite.stats.coverage import coverages
from evalsuite.stats.entropy_points import chao_wang_jost_entropies, plug_in_entropies
from evalsuite.stats.rarefaction import (
    compare_at_coverage,
    compare_at_size,
    rarefaction_curve,
    rarefied_hill,
    size_at_coverage,
)
from evalsuite.stats.rarefied_sums import _expected_terms, to_hill, to_sums

X = [50, 30, 10, 5, 2, 1, 1, 1]
SMALL = [4, 2, 1]
COUNTS = st.lists(st.integers(0, 12), min_size=1, max_size=7).filter(any)
ORDERS = st.sampled_from([0, 1, 2])


def codes(estimate):
    return [warning.partition(":")[0] for warning in estimate.warnings]


@pytest.mark.parametrize(
    ("m", "expected"),
    [(10, (3.55317, 2.846313, 2.427184)), (50, (6.22379, 3.525776, 2.779837))],
)
def test_the_vector_of_the_specification_is_reproduced(m, expected):
    for q, tolerance in ((0, 5.1e-6), (1, 5.1e-7), (2, 5.1e-7)):  # the digits that are printed
        assert rarefied_hill(X, q=q, m=m).estimate == pytest.approx(expected[q], abs=tolerance)


def subset_counts(counts, m):
    sample = [i for i, x in enumerate(counts) for _ in range(x)]
    subsets = combinations(range(len(sample)), m)
    return np.array([np.bincount([sample[i] for i in s], minlength=len(counts)) for s in subsets])


@pytest.mark.parametrize("m", [1, 2, 3, 5, 7])
def test_a_rarefied_number_is_the_mean_over_all_subsets(m):
    subsets = subset_counts(SMALL, m)
    row = np.array([SMALL])
    assert to_sums(row, 0, m)[0] == pytest.approx((subsets > 0).sum(axis=1).mean(), rel=1e-12)
    assert to_sums(row, 1, m)[0] == pytest.approx(plug_in_entropies(subsets).mean(), abs=1e-12)
    assert to_sums(row, 2, m)[0] == pytest.approx(((subsets / m) ** 2).sum(axis=1).mean())


def test_the_number_of_distinct_kinds_among_k_is_unbiased_from_any_n():
    p, k = np.array([0.5, 0.25, 0.15, 0.1]), 4
    draws = np.random.default_rng(0).multinomial(12, p, size=20_000)
    truth = (1 - (1 - p) ** k).sum()
    estimates = to_sums(draws, 0, k)
    error = estimates.std(ddof=1) / math.sqrt(20_000)
    assert abs(estimates.mean() - truth) < 4 * error


@pytest.mark.parametrize("q", [0, 1, 2])
def test_at_n_it_is_the_number_of_the_sample_itself(q):
    p = np.array(X) / 100
    plug_in = (8.0, math.exp(-np.dot(p, np.log(p))), 1 / np.dot(p, p))[q]
    assert rarefied_hill(X, q=q, m=100).estimate == pytest.approx(plug_in, rel=1e-12)


@pytest.mark.parametrize("q", [0, 1, 2])
def test_extrapolation_goes_on_where_rarefaction_ends(q):
    values = [rarefied_hill(X, q=q, m=m).estimate for m in (99, 100, 101)]
    assert values[2] - values[1] == pytest.approx(values[1] - values[0], rel=0.25)


def test_extrapolated_richness_is_that_of_the_formula():
    f0, f1 = 4.455, 3
    expected = 8 + f0 * (1 - (1 - f1 / (100 * f0 + f1)) ** 80)
    result = rarefied_hill(X, q=0, m=180)
    assert result.estimate == pytest.approx(expected, rel=1e-12)
    assert codes(result) == ["extrapolated"]


def test_extrapolated_order_2_is_exact_in_expectation():
    p, n, m = np.array([0.6, 0.3, 0.1]), 5, 9
    grid = np.array([x for x in np.ndindex(6, 6, 6) if sum(x) == n])
    weights = [
        math.factorial(n) * np.prod([q**k / math.factorial(k) for q, k in zip(p, x, strict=True)])
        for x in grid
    ]
    truth = 1 / m + (1 - 1 / m) * np.dot(p, p)
    assert np.dot(weights, to_sums(grid, 2, m)) == pytest.approx(truth, rel=1e-12)


@pytest.mark.parametrize(
    "p",
    [
        0.7 ** np.arange(14),
        np.ones(10),
        np.array([0.4, 0.4, 0.1, 0.1]),
        np.append(0.9, np.full(9, 0.1 / 9)),
    ],
)
@pytest.mark.parametrize("n", [50, 200])
def test_extrapolated_entropy_is_that_of_samples_twice_as_large(p, n):
    p, rng = p / p.sum(), np.random.default_rng(3)
    estimates = to_sums(rng.multinomial(n, p, size=3000), 1, 2 * n)
    truth = plug_in_entropies(rng.multinomial(2 * n, p, size=3000)).mean()
    # Two means of 3,000 samples, and a bias of the second order.
    assert abs(estimates.mean() - truth) < 0.012


@pytest.mark.parametrize(
    ("p", "n", "bound"),
    [
        # Measured -.039, -.018, -.008 and -.001; weighting with Chao-Wang-Jost had +.33 and +.81.
        (np.ones(100), 20, 0.06),
        (np.ones(1000), 50, 0.03),
        (1 / np.arange(1, 21), 50, 0.025),
        (0.7 ** np.arange(14), 50, 0.02),
    ],
)
def test_extrapolated_entropy_of_few_observations_is_hardly_biased(p, n, bound):
    p, rng = p / p.sum(), np.random.default_rng(4)
    estimates = to_sums(rng.multinomial(n, p, size=2000), 1, 2 * n)
    truth = plug_in_entropies(rng.multinomial(2 * n, p, size=5000)).mean()
    assert abs(estimates.mean() - truth) < bound


@pytest.mark.parametrize("n", [2, 11, 60])
@pytest.mark.parametrize("q", [0, 1, 2])
def test_singletons_extrapolate_to_no_more_classes_than_observations(n, q):
    for m in (n + 1, 2 * n):
        result = rarefied_hill([1] * n, q=q, m=m)
        assert result.estimate <= m
        assert result.ci_low is None or result.ci_low <= result.estimate <= result.ci_high


@pytest.mark.parametrize("counts", [[1] * 11, [2, *[1] * 20], X, [40], [3, 3, 3]])
def test_extrapolated_orders_are_ordered(counts):
    for m in (sum(counts) + 1, 2 * sum(counts)):
        zero, one, two = (rarefied_hill(counts, q=q, m=m).estimate for q in (0, 1, 2))
        assert two <= one * (1 + 1e-12) and one <= zero * (1 + 1e-12) and zero <= m


@pytest.mark.parametrize(("m", "p"), [(40, 0.3), (1000, 0.21), (1000, 0.9), (300, 0.999)])
def test_the_expected_entropy_of_a_class_is_the_binomial_sum(m, p):
    k = np.arange(1, m + 1)
    chance = scipy_stats.binom.pmf(k, m, p)
    exact = -(chance * (k / m) * np.log(k / m)).sum()
    made = _expected_terms(np.array([p, 0.0]), m)
    assert made[0] == pytest.approx(exact, abs=1e-8) and made[1] == 0.0


@settings(deadline=None)
@given(COUNTS)
def test_extrapolated_order_1_lies_between_orders_2_and_0_and_within_the_size(counts):
    row, n = np.array([counts]), sum(counts)
    for m in (n + 1, 2 * n):
        zero, one, two = (float(to_hill(to_sums(row, q, m), q)[0]) for q in (0, 1, 2))
        assert min(two, zero) - 1e-9 <= one <= min(zero, m) + 1e-9


@settings(deadline=None, max_examples=60)
@given(COUNTS, ORDERS, st.integers(1, 200))
def test_an_estimate_lies_inside_its_interval(counts, q, m):
    result = rarefied_hill(counts, q=q, m=min(m, 2 * sum(counts)))
    assert result.ci_low is None or result.ci_low <= result.estimate <= result.ci_high


def test_extrapolated_entropy_lies_between_the_sample_and_the_estimate():
    row = np.array([X])
    assert plug_in_entropies(row)[0] < to_sums(row, 1, 200)[0] < chao_wang_jost_entropies(row)[0]


@settings(deadline=None)
@given(COUNTS, ORDERS)
def test_numbers_grow_with_the_size_and_begin_at_one(counts, q):
    row, n = np.array([counts]), sum(counts)
    values = [float(to_hill(to_sums(row, q, m), q)[0]) for m in range(1, 2 * n + 1)]
    assert values[0] == pytest.approx(1.0)
    assert all(b >= a - 1e-9 for a, b in pairwise(values))


@settings(deadline=None)
@given(COUNTS, st.integers(1, 30))
def test_higher_orders_count_fewer_classes(counts, m):
    row = np.array([counts])
    m = min(m, sum(counts))
    values = [float(to_hill(to_sums(row, q, m), q)[0]) for q in (0, 1, 2)]
    assert values[0] >= values[1] - 1e-9 and values[1] >= values[2] - 1e-9


@settings(deadline=None, max_examples=40)
@given(COUNTS, ORDERS, st.integers(1, 100))
def test_an_interval_is_never_of_width_zero_and_the_order_means_nothing(counts, q, m):
    m = min(m, 2 * sum(counts))
    result = rarefied_hill(counts, q=q, m=m)
    assert result == rarefied_hill([0, *counts[::-1]], q=q, m=m)
    if result.ci_low is None:
        assert result.ci_high is None and "degenerate" in codes(result)
    else:
        assert 1.0 <= result.ci_low < result.ci_high <= m


def test_one_class_is_one_at_every_size_and_has_no_interval():
    result = rarefied_hill([30], q=1, m=10)
    assert result.estimate == pytest.approx(1.0, abs=1e-12)
    assert result.se is result.ci_low is result.ci_high is None
    assert codes(result) == ["degenerate", "one class", "small sample"]


@pytest.mark.parametrize("q", [0, 1, 2])
def test_nominal_95_percent_intervals_cover_the_rarefied_truth(q):
    p, rng, m = 0.7 ** np.arange(14), np.random.default_rng(9), 10
    p /= p.sum()
    truth = float(to_hill(np.array([to_sums(rng.multinomial(m, p, 50_000), q, m).mean()]), q)[0])
    results = [rarefied_hill(row, q=q, m=m) for row in rng.multinomial(50, p, size=400)]
    # Measured .93 to .96 over 1,500 samples.
    assert np.mean([r.ci_low <= truth <= r.ci_high for r in results]) >= 0.9


@pytest.mark.parametrize("coverage", [0.3, 0.8, 0.95, 0.97, 0.98])
def test_the_size_is_the_smallest_that_reaches_the_coverage(coverage):
    row, m = np.array([X]), size_at_coverage(X, coverage)
    assert coverages(row, m)[0] >= coverage - 1e-12
    assert coverages(row, m - 1)[0] < coverage


@pytest.mark.parametrize("m", [1, 37, 100, 101, 200])
def test_the_coverage_of_a_size_asked_back_gives_the_size(m):
    assert size_at_coverage(X, float(coverages(np.array([X]), m)[0])) == m


def test_a_coverage_beyond_twice_the_sample_is_refused():
    with pytest.raises(ValueError, match=r"200 observations, twice the sample, reach 0.98"):
        size_at_coverage(X, 0.99)


def test_samples_are_compared_at_the_size_of_the_smallest():
    results = compare_at_size([SMALL, X, [30, 30, 30]], q=2)
    assert [r.m for r in results] == [7, 7, 7]
    assert results[1].hill == rarefied_hill(X, q=2, m=7).model_copy(
        update={"se": results[1].hill.se, "ci_low": results[1].hill.ci_low}
        | {"ci_high": results[1].hill.ci_high}
    )


def test_samples_are_compared_at_the_lowest_coverage_of_twice_their_sizes():
    samples = [X, [9, 6, 2, 1, 1], [40, 30, 2, 1, 1]]
    common = min(float(coverages(np.array([x]), 2 * sum(x))[0]) for x in samples)
    results = compare_at_coverage(samples, q=1)
    assert [r.m for r in results] == [size_at_coverage(x, common) for x in samples]
    assert all(r.coverage >= common - 1e-12 for r in results)
    assert results[1].m == 38  # it is the one that decides


def test_a_fair_comparison_does_not_see_the_sample_sizes():
    p, rng = 0.7 ** np.arange(14), np.random.default_rng(5)
    p /= p.sum()
    pairs = [(rng.multinomial(40, p), rng.multinomial(160, p)) for _ in range(150)]
    gaps = []
    for pair in pairs:
        small, large = compare_at_size(pair, q=0)
        gaps.append(large.hill.estimate - small.hill.estimate)
    raw = np.mean([(b > 0).sum() - (a > 0).sum() for a, b in pairs])
    assert raw > 2  # what comparing the samples as they are would have shown
    assert abs(np.mean(gaps)) < 4 * np.std(gaps) / math.sqrt(150)


def test_a_curve_has_size_and_coverage_of_every_point():
    curve = rarefaction_curve(X, q=1)
    assert [p.m for p in curve] == sorted({p.m for p in curve}) and len(curve) <= 21
    assert curve[0].m == 1 and curve[-1].m == 200 and 100 in {p.m for p in curve}
    assert all(b.coverage > a.coverage for a, b in pairwise(curve))
    for point in curve:
        assert point.hill.estimate == rarefied_hill(X, q=1, m=point.m).estimate


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: rarefied_hill(X, q=0, m=201), "^rarefied_hill: m must be .* from 1 to 200"),
        (lambda: rarefied_hill(X, q=0, m=0), "^rarefied_hill: m must be"),
        (lambda: rarefied_hill(X, q=0, m=2.5), "^rarefied_hill: m must be"),
        (lambda: rarefied_hill(X, q=3, m=5), "q must be 0, 1 or 2"),
        (lambda: rarefied_hill(X, q=0, m=5, level=1), "level"),
        (lambda: rarefied_hill([0], q=0, m=1), "no observations"),
        (lambda: rarefaction_curve(X, q=0, sizes=[]), "no sizes"),
        (lambda: compare_at_size([], q=0), "^compare_at_size: no samples"),
        (lambda: compare_at_size([X, SMALL], q=0, m=15), "^compare_at_size: m must be"),
        (lambda: compare_at_coverage([], q=0), "^compare_at_coverage: no samples"),
        (lambda: compare_at_coverage([X, SMALL], q=0, coverage=1.5), "coverage must lie"),
        (lambda: size_at_coverage(X, 0.0), "^size_at_coverage: coverage must lie"),
    ],
)
def test_input_that_makes_no_sense_is_an_error(call, message):
    with pytest.raises(ValueError, match=message):
        call()
