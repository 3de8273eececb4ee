import math

import numpy as np
import pytest
import scipy.sparse
import vendi_score.vendi as package
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

import evalsuite.metrics.vendi.density as density
from evalsuite.metrics.hill import hill_number, internal_diversity
from evalsuite.metrics.vendi import (
    cosine_kernel,
    gaussian_kernel,
    vendi_score,
    vendi_score_from_kernel,
    vendi_scores,
    vendi_scores_from_kernel,
    vendi_scores_of_blocks,
)

pytestmark = pytest.mark.filterwarnings("ignore:Please import `csr_matrix`:DeprecationWarning")

ORDERS = (0.1, 0.5, 1, 2, math.inf)
ALL_ORDERS = (0, 0.1, 0.5, 1, 1.5, 2, 5, "inf")


def equicorrelated(n, c):
    return np.full((n, n), c) + (1 - c) * np.eye(n)


ANALYTIC = {
    "a pair and another": (
        [[1, 0.9, 0], [0.9, 1, 0], [0, 0, 1]],
        (2.845537, 2.420348, 2.157300, 1.948052, 1.578947),
    ),
    "two, cosine .5": (
        equicorrelated(2, 0.5),
        (1.971590, 1.866025, 1.754765, 1.6, 1.333333),
    ),
    "ten, cosine .25": (
        equicorrelated(10, 0.25),
        (9.855513, 9.210249, 8.278879, 6.4, 3.076923),
    ),
    "ten, cosine .5": (
        equicorrelated(10, 0.5),
        (9.537936, 7.584962, 5.348894, 3.076923, 1.818182),
    ),
    "ten, cosine .9": (
        equicorrelated(10, 0.9),
        (8.234545, 3.437091, 1.649196, 1.206273, 1.098901),
    ),
    "seven orthogonal": (np.eye(7), (7, 7, 7, 7, 7)),
}


@pytest.mark.parametrize("name", ANALYTIC)
def test_scores_are_the_analytic_ones(name):
    kernel, values = ANALYTIC[name]
    assert vendi_scores_from_kernel(kernel).values == pytest.approx(values, abs=5e-7)
    rows = np.linalg.cholesky(np.asarray(kernel, dtype=float))
    for q, value in zip(ORDERS, values, strict=True):
        assert vendi_score_from_kernel(kernel, q=q) == pytest.approx(value, abs=5e-7)
        assert vendi_score(rows, q=q) == pytest.approx(value, abs=5e-7)


@pytest.mark.parametrize(
    ("p", "values"),
    [
        ((0.5, 0.25, 0.25), (2.982964, 2.914214, 2.828427, 2.666667, 2)),
        ((0.97, 0.01, 0.01, 0.01), (3.251475, 1.650931, 1.182582, 1.062473, 1.030928)),
    ],
)
def test_weighted_orthogonal_items_have_the_hill_numbers_of_their_weights(p, values):
    rows = np.eye(len(p))
    assert vendi_scores_from_kernel(rows, weights=p).values == pytest.approx(values, abs=5e-7)
    assert vendi_scores(rows, weights=p).values == pytest.approx(values, abs=5e-7)
    # The same weights, the first at the second copy of its item.
    apart = np.r_[0, p[1:], p[0], np.zeros(len(p) - 1)]
    found = vendi_scores(np.vstack([rows, rows]), weights=apart)
    assert found.values == pytest.approx(values, abs=5e-7)


def test_three_far_pairs_are_three_kinds():
    x = np.array([0.0, 0, 10, 10, 20, 20])[:, None]
    found = vendi_scores_from_kernel(np.exp(-np.abs(x - x.T)))
    assert found[1] == pytest.approx(2.99999999588, abs=5e-12)
    assert found.values == pytest.approx([3.0, 3.0, 3.0, 3.0, 2.999807], abs=5e-5)
    assert found["inf"] == pytest.approx(2.999807, abs=5e-7)


def test_four_rows_near_two_axes_are_two_kinds():
    rows = [[100, 0], [99, 1], [1, 99], [0, 100]]
    assert vendi_score(rows) == pytest.approx(1.999897991279, abs=5e-13)


def test_the_vector_of_the_statistics_page_holds():
    found = vendi_scores_from_kernel([[1, 0.5, 0], [0.5, 1, 0], [0, 0, 1]], orders=(1, 2, "inf"))
    assert found.values == pytest.approx([2.7494592740, 2.5714285714, 2.0], abs=5e-11)


