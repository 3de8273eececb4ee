"""One model under several decodings on the same prompts: what each remedy gains and costs."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

from evalsuite.api import Published, make_plan, run_and_publish
from evalsuite.comparing.pair_tests import LEVEL, PairResult, compared_pairs
from evalsuite.comparing.pairing import line_up
from evalsuite.comparing.scored_record import (
    ScoredRecord,
    incomplete_note,
    open_record,
    told_apart,
)
from evalsuite.errors import BadInput, Incomplete, StoreError
from evalsuite.measures import MeasureEstimate
from evalsuite.progress import Silent
from evalsuite.redaction import redact
from evalsuite.remedy_plans import Candidate, prepare_remedies
from evalsuite.requests import Frozen
from evalsuite.stats.multiplicity import holm
from evalsuite.stopwatch import Stopwatch
from evalsuite.tasks import TASKS

State = Literal["done", "incomplete", "not possible", "failed"]


class RemedyRow(Frozen):
    """One decoding of the model.

    Parameters
    ----------
    model : str
        As it was run.
    state : str
        ``not possible``: the model does not take it. ``failed``: it could not be run to its end.
    why : str or None
        Of a row without numbers.
    headline : MeasureEstimate or None
    difference : PairResult or None
        This one less the baseline; Holm over all remedies.
    beside : tuple of MeasureEstimate
        What stands beside the headline: whether its gain was paid for.
    missing_share : float or None
        Share of the answers that did not come.
    new_tokens : int or None
        Of all answers that came; None where a backend does not say.
    seconds : float or None
        That generating took, the loading of the model left out; None where answers were stored.
    """

    name: str
    model: str
    state: State
    why: str | None = None
    folder: str | None = None
    record: str | None = None
    headline: MeasureEstimate | None = None
    difference: PairResult | None = None
    beside: tuple[MeasureEstimate, ...] = ()
    missing_share: float | None = None
    new_tokens: int | None = None
    seconds: float | None = None


class Remedies(Frozen):
    """A baseline and its remedies, in the order in which they were run.

    Parameters
    ----------
    n_tests : int
        Size of the family that Holm's correction is taken over.
    rejected : tuple of str
        What was left out of the leaderboard, and why.
    """

    task: str
    measure: str
    fingerprint: str
    seed: int
    level: float
    n_tests: int
    rows: tuple[RemedyRow, ...]
    notes: tuple[str, ...]
    rejected: tuple[str, ...]


def remedy(
    task: str,
    model: str | None = None,
    *,
    remedies: Mapping[str, str] | None = None,
    judges: Mapping[str, str] | None = None,
    options: Mapping[str, Any] | None = None,
    out: str | Path = ".",
    force: bool = False,
    **fields: Any,
) -> Remedies:
    """Run a task on a model as it is and under each remedy, and put them side by side.

    Parameters
    ----------
    task, model, judges, options, out, force
        As in `evalsuite.run`.
    remedies : dict of str to str, optional
        Options behind the ``?`` of the model, by a name of your own; by default those of
        `evalsuite.remedy_plans.default_remedies`.
    **fields
        Others of `evalsuite.run`: ``set``, ``limit``, ``samples``, ``seed``, ``device``,
        ``trusted`` ...

    Returns
    -------
    Remedies
        Every run is published as a record of its own.

    Raises
    ------
    BadInput
        If the baseline cannot be run, or no remedy is possible.
    """
    plan = make_plan(
        task=task,
        model=model,
        judges=tuple((judges or {}).items()),
        options=tuple((name, f"{value}") for name, value in (options or {}).items()),
        **fields,
    )
    return run_remedies(prepare_remedies(plan, remedies), Silent(), Path(out), force=force)


def run_remedies(
    candidates: Sequence[Candidate],
    progress: Silent,
    out: Path,
    *,
    force: bool = False,
    tell: Callable[[str], None] = lambda line: None,
) -> Remedies:
    """Run and publish each candidate that can be run, then compare them with the first.

    An interrupt leaves what is finished published; the same call goes on from there.

    Parameters
    ----------
    tell : callable
        Is told which one begins.
    """
    rows: list[RemedyRow] = []
    opened: dict[str, ScoredRecord] = {}
    rejected: dict[str, None] = {}
    for own in candidates:
        if own.prepared is not None:
            tell(f"{own.name}: {redact(own.model)}")
        watch = Stopwatch(progress)
        found = _run(own, watch, out, force=force, must=not rows)
        if isinstance(found, RemedyRow):
            rows.append(found)
            continue
        opened[own.name] = open_record(found.folder)
        rejected |= dict.fromkeys(found.rejected)
        rows.append(_row(own, found, opened[own.name], watch))
    first = opened[candidates[0].name].record
    differences = _differences(opened)
    return Remedies(
        task=first.task,
        measure=first.headline.measure,
        fingerprint=first.fingerprint,
        seed=first.seed,
        level=LEVEL,
        n_tests=sum(own.p_value is not None for own in differences.values()),
        rows=tuple(
            row.model_copy(update={"difference": differences.get(row.name)}) for row in rows
        ),
        notes=(*_incomplete(opened.values()), *_notes(candidates, rows)),
        rejected=tuple(rejected),
    )


def _run(
    own: Candidate, watch: Stopwatch, out: Path, *, force: bool, must: bool
) -> Published | RemedyRow:
    """Run and publish; a remedy that cannot be run to its end takes nothing from the others."""
    if own.prepared is None:
        return _unrun(own, "not possible", own.why or "")
    try:
        return run_and_publish(own.prepared, watch, out, force=force)
    except StoreError:
        raise
    except (BadInput, Incomplete) as error:
        if must:
            raise
        return _unrun(own, "failed", f"{error}")


def _unrun(own: Candidate, state: State, why: str) -> RemedyRow:
    return RemedyRow(name=own.name, model=redact(own.model), state=state, why=redact(why))


def _row(own: Candidate, published: Published, opened: ScoredRecord, watch: Stopwatch) -> RemedyRow:
    record = opened.record
    card = TASKS[record.task].card
    beside = [record.estimate_of(name) for name in card.beside_headline]
    n_stored = watch.n_stored + published.record.provenance.cached.get("model", 0)
    return RemedyRow(
        name=own.name,
        model=opened.name,
        state="done" if record.complete else "incomplete",
        folder=f"{published.folder}",
        record=record.hash,
        headline=record.headline,
        beside=tuple(estimate for estimate in beside if estimate is not None),
        missing_share=1 - record.counts.completion_rate,
        new_tokens=_new_tokens(opened),
        seconds=None if n_stored or not watch.seconds else round(watch.seconds, 3),
    )


def _new_tokens(own: ScoredRecord) -> int | None:
    """Tokens of the answers that came; None where an answer does not say."""
    responses = [
        row.response
        for table in own.tables.values()
        if table.role == "model"
        for row in table.rows
        if row.response is not None and row.status == "ok"
    ]
    counts = [response.n_new_tokens for response in responses]
    known = [count for count in counts if count is not None]
    return sum(known) if known and len(known) == len(counts) else None


def _differences(opened: Mapping[str, ScoredRecord]) -> dict[str, PairResult]:
    """Each remedy less the baseline on the headline, by its name."""
    base, *others = told_apart(list(opened.values()))
    measure = base.record.headline.measure
    found: dict[str, PairResult] = {}
    for name, own in zip(list(opened)[1:], others, strict=True):
        try:
            table, sides = line_up([own, base], measure)
        except BadInput:  # no answer came to either, and both rows say so
            continue
        found[name] = compared_pairs(sides, table, measure, skip_unpaired=True)[0]
    adjusted = holm([own.p_value for own in found.values()])
    return {
        name: own.model_copy(update={"p_holm": p})
        for (name, own), p in zip(found.items(), adjusted, strict=True)
    }


def _incomplete(opened: Iterable[ScoredRecord]) -> Iterator[str]:
    for own in opened:
        if not own.record.complete:
            yield incomplete_note(own.name, own.n_missing)


def _notes(candidates: Sequence[Candidate], rows: Sequence[RemedyRow]) -> Iterator[str]:
    dependent = [own.name for own in candidates if own.is_dependent]
    if dependent:
        yield (
            f"{', '.join(dependent)}: answers to a prompt are no independent draws, so estimates "
            "for all that a model would say (unbiased, of order 2) describe no distribution there"
        )
    yield "more diverse is not better by itself: diversity without quality can be noise"
    yield from dict.fromkeys(
        warning
        for row in rows
        for estimate in row.beside
        if estimate.estimate.estimate is None
        for warning in estimate.estimate.warnings
        if warning.startswith("no judge")
    )
    yield (
        "new tokens are those of the answers that came: prompts, hypotheses that beam search "
        "dropped and calls whose answers could not be read are not in them; seconds are those of "
        "generating, where nothing came from the store"
    )
