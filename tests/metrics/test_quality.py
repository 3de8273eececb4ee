"""Effective diversity: pairs that are good enough, by hand."""

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from evalsuite.metrics import effective_diversity, mean_pairwise_cosine_distance
from evalsuite.metrics.quality import quality_frontier

SEEDS = st.integers(0, 2**32 - 1)


def texts(seed: int, n: int = 6) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    return rng.normal(size=(n, 4)), rng.random(n)


@given(seed=SEEDS, threshold=st.floats(-0.5, 1.5))
def test_it_is_the_mean_over_all_pairs_with_zero_where_one_falls_short(seed, threshold):
    rows, quality = texts(seed)
    units = rows / np.linalg.norm(rows, axis=1, keepdims=True)
    pairs = [
        (1 - units[i] @ units[j]) * (quality[i] >= threshold) * (quality[j] >= threshold)
        for i in range(6)
        for j in range(i)
    ]
    found = effective_diversity(rows, quality, threshold=threshold)
    assert found == pytest.approx(np.mean(pairs), abs=1e-12)


@given(seed=SEEDS)
def test_a_higher_bar_never_raises_it_and_the_lowest_is_the_plain_distance(seed):
    rows, quality = texts(seed)
    bars = sorted(quality)
    found = [effective_diversity(rows, quality, threshold=bar) for bar in bars]
    assert found[0] == pytest.approx(mean_pairwise_cosine_distance(rows))
    assert all(a >= b - 1e-12 for a, b in pairwise(found))
    assert found[-1] == 0.0


@pytest.mark.parametrize(
    ("rows", "quality", "message"),
    [
        ([[1.0, 0.0]], [1.0], "at least 2 rows"),
        ([[1.0], [2.0]], [1.0], "ratings"),
        ([[1.0], [2.0]], [1.0, np.nan], "must be finite"),
        ([[1.0], [np.inf]], [1.0, 0.0], "row 1 is not finite"),
    ],
)
def test_input_that_does_not_fit_is_refused(rows, quality, message):
    with pytest.raises(ValueError, match=message):
        effective_diversity(rows, quality, threshold=0.5)


@given(seed=SEEDS)
def test_the_frontier_splits_effective_diversity_into_how_many_and_how_diverse(seed):
    rows, quality = texts(seed)
    for row in quality_frontier(rows, quality, thresholds=[-1.0, *np.sort(quality), 2.0]):
        assert row.effective_diversity == effective_diversity(
            rows, quality, threshold=row.threshold
        )
        kept = round(row.share_kept * 6)
        assert kept == (quality >= row.threshold).sum()
        if kept < 2:
            assert row.kept_diversity is None and row.effective_diversity == 0.0
        else:
            assert row.kept_diversity is not None
            share_of_pairs = kept * (kept - 1) / 30
            assert row.effective_diversity == pytest.approx(share_of_pairs * row.kept_diversity)


def test_kept_diversity_may_rise_where_effective_diversity_falls():
    rows = [[1.0, 0.0], [1.0, 0.1], [0.0, 1.0], [-1.0, 0.0]]
    low, high = quality_frontier(rows, [0.9, 0.1, 0.2, 0.8], thresholds=[0.0, 0.5])
    assert low.kept_diversity is not None and high.kept_diversity is not None
    assert high.kept_diversity > low.kept_diversity
    assert high.effective_diversity < low.effective_diversity


def test_a_frontier_without_thresholds_is_refused():
    with pytest.raises(ValueError, match="no thresholds"):
        quality_frontier([[1.0], [2.0]], [1.0, 2.0], thresholds=[])
    with pytest.raises(ValueError, match="must be finite"):
        quality_frontier([[1.0], [2.0]], [1.0, 2.0], thresholds=[np.nan])
