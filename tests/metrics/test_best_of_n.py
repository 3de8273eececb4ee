"""Best-of-N: the simulation against exact chances."""

from itertools import combinations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from evalsuite.metrics import (
    best_of_n_draws,
    best_of_n_pairs,
    best_of_n_probabilities,
    mean_pairwise_cosine_distance,
)
from evalsuite.metrics.best_of_n import expected_best_of_n_distance

POOLS = st.lists(st.integers(0, 3).map(float), min_size=1, max_size=7)


@given(rewards=POOLS, data=st.data())
def test_chances_are_those_of_all_subsets(rewards, data):
    n = data.draw(st.integers(1, len(rewards)))
    shares = np.zeros(len(rewards))
    subsets = list(combinations(range(len(rewards)), n))
    for subset in subsets:
        best = max(rewards[i] for i in subset)
        winners = [i for i in subset if rewards[i] == best]
        shares[winners] += 1 / len(winners) / len(subsets)
    assert best_of_n_probabilities(rewards, n=n) == pytest.approx(shares, abs=1e-12)


@pytest.mark.parametrize("n", [1, 3, 8])
def test_the_simulation_draws_with_the_exact_chances(n):
    rewards = [0.1, 0.5, 0.5, 0.9, 0.3, 0.2, 0.8, 0.0]
    repeats = 20_000
    drawn = best_of_n_draws(rewards, n=n, repeats=repeats, rng=np.random.default_rng(0))
    shares = np.bincount(drawn, minlength=8) / repeats
    chance = best_of_n_probabilities(rewards, n=n)
    assert np.abs(shares - chance).max() < 4.5 * np.sqrt(0.25 / repeats)
    assert not shares[chance == 0].any()


def test_one_of_one_is_the_pool_itself_and_all_of_all_its_best():
    rewards = np.arange(6.0)
    assert best_of_n_probabilities(rewards, n=1) == pytest.approx(np.full(6, 1 / 6))
    drawn = best_of_n_draws(rewards, n=6, repeats=50, rng=np.random.default_rng(0))
    assert set(drawn) == {5}


@pytest.mark.parametrize(
    ("rewards", "n", "message"),
    [
        ([], 1, "finite rewards"),
        ([[1.0]], 1, "finite rewards"),
        ([np.nan], 1, "finite rewards"),
        ([1.0], 2, "n must lie in 1 to the pool's 1, got 2"),
        ([1.0], 0, "got 0"),
    ],
)
def test_what_is_no_pool_is_refused(rewards, n, message):
    with pytest.raises(ValueError, match=message):
        best_of_n_draws(rewards, n=n, repeats=1, rng=np.random.default_rng(0))
    with pytest.raises(ValueError, match=message):
        best_of_n_probabilities(rewards, n=n)


def test_no_repeats_are_refused():
    with pytest.raises(ValueError, match="repeats must be at least 1"):
        best_of_n_draws([1.0], n=1, repeats=0, rng=np.random.default_rng(0))


def test_of_equal_rewards_each_stands_out_equally_often():
    drawn = best_of_n_draws([1.0] * 5, n=3, repeats=20_000, rng=np.random.default_rng(0))
    # 4,000 each, with a standard deviation of 57.
    assert np.abs(np.bincount(drawn, minlength=5) - 4000).max() < 260


def test_the_same_seed_draws_the_same():
    draws = [
        best_of_n_draws(np.arange(32), n=16, repeats=32, rng=np.random.default_rng(3)) for _ in "ab"
    ]
    assert np.array_equal(*draws)


@given(rewards=st.lists(st.floats(-1e9, 1e9), min_size=1, max_size=40), data=st.data())
def test_chances_sum_to_one_and_never_fall_with_the_reward(rewards, data):
    n = data.draw(st.integers(1, len(rewards)))
    chances = best_of_n_probabilities(rewards, n=n)
    assert chances.sum() == pytest.approx(1.0, abs=1e-12)
    order = np.argsort(rewards, kind="stable")
    ranked, kept = np.array(rewards)[order], chances[order]
    grows = np.diff(ranked) > 0
    # A tie shares its chance, so that only the chance of the whole group grows with its reward.
    if grows.all():
        assert (np.diff(kept) >= -1e-15).all()


