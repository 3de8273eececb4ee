import json
import math
from dataclasses import replace

import numpy as np
import pytest
from scipy.stats import binom

from evalsuite.cli_statistics import selftest
from evalsuite.errors import BadInput, UnknownName, VerificationFailed
from evalsuite.report.self_tested import markdown, print_selftest, verdict
from evalsuite.selftest import SelfTest, check, run_selftest
from evalsuite.selftest.cells import Answers, Cell, Outcome, answers_of, at_least, measure
from evalsuite.selftest.error_rates import Rate, judge
from evalsuite.selftest.means import mean_cells
from evalsuite.selftest.run import CELLS, RATES, run_cells, select
from evalsuite.stats import Estimate, mean_interval, proportion_interval


def halved(values, **options):
    """A t interval of half the width it should have."""
    made = mean_interval(values, **options)
    half = (made.ci_high - made.ci_low) / 4
    return made.model_copy(update={"ci_low": made.estimate - half, "ci_high": made.estimate + half})


def answering(low, high, warned=False, estimate=0.0, outside=None):
    """A cell whose every run gives the same answer; the truth is 0."""

    def simulate(rng, runs):
        ends = (np.full(runs, value, dtype=float) for value in (estimate, low, high))
        return Outcome(Answers(*ends, np.full(runs, warned)))

    return Cell("constant", "zero", "n = 1", 0.0, simulate, outside=outside)


def test_a_cell_gives_the_same_result_again_and_another_with_another_seed():
    cell = mean_cells()[0]
    first, again = (measure(cell, runs=60, seed=5) for _ in range(2))
    assert first == again
    assert first.bias != measure(cell, runs=60, seed=6).bias


def test_a_cell_does_not_depend_on_the_others():
    cells = mean_cells()
    alone = run_cells(cells[3:4], runs=60).cells[0]
    assert run_cells(cells[2:5], runs=60).cells[1] == alone


def test_names_of_cells_and_rates_are_unique_because_streams_follow_from_them():
    cells, rates = select()
    names = [part.name for part in (*cells, *rates)]
    assert len(set(names)) == len(names) > 300


@pytest.mark.parametrize("part", [*CELLS, *RATES])
def test_every_part_runs(part):
    cells, rates = select(part)
    found = run_cells([*cells[:1], *cells[1:][-1:]], rates[:2], runs=50)
    assert len(found.cells) + len(found.rates) >= 1
    assert not found.failures


def test_intervals_that_are_too_narrow_fail_with_exit_code_5_and_their_names():
    found = run_cells(mean_cells(halved)[:4], runs=300)
    assert not run_cells(mean_cells()[:4], runs=300).failures
    with pytest.raises(VerificationFailed, match="mean, t: normal, n = 12") as failure:
        check(found)
    assert failure.value.exit_code == 5
    assert "\n" not in str(failure.value)
    assert not found.average_holds


def test_intervals_that_are_too_narrow_do_not_fail_out_of_scope():
    cells = [replace(cell, outside="a test") for cell in mean_cells(halved)[:2]]
    found = run_cells(cells, runs=200)
    check(found)
    assert found.average_coverage is None
    assert len(found.silent) == 2
    assert "short without a warning" in "\n".join(verdict(found))


def test_a_biased_estimate_fails_where_its_bias_is_promised():
    off = replace(answering(-1.0, 1.0, estimate=0.2), most_bias=0.1)
    assert not measure(off, runs=100, seed=0).holds
    assert measure(replace(off, most_bias=0.3), runs=100, seed=0).holds


def test_refused_intervals_fail_in_scope_and_are_counted():
    result = measure(answering(math.nan, math.nan), runs=100, seed=0)
    assert (result.coverage, result.no_interval, result.holds) == (None, 1.0, False)


def test_an_open_end_holds_everything_beyond_it():
    result = measure(answering(-1.0, math.inf), runs=100, seed=0)
    assert (result.coverage, result.unbounded, result.width) == (1.0, 1.0, None)


