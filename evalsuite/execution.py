"""Running a task on a model: from what the user asked for to estimates."""

import datetime
import time
from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field

from evalsuite.asking import (
    AbsentJudge,
    Asker,
    Call,
    Room,
    Run,
    check_beams,
    effective_decoding,
    entrant_in_role,
)
from evalsuite.engine.local import LocalEngine
from evalsuite.errors import BadInput, MissingPackage, UnknownName
from evalsuite.fingerprint import Apparatus, apparatus
from evalsuite.measures import ALL, MeasureEstimate, UnitScores, estimate_measure, unit_scores
from evalsuite.models.backends import open_model
from evalsuite.models.capabilities import CAPABILITIES, ModelHandle, NeedsUnits
from evalsuite.models.spec import unknown
from evalsuite.progress import Silent
from evalsuite.prompts import Unit, read_prompts, stratified
from evalsuite.provenance import device_used, versions
from evalsuite.published_sets import PublishedSet, split_set_name
from evalsuite.record import Content, Counts, Judge, Provenance, Record
from evalsuite.redaction import redact
from evalsuite.requests import Entrant, Frozen
from evalsuite.settings import Settings
from evalsuite.store import Store
from evalsuite.tables import Tables
from evalsuite.tasks import TASKS, Mode, Task, TaskOptions

TRUSTED = r"^[\w.-]+/[\w.-]+@[0-9a-f]{40}$"
"""A hub repository at a pinned commit."""


class RunPlan(Frozen):
    """What a user asks for, as texts and numbers; the same names as the options of the CLI.

    Parameters
    ----------
    set : str or None
        A prompt set of the task or a JSON Lines file; None for the task's first set.
    judges : tuple of (role, model)
    limit : int or None
        Size of a stratified part of the set.
    samples : int or None
        Answers a prompt; None for the task's default.
    seed, replicates : int
        The run is repeated with seeds ``seed``, ``seed + 1`` ...
    options : tuple of (name, value)
        Of the task.
    trusted : tuple of str
        ``org/repo@commit`` of hub models whose own code may run.
    """

    task: str
    model: str | None = None
    mode: str | None = None
    set: str | None = None
    judges: tuple[tuple[str, str], ...] = ()
    limit: int | None = None
    samples: int | None = None
    seed: int = Field(0, ge=0, lt=2**62)
    replicates: int = Field(1, ge=1, le=1000)
    options: tuple[tuple[str, str], ...] = ()
    engine: Literal["local"] = "local"
    device: Literal["auto", "cpu", "cuda"] = "auto"
    trusted: tuple[Annotated[str, Field(pattern=TRUSTED)], ...] = ()


@dataclass(frozen=True)
class Prepared:
    """A checked plan: everything is known, nothing is loaded.

    Parameters
    ----------
    judges : dict of str to ModelHandle
        By role.
    absent : dict of str to str
        Roles that no model fills, and what would fill them.
    """

    plan: RunPlan
    task: Task
    mode_name: str
    options: TaskOptions
    set_name: str
    units: tuple[Unit, ...]
    model: ModelHandle
    is_default_model: bool
    judges: dict[str, ModelHandle]
    absent: dict[str, str]

    @property
    def mode(self) -> Mode:
        """The task's mode."""
        return self.task.modes[self.mode_name]

    @property
    def apparatus(self) -> Apparatus:
        """What the fingerprint is made of."""
        card = self.task.card
        judges = {
            role: entrant_in_role(handle, card.judges[role].capability, card.decoding)
            for role, handle in self.judges.items()
        }
        return apparatus(self.task, self.mode_name, self.options, self.units, judges)


def prepare(plan: RunPlan, settings: Settings) -> Prepared:
    """Check everything that can be checked before a model is loaded.

    Raises
    ------
    BadInput, UnknownName, MissingPackage, Refused
        With one clear message each.
    """
    task = TASKS[plan.task]
    spec = _default_model(task, plan.mode) if plan.model is None else plan.model
    model = open_model(spec, settings, plan.trusted)
    mode_name = task.choose_mode(plan.mode, model.capabilities, spec)
    values: dict[str, object] = dict(plan.options)
    if plan.samples is not None:
        if "samples" in values:
            raise BadInput("samples is given twice: by --samples and by --option samples=...")
        values["samples"] = plan.samples
    options = task.read_options(mode_name, values)
    _check_decoding(model, task, task.modes[mode_name], options.samples, plan.replicates)
    set_name, known, limit = _units(task, plan, offline=settings.offline)
    units = known if limit is None else stratified(known, limit)
    if isinstance(model, NeedsUnits):
        model = model.for_units(
            units, known=known, samples=options.samples, replicates=plan.replicates
        )
    judges, absent = _open_judges(task, plan, settings)
    _refuse_secrets([model.entrant, *(judge.entrant for judge in judges.values())])
    return Prepared(
        plan=plan,
        task=task,
        mode_name=mode_name,
        options=options,
        set_name=set_name,
        units=units,
        model=model,
        is_default_model=plan.model is None,
        judges=judges,
        absent=absent,
    )