def test_order_two_needs_no_solver(monkeypatch):
    rows = np.random.default_rng(0).normal(size=(40, 9))
    expected = [
        vendi_scores(rows)[2],
        vendi_scores(rows.T)[2],
        vendi_scores_from_kernel(cosine_kernel(rows))[2],
    ]

    def refuse(matrix):
        raise AssertionError("solved")

    monkeypatch.setattr(density.np.linalg, "eigvalsh", refuse)
    found = [
        vendi_score(rows, q=2),
        vendi_score(rows.T, q=2),
        vendi_score_from_kernel(cosine_kernel(rows), q=2),
    ]
    assert found == pytest.approx(expected, rel=1e-12)


def test_order_two_still_refuses_or_clips_a_kernel_that_is_not_positive_semidefinite():
    kernel = [[1, 0.9, 0], [0.9, 1, 0.9], [0, 0.9, 1]]
    with pytest.raises(ValueError, match="vendi_score_from_kernel: the kernel is not positive"):
        vendi_score_from_kernel(kernel, q=2)
    clipped = vendi_scores_from_kernel(kernel, psd="clip")
    assert vendi_score_from_kernel(kernel, q=2, psd="clip") == clipped[2]
    assert clipped[1] == pytest.approx(1.850569, abs=5e-7)


features_strategy = st.tuples(st.integers(1, 8), st.integers(1, 5)).flatmap(
    lambda shape: arrays(np.float64, shape, elements=st.integers(-4, 4).map(float))
)


def with_direction(features):
    features = features.copy()
    features[np.abs(features).max(axis=1) == 0, 0] = 1.0
    return features


@given(features_strategy)
def test_scores_lie_between_one_and_n_and_fall_with_the_order(features):
    rows = with_direction(features)
    values = vendi_scores(rows, orders=ALL_ORDERS).values
    assert values.min() >= 1 - 1e-12
    assert values.max() <= len(rows) + 1e-9
    assert (np.diff(values) <= 1e-9).all()
    order_two, largest = values[5], values[7]
    assert math.sqrt(order_two) <= largest * (1 + 1e-12)
    assert largest <= order_two * (1 + 1e-12)


@given(features_strategy, st.randoms(use_true_random=False), st.integers(2, 4))
def test_order_scale_sign_rotation_and_repetition_do_not_matter(features, random, times):
    rows = with_direction(features)
    expected = vendi_scores(rows, orders=ALL_ORDERS).values
    turn = np.linalg.qr(np.random.default_rng(times).normal(size=(rows.shape[1],) * 2))[0]
    order = random.sample(range(len(rows)), len(rows))
    scales = np.array([random.choice([0.5, -1.0, 1e200, 1e-200, 3.0]) for _ in order])
    changed = (rows[order] @ turn) * scales[:, None]
    assert vendi_scores(changed, orders=ALL_ORDERS).values == pytest.approx(expected, rel=1e-6)
    repeated = vendi_scores(np.tile(rows, (times, 1)), orders=ALL_ORDERS).values
    assert repeated == pytest.approx(expected, rel=1e-6)


@given(features_strategy)
def test_equal_rows_merge_into_one_of_their_weight(features):
    rows = with_direction(features)
    n = len(rows)
    merged = vendi_scores(rows, weights=np.r_[2, np.ones(n - 1)] / (n + 1), orders=ALL_ORDERS)
    doubled = vendi_scores(np.vstack([rows[:1], rows]), orders=ALL_ORDERS)
    assert doubled.values == pytest.approx(merged.values, rel=1e-6)


@given(features_strategy, features_strategy)
def test_groups_without_likeness_add_up(left, right):
    left, right = with_direction(left), with_direction(right)
    rows = np.block(
        [
            [left, np.zeros((len(left), right.shape[1]))],
            [np.zeros((len(right), left.shape[1])), right],
        ]
    )
    shares = np.array([len(left), len(right)]) / len(rows)
    for q in (0.5, 1, 3):
        parts = np.array([vendi_score(left, q=q), vendi_score(right, q=q)])
        if q == 1:
            expected = hill_number(shares) * np.prod(parts**shares)
        else:
            expected = np.sum(shares**q * parts ** (1 - q)) ** (1 / (1 - q))
        assert vendi_score(rows, q=q) == pytest.approx(expected, rel=1e-7)


@pytest.mark.parametrize("q", ALL_ORDERS)
def test_one_item_equal_items_and_opposite_items_are_one_kind(q):
    assert vendi_score([[0.3, -2.0]], q=q) == 1.0
    assert vendi_score_from_kernel([[1.0]], q=q) == 1.0
    assert vendi_score(np.ones((20, 7)), q=q) == pytest.approx(1, abs=1e-12)
    assert vendi_score([[1, 2], [-1, -2]], q=q) == pytest.approx(1, abs=1e-12)


