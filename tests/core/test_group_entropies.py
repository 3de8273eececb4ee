"""The measure of groups that are held fixed: its estimate, its scores, and what it refuses."""

import numpy as np
import pytest

from evalsuite.measures import (
    GroupEntropyMeasure,
    LabelGroup,
    LabelRow,
    MeasureCard,
    estimate_measure,
    unit_scores,
)
from evalsuite.measures.influences import influences
from evalsuite.stats.group_entropy import ClosedGroup, fixed_groups_entropy
from evalsuite.stats.judged_group_entropy import JudgedGroup, judged_groups_entropy

CARD = MeasureCard(name="m", summary="x")
CLASSES = ("a", "b")


def group(name: str, text: str, **more: object) -> LabelGroup:
    """Labels from a text of one letter an answer; a dash is missing. Two prompts in turn."""
    rows = tuple(
        LabelRow(f"{name}{i % 2}", name, "s", 0, i // 2, None if letter == "-" else letter)
        for i, letter in enumerate(text)
    )
    return LabelGroup(name, name, "s", CLASSES, rows, **more)  # type: ignore[arg-type]


GROUPS = (group("x", "aabbabab"), group("y", "aaaaaaab"), group("z", "bbbbabbb"))


def closed(place: int, text: str) -> ClosedGroup:
    labels = np.array([CLASSES.index(letter) for letter in text])
    n = np.arange(len(text))
    return ClosedGroup(labels, n + 100 * place, n % 2 + 2 * place, 2)


CLOSED = [closed(i, text) for i, text in enumerate(("aabbabab", "aaaaaaab", "bbbbabbb"))]


def test_the_estimate_is_that_of_the_groups_and_no_slice_is_made():
    (found,) = estimate_measure(GroupEntropyMeasure("m", GROUPS), CARD)
    direct = fixed_groups_entropy(CLOSED)
    assert (found.kind, found.slice) == ("group_entropy", "all")
    assert found.estimate == direct
    assert found.facts == {"groups": 3.0, "groups_without_value": 0.0, "drawn": 24.0}
    assert found.bound_low == found.bound_high == direct.estimate


def test_with_calibrations_it_is_that_of_the_corrected_shares():
    joint = np.array([[90, 8, 2], [10, 88, 2]])
    groups = tuple(group(g.name, "aabbabab", n_other=1, calibration="q") for g in GROUPS)
    (found,) = estimate_measure(GroupEntropyMeasure("m", groups, {"q": joint}), CARD)
    same = [JudgedGroup(closed(i, "aabbabab"), 1, "q") for i in range(3)]
    assert found.estimate == judged_groups_entropy(same, {"q": joint})


def test_scores_are_one_a_group_and_their_mean_is_the_measure():
    measure = GroupEntropyMeasure("m", GROUPS)
    scores = unit_scores(measure, CARD)
    (found,) = estimate_measure(measure, CARD)
    assert scores.unit.tolist() == ["x", "y", "z"] and scores.is_sampled
    assert scores.value.mean() == pytest.approx(found.estimate.estimate)


def test_a_missing_label_marks_its_group_and_leaves_the_measure_without_bounds():
    measure = GroupEntropyMeasure("m", (*GROUPS[:2], group("z", "bb-babbb")))
    assert unit_scores(measure, CARD).is_partial.tolist() == [False, False, True]
    (found,) = estimate_measure(measure, CARD)
    assert (found.bound_low, found.bound_high) == (None, None)


def test_a_group_whose_calibration_cannot_be_used_has_no_score():
    groups = tuple(group(g.name, "aabb", calibration="q") for g in GROUPS)
    measure = GroupEntropyMeasure("m", groups, {"q": np.zeros((2, 3), dtype=np.int64)})
    assert np.isnan(unit_scores(measure, CARD).value).all()
    (found,) = estimate_measure(measure, CARD)
    assert found.estimate.estimate is None


@pytest.mark.parametrize(
    ("groups", "calibrations", "what"),
    [
        ((GROUPS[0], GROUPS[0]), None, "two groups of one name"),
        ((group("x", "ac"),), None, "label 'c' is none of x's"),
        (GROUPS, {}, "has no calibration"),
        ((), None, "no groups"),
    ],
)
def test_what_no_entropy_can_be_made_of_is_refused(groups, calibrations, what):
    with pytest.raises(ValueError, match=what):
        estimate_measure(GroupEntropyMeasure("m", groups, calibrations), CARD)


def test_it_has_no_influences_of_clusters():
    with pytest.raises(TypeError, match="scores of groups"):
        influences(GroupEntropyMeasure("m", GROUPS))
