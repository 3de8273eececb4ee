import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from evalsuite.metrics.vendi import (
    gaussian_kernel,
    nystroem_vendi_scores,
    spectrum_of_matrix,
    truncated_vendi_scores,
    truncated_vendi_scores_from_kernel,
    vendi_scores,
    vendi_scores_from_kernel,
)
from evalsuite.metrics.vendi.truncated import truncated_scores_of_spectrum

ORDERS = (0.1, 0.5, 1, 2, math.inf)


def normal_rows(n=30, d=6, seed=0):
    return np.random.default_rng(seed).normal(size=(n, d))


def test_two_of_four_eigenvalues_give_the_checked_scores():
    spectrum = spectrum_of_matrix(np.diag([0.4, 0.3, 0.2, 0.1]))
    found = truncated_scores_of_spectrum(spectrum, t=2, orders=(0.5, 1, 2))
    assert found.eigenvalues == pytest.approx([0.55, 0.45], abs=1e-12)
    assert found.values == pytest.approx([1.994987, 1.990008, 1.980198], abs=5e-7)
    assert found.tail == pytest.approx(0.3, abs=1e-12)


@pytest.mark.parametrize("t", [6, 7, 1000])
def test_from_the_rank_on_the_score_is_the_plain_one(t):
    rows = normal_rows()
    found = truncated_vendi_scores(rows, t=t, orders=ORDERS)
    assert found.values == pytest.approx(vendi_scores(rows, orders=ORDERS).values, rel=1e-12)
    assert found.tail == 0.0


def test_one_eigenvalue_is_one_kind():
    found = truncated_vendi_scores(normal_rows(), t=1, orders=ORDERS)
    assert found.values == pytest.approx(np.ones(5), abs=1e-12)


@settings(deadline=None)  # the first example imports scipy
@given(st.integers(1, 8), st.integers(0, 5))
def test_truncated_eigenvalues_sum_to_one_and_bound_the_score_by_t(t, seed):
    found = truncated_vendi_scores(normal_rows(seed=seed), t=t, orders=ORDERS)
    assert found.eigenvalues.sum() == pytest.approx(1, abs=1e-12)
    assert found.values.max() <= t + 1e-9
    assert (np.diff(found.values) <= 1e-9).all()


@settings(deadline=None)  # the first example imports scipy
@given(st.integers(1, 8), st.permutations(range(30)))
def test_the_order_of_the_rows_does_not_matter(t, order):
    rows = normal_rows()
    expected = truncated_vendi_scores(rows, t=t, orders=ORDERS).values
    assert truncated_vendi_scores(rows[order], t=t, orders=ORDERS).values == pytest.approx(expected)


def test_features_and_their_kernel_agree():
    rows = normal_rows(n=5, d=9)
    unit = rows / np.linalg.norm(rows, axis=1, keepdims=True)
    found = truncated_vendi_scores_from_kernel(unit @ unit.T, t=3, orders=ORDERS).values
    assert found == pytest.approx(truncated_vendi_scores(rows, t=3, orders=ORDERS).values)


@pytest.mark.parametrize("t", [0, -1, 1.5, True])
def test_a_t_that_counts_nothing_is_refused(t):
    with pytest.raises(ValueError, match="truncated_vendi_scores: t must be a whole number"):
        truncated_vendi_scores(np.eye(3), t=t)


def test_landmarks_at_every_row_are_exact():
    rows = normal_rows(n=12, d=3)
    exact = vendi_scores_from_kernel(gaussian_kernel(rows, sigma=2.0), orders=(1, 2, math.inf))
    found = nystroem_vendi_scores(rows, t=12, seed=0, sigma=2.0, orders=(1, 2, math.inf))
    assert found.values == pytest.approx(exact.values, rel=1e-6)
    assert found.seen == pytest.approx(1, abs=1e-9)


def test_as_many_landmarks_as_dimensions_see_the_whole_cosine_kernel():
    rows = normal_rows(n=200, d=5)
    found = nystroem_vendi_scores(rows, t=20, seed=3, orders=(1, 2))
    assert found.values == pytest.approx(vendi_scores(rows, orders=(1, 2)).values, rel=1e-8)


def test_few_landmarks_say_how_little_they_see_and_add_no_tail():
    found = nystroem_vendi_scores(np.eye(8), t=2, seed=1, orders=(0.5, 1))
    assert found.seen == pytest.approx(0.25)
    assert found.values == pytest.approx([2, 2])


def test_the_seed_decides_the_landmarks():
    rows = normal_rows(n=40)
    first, again, other = (nystroem_vendi_scores(rows, t=5, seed=s) for s in (4, 4, 5))
    assert first.landmarks == again.landmarks != other.landmarks
    assert (first.values == again.values).all()
    assert first.seed == 4


@pytest.mark.parametrize("t", [0, 4])
def test_more_landmarks_than_rows_or_none_are_refused(t):
    with pytest.raises(ValueError, match="nystroem_vendi_scores: t must lie in 1 to 3"):
        nystroem_vendi_scores(np.eye(3), t=t, seed=0)


def test_landmarks_of_a_gaussian_kernel_come_near_the_exact_score():
    rows = normal_rows(400, 2)
    exact = vendi_scores_from_kernel(gaussian_kernel(rows, sigma=1.0), orders=(1, 2, "inf"))
    found = nystroem_vendi_scores(rows, t=150, seed=0, sigma=1.0, orders=(1, 2, "inf"))
    assert found.values == pytest.approx(exact.values, rel=5e-3)
    assert 0.99 < found.seen < 1.0


def test_copies_among_the_landmarks_do_no_harm():
    rows = np.repeat(np.eye(3), 20, axis=0)
    found = nystroem_vendi_scores(rows, t=40, seed=1, sigma=0.1, orders=(0, 1, "inf"))
    assert found.values == pytest.approx([3, 3, 3])


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"t": 3, "seed": 0, "max_side": 2}, "t must lie in 1 to 2, got 3"),
        ({"t": 1, "seed": None}, "seed must be a whole number"),
        ({"t": 1, "seed": 0, "sigma": -1}, "sigma must be finite and above 0"),
        ({"t": 1, "seed": 0, "orders": ()}, "expected a sequence of orders"),
    ],
)
def test_options_of_the_landmarks_out_of_range_are_refused(options, message):
    with pytest.raises(ValueError, match=f"nystroem_vendi_scores: {message}"):
        nystroem_vendi_scores(np.eye(3), **options)
