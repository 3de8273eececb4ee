"""Total variation distance: known values, properties, and what chance alone shows."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from evalsuite.metrics import expected_total_variation, top_share, total_variation_distance

WEIGHTS = st.lists(st.floats(0.01, 10), min_size=3, max_size=3)


def test_distributions_without_a_common_category_are_at_distance_one():
    assert total_variation_distance([1, 0, 0], [0, 2, 3]) == 1.0


@settings(max_examples=60, deadline=None)
@given(WEIGHTS, WEIGHTS, WEIGHTS)
def test_it_is_a_distance_from_0_to_1(p, q, r):
    there, back = total_variation_distance(p, q), total_variation_distance(q, p)
    assert there == pytest.approx(back)
    assert 0 <= there <= 1
    assert total_variation_distance(p, p) == pytest.approx(0, abs=1e-12)
    assert there <= total_variation_distance(p, r) + total_variation_distance(r, q) + 1e-9


@settings(max_examples=40, deadline=None)
@given(WEIGHTS, WEIGHTS)
def test_it_is_the_largest_difference_in_the_share_of_a_set(p, q):
    one, other = np.array(p) / sum(p), np.array(q) / sum(q)
    sets = [np.array([b & 1, b >> 1 & 1, b >> 2 & 1], bool) for b in range(8)]
    largest = max(one[s].sum() - other[s].sum() for s in sets)
    assert total_variation_distance(p, q) == pytest.approx(largest)


@pytest.mark.parametrize("n", [1, 7, 60])
@pytest.mark.parametrize("shares", [[0.5, 0.5], [0.7, 0.2, 0.1], [1.0, 0.0], [0.97, 0.01, 0.02]])
def test_what_chance_shows_is_the_mean_over_samples(shares, n):
    rng = np.random.default_rng(0)
    drawn = rng.multinomial(n, shares, size=20_000) / n
    mean = np.abs(drawn - shares).sum(axis=1).mean() / 2
    assert expected_total_variation(shares, n=n) == pytest.approx(mean, abs=0.004)


def test_the_top_share_is_that_of_the_most_frequent():
    assert top_share([2, 7, 1]) == pytest.approx(0.7)


@pytest.mark.parametrize(
    ("p", "q"),
    [([], []), ([0, 0], [1, 1]), ([1, -1], [1, 1]), ([np.nan, 1], [1, 1]), ([1], [1, 1])],
)
def test_what_is_no_distribution_is_refused(p, q):
    with pytest.raises(ValueError, match="total_variation_distance: "):
        total_variation_distance(p, q)


def test_no_draws_are_refused():
    with pytest.raises(ValueError, match="n must be at least 1"):
        expected_total_variation([0.5, 0.5], n=0)
