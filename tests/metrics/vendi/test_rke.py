import gzip
import math
import tracemalloc

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from evalsuite.metrics.vendi import (
    cosine_kernel,
    gaussian_kernel,
    tanimoto_kernel,
    vendi_score_from_kernel,
)
from evalsuite.metrics.vendi.rke import (
    relative_rke,
    relative_rke_from_kernel,
    rke,
    rke_from_kernel,
    rke_mode_count,
    rke_mode_count_from_kernel,
    sampled_rke,
)


def normal_rows(n=60, d=5, seed=0):
    return np.random.default_rng(seed).normal(size=(n, d))


def equicorrelated(n, c):
    return np.full((n, n), c) + (1 - c) * np.eye(n)


@pytest.mark.parametrize(
    ("kernel", "count"),
    [
        ([[1, 0.9, 0], [0.9, 1, 0], [0, 0, 1]], 1.948052),
        ([[1, 0.5], [0.5, 1]], 1.6),
        (equicorrelated(10, 0.25), 6.4),
        (equicorrelated(10, 0.5), 3.076923),
        (equicorrelated(10, 0.9), 1.206273),
        (np.eye(700), 700),
    ],
)
def test_the_mode_count_has_its_checked_values(kernel, count):
    assert rke_mode_count_from_kernel(kernel) == pytest.approx(count, abs=5e-7)
    assert rke_from_kernel(kernel) == pytest.approx(math.log(count), abs=5e-7)


@settings(deadline=None)  # the first example imports scipy
@given(st.integers(0, 30), st.integers(1, 40), st.integers(1, 8))
def test_all_ways_are_the_reciprocal_of_the_mean_squared_similarity(seed, n, d):
    rows = normal_rows(n, d, seed)
    for sigma, kernel in ((None, cosine_kernel(rows)), (0.7, gaussian_kernel(rows, sigma=0.7))):
        expected = 1 / np.square(kernel).mean()
        assert rke_mode_count(rows, sigma=sigma) == pytest.approx(expected, rel=1e-10)
        assert rke(rows, sigma=sigma) == pytest.approx(math.log(expected), abs=1e-9)
        assert rke_mode_count_from_kernel(kernel) == pytest.approx(expected, rel=1e-12)
        assert vendi_score_from_kernel(kernel, q=2) == pytest.approx(expected, rel=1e-9)


@pytest.mark.parametrize("offset", [0.0, 1e6])
def test_a_gaussian_kernel_of_several_tiles_is_exact_wherever_the_rows_lie(offset):
    rows = np.repeat(normal_rows(1100, 3), 2, axis=0) + offset
    expected = vendi_score_from_kernel(gaussian_kernel(rows, sigma=0.5), q=2)
    assert rke_mode_count(rows, sigma=0.5) == pytest.approx(expected, rel=1e-7)


def test_rows_far_apart_beside_sigma_keep_their_digits():
    rows = np.array([[0.0], [1.0], [1e9], [1e9 + 1]])
    expected = 4 / (1 + math.exp(-1))
    assert rke_mode_count(rows, sigma=1.0) == pytest.approx(expected / 1.0, rel=1e-12)


def test_a_gaussian_kernel_is_never_held_whole():
    rows = normal_rows(6000, 2).astype(np.float32)
    tracemalloc.start()
    rke_mode_count(rows, sigma=1.0)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 1.2e8  # the kernel would be 288 MB


def test_a_kernel_on_disk_is_read_in_strips(tmp_path):
    kernel = cosine_kernel(normal_rows(1500, 4)).astype(np.float32)
    np.save(tmp_path / "kernel.npy", kernel)
    mapped = np.load(tmp_path / "kernel.npy", mmap_mode="r")
    tracemalloc.start()
    found = rke_mode_count_from_kernel(mapped)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert found == pytest.approx(1 / np.square(kernel.astype(float)).mean(), rel=1e-12)
    assert peak < 26e6 < 1500**2 * 8 * 2


@pytest.mark.parametrize("sigma", [None, 1.5])
def test_sampled_pairs_are_within_their_standard_error(sigma):
    rows = normal_rows(200, 4)
    exact = rke_mode_count(rows, sigma=sigma)
    found = [sampled_rke(rows, sigma=sigma, n_pairs=4000, seed=seed) for seed in range(60)]
    away = np.array([(one.mean_square - 1 / exact) / one.mean_square_se for one in found])
    assert abs(away.mean()) < 4 / 60**0.5
    assert 0.7 < away.std(ddof=1) < 1.35
    assert found[0].mode_count_se == pytest.approx(
        found[0].mean_square_se * found[0].mode_count ** 2
    )
    assert found[0].rke == pytest.approx(math.log(found[0].mode_count))
    assert found[0].rke_se == pytest.approx(found[0].mode_count_se / found[0].mode_count)


