"""The failures of other methods that the self-test is there to show are really there."""

import numpy as np
import pytest

from evalsuite.selftest import peers
from evalsuite.selftest.cells import measure
from evalsuite.selftest.run import run_cells, select


def cell(part, name):
    (found,) = (cell for cell in select(part)[0] if cell.name == name)
    return found


@pytest.fixture(scope="module")
def ten_equal_classes():
    return measure(cell("entropy", "entropy, open set: 10 equal classes, n = 20"), runs=200, seed=3)


def test_the_percentile_bootstrap_of_the_plug_in_misses_ten_equal_classes(ten_equal_classes):
    (peer,) = ten_equal_classes.peers
    assert peer.method == peers.PERCENTILE
    assert peer.coverage < 0.1
    assert peer.bias == pytest.approx(-0.263, abs=0.02)


def test_ours_holds_them_on_the_same_draws(ten_equal_classes):
    assert ten_equal_classes.coverage > 0.9
    assert abs(ten_equal_classes.bias) < 0.05


@pytest.mark.parametrize(
    ("part", "name", "most"),
    [
        ("mean", "mean, t: normal, n = 50", 0.25),
        ("mean", "mean over clusters, t: normal, clusters of 5, ICC .3, 40 clusters", 0.88),
        ("share", "share, Wilson: p = 0.05, n = 20", 0.75),
        ("replicates", "mean over replicates: 80% of the variance from 3 seeds, n = 50", 0.75),
        ("mean_entropy", "mean entropy over prompts, t: Dirichlet prompts, 20 answers each, "
         "40 prompts", 0.2),
        ("imbalance", "squared distance over units: fair, 10 categories, 8 outputs each, 40 units",
         0.05),
        ("judge", "Rogan-Gladen share: share 0.8, sensitivity 0.75, specificity 0.7, "
         "n = 1000, error rates of 200 each", 0.05),
    ],
)  # fmt: skip
def test_a_peer_falls_short_where_ours_does_not(part, name, most):
    result = measure(cell(part, name), runs=300, seed=1)
    assert result.peers[0].coverage < most
    assert result.coverage > 0.9


def test_pairing_makes_the_interval_narrower():
    name = "paired difference: normal, correlation .8, 40 units"
    result = measure(cell("paired", name), runs=100, seed=1)
    assert result.width < 0.6 * result.peers[0].width


def test_the_raw_gap_is_large_where_there_is_none():
    name = "gap between groups: no gap, 5 groups around .8, 20 a group"
    (result,) = run_cells([cell("gap", name)], runs=60, seed=1).cells
    assert result.peers[0].bias == pytest.approx(0.205, abs=0.03)
    assert abs(result.bias) < 0.03


def test_the_order_1_score_of_a_sample_falls_below_that_of_its_population():
    name = "Vendi score of order 2: 16 dimensions, n = 20"
    result = measure(cell("vendi", name), runs=60, seed=1)
    assert result.peers[0].bias < -4.0
    assert result.peers[0].coverage is None
    assert abs(result.bias) < 1.0


def test_a_wald_interval_without_successes_has_no_width():
    answers = peers.wald(np.array([0, 15]), 30)
    assert (answers.low[0], answers.high[0]) == (0.0, 0.0)
    assert answers.low[1] < 0.5 < answers.high[1]
