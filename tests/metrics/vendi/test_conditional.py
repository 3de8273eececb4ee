import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from evalsuite.metrics.vendi import (
    conditional_random_feature_scores,
    conditional_vendi_scores,
    conditional_vendi_scores_from_kernels,
    cosine_kernel,
    gaussian_kernel,
    vendi_score,
    vendi_scores,
)
from evalsuite.metrics.vendi.conditional import ConditionalScores
from evalsuite.metrics.vendi.eigenvalues import spectrum_of_eigenvalues

ORDERS = (0.1, 0.5, 1, 1.5, 2, math.inf)


def pairs(n=20, d_x=4, d_t=3, seed=0):
    rng = np.random.default_rng(seed)
    return rng.normal(size=(n, d_x)), rng.normal(size=(n, d_t))


def test_one_prompt_for_all_leaves_the_whole_score():
    outputs, _ = pairs()
    found = conditional_vendi_scores(outputs, np.ones((20, 2)), orders=ORDERS)
    assert found.conditional == pytest.approx(vendi_scores(outputs, orders=ORDERS).values)
    assert found.information == pytest.approx(np.ones(6))


def test_outputs_that_are_their_prompts_have_no_diversity_of_their_own():
    labels = np.eye(3)[[0, 0, 1, 2, 2, 2]]
    found = conditional_vendi_scores(labels, labels, orders=ORDERS)
    assert found.conditional == pytest.approx(np.ones(6))
    assert found.information == pytest.approx(vendi_scores(labels, orders=ORDERS).values)


def test_independent_labels_keep_their_own_diversity():
    outputs, prompts = np.eye(2)[[0, 1] * 3], np.eye(3)[[0, 0, 1, 1, 2, 2]]
    found = conditional_vendi_scores(outputs, prompts, orders=ORDERS)
    assert found.conditional == pytest.approx(np.full(6, 2.0))
    assert found.joint_entropy == pytest.approx(np.full(6, math.log(6)))


@settings(deadline=None)  # the first example imports scipy
@given(st.integers(0, 1000), st.integers(1, 25))
def test_both_scores_multiply_to_the_score_of_the_outputs(seed, n):
    outputs, prompts = pairs(n=n, seed=seed)
    found = conditional_vendi_scores(outputs, prompts, orders=ORDERS)
    plain = vendi_scores(outputs, orders=ORDERS).values
    assert found.conditional * found.information == pytest.approx(plain, rel=1e-9)
    total = found.joint_entropy - found.prompt_entropy + found.output_entropy
    assert total - np.log(found.conditional) == pytest.approx(found.output_entropy, abs=1e-9)


@settings(deadline=None)  # the first example imports scipy
@given(st.integers(0, 1000), st.integers(2, 25), st.integers(1, 4))
def test_conditional_entropy_is_never_negative_nor_information_at_order_one(seed, n, d):
    outputs, prompts = pairs(n=n, d_x=d, seed=seed)
    found = conditional_vendi_scores(outputs, prompts, orders=ORDERS)
    assert found.conditional.min() >= 1 - 1e-9
    assert found.information[2] >= 1 - 1e-9


def test_negative_information_is_allowed_and_flagged():
    # Shares .5 of (0, 0) and .25 of (0, 1) and (1, 0): order-2 entropies fall short.
    cells = [(0, 0)] * 8 + [(0, 1)] * 4 + [(1, 0)] * 4
    outputs, prompts = (np.eye(2)[[cell[i] for cell in cells]] for i in (0, 1))
    found = conditional_vendi_scores(outputs, prompts, orders=(1, 2))
    # By hand at order 2: margins (.75, .25) twice, joint (.5, .25, .25).
    assert found.information[1] == pytest.approx((1 / 0.625) ** 2 * 0.375)
    assert found.information[1] < 1 < found.information[0]
    assert [text for text in found.warnings if text.startswith("negative_information:")]
    assert "order 2," in found.warnings[0]


def test_the_dual_of_products_agrees_with_the_explicit_joint_kernel():
    outputs, prompts = pairs(n=60, d_x=4, d_t=3)
    by_dual = conditional_vendi_scores(outputs, prompts, orders=ORDERS)
    assert by_dual.joint_spectrum.side == 12
    kernels = cosine_kernel(outputs), cosine_kernel(prompts)
    by_kernel = conditional_vendi_scores_from_kernels(*kernels, orders=ORDERS)
    assert by_kernel.joint_spectrum.side == 60
    assert by_dual.conditional == pytest.approx(by_kernel.conditional, rel=1e-9)
    assert by_dual.information == pytest.approx(by_kernel.information, rel=1e-9)


def test_any_number_of_rows_works_where_the_products_are_few():
    outputs, prompts = pairs(n=300, d_x=3, d_t=2)
    found = conditional_vendi_scores(outputs, prompts, orders=(1,), max_side=6)
    assert found.conditional * found.information == pytest.approx([vendi_score(outputs)])


