import math

import numpy as np
import pytest

from evalsuite.metrics import (
    leave_one_out_mean_pairwise_cosine_distance,
    mean_pairwise_cosine_distance,
)
from evalsuite.stats import jackknife_interval, mean_interval


def without_interval(result):
    return result.se is None and result.ci_low is None and result.ci_high is None


def test_the_jackknife_of_a_mean_is_the_interval_of_the_mean():
    values = np.random.default_rng(0).normal(size=25)
    left_out = (values.sum() - values) / 24
    result = jackknife_interval(values.mean(), left_out)
    plain = mean_interval(values)
    assert result.se == pytest.approx(plain.se, rel=1e-12)
    assert (result.ci_low, result.ci_high) == pytest.approx((plain.ci_low, plain.ci_high))
    assert (result.n, result.n_clusters, result.warnings) == (25, 25, ())


def test_the_jackknife_over_equal_clusters_is_the_clustered_interval():
    rng = np.random.default_rng(1)
    values = rng.normal(size=(12, 4)) + rng.normal(size=(12, 1))
    left_out = (values.sum() - values.sum(axis=1)) / 44
    result = jackknife_interval(values.mean(), left_out, n=48)
    clustered = mean_interval(values.ravel(), clusters=np.repeat(np.arange(12), 4))
    assert result.se == pytest.approx(clustered.se, rel=1e-12)
    assert (result.n, result.n_clusters) == (48, 12)


@pytest.mark.parametrize(
    ("estimate", "left_out", "code"),
    [
        (0.5, [0.4, 0.6], "too few clusters"),
        (0.0, [0.0] * 12, "degenerate"),
        (0.5, [0.4, math.nan, 0.5, 0.6], "undefined"),
        (math.nan, [0.4, 0.5, 0.6], "undefined"),
    ],
)
def test_no_interval_is_made_up_where_none_can_be_had(estimate, left_out, code):
    result = jackknife_interval(estimate, left_out)
    assert without_interval(result)
    assert result.estimate == (None if math.isnan(estimate) else estimate)
    assert [w.partition(":")[0] for w in result.warnings] == [code]


def test_few_clusters_are_warned_of():
    result = jackknife_interval(0.5, [0.4, 0.5, 0.6])
    assert result.ci_low is not None
    assert [w.partition(":")[0] for w in result.warnings] == ["few clusters"]


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: jackknife_interval(0.5, []), "G >= 1"),
        (lambda: jackknife_interval(0.5, [[0.4, 0.5]]), "shape"),
        (lambda: jackknife_interval(math.inf, [0.4, 0.5, 0.6]), "infinite"),
        (lambda: jackknife_interval(0.5, [0.4, math.inf, 0.6]), "infinite"),
        (lambda: jackknife_interval(0.5, [0.4, 0.5, 0.6], level=2.0), "level"),
    ],
)
def test_input_that_makes_no_sense_is_an_error(call, message):
    with pytest.raises(ValueError, match=message):
        call()


def test_nominal_95_percent_intervals_cover_the_true_mean_pairwise_distance():
    rng = np.random.default_rng(7)
    mean = np.array([0.8, 0.3, 0.0, 0.0])
    population = rng.normal(size=(400_000, 4)) * 0.7 + mean
    units = population / np.linalg.norm(population, axis=1, keepdims=True)
    truth = 1 - float(units.mean(axis=0) @ units.mean(axis=0))
    covered = 0
    for _ in range(2000):
        features = rng.normal(size=(20, 4)) * 0.7 + mean
        result = jackknife_interval(
            mean_pairwise_cosine_distance(features),
            leave_one_out_mean_pairwise_cosine_distance(features),
        )
        covered += result.ci_low <= truth <= result.ci_high
    assert covered / 2000 >= 0.93
