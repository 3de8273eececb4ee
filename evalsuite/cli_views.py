"""The commands that look at several records of a kind, and the one that makes them."""

import sys
from pathlib import Path
from typing import Annotated

import typer

from evalsuite.cli_values import named_values, report_rejected
from evalsuite.errors import BadInput, Incomplete

Json = Annotated[bool, typer.Option("--json", help="Print JSON on standard output.")]
Out = Annotated[
    Path, typer.Option(help="Folder that holds results/ and leaderboards/.", show_default=True)
]


def stages(
    records: Annotated[list[Path], typer.Argument(help="Two or more records (their folders).")],
    measure: Annotated[str | None, typer.Option(help="Measure; else the headline.")] = None,
    slice: Annotated[str, typer.Option("--slice", help="Category.")] = "all",
    as_json: Json = False,
) -> None:
    """Follow post-training: each stage next to the model that it was trained from.

    A stage says so by ?post_training_of=NAME behind its model. p by Holm over all steps.
    """
    from evalsuite.comparing.stages import stages as follow
    from evalsuite.report import views
    from evalsuite.report.terminal import print_json

    found = follow(*records, measure=measure, slice=slice)
    if as_json:
        print_json(found.model_dump(mode="json"))
    else:
        views.print_stages(found)


def homogeneity(
    records: Annotated[list[Path], typer.Argument(help="Two or more records (their folders).")],
    table: Annotated[
        str | None, typer.Option(help="Table of embeddings, where several hold some.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Compare answers across models: mean cosine within each and between each two."""
    from evalsuite.comparing.homogeneity import homogeneity as measure
    from evalsuite.report import views
    from evalsuite.report.terminal import print_json

    found = measure(*records, table=table)
    if as_json:
        print_json(found.model_dump(mode="json"))
    else:
        views.print_homogeneity(found)


def agreement(
    record_a: Annotated[Path, typer.Argument(help="A record.")],
    record_b: Annotated[Path, typer.Argument(help="One that differs in a judge alone.")],
    out: Out = Path(),
    as_json: Json = False,
) -> None:
    """Put two judges of one run side by side: what each says, and whether their ranks agree.

    Other entrants that have records with both judges are looked for below --out.
    """
    from evalsuite.api import RESULTS
    from evalsuite.comparing.judge_agreement import judge_agreement
    from evalsuite.report import views
    from evalsuite.report.terminal import print_json

    if out != Path() and not (out / RESULTS).is_dir():
        raise BadInput(f"{out}: holds no {RESULTS}/ to look for other entrants in")
    found = judge_agreement(record_a, record_b, results=out / RESULTS)
    if as_json:
        print_json(found.model_dump(mode="json"))
    else:
        views.print_agreement(found)


def sheet(
    record: Annotated[Path, typer.Argument(help="A record of images (its folder).")],
    to: Annotated[Path, typer.Option(help="PNG file to write.")] = Path("sheet.png"),
    prompts: Annotated[int, typer.Option(min=1, help="Rows: prompts from all over the set.")] = 12,
    images: Annotated[int, typer.Option(min=1, help="Images of each prompt.")] = 8,
) -> None:
    """Put images of a record on one picture, to look at them."""
    from evalsuite.contact_sheets import contact_sheet

    found = contact_sheet(record, to, prompts=prompts, images=images)
    lacking = f", {found.n_missing} missing" if found.n_missing else ""
    print(f"{found.path}: {found.n_images} images of {found.n_prompts} prompts{lacking}")


def remedy(
    task: Annotated[str, typer.Argument(help="Task, such as rlhf_diversity.")],
    model: Annotated[
        str | None,
        typer.Option(help="backend:name[@revision][?option=value]; else the task's default."),
    ] = None,
    remedy: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME=OPTIONS",
            help="Options for the model, such as cold=temperature=0.3; else the usual ones.",
        ),
    ] = None,
    set: Annotated[
        str | None, typer.Option("--set", help="Prompt set by name, or a JSON Lines file.")
    ] = None,
    judge: Annotated[
        list[str] | None, typer.Option(metavar="ROLE=SPEC", help="Judge of a role.")
    ] = None,
    limit: Annotated[int | None, typer.Option(help="Only a stratified part of the set.")] = None,
    samples: Annotated[int | None, typer.Option(help="Answers a prompt.")] = None,
    seed: Annotated[int, typer.Option(help="Seed of the random streams.")] = 0,
    option: Annotated[
        list[str] | None, typer.Option(metavar="K=V", help="Option of the task.")
    ] = None,
    device: Annotated[str, typer.Option(help="auto, cpu or cuda.")] = "auto",
    out: Out = Path(),
    force: Annotated[bool, typer.Option(help="Replace different records of these runs.")] = False,
    as_json: Json = False,
) -> None:
    """Try decodings of a model that may make it more diverse, and show what each costs.

    Each is run and published like any other run: cold, top-p, min-p, diverse beam search and
    verbalized sampling, or those that --remedy names.
    """
    from evalsuite.api import make_plan
    from evalsuite.progress import progress_for_stderr
    from evalsuite.remedies import run_remedies
    from evalsuite.remedy_plans import prepare_remedies
    from evalsuite.report import remedied
    from evalsuite.report.terminal import print_json

    named = dict(named_values("--remedy", remedy)) if remedy else None
    plan = make_plan(
        task=task, model=model, set=set, judges=named_values("--judge", judge), limit=limit,
        samples=samples, seed=seed, options=named_values("--option", option), device=device,
    )  # fmt: skip
    candidates, progress = prepare_remedies(plan, named), progress_for_stderr()
    try:
        found = run_remedies(
            candidates, progress, out, force=force, tell=lambda line: print(line, file=sys.stderr)
        )
    except KeyboardInterrupt:
        raise Incomplete(
            f"interrupted at {progress.line()}. What is finished is published, every finished pack "
            "is stored; the same command goes on from there"
        ) from None
    if as_json:
        print_json(found.model_dump(mode="json"))
    else:
        remedied.print_remedies(found)
    report_rejected(found.rejected)
    open_rows = [row.name for row in found.rows if row.state in ("incomplete", "failed")]
    if open_rows:
        raise Incomplete(
            f"not complete: {', '.join(open_rows)}. The same command tries errors again; refused "
            "and filtered answers are final"
        )
