"""The release gate: PASS, FAIL, INCONCLUSIVE, their exit codes, and what it refuses."""

import json
import math
from collections.abc import Callable
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import evalsuite
from evalsuite.errors import BadInput
from evalsuite.record import load_record
from evalsuite.release_gate import GateResult
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
    for place in ("taken", "file/gate.json"):
        said = refusal("gate", "--base", base, "--candidate", alike, "--margin", "0.2",
                       "--to", tmp_path / place)  # fmt: skip
        assert "cannot write" in said
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


def test_a_ratio_of_pseudo_values_is_refused_or_formed_but_never_a_traceback(
    base: Path, worse: Path
) -> None:
    found = command("gate", "--base", base, "--candidate", worse, "--margin", "0.5", "--ratio",
                    "--measure", "across_input_sbert")  # fmt: skip
    assert found.code in {0, 2, 6, 7} and "Traceback" not in found.err


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


def test_equal_answers_show_no_spread_and_give_no_verdict(zoo: Zoo) -> None:
    greedy = [zoo(f"fake:text?temperature=0&top_k={k}") for k in (1, 2)]
    code, value = gate(*greedy, 0.1)
    assert (code, value["verdict"]) == (6, "INCONCLUSIVE")
    assert value["reasons"][0].startswith("degenerate")
    assert value["observed"]["lower_bound"] is None
    shown = command("gate", "--base", greedy[0], "--candidate", greedy[1], "--margin", "0.1").out
    assert shown.count("degenerate") == 1


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