def test_missing_bounds_become_none_or_infinite():
    plain = {"estimate": 1.0, "se": None, "method": "m", "n": 3, "n_clusters": 3}
    none = Estimate(**plain, ci_low=None, ci_high=None, warnings=("few: 3",))
    answers = answers_of([none, Estimate(**plain, ci_low=0.5, ci_high=None)])
    assert math.isnan(answers.low[0]) and math.isnan(answers.high[0])
    assert (answers.low[1], answers.high[1]) == (0.5, math.inf)
    assert answers.warned.tolist() == [True, False]


def test_simulated_coverage_is_the_exact_one():
    cell = next(c for c in select("share")[0] if c.name == "share, Jeffreys: p = 0.05, n = 50")
    exact = sum(
        binom.pmf(k, 50, 0.05)
        for k in range(51)
        if (e := proportion_interval(k, 50, method="jeffreys")).ci_low <= 0.05 <= e.ci_high
    )
    # Three binomial standard errors of 4,000 runs.
    assert measure(cell, runs=4000, seed=2).coverage == pytest.approx(exact, abs=0.015)
    assert exact < 0.9 and cell.outside == "rare"


def test_the_bar_is_lowered_by_three_standard_errors_only():
    assert at_least(0.9 - 2.9 * math.sqrt(0.09 / 1000), 0.9, 1000)
    assert not at_least(0.9 - 3.1 * math.sqrt(0.09 / 1000), 0.9, 1000)


@pytest.mark.parametrize(
    ("decide", "options", "holds"),
    [
        (lambda rng, runs: (rng.random(runs) < 0.2) * 1.0, {}, False),
        (lambda rng, runs: (rng.random(runs) < 0.04) * 1.0, {}, True),
        (lambda rng, runs: (rng.random(runs) < 0.6) * 1.0, {"planned": 0.8}, False),
        (lambda rng, runs: (rng.random(runs) < 0.8) * 1.0, {"planned": 0.8}, True),
        (lambda rng, runs: rng.random(runs) ** 2, {"is_uniform": True}, False),
        (lambda rng, runs: rng.random(runs), {"is_uniform": True}, True),
        (lambda rng, runs: (rng.random(runs) < 0.2) * 1.0, {"is_promised": False}, True),
    ],
)
def test_a_rate_is_held_against_its_promise(decide, options, holds):
    assert judge(Rate("test", "data", decide, **options), runs=1000, seed=0).holds is holds


def test_the_result_survives_json():
    found = run_selftest(runs=50, only="pooled")
    assert SelfTest.model_validate_json(found.model_dump_json()) == found


@pytest.mark.parametrize("options", [{"runs": 10}, {"seed": -1}])
def test_numbers_that_are_too_small_are_refused(options):
    with pytest.raises(BadInput, match="selftest needs 50 runs"):
        run_selftest(**options)


def test_an_unknown_part_is_refused_with_a_suggestion():
    with pytest.raises(UnknownName, match="Did you mean 'entropy'"):
        run_selftest(only="entropie")


def test_the_command_prints_json_and_nothing_else_on_standard_output(capsys):
    selftest(runs=50, seed=0, only="gate", as_json=True, as_markdown=False)
    out, err = capsys.readouterr()
    found = SelfTest.model_validate(json.loads(out))
    assert len(found.rates) == len(select("gate")[1])
    assert "gate, PASS" in err


def test_the_command_refuses_two_formats():
    with pytest.raises(BadInput, match="not both"):
        selftest(runs=50, as_json=True, as_markdown=True)


def test_the_tables_name_every_cell_and_the_peer(capsys):
    found = run_cells(mean_cells()[:3], select("gate")[1][:1], runs=50)
    text = markdown(found)
    rows = [line for line in text.splitlines() if line.startswith("| normal | n = ")]
    assert len(rows) == 3 and "divided by sqrt(B)" in text
    assert len({line.count("|") for line in rows}) == 1
    print_selftest(found, every_cell=True)
    assert "all that is promised holds" in capsys.readouterr().out
