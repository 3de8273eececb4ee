import json
import math

import pytest
from pydantic import ValidationError

from evalsuite.stats import Estimate

GOOD = {
    "estimate": 0.5,
    "se": 0.1,
    "ci_low": 0.3,
    "ci_high": 0.7,
    "level": 0.95,
    "method": "t",
    "n": 10,
    "n_clusters": 5,
    "n_missing": 0,
    "warnings": (),
}


@pytest.mark.parametrize("field", ["estimate", "se", "ci_low", "ci_high"])
@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_no_number_of_an_estimate_may_be_nan_or_infinite(field, value):
    with pytest.raises(ValidationError, match=field):
        Estimate(**GOOD | {field: value})


@pytest.mark.parametrize(
    "change",
    [
        {"se": -0.1},
        {"level": 1.0},
        {"level": 0.0},
        {"n": -1},
        {"n_clusters": -1},
        {"n_missing": -1},
        {"ci_low": 0.8},
        {"colour": "red"},
    ],
)
def test_an_impossible_estimate_is_refused(change):
    with pytest.raises(ValidationError):
        Estimate(**GOOD | change)


def test_an_estimate_cannot_be_changed():
    with pytest.raises(ValidationError):
        Estimate(**GOOD).estimate = 1.0


def test_an_estimate_survives_a_trip_through_json_with_nulls():
    estimate = Estimate(**GOOD | {"se": None, "ci_low": None, "ci_high": None, "warnings": ("x",)})
    text = estimate.model_dump_json()
    assert json.loads(text)["ci_low"] is None
    assert Estimate.model_validate_json(text) == estimate
    assert set(json.loads(text)) == set(GOOD)
