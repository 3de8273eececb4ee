import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from vendi_score import vendi

from evalsuite.stats import jackknife_interval, mean_interval
from evalsuite.stats.kernel_diversity import (
    collision_probabilities,
    collision_probability,
    mean_vendi_unbiased,
    vendi_unbiased,
    vendi_unbiased_from_kernel,
)

VECTOR = [[1, 0.5, 0], [0.5, 1, 0], [0, 0, 1]]


def codes(estimate):
    return [warning.partition(":")[0] for warning in estimate.warnings]


def gaussian(n, d, seed=0):
    return np.random.default_rng(seed).normal(size=(n, d))


def unit(rows):
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


def by_pairs(features, cluster):
    """The mean squared cosine over rows of different clusters, pair by pair."""
    rows = unit(features)
    pairs = [
        (rows[i] @ rows[j]) ** 2
        for i in range(len(rows))
        for j in range(len(rows))
        if cluster[i] != cluster[j]
    ]
    return np.mean(pairs)


def test_the_vector_of_the_specification_is_reproduced():
    result = vendi_unbiased_from_kernel(VECTOR)
    assert 1 / result.estimate == pytest.approx(0.0833333, abs=5e-8)
    assert result.estimate == pytest.approx(12.0, rel=1e-12)
    assert result.estimate > result.n  # it estimates the population


@pytest.mark.parametrize(("n", "d"), [(12, 40), (40, 12), (1100, 3), (1030, 1031)])
def test_rows_and_their_kernel_give_one_number_whichever_matrix_is_smaller(n, d):
    rows = unit(gaussian(n, d))
    features, kernel = vendi_unbiased(rows), vendi_unbiased_from_kernel(rows @ rows.T)
    assert features.estimate == pytest.approx(kernel.estimate, rel=1e-9)
    assert features.se == pytest.approx(kernel.se, rel=1e-9)


def test_the_plug_in_of_the_vendi_package_follows_from_the_collision_probability():
    rows = unit(gaussian(30, 10))
    u = collision_probability(rows).probability
    plug_in = vendi.score_K(rows @ rows.T, q=2)
    assert 1 / plug_in == pytest.approx((30 + 30 * 29 * u) / 900, rel=1e-10)


