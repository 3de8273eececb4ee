"""Asking again without a model: what a run asks, given the answers that its record holds."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import zip_longest
from typing import Any, cast

from evalsuite.asking import AbsentJudge, Asker, Engine, Room, Run
from evalsuite.errors import EvalsuiteError
from evalsuite.models.capabilities import CAPABILITIES, LoadedModel
from evalsuite.progress import Silent
from evalsuite.prompts import Unit
from evalsuite.record import Record
from evalsuite.requests import Entrant, Response
from evalsuite.store import Store
from evalsuite.tables import ResponseTable, Row, Tables
from evalsuite.tasks import Task, TaskOptions


@dataclass(frozen=True)
class _Recorded:
    """The handle of a model that answers from a record only."""

    entrant: Entrant

    @property
    def capabilities(self) -> frozenset[type]:
        return frozenset(CAPABILITIES)

    @property
    def chosen_decoding(self) -> dict[str, object]:
        decoding = self.entrant.decoding
        return {} if decoding is None else decoding.model_dump()

    def load(self, device: str) -> LoadedModel:
        raise EvalsuiteError(f"{self.entrant.model}: a replay loads no model")


class _Answers:
    """The answers of a record in the place of a store; all folders are one."""

    def __init__(self, tables: Tables) -> None:
        self._found: dict[bytes, Response] = {}
        for table in tables.values():
            for row in table.rows:
                if row.request is not None and row.response is not None:
                    self._found[row.request.key] = row.response

    def folder(self, capability: str, entrant: Entrant) -> "_Answers":
        return self

    def known(self, keys: Sequence[bytes]) -> list[bool]:
        return [key in self._found for key in keys]

    def read(self, keys: Sequence[bytes], *, payloads: bool = True) -> list[Response]:
        return [self._found[key] for key in keys]

    def iter_read(self, keys: Sequence[bytes]) -> Iterator[list[Response]]:
        yield self.read(keys)


def question_problems(
    record: Record, task: Task, options: TaskOptions, units: Sequence[Unit], tables: Tables
) -> Iterator[str]:
    """Where a record's tables are not what its task asks, in rows, order and questions.

    The task's own ``collect`` runs on the record's answers, so that no judge can have been asked
    anything else, more or less.
    """
    try:
        planned = task.modes[record.mode].collect(_run(record, task, units, tables), options)
    # A task's own code, on rows that anybody may have written: whatever it raises is a finding.
    except Exception as error:
        yield f"collect fails on these responses: {type(error).__name__}: {error}"
        return
    for name in sorted({*planned, *(name for name, table in tables.items() if len(table))}):
        own, wanted = (side.get(name) for side in (tables, planned))
        yield from _table_problems(name, own, wanted)


def _run(record: Record, task: Task, units: Sequence[Unit], tables: Tables) -> Run:
    room = Room(
        store=cast(Store, _Answers(tables)),
        engine=cast(Engine, None),
        progress=Silent(),
        seed=record.seed,
        replicates=record.replicates,
        dry_run=True,
    )
    card = task.card
    judges: dict[str, Any] = {role: AbsentJudge(role) for role in card.judges}
    for role, judge in record.judges.items():
        capability = card.judges[role].capability
        judges[role] = Asker(role, _Recorded(judge.entrant), capability, card.decoding, room)
    model = _Recorded(record.entrant)
    asks = task.modes[record.mode].asks
    return Run(
        units=tuple(units),
        model=Asker("model", model, asks, card.decoding, room),
        judges=judges,
        data={data.file: partial(task.read, data) for data in card.data},
        calls=room.calls,
    )


def _table_problems(
    name: str, own: ResponseTable | None, wanted: ResponseTable | None
) -> Iterator[str]:
    there = () if own is None else own.rows
    planned = () if wanted is None else wanted.rows
    for found, asked in zip_longest(there, planned):
        if found is None or asked is None or _asked(found) != _asked(asked):
            row = found or asked
            what = "is not what the task asks there" if found else "is lacking"
            yield f"{name}, unit {row.unit.id}, sample {row.index}: {what}"
            return


def _asked(row: Row) -> tuple[str, int, int, int | None, str | None, bytes | None]:
    key = None if row.request is None else row.request.key
    return row.unit.id, row.replicate, row.index, row.other, row.topic, key
