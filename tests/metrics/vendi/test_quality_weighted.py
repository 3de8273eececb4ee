import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from evalsuite.metrics.vendi import gaussian_kernel, vendi_score
from evalsuite.metrics.vendi.quality_weighted import (
    greedy_selection,
    quality_weighted_vendi,
    quality_weighted_vendi_by_set,
    quality_weighted_vendi_from_kernel,
)

SAMPLES = np.array([0.0, 0, 2, 2, 4, 4])
KERNEL = np.exp(-np.abs(SAMPLES[:, None] - SAMPLES))
QUALITY = np.exp(-np.abs(SAMPLES - 2))


def subset_score(at, q=1.0):
    return quality_weighted_vendi_from_kernel(KERNEL[np.ix_(at, at)], QUALITY[at], q=q)


def test_the_checked_values():
    assert subset_score([0, 1, 2]) == pytest.approx(0.793705659274703, rel=1e-13)
    assert subset_score(range(6)) == pytest.approx(1.2551553872451067, rel=1e-13)


def test_greedy_selection_has_its_checked_value():
    found = greedy_selection(KERNEL, QUALITY, size=3)
    assert SAMPLES[list(found.indices)].tolist() == [2, 0, 2]
    assert found.indices == (2, 0, 3)
    assert found.scores[-1] == pytest.approx(1.3338057427881422, rel=1e-13)


def test_the_readme_of_the_reference_prints_the_last_candidate_and_not_the_best():
    # It keeps the candidate that it scanned last: [2, 0, 4], with the score of all six.
    printed = 1.2551553872451062
    assert subset_score([2, 0, 5]) == pytest.approx(printed, rel=1e-13)
    assert greedy_selection(KERNEL, QUALITY, size=3).scores[-1] > printed + 0.07


@settings(deadline=None)  # the first example imports scipy
@given(
    st.integers(0, 60),
    st.integers(1, 9),
    st.sampled_from([0.5, 1, 1.5, 2, "inf"]),
    st.booleans(),
)
def test_each_greedy_step_beats_or_ties_every_other_candidate(seed, n, q, is_coarse):
    rng = np.random.default_rng(seed)
    rows = rng.integers(3, size=(n, 1)) if is_coarse else rng.normal(size=(n, 1))
    kernel, quality = gaussian_kernel(rows, sigma=1.0), rng.uniform(size=n)
    found = greedy_selection(kernel, quality, size=n, q=q)
    assert sorted(found.indices) == list(range(n))
    for step, score in enumerate(found.scores):
        before = list(found.indices[:step])
        sets = [[*before, c] for c in range(n) if c not in before]
        scores = [
            quality_weighted_vendi_from_kernel(kernel[np.ix_(at, at)], quality[at], q=q)
            for at in sets
        ]
        assert score == pytest.approx(max(scores), rel=1e-9)


@pytest.mark.parametrize("q", [0.5, 1, 2, "inf"])
def test_ties_go_to_the_lowest_index(q):
    found = greedy_selection(np.eye(5), np.ones(5), size=5, q=q)
    assert found.indices == (0, 1, 2, 3, 4)
    assert found.scores == pytest.approx([1, 2, 3, 4, 5])


def test_greedy_selection_of_order_2_is_that_of_orders_beside_it():
    kernel = gaussian_kernel(np.random.default_rng(0).normal(size=(60, 2)), sigma=0.5)
    quality = np.random.default_rng(1).uniform(size=60)
    by_squares = greedy_selection(kernel, quality, size=12, q=2)
    solved = greedy_selection(kernel, quality, size=12, q=2 + 1e-9)
    assert by_squares.indices == solved.indices
    assert by_squares.scores == pytest.approx(solved.scores, rel=1e-6)


def test_the_score_of_features_is_their_mean_quality_times_their_vendi_score():
    rows = np.random.default_rng(0).normal(size=(20, 4))
    quality = np.random.default_rng(1).uniform(size=20)
    found = quality_weighted_vendi(rows, quality, q=0.5)
    assert found == pytest.approx(quality.mean() * vendi_score(rows, q=0.5))


def test_a_batch_of_sets_of_unequal_size_is_scored_one_by_one():
    sets = [KERNEL, KERNEL[:3, :3], np.eye(1)]
    found = quality_weighted_vendi_by_set(sets, [QUALITY, QUALITY[:3], [0.5]], orders=(1, "inf"))
    assert found[:, 0] == pytest.approx([1.2551553872451067, 0.793705659274703, 0.5])
    assert found.shape == (3, 2)
    stack = quality_weighted_vendi_by_set(np.stack([KERNEL, KERNEL]), [QUALITY] * 2, orders=(1,))
    assert stack == pytest.approx(1.2551553872451067)


def test_items_without_quality_give_no_score_and_are_chosen_last():
    assert quality_weighted_vendi(np.eye(3), [0, 0, 0]) == 0.0
    assert greedy_selection(np.eye(3), [0, 0, 1.0], size=1).indices == (2,)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: quality_weighted_vendi(np.eye(2), [1, -1]), "negative or not finite: 1"),
        (lambda: quality_weighted_vendi(np.eye(2), [1, np.nan]), "negative or not finite: 1"),
        (lambda: quality_weighted_vendi(np.eye(2), [1]), r"expected 2 qualities, got shape \(1,\)"),
        (lambda: quality_weighted_vendi(np.eye(2), [1, 1], zero="drop"), "got 'drop'"),
        (lambda: greedy_selection(np.eye(2), [1, 1], size=3), "size must lie in 1 to 2, got 3"),
        (lambda: greedy_selection(np.eye(2), [1, 1], size=0), "size must lie in 1 to 2, got 0"),
        (
            lambda: greedy_selection([[1, 0.9, 0], [0.9, 1, 0.9], [0, 0.9, 1]], [1] * 3, size=2),
            "greedy_selection: the kernel is not positive semidefinite",
        ),
        (lambda: quality_weighted_vendi_by_set([], []), "0 kernels but 0 sets"),
        (
            lambda: quality_weighted_vendi_by_set([np.eye(1), [[2.0]]], [[1], [1]]),
            "set 1: .*diagonal",
        ),
    ],
)
def test_input_that_is_none_is_refused_by_name(call, message):
    with pytest.raises(ValueError, match=message):
        call()
