import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

import evalsuite.metrics.vendi.sets as sets
from evalsuite.metrics.vendi import vendi_score, vendi_scores, vendi_scores_by_set

ORDERS = (0, 0.1, 0.5, 1, 2, "inf")

stacks = st.tuples(st.integers(1, 4), st.integers(1, 6), st.integers(1, 6)).flatmap(
    lambda shape: arrays(np.float64, shape, elements=st.integers(-3, 3).map(float))
)


def one_by_one(stack, zero="error"):
    return np.array([vendi_scores(rows, orders=ORDERS, zero=zero).values for rows in stack])


@given(stacks, st.sampled_from(["drop", "orthogonal"]))
def test_each_set_has_the_score_it_has_alone(stack, zero):
    stack[:, 0, 0] += 7.0
    found = vendi_scores_by_set(stack, orders=ORDERS, zero=zero)
    assert found == pytest.approx(one_by_one(stack, zero), rel=1e-6)


@pytest.mark.parametrize("shape", [(300, 16, 24), (300, 24, 16)])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_chunks_do_not_matter(shape, dtype, monkeypatch):
    stack = np.random.default_rng(0).normal(size=shape).astype(dtype)
    whole = vendi_scores_by_set(stack, orders=ORDERS)
    assert whole == pytest.approx(one_by_one(stack), rel=1e-11)
    monkeypatch.setattr(sets, "_CHUNK", 1000)
    assert vendi_scores_by_set(stack, orders=ORDERS) == pytest.approx(whole, rel=1e-13)


def test_order_two_alone_agrees_and_needs_no_solver(monkeypatch):
    stack = np.random.default_rng(0).normal(size=(5, 6, 9))
    expected = [vendi_score(rows, q=2) for rows in stack]

    def refuse(matrices):
        raise AssertionError("solved")

    monkeypatch.setattr(sets.np.linalg, "eigvalsh", refuse)
    for turned in (stack, np.concatenate([stack, stack], axis=1)):
        assert vendi_scores_by_set(turned, orders=(2,))[:, 0] == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize("shape", [(4, 3, 8), (4, 8, 3)])
def test_the_ends_of_the_range_do_not_matter(shape):
    stack = np.random.default_rng(0).normal(size=shape)
    scales = np.array([1e200, 1e-200, 1.0, -1e-3])[:, None, None]
    assert vendi_scores_by_set(stack * scales) == pytest.approx(vendi_scores_by_set(stack))


@pytest.mark.parametrize("shape", [(6000, 3, 40), (6000, 40, 3)])
def test_bad_rows_are_named_by_set_and_row(shape):
    stack = np.ones(shape)
    stack[5900, 1] = 0.0
    with pytest.raises(ValueError, match="zero rows have no direction: set 5900 row 1"):
        vendi_scores_by_set(stack)
    stack[5901, 2, 0] = np.nan
    with pytest.raises(ValueError, match="not finite: set 5901 row 2"):
        vendi_scores_by_set(stack)
    stack[5901:] = 0.0
    with pytest.raises(ValueError, match=r"all rows are zero in sets \[5901,"):
        vendi_scores_by_set(stack, zero="drop")


@pytest.mark.parametrize("shape", [(2, 3), (0, 2, 3), (2, 0, 3), (2, 3, 0)])
def test_stacks_that_are_none_are_refused(shape):
    with pytest.raises(ValueError, match="vendi_scores_by_set: expected features"):
        vendi_scores_by_set(np.ones(shape))


@pytest.mark.parametrize("options", [{"orders": (-1,)}, {"orders": ()}, {"zero": "keep"}])
def test_options_that_are_none_are_refused(options):
    with pytest.raises(ValueError, match="vendi_scores_by_set: "):
        vendi_scores_by_set(np.ones((1, 2, 2)), **options)
