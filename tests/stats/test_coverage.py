import math
from fractions import Fraction
from itertools import combinations, pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from evalsuite.stats.coverage import coverages, sample_coverage

X = [50, 30, 10, 5, 2, 1, 1, 1]
COUNTS = st.lists(st.integers(0, 20), min_size=1, max_size=8).filter(any)


def codes(estimate):
    return [warning.partition(":")[0] for warning in estimate.warnings]


@pytest.mark.parametrize(
    ("m", "expected"), [(None, 0.9702006689), (100, 0.9702006689), (50, 0.9571681014)]
)
def test_the_vector_of_the_specification_is_reproduced(m, expected):
    assert sample_coverage(X, m=m).estimate == pytest.approx(expected, abs=5.1e-11)


def test_the_extrapolated_vector_is_reproduced():
    exact = 1 - Fraction(3, 100) * Fraction(297, 299) ** 101
    estimate = sample_coverage(X, m=200).estimate
    assert estimate == pytest.approx(float(exact), abs=1e-14)
    # The specification prints ...8529; the exact number is 0.98476885281.
    assert estimate == pytest.approx(0.9847688529, abs=1e-10)


def test_ten_singletons_cover_next_to_nothing():
    assert sample_coverage([1] * 10).estimate == pytest.approx(0.024, abs=5e-4)


@pytest.mark.parametrize("m", [1, 2, 4, 6])
def test_a_smaller_sample_has_the_mean_coverage_of_all_its_subsets(m):
    # An observation outside the subset is of a class in it: that chance, over subsets and rest.
    counts = [4, 2, 1]
    sample = [i for i, x in enumerate(counts) for _ in range(x)]
    hits = []
    for subset in combinations(range(7), m):
        classes = {sample[i] for i in subset}
        rest = [sample[i] for i in range(7) if i not in subset]
        hits.append(sum(c in classes for c in rest) / len(rest))
    assert coverages(np.array([counts]), m)[0] == pytest.approx(np.mean(hits), rel=1e-12)


def test_interpolated_coverage_is_unbiased():
    p, n, m = np.array([0.5, 0.3, 0.15, 0.05]), 6, 3
    truth = 1 - np.dot(p, (1 - p) ** m)
    grid = np.array([x for x in np.ndindex(7, 7, 7, 7) if sum(x) == n])
    weights = [
        math.factorial(n) * np.prod([q**k / math.factorial(k) for q, k in zip(p, x, strict=True)])
        for x in grid
    ]
    assert np.dot(weights, coverages(grid, m)) == pytest.approx(truth, rel=1e-12)


def test_rows_of_different_sizes_are_each_taken_for_themselves():
    rows = np.array([[5, 3, 1, 1], [50, 30, 10, 1]])
    for m in (None, 7, 30, 200):
        alone = [coverages(row[None, :], m)[0] for row in rows]
        assert coverages(rows, m).tolist() == pytest.approx(alone, rel=1e-12)


@given(COUNTS)
def test_coverage_grows_with_the_size_and_lies_between_0_and_1(counts):
    n, row = sum(counts), np.array([counts])
    values = [float(coverages(row, m)[0]) for m in range(1, 2 * n + 1)]
    assert all(b >= a - 1e-12 for a, b in pairwise(values))
    assert values[0] >= -1e-12 and values[-1] <= 1.0


def test_no_singletons_leave_a_bound_on_what_was_not_seen():
    result = sample_coverage([20, 8, 2])
    assert result.estimate == result.ci_high == 1.0
    assert result.ci_low == pytest.approx(0.05 ** (1 / 30))
    assert codes(result) == ["no sign of unseen classes"]


def test_a_smaller_sample_of_one_class_has_no_interval():
    result = sample_coverage([20], m=5)
    assert result.estimate == pytest.approx(1.0)
    assert result.se is result.ci_low is result.ci_high is None
    assert codes(result) == ["degenerate"]


@settings(deadline=None, max_examples=40)
@given(COUNTS, st.integers(1, 60))
def test_an_interval_lies_between_0_and_1_and_is_never_of_width_zero(counts, m):
    result = sample_coverage(counts, m=m)
    if result.ci_low is None:
        assert result.ci_high is None and result.warnings
    else:
        assert 0.0 <= result.ci_low < result.ci_high <= 1.0


def test_nominal_95_percent_intervals_hold_the_share_of_the_classes_seen():
    p = 1 / np.arange(1, 21)
    p /= p.sum()
    draws = np.random.default_rng(2).multinomial(50, p, size=400)
    truths = (p * (draws > 0)).sum(axis=1)
    results = [sample_coverage(row) for row in draws]
    inside = [r.ci_low <= t <= r.ci_high for r, t in zip(results, truths, strict=True)]
    assert np.mean(inside) >= 0.88


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: sample_coverage([0]), "no observations"),
        (lambda: sample_coverage([3, 1], m=0), "m must be a whole number"),
        (lambda: sample_coverage([3, 1], m=2.5), "m must be a whole number"),
        (lambda: sample_coverage([3, 1], m=math.nan), "m must be a whole number"),
        (lambda: sample_coverage([3, 1], m=True), "m must be a whole number"),
        (lambda: sample_coverage([3, 1], level=0.0), "level"),
    ],
)
def test_input_that_makes_no_sense_is_an_error(call, message):
    with pytest.raises(ValueError, match=f"^sample_coverage: .*{message}"):
        call()


def test_coverages_lie_between_0_and_1_in_spite_of_rounding():
    rows = [np.ones((1, n), dtype=np.int64) for n in range(1, 60)]
    made = [coverages(row, m)[0] for row in rows for m in range(1, 2 * row.size + 1)]
    assert min(made) >= 0.0 and max(made) <= 1.0
