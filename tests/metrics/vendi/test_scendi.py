import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from evalsuite.metrics.vendi import vendi_scores
from evalsuite.metrics.vendi.random_features import FourierMap
from evalsuite.metrics.vendi.scendi import (
    scendi_score,
    scendi_score_of_covariances,
    scendi_score_random_features,
)


def normal_rows(n=60, d=5, seed=0):
    return np.random.default_rng(seed).normal(size=(n, d))


def unit(rows):
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


def by_regression(x, t):
    """What least squares on the prompt features leave over of the output features."""
    left = x - t @ np.linalg.lstsq(t, x, rcond=1e-10)[0]
    mu = np.linalg.eigvalsh(left.T @ left / len(x))
    mu = mu[mu > 1e-13]
    return math.exp(-(mu * np.log(mu / mu.sum())).sum()) if mu.size else 1.0


@settings(deadline=None)
@given(st.integers(0, 60), st.integers(1, 40), st.integers(1, 6), st.integers(1, 6))
def test_the_score_is_that_of_the_residuals_of_a_regression_on_the_prompts(seed, n, dx, dt):
    x, t = normal_rows(n, dx, seed), normal_rows(n, dt, seed + 1)
    found = scendi_score(x, t)
    assert found.score == pytest.approx(by_regression(unit(x), unit(t)), rel=1e-6)
    assert found.model_mass + found.prompt_mass == pytest.approx(1, abs=1e-10)


@settings(deadline=None)
@given(st.integers(0, 40))
def test_the_score_ignores_the_order_of_rows_and_rotations(seed):
    rng = np.random.default_rng(seed)
    x, t = normal_rows(30, 4, seed), normal_rows(30, 3, seed + 1)
    order, turn = rng.permutation(30), np.linalg.qr(rng.normal(size=(4, 4)))[0]
    assert scendi_score(x[order] @ turn, 3 * t[order]).score == pytest.approx(
        scendi_score(x, t).score
    )


def test_prompts_that_are_the_outputs_leave_nothing():
    x = normal_rows()
    found = scendi_score(x, x)
    assert (found.score, found.model_mass, found.model_spectrum) == (1.0, 0.0, None)
    assert found.prompt_mass == pytest.approx(1)


def test_prompts_in_no_relation_leave_the_vendi_score():
    x = np.repeat(np.vstack([np.eye(3), -np.eye(3)]), 2, axis=0)
    t = np.tile(np.eye(2), (6, 1))
    found = scendi_score(x, t)
    assert found.score == pytest.approx(vendi_scores(x, orders=(1,)).values[0]) == pytest.approx(3)
    assert found.prompt_mass == pytest.approx(0, abs=1e-15)


def test_the_score_is_a_power_of_the_vendi_score_of_the_model_part():
    found = scendi_score(normal_rows(), normal_rows(seed=1))
    assert found.score == pytest.approx(found.model_spectrum.score(1) ** found.model_mass)
    assert found.prompt_rank == 5


def test_summed_covariances_give_the_score_of_the_rows():
    x, t = unit(normal_rows()), unit(normal_rows(60, 3, 1))
    found = scendi_score_of_covariances(x.T @ x / 60, t.T @ t / 60, x.T @ t / 60)
    assert found.score == pytest.approx(scendi_score(x, t).score, rel=1e-12)


def test_copied_prompt_features_change_nothing():
    x, t = normal_rows(), normal_rows(60, 3, 1)
    twice = scendi_score(x, np.hstack([t, t]))
    assert twice.score == pytest.approx(scendi_score(x, t).score)
    assert twice.prompt_rank == 3


def test_the_clamp_of_the_reference_moves_a_mass_that_the_cut_off_leaves():
    x, t = unit(normal_rows(60, 3)), unit(normal_rows(60, 2, 1))
    wide = np.hstack([x, np.zeros((60, 500))])
    found = scendi_score(wide, t)
    s = x.T @ x / 60 - x.T @ t @ np.linalg.pinv(t.T @ t / 60 + 1e-12 * np.eye(2)) @ t.T @ x / 3600
    clamped = np.concatenate([np.linalg.eigvalsh(s), np.full(500, 1e-10)])
    reference = math.exp(-(clamped * np.log(clamped / clamped.sum())).sum())
    assert found.score == pytest.approx(scendi_score(x, t).score, rel=1e-12)
    assert 1e-7 < reference / found.score - 1 < 1e-5


def test_random_features_are_the_score_of_their_maps():
    x, t = normal_rows(200, 2), normal_rows(200, 1, 1)
    options = {"output_sigma": 1.5, "prompt_sigma": 0.3, "n_frequencies": 6, "seed": 4}
    found = scendi_score_random_features(x, t, **options)
    rng = np.random.default_rng(4)
    outputs = FourierMap.draw(2, sigma=1.5, n_frequencies=6, rng=rng)(x)
    prompts = FourierMap.draw(1, sigma=0.3, n_frequencies=6, rng=rng)(t)
    assert found.score == pytest.approx(scendi_score(outputs, prompts).score, rel=1e-9)
    assert (found.seed, found.n_frequencies, found.warnings) == (4, 6, ())
    assert found.model_mass + found.prompt_mass == pytest.approx(1, abs=1e-9)
    again = scendi_score_random_features(x, t, **options)
    assert (
        again.score
        == found.score
        != scendi_score_random_features(x, t, **options | {"seed": 5}).score
    )


def test_prompts_with_as_many_directions_as_rows_are_flagged():
    found = scendi_score(normal_rows(8, 3), normal_rows(8, 20, 1))
    assert found.score == 1.0
    assert found.warnings[0].startswith("saturated: the prompt features have 8 directions")


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: scendi_score(np.eye(3), np.eye(2)), "3 outputs but 2 prompts"),
        (lambda: scendi_score([[1.0], [0.0]], [[1.0], [1.0]]), "zero rows have no direction: 1"),
        (lambda: scendi_score(np.eye(2), np.ones((2, 1)), eig_tol=2), r"eig_tol must be in \[0, 1"),
        (
            lambda: scendi_score_of_covariances(np.eye(2), np.eye(1), np.zeros((2, 1))),
            "trace of outputs is 1, got 2",
        ),
        (
            lambda: scendi_score_of_covariances(np.eye(2) / 2, np.eye(2), np.zeros((2, 1))),
            "expected shapes",
        ),
        (
            lambda: scendi_score_of_covariances([[1.0]], [[1.0]], [[np.nan]]),
            "covariances are not finite",
        ),
        (
            lambda: scendi_score_of_covariances([[0.5, 1], [0, 0.5]], [[1]], [[0], [0]]),
            "covariance of the outputs is not symmetric",
        ),
        (lambda: scendi_score_of_covariances([[1.0]], [[1.0]], [[2.0]]), "eigenvalue -3 below 0"),
    ],
)
def test_input_that_is_none_is_refused_by_name(call, message):
    with pytest.raises(ValueError, match=message):
        call()
