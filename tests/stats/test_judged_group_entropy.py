"""Entropies through a judge with a known confusion: wrong as predicted, corrected and covering."""

import math

import numpy as np
import pytest

from evalsuite.stats.group_entropy import ClosedGroup, fixed_groups_entropy
from evalsuite.stats.judged_group_entropy import (
    JudgedGroup,
    calibration_problem,
    judged_groups_entropy,
    judged_shares,
)
from evalsuite.stats.multiclass_judge import confusion_shares

N = 96
CONFUSION = np.array([[0.86, 0.12, 0.02], [0.15, 0.83, 0.02]])


def entropy(shares):
    own = np.asarray(shares)[np.asarray(shares) > 0]
    return float(-(own * np.log(own)).sum()) / math.log(2)


def judged(rng, share, *, concepts=16, confusion=CONFUSION):
    groups = []
    for concept in range(concepts):
        truth = (rng.random(N) < share).astype(int)
        above = rng.random(N)[:, None] > confusion.cumsum(axis=1)[truth]
        says = np.minimum(above.sum(axis=1), 2)
        items = np.arange(N) + concept * N
        there = says < 2
        own = ClosedGroup(says[there], items[there], items[there] // 16, 2)
        groups.append(JudgedGroup(own, int((~there).sum()), "q"))
    return groups


def calibration(rng, n=100, confusion=CONFUSION):
    return np.stack([rng.multinomial(n, row) for row in confusion])


@pytest.mark.parametrize("share", [0.5, 0.2, 0.05, 0.0])
def test_corrected_intervals_cover_the_truth_and_uncorrected_ones_do_not(share):
    rng = np.random.default_rng(7)
    truth = entropy([share, 1 - share])
    seen = np.array([1 - share, share]) @ CONFUSION
    predicted = entropy(seen[:2] / seen[:2].sum())
    covered, plain, values = 0, 0, []
    for _ in range(20):
        groups = judged(rng, share)
        found = judged_groups_entropy(groups, {"q": calibration(rng)}, draws=100)
        covered += found.ci_low <= truth <= found.ci_high
        uncorrected = fixed_groups_entropy([own.group for own in groups])
        plain += uncorrected.ci_low <= truth <= uncorrected.ci_high
        values.append(uncorrected.estimate)
    assert covered >= 16  # as in tests/stats/test_group_entropy.py
    assert np.mean(values) == pytest.approx(predicted, abs=0.01)
    if share < 0.5:
        assert plain <= 2


def test_shares_are_those_of_the_square_case_where_the_judge_always_answers():
    joint, says = np.array([[80, 15, 5], [6, 90, 4], [10, 20, 70]]), np.array([30, 50, 20])
    with_none = np.column_stack([joint, [0, 0, 0]])
    found = judged_shares(with_none, np.append(says, 0))
    assert found == pytest.approx(confusion_shares(joint, says), abs=1e-6)


def test_shares_at_the_edge_are_on_the_simplex():
    joint = np.array([[80, 20, 0], [10, 90, 0]])
    assert judged_shares(joint, np.array([5, 95, 0])).tolist() == pytest.approx([0.0, 1.0])


def test_a_class_without_a_labelled_item_cannot_be_corrected():
    assert "1 of 2 classes has no labelled item" in (
        calibration_problem(np.array([[5, 0, 0], [0, 0, 0]])) or ""
    )


def test_a_judge_that_tells_nothing_apart_cannot_be_inverted():
    assert "ill-conditioned" in (calibration_problem(np.array([[50, 50, 0], [49, 51, 0]])) or "")


def test_groups_that_cannot_be_corrected_are_missing_and_the_reason_stands_there():
    rng = np.random.default_rng(1)
    good, bad = judged(rng, 0.3, concepts=3), judged(rng, 0.3, concepts=2)
    bad = [JudgedGroup(own.group, own.n_other, "r") for own in bad]
    joints = {"q": calibration(rng), "r": np.zeros((2, 3))}
    found = judged_groups_entropy([*good, *bad], joints)
    assert (found.n, found.n_missing) == (3, 2)
    assert any(note.startswith("r: no calibration") for note in found.warnings)
    nothing = judged_groups_entropy(bad, joints)
    assert nothing.estimate is None and nothing.warnings


def test_many_reasons_are_cut_short():
    rng = np.random.default_rng(1)
    (own,) = judged(rng, 0.3, concepts=1)
    groups = [JudgedGroup(own.group, 0, f"q{i}") for i in range(30)]
    found = judged_groups_entropy(groups, {f"q{i}": np.zeros((2, 3)) for i in range(30)})
    assert len(found.warnings) <= 4


def test_a_small_calibration_without_an_error_leaves_errors_possible():
    rng = np.random.default_rng(2)
    groups = judged(rng, 0.05, confusion=np.array([[0.97, 0.03, 0], [0.03, 0.97, 0]]))
    flawless = np.array([[20, 0, 0], [0, 20, 0]])
    few, many = (judged_groups_entropy(groups, {"q": n * flawless}) for n in (1, 100))
    assert few.ci_high - few.ci_low > 2 * (many.ci_high - many.ci_low)


def test_the_same_draws_give_the_same_interval():
    groups = judged(np.random.default_rng(3), 0.2, concepts=3)
    joints = {"q": calibration(np.random.default_rng(4))}
    assert judged_groups_entropy(groups, joints) == judged_groups_entropy(groups, joints)


def test_a_calibration_of_another_size_is_refused():
    groups = judged(np.random.default_rng(3), 0.2, concepts=1)
    with pytest.raises(ValueError, match=r"must have shape \(2, 3\)"):
        judged_groups_entropy(groups, {"q": np.eye(2)})
    with pytest.raises(ValueError, match="no groups"):
        judged_groups_entropy([], {})


@pytest.mark.parametrize("shares", [[0.125] * 8, [0.6, 0.2, 0.1, 0.05, 0.02, 0.01, 0.01, 0.01]])
def test_few_labelled_items_a_group_do_not_move_the_interval_of_a_perfect_judge(shares):
    rng = np.random.default_rng(4)
    truth = -float((np.array(shares) * np.log(shares)).sum()) / math.log(8)
    joint = np.column_stack([16 * np.eye(8, dtype=int), np.zeros(8, dtype=int)])
    covered = 0
    for _ in range(15):
        groups = []
        for concept in range(16):
            items = np.arange(N) + concept * N
            labels = rng.choice(8, N, p=shares)
            groups.append(JudgedGroup(ClosedGroup(labels, items, items // 16, 8), 0, f"{concept}"))
        joints = {f"{concept}": joint for concept in range(16)}
        found = judged_groups_entropy(groups, joints, draws=100)
        covered += found.ci_low <= truth <= found.ci_high
    assert covered >= 12


def test_prompts_that_decide_the_label_leave_no_bias_to_correct():
    rng = np.random.default_rng(6)
    by_prompt = np.array([np.roll([0.8, 0.2, 0.0, 0.0, 0.0, 0.0], s) for s in range(6)])
    shares = by_prompt.mean(axis=0)
    truth = -float((shares * np.log(shares)).sum()) / math.log(6)
    joint = np.column_stack([5000 * np.eye(6, dtype=int), np.zeros(6, dtype=int)])
    values = []
    for _ in range(4):
        groups = []
        for concept in range(10):
            labels = np.concatenate([rng.choice(6, 16, p=p) for p in by_prompt])
            items = np.arange(N) + concept * N
            groups.append(JudgedGroup(ClosedGroup(labels, items, items // 16, 6), 0, "q"))
        values.append(judged_groups_entropy(groups, {"q": joint}, draws=100).estimate)
    assert np.mean(values) == pytest.approx(truth, abs=0.003)


@pytest.mark.parametrize("share", [0.5, 0.02, 0.0])
def test_an_estimate_lies_in_its_own_interval(share):
    rng = np.random.default_rng(8)
    for _ in range(12):
        groups = judged(rng, share, confusion=np.array([[0.98, 0.02, 0], [0.02, 0.98, 0]]))
        joint = calibration(rng, confusion=np.array([[0.98, 0.02, 0], [0.02, 0.98, 0]]))
        for found in (
            judged_groups_entropy(groups, {"q": joint}, draws=50),
            fixed_groups_entropy([own.group for own in groups]),
        ):
            assert 0.0 <= found.ci_low <= found.estimate <= found.ci_high <= 1.0