def test_scores_name_what_they_were_asked_for():
    found = vendi_scores(np.eye(3), orders=("inf", 1))
    assert found.orders == (math.inf, 1.0)
    assert found[math.inf] == found["inf"] == 3.0
    assert found.spectrum.rank == 3
    with pytest.raises(KeyError, match="no order 2"):
        found[2]


@pytest.mark.parametrize("q", [-0.5, math.nan, "one"])
def test_an_order_that_is_none_is_refused_before_anything_is_solved(q):
    with pytest.raises(ValueError, match="vendi_score: the order"):
        vendi_score(np.eye(2), q=q)
    with pytest.raises(ValueError, match="vendi_score_from_kernel: the order"):
        vendi_score_from_kernel(np.eye(2), q=q)
    for function in (vendi_scores, vendi_scores_from_kernel, vendi_scores_of_blocks):
        with pytest.raises(ValueError, match=f"{function.__name__}: the order"):
            function(np.eye(2), orders=(1, q))


def test_the_package_agrees_where_it_is_right():
    rows = np.random.default_rng(5).normal(size=(30, 12))
    kernel = gaussian_kernel(rows, sigma=3.0)
    weights = np.random.default_rng(6).dirichlet(np.ones(30))
    assert vendi_score(rows) == pytest.approx(package.score_X(rows), rel=1e-12)
    assert vendi_score(rows) == pytest.approx(package.score_dual(rows), rel=1e-12)
    for q in (0.1, 0.5, 1, 2, "inf"):
        assert vendi_score_from_kernel(kernel, q=q) == pytest.approx(
            package.score_K(kernel, q=q), rel=1e-10
        )
        assert vendi_score_from_kernel(kernel, q=q, weights=weights) == pytest.approx(
            package.score_K(kernel, q=q, p=weights), rel=1e-10
        )


def test_the_package_ignores_the_order_of_features():
    rows = np.random.default_rng(5).normal(size=(30, 12))
    assert package.score_X(rows, q=2) == package.score_X(rows, q=1)
    assert vendi_score(rows, q=2) < 0.95 * vendi_score(rows, q=1)


def test_the_package_knows_infinity_as_a_word_only():
    kernel = equicorrelated(4, 0.5)
    with np.errstate(all="ignore"):
        assert math.isnan(package.score_K(kernel, q=math.inf))
    assert vendi_score_from_kernel(kernel, q=math.inf) == package.score_K(kernel, q="inf")


def test_the_package_counts_rounding_as_kinds():
    rows = np.tile(np.linalg.qr(np.random.default_rng(0).normal(size=(32, 3)))[0].T, (200, 1))
    assert package.score_K(rows @ rows.T, q=0.1) > 6
    assert vendi_score_from_kernel(rows @ rows.T, q=0.1) == pytest.approx(3, abs=1e-9)


def test_the_package_loses_the_weight_of_zero_rows():
    rows = np.vstack([np.eye(3), np.zeros((1, 3))])
    assert package.score_X(rows) == pytest.approx(2.828427, abs=5e-7)
    assert vendi_score(rows, zero="drop") == pytest.approx(3)
    assert vendi_score(rows, zero="orthogonal") == pytest.approx(4)


def test_the_package_scores_what_is_no_kernel():
    kernel = np.array([[1, 0.9, 0], [0.9, 1, 0.9], [0, 0.9, 1]])
    assert package.score_K(kernel) == pytest.approx(1.779826, abs=5e-7)


def test_the_package_fails_on_sparse_kernels_and_ours_says_why():
    kernel = scipy.sparse.csr_array(np.eye(20))
    with pytest.raises((ValueError, AttributeError)):
        package.score_K(kernel)
    with pytest.raises(ValueError, match=r"sparse kernel .* kernel.toarray"):
        vendi_score_from_kernel(kernel)
    assert vendi_score_from_kernel(kernel.toarray()) == pytest.approx(20)


def test_the_package_keeps_six_eigenvalues_of_sparse_matrices():
    assert package.score_K(scipy.sparse.csr_matrix(np.eye(20))) == pytest.approx(2.456456, abs=5e-7)


def test_internal_diversity_is_that_of_the_package_whose_form_for_features_fails():
    rows = np.random.default_rng(5).normal(size=(30, 12))
    for q in (1, 2):
        expected = package.intdiv_K(cosine_kernel(rows), q=q)
        assert internal_diversity(cosine_kernel(rows), q=q) == pytest.approx(expected, rel=1e-12)
    with pytest.raises(TypeError):
        package.intdiv_X(rows)
