import numpy as np
import pytest

from evalsuite.stats.spread import spread_factors

BONETT = np.array([15.83, 16.01, 16.24, 16.42, 15.33, 15.44, 16.88, 16.31])


@pytest.mark.parametrize(
    ("level", "low", "high"),
    [(0.90, 0.3592, 0.9359), (0.95, 0.3263, 1.0841), (0.99, 0.2607, 1.5109)],
)
def test_the_example_of_bonetts_paper_is_reproduced(level, low, high):
    sd = BONETT.std(ddof=1)
    found = spread_factors(BONETT, level=level)
    assert (sd * found[0], sd * found[1]) == pytest.approx((low, high), abs=5e-5)


@pytest.mark.parametrize("values", [[1.0, 2.0, 3.0, 5.0], [2.0] * 9, []])
def test_too_few_values_and_equal_ones_have_no_interval(values):
    assert spread_factors(values) is None


def test_factors_do_not_depend_on_the_unit_or_the_origin():
    one, other = spread_factors(BONETT), spread_factors(100 - 7 * BONETT)
    assert one == pytest.approx(other, rel=1e-9)


def test_the_standard_deviation_of_skewed_data_is_covered():
    draws = np.random.default_rng(1).gamma(2.0, size=(2000, 60))
    covered = []
    for row in draws:
        low, high = spread_factors(row)
        covered.append(low <= np.sqrt(2.0) / row.std(ddof=1) <= high)
    assert np.mean(covered) > 0.89
