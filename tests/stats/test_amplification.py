import math

import numpy as np
import pytest

from evalsuite.stats import proportion_interval
from evalsuite.stats.amplification import amplification


def codes(estimate):
    return [warning.partition(":")[0] for warning in estimate.warnings]


def test_amplification_takes_the_ends_of_wilson():
    result = amplification([30, 5], [100, 50], [0.15, 0.2])
    share = proportion_interval(30, 100)
    assert result[0].estimate == pytest.approx(math.log(2))
    assert result[0].ci_low == pytest.approx(math.log(share.ci_low / 0.15))
    assert result[0].ci_high == pytest.approx(math.log(share.ci_high / 0.15))
    assert result[1].estimate == pytest.approx(math.log(0.5))
    assert codes(result[0]) == ["exact reference"]


def test_an_uncertain_reference_widens_the_ratio():
    exact, counted, endless = (
        amplification([30], [100], [0.15], reference_n=size)[0] for size in (None, [200], [10**8])
    )
    assert counted.ci_low < exact.ci_low and counted.ci_high > exact.ci_high
    assert (endless.ci_low, endless.ci_high) == pytest.approx((exact.ci_low, exact.ci_high), 1e-3)
    assert counted.warnings == ()


def test_small_cells_are_suppressed_and_empty_ones_have_no_lower_end():
    small, empty = amplification([5, 0], [19, 40], [0.3, 0.3])
    assert small.estimate is None and small.ci_high is None and codes(small) == ["suppressed"]
    assert empty.estimate is None and empty.ci_low is None
    assert empty.ci_high == pytest.approx(math.log(proportion_interval(0, 40).ci_high / 0.3))


def test_nominal_95_percent_intervals_of_a_ratio_cover_it():
    rng = np.random.default_rng(3)
    covered = 0
    for k, reference in zip(rng.binomial(60, 0.3, 1500), rng.binomial(80, 0.2, 1500), strict=True):
        share = max(reference, 1) / 80
        (result,) = amplification([k], [60], [share], reference_n=[80])
        covered += result.ci_low <= math.log(1.5) <= result.ci_high
    assert covered / 1500 >= 0.94


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: amplification([1], [2, 3], [0.5]), "one length"),
        (lambda: amplification([3], [2], [0.5]), "whole numbers"),
        (lambda: amplification([1], [2], [0.0]), "reference share"),
    ],
)
def test_input_that_makes_no_sense_is_an_error(call, message):
    with pytest.raises(ValueError, match=message):
        call()
