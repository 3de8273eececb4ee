import numpy as np
import pytest
from vendi_score import vendi

from evalsuite.stats import mean_interval
from evalsuite.stats.fixed_size_vendi import mean_vendi_fixed_n, vendi_fixed_n


def codes(estimate):
    return [warning.partition(":")[0] for warning in estimate.warnings]


def gaussian(n, d, seed=0):
    return np.random.default_rng(seed).normal(size=(n, d))


def unit(rows):
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


def test_order_one_at_fixed_n_is_the_plug_in_of_the_vendi_package():
    rows = gaussian(50, 20)
    result = vendi_fixed_n(rows, n=50)
    assert result.estimate == pytest.approx(vendi.score_dual(rows, q=1, normalize=True), rel=1e-9)
    assert result.ci_low is None and result.se is None and codes(result) == ["one set"]


def test_order_one_at_fixed_n_averages_over_subsets_of_a_larger_set():
    rng = np.random.default_rng(0)
    small = [vendi_fixed_n(rng.normal(size=(20, 64)), n=20).estimate for _ in range(30)]
    large = vendi_fixed_n(rng.normal(size=(300, 64)), n=20)
    # The specification prints 17.2 at n = 20 and 57.6 at n = 300.
    assert np.mean(small) == pytest.approx(17.2, abs=0.1)
    assert large.estimate == pytest.approx(17.2, abs=0.1)


def test_order_one_does_not_count_rounding_as_kinds():
    three = np.repeat(unit(gaussian(3, 3)), 20, axis=0)
    whole = vendi_fixed_n(three, n=60).estimate
    assert whole == pytest.approx(vendi.score_dual(three, q=1), rel=1e-9) and whole <= 3


def test_a_seed_gives_a_score_and_the_default_stream_is_fixed():
    rows = gaussian(80, 10)
    assert vendi_fixed_n(rows) == vendi_fixed_n(rows)
    seeded = [vendi_fixed_n(rows, rng=np.random.default_rng(s)).estimate for s in (1, 1, 2)]
    assert seeded[0] == seeded[1] != seeded[2]


def test_order_one_over_sets_has_the_interval_over_sets():
    sets = [gaussian(12, 5, seed) for seed in range(12)]
    result = mean_vendi_fixed_n(sets, n=12)
    expected = mean_interval([vendi_fixed_n(rows, n=12).estimate for rows in sets])
    assert (result.estimate, result.ci_low) == pytest.approx((expected.estimate, expected.ci_low))


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: vendi_fixed_n(np.eye(49)), "49 rows, fewer than the fixed n of 50"),
        (lambda: vendi_fixed_n(np.eye(4), n=1), "n must be >= 2"),
    ],
)
def test_input_that_makes_no_sense_is_an_error(call, message):
    with pytest.raises(ValueError, match=message):
        call()
