import math
from itertools import pairwise

import numpy as np
import pytest
import skbio.diversity
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from evalsuite.metrics.hill import (
    hill_number,
    internal_diversity,
    leinster_cobbold,
    normalized_entropy,
    read_order,
    read_orders,
)

ORDERS = (0, 0.1, 0.5, 0.999, 1, 1.001, 2, 3.5, 40, 2000, "inf")
counts_strategy = arrays(np.int64, st.integers(1, 12), elements=st.integers(0, 50)).filter(
    lambda counts: counts.sum() > 0
)


@pytest.mark.parametrize(
    ("p", "values"),
    [
        ((0.5, 0.25, 0.25), (2.982964, 2.914214, 2.828427, 2.666667, 2)),
        ((0.97, 0.01, 0.01, 0.01), (3.251475, 1.650931, 1.182582, 1.062473, 1.030928)),
        ((0.324, 0.326, 0.35), (2.999814, 2.999069, 2.998131, 2.996237, 2.857143)),
    ],
)
def test_hill_numbers_are_the_checked_ones(p, values):
    found = [hill_number(p, q=q) for q in (0.1, 0.5, 1, 2, math.inf)]
    assert found == pytest.approx(values, abs=5e-7)


@given(counts_strategy, st.sampled_from((0.3, 1, 2, 3.7, math.inf)))
def test_hill_numbers_agree_with_scikit_bio(counts, q):
    expected = skbio.diversity.alpha.hill(counts, order=q)
    assert hill_number(counts, q=q) == pytest.approx(expected, rel=1e-12)


@given(counts_strategy.filter(lambda counts: counts.size > 1))
def test_normalized_entropy_agrees_with_scikit_bio_on_the_closed_set(counts):
    entropy = skbio.diversity.alpha.shannon(counts, base=math.e)
    assert normalized_entropy(counts) == pytest.approx(entropy / math.log(counts.size), abs=1e-14)


@given(counts_strategy)
def test_hill_numbers_lie_between_one_and_the_kinds_and_fall_with_the_order(counts):
    found = [hill_number(counts, q=q) for q in ORDERS]
    assert found[0] == np.count_nonzero(counts)
    assert min(found) >= 1
    assert all(low <= high * (1 + 1e-12) for high, low in pairwise(found))


@given(counts_strategy, st.sampled_from((1 - 1e-6, 1 + 1e-6, 1 - 3e-8, 1 + 3e-8)))
def test_orders_near_one_keep_their_digits(counts, q):
    # The derivative of ln D by q at 1 is minus half the variance of ln p.
    p = counts[counts > 0] / counts.sum()
    slope = -0.5 * (p @ np.log(p) ** 2 - (p @ np.log(p)) ** 2)
    expected = hill_number(counts, q=1) * math.exp(slope * (q - 1))
    assert hill_number(counts, q=q) == pytest.approx(expected, rel=1e-10)


def test_scale_and_zeros_do_not_matter_even_at_the_ends_of_the_range():
    for q in ORDERS:
        expected = hill_number([1, 2, 3], q=q)
        assert hill_number([1e308, 0, 0.5e308, 1.5e308], q=q) == pytest.approx(expected)
        assert hill_number([2e-310, 4e-310, 6e-310], q=q) == pytest.approx(expected)


@pytest.mark.parametrize("function", [hill_number, normalized_entropy])
@pytest.mark.parametrize(
    ("values", "message"),
    [
        ([], "shape"),
        ([[1.0, 2.0]], "shape"),
        ([0.0, 0.0], "above 0"),
        ([1.0, -1.0, 2.0, np.nan], r"\[1, 3\]"),
        ([np.inf, 1.0], r"\[0\]"),
    ],
)
def test_abundances_that_are_none_are_refused(function, values, message):
    arguments = {"q": 1} if function is hill_number else {}
    with pytest.raises(ValueError, match=f"{function.__name__}: .*{message}"):
        function(values, **arguments)


