import pytest

from evalsuite.stats import proportion_interval
from evalsuite.stats.group_errors import group_error_rates


def codes(estimate):
    return [warning.partition(":")[0] for warning in estimate.warnings]


def test_error_rates_are_those_of_each_group():
    truth, judge = [0] * 60, [0] * 30 + [1] * 10 + [0] * 20
    rates = dict(group_error_rates(truth, judge, ["a"] * 40 + ["b"] * 15 + ["c"] * 5))
    assert list(rates) == ["a", "b", "c"]
    assert rates["a"].ci_low == proportion_interval(10, 40).ci_low
    assert rates["b"].estimate is None and codes(rates["b"]) == ["suppressed"]
    with pytest.raises(ValueError, match="one length"):
        group_error_rates([1], [1], [1, 2])