def _check_decoding(
    model: ModelHandle, task: Task, mode: Mode, samples: int, replicates: int
) -> None:
    """Refuse a decoding that has no meaning for what is asked, or too few answers for it."""
    name, capability = model.entrant.model, CAPABILITIES[mode.asks]
    if capability.decoded:
        decoding = effective_decoding(model, task.card.decoding)
        check_beams(name, decoding, samples, replicates)
    elif model.chosen_decoding:
        options = ", ".join(sorted(model.chosen_decoding))
        raise BadInput(
            f"model {name}: {options} cannot be chosen for a model that {capability.name}; "
            "leave it out"
        )


def _default_model(task: Task, mode: str | None) -> str:
    if mode is not None and mode not in task.modes:
        raise UnknownName(unknown("mode", mode, list(task.modes), of=task.card.name))
    return task.modes[mode or next(iter(task.modes))].default_model


def _units(task: Task, plan: RunPlan, *, offline: bool) -> tuple[str, tuple[Unit, ...], int | None]:
    """The name of the set, its units, and how many of them the run takes."""
    text = next(iter(task.card.sets)) if plan.set is None else plan.set
    name, source = split_set_name(text)
    published = task.card.sets.get(name)
    if isinstance(published, PublishedSet):
        limit = published.size if plan.limit is None else plan.limit
        return name, task.prompt_set(text, offline=offline, at_least=limit or 0), limit
    is_own = name in task.card.sets and not source
    if not is_own and ("/" in text or Path(text).suffix or _is_file(text)):
        return Path(text).name, read_prompts(Path(text), task.parse_set), plan.limit
    return text, task.prompt_set(text), plan.limit


def _is_file(name: str) -> bool:
    try:
        return Path(name).is_file()
    except OSError:  # Too long for a file's name.
        return False


def _refuse_secrets(entrants: Sequence[Entrant]) -> None:
    """An entrant stands in every record: nothing private may be part of it."""
    for entrant in entrants:
        text = entrant.model_dump_json()
        if redact(text) != text:
            raise BadInput(
                f"an option of {redact(entrant.model)} holds what looks like a secret, or your "
                "home folder, and would stand in the record; leave it out or write it otherwise"
            )


def _open_judges(
    task: Task, plan: RunPlan, settings: Settings
) -> tuple[dict[str, ModelHandle], dict[str, str]]:
    """Open the judges; a default whose package is not installed is absent, and no error."""
    roles = task.card.judges
    chosen: dict[str, str] = {}
    for role, spec in plan.judges:
        if role not in roles:
            raise UnknownName(unknown("judge role", role, list(roles), of=task.card.name))
        if role in chosen:
            raise BadInput(f"judge {role!r} is given twice; a run takes one model a role")
        chosen[role] = spec
    handles: dict[str, ModelHandle] = {}
    absent: dict[str, str] = {}
    for role, card in roles.items():
        name = chosen.get(role, card.default)
        if name is None:
            absent[role] = f"--judge {role}=MODEL"
            continue
        try:
            handles[role] = open_model(name, settings, plan.trusted)
        except MissingPackage as error:
            if role in chosen:
                raise
            absent[role] = str(error)
            continue
        if card.capability not in handles[role].capabilities:
            raise BadInput(
                f"judge {role}: {name} cannot do what the role needs "
                f"({CAPABILITIES[card.capability].name}); `evalsuite models` shows which can"
            )
    return handles, absent


def collect(
    prepared: Prepared, settings: Settings, progress: Silent, *, dry_run: bool = False
) -> tuple[Run, Tables]:
    """Ask everything that the task asks; in a dry run only count it."""
    room = Room(
        store=Store(settings.home),
        engine=LocalEngine(prepared.plan.device),
        progress=progress,
        seed=prepared.plan.seed,
        replicates=prepared.plan.replicates,
        dry_run=dry_run,
    )
    card = prepared.task.card
    run = Run(
        units=prepared.units,
        model=Asker("model", prepared.model, prepared.mode.asks, card.decoding, room),
        judges={role: AbsentJudge(role) for role in prepared.absent}
        | {
            role: Asker(role, handle, card.judges[role].capability, card.decoding, room)
            for role, handle in prepared.judges.items()
        },
        data={data.file: partial(prepared.task.read, data) for data in card.data},
        calls=room.calls,
    )
    with progress:
        return run, prepared.mode.collect(run, prepared.options)


