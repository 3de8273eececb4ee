"""Recomputing a record from its responses, anywhere and without any model."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from evalsuite.errors import BadInput, EvalsuiteError, VerificationFailed
from evalsuite.execution import Scored, scored
from evalsuite.fingerprint import apparatus
from evalsuite.measures import ALL, MeasureEstimate, UnitScores
from evalsuite.models.capabilities import CAPABILITIES
from evalsuite.prompts import prompts_digest
from evalsuite.record import (
    RESPONSES_FILE,
    SCORES_FILE,
    SINCE_2_IN_ESTIMATES,
    Record,
    load_record,
)
from evalsuite.replay import question_problems
from evalsuite.responses_file import ResponsesFile
from evalsuite.row_claims import row_problems
from evalsuite.score_claims import equal_scores, sealed_scores
from evalsuite.tasks import TASKS, Task, TaskOptions

TOLERANCE = 1e-9
"""Largest relative (below 1: absolute) difference of a recomputed number."""

SHOWN = 20
"""Most problems that are named; the rest is counted."""


@dataclass(frozen=True)
class Verification:
    """A record and what does not follow from its responses.

    Parameters
    ----------
    problems : tuple of str
        Each names what was changed; none: all of it follows. At most `SHOWN`, and how many more.
    obstacle : str or None
        Why nothing was recomputed, so that the record only agrees with itself: its responses or
        its version of the task are not there.
    """

    record: Record
    problems: tuple[str, ...]
    obstacle: str | None = None

    @property
    def is_recomputed(self) -> bool:
        """Whether the numbers were made again from the responses."""
        return self.obstacle is None


def verify(path: str | Path) -> Verification:
    """Check all that a record claims and that follows from its responses or its task's card.

    Raises
    ------
    BadInput
        If there is no record or no responses file, or another version of the task is installed,
        and what is there has no fault.
    """
    found = check(path)
    if found.obstacle is not None and not found.problems:
        raise BadInput(found.obstacle)
    return found


def check(path: str | Path) -> Verification:
    """As `verify`, but where nothing can be recomputed check only what is there.

    Raises
    ------
    BadInput
        If there is no record, or its responses are no Parquet file.
    """
    path = Path(path)
    record = load_record(path)
    folder = path if path.is_dir() else path.parent
    scores, faults = sealed_scores(record, folder)
    problems = [*_claims(record), *faults]
    obstacle = None
    if (folder / RESPONSES_FILE).is_file():
        try:
            task = _installed(record)
        except BadInput as error:
            task, obstacle = None, str(error)
        problems += _contradictions(record, folder, task, scores)
    else:
        obstacle = f"{path}: no {RESPONSES_FILE} beside the record; without it none can check"
    if len(problems) > SHOWN:
        problems[SHOWN:] = [f"and {len(problems) - SHOWN} problems more"]
    return Verification(record, tuple(problems), obstacle)


def _installed(record: Record) -> Task:
    task = TASKS[record.task]
    if task.card.version != record.task_version:
        raise BadInput(
            f"the record is of {record.task} version {record.task_version}, mode {record.mode}; "
            f"installed is version {task.card.version}: install the evalsuite that made it "
            f"({record.provenance.versions.get('evalsuite', 'unknown')})"
        )
    return task


def _claims(record: Record) -> Iterator[str]:
    """What a record says of itself and is not so."""
    try:
        if record.computed_hash() != record.hash:
            yield "record.json was changed: its hash does not fit its content"
        if record.apparatus.fingerprint != record.fingerprint:
            yield "fingerprint: does not follow from the apparatus"
    except ValueError as error:  # NaN, or half a surrogate pair: neither has a canonical form.
        yield f"record.json was changed: it holds what no run writes ({error})"
    for name in ("task", "task_version", "mode", "prompts_sha256"):
        own, other = getattr(record, name), getattr(record.apparatus, name)
        if own != other:
            yield f"{name}: {own!r} in the record, {other!r} in its apparatus"
    if record.headline not in record.estimates:
        yield "headline: is none of the estimates"


def _contradictions(
    record: Record, folder: Path, task: Task | None, scores: Mapping[str, UnitScores]
) -> Iterator[str]:
    """What a record says and its responses or its task do not."""
    entrants = {role: judge.entrant for role, judge in record.judges.items()}
    try:
        responses = ResponsesFile(folder / RESPONSES_FILE, entrants | {"model": record.entrant})
    except VerificationFailed as error:
        yield str(error)
        return
    is_sound = not responses.problems
    if responses.sha256 != record.responses_sha256:
        is_sound = False
        yield "responses_sha256: the responses are not those that the record was made from"
    if prompts_digest(responses.units) != record.prompts_sha256:
        yield "prompts_sha256: the prompts are not those that the record was made from"
    if task is not None:
        yield from _against_card(record, task, responses, scores if is_sound else None)
    yield from responses.problems


def _against_card(
    record: Record,
    task: Task,
    responses: ResponsesFile,
    scores: Mapping[str, UnitScores] | None,
) -> Iterator[str]:
    """Numbers are recomputed only from sound responses: elsewhere ``scores`` is None."""
    card = task.card
    if record.mode not in task.modes:
        yield f"mode: {card.name} version {card.version} has no mode {record.mode!r}"
        return
    try:
        options = task.read_options(record.mode, dict(record.apparatus.options))
    except BadInput as error:
        yield f"apparatus.options: {error}"
        return
    yield from _apparatus_problems(record, task, options, responses)
    yield from _decoding_problems(record, task)
    if record.headline != record.estimate_of(card.headline, ALL):
        yield f"headline: is not {card.headline} over all units"
    if scores is not None:
        found = list(row_problems(record, task, options, responses.units, responses.tables))
        yield from found
        if not found:
            # Only where rows are sound by themselves: a replay says less of what is wrong.
            yield from question_problems(record, task, options, responses.units, responses.tables)
        yield from _number_problems(record, task, options, responses, scores)


def _apparatus_problems(
    record: Record, task: Task, options: TaskOptions, responses: ResponsesFile
) -> Iterator[str]:
    judges = {role: judge.entrant for role, judge in record.judges.items()}
    again = apparatus(task, record.mode, options, responses.units, judges).model_dump(mode="json")
    for name, was in record.apparatus.model_dump(mode="json").items():
        if was != again[name]:
            yield f"apparatus.{name}: {_short(was)} in the record, {_short(again[name])} recomputed"


def _decoding_problems(record: Record, task: Task) -> Iterator[str]:
    """Only what is drawn token by token has a decoding; only roles of the card have a judge."""
    is_decoded = CAPABILITIES[task.modes[record.mode].asks].decoded
    if (record.entrant.decoding is not None) != is_decoded:
        yield f"entrant.decoding: {_short(record.entrant.decoding)}"
    for role, judge in record.judges.items():
        if role not in task.card.judges:
            yield f"judges: {task.card.name} has no role {role!r}"
            continue
        is_decoded = CAPABILITIES[task.card.judges[role].capability].decoded
        if (judge.entrant.decoding is not None) != is_decoded:
            yield f"judges.{role}.entrant.decoding: {_short(judge.entrant.decoding)}"


def _number_problems(
    record: Record,
    task: Task,
    options: TaskOptions,
    responses: ResponsesFile,
    scores: Mapping[str, UnitScores],
) -> Iterator[str]:
    absent = task.card.judges.keys() - record.judges.keys()
    try:
        again = scored(task, record.mode, options, responses.tables, absent=absent)
    # A task's own code, on rows that anybody may have written: whatever it raises is a finding.
    except Exception as error:
        own = isinstance(error, EvalsuiteError)
        what = str(error) if own else f"{type(error).__name__}: {error}"
        yield f"score fails on these responses: {_short(what)}"
        return
    yield from _estimate_problems(record, again)
    for name, sealed in scores.items():
        if name not in again.scores or not equal_scores(sealed, again.scores[name], TOLERANCE):
            yield f"{SCORES_FILE}: the scores of {name} do not follow from the responses"


def _estimate_problems(record: Record, again: Scored) -> Iterator[str]:
    found = {(e.measure, e.slice): e for e in again.estimates}
    for old in record.estimates:
        new = found.pop((old.measure, old.slice), None)
        where = f"{old.measure} [{old.slice}]"
        if new is None:
            yield f"{where}: does not follow from the responses"
            continue
        for name, was, now in _moved(old, new):
            if record.schema_version < 2 and name in SINCE_2_IN_ESTIMATES:
                continue
            yield f"{where}: {name} is {_short(was)} in the record and {_short(now)} recomputed"
    for measure, part in found:
        yield f"{measure} [{part}]: follows from the responses and is not in the record"


def _moved(old: MeasureEstimate, new: MeasureEstimate) -> Iterator[tuple[str, Any, Any]]:
    """Fields that differ: numbers by more than rounding, everything else at all."""
    was, now = old.model_dump(), new.model_dump()
    before, after = was | was.pop("estimate"), now | now.pop("estimate")
    for name, value in before.items():
        if not _close(value, after[name]):
            yield name, value, after[name]


def _close(a: Any, b: Any) -> bool:
    if isinstance(a, float) and isinstance(b, float):
        return abs(a - b) <= TOLERANCE * max(1.0, abs(a))
    if isinstance(a, dict) and isinstance(b, dict):
        return a.keys() == b.keys() and all(_close(a[key], b[key]) for key in a)
    return bool(a == b)


def _short(value: Any) -> str:
    text = value if isinstance(value, str) else repr(value)
    text = " ".join(text.split())
    return text if len(text) <= 120 else f"{text[:120]}..."
