import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from evalsuite.metrics.vendi import (
    cosine_kernel,
    left_out_vendi_scores,
    left_out_vendi_scores_from_kernel,
    vendi_scores,
)

ORDERS = (0.1, 0.5, 1, 2, "inf")


def clustered_rows(n_clusters=60, size=8, d=32, seed=0):
    """Rows around the centres of clusters, with a slowly falling spectrum."""
    rng = np.random.default_rng(seed)
    scale = np.arange(1, d + 1) ** -0.7
    centres = rng.normal(size=(n_clusters, 1, d)) * scale
    rows = centres + 0.6 * rng.normal(size=(n_clusters, size, d)) * scale
    return rows.reshape(-1, d), np.repeat(np.arange(n_clusters), size)


def deleted(rows, labels):
    order = list(dict.fromkeys(labels))
    return np.array(
        [vendi_scores(rows[np.array(labels) != c], orders=ORDERS).values for c in order]
    )


@given(st.integers(0, 50), st.integers(2, 30), st.integers(1, 9))
def test_exact_scores_are_those_of_the_rows_that_are_left(seed, n, d):
    rng = np.random.default_rng(seed)
    rows = rng.integers(-2, 3, size=(n, d)) + np.array([0.5] + [0.0] * (d - 1))
    labels = [f"c{i}" for i in rng.integers(4, size=n)]
    labels[0], labels[-1] = "first", "last"
    expected = deleted(rows, labels)
    found = left_out_vendi_scores(rows, clusters=labels, orders=ORDERS)
    kernel = cosine_kernel(rows)
    by_kernel = left_out_vendi_scores_from_kernel(kernel, clusters=labels, orders=ORDERS)
    assert found.left_out == pytest.approx(expected, rel=1e-6)
    assert by_kernel.left_out == pytest.approx(expected, rel=1e-6)
    assert found.whole == pytest.approx(vendi_scores(rows, orders=ORDERS).values)
    assert found.sizes.tolist() == [labels.count(c) for c in dict.fromkeys(labels)]
    assert found.is_exact == (True,) * 5


@pytest.mark.parametrize("way", ["features", "few rows", "kernel"])
def test_first_order_scores_are_near_the_exact_ones_and_never_below(way):
    rows, labels = clustered_rows(d=600 if way == "few rows" else 32)
    if way == "kernel":
        kernel = cosine_kernel(rows)
        near = left_out_vendi_scores_from_kernel(
            kernel, clusters=labels, orders=ORDERS, exact=False
        )
    else:
        near = left_out_vendi_scores(rows, clusters=labels, orders=ORDERS, exact=False)
    exact = left_out_vendi_scores(rows, clusters=labels, orders=ORDERS, exact=True)
    assert near.is_exact == (False, False, False, True, False)
    assert near.whole == pytest.approx(exact.whole)
    errors = (near.left_out - exact.left_out) / exact.whole
    assert errors.min() > -1e-12
    # Largest errors seen, relative to the score, with a third to spare.
    limits = {
        "few rows": (0.025, 0.025, 0.015, 1e-12, 0.003),
        "kernel": (0.001, 0.003, 0.003, 1e-12, 0.001),
        "features": (0.001, 0.003, 0.003, 1e-12, 0.001),
    }[way]
    assert (errors.max(axis=0) < limits).all(), errors.max(axis=0)


def test_first_order_scores_follow_the_derivative_of_the_trace():
    # For small clusters: T(rho) + (tr f'(rho) rho - x'f'(rho)x) n_c / (n - n_c), here at order 1.
    rows, _ = clustered_rows(n_clusters=500, size=2)
    unit = rows / np.linalg.norm(rows, axis=1, keepdims=True)
    n = len(unit)
    values, vectors = np.linalg.eigh(unit.T @ unit / n)
    slope = -np.log(values) - 1
    influence = np.square(unit @ vectors) @ slope - slope @ values
    expected = -values @ np.log(values) - influence / (n - 1)
    found = left_out_vendi_scores(rows, orders=(1,), exact=False)
    moves = np.log(found.left_out[:, 0] / found.whole[0])
    expected_moves = expected - np.log(found.whole[0])
    assert moves == pytest.approx(expected_moves, abs=0.02 * np.abs(expected_moves).max())


def test_standard_errors_of_first_order_scores_are_near_for_order_one_and_short_below():
    rows, labels = clustered_rows()

    def errors(exact):
        left = left_out_vendi_scores(rows, clusters=labels, orders=ORDERS, exact=exact).left_out
        return np.sqrt(59 / 60 * np.square(left - left.mean(axis=0)).sum(axis=0))

    ratio = errors(False) / errors(True)
    assert 0.5 < ratio[0] < ratio[1] < ratio[2] < 1
    assert ratio[2] > 0.9
    assert ratio[3] == pytest.approx(1, rel=1e-9)


@pytest.mark.parametrize("exact", [True, False])
def test_a_cluster_of_its_own_kind_takes_that_kind_with_it(exact):
    rows = np.repeat(np.diag([3.0, 2.0, 1.0]), [5, 3, 2], axis=0)
    labels = np.repeat(["a", "b", "c"], [5, 3, 2])
    found = left_out_vendi_scores(rows, clusters=labels, orders=(0, *ORDERS), exact=exact)
    shares = (np.array([0.6, 0.4]), np.array([5 / 7, 2 / 7]), np.array([0.625, 0.375]))
    for left, p in zip(found.left_out, shares, strict=True):
        expected = vendi_scores(np.eye(2), weights=p, orders=(0, *ORDERS)).values
        assert left == pytest.approx(expected, rel=1e-9)


def test_the_way_follows_from_the_work_unless_it_is_given(monkeypatch):
    rows, labels = clustered_rows(n_clusters=5)
    assert left_out_vendi_scores(rows, clusters=labels).is_exact[0]
    monkeypatch.setattr("evalsuite.metrics.vendi.influence.EXACT_WORK", 5 * 32**3 - 1)
    assert not left_out_vendi_scores(rows, clusters=labels).is_exact[0]
    assert left_out_vendi_scores(rows, clusters=labels, exact=True).is_exact[0]


def test_each_row_is_its_own_cluster_by_default():
    rows, _ = clustered_rows(n_clusters=5, size=2, d=3)
    found = left_out_vendi_scores(rows, orders=ORDERS)
    assert found.left_out == pytest.approx(deleted(rows, range(10)), rel=1e-10)


@pytest.mark.parametrize(
    ("labels", "message"),
    [([1, 1, 1], "at least two clusters, got 1"), ([1, 2], "3 rows but 2 cluster labels")],
)
def test_clusters_that_cannot_be_left_out_are_refused(labels, message):
    for function in (left_out_vendi_scores, left_out_vendi_scores_from_kernel):
        with pytest.raises(ValueError, match=f"{function.__name__}: .*{message}"):
            function(np.eye(3), clusters=labels)


def test_zero_rows_are_refused_by_number():
    with pytest.raises(ValueError, match="left_out_vendi_scores: zero rows have no direction: 2;"):
        left_out_vendi_scores(np.eye(4)[[0, 1, 3]] * [[1.0], [1.0], [0.0]])
