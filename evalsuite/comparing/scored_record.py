"""A record with its scores, opened to be compared: from its scores file, or from its responses."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

from evalsuite.errors import BadInput, UnknownName, VerificationFailed
from evalsuite.measures import MeasureCard, UnitScores, unit_scores
from evalsuite.models.spec import unknown
from evalsuite.record import (
    RECORD_FILE,
    RESPONSES_FILE,
    SCORES_FILE,
    Record,
    entrant_name,
    find_records,
    load_record,
)
from evalsuite.responses_file import ResponsesFile
from evalsuite.scores_file import read_scores, scores_digest
from evalsuite.tables import Tables
from evalsuite.tasks import TASKS, Task, TaskOptions

_AGAIN = "run it again, or install the evalsuite that made it"


@dataclass(frozen=True)
class ScoredRecord:
    """A record, the folder that its scores and responses stand in, and its name in tables."""

    record: Record
    folder: Path
    name: str

    @property
    def n_missing(self) -> int:
        """Answers of the entrant that did not come."""
        return self.record.counts.requests - self.record.counts.ok

    @property
    def obstacle(self) -> str | None:
        """Why it cannot be scored again here: its version of a task or measure is not installed."""
        record = self.record
        try:
            task = TASKS[record.task]
        except UnknownName as error:
            return str(error)
        installed = task.card.version
        if installed != record.task_version:
            return (
                f"{self.folder}: is of {record.task} version {record.task_version}, and version "
                f"{installed} is installed; {_AGAIN}"
            )
        if record.mode not in task.modes:
            return f"{self.folder}: {record.task} has no mode {record.mode!r}"
        return self._measure_obstacle(task)

    def _measure_obstacle(self, task: Task) -> str | None:
        installed = {card.name: card.version for card in task.card.measures}
        for name, version in self.record.apparatus.measures:
            own = installed.get(name)
            if own != version:
                here = "none" if own is None else f"version {own}"
                return (
                    f"{self.folder}: is of {name} version {version}, and {here} is installed; "
                    f"{_AGAIN}"
                )
        return None

    @property
    def has_responses(self) -> bool:
        """Whether the responses stand beside the record."""
        return (self.folder / RESPONSES_FILE).is_file()

    @property
    def has_scores(self) -> bool:
        """Whether there is what scores are read from, or made of."""
        is_file = (self.folder / SCORES_FILE).is_file()
        return self.has_responses or (is_file and bool(self.record.scores_sha256))

    def card(self, measure: str) -> MeasureCard:
        """The card of a measure of the record.

        Raises
        ------
        UnknownName
            If the record has no such measure.
        """
        known = list(dict.fromkeys(e.measure for e in self.record.estimates))
        if measure not in known:
            raise BadInput(unknown("measure", measure, known, of=self.record.task))
        return self._task.card.measure(measure)

    def scores(self, measure: str) -> UnitScores:
        """The scores of a measure: those of the scores file, checked, or made again.

        Raises
        ------
        VerificationFailed
            If the scores file is not the one that the record was sealed with.
        BadInput
            If there is neither a scores file nor a responses file.
        """
        claimed = self.record.scores_sha256.get(measure)
        path = self.folder / SCORES_FILE
        if claimed is None or not path.is_file():
            return self.scores_of(self.tables, measure)
        found = read_scores(path, measure).get(measure)
        if found is None or scores_digest(found) != claimed:
            raise VerificationFailed(
                f"{path}: the scores of {measure} are not those that the record was made with; "
                "evalsuite verify names what was changed"
            )
        return found

    def scores_of(self, tables: Tables, measure: str) -> UnitScores:
        """Score tables, such as a part of the record's own, and take one measure."""
        for found in self._task.modes[self.record.mode].score(tables, self._options):
            if found.name == measure:
                return unit_scores(found, self._task.card.measure(measure))
        raise BadInput(f"{self.folder}: score gives no {measure} on these responses")

    @cached_property
    def tables(self) -> Tables:
        """The record's tables, from its responses file.

        Raises
        ------
        BadInput
            If the file is not there.
        VerificationFailed
            If it is not sound.
        """
        path = self.folder / RESPONSES_FILE
        if not self.has_responses:
            raise BadInput(
                f"{self.folder}: has no {RESPONSES_FILE}, which this comparison is made from"
            )
        entrants = {role: judge.entrant for role, judge in self.record.judges.items()}
        responses = ResponsesFile(path, entrants | {"model": self.record.entrant})
        if responses.problems:
            raise VerificationFailed(f"{path}: {responses.problems[0]}")
        if responses.sha256 != self.record.responses_sha256:
            raise VerificationFailed(f"{path}: not the responses that the record was made from")
        return responses.tables

    @property
    def _task(self) -> Task:
        return TASKS[self.record.task]

    @cached_property
    def _options(self) -> TaskOptions:
        options = dict(self.record.apparatus.options)
        return self._task.read_options(self.record.mode, options)


def open_record(path: str | Path) -> ScoredRecord:
    """Open a record by its folder, its ``record.json``, or a folder that holds exactly one.

    Raises
    ------
    BadInput
        If there is no record or more than one, or its task has another version here.
    VerificationFailed
        If its content does not fit its hash.
    """
    path = _the_record(Path(path))
    record = load_record(path)
    try:
        is_sealed = record.computed_hash() == record.hash
    except ValueError:  # Half a surrogate pair has no canonical form.
        is_sealed = False
    if not is_sealed:
        raise VerificationFailed(f"{path}: was changed, its hash does not fit its content")
    opened = scored_record(record, path if path.is_dir() else path.parent)
    if opened.obstacle is not None:
        raise BadInput(opened.obstacle)
    return opened


def _the_record(path: Path) -> Path:
    """The folder itself, or that of the only record below it."""
    if not path.is_dir() or (path / RECORD_FILE).exists():
        return path
    found = find_records(path)
    if len(found) > 1:
        some = ", ".join(str(folder) for folder in found[:3])
        raise BadInput(f"{path}: holds {len(found)} records, name one of them: {some} ...")
    return found[0] if found else path


def scored_record(record: Record, folder: Path) -> ScoredRecord:
    """A record under its entrant's name, with its seed where that is not 0."""
    seed = f" (seed {record.seed})" if record.seed else ""
    return ScoredRecord(record, folder, entrant_name(record.entrant) + seed)


def incomplete_note(name: str, n_missing: int) -> str:
    """What a reader has to know of a record that is not complete.

    >>> incomplete_note("gpt2", 1200)
    'incomplete: gpt2 lacks 1,200 answers; those that came may differ from those that did not'
    """
    lack = f"{n_missing:,} answers" if n_missing else "answers of its judges"
    return f"incomplete: {name} lacks {lack}; those that came may differ from those that did not"


def told_apart(records: Sequence[ScoredRecord]) -> list[ScoredRecord]:
    """Records of one name, such as two revisions of a model, with a part of their hash in it."""
    count = Counter(own.name for own in records)
    return [
        replace(own, name=f"{own.name} #{own.record.hash[:6]}") if count[own.name] > 1 else own
        for own in records
    ]
