"""The functions behind `evalsuite.run` and the commands of the same names."""

import errno
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path
from typing import Any, Literal

from pydantic import ValidationError

from evalsuite import atomic
from evalsuite.asking import Call
from evalsuite.comparing.judge_agreement import JudgeAgreement, judge_agreement
from evalsuite.comparing.scored_record import ScoredRecord, open_record, scored_record
from evalsuite.errors import BadInput, UnknownName
from evalsuite.execution import Prepared, RunPlan, collect, execute, prepare
from evalsuite.leaderboard import build_leaderboard
from evalsuite.leaderboard_csv import write_leaderboard
from evalsuite.models.spec import first_problem, unknown
from evalsuite.progress import Silent
from evalsuite.record import Record, find_records, results_locked, save_record
from evalsuite.settings import settings
from evalsuite.tasks import TASKS, TaskCard, View
from evalsuite.verification import check

RESULTS = "results"
LEADERBOARDS = "leaderboards"


@dataclass(frozen=True)
class Published:
    """Where a run's files are."""

    record: Record
    folder: Path
    leaderboard: Path
    rejected: tuple[str, ...]


def run(
    task: str,
    model: str | None = None,
    *,
    mode: str | None = None,
    set: str | None = None,
    judges: Mapping[str, str] | None = None,
    limit: int | None = None,
    samples: int | None = None,
    seed: int = 0,
    replicates: int = 1,
    options: Mapping[str, Any] | None = None,
    engine: Literal["local"] = "local",
    device: Literal["auto", "cpu", "cuda"] = "auto",
    out: str | Path = ".",
    trusted: Sequence[str] = (),
    force: bool = False,
) -> Record:
    """Run a task on a model, save its record and publish it in the leaderboard.

    Parameters
    ----------
    task : str
        Such as ``rlhf_diversity``; see `list_tasks`.
    model : str or None
        ``backend:name[@revision][?option=value]``; None takes the task's embedded default.
    mode, set, judges, limit, samples, seed, replicates, options, engine, device
        As the options of ``evalsuite run``.
    out : path
        Folder that gets ``results/`` and ``leaderboards/``.
    trusted : sequence of str
        ``org/repo@<40 hex>`` of hub models whose own code may run.
    force : bool
        Replace a different record of the same run.

    Returns
    -------
    Record

    Raises
    ------
    EvalsuiteError
        With one clear message; what was answered until then is kept and not asked again.

    Examples
    --------
    >>> import tempfile, evalsuite
    >>> folder = tempfile.mkdtemp()
    >>> record = evalsuite.run("rlhf_diversity", "fake:text", limit=20, samples=4,
    ...                        judges={"embedder": "fake:text-embedder"}, out=folder)
    >>> record.headline.measure, record.counts.requests, record.complete
    ('per_input_sbert', 80, True)
    """
    plan = make_plan(
        task=task,
        model=model,
        mode=mode,
        set=set,
        judges=tuple((judges or {}).items()),
        limit=limit,
        samples=samples,
        seed=seed,
        replicates=replicates,
        options=tuple((name, f"{value}") for name, value in (options or {}).items()),
        engine=engine,
        device=device,
        trusted=tuple(trusted),
    )
    return run_and_publish(prepare(plan, settings()), Silent(), Path(out), force=force).record


def make_plan(**fields: Any) -> RunPlan:
    """Check the plain fields of a plan.

    Raises
    ------
    BadInput
        If a number is out of range.
    """
    try:
        return RunPlan(**fields)
    except ValidationError as error:
        raise BadInput(first_problem(error)) from None


def prepare_under(
    judge_sets: Sequence[tuple[tuple[str, str], ...]], **fields: Any
) -> list[Prepared]:
    """Check the runs of one plan under several sets of judges, before any of them starts.

    Raises
    ------
    BadInput
        If a plan cannot be run, or two sets are the same judges by other names.
    """
    found = [prepare(make_plan(judges=own, **fields), settings()) for own in judge_sets]
    for place, own in enumerate(found):
        if own.apparatus.fingerprint in {o.apparatus.fingerprint for o in found[:place]}:
            names = ", ".join(f"{role}={model}" for role, model in own.plan.judges)
            raise BadInput(f"--judge {names}: one judge is given twice")
    return found


