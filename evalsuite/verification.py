"""Recomputing a record from its responses, anywhere and without any model."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from evalsuite.errors import BadInput
from evalsuite.execution import estimates_of
from evalsuite.measures import MeasureEstimate
from evalsuite.prompts import prompts_digest
from evalsuite.record import RESPONSES_FILE, Record, load_record
from evalsuite.responses_file import ResponsesFile
from evalsuite.tasks import TASKS

TOLERANCE = 1e-9
"""Largest relative (below 1: absolute) difference of a recomputed number."""


@dataclass(frozen=True)
class Verification:
    """A record and what does not follow from its responses.

    Parameters
    ----------
    problems : tuple of str
        Each names what was changed; none: all of it follows.
    is_recomputed : bool
        False where the responses are not there, so that the record only agrees with itself.
    """

    record: Record
    problems: tuple[str, ...]
    is_recomputed: bool = True


def verify(path: str | Path) -> Verification:
    """Check hash, fingerprint, rows, keys, prompts and every number of a record.

    Raises
    ------
    BadInput
        If there is no record or no responses file, or another version of the task is installed.
    """
    found = check(path)
    if not found.is_recomputed:
        raise BadInput(f"{path}: no {RESPONSES_FILE} beside the record; without it none can check")
    return found


def check(path: str | Path) -> Verification:
    """As `verify`, but where the responses are not there check only that the record is whole."""
    path = Path(path)
    record = load_record(path)
    folder = path if path.is_dir() else path.parent
    problems = list(_claims(record))
    if not (folder / RESPONSES_FILE).is_file():
        return Verification(record, tuple(problems), is_recomputed=False)
    return Verification(record, (*problems, *_contradictions(record, folder)))


def _claims(record: Record) -> Iterator[str]:
    """What a record says of itself and is not so."""
    if record.computed_hash() != record.hash:
        yield "record.json was changed: its hash does not fit its content"
    if record.apparatus.fingerprint != record.fingerprint:
        yield "fingerprint: does not follow from the apparatus"
    if record.apparatus.prompts_sha256 != record.prompts_sha256:
        yield "prompts_sha256: the record and its apparatus name different prompts"
    if record.headline not in record.estimates:
        yield "headline: is none of the estimates"


def _contradictions(record: Record, folder: Path) -> Iterator[str]:
    """What a record says and its responses do not."""
    entrants = {role: judge.entrant for role, judge in record.judges.items()}
    responses = ResponsesFile(folder / RESPONSES_FILE, entrants | {"model": record.entrant})
    yield from responses.problems
    if responses.sha256 != record.responses_sha256:
        yield "responses_sha256: the responses are not those that the record was made from"
    if prompts_digest(responses.units) != record.prompts_sha256:
        yield "prompts_sha256: the prompts are not those that the record was made from"
    if not responses.problems:
        yield from _moved_numbers(record, _recomputed(record, responses))


def _recomputed(record: Record, responses: ResponsesFile) -> tuple[MeasureEstimate, ...]:
    task = TASKS[record.task]
    if task.card.version != record.task_version or record.mode not in task.modes:
        raise BadInput(
            f"the record is of {record.task} version {record.task_version}, mode {record.mode}; "
            f"installed is version {task.card.version}: install the evalsuite that made it "
            f"({record.provenance.versions.get('evalsuite', 'unknown')})"
        )
    options = task.read_options(record.mode, dict(record.apparatus.options))
    return estimates_of(task, record.mode, options, responses.tables)


def _moved_numbers(record: Record, again: tuple[MeasureEstimate, ...]) -> Iterator[str]:
    found = {(e.measure, e.slice): e for e in again}
    for old in record.estimates:
        new = found.pop((old.measure, old.slice), None)
        where = f"{old.measure} [{old.slice}]"
        if new is None:
            yield f"{where}: does not follow from the responses"
            continue
        for name, was, now in _numbers(old, new):
            if not _close(was, now):
                yield f"{where}: {name} is {was!r} in the record and {now!r} recomputed"
    for measure, part in found:
        yield f"{measure} [{part}]: follows from the responses and is not in the record"


def _numbers(
    old: MeasureEstimate, new: MeasureEstimate
) -> Iterator[tuple[str, float | None, float | None]]:
    for name in ("estimate", "se", "ci_low", "ci_high", "level", "n", "n_clusters", "n_missing"):
        yield name, getattr(old.estimate, name), getattr(new.estimate, name)
    for name in ("sd", "bound_low", "bound_high", "measure_version"):
        yield name, getattr(old, name), getattr(new, name)


def _close(a: float | None, b: float | None) -> bool:
    if a is None or b is None:
        return a is b
    return abs(a - b) <= TOLERANCE * max(1.0, abs(a))
