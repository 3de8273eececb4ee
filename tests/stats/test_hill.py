import math
from fractions import Fraction
from itertools import product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from evalsuite.stats.collapsed import simpson_sums
from evalsuite.stats.entropy import entropy_estimate
from evalsuite.stats.hill import hill_estimate, hill_numbers

X = [50, 30, 10, 5, 2, 1, 1, 1]
COUNTS = st.lists(st.integers(0, 30), min_size=1, max_size=10).filter(any)
ORDERS = st.sampled_from([0, 1, 2])


def codes(estimate):
    return [warning.partition(":")[0] for warning in estimate.warnings]


@pytest.mark.parametrize(
    ("q", "expected", "digits"),
    [(0, 12.455, 5e-13), (1, math.exp(1.3653926207), 3e-10), (2, 2.8846153846, 5.1e-11)],
)
def test_the_vector_of_the_specification_is_reproduced(q, expected, digits):
    assert hill_estimate(X, q=q).estimate == pytest.approx(expected, abs=digits)


def test_chao1_without_doubletons_takes_its_other_form():
    assert hill_estimate([5, 1, 1, 1], q=0).estimate == pytest.approx(4 + 7 / 8 * 3)


def test_the_reciprocal_of_order_2_is_unbiased():
    p, n = [Fraction(1, 2), Fraction(3, 10), Fraction(1, 5)], 4
    mean = 0.0
    for sample in product(range(3), repeat=n):
        counts = np.array([[sample.count(i) for i in range(3)]])
        mean += float(math.prod(p[i] for i in sample)) * simpson_sums(counts)[0]
    assert mean == pytest.approx(float(sum(q * q for q in p)), rel=1e-12)


def test_many_samples_have_the_numbers_that_each_has_alone():
    rows = np.array([[9, 4, 1, 1, 0], [3, 3, 2, 0, 0], [40, 2, 2, 1, 1]])
    for q in (0, 1, 2):
        alone = [hill_estimate(row, q=q).estimate for row in rows]
        assert hill_numbers(rows, q).tolist() == pytest.approx(alone, rel=1e-12)


def test_order_1_is_the_entropy_exponentiated():
    rng = [np.random.default_rng(4) for _ in range(2)]
    h, d = entropy_estimate(X, rng=rng[0]), hill_estimate(X, q=1, rng=rng[1])
    assert (d.ci_low, d.ci_high) == pytest.approx((math.exp(h.ci_low), math.exp(h.ci_high)))
    assert d.se == pytest.approx(h.se * d.estimate)
    assert d.method == "exp of Chao-Wang-Jost, bootstrap with unseen classes"


def test_richness_is_a_lower_bound_and_not_below_what_was_seen():
    result = hill_estimate(X, q=0)
    assert codes(result) == ["lower bound"]
    assert result.ci_low >= 8 and result.ci_high > result.estimate


def test_order_2_has_no_estimate_without_repeats_but_an_interval_from_below():
    result = hill_estimate([1] * 60, q=2)
    assert result.estimate is None and result.se is None and result.ci_high is None
    # The chance of no repeat among 1,770 pairs is about exp(-1770 / D_2).
    assert result.ci_low == pytest.approx(1770 / -math.log(0.05), rel=1e-9)
    assert codes(result) == ["singletons only", "low coverage", "no repeats", "unbounded"]
    assert hill_numbers(np.ones((1, 60), dtype=np.int64), 2)[0] == np.inf


def test_one_observation_has_no_order_2():
    result = hill_estimate([1], q=2)
    assert result.estimate is None and result.ci_low is None and "no repeats" in codes(result)


@pytest.mark.parametrize("q", [1, 2])
def test_one_class_has_a_one_sided_interval(q):
    result = hill_estimate([60], q=q)
    assert result.estimate == result.ci_low == 1.0 and result.se is None
    assert 1.0 < result.ci_high < 2.0
    assert codes(result) == ["one class"]


def test_the_number_of_classes_is_unbounded_where_one_was_seen():
    result = hill_estimate([60], q=0)
    assert (result.estimate, result.ci_low, result.ci_high) == (1.0, 1.0, None)
    assert codes(result) == ["lower bound", "unbounded", "one class"]
    assert hill_estimate([60], q=0, n_classes=9).ci_high == 9.0


