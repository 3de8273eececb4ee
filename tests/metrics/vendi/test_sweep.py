import numpy as np
import pytest

from evalsuite.metrics.vendi import n_sweep, vendi_score


def test_order_one_grows_with_the_sample_and_order_two_settles():
    rows = np.random.default_rng(0).normal(size=(400, 64)) + 0.7
    one = n_sweep(rows, order=1, rng=np.random.default_rng(1))
    two = n_sweep(rows, order=2, rng=np.random.default_rng(1))
    assert one.sizes == (100, 200, 400)
    assert (np.diff(one.mean) > 0).all()
    assert one.mean[0] < 0.85 * one.mean[2]
    assert two.mean[1] > 0.95 * two.mean[2]


def test_the_whole_has_its_own_score_and_no_spread():
    rows = np.random.default_rng(0).normal(size=(21, 4))
    found = n_sweep(rows, order=0.5, repeats=3, rng=np.random.default_rng(1))
    assert found.sizes == (5, 10, 21)
    assert found.mean[-1] == pytest.approx(vendi_score(rows, q=0.5))
    assert found.spread[-1] == 0.0
    assert (found.spread[:-1] > 0).all()


def test_subsets_hold_no_row_twice():
    found = n_sweep(np.eye(30), sizes=(7, 29), repeats=50, rng=np.random.default_rng(0))
    assert found.mean == pytest.approx([7, 29])
    assert found.spread == pytest.approx(0, abs=1e-12)


def test_equal_generators_draw_equal_subsets():
    rows = np.random.default_rng(0).normal(size=(20, 4))
    first, second, third = (
        n_sweep(rows, repeats=4, rng=np.random.default_rng(seed)).mean for seed in (1, 1, 2)
    )
    assert (first == second).all()
    assert (first[:2] != third[:2]).all()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"sizes": (0, 3)}, "sizes"),
        ({"sizes": (3, 11)}, "sizes must lie in 1 to 10"),
        ({"sizes": ()}, "sizes"),
        ({"repeats": 1}, "repeats"),
        ({"order": -1}, "order"),
    ],
)
def test_sizes_and_repeats_that_cannot_be_are_refused(options, message):
    with pytest.raises(ValueError, match=f"n_sweep: .*{message}"):
        n_sweep(np.eye(10), rng=np.random.default_rng(0), **options)


def test_three_rows_have_no_quarter():
    with pytest.raises(ValueError, match="at least 4 rows, got 3"):
        n_sweep(np.eye(3), rng=np.random.default_rng(0))
