import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy.spatial.distance import pdist

from evalsuite.metrics import (
    leave_one_out_mean_pairwise_cosine_distance,
    mean_pairwise_cosine_distance,
)

features_strategy = st.integers(3, 8).flatmap(
    lambda n: arrays(np.float64, (n, 3), elements=st.integers(-5, 5).map(float))
)


def by_pairs(features):
    """Every pair, with cosine 0 where a row is zero."""
    features = np.asarray(features, dtype=np.float64)
    norms = np.linalg.norm(features, axis=1)
    cosines = [
        features[i] @ features[j] / (norms[i] * norms[j]) if norms[i] * norms[j] else 0.0
        for i in range(len(features))
        for j in range(i)
    ]
    return 1 - np.mean(cosines)


def test_the_distance_equals_the_mean_over_all_pairs_of_scipy():
    features = np.random.default_rng(0).normal(size=(40, 16)) + 0.3
    expected = pdist(features, "cosine").mean()
    assert mean_pairwise_cosine_distance(features) == pytest.approx(expected, rel=1e-13)


@given(features_strategy)
def test_the_distance_equals_the_pairwise_form_also_with_zero_rows(features):
    assert mean_pairwise_cosine_distance(features) == pytest.approx(by_pairs(features), abs=1e-12)


@given(features_strategy, st.randoms(use_true_random=False))
def test_neither_order_nor_scale_of_the_rows_matters(features, random):
    order = random.sample(range(len(features)), len(features))
    scales = np.array([random.choice([0.5, 1.0, 3.0]) for _ in order])[:, np.newaxis]
    changed = features[order] * scales
    assert mean_pairwise_cosine_distance(changed) == pytest.approx(
        mean_pairwise_cosine_distance(features), abs=1e-12
    )


@pytest.mark.parametrize(
    ("features", "value"),
    [
        (np.eye(5), 1.0),
        (np.zeros((4, 3)), 1.0),
        ([[1.0, 2.0], [-1.0, -2.0]], 2.0),
        ([[1e300, 0.0], [0.0, 1e-320]], 1.0),
    ],
)
def test_known_sets_have_their_known_distance(features, value):
    assert mean_pairwise_cosine_distance(features) == pytest.approx(value, abs=1e-15)


@pytest.mark.parametrize("n", [2, 3, 16, 1000])
def test_equal_rows_have_distance_exactly_zero(n):
    row = np.random.default_rng(n).normal(size=384).astype(np.float32)
    features = np.tile(row, (n, 1))
    assert mean_pairwise_cosine_distance(features) == 0.0
    if n > 2:
        assert (leave_one_out_mean_pairwise_cosine_distance(features) == 0.0).all()


def test_nearly_equal_rows_keep_their_digits():
    angle = 1e-9
    features = [[1.0, 0.0], [np.cos(angle), np.sin(angle)]]
    assert mean_pairwise_cosine_distance(features) == pytest.approx(angle**2 / 2, rel=1e-6)


def test_single_precision_rows_are_summed_in_double_precision():
    features = np.random.default_rng(2).normal(size=(3000, 32)).astype(np.float32) + 5
    expected = mean_pairwise_cosine_distance(features.astype(np.float64))
    assert mean_pairwise_cosine_distance(features) == expected


@pytest.mark.parametrize(
    ("features", "message"),
    [
        (np.zeros((1, 3)), "at least 2 rows"),
        (np.zeros((0, 3)), "at least 2 rows"),
        (np.zeros(3), "shape"),
        (np.zeros((2, 2, 2)), "shape"),
    ],
)
@pytest.mark.parametrize(
    "function", [mean_pairwise_cosine_distance, leave_one_out_mean_pairwise_cosine_distance]
)
def test_a_set_without_pairs_is_an_error(function, features, message):
    with pytest.raises(ValueError, match=message):
        function(features)


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_rows_that_are_not_finite_are_named(bad):
    features = np.ones((5, 2))
    features[1, 0] = features[3, 1] = bad
    with pytest.raises(ValueError, match=r"2 rows: 1, 3$"):
        mean_pairwise_cosine_distance(features)


@given(features_strategy, st.lists(st.integers(0, 3), min_size=8, max_size=8))
def test_leaving_groups_out_equals_recomputing_without_them(features, labels):
    labels = labels[: len(features)]
    left = leave_one_out_mean_pairwise_cosine_distance(features, groups=labels)
    order = list(dict.fromkeys(labels))
    assert left.shape == (len(order),)
    for value, label in zip(left, order, strict=True):
        rest = features[[own != label for own in labels]]
        if len(rest) < 2:
            assert np.isnan(value)
        else:
            assert value == pytest.approx(mean_pairwise_cosine_distance(rest), abs=1e-12)


def test_each_row_is_its_own_group_by_default():
    features = np.random.default_rng(3).normal(size=(20, 4))
    alone = leave_one_out_mean_pairwise_cosine_distance(features)
    named = leave_one_out_mean_pairwise_cosine_distance(
        features, groups=[f"p{i}" for i in range(20)]
    )
    assert alone.tolist() == named.tolist()
    assert alone[7] == pytest.approx(mean_pairwise_cosine_distance(np.delete(features, 7, axis=0)))


def test_a_wrong_number_of_group_labels_is_an_error():
    with pytest.raises(ValueError, match="3 rows but 2 group labels"):
        leave_one_out_mean_pairwise_cosine_distance(np.eye(3), groups=[1, 2])