def test_a_closed_set_that_was_seen_whole_has_no_interval_for_its_size():
    result = hill_estimate([30, 20], q=0, n_classes=2)
    assert result.estimate == 2.0 and result.ci_low is result.ci_high is None
    assert "degenerate" in codes(result)


def test_the_richness_of_a_closed_set_is_at_most_its_size():
    assert hill_estimate(X, q=0).estimate == pytest.approx(12.455)
    cut = hill_estimate(X, q=0, n_classes=10)
    assert cut.estimate == cut.ci_high == 10.0 and 8.0 <= cut.ci_low < 10.0
    assert "lower bound" not in codes(cut)
    whole = hill_estimate(X, q=0, n_classes=8)
    assert whole.estimate == 8.0 and whole.se is whole.ci_low is whole.ci_high is None
    assert codes(whole) == ["degenerate"]
    assert "lower bound" in codes(hill_estimate(X, q=0, n_classes=30))
    rows = np.array([X, [9, 9, 9, 9, 9, 9, 9, 9]])
    assert hill_numbers(rows, 0, n_classes=10).tolist() == [10.0, 8.0]
    assert hill_numbers(rows, 1, n_classes=8).tolist() == hill_numbers(rows, 1).tolist()


@pytest.mark.parametrize("q", [1, 2])
def test_an_estimate_beyond_a_closed_set_is_kept_and_warned_of(q):
    result = hill_estimate([13, 12, 13, 12], q=q, n_classes=4)
    assert result.estimate > 4.0 >= result.ci_high - 1e-12
    assert "beyond the closed set" in codes(result)
    assert "beyond the closed set" not in codes(hill_estimate(X, q=q, n_classes=8))


@settings(deadline=None, max_examples=80)
@given(COUNTS, ORDERS, st.sampled_from([None, 10, 12]))
def test_an_estimate_outside_its_interval_says_so(counts, q, size):
    result = hill_estimate(counts, q=q, n_classes=size)
    if result.estimate is None or "beyond the closed set" in codes(result):
        return
    assert result.ci_high is None or result.estimate <= result.ci_high
    assert result.ci_low is None or result.ci_low <= result.estimate
    assert size is None or result.estimate <= size + 1e-9


@settings(deadline=None, max_examples=80)
@given(COUNTS, ORDERS, st.sampled_from([None, 10, 25]))
def test_an_interval_begins_at_1_or_later_ends_within_the_set_and_has_a_width(counts, q, size):
    result = hill_estimate(counts, q=q, n_classes=size)
    if result.ci_low is None or result.ci_high is None:
        assert {"unbounded", "degenerate", "no repeats"} & set(codes(result))
    else:
        assert result.ci_low < result.ci_high
    assert result.ci_low is None or result.ci_low >= 1.0 - 1e-12
    assert size is None or result.ci_high is None or result.ci_high <= size + 1e-9
    assert result.se is None or result.se > 0


@settings(deadline=None, max_examples=40)
@given(COUNTS, ORDERS)
def test_order_and_absent_classes_change_nothing(counts, q):
    assert hill_estimate(counts, q=q) == hill_estimate([0, *counts[::-1]], q=q)


@given(st.lists(st.floats(0.01, 1.0), min_size=2, max_size=10))
def test_higher_orders_count_fewer_classes_in_large_samples(weights):
    p = np.array(weights) / sum(weights)
    rows = np.maximum(np.round(p * 1_000_000), 10).astype(np.int64)[None, :]
    values = [float(hill_numbers(rows, q)[0]) for q in (0, 1, 2)]
    assert values[0] >= values[1] - 1e-4 and values[1] >= values[2] - 1e-4


@pytest.mark.parametrize("q", [-1, 0.5, 3, math.inf, math.nan])
def test_other_orders_are_refused(q):
    with pytest.raises(ValueError, match=r"^hill_estimate: q must be 0, 1 or 2"):
        hill_estimate(X, q=q)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: hill_estimate([0, 0], q=1), "no observations"),
        (lambda: hill_estimate([2, 1.5], q=1), "whole numbers"),
        (lambda: hill_estimate([2, 1], q=2, level=2), "level"),
        (lambda: hill_estimate([2, 1], q=2, n_classes=1), "2 classes were seen"),
    ],
)
def test_input_that_makes_no_sense_is_an_error(call, message):
    with pytest.raises(ValueError, match=f"^hill_estimate: .*{message}"):
        call()
