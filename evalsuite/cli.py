"""The command line: parse, call one function, print. Heavy imports stay inside the commands."""

import json
import sys
import traceback
from enum import StrEnum
from pathlib import Path
from typing import Annotated, NoReturn

import typer

from evalsuite import cli_build, cli_statistics, cli_views
from evalsuite.cli_values import judge_sets, named_values, report_rejected
from evalsuite.errors import BadInput, EvalsuiteError, Incomplete, VerificationFailed

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    help="Measures how diverse and how fair generative models are.",
    epilog="Exit codes: 0 ok, 1 our fault, 2 bad input, 3 refused by policy, 4 incomplete, "
    "5 verification failed, 6 gate inconclusive, 7 gate failed.",
)
boards = typer.Typer(no_args_is_help=True, help="Show or rebuild the leaderboards.")
for command in (
    cli_statistics.compare,
    cli_statistics.gate,
    cli_statistics.plan,
    cli_statistics.selftest,
    cli_views.stages,
    cli_views.homogeneity,
    cli_views.agreement,
    cli_views.sheet,
    cli_views.remedy,
    cli_build.build,
):
    app.command()(command)
app.add_typer(boards, name="leaderboard")

Json = Annotated[bool, typer.Option("--json", help="Print JSON on standard output.")]
Out = Annotated[
    Path, typer.Option(help="Folder that holds results/ and leaderboards/.", show_default=True)
]


class Engine(StrEnum):
    """Where packs run."""

    local = "local"


class Device(StrEnum):
    """What a model is loaded onto."""

    auto = "auto"
    cpu = "cpu"
    cuda = "cuda"


@app.command()
def run(
    task: Annotated[str, typer.Argument(help="Task, such as rlhf_diversity.")],
    model: Annotated[
        str | None,
        typer.Option(help="backend:name[@revision][?option=value]; else the task's default."),
    ] = None,
    mode: Annotated[str | None, typer.Option(help="Mode; else inferred from the model.")] = None,
    set: Annotated[
        str | None, typer.Option("--set", help="Prompt set by name, or a JSON Lines file.")
    ] = None,
    judge: Annotated[
        list[str] | None,
        typer.Option(
            metavar="ROLE=SPEC",
            help="Judge of a role; given again for the same role, the run is made with each.",
        ),
    ] = None,
    limit: Annotated[int | None, typer.Option(help="Only a stratified part of the set.")] = None,
    samples: Annotated[int | None, typer.Option(help="Answers a prompt.")] = None,
    seed: Annotated[int, typer.Option(help="Seed of the random streams.")] = 0,
    replicates: Annotated[int, typer.Option(help="Runs with seeds seed, seed+1 ...")] = 1,
    option: Annotated[
        list[str] | None, typer.Option(metavar="K=V", help="Option of the task.")
    ] = None,
    engine: Annotated[Engine, typer.Option(help="Where packs run.")] = Engine.local,
    device: Annotated[Device, typer.Option(help="What models are loaded onto.")] = Device.auto,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only count what is to do.")] = False,
    trust_remote_code: Annotated[
        list[str] | None,
        typer.Option(metavar="REPO@COMMIT", help="Let this hub model's own code run."),
    ] = None,
    out: Out = Path(),
    force: Annotated[bool, typer.Option(help="Replace a different record of this run.")] = False,
    as_json: Json = False,
) -> None:
    """Generate, score and publish a row of the leaderboard."""
    from evalsuite import api
    from evalsuite.progress import progress_for_stderr
    from evalsuite.report import terminal, views

    judges = judge_sets(judge)
    if dry_run and as_json and len(judges) > 1:
        raise BadInput("--dry-run --json takes one judge a role")
    prepared = api.prepare_under(
        judges,
        task=task,
        model=model,
        mode=mode,
        set=set,
        limit=limit,
        samples=samples,
        seed=seed,
        replicates=replicates,
        options=named_values("--option", option),
        engine=engine.value,
        device=device.value,
        trusted=tuple(trust_remote_code or ()),
    )
    first = prepared[0]
    if first.is_default_model:
        name = first.model.entrant.model
        print(f"no --model given: taking the task's default, {name}", file=sys.stderr)
    asked = {card.judge for card in first.task.card.measures}
    for role, supply in first.absent.items():
        if role in asked:
            print(f"no judge {role}: measures that need it are missing. {supply}", file=sys.stderr)
    if dry_run:
        for own in prepared:
            terminal.print_calls(api.dry_run(own), own, as_json=as_json)
        return
    progress = progress_for_stderr()
    try:
        published = [api.run_and_publish(own, progress, out, force=force) for own in prepared]
    except KeyboardInterrupt:
        raise Incomplete(
            f"interrupted at {progress.line()}. Every finished pack is stored; the same command "
            "goes on from there"
        ) from None
    views.print_runs(published, api.agreements(published, out), as_json=as_json)
    report_rejected(published[-1].rejected)
    whys = [terminal.why_incomplete(own.record) for own in published if not own.record.complete]
    if whys:
        raise Incomplete("; ".join(dict.fromkeys(whys)))


@app.command()
def tasks(as_json: Json = False) -> None:
    """List the tasks, those that cannot be loaded too."""
    from evalsuite.report import terminal
    from evalsuite.tasks import TASKS

    terminal.print_tasks(list(TASKS.listing()), as_json=as_json)


@app.command()
def models(as_json: Json = False) -> None:
    """List the backends and the models that ship with the suite."""
    from evalsuite.models.backends import BACKENDS
    from evalsuite.report import terminal

    terminal.print_models(list(BACKENDS.listing()), as_json=as_json)