def test_joint_matrices_above_the_bound_are_refused_and_the_way_out_is_named():
    outputs, prompts = pairs(n=13, d_x=4, d_t=4)
    message = "13 rows of 4 x 4 features are above max_side = 12; .* d_x d_t is small"
    with pytest.raises(ValueError, match=f"conditional_vendi_scores: {message}"):
        conditional_vendi_scores(outputs, prompts, max_side=12)
    message = "kernels of 13 rows are above max_side = 12; .* d_x d_t is small"
    with pytest.raises(ValueError, match=f"conditional_vendi_scores_from_kernels: {message}"):
        conditional_vendi_scores_from_kernels(np.eye(13), np.eye(13), max_side=12)


@pytest.mark.parametrize(
    ("outputs", "prompts", "message"),
    [
        (np.eye(3), np.eye(2), "3 outputs but 2 prompts"),
        (np.eye(2), [[1, 0], [0, 0]], "zero rows have no direction: 1"),
        (np.eye(2), [[np.nan, 0], [0, 1]], "rows are not finite: 0"),
    ],
)
def test_pairs_that_do_not_fit_are_refused(outputs, prompts, message):
    with pytest.raises(ValueError, match=f"conditional_vendi_scores: {message}"):
        conditional_vendi_scores(outputs, prompts)


def test_kernels_of_different_sizes_or_without_a_unit_diagonal_are_refused():
    with pytest.raises(ValueError, match="kernels differ in shape"):
        conditional_vendi_scores_from_kernels(np.eye(3), np.eye(2))
    with pytest.raises(ValueError, match="diagonal of the kernel is not 1"):
        conditional_vendi_scores_from_kernels(np.eye(2), 2 * np.eye(2))


def test_random_features_come_near_the_exact_gaussian_scores():
    outputs, prompts = pairs(n=80, d_x=2, d_t=2)
    exact = conditional_vendi_scores_from_kernels(
        gaussian_kernel(outputs, sigma=3.0), gaussian_kernel(prompts, sigma=4.0), orders=(1, 2)
    )
    found = conditional_random_feature_scores(
        outputs,
        prompts,
        output_sigma=3.0,
        prompt_sigma=4.0,
        n_frequencies=400,
        seed=0,
        orders=(1, 2),
    )
    # About 1 / sqrt(400) of the entropies.
    assert found.conditional == pytest.approx(exact.conditional, rel=0.05)
    assert found.information == pytest.approx(exact.information, rel=0.05)
    assert found.seed == 0


@settings(deadline=None)  # the first example imports scipy
@given(st.integers(0, 200), st.integers(1, 12), st.floats(0.2, 3), st.floats(0.2, 3))
def test_joint_eigenvalues_are_majorised_under_gaussian_kernels_too(seed, n, x_sigma, t_sigma):
    # Bapat and Sunder (1985): so no conditional entropy is negative, at any order.
    outputs, prompts = pairs(n=n, d_x=2, d_t=1, seed=seed)
    x, t = gaussian_kernel(outputs, sigma=x_sigma), gaussian_kernel(prompts, sigma=t_sigma)
    found = conditional_vendi_scores_from_kernels(x, t, orders=(0.5, 1, 1.5, 2, 7, "inf"))
    assert found.conditional.min() > 1 - 1e-6
    assert (found.joint_entropy > found.output_entropy - 1e-6).all()


def test_the_default_orders_are_those_of_the_paper():
    assert conditional_vendi_scores(np.eye(2), np.eye(2)).orders == (1.0, 1.5, 2.0, math.inf)


def test_a_negative_conditional_entropy_of_estimates_is_flagged():
    wide, narrow = (spectrum_of_eigenvalues(values) for values in ([0.5, 0.5], [0.6, 0.4]))
    found = ConditionalScores((1.0, 2.0), narrow, wide, narrow)
    assert found.warnings == (
        "negative_conditional: H(X|T) is below 0 at order 1, 2, so its score is below 1",
    )


def test_rows_in_their_thousands_need_no_kernel():
    # 20,000 rows: an explicit kernel would be 3.2 GB and above the limit.
    outputs, prompts = pairs(n=100)
    many = np.tile(np.arange(100), 200)
    found = conditional_vendi_scores(outputs[many], prompts[many], orders=ORDERS)
    assert found.joint_spectrum.side == 12
    expected = conditional_vendi_scores_from_kernels(
        cosine_kernel(outputs), cosine_kernel(prompts), orders=ORDERS
    )
    assert found.conditional == pytest.approx(expected.conditional, rel=1e-6)


def test_kernels_in_single_precision_are_read_with_their_own_rounding():
    x, t = (cosine_kernel(rows) for rows in pairs(n=50, d_x=3, d_t=3))
    single = conditional_vendi_scores_from_kernels(
        x.astype(np.float32), t.astype(np.float32), orders=(0, 0.5, 1)
    )
    exact = conditional_vendi_scores_from_kernels(x, t, orders=(0, 0.5, 1))
    assert single.joint_spectrum.rank == exact.joint_spectrum.rank == 9
    assert single.conditional == pytest.approx(exact.conditional, rel=1e-4)


def test_random_features_of_identical_prompts_explain_nothing_exactly():
    found = conditional_random_feature_scores(
        pairs(n=60)[0],
        np.full((60, 2), 7.0),
        output_sigma=1.0,
        prompt_sigma=1.0,
        n_frequencies=20,
        seed=3,
    )
    assert found.information == pytest.approx(1)
    assert found.warnings[-1].startswith("few_frequencies")
