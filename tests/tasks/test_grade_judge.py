"""Judges that err: what they do to the score, and what their errors on known images give back."""

import math
from collections.abc import Sequence

import numpy as np
import pytest

from evalsuite.prompts import Unit
from evalsuite_tasks.grade.answers import Answer, read_answers
from evalsuite_tasks.grade.attributes import NO_ANSWER
from evalsuite_tasks.grade.judge_error import calibration_name, confusion_counts
from evalsuite_tasks.grade.named_values import asked_value, concept_in
from evalsuite_tasks.grade.task import GradeOptions
from tests.tasks.grade_tables import NO_IMAGE, made, score, units, value

NONE = NO_ANSWER[0]
TRAITS = {"sign": ("minus", "plus"), "size": ("l", "m", "s")}
SHARES = {"sign": (0.9, 0.1), "size": (0.7, 0.2, 0.1)}
CONFUSION = {
    "sign": np.array([[0.85, 0.1, 0.05], [0.2, 0.75, 0.05]]),
    "size": np.array([[0.8, 0.1, 0.05, 0.05], [0.1, 0.8, 0.05, 0.05], [0.05, 0.15, 0.75, 0.05]]),
}
"""P(judge's answer | truth) by attribute; the last column: none of the values."""

UNITS = units({name: TRAITS for name in ("cup", "hat", "bag", "box", "jar", "pen")}, asked=True)


def entropy(shares: np.ndarray | tuple[float, ...]) -> float:
    own = np.asarray(shares, dtype=float)
    own = own[own > 0] / own.sum()
    return float(-(own * np.log(own)).sum())


TRUTH = float(np.mean([entropy(SHARES[t]) / math.log(len(TRAITS[t])) for t in TRAITS]))


def judged(
    rng: np.random.Generator, *, n: int, n_known: int, errs: bool = True
) -> tuple[dict[tuple[str, str], list[str]], dict[tuple[str, str], list[str]]]:
    """Answers about images with the true shares, and about reference images."""
    said, known = {}, {}
    for unit in UNITS:
        named = asked_value(unit)
        for attribute in concept_in(unit).attributes:
            values = attribute.support
            place = (unit.id, attribute.id)
            if named is None:
                truth = rng.choice(len(values), n, p=SHARES[attribute.id])
                said[place] = read_by_judge(rng, attribute.id, truth, errs)
            else:
                said[place] = [named] * n
                truth = np.full(n_known, values.index(named))
                known[place] = read_by_judge(rng, attribute.id, truth, errs)
    return said, known


def read_by_judge(
    rng: np.random.Generator, attribute: str, truth: np.ndarray, errs: bool
) -> list[str]:
    answers = (*TRAITS[attribute], NONE)
    if not errs:
        return [answers[t] for t in truth]
    above = rng.random(len(truth))[:, None] > CONFUSION[attribute].cumsum(axis=1)[truth]
    return [answers[min(place, len(answers) - 1)] for place in above.sum(axis=1)]


def test_a_judge_that_errs_moves_the_score_as_its_confusion_says_and_is_corrected():
    rng = np.random.default_rng(5)
    said, known = judged(rng, n=60, n_known=60)
    found = score(made(said, UNITS, known=known))
    predicted = []
    for name, shares in SHARES.items():
        seen = np.asarray(shares) @ CONFUSION[name]
        predicted.append(entropy(seen[:-1]) / math.log(len(shares)))  # none is dropped
    uncorrected = value(found, "normalized_entropy_corrected")
    assert uncorrected == pytest.approx(np.mean(predicted), abs=0.02)
    assert uncorrected > TRUTH + 0.08
    corrected = found["normalized_entropy_judge_corrected"].estimate
    assert corrected.estimate == pytest.approx(TRUTH, abs=0.05)
    assert corrected.ci_low < TRUTH < corrected.ci_high  # type: ignore[operator]
    plain = found["normalized_entropy_corrected"].estimate
    assert plain.ci_low > TRUTH  # type: ignore[operator]