@app.command()
def show(
    target: Annotated[str, typer.Argument(help="A task's name, or a record (its folder).")],
    slices: Annotated[bool, typer.Option("--slices", help="By category too.")] = False,
    outputs: Annotated[int, typer.Option(min=0, help="Print this many answers.")] = 0,
    view: Annotated[
        str | None, typer.Option(help="Print this table that the task makes of a record.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Show a task's card, or a record."""
    from evalsuite import api
    from evalsuite.record import load_record
    from evalsuite.report import terminal, views
    from evalsuite.tasks import TASKS

    if view is not None:
        if slices or outputs:
            raise BadInput("--view takes neither --slices nor --outputs beside it")
        if target in TASKS.names():
            raise BadInput(
                f"a view is made of a record; {target} is a task. Name a record's folder"
            )
        views.print_view(api.view(target, view), as_json=as_json)
    elif target in TASKS.names():
        terminal.print_task(TASKS[target], as_json=as_json)
    elif as_json:
        print(load_record(target).to_json(), end="")
    else:
        terminal.print_record(Path(target), slices=slices, n_outputs=outputs)


@app.command()
def verify(
    record: Annotated[Path, typer.Argument(help="A record: its folder or record.json.")],
    as_json: Json = False,
) -> None:
    """Recompute a record from its responses; exit 5 if it does not follow from them."""
    from evalsuite.verification import verify as check

    verification = check(record)
    found = verification.record
    if as_json:
        value = {"hash": found.hash, "problems": verification.problems}
        print(json.dumps(value | {"verified": not verification.problems}))
    elif not verification.problems:
        n = found.apparatus.n_units
        print(f"verified: {len(found.estimates)} estimates from {n} units, hash {found.hash[:12]}")
    if verification.problems:
        raise VerificationFailed("\n".join(verification.problems))


@boards.command("show")
def leaderboard_show(
    task: Annotated[str, typer.Argument(help="Task.")],
    measure: Annotated[str | None, typer.Option(help="Measure; else the headline.")] = None,
    slice: Annotated[str, typer.Option("--slice", help="Category.")] = "all",
    out: Out = Path(),
    as_json: Json = False,
) -> None:
    """Print the leaderboard of a task, made from the records in results/."""
    from evalsuite import api
    from evalsuite.leaderboard import build_leaderboard
    from evalsuite.report import terminal
    from evalsuite.tasks import TASKS

    card = TASKS[task].card
    if measure is not None:
        card.measure(measure)
    records, verified, rejected = api.check_records(out, task)
    frame = build_leaderboard(records, measure=measure, slice=slice, verified=verified)
    report_rejected(rejected)
    if frame.empty:
        raise BadInput(
            f"no records of {task} [{slice}] in {out / api.RESULTS}; make one with "
            f"`evalsuite run {task}`"
        )
    terminal.print_leaderboard(frame, as_json=as_json)


@boards.command("build")
def leaderboard_build(out: Out = Path()) -> None:
    """Rebuild every leaderboards/*.csv from the records in results/."""
    from evalsuite import api

    found = api.recorded_tasks(out)
    if not found:
        raise BadInput(f"no records in {out / api.RESULTS}; make one with `evalsuite run TASK`")
    rejected: tuple[str, ...] = ()
    for task in found:
        path, faults = api.publish(task, out)
        rejected += faults
        print(path)
    report_rejected(rejected)


@boards.command("plot")
def leaderboard_plot(
    task: Annotated[str, typer.Argument(help="Task.")],
    to: Annotated[Path, typer.Option(help="File to write, .png or .svg.")],
    measure: Annotated[str | None, typer.Option(help="Measure; else the headline.")] = None,
    fingerprint: Annotated[
        str, typer.Option(help="Its first digits, where records have several.")
    ] = "",
    out: Out = Path(),
) -> None:
    """Draw a measure by category, one mark an entrant."""
    from evalsuite import api
    from evalsuite.report.plots import plot_slices
    from evalsuite.tasks import TASKS

    card = TASKS[task].card
    records, _, rejected = api.check_records(out, task)
    chosen = [r.record for r in records if r.record.fingerprint.startswith(fingerprint)]
    report_rejected(rejected)
    if len({record.fingerprint for record in chosen}) > 1:
        found = ", ".join(sorted({record.fingerprint[:12] for record in chosen}))
        raise BadInput(f"records of several fingerprints: choose with --fingerprint: {found}")
    if not chosen:
        raise BadInput(f"no records of {task} in {out / api.RESULTS} to draw")
    plot_slices(chosen, card.measure(measure or card.headline).name, to)
    print(to)


@app.command()
def doctor(as_json: Json = False) -> None:
    """Check the installation: packages, embedded models, store, device."""
    from evalsuite.report import terminal
    from evalsuite.report.doctor import examine

    findings = examine()
    terminal.print_findings(findings, as_json=as_json)
    if not all(finding.ok for finding in findings if finding.needed):
        raise typer.Exit(2)


def main() -> NoReturn:
    """Run the command line; an error that a user can act on is one line and an exit code."""
    import logging

    logging.basicConfig(format="%(levelname)s: %(message)s", level=logging.WARNING)
    try:
        app()
    except EvalsuiteError as error:
        _fail(str(error), error.exit_code)
    except BrokenPipeError:
        # The reader of a pipe went away, as `head` does; there is nobody to tell.
        sys.stderr.close()
        sys.exit(0)
    except Exception:
        _fail(traceback.format_exc() + "this is a fault of evalsuite; please report it", 1)
    sys.exit(0)


def _fail(message: str, code: int) -> NoReturn:
    from evalsuite.progress import printable
    from evalsuite.redaction import redact

    print(f"evalsuite: {printable(redact(message))}", file=sys.stderr)
    sys.exit(code)


if __name__ == "__main__":
    main()
