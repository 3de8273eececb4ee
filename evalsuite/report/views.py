"""What stages, homogeneity, two judges and the views of a task print on a terminal."""

from collections.abc import Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING

from evalsuite.comparing.homogeneity import Homogeneities
from evalsuite.comparing.judge_agreement import JudgeAgreement, MeasureAgreement
from evalsuite.comparing.stages import Stages
from evalsuite.measures import ALL, MeasureEstimate
from evalsuite.report.compared import p_text, signed
from evalsuite.report.terminal import (
    add_row,
    console,
    interval,
    interval_text,
    print_json,
    print_published,
    say,
    table,
)
from evalsuite.stats import Estimate

if TYPE_CHECKING:
    from evalsuite.api import Published
    from evalsuite.tasks import View

_BETTER = {True: ", higher is better", False: ", lower is better", None: ""}


def print_notes(notes: Sequence[str]) -> None:
    """Print what a reader has to know."""
    for note in dict.fromkeys(notes):
        say(f"note: {note}", soft_wrap=True)


def estimate_text(found: Estimate) -> str:
    """An estimate with its interval."""
    return interval_text(found.estimate, found.ci_low, found.ci_high)


def print_stages(found: Stages) -> None:
    """Print each chain of training, its steps and what is left of the base."""
    part = "" if found.slice == ALL else f" · {found.slice}"
    say(f"{found.task} · {found.measure}{part}{_BETTER[found.higher_is_better]}", is_heading=True)
    n = "1 step" if found.n_tests == 1 else f"{found.n_tests} steps"
    say(
        f"{found.n_units} units, fingerprint {found.fingerprint[:12]}; paired by unit, p by Holm "
        f"over {n}"
    )
    numbers = {stage.name: f"{place}" for place, stage in enumerate(found.stages, 1)}
    shown = table("", "stage", ">estimate [95 % interval]")
    for stage in found.stages:
        name = "  " * stage.depth + stage.name
        add_row(shown, numbers[stage.name], name, interval(stage.estimate))
    console().print(shown)
    steps = table(
        "\nstep", ">change [95 % interval]", ">p", ">p (Holm)", ">since the base", ">units"
    )
    for stage in found.stages:
        step = stage.step
        if step is not None and stage.from_base is not None:
            add_row(
                steps, f"{numbers[step.b]} to {numbers[step.a]}", signed(step.difference),
                p_text(step.p_value), p_text(step.p_holm), signed(stage.from_base),
                step.difference.n,
            )  # fmt: skip
    console().print(steps)
    own = [n for stage in found.stages if stage.step for n in stage.step.difference.warnings]
    print_notes([*found.notes, *own])


def print_homogeneity(found: Homogeneities) -> None:
    """Print every pair of models and, of several, the matrix of their cosines."""
    say(f"{found.task} · homogeneity of answers to a prompt", is_heading=True)
    say(
        f"{found.n_units} prompts, fingerprint {found.fingerprint[:12]}; cosines of "
        f"{found.table}, made by {found.judge}",
        soft_wrap=True,
    )
    letters = {own.name: f"{place}" for place, own in enumerate(found.models, 1)}
    models = table("", "entrant", ">mean cosine within [95 % interval]")
    for own in found.models:
        add_row(models, letters[own.name], own.name, estimate_text(own.within))
    console().print(models)
    pairs = table(
        "\npair",
        ">within first",
        ">within second",
        ">between",
        ">ratio [95 % interval]",
        ">prompts",
    )
    for pair in found.pairs:
        cosines = (pair.within_a, pair.within_b, pair.between)
        add_row(
            pairs, f"{letters[pair.a]}, {letters[pair.b]}", *(_number(own) for own in cosines),
            estimate_text(pair.ratio), pair.ratio.n,
        )  # fmt: skip
    console().print(pairs)
    if len(found.models) > 2:
        _print_matrix(found, letters)
    say(
        "ratio: (1 - between) / (1 - mean within); 1 where two models differ from each other no "
        "more than each from itself",
        soft_wrap=True,
    )
    print_notes([*found.notes, *(note for pair in found.pairs for note in pair.ratio.warnings)])