def test_a_closed_set_of_one_kind_has_no_normalized_entropy():
    with pytest.raises(ValueError, match="at least 2 kinds"):
        normalized_entropy([3])


def test_normalized_entropy_counts_the_whole_set():
    assert normalized_entropy([5, 5]) == 1.0
    assert normalized_entropy([5, 5, 0, 0]) == 0.5
    assert normalized_entropy([7, 0, 0]) == 0.0


@pytest.mark.parametrize("q", [-1, math.nan, "Inf", "1", None, True, 1j])
def test_orders_that_are_none_are_refused(q):
    with pytest.raises(ValueError, match="f: the order must be"):
        read_order(q, "f")


@pytest.mark.parametrize("orders", ["inf", [], [1, -2]])
def test_lists_of_orders_are_checked(orders):
    with pytest.raises(ValueError, match="f: "):
        read_orders(orders, "f")


UNLIKE_THIRD = [[1, 0.9, 0], [0.9, 1, 0], [0, 0, 1]]


@pytest.mark.parametrize(
    ("q", "value"), [(0, 2.052632), (0.5, 2.002389), (1, 1.955625), (2, 1.875), ("inf", 1.578947)]
)
def test_similarity_sensitive_diversity_is_the_checked_one(q, value):
    assert leinster_cobbold([1, 1, 1], UNLIKE_THIRD, q=q) == pytest.approx(value, abs=5e-7)


def test_equally_similar_kinds_have_one_diversity_at_every_order():
    z = np.full((10, 10), 0.5) + 0.5 * np.eye(10)
    for q in ORDERS:
        assert leinster_cobbold(np.ones(10), z, q=q) == pytest.approx(1.818182, abs=5e-7)


@given(counts_strategy, st.sampled_from(ORDERS))
def test_without_similarity_the_diversity_is_the_hill_number(counts, q):
    found = leinster_cobbold(counts, np.eye(counts.size), q=q)
    assert found == pytest.approx(hill_number(counts, q=q), rel=1e-11)


@pytest.mark.parametrize(
    ("z", "message"),
    [
        (np.eye(2), "shape"),
        (np.eye(3) * 2, "diagonal"),
        (np.eye(3) - 0.1 * np.eye(3)[::-1], "at least 0"),
        (np.full((3, 3), np.nan), "finite"),
    ],
)
def test_similarities_that_are_none_are_refused(z, message):
    with pytest.raises(ValueError, match=f"leinster_cobbold: .*{message}"):
        leinster_cobbold([1, 1, 1], z)


def test_internal_diversity_is_one_minus_the_reciprocal_of_order_two():
    diversity = leinster_cobbold([1, 1, 1], UNLIKE_THIRD, q=2)
    assert internal_diversity(UNLIKE_THIRD) == pytest.approx(1 - 1 / diversity, rel=1e-14)
    assert internal_diversity(np.ones((4, 4))) == 0.0
    assert internal_diversity([[1, 0.5], [0.5, 1]], q=2) == pytest.approx(1 - 1.25 / 2)
    assert internal_diversity([[1, -0.5], [-0.5, 1]]) == 0.75


@pytest.mark.parametrize(
    ("kernel", "q", "message"),
    [
        (np.ones((2, 3)), 1, "shape"),
        (np.ones((0, 0)), 1, "shape"),
        ([[np.nan]], 1, "finite"),
        (np.eye(2), 0, "above 0"),
        ([[1, -0.5], [-0.5, 1]], 0.5, "negative"),
    ],
)
def test_internal_diversity_refuses_what_has_none(kernel, q, message):
    with pytest.raises(ValueError, match=f"internal_diversity: .*{message}"):
        internal_diversity(kernel, q=q)


def test_an_order_near_the_largest_number_does_not_overflow():
    assert hill_number([1.0, 1.0, 1.0], q=1.6e308) == pytest.approx(3.0)
    assert hill_number([3.0, 1.0], q=1e308) == pytest.approx(4 / 3)
