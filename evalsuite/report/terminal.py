"""What the commands print on a terminal: tables for people, JSON for programs."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from evalsuite.errors import VerificationFailed
from evalsuite.measures import ALL, MeasureEstimate
from evalsuite.progress import printable
from evalsuite.record import RESPONSES_FILE, Record, entrant_name, load_record
from evalsuite.report.doctor import Finding, models_of

if TYPE_CHECKING:
    import pandas as pd

    from evalsuite.api import Published
    from evalsuite.asking import Call
    from evalsuite.execution import Prepared
    from evalsuite.models.backends import Backend
    from evalsuite.registry import Listed
    from evalsuite.tasks import Task

MIN_WIDTH = 100
# Options that say how a text becomes a vector; they do not bear on what a generator writes.
OF_EMBEDDING = ("pooling", "normalize", "max_length", "long")


def console() -> Console:
    """A console on standard output, wide enough for the tables where it is no terminal."""
    # No text is markup: prompts, categories, model names and paths may hold brackets and colons.
    found = Console(highlight=False, markup=False, emoji=False)
    if not found.is_terminal:
        found.width = max(found.width, MIN_WIDTH)
    return found


def say(text: str, *, is_heading: bool = False, soft_wrap: bool = False) -> None:
    """Print a text as it is, without what could steer the terminal."""
    style = "bold" if is_heading else ""
    console().print(Text(printable(text), style=style), soft_wrap=soft_wrap)


def interval(estimate: MeasureEstimate) -> str:
    """An estimate with its interval, or why there is none.

    The number of digits follows the width of the interval.
    """
    found = estimate.estimate
    return interval_text(found.estimate, found.ci_low, found.ci_high)


def interval_text(value: float | None, low: float | None, high: float | None) -> str:
    """As `interval`, from the numbers.

    >>> interval_text(0.61234, 0.59, 0.63), interval_text(None, None, None)
    ('0.612 [0.590, 0.630]', 'missing')
    """
    if value is None:
        return "missing"
    if low is None or high is None:
        return f"{value:.3f} [no interval]"
    return f"{value:.3f} [{low:.3f}, {high:.3f}]"


def rank_text(low: int | None, high: int | None) -> str:
    """The ranks that an entrant may have.

    >>> rank_text(1, 3), rank_text(2, 2), rank_text(None, None)
    ('1-3', '2', '-')
    """
    if low is None or high is None:
        return "-"
    return f"{low}" if low == high else f"{low}-{high}"


def print_json(value: Any) -> None:
    """Print a value as JSON."""
    print(json.dumps(value, indent=1, ensure_ascii=False, allow_nan=False))


def table(*columns: str, title: str | None = None) -> Table:
    """A plain table; a column whose name starts with ``>`` is right-aligned."""
    title = title and printable(title)
    made = Table(title=title, title_justify="left", box=None, pad_edge=False, header_style="bold")
    for column in columns:
        made.add_column(column.lstrip(">"), justify="right" if column.startswith(">") else "left")
    return made


def add_row(shown: Table, *cells: object) -> None:
    """Add a row of texts to a table, without what could steer the terminal."""
    shown.add_row(*(Text(printable(f"{cell}")) for cell in cells))


def print_published(published: "Published") -> None:
    """Print the numbers of a run and where its files are."""
    record = published.record
    _print_estimates(record, slices=False)
    say(f"\nrecord       {published.folder}", soft_wrap=True)
    say(f"leaderboard  {published.leaderboard}", soft_wrap=True)


def why_incomplete(record: Record) -> str:
    """Say what is missing from a run, and whether anything can be done about it."""
    roles = {"model": record.counts} | {r: judge.counts for r, judge in record.judges.items()}
    errors = {role: counts.missing["error"] for role, counts in roles.items()}
    counts = record.counts
    if any(errors.values()):
        what = ", ".join(f"{n:,} by error of the {role}" for role, n in errors.items() if n)
        return f"the run is incomplete: {what}. The same command tries the errors again"
    return (
        f"the run is incomplete: {counts.requests - counts.ok:,} of {counts.requests:,} answers "
        "were refused or filtered, which is final, and more than the task allows; the row stays "
        "incomplete"
    )


def _print_estimates(record: Record, *, slices: bool) -> None:
    say(f"{record.task} · {entrant_name(record.entrant)}", is_heading=True)
    counts = record.counts
    n, samples = record.apparatus.n_units, dict(record.apparatus.options).get("samples")
    cached = record.provenance.cached.get("model", 0)
    say(
        f"{n} prompts x {samples} answers, seed {record.seed}"
        + (f", {record.replicates} replicates" if record.replicates > 1 else "")
        + f"; {counts.ok:,} of {counts.requests:,} answers ok, {cached:,} from the store; "
        f"fingerprint {record.fingerprint[:12]}"
    )
    seeds = [">seed share"] if record.replicates > 1 else []
    part = ["slice"] if slices else []
    shown = table("measure", *part, ">estimate [95 % interval]", *seeds, "method")
    for estimate in record.estimates:
        if not slices and estimate.slice != ALL:
            continue
        star = "* " if estimate.measure == record.headline.measure else "  "
        cells = [star + estimate.measure, *([estimate.slice] if slices else [])]
        share = "-" if estimate.seed_share is None else f"{estimate.seed_share:.0%}"
        add_row(shown, *cells, interval(estimate), *([share] if seeds else []),
                estimate.estimate.method)  # fmt: skip
    console().print(shown)
    _print_notes(record, every=slices)


def _print_notes(record: Record, *, every: bool) -> None:
    """Print the warnings of the headline, or those of every measure; count what is left out."""
    n_left_out = 0
    for estimate in record.estimates:
        if estimate.slice != ALL:
            continue
        if not every and estimate.measure != record.headline.measure:
            n_left_out += len(estimate.estimate.warnings)
            continue
        for warning in estimate.estimate.warnings:
            say(f"note on {estimate.measure}: {warning}", soft_wrap=True)
    if n_left_out:
        say(f"{n_left_out} notes on other measures: evalsuite show RECORD --slices")


def print_record(path: Path, *, slices: bool, n_outputs: int) -> None:
    """Print a record and, only if asked to, some of its answers."""
    record = load_record(path)
    _print_estimates(record, slices=slices)
    if not n_outputs:
        return
    from evalsuite.responses_file import ResponsesFile

    folder = path if path.is_dir() else path.parent
    entrants = {role: judge.entrant for role, judge in record.judges.items()}
    responses = ResponsesFile(folder / RESPONSES_FILE, entrants | {"model": record.entrant})
    if responses.problems:
        raise VerificationFailed("\n".join(responses.problems))
    first = next(iter(responses.tables.values()))
    for row in first.rows[:n_outputs]:
        say(f"\n{row.unit.id}, answer {row.index}, {row.status}", is_heading=True)
        say(row.text or "", soft_wrap=True)


def print_leaderboard(frame: "pd.DataFrame", *, as_json: bool) -> None:
    """Print a leaderboard, one table for each fingerprint: only rows of one table compare."""
    if as_json:
        print_json(frame.to_dict(orient="records"))
        return
    from evalsuite.leaderboard import best_first

    out = console()
    for part in best_first(frame):
        first = part.iloc[0]
        better = {True: ", higher is better", False: ", lower is better"}
        title = (
            f"{first['task']} · {first['measure']}"
            + ("" if first["slice"] == ALL else f" · {first['slice']}")
            + better.get(first["higher_is_better"], "")
            + f"\n{first['n_units']} prompts x {first['samples_per_unit']} answers, "
            f"fingerprint {first['fingerprint'][:12]}, judges: {_short(first['judges'])}"
        )
        shown = table("entrant", ">estimate [95 % interval]", ">rank", ">missing", ">seed",
                      "status", title=title)  # fmt: skip
        for _, row in part.iterrows():
            estimate = interval_text(row["estimate"], row["ci_low"], row["ci_high"])
            rank = rank_text(row["rank_low"], row["rank_high"])
            add_row(shown, row["entrant"], estimate, rank, row["n_missing"], row["seed"],
                    row["status"])  # fmt: skip
        out.print(shown)
        out.print()


def _short(judges: str) -> str:
    return " ".join(judge.split("@")[0] for judge in judges.split(" ")) or "none"


def print_tasks(listing: Sequence["Listed[Task]"], *, as_json: bool) -> None:
    """Print the tasks and, for those that cannot be loaded, why."""
    if as_json:
        print_json([_task_json(listed) for listed in listing])
        return
    shown = table("task", ">version", "modes", "what it measures")
    for listed in listing:
        if listed.value is None:
            add_row(shown, listed.name, "-", "broken", listed.problem or "")
            continue
        card = listed.value.card
        add_row(shown, card.name, card.version, " ".join(listed.value.modes), card.summary)
    console().print(shown)


def _task_json(listed: "Listed[Task]") -> dict[str, Any]:
    if listed.value is None:
        return {"name": listed.name, "source": listed.source, "problem": listed.problem}
    card = listed.value.card
    return {
        "name": card.name,
        "version": card.version,
        "title": card.title,
        "summary": card.summary,
        "modes": {name: mode.asks.__name__ for name, mode in listed.value.modes.items()},
        "default_models": {name: m.default_model for name, m in listed.value.modes.items()},
        "sets": list(card.sets),
        "judges": {
            role: {"capability": judge.capability.__name__, "default": judge.default}
            for role, judge in card.judges.items()
        },
        "headline": card.headline,
        "measures": [measure.model_dump() for measure in card.measures],
        "options": {name: _options_json(mode) for name, mode in listed.value.modes.items()},
        "paper": card.paper,
        "licence": card.licence,
        "source": listed.source,
        "problem": None,
    }


def _options_json(mode: Any) -> dict[str, Any]:
    return {
        name: {"default": field.default, "description": field.description}
        for name, field in mode.options.model_fields.items()
    }


def print_task(task: "Task", *, as_json: bool) -> None:
    """Print a task's card."""
    from evalsuite.registry import Listed

    value = _task_json(Listed(task.card.name, task.package, task, None))
    if as_json:
        print_json(value)
        return
    out, card = console(), task.card
    say(f"{card.name} · {card.title}, version {card.version}", is_heading=True)
    for line in (card.summary, f"paper: {card.paper}", f"licence: {card.licence}"):
        say(line)
    shown = table("\nmeasure", ">version", "what it is")
    for measure in card.measures:
        star = "* " if measure.name == card.headline else "  "
        add_row(shown, star + measure.name, measure.version, measure.summary)
    out.print(shown)
    for name, mode in task.modes.items():
        say(f"\nmode {name}: default model {mode.default_model}")
        options = table("option", ">default", "what it is")
        for option, field in mode.options.model_fields.items():
            add_row(options, f"  {option}", field.default, field.description or "")
        out.print(options)
        for view in mode.views:
            say(f"view {view}: evalsuite show RECORD --view {view}")
    for role, judge in card.judges.items():
        say(f"\njudge {role}: {judge.summary}; default {judge.default}")
    for set_name, data in card.sets.items():
        say(f"set {set_name}: {data.summary}")


