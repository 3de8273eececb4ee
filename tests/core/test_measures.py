import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from evalsuite.measures import (
    ALL,
    MeanMeasure,
    MeasureCard,
    MeasureRow,
    PooledMeasure,
    ProportionMeasure,
    estimate_measure,
)
from evalsuite.stats import clustered_proportion_interval, jackknife_interval, mean_interval

OPEN = MeasureCard(name="m", summary="x")
CARD = MeasureCard(name="m", summary="x", version=3, higher_is_better=True, low=0.0, high=1.0)


def row(value, *, cluster="c", stratum="", **fields):
    return MeasureRow("u", cluster, stratum, 0, value, **fields)


def rows_of(values, strata=None):
    strata = strata or [""] * len(values)
    return tuple(
        row(v, cluster=f"c{i}", stratum=s)
        for i, (v, s) in enumerate(zip(values, strata, strict=True))
    )


def estimate(rows, *, card=CARD, kind=MeanMeasure):
    return estimate_measure(kind("m", tuple(rows)), card)[0]


@settings(deadline=None)
@given(
    st.lists(
        st.tuples(st.none() | st.floats(-5, 5), st.sampled_from("abcd")), min_size=1, max_size=20
    )
)
def test_a_mean_is_the_clustered_t_interval_of_the_values_that_are_there(pairs):
    found = estimate([row(v, cluster=c) for v, c in pairs], card=OPEN)
    values = [math.nan if v is None else v for v, _ in pairs]
    assert found.estimate == mean_interval(values, clusters=[c for _, c in pairs])
    assert found.estimate.n_missing == sum(v is None for v, _ in pairs)
    assert found.kind == "mean"


def test_a_proportion_is_the_clustered_wilson_interval():
    values, clusters = [1, 0, 1, 1, None, 0, 1, 1], list("aabbccdd")
    rows = [row(v, cluster=c) for v, c in zip(values, clusters, strict=True)]
    found = estimate(rows, kind=ProportionMeasure)
    array = np.array(values, dtype=float)
    assert found.estimate == clustered_proportion_interval(array, clusters=clusters)
    assert (found.kind, found.estimate.n, found.estimate.n_missing) == ("proportion", 7, 1)


def test_a_pooled_statistic_is_the_jackknife_and_passes_its_counts_on():
    left_out = [0.5, 0.6, None, 0.7]
    measure = PooledMeasure("m", 0.6, rows_of(left_out), n=40, n_missing=7)
    (found,) = estimate_measure(measure, OPEN)
    direct = jackknife_interval(0.6, [0.5, 0.6, math.nan, 0.7], n=40)
    assert found.estimate == direct.model_copy(update={"n_missing": 7})
    assert (found.estimate.n, found.estimate.n_missing, found.estimate.n_clusters) == (40, 7, 4)
    assert (found.kind, found.sd, found.bound_low, found.bound_high) == ("pooled", None, None, None)


def test_a_pooled_statistic_that_cannot_be_computed_is_missing_and_not_zero():
    (found,) = estimate_measure(PooledMeasure("m", None, rows_of([0.5] * 4), n=4), CARD)
    assert found.estimate.estimate is None
    assert found.estimate.ci_low is None
    assert found.estimate.warnings


def test_a_pooled_statistic_has_no_slices():
    rows = rows_of([0.1, 0.2, 0.4, 0.5], list("xxyy"))
    assert [e.slice for e in estimate_measure(PooledMeasure("m", 0.3, rows, n=4), CARD)] == [ALL]


def test_there_is_a_slice_for_all_and_one_for_each_stratum_in_order():
    rows = rows_of([0.1, 0.9, 0.2, 0.8, None], ["y", "x", "y", "x", ""])
    found = estimate_measure(MeanMeasure("m", rows), CARD)
    assert [e.slice for e in found] == [ALL, "x", "y"]
    assert [e.estimate.estimate for e in found] == pytest.approx([0.5, 0.85, 0.15])
    assert [e.estimate.n_missing for e in found] == [1, 0, 0]


@pytest.mark.parametrize("strata", [["", "", ""], ["x", "x", "x"]])
def test_a_set_of_one_stratum_has_no_slices(strata):
    found = estimate_measure(MeanMeasure("m", rows_of([0.1, 0.2, 0.3], strata)), CARD)
    assert [e.slice for e in found] == [ALL]


def test_bounds_are_the_estimate_where_nothing_is_missing():
    found = estimate(rows_of([0.2, 0.4]))
    assert found.bound_low == found.bound_high == pytest.approx(0.3)


def test_a_missing_row_is_its_worst_and_its_best_possible_value_in_the_bounds():
    found = estimate(rows_of([0.2, 0.4, None, None]))
    assert found.estimate.estimate == pytest.approx(0.3)
    assert (found.bound_low, found.bound_high) == pytest.approx((0.6 / 4, 2.6 / 4))


