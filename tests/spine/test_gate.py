"""The release gate: PASS, FAIL, INCONCLUSIVE, their exit codes, and what it refuses."""

import json
import math
from collections.abc import Callable
from dataclasses import replace
from functools import cache
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

import evalsuite
from evalsuite.comparing.pair_tests import unit_differences
from evalsuite.comparing.pairing import Side, UnitTable, unit_means
from evalsuite.comparing.release_gate import GateResult, _Test, _worst_case
from evalsuite.errors import BadInput
from evalsuite.measures import MeasureCard, UnitScores
from evalsuite.record import load_record
from evalsuite.stats.noninferiority import non_inferiority, non_inferiority_ratio
from tests.spine.records import by_unit, command, make, refusal, scores

Zoo = Callable[..., Path]


@pytest.fixture(scope="module")
def zoo(tmp_path_factory: pytest.TempPathFactory) -> Zoo:
    """Makes a record of a fake model, once for each set of options."""
    place = tmp_path_factory.mktemp("zoo")

    @cache
    def made(model: str, **options: Any) -> Path:
        return make(place, model, **options)

    return made


@pytest.fixture(scope="module")
def base(zoo: Zoo) -> Path:
    return zoo("fake:text")


@pytest.fixture(scope="module")
def worse(zoo: Zoo) -> Path:
    return zoo("fake:text?temperature=0.5")


@pytest.fixture(scope="module")
def alike(zoo: Zoo) -> Path:
    return zoo("fake:text", seed=1)


def means(folder: Path, measure: str = "per_input_sbert") -> np.ndarray:
    return np.array([*by_unit(scores(folder, measure)).values()])


def ends(folder: Path, measure: str, end: str) -> np.ndarray:
    """The least or greatest possible means of the units, in order of their names."""
    own = scores(folder, measure)
    return np.array([*by_unit(replace(own, value=getattr(own, end))).values()])


def gate(base: Path, candidate: Path, margin: float, *arguments: str) -> tuple[int, Any]:
    """Exit code and JSON of the command."""
    found = command("gate", "--base", base, "--candidate", candidate, "--margin", f"{margin}",
                    "--json", *arguments)  # fmt: skip
    assert found.err == "", found.err

    def no_constant(name: str) -> None:
        raise AssertionError(f"{name} in JSON")

    return found.code, json.loads(found.out, parse_constant=no_constant)


@pytest.mark.parametrize(
    ("candidate", "margin", "verdict", "code"),
    [("alike", 0.2, "PASS", 0), ("worse", 0.2, "FAIL", 7), ("alike", 0.01, "INCONCLUSIVE", 6),
     ("worse", 0.9, "PASS", 0)],
)  # fmt: skip
def test_each_verdict_has_its_exit_code(
    request: pytest.FixtureRequest, base: Path, candidate: str, margin: float, verdict: str,
    code: int,
) -> None:  # fmt: skip
    own = request.getfixturevalue(candidate)
    found, value = gate(base, own, margin)
    assert (found, value["verdict"]) == (code, verdict)
    shown = command("gate", "--base", base, "--candidate", own, "--margin", margin)
    assert shown.code == code and shown.out.startswith(verdict)


def test_the_result_holds_margin_verdict_and_bounds_of_the_paired_test(
    base: Path, worse: Path
) -> None:
    _, value = gate(base, worse, 0.2)
    expected = non_inferiority(means(worse) - means(base), 0.2)
    assert value["observed"]["lower_bound"] == pytest.approx(expected.lower_bound, abs=1e-12)
    assert value["observed"]["upper_bound"] == pytest.approx(expected.upper_bound, abs=1e-12)
    assert value["observed"]["p_value"] == pytest.approx(expected.p_value, rel=1e-9)
    assert (value["margin"], value["observed"]["threshold"]) == (0.2, -0.2)
    assert (value["scale"], value["level"], value["verdict"]) == ("difference", 0.95, "FAIL")
    assert value["base_record"] == load_record(base).hash
    assert value["candidate_record"] == load_record(worse).hash
    assert (value["measure"], value["slice"]) == ("per_input_sbert", "all")
    assert value["worst_case"] is None and value["reasons"] == []


def test_the_bounds_are_one_sided_and_the_interval_two_sided(base: Path, alike: Path) -> None:
    _, value = gate(base, alike, 0.2)
    own = value["observed"]
    assert own["estimate"]["ci_low"] < own["lower_bound"] < own["estimate"]["estimate"]
    assert own["estimate"]["estimate"] < own["upper_bound"] < own["estimate"]["ci_high"]