def agreements(published: Sequence[Published], out: Path) -> list[JudgeAgreement]:
    """Every two of the records that one run gave under several judges, side by side."""
    return [
        judge_agreement(a.folder, b.folder, results=out / RESULTS)
        for a, b in combinations(published, 2)
    ]


def view(record: str | Path, name: str) -> View:
    """Make one of the tables for people that a task has of its records.

    Raises
    ------
    UnknownName
        If the task has no such view.
    BadInput
        If the record cannot be opened, or has no responses.
    """
    opened = open_record(record)
    own = opened.record
    task = TASKS[own.task]
    views = task.modes[own.mode].views
    if not views:
        raise BadInput(
            f"{own.task}: mode {own.mode} has no views; --slices and --outputs show more"
        )
    if name not in views:
        raise UnknownName(unknown("view", name, list(views), of=own.task))
    options = task.read_options(own.mode, dict(own.apparatus.options))
    return views[name](opened.tables, options)


def run_and_publish(
    prepared: Prepared, progress: Silent, out: Path, *, force: bool = False
) -> Published:
    """Execute, save the record and rebuild the task's leaderboard."""
    with atomic.told_to_the_user("write to", out):
        (out / RESULTS).mkdir(parents=True, exist_ok=True)
        if not os.access(out / RESULTS, os.W_OK):
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))
    record, content = execute(prepared, settings(), progress)
    record, folder = save_record(record, content, out / RESULTS, force=force)
    csv, rejected = publish(record.task, out)
    return Published(record, folder, csv, rejected)


def publish(task: str, out: Path) -> tuple[Path, tuple[str, ...]]:
    """Rebuild ``leaderboards/<task>.csv`` from the records of a task.

    Every record is recomputed from its responses first; one that fails is left out, and one without
    responses is marked as self-reported.

    Returns
    -------
    the CSV file, and what was left out and why.
    """
    path = out / LEADERBOARDS / f"{task}.csv"
    # Two runs that end at once: the later of them must see the record of the earlier.
    with results_locked(out / RESULTS):
        records, verified, rejected = check_records(out, task)
        write_leaderboard(build_leaderboard(records, verified=verified), path)
    return path, rejected


def check_records(
    out: Path, task: str
) -> tuple[list[ScoredRecord], frozenset[str], tuple[str, ...]]:
    """Recompute every record of a task from its responses.

    Returns
    -------
    the records without a fault, the hashes of those that were recomputed (the others came without
    responses), and the faults of the rest.
    """
    good: dict[str, ScoredRecord] = {}
    verified: set[str] = set()
    rejected: list[str] = []
    for folder in find_records(out / RESULTS, task):
        try:
            found = check(folder)
        except BadInput as error:
            rejected.append(str(error))
            continue
        if found.problems:
            rejected.append(f"{folder}: {found.problems[0]}")
            continue
        seal = found.record.hash
        if seal in good and (seal in verified or not found.is_recomputed):
            rejected.append(f"{folder}: is a copy of {good[seal].folder}")
            continue
        if seal in good:
            rejected.append(f"{good[seal].folder}: is a copy of {folder}")
        good[seal] = scored_record(found.record, folder)
        if found.is_recomputed:
            verified.add(seal)
    return list(good.values()), frozenset(verified), tuple(rejected)


def recorded_tasks(out: Path) -> list[str]:
    """Names of the tasks that have records below ``out/results``."""
    results = out / RESULTS
    found = (folder.relative_to(results).parts for folder in find_records(results))
    return sorted({parts[0] for parts in found if parts})


def dry_run(prepared: Prepared) -> list[Call]:
    """Count what a run would ask, without asking it."""
    run, _ = collect(prepared, settings(), Silent(), dry_run=True)
    return run.calls


def list_tasks() -> list[TaskCard]:
    """The cards of all tasks that can be loaded, by name.

    >>> import evalsuite
    >>> "rlhf_diversity" in [card.name for card in evalsuite.list_tasks()]
    True
    """
    return [listed.value.card for listed in TASKS.listing() if listed.value is not None]