def test_chances_of_a_large_pool_are_finite():
    chances = best_of_n_probabilities(np.arange(5_000.0), n=2_500)
    assert chances.sum() == pytest.approx(1.0, abs=1e-12)
    assert chances[-1] == pytest.approx(0.5)


@given(seed=st.integers(0, 2**32 - 1), pool=st.integers(1, 8), data=st.data())
def test_the_expected_distance_is_the_mean_over_all_pairs_of_draws(seed, pool, data):
    n = data.draw(st.integers(1, pool))
    rng = np.random.default_rng(seed)
    rows, rewards = rng.normal(size=(pool, 3)), rng.integers(0, 4, pool).astype(float)
    units = rows / np.linalg.norm(rows, axis=1, keepdims=True)
    chances = best_of_n_probabilities(rewards, n=n)
    by_hand = sum(
        chances[i] * chances[j] * (1 - units[i] @ units[j])
        for i in range(pool)
        for j in range(pool)
    )
    found = expected_best_of_n_distance(1e200 * rows, rewards, n=n)
    assert found == pytest.approx(by_hand, abs=1e-12)


def test_the_simulation_has_the_expected_distance_on_average():
    rng = np.random.default_rng(2)
    rows, rewards = rng.normal(size=(32, 5)), rng.normal(size=32)
    rows[3] = 0.0
    means = [
        mean_pairwise_cosine_distance(rows[best_of_n_draws(rewards, n=4, repeats=32, rng=rng)])
        for _ in range(2000)
    ]
    error = np.std(means, ddof=1) / np.sqrt(len(means))
    assert abs(np.mean(means) - expected_best_of_n_distance(rows, rewards, n=4)) < 4 * error


def test_sharing_a_pool_of_32_makes_the_best_of_16_a_third_too_alike():
    pool = expected_best_of_n_distance(np.eye(32), np.arange(32.0), n=16)
    assert pool == pytest.approx(0.66183645, abs=1e-8)  # any two of these answers are 1 apart
    wide = expected_best_of_n_distance(np.eye(512), np.arange(512.0), n=16)
    assert 0.98 < wide < 1.0


def test_a_pool_of_equal_answers_has_no_distance():
    assert expected_best_of_n_distance(np.ones((9, 4)), np.arange(9.0), n=2) == pytest.approx(
        0.0, abs=1e-24
    )


@pytest.mark.parametrize("rows", [np.ones((2, 2)), np.ones(3), np.full((3, 1), np.nan)])
def test_features_that_do_not_fit_the_rewards_are_refused(rows):
    with pytest.raises(ValueError, match="expected 3 finite rows of features"):
        expected_best_of_n_distance(rows, np.arange(3.0), n=1)


@pytest.mark.parametrize("pool_size", [8, 12, 32])
def test_pairs_have_the_distance_of_the_policy_whatever_the_pool(pool_size):
    # Rewards say nothing of the answer: the policy's two answers differ as often as any two do.
    rng = np.random.default_rng(3)
    different = []
    for _ in range(800):
        kinds = rng.integers(0, 4, pool_size)
        pairs = best_of_n_pairs(rng.random(pool_size), n=4, repeats=20, rng=rng)
        different.append(np.mean(kinds[pairs[:, 0]] != kinds[pairs[:, 1]]))
    assert np.mean(different) == pytest.approx(0.75, abs=4 * np.std(different) / np.sqrt(800))


def test_pairs_need_twice_n_answers_and_never_show_one_twice():
    pairs = best_of_n_pairs(np.arange(8.0), n=4, repeats=200, rng=np.random.default_rng(0))
    assert (pairs[:, 0] != pairs[:, 1]).all() and (pairs.max(axis=1) == 7).all()
    with pytest.raises(ValueError, match="pool's 7, got 8"):
        best_of_n_pairs(np.arange(7.0), n=4, repeats=1, rng=np.random.default_rng(0))
