import tracemalloc

import numpy as np
import pytest

from evalsuite.metrics.vendi import (
    StreamedGram,
    feature_spectrum,
    feature_spectrum_of_blocks,
    vendi_scores,
    vendi_scores_of_blocks,
)


@pytest.mark.parametrize("sizes", [(1,) * 20, (20,), (3, 0, 17), (7, 6, 7)])
@pytest.mark.parametrize("d", [5, 40])
def test_the_spectrum_does_not_depend_on_the_blocks(sizes, d):
    rows = np.random.default_rng(0).normal(size=(20, d)).astype(np.float32)
    blocks = np.split(rows, np.cumsum(sizes)[:-1])
    found = vendi_scores_of_blocks(iter(blocks))
    assert found.values == pytest.approx(vendi_scores(rows).values, rel=1e-10)
    assert found.spectrum.n_items == 20


def test_single_precision_blocks_are_cast_before_anything_else():
    rows = np.random.default_rng(1).normal(size=(3000, 16)).astype(np.float32)
    by_blocks = feature_spectrum_of_blocks([rows[:1000], rows[1000:]])
    exact = feature_spectrum(rows.astype(np.float64))
    assert by_blocks.eigenvalues == pytest.approx(exact.eigenvalues, rel=1e-12)


def test_many_rows_of_few_kinds_keep_their_rank():
    rng = np.random.default_rng(2)
    kinds = rng.normal(size=(5, 64)).astype(np.float32)
    blocks = (kinds[rng.integers(5, size=20_000)] for _ in range(5))
    spectrum = feature_spectrum_of_blocks(blocks)
    assert (spectrum.rank, spectrum.n_items) == (5, 100_000)
    assert spectrum.trace_error < 1e-12


def test_memory_is_bounded_by_the_block_and_the_matrix():
    def blocks():
        for i in range(40):
            yield np.random.default_rng(i).normal(size=(2000, 64)).astype(np.float32)

    tracemalloc.start()
    vendi_scores_of_blocks(blocks())
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 8e6  # all rows would be 20 MB in single and 41 MB in double precision


def test_rows_are_named_by_their_place_in_the_stream():
    blocks = [np.ones((10, 2)), np.ones((10, 2))]
    blocks[1][[3, 4], 0] = np.nan
    with pytest.raises(ValueError, match=r"rows are not finite: 13, 14$"):
        feature_spectrum_of_blocks(blocks)
    blocks[1][[3, 4]] = 0
    with pytest.raises(ValueError, match="zero rows have no direction: 13, 14;"):
        feature_spectrum_of_blocks(blocks)


def test_zero_rows_of_a_stream_are_counted():
    blocks = [np.zeros((2, 3)), np.eye(3), np.zeros((1, 3))]
    dropped = vendi_scores_of_blocks(blocks, zero="drop")
    assert dropped.spectrum.n_dropped == 3
    assert dropped.values == pytest.approx(3)
    assert vendi_scores_of_blocks(blocks, zero="orthogonal").values == pytest.approx(6)


@pytest.mark.parametrize(
    ("blocks", "message"),
    [
        ([], "no rows"),
        ([np.empty((0, 4))], "no rows"),
        ([np.ones((2, 3)), np.ones((2, 4))], "differ in width, 3 and 4"),
        ([np.ones(3)], "shape"),
    ],
)
def test_blocks_that_are_none_are_refused(blocks, message):
    with pytest.raises(ValueError, match=f"feature_spectrum_of_blocks: .*{message}"):
        feature_spectrum_of_blocks(blocks)


def test_rows_too_wide_are_refused_before_their_matrix_is_made():
    with pytest.raises(ValueError, match="10001 features are above max_side = 10000"):
        feature_spectrum_of_blocks([np.ones((1, 10_001))])


def test_weights_of_a_stream_are_on_any_scale():
    gram = StreamedGram()
    gram.add(np.eye(3)[:1], weights=[20])
    gram.add(np.eye(3)[1:], weights=[10, 10])
    assert gram.spectrum().eigenvalues == pytest.approx([0.5, 0.25, 0.25])
    for wrong in ([1.0], [1, -1], [1, np.nan]):
        with pytest.raises(ValueError, match="weights"):
            gram.add(np.eye(3)[1:], weights=wrong)


def test_a_failed_block_of_wrong_width_leaves_the_sum_as_it_was():
    gram = StreamedGram()
    gram.add(np.eye(2))
    with pytest.raises(ValueError, match="width"):
        gram.add(np.ones((1, 3)))
    assert gram.spectrum().score(1) == pytest.approx(2)
