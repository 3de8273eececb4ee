"""What comparing, gating and planning print on a terminal."""

from rich.table import Table

from evalsuite.comparing.comparison import Comparison
from evalsuite.comparing.pair_tests import PairResult
from evalsuite.comparing.planning import PlanResult
from evalsuite.comparing.release_gate import GateResult
from evalsuite.comparing.scored_record import incomplete_note
from evalsuite.measures import ALL
from evalsuite.report.terminal import add_row, console, interval, rank_text, say, table
from evalsuite.stats import Estimate
from evalsuite.stats.noninferiority import NonInferiority

_BETTER = {True: ", higher is better", False: ", lower is better", None: ""}
SHOWN_PAIRS = 20
"""Most pairs that are printed; all of them stand in ``--json``."""


def print_comparison(found: Comparison) -> None:
    """Print who stands where, every pair, and the units that moved most."""
    part = "" if found.slice == ALL else f" · {found.slice}"
    say(f"{found.task} · {found.measure}{part}{_BETTER[found.higher_is_better]}", is_heading=True)
    pairs = "pair" if found.n_tests == 1 else "pairs"
    say(
        f"{found.n_units} units, fingerprint {found.fingerprint[:12]}; paired by unit, p by Holm "
        f"over {found.n_tests} {pairs}"
    )
    letters = _letters(found)
    _print_standings(found, letters)
    _print_pairs(found.pairs, letters)
    _print_moved(found, letters)


def _letters(found: Comparison) -> dict[str, str]:
    """A short name for each entrant: A to Z, then by number.

    In the order of the table, or of two as they were given: A - B is what was asked for.
    """
    names = [standing.name for standing in found.standings]
    if len(found.pairs) == 1:
        names = [found.pairs[0].a, found.pairs[0].b]
    return {n: chr(ord("A") + i) if len(names) <= 26 else f"{i + 1}" for i, n in enumerate(names)}


def _print_standings(found: Comparison, letters: dict[str, str]) -> None:
    has_missing = any(standing.n_missing for standing in found.standings)
    missing = [">missing"] if has_missing else []
    has_stages = any(standing.trained_from for standing in found.standings)
    stages = ["trained from"] if has_stages else []
    shown = table(
        "", "entrant", *stages, ">estimate [95 % interval]", *missing, ">rank", "tied with best"
    )
    for standing in found.standings:
        rank = rank_text(standing.rank_low, standing.rank_high)
        tied = {True: "yes", False: "no", None: "-"}[standing.tied_with_best]
        letter = letters[standing.name]
        lost = [f"{standing.n_missing:,}"] if has_missing else []
        base = [standing.trained_from or "-"] if has_stages else []
        add_row(shown, letter, standing.name, *base, interval(standing.estimate), *lost, rank, tied)
    console().print(shown)
    for standing in found.standings:
        if not standing.complete:
            say(f"note: {incomplete_note(standing.name, standing.n_missing)}", soft_wrap=True)


def _print_pairs(pairs: tuple[PairResult, ...], letters: dict[str, str]) -> None:
    shown = table("\ndifference", ">estimate [95 % interval]", ">p", ">p (Holm)", "test", ">units")
    ordered = sorted(pairs, key=lambda pair: (pair.p_value is None, pair.p_value))
    for pair in ordered[:SHOWN_PAIRS]:
        add_row(
            shown, f"{letters[pair.a]} - {letters[pair.b]}", signed(pair.difference),
            p_text(pair.p_value), p_text(pair.p_holm), pair.p_method, pair.difference.n,
        )  # fmt: skip
    console().print(shown)
    if len(pairs) > SHOWN_PAIRS:
        say(f"{len(pairs) - SHOWN_PAIRS} pairs with larger p-values: --json has them all")
    for note in dict.fromkeys(n for pair in ordered for n in pair.difference.warnings):
        say(f"note: {note}", soft_wrap=True)


def _print_moved(found: Comparison, letters: dict[str, str]) -> None:
    if not found.moved:
        return
    pair = found.pairs[0]
    a, b = letters[pair.a], letters[pair.b]
    shown = table("\nunit that moved", "category", f">{a}", f">{b}", f">{a} - {b}", ">p (BH)")
    for unit in found.moved:
        add_row(
            shown, unit.unit, unit.stratum or "-", f"{unit.a:.3f}", f"{unit.b:.3f}",
            f"{unit.difference:+.3f}", p_text(unit.p_bh),
        )  # fmt: skip
    console().print(shown)


def signed(estimate: Estimate) -> str:
    """A difference with its interval, signs shown."""
    if estimate.estimate is None:
        return "missing"
    if estimate.ci_low is None or estimate.ci_high is None:
        return f"{estimate.estimate:+.3f} [no interval]"
    return f"{estimate.estimate:+.3f} [{estimate.ci_low:+.3f}, {estimate.ci_high:+.3f}]"


def p_text(p: float | None) -> str:
    """A p-value for people.

    >>> p_text(0.0234), p_text(3.2e-9), p_text(None), p_text(1.0)
    ('0.023', '3e-09', '-', '1.000')
    """
    if p is None:
        return "-"
    return f"{p:.3f}" if p >= 0.001 else f"{p:.0e}"


def print_gate(found: GateResult) -> None:
    """Print the verdict and the bounds it rests on."""
    part = "" if found.slice == ALL else f" · {found.slice}"
    say(f"{found.verdict}  {found.task} · {found.measure}{part}", is_heading=True)
    say(f"base       {found.base}", soft_wrap=True)
    say(f"candidate  {found.candidate}", soft_wrap=True)
    shown = table("", f">{_scale(found)}", ">one-sided 95 % bounds", ">needed", ">units")
    _add_test(shown, "answers that came", found.observed)
    if found.worst_case is not None:
        _add_test(shown, "worst case of the missing", found.worst_case)
    console().print(shown)
    for reason in dict.fromkeys((*found.reasons, *found.observed.estimate.warnings)):
        say(f"note: {reason}", soft_wrap=True)


def _scale(found: GateResult) -> str:
    ends = ("candidate", "base") if found.higher_is_better else ("base", "candidate")
    return (" / " if found.scale == "ratio" else " - ").join(ends)


def _add_test(shown: Table, name: str, test: NonInferiority) -> None:
    value = test.estimate.estimate
    low, high = test.lower_bound, test.upper_bound
    form = ".3f" if test.scale == "ratio" else "+.3f"
    bounds = "none" if low is None or high is None else f"[{low:{form}}, {high:{form}}]"
    add_row(
        shown, name, "missing" if value is None else f"{value:{form}}", bounds,
        f"above {test.threshold:{form}}", test.estimate.n,
    )  # fmt: skip


def print_plan(found: PlanResult) -> None:
    """Print what a plan needs and what is at hand."""
    say(f"{found.task} · {found.measure}, pilot: {', '.join(found.pilots)}", is_heading=True)
    say(f"sd of a unit's difference {found.sd:.4g}; {found.assumption}", soft_wrap=True)
    need, at_hand = found.need, found.at_hand
    has_cost = need.cost is not None
    shown = table("", ">prompts", ">samples", ">finds", ">power", *([">cost"] if has_cost else []))
    for name, way, effect, power in (
        ("needed", need, found.detect, need.power),
        ("at hand", at_hand, at_hand.effect, found.power),
    ):
        cost = [f"{way.cost:,.6g}"] if way.cost is not None else []
        add_row(
            shown, name, f"{way.prompts:,}", way.samples, f"{effect:.4g}", f"{power:.3f}", *cost
        )
    console().print(shown)
    for note in found.notes:
        say(f"note: {note}", soft_wrap=True)
