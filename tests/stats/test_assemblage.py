import time

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from evalsuite.stats.assemblage import (
    bootstrap,
    estimate_assemblages,
    normal_quantile,
    resample,
    singleton_factor,
    unseen_classes,
)
from evalsuite.stats.coverage import coverages
from evalsuite.stats.entropy_points import chao_wang_jost_entropies

X = np.array([[50, 30, 10, 5, 2, 1, 1, 1]])
COUNTS = st.lists(st.integers(0, 20), min_size=1, max_size=8).filter(any)


def test_the_number_of_unseen_classes_of_the_specification_is_reproduced():
    assert unseen_classes(X)[0] == pytest.approx(4.455, abs=5e-4)
    assert unseen_classes(np.array([[5, 1, 1, 1]]))[0] == pytest.approx(7 / 8 * 3)


def test_the_estimated_distribution_is_that_of_the_specification():
    made = estimate_assemblages(X)
    p = X[0] / 100
    coverage = float(coverages(X)[0])
    w = (1 - coverage) / np.sum(p * (1 - p) ** 100)
    expected = np.concatenate([p * (1 - w * (1 - p) ** 100), np.full(5, (1 - coverage) / 5)])
    assert made.shares(0) == pytest.approx(expected, rel=1e-12)


@given(st.lists(COUNTS, min_size=1, max_size=4))
def test_shares_are_at_least_0_and_sum_to_one(samples):
    width = max(map(len, samples))
    rows = np.array([counts + [0] * (width - len(counts)) for counts in samples])
    made = estimate_assemblages(rows)
    for unit in range(len(rows)):
        shares = made.shares(unit)
        assert shares.sum() == pytest.approx(1.0, abs=1e-12) and (shares >= 0).all()


def test_the_unseen_mass_is_what_the_coverage_leaves():
    rows = np.array([[50, 30, 10, 1, 1], [9, 3, 2, 1, 0], [4, 4, 4, 0, 0]])
    made = estimate_assemblages(rows)
    assert made.unseen_mass == pytest.approx(1 - coverages(rows), abs=1e-15)


def test_one_single_singleton_is_taken_for_all_there_is():
    made = estimate_assemblages(np.array([[49, 1]]))
    assert made.n_unseen.tolist() == [0] and made.shares(0).tolist() == [0.98, 0.02]


@pytest.mark.parametrize("counts", [[[50, 30, 10, 1, 1]], [[1] * 30], [[6, 4, 3], [1, 1, 1]]])
def test_every_sample_is_as_large_as_the_one_it_stands_for(counts):
    rows = np.array(counts)
    for chunk, samples in resample(estimate_assemblages(rows), np.random.default_rng(0), 50):
        assert (samples.sum(axis=2) == rows[chunk].sum(axis=1)[:, None]).all()
        assert (samples >= 0).all()


def test_classes_are_drawn_with_the_shares_of_the_assemblage():
    made = estimate_assemblages(X)
    ((_, samples),) = resample(made, np.random.default_rng(3), 20_000)
    drawn = samples[0, :, :8].mean(axis=0) / 100
    assert drawn == pytest.approx(made.seen[0], abs=5 * np.sqrt(0.25 / 100 / 20_000))
    # Each of 5 unseen classes is drawn by itself: pairs of a class are as frequent as they must be.
    unseen = samples[0, :, 8:]
    pairs = (unseen * (unseen - 1)).sum(axis=1).mean() / (100 * 99)
    assert pairs == pytest.approx(5 * (made.unseen_mass[0] / 5) ** 2, rel=0.05)


def test_many_singletons_do_not_need_the_memory_of_all_unseen_classes():
    # 2,000 singletons stand for two million unseen classes; no more than n are ever drawn.
    made = estimate_assemblages(np.ones((1, 2000), dtype=np.int64))
    assert made.n_unseen[0] > 1_900_000
    for _, samples in resample(made, np.random.default_rng(0), 5):
        assert samples.shape[2] <= 4001
        assert (samples.sum(axis=2) == 2000).all()


def test_units_are_drawn_in_chunks_and_none_is_lost(monkeypatch):
    monkeypatch.setattr("evalsuite.stats.assemblage.CELLS", 500)
    rows = np.random.default_rng(5).multinomial(30, np.full(6, 1 / 6), size=40)
    values = bootstrap(rows, lambda samples: samples.sum(axis=1), np.random.default_rng(0), 20)
    assert values.shape == (40, 20) and (values == 30).all()


def test_the_spread_of_the_bootstrap_is_that_of_the_sample():
    p = 0.6 ** np.arange(8)
    p /= p.sum()
    draws = np.random.default_rng(7).multinomial(100, p, size=300)
    real = chao_wang_jost_entropies(draws).std(ddof=1)
    each = bootstrap(draws, chao_wang_jost_entropies, np.random.default_rng(8)).std(axis=1, ddof=1)
    assert each.mean() == pytest.approx(real, rel=0.12)


def test_the_share_of_its_mass_that_a_singleton_leaves_unseen_has_a_form_for_every_case():
    rows = np.array([[4, 2, 1, 1], [4, 1, 1, 1], [4, 1, 0, 0], [4, 4, 0, 0]])
    assert singleton_factor(rows) == pytest.approx([14 / 16, 12 / 14, 0.0, 0.0])


def test_four_thousand_samples_of_50_are_bootstrapped_within_seconds():
    rows = np.random.default_rng(1).multinomial(50, np.full(10, 0.1), size=1000)
    start = time.process_time()
    bootstrap(rows, chao_wang_jost_entropies, np.random.default_rng(0))
    assert time.process_time() - start < 5.0  # a quarter of 4,000, with room for a slow machine


def test_the_normal_quantile_is_the_known_one():
    assert normal_quantile(0.95) == pytest.approx(1.959963984540054, rel=1e-12)
