import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats as scipy_stats

from evalsuite.stats.multiplicity import benjamini_hochberg, holm

VECTOR = [0.001, 0.02, 0.03, 0.4]
BOTH = pytest.mark.parametrize("adjust", [holm, benjamini_hochberg])
FAMILIES = st.lists(st.integers(0, 1000).map(lambda x: x / 1000), min_size=1, max_size=20)


def test_the_vectors_of_the_specification_are_reproduced():
    assert holm(VECTOR) == pytest.approx((0.004, 0.06, 0.06, 0.4), abs=1e-12)
    assert benjamini_hochberg(VECTOR) == pytest.approx((0.004, 0.04, 0.04, 0.4), abs=1e-12)


@settings(deadline=None, max_examples=15)
@given(FAMILIES)
def test_benjamini_hochberg_is_that_of_scipy(p):
    assert benjamini_hochberg(p) == pytest.approx(scipy_stats.false_discovery_control(p))


@settings(deadline=None, max_examples=15)
@given(FAMILIES)
def test_holm_is_its_definition(p):
    order = np.argsort(p, kind="stable")
    expected, running = [0.0] * len(p), 0.0
    for step, i in enumerate(order):
        running = max(running, min(1.0, (len(p) - step) * p[i]))
        expected[i] = running
    assert holm(p) == pytest.approx(expected)


@BOTH
def test_what_was_not_compared_stays_out_of_the_family(adjust):
    gaps = [None, 0.001, 0.02, math.nan, 0.03, 0.4, None]
    result = adjust(gaps)
    assert [x for x in result if x is not None] == list(adjust(VECTOR))
    assert [i for i, x in enumerate(result) if x is None] == [0, 3, 6]


@BOTH
def test_a_p_value_of_zero_is_part_of_the_family(adjust):
    assert adjust([0.0, 0.5])[0] == 0.0


@BOTH
def test_a_family_of_none_has_nothing_to_adjust(adjust):
    assert adjust([]) == ()
    assert adjust([None, math.nan]) == (None, None)


@BOTH
def test_order_does_not_matter(adjust):
    assert adjust(VECTOR[::-1]) == adjust(VECTOR)[::-1]


@BOTH
@pytest.mark.parametrize("p", [-0.1, 1.1, math.inf])
def test_what_is_no_probability_is_refused(adjust, p):
    with pytest.raises(ValueError, match=rf"{adjust.__name__}: .* \[0, 1\], got {p}"):
        adjust([0.5, p])
