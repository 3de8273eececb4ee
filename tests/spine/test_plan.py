"""Planning from pilots: what they say of the spread, what is needed, and what is refused."""

import json
import math
from collections.abc import Callable
from functools import cache
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

import evalsuite
from evalsuite.comparing.pairing import UnitTable
from evalsuite.comparing.planning import _in_clusters, _need, _parts, _Pilot, _Request
from evalsuite.errors import BadInput
from evalsuite.measures import MeanMeasure, MeasureCard, MeasureRow, unit_scores
from evalsuite.stats.allocation import (
    Costs,
    VarianceComponents,
    best_plan,
    cheapest_plan,
    variance_components,
)
from evalsuite.stats.power import detectable_effect, power_of_mean_difference, required_units
from tests.spine.records import by_unit, command, make, refusal, scores

Zoo = Callable[..., Path]
RATE = "truncation_rate"


@pytest.fixture(scope="module")
def zoo(tmp_path_factory: pytest.TempPathFactory) -> Zoo:
    """Makes a record of a fake model, once for each set of options."""
    place = tmp_path_factory.mktemp("zoo")

    @cache
    def made(model: str, **options: Any) -> Path:
        return make(place, model, **{"limit": 40} | options)

    return made


@pytest.fixture(scope="module")
def pilots(zoo: Zoo) -> tuple[Path, Path]:
    return zoo("fake:text"), zoo("fake:text?temperature=0.9")


def planned(pilots: tuple[Path, ...], *arguments: str, task: str = "rlhf_diversity") -> Any:
    """JSON of the command."""
    given = [word for folder in pilots for word in ("--pilot", folder)]
    found = command("plan", task, *given, *arguments, "--json")
    assert (found.code, found.err) == (0, ""), found.err

    def no_constant(name: str) -> None:
        raise AssertionError(f"{name} in JSON")

    return json.loads(found.out, parse_constant=no_constant)


def differences(pilots: tuple[Path, Path], measure: str = "per_input_sbert") -> np.ndarray:
    a, b = ([*by_unit(scores(folder, measure)).values()] for folder in pilots)
    return np.array(a) - np.array(b)


def samples_by_unit(folder: Path, measure: str) -> list[np.ndarray]:
    own = scores(folder, measure)
    return [own.value[own.unit == unit] for unit in sorted(set(own.unit))]


def test_two_pilots_give_the_spread_of_their_differences(pilots: tuple[Path, Path]) -> None:
    value = planned(pilots, "--detect", "0.05")
    sd = differences(pilots).std(ddof=1)
    assert value["sd"] == pytest.approx(sd, rel=1e-12)
    n = required_units(sd, 0.05)
    assert value["need"] == {
        "prompts": n, "samples": 4, "cost": None,
        "power": pytest.approx(power_of_mean_difference(n, sd, 0.05)),
    }  # fmt: skip
    assert value["need"]["power"] >= 0.8
    assert value["at_hand"]["prompts"] == 120, "the whole set, not the pilot's part of it"
    assert value["at_hand"]["effect"] == pytest.approx(detectable_effect(120, sd))
    assert value["assumption"] == "differences of the two pilots"
    assert any("score of 4 samples together" in note for note in value["notes"])


def test_one_pilot_rests_on_an_assumption_and_says_so(pilots: tuple[Path, Path]) -> None:
    value = planned(pilots[:1], "--detect", "0.05")
    own = np.array([*by_unit(scores(pilots[0], "per_input_sbert")).values()])
    assert value["sd"] == pytest.approx(math.sqrt(2) * own.std(ddof=1), rel=1e-12)
    assert "as if the other entrant varied as much and were unrelated" in value["assumption"]
    assert "bound" not in value["assumption"]
    assert value["pilots"] == ["fake:text"]


def test_more_power_and_smaller_differences_need_more_prompts(pilots: tuple[Path, Path]) -> None:
    def prompts(*arguments: str) -> int:
        return int(planned(pilots, *arguments)["need"]["prompts"])

    plain = prompts("--detect", "0.05")
    assert prompts("--detect", "0.05", "--power", "0.95") > plain
    assert prompts("--detect", "0.025") > 3 * plain