def test_an_inconclusive_gate_says_that_more_prompts_are_needed(base: Path, alike: Path) -> None:
    _, value = gate(base, alike, 0.01)
    assert "evalsuite plan" in value["reasons"][0]


def test_the_result_is_written_whole_with_its_margin(
    tmp_path: Path, base: Path, alike: Path
) -> None:
    file = tmp_path / "new" / "gate.json"
    _, printed = gate(base, alike, 0.2, "--to", str(file))
    assert json.loads(file.read_text()) == printed and printed["margin"] == 0.2
    assert GateResult.model_validate_json(file.read_text()).verdict == "PASS"
    assert [p.name for p in file.parent.iterdir()] == ["gate.json"]
    code, _ = gate(base, alike, 0.01, "--to", str(file))
    assert code == 6 and json.loads(file.read_text())["margin"] == 0.01


def test_a_place_that_cannot_be_written_is_said_and_nothing_is_left(
    tmp_path: Path, base: Path, alike: Path
) -> None:
    (tmp_path / "taken").mkdir()
    (tmp_path / "file").write_text("")
    for place, says in (("taken", "holds something else"), ("file/gate.json", "cannot write")):
        said = refusal("gate", "--base", base, "--candidate", alike, "--margin", "0.2",
                       "--to", tmp_path / place)  # fmt: skip
        assert says in said
    assert sorted(p.name for p in tmp_path.rglob("*")) == ["file", "taken"]


def test_a_refused_gate_leaves_an_earlier_result_alone(
    tmp_path: Path, base: Path, alike: Path
) -> None:
    file = tmp_path / "gate.json"
    gate(base, alike, 0.2, "--to", str(file))
    before = file.read_text()
    refusal("gate", "--base", base, "--candidate", alike, "--margin", "0", "--to", file)
    assert file.read_text() == before


def test_a_ratio_is_that_of_the_means(base: Path, worse: Path, alike: Path) -> None:
    code, value = gate(base, worse, 0.5, "--ratio")
    expected = non_inferiority_ratio(means(worse), means(base), 0.5)
    assert (code, value["scale"], value["verdict"]) == (7, "ratio", "FAIL")
    assert value["observed"]["estimate"]["estimate"] == pytest.approx(
        means(worse).mean() / means(base).mean(), abs=1e-12
    )
    assert value["observed"]["lower_bound"] == pytest.approx(expected.lower_bound, abs=1e-12)
    assert value["observed"]["threshold"] == 0.5
    code, value = gate(base, alike, 0.5, "--ratio")
    assert (code, value["verdict"]) == (0, "PASS")


def test_where_lower_is_better_a_rise_is_the_loss(base: Path, worse: Path) -> None:
    rate = ("--measure", "truncation_rate")
    code, value = gate(base, worse, 0.1, *rate)
    rise = means(worse, "truncation_rate").mean() - means(base, "truncation_rate").mean()
    assert rise > 0.1 and value["higher_is_better"] is False
    assert value["observed"]["estimate"]["estimate"] == pytest.approx(-rise, abs=1e-12)
    assert (code, value["verdict"]) == (7, "FAIL")
    assert gate(worse, base, 0.1, *rate)[0] == 0
    code, value = gate(base, worse, 0.1, *rate, "--ratio")
    assert code == 7
    assert value["observed"]["estimate"]["estimate"] == pytest.approx(
        means(base, "truncation_rate").mean() / means(worse, "truncation_rate").mean()
    )
    shown = command("gate", "--base", base, "--candidate", worse, "--margin", "0.1", *rate).out
    assert "base - candidate" in shown


def test_a_pass_needs_the_worst_case_of_missing_answers_to_pass_too(zoo: Zoo, base: Path) -> None:
    holed = zoo("fake:text?refuse=0.08")
    assert load_record(holed).complete
    code, value = gate(base, holed, 0.15)
    assert value["observed"]["verdict"] == "PASS"
    assert value["worst_case"]["verdict"] != "PASS"
    assert (code, value["verdict"]) == (6, "INCONCLUSIVE")
    assert "not if those missing had been the worst" in value["reasons"][0]
    expected = non_inferiority(ends(holed, "per_input_sbert", "low") - means(base), 0.15)
    assert value["worst_case"]["lower_bound"] == pytest.approx(expected.lower_bound, abs=1e-12)
    shown = command("gate", "--base", base, "--candidate", holed, "--margin", "0.15").out
    assert "worst case of the missing" in shown


def test_missing_answers_of_the_base_count_as_the_best_possible(zoo: Zoo, base: Path) -> None:
    holed = zoo("fake:text?refuse=0.08")
    _, value = gate(holed, base, 0.15)
    expected = non_inferiority(means(base) - ends(holed, "per_input_sbert", "high"), 0.15)
    assert value["worst_case"]["lower_bound"] == pytest.approx(expected.lower_bound, abs=1e-12)