def test_the_corrected_interval_covers_the_truth_at_its_rate():
    covered = 0
    for seed in range(20):
        said, known = judged(np.random.default_rng(seed), n=12, n_known=20)
        own = score(made(said, UNITS, known=known))["normalized_entropy_judge_corrected"].estimate
        covered += own.ci_low <= TRUTH <= own.ci_high  # type: ignore[operator]
    # Of 20 intervals of 95 %, fewer than 16 cover with a chance below .003.
    assert covered >= 16


def test_a_judge_without_errors_needs_no_correction():
    said, known = judged(np.random.default_rng(2), n=40, n_known=40, errs=False)
    found = score(made(said, UNITS, known=known))
    assert value(found, "judge_agreement") == 1.0
    assert value(found, "normalized_entropy_judge_corrected") == pytest.approx(
        value(found, "normalized_entropy_corrected"), abs=0.02
    )


def test_agreement_is_the_share_of_known_images_read_right():
    rng = np.random.default_rng(1)
    said, known = judged(rng, n=2, n_known=200)
    found = score(made(said, UNITS, known=known))
    right = np.concatenate([np.diag(CONFUSION[t]) for t in TRAITS]).mean()
    assert value(found, "judge_agreement") == pytest.approx(right, abs=0.02)


def test_without_known_images_the_corrected_score_is_missing_and_says_why():
    said, _ = judged(np.random.default_rng(3), n=5, n_known=1)
    found = score(made(said, UNITS))
    own = found["normalized_entropy_judge_corrected"].estimate
    assert own.estimate is None
    assert "no calibration" in " ".join(own.warnings)
    assert "judge_agreement" not in found


def test_a_judge_that_guesses_is_not_corrected():
    said, known = judged(np.random.default_rng(4), n=5, n_known=40)
    guessed = {
        place: [TRAITS[place[1]][i % len(TRAITS[place[1]])] for i in range(len(answers))]
        for place, answers in known.items()
    }
    own = score(made(said, UNITS, known=guessed))["normalized_entropy_judge_corrected"].estimate
    assert own.estimate is None
    assert "ill-conditioned" in " ".join(own.warnings)


def test_confusion_counts_are_by_truth_and_answer_and_leave_out_what_is_missing():
    known = {
        (unit.id, attribute.id): ["minus", "plus", NONE, NO_IMAGE]
        for unit in UNITS
        for attribute in concept_in(unit).attributes
        if asked_value(unit) == "plus" and attribute.id == "sign"
    }
    tables = made({}, UNITS, known=known)
    options = GradeOptions()
    reference = read_answers(
        tables, options, images="reference_images", answers="reference_answers"
    )
    (counts,) = confusion_counts([], reference, options).values()
    assert counts.tolist() == [[0, 0, 0], [6, 6, 6]]


def answer_about(own: Sequence[Unit], concept: str) -> Answer:
    unit = next(unit for unit in own if unit.cluster == concept)
    return Answer(unit, 0, 0, concept_in(unit).attributes[0], "value")


def test_unrelated_questions_of_one_id_do_not_share_errors():
    traits = {"a1": ("no", "yes")}
    eaten = units({"a cake": traits}, question="Is the cake eaten?")
    worn = units({"a helmet": traits}, question="Is the helmet worn?")
    worn_too = units({"a hat": traits}, question="Is the hat worn?")
    names = [
        calibration_name(answer_about(own, own[0].cluster), GradeOptions())
        for own in (eaten, worn, worn_too)
    ]
    assert names[0] != names[1] == names[2]


def test_questions_share_errors_by_attribute_or_each_has_its_own():
    first, other = (answer_about(UNITS, name) for name in ("cup", "hat"))
    shared, own = GradeOptions(), GradeOptions(calibration_by="question")
    assert calibration_name(first, shared) == calibration_name(other, shared)
    assert calibration_name(first, own) != calibration_name(other, own)
