import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from evalsuite.metrics.vendi import (
    cosine_kernel,
    feature_spectrum,
    kernel_spectrum,
    spectrum_of_matrix,
)

NOT_PSD = np.array([[1, 0.9, 0], [0.9, 1, 0.9], [0, 0.9, 1]])


def three_kinds(n=2000):
    """Rows drawn from three orthogonal vectors, with the shares of the spec."""
    basis = np.linalg.qr(np.random.default_rng(0).normal(size=(32, 3)))[0].T
    kinds = np.repeat(np.arange(3), (648, 652, 700))
    return basis[np.random.default_rng(1).permutation(kinds)][:n]


@pytest.mark.parametrize("way", ["kernel", "features", "many features"])
def test_duplicates_count_once_at_small_orders(way):
    rows = three_kinds()
    if way == "many features":
        rows = np.hstack([rows, np.zeros((2000, 2200))])
    spectrum = kernel_spectrum(rows @ rows.T) if way == "kernel" else feature_spectrum(rows)
    assert spectrum.rank == 3
    assert spectrum.side == {"kernel": 2000, "features": 32, "many features": 2000}[way]
    found = spectrum.scores([0, 0.1, 0.5, 1, 2, "inf"])
    expected = [3, 2.999814, 2.999069, 2.998131, 2.996237, 2.857143]
    assert found == pytest.approx(expected, abs=5e-7)


def test_single_precision_duplicates_count_once():
    rows = three_kinds().astype(np.float32)
    assert feature_spectrum(rows).rank == 3
    assert kernel_spectrum(rows @ rows.T).rank == 3
    assert kernel_spectrum(np.eye(3, dtype=np.float16)).score(0.1) == pytest.approx(3)


def test_a_kernel_is_cut_at_the_precision_it_was_given_in():
    kernel = np.eye(4, dtype=np.float32)
    single = kernel_spectrum(kernel).tolerance
    assert single == pytest.approx(10 * 2 * np.finfo(np.float32).eps / 4)
    assert kernel_spectrum(kernel.astype(float)).tolerance == pytest.approx(20 * 2.0**-52 / 4)


def test_a_kernel_that_is_not_positive_semidefinite_is_refused():
    with pytest.raises(ValueError, match=r"not positive semidefinite.* -0.09093"):
        kernel_spectrum(NOT_PSD)


def test_negative_eigenvalues_are_clipped_and_the_rest_scaled_where_that_is_asked_for():
    spectrum = kernel_spectrum(NOT_PSD, psd="clip")
    assert spectrum.score(1) == pytest.approx(1.850569, abs=5e-7)
    assert spectrum.clipped_mass == pytest.approx(0.090931, abs=5e-7)
    assert spectrum.smallest == pytest.approx(-0.090931, abs=5e-7)
    assert spectrum.eigenvalues.sum() == pytest.approx(1, abs=1e-15)
    assert spectrum.rank == 2


def test_negative_eigenvalues_of_rounding_are_nothing_to_clip():
    spectrum = kernel_spectrum(np.ones((50, 50)))
    assert spectrum.smallest < 1e-15
    assert spectrum.clipped_mass == 0.0
    assert spectrum.scores([0, 0.1, 1, "inf"]) == pytest.approx(1, abs=1e-13)


@pytest.mark.parametrize("wide", [False, True], ids=["more rows", "more features"])
def test_zero_rows_are_refused_dropped_or_kinds_of_their_own(wide):
    rows = np.vstack([np.eye(3), np.zeros((1, 3))])
    if wide:
        rows = np.hstack([rows, np.zeros((4, 9))])
    with pytest.raises(ValueError, match=r"feature_spectrum: zero rows have no direction: 3; "):
        feature_spectrum(rows)
    dropped = feature_spectrum(rows, zero="drop")
    assert (dropped.n_dropped, dropped.n_items) == (1, 3)
    assert dropped.scores([0, 0.1, 1, 2, "inf"]) == pytest.approx(3, abs=1e-12)
    own = feature_spectrum(rows, zero="orthogonal")
    assert (own.n_dropped, own.n_items) == (0, 4)
    assert own.scores([0, 0.1, 1, 2, "inf"]) == pytest.approx(4, abs=1e-12)


@pytest.mark.parametrize("wide", [False, True], ids=["more rows", "more features"])
def test_the_weight_of_dropped_rows_goes_to_the_others(wide):
    rows = np.vstack([np.eye(2), np.zeros((1, 2)), np.eye(2)])
    if wide:
        rows = np.hstack([rows, np.zeros((5, 9))])
    weights = [0.4, 0.1, 0.2, 0.2, 0.1]
    dropped = feature_spectrum(rows, weights=weights, zero="drop")
    assert dropped.eigenvalues == pytest.approx([0.75, 0.25])
    own = feature_spectrum(rows, weights=weights, zero="orthogonal")
    assert own.eigenvalues == pytest.approx([0.6, 0.2, 0.2])
    with pytest.raises(ValueError, match="no row that is left has a weight"):
        feature_spectrum(rows, weights=[0, 0, 1, 0, 0], zero="drop")