def print_models(listing: Sequence["Listed[Backend]"], *, as_json: bool) -> None:
    """Print the models of every backend; for those that lack a package, how to get it."""
    models: list[dict[str, Any]] = []
    broken: list[tuple[str, str]] = []
    for listed in sorted(listing, key=lambda listed: listed.name == "fake"):  # fakes last
        found, problem = models_of(listed.value) if listed.value else ([], listed.problem)
        models += [model.model_dump(mode="json") for model in found]
        if problem:
            broken.append((listed.name, problem))
    if as_json:
        print_json(models + [{"name": name, "problem": problem} for name, problem in broken])
        return
    shown = table("model", "can", "what it is")
    for model in models:
        summary = model["summary"] if model["installed"] else f"needs: {model['install']}"
        add_row(shown, model["name"], "\n".join(model["capabilities"]), summary)
    for name, problem in broken:
        add_row(shown, name, "broken", problem)
    console().print(shown)
    from evalsuite.models.transformers import CausalOptions, EncoderOptions

    generating = [name for name in CausalOptions.model_fields if name not in OF_EMBEDDING]
    say("\nOptions go behind a ?, joined by &.")
    say(f"Text generators take: {', '.join(generating)}.", soft_wrap=True)
    say(
        "Text embedders, and generators where they embed, take: "
        f"{', '.join(EncoderOptions.model_fields)}.",
        soft_wrap=True,
    )