def test_costs_of_a_score_by_sample_choose_the_number_of_samples(
    pilots: tuple[Path, Path],
) -> None:
    value = planned(pilots, "--detect", "0.1", "--measure", RATE, "--cost-prompt", "5",
                    "--cost-sample", "0.5")  # fmt: skip
    parts = variance_components(*(samples_by_unit(folder, RATE) for folder in pilots))
    expected = cheapest_plan(parts, 0.1, Costs(5.0, 0.5, 4))
    assert any("no more samples than the pilot's 4" in note for note in value["notes"])
    assert value["need"] == {
        "prompts": expected.units, "samples": expected.samples, "power": expected.power,
        "cost": expected.cost,
    }  # fmt: skip
    assert expected.cost == expected.units * (5 + 0.5 * expected.samples)
    assert value["at_hand"]["cost"] == 120 * (5 + 0.5 * 4)


def test_a_budget_for_a_score_by_sample_buys_the_smallest_effect(
    pilots: tuple[Path, Path],
) -> None:
    value = planned(pilots, "--detect", "0.1", "--measure", RATE, "--cost-prompt", "5",
                    "--budget", "600")  # fmt: skip
    parts = variance_components(*(samples_by_unit(folder, RATE) for folder in pilots))
    expected = best_plan(parts, 600.0, Costs(5.0, 1.0, 4))
    assert value["at_hand"] == {
        "prompts": expected.units, "samples": expected.samples, "effect": expected.effect,
        "cost": expected.cost,
    }  # fmt: skip
    assert expected.cost <= 600


def test_costs_and_budget_of_a_score_of_all_samples_choose_prompts_alone(
    pilots: tuple[Path, Path],
) -> None:
    value = planned(pilots, "--detect", "0.05", "--cost-prompt", "2", "--cost-sample", "0.5",
                    "--budget", "100")  # fmt: skip
    need, at_hand = value["need"], value["at_hand"]
    assert need["samples"] == at_hand["samples"] == 4
    assert need["cost"] == need["prompts"] * (2 + 4 * 0.5)
    assert (at_hand["prompts"], at_hand["cost"]) == (25, 100)
    assert at_hand["effect"] == pytest.approx(detectable_effect(25, value["sd"]))


def test_one_pilot_of_a_score_by_sample_doubles_its_parts(pilots: tuple[Path, Path]) -> None:
    value = planned(pilots[1:], "--detect", "0.1", "--measure", RATE, "--cost-prompt", "5")
    own = samples_by_unit(pilots[1], RATE)
    sigma2 = np.mean([unit.var(ddof=1) for unit in own])
    omega2 = np.var([unit.mean() for unit in own], ddof=1) - sigma2 / 4
    parts = VarianceComponents(max(0, 2 * omega2), sigma2, sigma2, 40)
    expected = cheapest_plan(parts, 0.1, Costs(5.0, 1.0, 4))
    assert (value["need"]["prompts"], value["need"]["samples"]) == (
        expected.units,
        expected.samples,
    )


def test_the_true_difference_of_one_pilot_varies_twice_as_much_as_the_pilot() -> None:
    units = tuple(f"u{i}" for i in range(6))
    rows = tuple(
        MeasureRow(unit, unit, "", replicate=0, index=k, value=float(i % 3) + 0.1 * k)
        for i, unit in enumerate(units)
        for k in range(4)
    )
    own = unit_scores(MeanMeasure("m", rows), MeasureCard(name="m", summary="a score"))
    side: Any = SimpleNamespace(scores=own)
    parts = _parts([side], UnitTable(units, units, ("",) * 6))
    sigma2 = np.var([0.0, 0.1, 0.2, 0.3], ddof=1)
    between = np.var([0, 1, 2, 0, 1, 2], ddof=1) - sigma2 / 4
    assert parts.omega2 == pytest.approx(2 * between) and between > 0.7
    assert (parts.sigma2_a, parts.sigma2_b) == (pytest.approx(sigma2), pytest.approx(sigma2))


def test_plans_from_small_pilots_keep_their_power() -> None:
    """Of 40 prompts x 16: where omega^2 comes out too small, many samples look cheap."""
    omega2, sigma2, detect = 0.002, 0.25**2, 0.03
    request = _Request(task="t", pilots=("x",), detect=detect, cost_prompt=50.0, cost_sample=1.0)
    rng = np.random.default_rng(11)
    powers = []
    for _ in range(40):
        centre = rng.normal(0, math.sqrt(omega2), (40, 1))
        sides = [c + rng.normal(0, math.sqrt(sigma2), (40, 16)) for c in (centre, 0 * centre)]
        parts = variance_components([*sides[0]], [*sides[1]])
        need = _need(request, _Pilot(1.0, 16, parts, "", ()))
        true = VarianceComponents(omega2, sigma2, sigma2, 40).sd(need.samples)
        powers.append(power_of_mean_difference(need.prompts, true, detect))
        assert need.samples <= 16
    assert np.median(powers) >= 0.75
    assert np.quantile(powers, 0.1) >= 0.6