def test_a_pass_stands_where_the_worst_case_passes(zoo: Zoo, base: Path) -> None:
    code, value = gate(base, zoo("fake:text?refuse=0.08"), 1.5)
    assert (code, value["worst_case"]["verdict"]) == (0, "PASS")


def test_where_lower_is_better_the_worst_case_is_the_highest(zoo: Zoo, base: Path) -> None:
    holed = zoo("fake:text?refuse=0.08")
    _, value = gate(base, holed, 0.15, "--measure", "truncation_rate")
    high = ends(holed, "truncation_rate", "high")
    expected = non_inferiority(means(base, "truncation_rate") - high, 0.15)
    assert value["worst_case"]["lower_bound"] == pytest.approx(expected.lower_bound, abs=1e-12)


def test_the_worst_case_of_an_unbounded_measure_cannot_be_said(zoo: Zoo, base: Path) -> None:
    holed = zoo("fake:text?refuse=0.08")
    _, value = gate(holed, base, 0.5, "--measure", "per_input_ead")
    assert value["worst_case"] is None
    assert any("cannot be said" in reason for reason in value["reasons"])
    _, value = gate(base, holed, 0.5, "--measure", "per_input_ead")
    assert value["worst_case"] is not None, "0 is the least that the candidate can have"


def test_missing_answers_of_a_whole_set_leave_its_range_only(zoo: Zoo, base: Path) -> None:
    holed = zoo("fake:text?refuse=0.3", samples=2)
    whole = zoo("fake:text", samples=2)
    assert load_record(holed).estimate_of("across_input_sbert").estimate.n_missing > 0
    found = command("gate", "--base", whole, "--candidate", holed, "--margin", "0.3",
                    "--measure", "across_input_sbert", "--json")  # fmt: skip
    assert found.code == 6, found.err
    value = json.loads(found.out)
    assert value["observed"]["verdict"] == "PASS" and value["verdict"] == "INCONCLUSIVE"


@pytest.mark.parametrize("margin", ["-0.1", "0", "nan", "inf", "-inf"])
def test_a_margin_that_is_no_loss_is_refused(base: Path, alike: Path, margin: str) -> None:
    said = refusal("gate", "--base", base, "--candidate", alike, "--margin", margin)
    assert "largest acceptable loss, a number above 0" in said


@pytest.mark.parametrize("margin", ["1", "1.5", "0", "nan"])
def test_a_margin_that_is_no_share_is_refused_of_a_ratio(
    base: Path, alike: Path, margin: str
) -> None:
    arguments = ("gate", "--base", base, "--candidate", alike, "--margin", margin, "--ratio")
    assert "a share between 0 and 1" in refusal(*arguments)


def test_a_margin_that_is_no_number_is_a_usage_error(base: Path, alike: Path) -> None:
    found = command("gate", "--base", base, "--candidate", alike, "--margin", "much")
    assert found.code == 2 and "--margin" in found.err and "Traceback" not in found.err
    assert command("gate", "--base", base, "--candidate", alike).code == 2


def test_a_measure_without_a_direction_has_no_gate(base: Path, alike: Path) -> None:
    said = refusal("gate", "--base", base, "--candidate", alike, "--margin", "0.1",
                   "--measure", "per_input_mean_length")  # fmt: skip
    assert "neither direction is better" in said


def test_a_ratio_of_pseudo_values_is_that_of_their_means(base: Path, worse: Path) -> None:
    measure = ("--measure", "across_input_sbert")
    code, value = gate(base, worse, 0.5, "--ratio", *measure)
    own = [means(folder, measure[1]).mean() for folder in (worse, base)]
    assert value["observed"]["estimate"]["estimate"] == pytest.approx(own[0] / own[1])
    assert (code, value["verdict"]) == (0, "PASS")


def hand_made(
    values: Any, link: Any = "identity", *, is_sampled: bool = True, low: Any = None,
    high: Any = None, replicates: int = 1,
) -> Side:  # fmt: skip
    """A side of units a, b, ..., row by row in each replicate."""
    array = np.asarray(values, dtype=np.float64)
    n = array.size // replicates
    units = np.array([chr(ord("a") + i % n) for i in range(array.size)], dtype=object)
    record: Any = SimpleNamespace(name="m", record=SimpleNamespace(replicates=replicates))
    lowest = array if low is None else np.asarray(low, dtype=np.float64)
    highest = array if high is None else np.asarray(high, dtype=np.float64)
    own = UnitScores(
        link=link, is_sampled=is_sampled, unit=units, cluster=units, stratum=units,
        replicate=np.repeat(np.arange(replicates), n), index=np.full(array.size, -1), value=array,
        low=lowest, high=highest, is_partial=lowest != highest,
    )  # fmt: skip
    return Side(record, own, unit_means(own, array, units[:n].tolist()))


