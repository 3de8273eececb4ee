"""The declared joints are distributions, and what is derived from them is exact."""

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from evalsuite.tinyworld.joint import BALANCED, JOINTS, STEREOTYPED, product_joint, read_joint
from evalsuite.tinyworld.world import ATTRIBUTES, OCCUPATIONS


@pytest.mark.parametrize("name", JOINTS)
def test_a_joint_sums_to_one(name):
    joint = JOINTS[name]
    assert joint.people.sum() == pytest.approx(1.0, abs=1e-12)
    assert joint.shapes.sum() == pytest.approx(1.0, abs=1e-12)
    assert joint.people.shape == tuple(len(v) for v in ATTRIBUTES["person"].values())
    assert joint.shapes.shape == tuple(len(v) for v in ATTRIBUTES["shape"].values())


def test_shares_given_what_a_prompt_names():
    joint = product_joint(
        {"presentation": {"nurse": [0.1, 0.9], "*": [0.5, 0.5]}, "tone": {"nurse": [1, 0, 0, 0, 0]}}
    )
    nurse = {"occupation": "nurse"}
    assert joint.shares("person", "presentation", nurse) == pytest.approx([0.1, 0.9])
    assert joint.shares("person", "tone", nurse) == pytest.approx([1, 0, 0, 0, 0])
    # By Bayes: nurses are all light, others a fifth of them.
    light = joint.shares("person", "occupation", {"tone": "light"})
    assert light[OCCUPATIONS.index("nurse")] == pytest.approx(1 / (1 + 15 * 0.2))
    with pytest.raises(ValueError, match="has any probability"):
        joint.given("person", nurse | {"tone": "dark"})


def test_what_is_named_is_certain():
    table = STEREOTYPED.given("shape", {"shape": "star", "colour": "red"})
    assert table.sum() == pytest.approx(1.0)
    assert np.count_nonzero(table) == 2 * 3


@pytest.mark.parametrize("collapse", [0.0, 0.3, 1.0])
def test_collapse_mixes_in_the_likeliest_scene(collapse):
    named = {"occupation": "nurse"}
    table = STEREOTYPED.collapsed("person", named, collapse)
    plain = STEREOTYPED.given("person", named)
    assert table.sum() == pytest.approx(1.0)
    best = plain.argmax()
    assert table.flat[best] == pytest.approx((1 - collapse) * plain.flat[best] + collapse)
    others = np.arange(plain.size) != best
    assert table.ravel()[others] == pytest.approx((1 - collapse) * plain.ravel()[others])


def test_what_a_file_leaves_out_is_uniform():
    assert (read_joint("{}").people == BALANCED.people).all()


@pytest.mark.parametrize(
    ("tables", "message"),
    [
        ({"hats": [1]}, "unknown table 'hats'"),
        ({"presentation": [0.5, 0.5]}, "must be an object"),
        ({"presentation": {"clown": [0.5, 0.5]}}, "entry 'clown'"),
        ({"presentation": {"nurse": [0.5]}}, "list of 2 numbers"),
        ({"presentation": {"nurse": [0.5, 0.6]}}, "sum to 1"),
        ({"presentation": {"nurse": [-0.5, 1.5]}}, "sum to 1"),
        ({"presentation": {"nurse": [True, False]}}, "list of 2 numbers"),
        ({"background": "grey"}, "list of 3 numbers"),
        ([], "JSON object"),
    ],
)
def test_a_bad_file_is_named_by_its_table(tables, message):
    with pytest.raises(ValueError, match=message):
        read_joint(json.dumps(tables))


def test_shares_that_are_no_numbers_are_refused():
    with pytest.raises(ValueError, match="NaN is no share"):
        read_joint('{"background": [NaN, 0.5, 0.5]}')
    with pytest.raises(ValueError, match="sum to 1"):
        read_joint('{"background": [1e999, 0.5, 0.5]}')
    with pytest.raises(ValueError, match="line 1"):
        read_joint('{"background": ')


_JSON = st.recursive(
    st.none() | st.booleans() | st.floats() | st.integers() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=5)
        | st.dictionaries(
            st.sampled_from(["tone", "colour", "background", "nurse", "*", "x"]), inner
        )
    ),
    max_leaves=8,
)


@given(_JSON)
def test_any_file_is_a_joint_or_an_error_of_one_line(value):
    try:
        joint = read_joint(json.dumps(value))
    except ValueError as error:
        assert "\n" not in str(error)
    else:
        assert joint.people.sum() == pytest.approx(1.0)