def _print_matrix(found: Homogeneities, letters: dict[str, str]) -> None:
    """Mean cosines: within a model on the diagonal, between two beside it."""
    cells = {(own.name, own.name): _number(own.within) for own in found.models}
    for pair in found.pairs:
        cells[pair.a, pair.b] = cells[pair.b, pair.a] = _number(pair.between)
    names = [own.name for own in found.models]
    shown = table("\nmean cosine", *(f">{letters[name]}" for name in names))
    for row in names:
        add_row(shown, letters[row], *(cells.get((row, column), "-") for column in names))
    console().print(shown)


def _number(found: Estimate) -> str:
    return "missing" if found.estimate is None else f"{found.estimate:.3f}"


def print_agreement(found: JudgeAgreement) -> None:
    """Print what each judge says and how alike they rank prompts and entrants."""
    say(f"{found.task} · {found.entrant} · two judges in the role {found.role}", is_heading=True)
    for letter, judge, fingerprint in (
        ("A", found.judge_a, found.fingerprint_a),
        ("B", found.judge_b, found.fingerprint_b),
    ):
        say(f"{letter}  {judge}, fingerprint {fingerprint[:12]}", soft_wrap=True)
    shown = table("measure", ">A [95 % interval]", ">B [95 % interval]", ">Spearman over prompts")
    for own in found.measures:
        by_prompt = "-" if own.by_prompt is None else estimate_text(own.by_prompt)
        add_row(shown, own.measure, _or_missing(own.a), _or_missing(own.b), by_prompt)
    console().print(shown)
    _print_entrants(found)
    print_notes([*found.notes, *(note for own in found.measures for note in _agreement_notes(own))])


def _or_missing(found: MeasureEstimate | None) -> str:
    return "missing" if found is None else interval(found)


def _print_entrants(found: JudgeAgreement) -> None:
    ranked = [own for own in found.measures if own.entrants is not None]
    if not ranked:
        have = "one entrant has" if found.n_entrants == 1 else f"{found.n_entrants} entrants have"
        say(f"{have} complete records under both judges; their order is compared from 3 on")
        return
    shown = table("\nmeasure", ">entrants", ">Kendall's tau", ">Spearman's rho")
    for own in ranked:
        if own.entrants is not None:
            ranks = (own.entrants.kendall, own.entrants.spearman)
            n = len(own.entrants.entrants)
            add_row(shown, own.measure, n, *(estimate_text(rank) for rank in ranks))
    console().print(shown)


def _agreement_notes(own: MeasureAgreement) -> list[str]:
    notes = [] if own.note is None else [own.note]
    notes += [] if own.by_prompt is None else own.by_prompt.warnings
    return [f"{own.measure}: {note}" for note in notes]


def print_runs(
    published: Sequence["Published"], agreements: Sequence[JudgeAgreement], *, as_json: bool
) -> None:
    """Print a run; under several judges, every run and each two of them side by side."""
    if as_json and len(published) == 1:
        print(published[0].record.to_json(), end="")
        return
    if as_json:
        print_json(
            {
                "records": [own.record.model_dump(mode="json", by_alias=True) for own in published],
                "agreement": [own.model_dump(mode="json") for own in agreements],
            }
        )
        return
    for own in published:
        print_published(own)
        if agreements:
            say("")
    for found in agreements:
        print_agreement(found)


def print_view(view: "View", *, as_json: bool) -> None:
    """Print a table that a task made of a record."""
    if as_json:
        print_json(asdict(view))
        return
    say(view.title, is_heading=True)
    columns = list(zip(*view.rows, strict=True)) or [()] * len(view.columns)
    heads = (
        name if any(isinstance(cell, str) for cell in cells) else f">{name}"
        for name, cells in zip(view.columns, columns, strict=True)
    )
    shown = table(*heads)
    for row in view.rows:
        add_row(shown, *(_cell(cell) for cell in row))
    console().print(shown)
    if view.note:
        say(f"note: {view.note}", soft_wrap=True)


def _cell(value: str | int | float | None) -> str:
    """A cell for people.

    >>> _cell(None), _cell(0.12345), _cell(1234), _cell(1234.5678), _cell(1e-5)
    ('-', '0.123', '1,234', '1,234.568', '1e-05')
    """
    if value is None:
        return "-"
    if isinstance(value, float):
        return f"{value:,.3f}" if value == 0 or abs(value) >= 0.0005 else f"{value:.0e}"
    return f"{value:,}" if isinstance(value, int) else value