@pytest.mark.parametrize(("n", "d"), [(8, 64), (20, 64), (300, 64)])
def test_the_collision_probability_does_not_depend_on_the_sample_size(n, d):
    # The specification's case: 64 Gaussian features, whose order-2 diversity is 64 at any n.
    rng = np.random.default_rng(3)
    us = collision_probabilities(rng.normal(size=(4000 // n * 4, n, d)))
    assert abs(us.mean() - 1 / 64) < 4 * us.std() / math.sqrt(us.size)


@pytest.mark.parametrize("d", [3, 30])
def test_pooled_prompts_compare_rows_of_different_prompts_only(d):
    rows, cluster = gaussian(20, d), np.repeat(np.arange(6), [1, 2, 7, 3, 3, 4])
    result = collision_probability(rows, clusters=cluster)
    assert result.probability == pytest.approx(by_pairs(rows, cluster), rel=1e-12)
    left_out = [by_pairs(rows[cluster != g], cluster[cluster != g]) for g in range(6)]
    assert result.left_out == pytest.approx(left_out, rel=1e-10)
    weights = 20 - np.bincount(cluster)[cluster]
    assert np.average(result.row_means, weights=weights) == pytest.approx(result.probability)


@pytest.mark.parametrize("d", [4, 50])
def test_leaving_a_row_out_is_computing_without_it(d):
    rows = gaussian(11, d)
    left_out = [collision_probability(np.delete(rows, i, axis=0)).probability for i in range(11)]
    assert collision_probability(rows).left_out == pytest.approx(left_out, rel=1e-10)


def test_the_interval_is_the_inverted_jackknife_on_a_log_scale():
    rows = gaussian(40, 8)
    result, parts = vendi_unbiased(rows, level=0.9), collision_probability(rows)
    u = jackknife_interval(parts.probability, parts.left_out, level=0.9)
    assert result.estimate == pytest.approx(1 / u.estimate)
    half = (u.ci_high - u.ci_low) / 2 / u.estimate
    ends = (math.exp(-half) / u.estimate, math.exp(half) / u.estimate)
    assert (result.ci_low, result.ci_high) == pytest.approx(ends)
    assert result.se == pytest.approx(u.se / u.estimate**2)
    assert (result.n, result.n_clusters, result.level) == (40, 40, 0.9)


def test_copies_within_a_prompt_do_not_narrow_the_pooled_interval():
    rows = gaussian(15, 30)
    copied = vendi_unbiased(np.repeat(rows, 4, axis=0), clusters=np.repeat(np.arange(15), 4))
    single = vendi_unbiased(rows)
    assert copied.estimate == pytest.approx(single.estimate, rel=1e-10)
    assert (copied.ci_low, copied.ci_high) == pytest.approx((single.ci_low, single.ci_high))


@pytest.mark.parametrize("d", [20, 40])
def test_orthogonal_rows_have_no_estimate_and_a_lower_bound(d):
    rotation = np.linalg.qr(gaussian(d, d))[0][:20]
    result = vendi_unbiased(rotation)
    # Ten disjoint pairs: (1 - u)^10 = 0.025 at the end of the interval.
    assert result.estimate is None and result.ci_high is None and result.se is None
    assert result.ci_low == pytest.approx(1 / (1 - 0.025**0.1))
    assert codes(result) == ["no collision"]


def test_equal_rows_are_one_kind_without_an_interval():
    result = vendi_unbiased(np.ones((12, 3)) * np.arange(1, 13)[:, None])
    assert result.estimate == pytest.approx(1.0)
    assert result.se is None and result.ci_low is None and result.ci_high is None
    assert codes(result) == ["degenerate"]


def test_an_interval_that_reaches_zero_has_no_upper_end():
    rows = np.eye(20)[[*range(12), 0]]  # one repeat among 13
    result = vendi_unbiased(rows)
    assert result.estimate == pytest.approx(78.0)
    assert result.ci_high is None and result.ci_low is not None
    assert codes(result) == ["few rows", "unbounded"]


def test_a_set_of_mostly_copies_is_said_to_be_collapsed():
    rows = np.eye(20)[[0] * 54 + [*range(1, 7)]]
    assert codes(vendi_unbiased(rows)) == ["collapsed"]
    uneven = np.repeat(range(6), [15, 12, 10, 8, 8, 7])
    assert codes(vendi_unbiased(np.eye(6)[uneven])) == []


def test_two_rows_have_an_estimate_but_no_interval():
    result = vendi_unbiased([[1.0, 0.0], [1.0, 1.0]])
    assert result.estimate == pytest.approx(2.0)
    assert result.ci_low is None and codes(result) == ["undefined"]


def test_prompts_are_averaged_before_they_are_inverted():
    us = [0.1, 0.2, 0.4, np.nan, 0.3, 0.2, 0.1, 0.5, 0.3, 0.2, 0.2, 0.1]
    result, u = mean_vendi_unbiased(us), mean_interval(us)
    assert result.estimate == pytest.approx(1 / np.nanmean(us))
    half = (u.ci_high - u.ci_low) / 2 / u.estimate
    ends = (math.exp(-half) / u.estimate, math.exp(half) / u.estimate)
    assert (result.ci_low, result.ci_high) == pytest.approx(ends)
    assert (result.n, result.n_missing) == (11, 1)


@pytest.mark.parametrize(
    ("us", "code"),
    [([0.0] * 12, "degenerate"), ([np.nan] * 4, "all missing"), ([0.0] * 11 + [0.9], "unbounded")],
)
def test_prompts_without_collisions_have_no_upper_end(us, code):
    result = mean_vendi_unbiased(us)
    assert result.ci_high is None and code in codes(result)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: vendi_unbiased([[1.0, 2.0]]), "n >= 2"),
        (lambda: vendi_unbiased([1.0, 2.0]), "shape"),
        (lambda: vendi_unbiased([[1.0, math.nan], [1.0, 2.0]]), "not finite: 0"),
        (lambda: vendi_unbiased([[1.0, 1.0], [0.0, 0.0]]), "zero rows have no direction: 1"),
        (lambda: vendi_unbiased(np.eye(3), level=1.0), "level"),
        (lambda: vendi_unbiased(np.eye(3), clusters=[1, 1, 1]), "two clusters"),
        (lambda: vendi_unbiased(np.eye(3), clusters=[1, 2]), "3 values but 2 cluster"),
        (lambda: vendi_unbiased_from_kernel(np.ones((2, 3))), "shape"),
        (lambda: vendi_unbiased_from_kernel([[1, 0.5], [0.4, 1]]), "symmetric"),
        (lambda: vendi_unbiased_from_kernel([[1, 0.5], [0.5, 0.9]]), "diagonal"),
        (lambda: vendi_unbiased_from_kernel([[1, math.inf], [math.inf, 1]]), "not finite"),
        (lambda: vendi_unbiased_from_kernel([[1, 0.9, 0], [0.9, 1, 0.9], [0, 0.9, 1]]), "definite"),
        (lambda: mean_vendi_unbiased([0.5, 1.5]), "lie in"),
        (lambda: collision_probabilities(np.eye(3)), "units, n, d"),
    ],
)
def test_input_that_makes_no_sense_is_an_error(call, message):
    with pytest.raises(ValueError, match=message):
        call()


