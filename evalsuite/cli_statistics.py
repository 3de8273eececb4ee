"""The commands that compare records, gate a release, plan a run and test the statistics."""

import sys
from pathlib import Path
from typing import Annotated

import typer

Json = Annotated[bool, typer.Option("--json", help="Print JSON on standard output.")]
MeasureName = Annotated[str | None, typer.Option(help="Measure; else the headline.")]
Slice = Annotated[str, typer.Option("--slice", help="Category.")]

GATE_INCONCLUSIVE = 6
GATE_FAILED = 7


def compare(
    records: Annotated[list[Path], typer.Argument(help="Two or more records (their folders).")],
    measure: MeasureName = None,
    slice: Slice = "all",
    units: Annotated[
        int,
        typer.Option(
            min=0,
            help="Of two records: name this many units that moved most, each against its own "
            "chance; scores the answers once more for every sample, 0 does not.",
        ),
    ] = 5,
    as_json: Json = False,
) -> None:
    """Compare records of one fingerprint: effect, interval, p (Holm), ranks, ties."""
    from evalsuite.comparing.comparison import compare as compare_records
    from evalsuite.report import compared
    from evalsuite.report.terminal import print_json

    found = compare_records(*records, measure=measure, slice=slice, units=units)
    if as_json:
        print_json(found.model_dump(mode="json"))
    else:
        compared.print_comparison(found)


def gate(
    base: Annotated[Path, typer.Option(help="Record of the base model.")],
    candidate: Annotated[Path, typer.Option(help="Record of the candidate.")],
    margin: Annotated[
        float,
        typer.Option(help="Largest acceptable loss: of the measure, or with --ratio a share."),
    ],
    ratio: Annotated[bool, typer.Option("--ratio", help="Test candidate / base.")] = False,
    measure: MeasureName = None,
    slice: Slice = "all",
    to: Annotated[Path | None, typer.Option(help="Write the result, margin included.")] = None,
    as_json: Json = False,
) -> None:
    """Pass a candidate that is not worse than its base by more than a margin.

    One-sided non-inferiority at 95 %. Exit codes: 0 PASS, 7 FAIL, 6 INCONCLUSIVE.
    """
    from evalsuite.comparing.release_gate import gate as gate_records
    from evalsuite.comparing.release_gate import save_gate
    from evalsuite.report import compared
    from evalsuite.report.terminal import print_json

    found = gate_records(base, candidate, margin=margin, ratio=ratio, measure=measure, slice=slice)
    if to is not None:
        save_gate(found, to)
    if as_json:
        print_json(found.model_dump(mode="json"))
    else:
        compared.print_gate(found)
    code = {"PASS": 0, "INCONCLUSIVE": GATE_INCONCLUSIVE, "FAIL": GATE_FAILED}[found.verdict]
    raise typer.Exit(code)


def plan(
    task: Annotated[str, typer.Argument(help="Task, such as rlhf_diversity.")],
    pilot: Annotated[
        list[Path], typer.Option(help="A record; twice: the two entrants to be told apart.")
    ],
    detect: Annotated[float, typer.Option(help="The true difference that is to be found.")],
    measure: MeasureName = None,
    power: Annotated[float, typer.Option(help="Chance to find it.")] = 0.8,
    cost_prompt: Annotated[
        float | None, typer.Option(help="Cost of one more prompt, without its samples.")
    ] = None,
    cost_sample: Annotated[
        float | None, typer.Option(help="Cost of one more sample of it, by both entrants.")
    ] = None,
    budget: Annotated[float | None, typer.Option(help="In the same unit.")] = None,
    as_json: Json = False,
) -> None:
    """Say how many prompts (and samples) find a difference, and what is found by those at hand."""
    from evalsuite.comparing.planning import plan as make_plan
    from evalsuite.report import compared
    from evalsuite.report.terminal import print_json

    found = make_plan(
        task,
        pilot=pilot,
        detect=detect,
        measure=measure,
        power=power,
        cost_prompt=cost_prompt,
        cost_sample=cost_sample,
        budget=budget,
    )
    if as_json:
        print_json(found.model_dump(mode="json"))
    else:
        compared.print_plan(found)


def selftest(
    runs: Annotated[
        int, typer.Option(help="Draws of each cell; 4000 gives the published table.")
    ] = 200,
    seed: Annotated[int, typer.Option(help="Root of all random streams.")] = 0,
    only: Annotated[str | None, typer.Option(help="One part, such as entropy, or gate.")] = None,
    as_json: Json = False,
    as_markdown: Annotated[bool, typer.Option("--markdown", help="Print Markdown tables.")] = False,
) -> None:
    """Test the statistics on data of known truth, next to what others do.

    Exit codes: 0 what is promised holds, 5 it does not.
    """
    from evalsuite.errors import BadInput
    from evalsuite.report import self_tested
    from evalsuite.report.terminal import print_json
    from evalsuite.selftest import check, run_selftest

    if as_json and as_markdown:
        raise BadInput("--json or --markdown, not both")
    found = run_selftest(
        runs=runs, seed=seed, only=only, tell=lambda line: print(line, file=sys.stderr, flush=True)
    )
    if as_json:
        print_json(found.model_dump(mode="json"))
    elif as_markdown:
        print(self_tested.markdown(found), end="")
    else:
        self_tested.print_selftest(found, every_cell=only is not None)
    check(found)