@pytest.mark.parametrize("shape", [(5, 2), (2, 5)])
def test_sets_of_zero_rows_only_have_no_spectrum_when_dropped(shape):
    with pytest.raises(ValueError, match=f"all {shape[0]} rows are zero"):
        feature_spectrum(np.zeros(shape), zero="drop")


@pytest.mark.parametrize("zero", ["error", "drop", "orthogonal"])
@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("shape", [(12000, 2), (7, 9)])
def test_rows_that_are_not_finite_are_named(zero, bad, shape):
    rows = np.ones(shape)
    at = (1, shape[0] - 2)
    rows[at, 0] = bad
    with pytest.raises(ValueError, match=f"rows are not finite: {at[0]}, {at[1]}$"):
        feature_spectrum(rows, zero=zero)
    kernel = np.eye(5)
    kernel[2, 3] = kernel[3, 2] = bad
    with pytest.raises(ValueError, match="not finite in rows: 2, 3"):
        kernel_spectrum(kernel)


@pytest.mark.parametrize("features", [np.empty((0, 3)), np.empty((3, 0)), np.ones(3), [[1j]]])
def test_features_that_are_none_are_refused(features):
    with pytest.raises(ValueError, match="feature_spectrum: expected"):
        feature_spectrum(features)


@pytest.mark.parametrize(
    ("kernel", "message"),
    [
        (np.empty((0, 0)), "shape"),
        (np.ones((2, 3)), "shape"),
        ([[1, 0.5], [0.4, 1]], "not symmetric"),
        ([[1, 0.5], [0.5, 2]], "diagonal of the kernel is not 1 in rows: 1; normalize_kernel"),
        ([[1j]], "real"),
    ],
)
def test_matrices_that_are_no_kernel_are_refused(kernel, message):
    with pytest.raises(ValueError, match=f"kernel_spectrum: .*{message}"):
        kernel_spectrum(kernel)


@pytest.mark.parametrize(
    ("weights", "message"),
    [
        ([0.5, 0.5], "expected 3 weights"),
        ([0.7, 0.5, -0.2], "negative or not finite: 2"),
        ([0.5, np.nan, 0.5], "negative or not finite: 1"),
        ([0.5, 0.5, 0.1], "sum to 1"),
    ],
)
@pytest.mark.parametrize("function", [feature_spectrum, kernel_spectrum])
def test_weights_that_are_none_are_refused(function, weights, message):
    with pytest.raises(ValueError, match=f"{function.__name__}: .*{message}"):
        function(np.eye(3), weights=weights)


def test_large_kernels_are_sent_to_feature_space():
    kernel = np.broadcast_to(np.float32(1.0), (10_001, 10_001))
    with pytest.raises(ValueError, match=r"10001 rows .* feature space instead: vendi_score"):
        kernel_spectrum(kernel)
    with pytest.raises(ValueError, match="side 11, above max_side = 10"):
        feature_spectrum(np.ones((11, 12)), max_side=10)


def test_an_unknown_way_with_zero_rows_or_negative_eigenvalues_is_refused():
    with pytest.raises(ValueError, match="zero must be"):
        feature_spectrum(np.eye(2), zero="keep")
    with pytest.raises(ValueError, match="psd must be"):
        kernel_spectrum(np.eye(2), psd="keep")


def test_a_cut_of_ones_own_is_used_and_reported():
    rho = np.diag([0.7, 0.2, 0.1])
    spectrum = spectrum_of_matrix(rho, eig_tol=0.1)
    assert spectrum.tolerance == 0.1
    assert spectrum.eigenvalues == pytest.approx([7 / 9, 2 / 9])
    for wrong in (-0.1, 1.0, math.nan):
        with pytest.raises(ValueError, match="eig_tol must be in"):
            spectrum_of_matrix(rho, eig_tol=wrong)
    with pytest.raises(ValueError, match="no eigenvalue is above"):
        spectrum_of_matrix(rho, eig_tol=0.8)


def test_a_cut_below_rounding_does_not_make_rounding_negative():
    spectrum = kernel_spectrum(np.ones((50, 50)), eig_tol=0.0)
    assert spectrum.tolerance == 0.0
    assert spectrum.score(1) == pytest.approx(1)


def test_a_matrix_without_trace_one_is_refused():
    with pytest.raises(ValueError, match="trace of a density matrix is 1, got 2"):
        spectrum_of_matrix(np.eye(2))


def test_the_trace_error_is_reported():
    spectrum = spectrum_of_matrix(np.diag([0.5, 0.5 + 4e-7]))
    assert spectrum.trace_error == pytest.approx(4e-7)
    assert spectrum.eigenvalues.sum() == pytest.approx(1, abs=1e-15)


@given(
    arrays(np.float64, st.tuples(st.integers(1, 9), st.integers(1, 9)), elements=st.integers(-3, 3))
)
def test_both_gram_matrices_have_one_spectrum(features):
    features = features + np.eye(*features.shape) * 7.5
    rows = features[np.abs(features).max(axis=1) > 0]
    by_kernel = kernel_spectrum(cosine_kernel(rows))
    by_features = feature_spectrum(rows)
    assert by_features.eigenvalues == pytest.approx(by_kernel.eigenvalues, abs=1e-12)
    assert by_features.entropy(1) == pytest.approx(math.log(by_kernel.score(1)), abs=1e-11)