FEATURES = hnp.arrays(
    np.float64,
    hnp.array_shapes(min_dims=2, max_dims=2, min_side=3, max_side=12),
    elements=st.floats(-5, 5).filter(lambda x: x == 0 or abs(x) > 1e-3),
).filter(lambda rows: bool(np.any(rows, axis=1).all()))


@settings(max_examples=60, deadline=None)
@given(FEATURES, st.randoms(use_true_random=False))
def test_order_scale_sign_and_rotation_of_rows_do_not_matter(rows, random):
    order = random.sample(range(len(rows)), len(rows))
    rotation = np.linalg.qr(gaussian(rows.shape[1], rows.shape[1]))[0]
    scales = np.array([random.choice([-3.0, 0.5, 1e150]) for _ in rows])[:, None]
    changed = (rows * scales)[order] @ rotation
    u, v = collision_probability(rows), collision_probability(changed)
    assert v.probability == pytest.approx(u.probability, abs=1e-12)
    assert v.left_out == pytest.approx(u.left_out[order], abs=1e-12)
    assert 0.0 <= u.probability <= 1.0 + 1e-12


def test_nominal_95_percent_intervals_cover_the_diversity_of_the_population():
    rng = np.random.default_rng(5)
    scale = np.array([1.0, 0.8, 0.6, 0.4, 0.3])
    many = unit(rng.normal(size=(400_000, 5)) * scale)
    truth = 1 / np.square(many.T @ many / len(many)).sum()
    results = [vendi_unbiased(rng.normal(size=(40, 5)) * scale) for _ in range(1500)]
    assert np.mean([r.ci_low <= truth <= r.ci_high for r in results]) >= 0.93


def test_nominal_95_percent_intervals_cover_where_prompts_are_pooled_and_averaged():
    rng = np.random.default_rng(6)
    centres = rng.normal(size=(200_000, 4)) + np.array([0.7, 0, 0, 0])
    rows = unit(centres + rng.normal(size=centres.shape))
    pooled_truth = 1 / np.square(rows.T @ rows / len(rows)).sum()
    # Eight samples of each prompt: one prompt's own u, averaged over many prompts.
    own = unit((centres[:20_000, None] + rng.normal(size=(20_000, 8, 4))).reshape(-1, 4))
    own = own.reshape(-1, 8, 4)
    gram = np.einsum("pnd,pne->pde", own, own)
    us = (np.square(gram).sum(axis=(1, 2)) - 8) / 56
    mean_truth, pooled, averaged = 1 / us.mean(), 0, 0
    for at in range(0, 20_000, 25):
        unit_us = us[at : at + 25]
        averaged_result = mean_vendi_unbiased(unit_us)
        averaged += averaged_result.ci_low <= mean_truth <= averaged_result.ci_high
        result = vendi_unbiased(own[at : at + 25].reshape(-1, 4), clusters=np.arange(200) // 8)
        pooled += result.ci_low <= pooled_truth <= result.ci_high
    assert pooled / 800 >= 0.92 and averaged / 800 >= 0.92
