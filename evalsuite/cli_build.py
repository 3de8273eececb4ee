"""The command that has a text model write a prompt set."""

from pathlib import Path
from typing import Annotated

import typer

from evalsuite.errors import BadInput, Incomplete

_SHOWN = 5


def build(
    task: Annotated[str, typer.Argument(help="Task that can build sets, such as grade.")],
    model: Annotated[str, typer.Option(help="Text model, backend:name[@revision][?option=value].")],
    out: Annotated[Path, typer.Option(help="JSON Lines file to write; replaced if it is there.")],
    concepts: Annotated[
        Path | None, typer.Option(help="File with one concept a line, such as: a cookie")
    ] = None,
    concept: Annotated[
        list[str] | None, typer.Option(metavar="NAME", help="A concept; may be given again.")
    ] = None,
    device: Annotated[str, typer.Option(help="auto, cpu or cuda.")] = "auto",
    trust_remote_code: Annotated[
        list[str] | None,
        typer.Option(metavar="REPO@COMMIT", help="Let this hub model's own code run."),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON on standard output.")] = False,
) -> None:
    """Have a text model write a prompt set: new concepts for a task.

    What it answers is read strictly; a concept with an answer that cannot be read is left out and
    named. Exit codes: 0 all were built, 4 some were not.
    """
    from evalsuite.api import make_plan
    from evalsuite.building import build_set, read_items
    from evalsuite.progress import progress_for_stderr
    from evalsuite.report.built import print_built

    if (concepts is None) == (not concept):
        raise BadInput("name what to build, either by --concepts FILE or by --concept NAME")
    items = tuple(concept or ()) if concepts is None else read_items(concepts)
    checked = make_plan(
        task=task, model=model, device=device, trusted=tuple(trust_remote_code or ())
    )
    progress = progress_for_stderr()
    try:
        found = build_set(
            task, model, items=items, out=out, device=checked.device, trusted=checked.trusted,
            progress=progress,
        )  # fmt: skip
    except KeyboardInterrupt:
        raise Incomplete(
            f"interrupted at {progress.line()}. Every finished pack is stored; the same command "
            "goes on from there"
        ) from None
    print_built(found, as_json=as_json)
    failures = found.built.failures
    if failures:
        named = "; ".join(map(str, failures[:_SHOWN]))
        more = f"; and {len(failures) - _SHOWN} more" if len(failures) > _SHOWN else ""
        raise Incomplete(
            f"{len(failures)} of {len(items)} are left out: {named}{more}. Errors are tried again "
            "by the same command; an answer that cannot be read is final, and another model may "
            "give a better one"
        )
