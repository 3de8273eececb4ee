import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays

from evalsuite.stats.counts import rare_counts, read_count_matrix, read_counts, read_n_classes


def test_counts_are_read_without_zeros_and_largest_first():
    assert read_counts([0, 1, 5.0, 0, 2], "f").tolist() == [5, 2, 1]


def test_a_matrix_keeps_its_shape_and_sorts_every_row():
    read = read_count_matrix([[0, 1, 5], [2, 0, 0]], "f")
    assert read.tolist() == [[5, 1, 0], [2, 0, 0]]
    assert read.dtype == np.int64


def test_reading_leaves_the_callers_array_alone():
    counts = np.array([[1, 3], [2, 4]])
    read_count_matrix(counts, "f")[0, 0] = 9
    assert counts.tolist() == [[1, 3], [2, 4]]


@pytest.mark.parametrize(
    ("counts", "message"),
    [
        ([], "no observations"),
        ([0, 0], "no observations"),
        ([3, -1], "at least 0, got -1"),
        ([1.5, 2], "whole numbers, got 1.5"),
        ([1, math.nan], "1 counts are not finite"),
        ([1, math.inf], "1 counts are not finite"),
        ([[1, 2]], r"shape \(classes,\)"),
        (3, r"shape \(classes,\)"),
        (["a", "b"], "must be numbers"),
        ([None, 1], "must be numbers"),
        ([1 + 2j], "must be real"),
        ([10_000_000, 1], "at most 10000000"),
    ],
)
def test_counts_that_make_no_sense_are_an_error_that_names_the_caller(counts, message):
    with pytest.raises(ValueError, match=f"^f: .*{message}"):
        read_counts(counts, "f")


@pytest.mark.parametrize(
    ("counts", "message"),
    [
        ([1, 2], "units, classes"),
        (np.zeros((0, 3)), "units, classes"),
        ([[1, 2], [0, 0]], "no observations"),
        ([[1, 2], [3, -2]], "at least 0"),
    ],
)
def test_a_matrix_with_one_bad_row_is_an_error(counts, message):
    with pytest.raises(ValueError, match=message):
        read_count_matrix(counts, "f")


@given(arrays(np.float64, array_shapes(min_dims=0, max_dims=2, max_side=4)))
def test_any_array_is_read_whole_or_refused_with_a_value_error(array):
    try:
        read = read_counts(array, "f")
    except ValueError as error:
        assert str(error).startswith("f: ")
    else:
        assert read.sum() == array.sum() and (read > 0).all()


@given(st.lists(st.integers(0, 4), min_size=1, max_size=30).filter(any))
def test_rare_classes_are_those_seen_once_and_twice(counts):
    f1, f2 = rare_counts(np.array([counts]))
    assert (f1[0], f2[0]) == (counts.count(1), counts.count(2))


@pytest.mark.parametrize(("n_classes", "seen"), [(2, 3), (0, 1), (2.5, 1), (-1, 1)])
def test_a_closed_set_is_at_least_as_large_as_what_was_seen(n_classes, seen):
    with pytest.raises(ValueError, match="classes were seen"):
        read_n_classes(n_classes, seen, "f")


def test_an_open_set_has_no_size():
    assert read_n_classes(None, 3, "f") is None
    assert read_n_classes(3.0, 3, "f") == 3