def test_a_rate_of_which_no_sample_differs_shows_no_spread(pilots: tuple[Path, Path]) -> None:
    said = refusal("plan", "rlhf_diversity", "--pilot", pilots[0], "--pilot", pilots[1],
                   "--detect", "0.1", "--measure", "empty_rate")  # fmt: skip
    assert "does not show a spread" in said


def test_a_plan_of_the_empty_rate_follows_from_blank_answers(zoo: Zoo) -> None:
    pilots = zoo("fake:text?empty=0.2"), zoo("fake:text?empty=0.1")
    value = planned(pilots, "--detect", "0.1", "--measure", "empty_rate", "--cost-prompt", "1",
                    "--cost-sample", "1")  # fmt: skip
    parts = variance_components(*(samples_by_unit(folder, "empty_rate") for folder in pilots))
    expected = cheapest_plan(parts, 0.1, Costs(1.0, 1.0, 4))
    assert value["need"]["prompts"] == expected.units
    assert value["sd"] == pytest.approx(differences(pilots, "empty_rate").std(ddof=1))


def test_the_planned_power_is_the_share_of_runs_that_find_the_difference(
    pilots: tuple[Path, Path],
) -> None:
    from evalsuite.stats import mean_interval

    d = differences(pilots)
    d = d - d.mean()
    detect = 0.08
    need = planned(pilots, "--detect", f"{detect}")["need"]
    rng = np.random.default_rng(5)
    found = 0
    for _ in range(2000):
        low = mean_interval(rng.choice(d, need["prompts"]) + detect).ci_low
        found += low is not None and low > 0
    # 2,000 runs: the share has a standard error of 0.009. Resampling takes n, not n - 1.
    assert found / 2000 == pytest.approx(need["power"], abs=0.05)


def test_a_replicated_pilot_counts_the_samples_of_all_replicates(zoo: Zoo) -> None:
    pilots = zoo("fake:text", replicates=2), zoo("fake:text?temperature=0.9", replicates=2)
    value = planned(pilots, "--detect", "0.05")
    assert value["need"]["samples"] == value["at_hand"]["samples"] == 8
    assert any("2 replicates" in note for note in value["notes"])
    assert value["sd"] == pytest.approx(differences(pilots).std(ddof=1), rel=1e-12)
    single = zoo("fake:text"), pilots[1]
    assert planned(single, "--detect", "0.05")["need"]["samples"] == 4


def test_clustered_prompts_need_more_of_them(tmp_path: Path) -> None:
    def lines(cluster: Callable[[int], str]) -> str:
        return "\n".join(
            json.dumps({"id": f"q{i:02}", "prompt": f"Say {i}.", "cluster": cluster(i)})
            for i in range(24)
        )

    found = {}
    for name, cluster in (("alone", lambda i: f"q{i:02}"), ("pairs", lambda i: f"c{i % 12}")):
        (tmp_path / f"{name}.jsonl").write_text(lines(cluster))
        own = {"set": str(tmp_path / f"{name}.jsonl"), "limit": None}
        pilots = tuple(make(tmp_path, f"fake:text?temperature={t}", **own) for t in (1, 0.9))
        found[name] = planned(pilots, "--detect", "0.1", "--measure", RATE, "--cost-prompt", "1")
        plain = planned(pilots, "--detect", "0.1", "--measure", RATE)
        parts_sd = math.sqrt(4) * plain["sd"] / 2
        assert parts_sd == pytest.approx(found[name]["sd"])
        assert plain["at_hand"]["prompts"] == 24, "a file of the user's: its own size"
    # Of equal answers the clusters alone differ; the greater standard error decides.
    assert found["pairs"]["sd"] >= found["alone"]["sd"] * (1 - 1e-9)
    assert found["pairs"]["need"]["cost"] >= found["alone"]["need"]["cost"]


def test_parts_of_clustered_prompts_take_the_spread_that_clusters_leave() -> None:
    parts = VarianceComponents(0.01, 0.1, 0.1, n_units=4)
    alone = UnitTable(tuple("abcd"), tuple("abcd"), ("",) * 4)
    pairs = UnitTable(tuple("abcd"), tuple("xxyy"), ("",) * 4)
    assert _in_clusters(parts, 0.5, 4, alone) == parts
    assert _in_clusters(parts, 0.5, 4, pairs).sd(4) == pytest.approx(0.5)
    assert _in_clusters(parts, 0.1, 4, pairs) == parts, "never less than that of the units"