@dataclass(frozen=True)
class Scored:
    """What follows from the tables of a run: every estimate, and by measure the units' scores."""

    estimates: tuple[MeasureEstimate, ...]
    scores: dict[str, UnitScores]


def scored(
    task: Task,
    mode: str,
    options: TaskOptions,
    tables: Tables,
    *,
    absent: Collection[str] = (),
) -> Scored:
    """Score the tables and estimate every measure; pure, and shared by `run` and `verify`.

    ``absent`` are the roles without a judge: a warning on each measure that needs one says so.
    """
    measures = task.modes[mode].score(tables, options)
    names = [measure.name for measure in measures]
    if len(set(names)) != len(names):
        raise BadInput(f"task {task.card.name}: score returned two measures of one name: {names}")
    cards = [task.card.measure(name) for name in names]
    return Scored(
        estimates=tuple(
            _without(task, card.judge, estimate) if card.judge in absent else estimate
            for measure, card in zip(measures, cards, strict=True)
            for estimate in estimate_measure(measure, card)
        ),
        scores={
            card.name: unit_scores(measure, card)
            for measure, card in zip(measures, cards, strict=True)
        },
    )


def _without(task: Task, role: str | None, estimate: MeasureEstimate) -> MeasureEstimate:
    """Say what would supply a number that is missing for want of a judge."""
    if estimate.estimate.estimate is not None:
        return estimate
    default = role and task.card.judges[role].default
    how = f"install {default} (`evalsuite models` has the command) or " if default else ""
    note = f"no judge in the role {role}: {how}name one with --judge {role}=MODEL"
    own = estimate.estimate.model_copy(update={"warnings": (note, *estimate.estimate.warnings)})
    return estimate.model_copy(update={"estimate": own})


def execute(prepared: Prepared, settings: Settings, progress: Silent) -> tuple[Record, Content]:
    """Collect, score and estimate.

    Returns
    -------
    the record, not yet sealed, and what it follows from.
    """
    started, clock = _now(), time.monotonic()
    run, tables = collect(prepared, settings, progress)
    found = scored(
        prepared.task, prepared.mode_name, prepared.options, tables, absent=prepared.absent
    )
    card = prepared.task.card
    headline = [e for e in found.estimates if e.measure == card.headline and e.slice == ALL]
    if not headline:
        raise BadInput(f"task {card.name}: score did not return its headline {card.headline!r}")
    counts = _counts([call for call in run.calls if call.role == "model"])
    record = Record(
        task=card.name,
        mode=prepared.mode_name,
        task_version=card.version,
        prompt_set=prepared.set_name,
        entrant=run.model.entrant,
        fingerprint=prepared.apparatus.fingerprint,
        apparatus=prepared.apparatus,
        seed=prepared.plan.seed,
        replicates=prepared.plan.replicates,
        headline=headline[0],
        estimates=found.estimates,
        counts=counts,
        judges={
            role: Judge(
                entrant=judge.entrant,
                counts=_counts([call for call in run.calls if call.role == role]),
            )
            for role, judge in run.judges.items()
            if isinstance(judge, Asker)
        },
        complete=_is_complete(run.calls, counts, card.max_missing),
        prompts_sha256=prepared.apparatus.prompts_sha256,
        responses_sha256="",
        provenance=Provenance(
            started=started,
            finished=_now(),
            seconds=round(time.monotonic() - clock, 3),
            cached=_cached(run.calls),
            versions=versions(),
            device=device_used(),
            engine=prepared.plan.engine,
        ),
    )
    return record, Content(prepared.units, tables, found.scores)


def _counts(calls: Sequence[Call]) -> Counts:
    statuses = {"refused": 0, "filtered": 0, "error": 0}
    for call in calls:
        for status in statuses:
            statuses[status] += call.statuses[status]
    ok = sum(call.statuses["ok"] for call in calls)
    return Counts(requests=ok + sum(statuses.values()), ok=ok, missing=statuses)


def _cached(calls: Sequence[Call]) -> dict[str, int]:
    """Answers that the store had already, by role."""
    cached: Counter[str] = Counter()
    for call in calls:
        cached[call.role] += call.n_cached
    return dict(cached)


def _is_complete(calls: Sequence[Call], counts: Counts, max_missing: float) -> bool:
    has_errors = any(call.statuses["error"] for call in calls)
    return not has_errors and counts.completion_rate >= 1 - max_missing


def _now() -> str:
    return datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")