def hand_test(side: Side, *, ratio: bool = False, higher_is_better: bool = True) -> _Test:
    units = tuple(dict.fromkeys(side.scores.unit.tolist()))
    card = MeasureCard(name="m", summary="", higher_is_better=higher_is_better)
    return _Test(0.5, ratio, card, side.scores, UnitTable(units, units, units))


A, B = np.array([0.1, 0.4, 0.2, 0.3]), np.array([0.3, 0.2, 0.5, 0.4])


def test_a_ratio_of_negative_pseudo_values_says_why_there_is_none() -> None:
    side = hand_made([-0.1, 0.4, 0.2, 0.3], is_sampled=False)
    for ends in ((side.means, B), (B, side.means)):
        says = r"pseudo-values of a statistic of the whole set .* negative.*use the difference"
        with pytest.raises(BadInput, match=says):
            hand_test(side, ratio=True).of(*ends)
    assert hand_test(side).of(side.means, B).estimate.estimate is not None


@pytest.mark.parametrize(
    ("link", "higher", "candidate", "base"),
    [("identity", True, 0.1, 0.2), ("identity", False, 0.2, 0.1), ("reciprocal", True, 0.2, 0.1),
     ("reciprocal", False, 0.1, 0.2)],
)  # fmt: skip
@pytest.mark.parametrize("ratio", [False, True])
def test_the_worst_case_is_worst_on_the_scale_of_the_measure(
    link: Any, higher: bool, candidate: float, base: float, ratio: bool
) -> None:
    """Bounds are 0.1 and 0.2 around every score: the candidate gets its worse, the base its better.

    Of effective numbers the worst is the greatest collision probability.
    """
    ends = [{"low": own + 0.1, "high": own + 0.2} for own in (A, B)]
    sides = [hand_made(own, link, **end) for own, end in zip((A, B), ends, strict=True)]
    test = hand_test(sides[0], ratio=ratio, higher_is_better=higher)
    worst, reasons = _worst_case(test, *sides, "m")
    (ours, theirs) = (A + candidate).mean(), (B + base).mean()
    if link == "reciprocal":
        ours, theirs = 1 / ours, 1 / theirs
    if not higher:
        ours, theirs = theirs, ours
    expected = ours / theirs if ratio else ours - theirs
    assert worst is not None and reasons == ()
    assert worst.estimate.estimate == pytest.approx(expected, rel=1e-12)


def test_the_worst_case_is_of_common_replicates() -> None:
    once = hand_made(A, low=A - 0.1, high=A + 0.1)
    twice = hand_made([*B, *(B + 7)], replicates=2)
    for candidate, base, expected in (
        (once, twice, A.mean() - 0.1 - B.mean()),
        (twice, once, B.mean() - A.mean() - 0.1),
    ):
        worst, _ = _worst_case(hand_test(once), candidate, base, "m")
        assert worst is not None
        assert worst.estimate.estimate == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize("link", ["identity", "reciprocal"])
def test_what_a_unit_adds_is_what_its_weight_does_to_the_difference(link: Any) -> None:
    def difference(weights: np.ndarray) -> float:
        ends = [float(np.average(own, weights=weights)) for own in (A, B)]
        return ends[0] - ends[1] if link == "identity" else 1 / ends[0] - 1 / ends[1]

    adds = unit_differences(link, A, B)
    centre = difference(np.ones(4))
    assert adds.mean() == pytest.approx(centre, rel=1e-12)
    for unit in range(4):
        weights = np.ones(4)
        step = 1e-6
        up, down = weights.copy(), weights.copy()
        up[unit] += step
        down[unit] -= step
        slope = 4 * (difference(up) - difference(down)) / (2 * step)
        assert adds[unit] - centre == pytest.approx(slope, rel=1e-5, abs=1e-8)


