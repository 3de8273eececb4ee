import tracemalloc

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from evalsuite.metrics.vendi import gaussian_kernel, vendi_scores_from_kernel
from evalsuite.metrics.vendi.random_features import (
    FourierMap,
    random_feature_scores,
    random_feature_scores_of_blocks,
)

ORDERS = (0.5, 1, 2, "inf")


def normal_rows(n=300, d=4, seed=0):
    return np.random.default_rng(seed).normal(size=(n, d))


def test_many_frequencies_come_near_the_gaussian_kernel():
    rows = normal_rows()
    exact = vendi_scores_from_kernel(gaussian_kernel(rows, sigma=3.0), orders=(1, 2, "inf")).values
    found = random_feature_scores(rows, sigma=3.0, n_frequencies=600, seed=0, orders=(1, 2, "inf"))
    assert found.values == pytest.approx(exact, rel=0.02)
    assert found.warnings == ()


def test_the_error_falls_as_one_over_the_root_of_the_frequencies():
    rows = normal_rows(200)
    exact = vendi_scores_from_kernel(gaussian_kernel(rows, sigma=3.0), orders=(2,)).values[0]

    def error(n_frequencies):
        options = {"sigma": 3.0, "n_frequencies": n_frequencies, "orders": (2,)}
        found = [random_feature_scores(rows, seed=s, **options).values[0] for s in range(20)]
        return np.sqrt(np.square(np.array(found) - exact).mean())

    assert 2.5 < error(20) / error(320) < 6.5


@settings(deadline=None)
@given(st.integers(0, 20), st.integers(1, 30), st.integers(1, 5), st.integers(1, 12))
def test_the_trace_is_exactly_1_and_scores_are_between_1_and_2d(seed, n, d, n_frequencies):
    found = random_feature_scores(
        normal_rows(n, d, seed), sigma=0.8, n_frequencies=n_frequencies, seed=seed, orders=ORDERS
    )
    assert found.spectrum.trace_error < 1e-12
    assert found.values.min() >= 1 - 1e-12
    assert found.values.max() <= min(n, 2 * n_frequencies) + 1e-9


def test_the_covariance_is_that_of_the_map():
    rows = normal_rows(50)
    fourier = FourierMap.draw(4, sigma=2.0, n_frequencies=7, rng=np.random.default_rng(9))
    features = fourier(rows)
    assert features.shape == (50, 14)
    expected = np.sort(np.linalg.eigvalsh(features.T @ features / 50))[::-1]
    found = random_feature_scores(rows, sigma=2.0, n_frequencies=7, seed=9)
    assert found.spectrum.eigenvalues == pytest.approx(expected, abs=1e-12)


def test_copies_keep_the_score_and_the_rank_at_small_orders():
    kinds = normal_rows(3)
    few = random_feature_scores(kinds, sigma=1.0, n_frequencies=50, seed=0, orders=(0, 0.1, 1))
    many = random_feature_scores(
        np.tile(kinds, (700, 1)), sigma=1.0, n_frequencies=50, seed=0, orders=(0, 0.1, 1)
    )
    assert many.values == pytest.approx(few.values, rel=1e-9)
    assert many.spectrum.rank == 3


@pytest.mark.parametrize("sizes", [(60,), (1,) * 60, (7, 0, 53)])
def test_the_score_does_not_depend_on_the_blocks(sizes):
    rows = normal_rows(60).astype(np.float32)
    blocks = np.split(rows, np.cumsum(sizes)[:-1])
    options = {"sigma": 1.0, "n_frequencies": 10, "seed": 1}
    found = random_feature_scores_of_blocks(iter(blocks), **options)
    expected = random_feature_scores(rows, **options)
    assert found.values == pytest.approx(expected.values, rel=1e-10)
    assert found.spectrum.n_items == 60


def test_memory_does_not_grow_with_the_rows():
    blocks = (normal_rows(4000, 4, seed) for seed in range(10))
    tracemalloc.start()
    random_feature_scores_of_blocks(blocks, sigma=1.0, n_frequencies=100, seed=0)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 4e7  # 40,000 rows of 200 features would be 64 MB


def test_the_seed_is_stored_and_gives_the_same_score_again():
    options = {"sigma": 1.0, "n_frequencies": 10}
    first = random_feature_scores(normal_rows(), seed=3, **options)
    assert (first.seed, first.sigma, first.n_frequencies) == (3, 1.0, 10)
    assert (
        first.values.tolist()
        == random_feature_scores(normal_rows(), seed=3, **options).values.tolist()
    )
    other = random_feature_scores(normal_rows(), seed=4, **options)
    assert other.values.tolist() != first.values.tolist()


def test_a_score_above_a_quarter_of_the_frequencies_is_flagged():
    found = random_feature_scores(normal_rows(), sigma=0.3, n_frequencies=50, seed=0)
    exact = vendi_scores_from_kernel(gaussian_kernel(normal_rows(), sigma=0.3), orders=(1,))
    assert found.warnings[0].startswith("few_frequencies: the order-1 score ")
    assert "D / 4 = 12.5;" in found.warnings[0]
    assert found.values[2] < 0.6 * exact.values[0]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"sigma": 0.0}, "sigma must be finite and above 0, got 0.0"),
        ({"sigma": np.nan}, "sigma must be finite and above 0"),
        ({"n_frequencies": 0}, "n_frequencies must be at least 1, got 0"),
        ({"n_frequencies": 6, "max_side": 10}, "matrix of side 12, above max_side = 10"),
        ({"seed": -1}, "seed must be a whole number"),
        ({"seed": 1.5}, "seed must be a whole number"),
        ({"orders": (-1,)}, "order must be a number >= 0"),
    ],
)
def test_options_out_of_range_are_refused(options, message):
    usual = {"sigma": 1.0, "n_frequencies": 5, "seed": 0}
    with pytest.raises(ValueError, match=f"random_feature_scores: .*{message}"):
        random_feature_scores(np.eye(3), **usual | options)


def test_rows_are_named_by_their_place_in_the_stream():
    blocks = [np.ones((10, 2)), np.ones((10, 2))]
    options = {"sigma": 1.0, "n_frequencies": 5, "seed": 0}
    blocks[1][[3, 4], 0] = np.inf
    with pytest.raises(ValueError, match=r"rows are not finite: 13, 14$"):
        random_feature_scores_of_blocks(blocks, **options)
    with pytest.raises(ValueError, match="blocks differ in width, 2 and 3"):
        random_feature_scores_of_blocks([np.ones((1, 2)), np.ones((1, 3))], **options)
    with pytest.raises(ValueError, match="no rows"):
        random_feature_scores_of_blocks([], **options)