def print_calls(calls: Sequence["Call"], prepared: "Prepared", *, as_json: bool) -> None:
    """Print what a run would ask."""
    if as_json:
        names = ("role", "model", "capability", "n_requests", "n_cached", "n_low", "n_high")
        value = {
            "fingerprint": prepared.apparatus.fingerprint,
            "calls": [{name: getattr(call, name) for name in names} for call in calls],
        }
        print_json(value)
        return
    shown = table("role", "model", "capability", ">known requests", ">from the store", ">to do")
    for call in calls:
        to_do = f"{call.n_low:,}"
        if call.n_high != call.n_low:
            to_do += f" to {call.n_high:,}"
        add_row(shown, call.role, call.model, call.capability, f"{call.n_requests:,}",
                f"{call.n_cached:,}", to_do)  # fmt: skip
    say(f"dry run, fingerprint {prepared.apparatus.fingerprint[:12]}: nothing was asked")
    console().print(shown)


def print_findings(findings: Sequence[Finding], *, as_json: bool) -> None:
    """Print what the doctor found."""
    if as_json:
        print_json([finding.model_dump() for finding in findings])
        return
    shown = table("", "what", "found", "what to do")
    for finding in findings:
        mark = "ok" if finding.ok else ("lacking" if finding.needed else "-")
        add_row(shown, mark, finding.what, finding.found, finding.advice or "")
    console().print(shown)