@pytest.mark.parametrize("measure", ["per_input_sbert", "per_input_ead", "refusal_rate"])
@pytest.mark.parametrize("is_base", [True, False])
def test_a_gate_of_an_incomplete_record_never_passes(
    zoo: Zoo, base: Path, measure: str, is_base: bool
) -> None:
    holed = zoo("fake:text?refuse=0.3")
    assert not load_record(holed).complete
    ends = (holed, base) if is_base else (base, holed)
    code, value = gate(*ends, 1e6, "--measure", measure)
    assert value["observed"]["verdict"] == "PASS"
    assert (code, value["verdict"]) == (6, "INCONCLUSIVE")
    (reason,) = (r for r in value["reasons"] if r.startswith("incomplete"))
    assert "fake:text?refuse=0.3 lacks 17 answers" in reason and "never passes" in reason
    shown = command("gate", "--base", ends[0], "--candidate", ends[1], "--margin", "1e6",
                    "--measure", measure).out  # fmt: skip
    assert shown.startswith("INCONCLUSIVE") and "note: incomplete" in shown


def test_a_gate_of_an_incomplete_record_can_fail(zoo: Zoo, base: Path) -> None:
    code, value = gate(base, zoo("fake:text?temperature=0.5&refuse=0.3"), 0.02)
    assert (code, value["verdict"]) == (7, "FAIL")
    assert any(reason.startswith("incomplete") for reason in value["reasons"])


def test_complete_records_pass_where_no_worst_case_can_be_said(zoo: Zoo, base: Path) -> None:
    holed = zoo("fake:text?refuse=0.08")
    assert load_record(holed).complete
    code, value = gate(holed, base, 1e6, "--measure", "per_input_ead")
    assert (code, value["verdict"], value["worst_case"]) == (0, "PASS", None)
    assert any("cannot be said" in reason for reason in value["reasons"])


def test_other_apparatus_the_same_record_and_unknown_names_are_refused(
    zoo: Zoo, base: Path, alike: Path, tmp_path: Path
) -> None:
    def said(candidate: Path, *arguments: str) -> str:
        return refusal("gate", "--base", base, "--candidate", candidate, "--margin", "0.1",
                       *arguments)  # fmt: skip

    assert "options.samples" in said(zoo("fake:text", samples=5))
    assert "same record" in said(base)
    assert "Did you mean 'per_input_sbert'?" in said(alike, "--measure", "per_input_sber")
    assert "nowhere" in said(alike, "--slice", "nowhere")
    assert "no record there" in said(tmp_path)
    with pytest.raises(BadInput, match="largest acceptable loss"):
        evalsuite.gate(base, alike, margin=math.nan)


def test_equal_answers_pass_where_so_few_units_can_differ_that_the_range_is_no_danger(
    zoo: Zoo,
) -> None:
    greedy = [zoo(f"fake:text?temperature=0&top_k={k}") for k in (1, 2)]
    n = len(by_unit(scores(greedy[0], "per_input_sbert")))
    bound = 2 * (1 - 0.05 ** (1 / n))  # the range of the measure is [0, 2]
    code, value = gate(*greedy, bound * 1.01)
    assert (code, value["verdict"]) == (0, "PASS")
    assert value["observed"]["lower_bound"] == pytest.approx(-bound)
    code, value = gate(*greedy, bound * 0.99)
    assert (code, value["verdict"]) == (6, "INCONCLUSIVE")
    assert value["observed"]["estimate"]["warnings"][0].startswith("no differences")


def test_equal_answers_give_no_verdict_where_the_range_is_not_finite(zoo: Zoo) -> None:
    greedy = [zoo(f"fake:text?temperature=0&top_k={k}") for k in (1, 2)]
    code, value = gate(*greedy, 0.1, "--measure", "per_input_ead")
    assert (code, value["verdict"]) == (6, "INCONCLUSIVE")
    assert value["reasons"][0].startswith("degenerate")
    assert value["observed"]["lower_bound"] is None


def test_fewer_than_three_clusters_give_no_verdict(zoo: Zoo, base: Path, worse: Path) -> None:
    code, value = gate(base, worse, 0.1, "--slice", "naming")
    assert (code, value["verdict"]) == (6, "INCONCLUSIVE")
    assert value["reasons"][0].startswith("too few clusters: 2")


def test_a_slice_is_gated_on_its_own_units(zoo: Zoo) -> None:
    own = {"limit": 40, "samples": 3}
    base, worse = zoo("fake:text", **own), zoo("fake:text?temperature=0.5", **own)
    code, value = gate(base, worse, 0.05, "--slice", "naming")
    left, right = (scores(f, "per_input_sbert") for f in (base, worse))
    a, b = (np.array([*by_unit(s, s.stratum == "naming").values()]) for s in (left, right))
    expected = non_inferiority(b - a, 0.05)
    assert value["observed"]["estimate"]["n"] == len(a) == 4
    assert value["observed"]["upper_bound"] == pytest.approx(expected.upper_bound, abs=1e-12)
    assert (code, value["verdict"]) == (7, expected.verdict) == (7, "FAIL")
