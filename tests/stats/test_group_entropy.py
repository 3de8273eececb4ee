"""Mean entropies of groups that are held fixed: bias, coverage, and what is not known."""

import math

import numpy as np
import pytest

from evalsuite.stats.entropy_points import chao_wang_jost_entropies
from evalsuite.stats.group_entropy import (
    ClosedGroup,
    fixed_groups_entropy,
    group_entropy,
    item_dependence,
)

N_PROMPTS, PER_PROMPT, CONCEPTS = 6, 16, 16


def entropy(shares):
    own = np.asarray(shares)[np.asarray(shares) > 0]
    return float(-(own * np.log(own)).sum())


def drawn(rng, by_attribute):
    """Labels of the images of every concept, an attribute a distribution."""
    n = N_PROMPTS * PER_PROMPT
    found = []
    for concept in range(CONCEPTS):
        items = np.arange(n) + concept * n
        for shares in by_attribute:
            labels = rng.choice(len(shares), n, p=shares)
            found.append(ClosedGroup(labels, items, items // PER_PROMPT, len(shares)))
    return found


def towards_the_mode(shares, collapse):
    mode = np.eye(len(shares))[int(np.argmax(shares))]
    return (1 - collapse) * np.asarray(shares) + collapse * mode


STEREOTYPED = ([0.85, 0.15], [0.4, 0.3, 0.15, 0.1, 0.05], [0.3, 0.3, 0.4])
CELLS = {
    "balanced": ([0.5, 0.5], [0.2] * 5, [1 / 3] * 3),
    "stereotyped": STEREOTYPED,
    "half collapsed": tuple(towards_the_mode(s, 0.6) for s in STEREOTYPED),
    "nearly collapsed": tuple(towards_the_mode(s, 0.9) for s in STEREOTYPED),
}


@pytest.mark.parametrize("cell", CELLS)
def test_intervals_cover_the_mean_of_these_very_groups(cell):
    by_attribute = CELLS[cell]
    truth = np.mean([entropy(s) / math.log(len(s)) for s in by_attribute])
    rng = np.random.default_rng(11)
    covered, values = 0, []
    for _ in range(20):
        found = fixed_groups_entropy(drawn(rng, by_attribute))
        covered += found.ci_low <= truth <= found.ci_high
        values.append(found.estimate)
    # Fewer than 16 of 20 intervals of 95 % cover with a chance below .003.
    assert covered >= 16
    assert np.mean(values) == pytest.approx(truth, abs=0.004)


def test_a_collapsed_sample_has_no_entropy_and_an_upper_end_above_0():
    found = fixed_groups_entropy(drawn(np.random.default_rng(0), ([1.0, 0.0], [1.0, 0, 0, 0])))
    assert (found.estimate, found.se, found.ci_low) == (0.0, None, 0.0)
    # At most that share of 1,536 images is something else, at 95 %.
    u = 1 - 0.05 ** (1 / 1536)
    ends = [(entropy([u, 1 - u]) + u * math.log(k - 1)) / math.log(k) for k in (2, 4)]
    assert found.ci_high == pytest.approx(np.mean(ends))


def test_one_prompt_is_plain_chao_wang_jost():
    labels = np.array([0] * 50 + [1] * 30 + [2] * 10 + [3] * 5 + [4] * 2 + [5, 6, 7])
    group = ClosedGroup(labels, np.arange(100), np.zeros(100, dtype=int), 8)
    expected = chao_wang_jost_entropies(np.bincount(labels)[None])[0] / math.log(8)
    assert group_entropy(group) == pytest.approx(expected)


def test_prompts_that_decide_the_label_leave_no_chance_and_no_bias_to_correct():
    rng = np.random.default_rng(3)
    strata = np.repeat(np.arange(6), 16)
    by_prompt = np.array([np.roll([0.8, 0.2, 0.0, 0.0, 0.0, 0.0], s) for s in range(6)])
    truth = entropy(by_prompt.mean(axis=0)) / math.log(6)
    values, plain = [], []
    for _ in range(200):
        labels = np.concatenate([rng.choice(6, 16, p=p) for p in by_prompt])
        values.append(group_entropy(ClosedGroup(labels, np.arange(96), strata, 6)))
        plain.append(group_entropy(ClosedGroup(labels, np.arange(96), 0 * strata, 6)))
    assert abs(np.mean(values) - truth) < 0.002 < abs(np.mean(plain) - truth)


def test_labels_that_go_together_on_one_image_widen_the_interval():
    rng = np.random.default_rng(5)
    items, strata = np.arange(96), np.arange(96) // 16
    labels = rng.choice(2, 96, p=[0.8, 0.2])
    twice = [ClosedGroup(labels, items, strata, 2)] * 2
    apart = [twice[0], ClosedGroup(labels, items + 96, strata + 6, 2)]
    assert item_dependence(twice) == pytest.approx(2.0)
    assert item_dependence(apart) == pytest.approx(1.0)
    one, other = fixed_groups_entropy(twice).se, fixed_groups_entropy(apart).se
    assert one == pytest.approx(math.sqrt(2) * other)


def test_a_group_of_less_than_two_labels_is_missing():
    none = np.array([], dtype=np.int64)
    some = ClosedGroup(np.array([0, 1, 1, 0]), np.arange(4), np.zeros(4, dtype=int), 2)
    found = fixed_groups_entropy([some, ClosedGroup(none, none, none, 2)])
    assert (found.n, found.n_missing) == (1, 1)
    assert any(note.startswith("few draws") for note in found.warnings)
    nothing = fixed_groups_entropy([ClosedGroup(none, none, none, 2)])
    assert nothing.estimate is None and nothing.warnings[0].startswith("all missing")


@pytest.mark.parametrize(
    ("labels", "items", "n_classes", "what"),
    [([0, 2], [0, 1], 2, "beyond"), ([0], [0, 1], 2, "length"), ([0], [0], 1, "at least 2")],
)
def test_what_is_no_group_is_refused(labels, items, n_classes, what):
    with pytest.raises(ValueError, match=what):
        ClosedGroup(np.array(labels), np.array(items), np.zeros(len(items)), n_classes)


def test_no_groups_and_a_strange_level_are_refused():
    with pytest.raises(ValueError, match="no groups"):
        fixed_groups_entropy([])
    with pytest.raises(ValueError, match="level"):
        fixed_groups_entropy([], level=1.0)