def test_a_partial_row_counts_in_the_estimate_and_is_open_in_the_bounds():
    rows = [row(0.2), row(0.4, is_partial=True)]
    found = estimate(rows)
    assert found.estimate.estimate == pytest.approx(0.3)
    assert (found.bound_low, found.bound_high) == pytest.approx((0.1, 0.6))


def test_a_row_that_knows_its_own_ends_narrows_the_bounds():
    rows = [row(0.2), row(0.4, is_partial=True, low=0.3, high=0.5), row(None, low=0.0, high=0.9)]
    found = estimate(rows)
    assert (found.bound_low, found.bound_high) == pytest.approx((0.5 / 3, 1.6 / 3))


def test_the_ends_of_a_row_that_is_whole_are_not_used():
    found = estimate([row(0.2, low=0.0, high=1.0)])
    assert (found.bound_low, found.bound_high) == (0.2, 0.2)


def test_a_range_without_an_end_gives_no_bound_on_that_side():
    card = CARD.model_copy(update={"high": None})
    found = estimate(rows_of([0.2, None]), card=card)
    assert (found.bound_low, found.bound_high) == (pytest.approx(0.1), None)
    whole = estimate(rows_of([0.2, 0.4]), card=card)
    assert whole.bound_high == pytest.approx(0.3)


@settings(deadline=None)
@given(st.lists(st.none() | st.floats(0, 1), min_size=1, max_size=20), st.data())
def test_the_estimate_lies_between_the_bounds_of_the_same_rows_filled_in(values, data):
    found = estimate(rows_of(values))
    filled = [data.draw(st.floats(0, 1)) if v is None else v for v in values]
    truth = math.fsum(filled) / len(filled)
    assert found.bound_low - 1e-12 <= truth <= found.bound_high + 1e-12


def test_all_missing_gives_no_estimate_and_the_whole_range_as_bounds():
    found = estimate(rows_of([None, None]))
    assert (found.estimate.estimate, found.sd) == (None, None)
    assert (found.bound_low, found.bound_high) == (0.0, 1.0)
    assert found.estimate.n_missing == 2


def test_the_spread_is_of_the_values_that_are_there():
    assert estimate(rows_of([0.2, None, 0.6])).sd == pytest.approx(0.2)


def test_the_card_stands_beside_the_estimate():
    found = estimate(rows_of([0.2]), card=CARD.model_copy(update={"unit": "words"}))
    assert (found.measure, found.measure_version, found.unit) == ("m", 3, "words")
    assert found.higher_is_better is True


@pytest.mark.parametrize("kind", ["mean", "pooled"])
def test_an_interval_ends_where_the_range_of_the_measure_ends(kind):
    rows = rows_of([0.0, 0.0, 1.0])
    measure = PooledMeasure("m", 0.3, rows, n=3) if kind == "pooled" else MeanMeasure("m", rows)
    (wide,), (cut,) = estimate_measure(measure, OPEN), estimate_measure(measure, CARD)
    assert wide.estimate.ci_low < 0
    assert wide.estimate.ci_high > 1
    assert (cut.estimate.ci_low, cut.estimate.ci_high) == (0.0, 1.0)
    assert (cut.estimate.estimate, cut.estimate.se) == (wide.estimate.estimate, wide.estimate.se)


def test_a_measure_with_the_card_of_another_is_an_error():
    with pytest.raises(ValueError, match="'n' with the card of 'm'"):
        estimate_measure(MeanMeasure("n", rows_of([1.0])), CARD)


@pytest.mark.parametrize("kind", [MeanMeasure, ProportionMeasure])
def test_a_measure_without_rows_is_an_error_and_not_zero(kind):
    with pytest.raises(ValueError, match="n >= 1"):
        estimate_measure(kind("m", ()), CARD)


def test_a_share_of_other_than_yes_and_no_is_an_error():
    with pytest.raises(ValueError, match="0 or 1"):
        estimate(rows_of([0.5]), kind=ProportionMeasure)


def test_the_level_is_passed_on():
    rows = rows_of([0.1, 0.5, 0.6, 0.9])
    (narrow,) = estimate_measure(MeanMeasure("m", rows), OPEN, level=0.5)
    assert narrow.estimate == mean_interval(
        [0.1, 0.5, 0.6, 0.9], clusters=["c0", "c1", "c2", "c3"], level=0.5
    )


@pytest.mark.parametrize("name", ["", "Upper", "with space", "1st", "a" * 62, "a-b", "a\n"])
def test_a_card_with_a_name_that_fits_no_column_is_refused(name):
    with pytest.raises(ValidationError):
        MeasureCard(name=name, summary="x")


def test_an_estimate_outside_the_range_of_its_card_is_an_error() -> None:
    rows = tuple(MeasureRow(str(i), str(i), "", 0, 1.5 + i) for i in range(4))
    with pytest.raises(ValueError, match="outside its range"):
        estimate_measure(MeanMeasure("m", rows), MeasureCard(name="m", summary="", high=1.0))
