import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from evalsuite.stats.rogan_gladen import rogan_gladen


def corrected(p=0.4, n=1000, q1=0.9, m1=200, q0=0.7, m0=200, **options):
    return rogan_gladen(
        p, n, sensitivity=q1, n_sensitivity=m1, specificity=q0, n_specificity=m0, **options
    )


def codes(estimate):
    return [warning.partition(":")[0] for warning in estimate.warnings]


def test_the_vector_of_the_specification_is_reproduced():
    result = corrected()
    assert result.estimate == pytest.approx(0.166667, abs=5e-7)
    assert (result.ci_low, result.ci_high) == pytest.approx((0.056351, 0.262733), abs=5e-7)
    assert (result.n, result.method, result.warnings) == (1000, "Rogan-Gladen", ())


def test_a_perfect_judge_measured_endlessly_leaves_the_share():
    result = corrected(p=0.3, n=10**6, q1=1.0, q0=1.0, m1=10**9, m0=10**9)
    assert result.estimate == pytest.approx(0.3)
    half = 1.959964 * math.sqrt(0.21 / 10**6)
    assert (result.ci_low, result.ci_high) == pytest.approx((0.3 - half, 0.3 + half), abs=1e-5)


def test_fewer_outputs_behind_the_error_rates_widen_the_interval():
    widths = [(r := corrected(m1=m, m0=m)).ci_high - r.ci_low for m in (2000, 200, 50)]
    assert widths == sorted(widths)


def test_fewer_positives_than_false_alarms_are_no_positives():
    result = corrected(p=0.28)
    assert result.estimate == 0.0 and result.ci_low == 0.0 and result.ci_high > 0.0
    assert codes(result) == ["clipped"]


def test_error_rates_that_cannot_be_of_these_outputs_give_no_interval():
    result = corrected(p=0.0)
    assert result.estimate == 0.0 and result.ci_low is None and result.ci_high is None
    assert codes(result) == ["clipped", "inconsistent"]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"q1": 0.4, "q0": 0.7}, "a judge is of use only above 1.1"),
        ({"q1": 0.5, "q0": 0.5}, "sensitivity plus specificity is 1,"),
        ({"p": 1.2}, "positive_share must lie"),
        ({"q1": math.nan}, "sensitivity must lie"),
        ({"q0": -0.1}, "specificity must lie"),
        ({"n": 0}, "positive_share of 0 outputs"),
        ({"m1": 0}, "sensitivity of 0 outputs"),
        ({"level": 1.0}, "level"),
    ],
)
def test_input_that_makes_no_sense_is_an_error(change, message):
    with pytest.raises(ValueError, match=message):
        corrected(**change)


SHARES = st.floats(0.0, 1.0)


@settings(max_examples=200, deadline=None)
@given(SHARES, st.floats(0.56, 1.0), st.floats(0.56, 1.0), st.integers(1, 500))
def test_the_interval_holds_the_estimate_and_is_never_a_point(p, q1, q0, m):
    result = corrected(p=p, q1=q1, q0=q0, m1=m, m0=2 * m)
    if result.ci_low is not None:
        assert 0.0 <= result.ci_low <= result.estimate <= result.ci_high <= 1.0
        assert result.ci_low < result.ci_high


@settings(max_examples=100, deadline=None)
@given(SHARES, st.floats(0.56, 1.0), st.floats(0.56, 1.0))
def test_swapping_positive_and_negative_mirrors_the_result(p, q1, q0):
    one, other = corrected(p=p, q1=q1, q0=q0), corrected(p=1 - p, q1=q0, q0=q1)
    assert other.estimate == pytest.approx(1 - one.estimate)
    if one.ci_low is not None and other.ci_low is not None:
        assert (other.ci_low, other.ci_high) == pytest.approx((1 - one.ci_high, 1 - one.ci_low))


@pytest.mark.parametrize("rates", [(0.1, 0.9, 0.85), (0.5, 0.75, 0.7), (0.8, 0.75, 0.7)])
def test_nominal_95_percent_intervals_cover_the_true_share(rates):
    # The specification's rates, with as many positives as negatives behind the error rates.
    rng = np.random.default_rng(9)
    theta, q1, q0 = rates
    covered = 0
    for _ in range(1500):
        result = corrected(
            p=rng.binomial(1000, theta * q1 + (1 - theta) * (1 - q0)) / 1000,
            q1=rng.binomial(100, q1) / 100,
            m1=100,
            q0=rng.binomial(100, q0) / 100,
            m0=100,
        )
        covered += result.ci_low <= theta <= result.ci_high
    assert covered / 1500 >= 0.93