def test_a_seed_gives_the_same_pairs_and_another_seed_others():
    rows = normal_rows()
    first = sampled_rke(rows, n_pairs=100, seed=3)
    assert first == sampled_rke(rows, n_pairs=100, seed=3)
    assert first.mean_square != sampled_rke(rows, n_pairs=100, seed=4).mean_square
    assert first.seed == 3


def test_sampling_pairs_of_unlike_rows_has_no_error():
    found = sampled_rke(np.eye(5), n_pairs=1000, seed=0)
    assert (found.mode_count, found.mode_count_se) == (pytest.approx(5.0), 0.0)
    assert sampled_rke([[2.0]], seed=0).mode_count == 1.0


def test_a_set_repeated_and_shuffled_has_no_relative_entropy():
    rows = normal_rows(30, 4)
    again = np.random.default_rng(1).permutation(np.repeat(rows, 3, axis=0))
    assert relative_rke(rows, again) == pytest.approx(0, abs=1e-9)
    assert relative_rke(rows, again, sigma=1.0) == pytest.approx(0, abs=1e-9)


def test_sets_with_nothing_alike_are_infinitely_far():
    rows = np.hstack([normal_rows(20, 3), np.zeros((20, 3))])
    assert relative_rke(rows, rows[:, ::-1]) == math.inf
    assert relative_rke([[0.0]], [[100.0]], sigma=1.0) == math.inf


def test_orthogonal_kinds_give_the_bhattacharyya_distance_of_their_shares():
    # The nuclear norm of K / sqrt(nm) is then sum sqrt(p q).
    first, second = np.eye(3)[[0, 0, 0, 1]], np.eye(3)[[0, 1, 1, 2]]
    norm = math.sqrt(0.75 * 0.25) + math.sqrt(0.25 * 0.5)
    assert relative_rke(first, second) == pytest.approx(-2 * math.log(norm))


@settings(deadline=None)  # the first example imports scipy
@given(st.integers(0, 30), st.integers(1, 12), st.integers(1, 12), st.integers(1, 6))
def test_relative_entropy_is_that_of_the_explicit_cross_kernel(seed, n, m, d):
    x, y = normal_rows(n, d, seed), normal_rows(m, d, seed + 1)
    whole = cosine_kernel(np.vstack([x, y]))[:n, n:]
    expected = -2 * math.log(np.linalg.svd(whole, compute_uv=False).sum() / math.sqrt(n * m))
    assert relative_rke(x, y) == pytest.approx(max(expected, 0), abs=1e-9)
    assert relative_rke(y, x) == pytest.approx(relative_rke(x, y), abs=1e-9)
    assert relative_rke_from_kernel(whole) == pytest.approx(relative_rke(x, y), abs=1e-9)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: rke_mode_count([[1.0], [0.0]]), "rke_mode_count: zero rows have no direction: 1"),
        (lambda: rke_mode_count([[1.0], [np.nan]], sigma=1), "rows are not finite: 1"),
        (lambda: rke_mode_count([[1.0]], sigma=0), "sigma must be finite and above 0, got 0"),
        (lambda: rke_mode_count_from_kernel([[1, 0.5], [0.4, 1]]), "not symmetric"),
        (lambda: rke_mode_count_from_kernel([[1, 0], [0, 2]]), "diagonal .* not 1 in rows: 1;"),
        (lambda: rke_mode_count_from_kernel([[1, np.inf], [0, 1]]), "not finite in rows: 0"),
        (lambda: rke_mode_count_from_kernel(np.empty((0, 0))), "n >= 1"),
        (lambda: sampled_rke([[1.0]], n_pairs=1, seed=0), "n_pairs must be at least 2, got 1"),
        (lambda: sampled_rke([[1.0]], seed=-1), "seed must be a whole number"),
        (lambda: relative_rke([[1.0]], [[1.0, 2.0]]), "differ in width, 1 and 2"),
        (lambda: relative_rke(np.eye(9), np.eye(9), max_side=8), "side 9, above max_side = 8"),
        (lambda: relative_rke_from_kernel(2 * np.eye(2)), "nuclear norm is 2 times"),
    ],
)
def test_input_that_is_none_is_refused_by_name(call, message):
    with pytest.raises(ValueError, match=message):
        call()


@pytest.mark.published
def test_published_molecules_have_their_mode_count(published_data):
    with gzip.open(published_data / "vendi" / "moses_test_first2500.tsv.gz", "rt") as lines:
        codes = [line.split("\t")[1].strip() for line in list(lines)[1:1501]]
    packed = np.frombuffer(bytes.fromhex("".join(codes)), dtype=np.uint8)
    kernel = tanimoto_kernel(np.unpackbits(packed.reshape(1500, 128), axis=1))
    assert rke_mode_count_from_kernel(kernel) == pytest.approx(40.7487, abs=5e-5)