def test_the_table_shows_what_is_needed_and_what_is_at_hand(pilots: tuple[Path, Path]) -> None:
    found = command("plan", "rlhf_diversity", "--pilot", pilots[0], "--pilot", pilots[1],
                    "--detect", "0.05", "--cost-sample", "0.001")  # fmt: skip
    assert found.code == 0 and found.err == ""
    assert "needed" in found.out and "at hand" in found.out and "cost" in found.out


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("--detect", "0"), "difference to detect must be a number above 0"),
        (("--detect", "-0.1"), "difference to detect"),
        (("--detect", "nan"), "difference to detect"),
        (("--detect", "inf"), "difference to detect"),
        (("--detect", "1e-12"), "units"),
        (("--detect", "2.1"), "cannot be: per_input_sbert lies in [0, 2]"),
        (("--detect", "1e12", "--measure", "per_input_ead"), "times the spread"),
        (("--detect", "1e308", "--measure", "per_input_ead"), "times the spread"),
        (("--detect", "0.1", "--power", "0"), "power must lie between 0 and 1"),
        (("--detect", "0.1", "--power", "1"), "power must lie"),
        (("--detect", "0.1", "--power", "nan"), "power must lie"),
        (("--detect", "0.1", "--power", "0.04"), "power"),
        (("--detect", "0.1", "--cost-prompt", "-1"), "a prompt must cost at least 0"),
        (("--detect", "0.1", "--cost-sample", "0"), "a sample must cost more than 0"),
        (("--detect", "0.1", "--cost-sample", "nan"), "a sample must cost more than 0"),
        (("--detect", "0.1", "--cost-prompt", "inf"), "a prompt must cost"),
        (("--detect", "0.1", "--budget", "10"), "--budget needs --cost-prompt or --cost-sample"),
        (("--detect", "0.1", "--cost-prompt", "1", "--budget", "0"), "budget must be"),
        (("--detect", "0.1", "--cost-prompt", "1", "--budget", "-5"), "budget must be"),
        (("--detect", "0.1", "--cost-prompt", "1", "--budget", "nan"), "budget must be"),
        (("--detect", "0.1", "--cost-prompt", "1", "--budget", "inf"), "budget must be"),
        (("--detect", "0.1", "--cost-prompt", "1", "--budget", "3"), "does not pay for 3"),
        (("--detect", "0.1", "--measure", RATE, "--cost-prompt", "9", "--budget", "3"),
         "does not pay for 3"),
        (("--detect", "0.1", "--measure", "per_input_sber"), "Did you mean 'per_input_sbert'?"),
        (("--detect", "0.1", "--measure", "across_input_ead"), "no mean over units"),
    ],
)  # fmt: skip
def test_bad_numbers_and_names_are_one_line(
    pilots: tuple[Path, Path], arguments: tuple[str, ...], says: str
) -> None:
    given = ("plan", "rlhf_diversity", "--pilot", pilots[0], "--pilot", pilots[1], *arguments)
    assert says in refusal(*given)


def test_pilots_that_do_not_fit_are_refused(zoo: Zoo, pilots: tuple[Path, Path]) -> None:
    a, b = pilots

    def said(task: str, *folders: Path) -> str:
        given = [word for folder in folders for word in ("--pilot", folder)]
        return refusal("plan", task, *given, "--detect", "0.1")

    assert "one or two pilot records, not 3" in said("rlhf_diversity", a, b, a)
    assert "not of another_task" in said("another_task", a)
    assert "options.samples" in said("rlhf_diversity", a, zoo("fake:text", samples=5))
    assert " records, name one of them" in said("rlhf_diversity", a, a.parent)
    assert "no record there" in said("rlhf_diversity", a, a / "nowhere")
    assert "below 90%" in said("rlhf_diversity", a, zoo("fake:text?refuse=0.6"))
    assert "spread" in said("rlhf_diversity", a, a)
    assert "spread" in said("rlhf_diversity", zoo("fake:text?temperature=0"))
    with pytest.raises(BadInput, match="not 0"):
        evalsuite.plan("rlhf_diversity", pilot=[], detect=0.1)


def test_a_pilot_of_two_prompts_is_too_small(zoo: Zoo) -> None:
    said = refusal("plan", "rlhf_diversity", "--pilot", zoo("fake:text", limit=2),
                   "--detect", "0.1")  # fmt: skip
    assert "too few clusters: 2" in said
