"""Against a known truth: what is drawn from tinyworld's joints scores as the joints say.

Labels are drawn from the joint itself, without an image between: the judge is perfect here. The
whole path, with images and a judge, is in tests of its own.
"""

import math
from functools import cache

import numpy as np
import pytest

from evalsuite.measures import GroupEntropyMeasure, MeasureEstimate, estimate_measure
from evalsuite.prompts import Unit
from evalsuite.stats import Estimate
from evalsuite.tables import Tables
from evalsuite.tinyworld.captions import parse
from evalsuite.tinyworld.joint import JOINTS
from evalsuite.tinyworld.world import ATTRIBUTES
from evalsuite_tasks.grade.answers import read_answers
from evalsuite_tasks.grade.diversity import label_groups
from evalsuite_tasks.grade.named_values import asked_value, concept_in
from evalsuite_tasks.grade.task import GradeOptions, card, task
from tests.tasks.grade_tables import made, score, value

COLLAPSE = (0.0, 0.25, 0.5, 0.75, 1.0)
PER_PROMPT = 16


@cache
def scenes() -> tuple[Unit, ...]:
    """The prompts that leave attributes open."""
    return tuple(unit for unit in task.prompt_set("tinyworld") if asked_value(unit) is None)


@cache
def tables(bias: str, collapse: float) -> dict[str, tuple[str, np.ndarray]]:
    """Kind and joint of what each prompt draws."""
    found = {}
    for unit in scenes():
        asked = parse(unit.prompt.text)
        found[unit.id] = asked.kind, JOINTS[bias].collapsed(asked.kind, asked.named, collapse)
    return found


@cache
def truth(bias: str, collapse: float) -> float:
    """The mean normalised entropy of the set's groups, exactly."""
    shares: dict[tuple[str, str], list[np.ndarray]] = {}
    for unit in scenes():
        kind, joint = tables(bias, collapse)[unit.id]
        for attribute in concept_in(unit).attributes:
            axis = list(ATTRIBUTES[kind]).index(attribute.id)
            own = joint.sum(axis=tuple(i for i in range(joint.ndim) if i != axis))
            shares.setdefault((unit.cluster, attribute.id), []).append(own)
    entropies = []
    for own in shares.values():
        p = np.mean(own, axis=0)
        entropies.append(-(p[p > 0] * np.log(p[p > 0])).sum() / math.log(p.size))
    return float(np.mean(entropies))


def drawn(bias: str, collapse: float, seed: int) -> Tables:
    rng = np.random.default_rng(seed)
    said = {}
    for unit in scenes():
        kind, joint = tables(bias, collapse)[unit.id]
        cells = np.unravel_index(rng.choice(joint.size, PER_PROMPT, p=joint.ravel()), joint.shape)
        for attribute in concept_in(unit).attributes:
            values = ATTRIBUTES[kind][attribute.id]
            axis = list(ATTRIBUTES[kind]).index(attribute.id)
            said[unit.id, attribute.id] = [values[place] for place in cells[axis]]
    return made(said, scenes())


@cache
def scored(bias: str, collapse: float, seed: int) -> dict[str, MeasureEstimate]:
    return score(drawn(bias, collapse, seed))


def corrected(bias: str, collapse: float, seed: int) -> Estimate:
    """The corrected measure alone, which is much quicker than all of them."""
    answers = read_answers(drawn(bias, collapse, seed), GradeOptions())
    measure = GroupEntropyMeasure("normalized_entropy_corrected", label_groups(answers))
    (found,) = estimate_measure(measure, card.measure(measure.name))
    return found.estimate


@pytest.mark.parametrize(
    ("bias", "collapse"),
    [("balanced", 0.0), ("stereotyped", 0.0), ("stereotyped", 0.5), ("stereotyped", 0.9),
     ("balanced", 1.0)],
)  # fmt: skip
def test_the_corrected_interval_covers_the_analytic_value(bias, collapse):
    covered, values = 0, []
    for seed in range(6):
        found = corrected(bias, collapse, seed)
        covered += found.ci_low <= truth(bias, collapse) <= found.ci_high  # type: ignore[operator]
        values.append(found.estimate)
    # Fewer than 4 of 6 intervals of 95 % cover with a chance of .002.
    assert covered >= 4
    assert np.mean(values) == pytest.approx(truth(bias, collapse), abs=0.017)  # 3 errors


def test_balanced_is_more_diverse_than_stereotyped_than_collapsed():
    order = [("balanced", 0.0), ("stereotyped", 0.0), ("stereotyped", 0.8)]
    for name in ("normalized_entropy_multi", "normalized_entropy_corrected"):
        first, second, third = (value(scored(*dial, 0), name) for dial in order)
        assert first > second > third


@pytest.mark.parametrize("bias", ["balanced", "stereotyped"])
def test_the_score_follows_the_collapse_dial_without_an_exception(bias):
    found = [scored(bias, collapse, 0) for collapse in COLLAPSE]
    for name, sign in (
        ("normalized_entropy_multi", -1),
        ("normalized_entropy_single", -1),
        ("normalized_entropy_corrected", -1),
    ):
        steps = np.diff([value(own, name) for own in found]) * sign
        assert (steps > 0).all(), name  # a rank correlation of 1 with the dial
    rates = [value(own, "concepts_with_default") for own in found]
    assert (np.diff(rates) >= 0).all() and rates[-1] == 1.0


def test_the_plug_in_of_a_balanced_world_falls_short_and_the_corrected_one_does_not():
    found = scored("balanced", 0.0, 0)
    assert value(found, "normalized_entropy_multi") < 1 - 0.005
    assert value(found, "normalized_entropy_corrected") == pytest.approx(1.0, abs=0.004)
