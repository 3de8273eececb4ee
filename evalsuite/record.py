"""The record of a run: everything a leaderboard row needs and everything `verify` recomputes."""

import fcntl
import json
import re
import shutil
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import uuid4

from pydantic import ConfigDict, Field, ValidationError

from evalsuite import atomic
from evalsuite.errors import BadInput, Incomplete
from evalsuite.fingerprint import Apparatus
from evalsuite.measures import ALL, MeasureEstimate, UnitScores
from evalsuite.models.spec import first_problem
from evalsuite.prompts import Unit
from evalsuite.requests import Decoding, Entrant, Frozen, digest
from evalsuite.responses_file import write_responses
from evalsuite.scores_file import scores_digest, write_scores
from evalsuite.tables import Tables

SCHEMA = 4
RECORD_FILE = "record.json"
RESPONSES_FILE = "responses.parquet"
SCORES_FILE = "scores.parquet"

# What a schema added; records of an older one do not have it, and their hash does not cover it.
_SINCE_2 = ("scores_sha256",)
SINCE_2_IN_ESTIMATES = ("facts", "seed_variance", "seed_share")
_STALE_S = 3600.0
# Settings that tell entrants apart and mean nothing to people; names leave them out.
_CHECKSUMS = ("matching", "verbalized_wording")


class Counts(Frozen):
    """What became of the requests to one model."""

    requests: int
    ok: int
    missing: dict[str, int]

    @property
    def completion_rate(self) -> float:
        """Share of requests that gave a value."""
        return self.ok / self.requests if self.requests else 0.0


class Judge(Frozen):
    """A judge and what became of the requests to it."""

    entrant: Entrant
    counts: Counts


class Provenance(Frozen):
    """Where and how the run happened; outside the record's hash."""

    started: str
    finished: str
    seconds: float
    cached: dict[str, int]
    versions: dict[str, str]
    device: str
    engine: str
    evaluator: str | None = None


class Record(Frozen):
    """One run of one entrant.

    Parameters
    ----------
    headline : MeasureEstimate
        The measure that ranks, over all units.
    estimates : tuple of MeasureEstimate
        Every measure, over all units and by stratum.
    counts : Counts
        Of the requests to the entrant.
    complete : bool
        False while an answer is missing by error, or more are missing than the task allows.
    scores_sha256 : dict of str to str
        By measure: of the scores in ``scores.parquet``. Since schema 2.
    hash : str
        sha256 of all fields but ``provenance``, ``prompt_set`` and itself.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", populate_by_name=True)

    schema_version: int = Field(SCHEMA, alias="schema")
    task: str
    mode: str
    task_version: int
    prompt_set: str
    entrant: Entrant
    fingerprint: str
    apparatus: Apparatus
    seed: int
    replicates: int
    headline: MeasureEstimate
    estimates: tuple[MeasureEstimate, ...]
    counts: Counts
    judges: dict[str, Judge]
    complete: bool
    prompts_sha256: str
    responses_sha256: str
    scores_sha256: dict[str, str] = Field(default_factory=dict)
    provenance: Provenance
    hash: str = ""

    def computed_hash(self) -> str:
        """sha256 of what the record claims; provenance and the name of the set are left out."""
        return digest(self.claim())

    def claim(self) -> dict[str, Any]:
        """What the hash covers."""
        outside = {"provenance", "hash", "prompt_set"}
        claim = self.model_dump(mode="json", by_alias=True, exclude=outside)
        if self.schema_version < 2:
            _drop_unset(claim, _SINCE_2)
            for estimate in (claim["headline"], *claim["estimates"]):
                _drop_unset(estimate, SINCE_2_IN_ESTIMATES)
        return claim

    def sealed(self) -> "Record":
        """The record with its hash."""
        return self.model_copy(update={"hash": self.computed_hash()})

    def estimate_of(self, measure: str, slice: str = ALL) -> MeasureEstimate | None:
        """The estimate of a measure on a slice, if the record has it."""
        for estimate in self.estimates:
            if (estimate.measure, estimate.slice) == (measure, slice):
                return estimate
        return None

    def to_json(self) -> str:
        """Readable JSON, the same for equal records."""
        value = self.model_dump(mode="json", by_alias=True)
        return json.dumps(value, indent=1, ensure_ascii=False, allow_nan=False) + "\n"


def _drop_unset(claim: dict[str, Any], names: Sequence[str]) -> None:
    """Leave out what an older schema does not have; set to a value, it is part of the claim."""
    for name in names:
        if claim[name] in (None, {}):
            del claim[name]


def entrant_name(entrant: Entrant) -> str:
    """The name that tells entrants apart in a leaderboard: the model and what was chosen.

    >>> entrant_name(Entrant(model="fake:text", backend="fake", revision="1",
    ...                      decoding=Decoding(temperature=0.3)))
    'fake:text?temperature=0.3'
    >>> entrant_name(Entrant(model="m", backend="b", revision="1", settings=(("matching", "0f"),)))
    'm'
    """
    chosen: dict[str, Any] = {n: v for n, v in entrant.settings if n not in _CHECKSUMS}
    if entrant.template == "plain":
        chosen["template"] = "plain"
    if entrant.dtype not in {None, "float32"}:
        chosen["dtype"] = entrant.dtype
    if entrant.decoding is not None:
        default = Decoding()
        chosen |= {
            name: value
            for name, value in entrant.decoding
            if name in Decoding.model_fields and value != getattr(default, name)
        }
    query = "&".join(f"{name}={_option(value)}" for name, value in sorted(chosen.items()))
    return f"{entrant.model}?{query}" if query else entrant.model


def _option(value: Any) -> str:
    return "|".join(value) if isinstance(value, tuple) else f"{value}"


def record_folder(record: Record, results: Path) -> Path:
    """Where a record stands: ``results/<task>/<entrant>-<8 hex>/<fingerprint, 12 hex>-seed<seed>``.

    Raises
    ------
    BadInput
        If a symbolic link would lead out of ``results``.
    """
    name = entrant_name(record.entrant)
    slug = re.sub(r"[^A-Za-z0-9._-]+", "__", name).strip("._-")[:60] or "model"
    decoding = record.entrant.decoding
    tag = digest([record.entrant.identity, decoding and decoding.model_dump(mode="json")])[:8]
    run = f"{record.fingerprint[:12]}-seed{record.seed}"
    if record.replicates > 1:
        run += f"-x{record.replicates}"
    folder = results / record.task / f"{slug}-{tag}" / run
    if not folder.resolve().is_relative_to(results.resolve()):
        raise BadInput(f"{folder} leads out of {results} by a symbolic link; remove the link")
    return folder


@dataclass(frozen=True)
class Content:
    """What a record follows from: the units and tables of a run, and the scores of its measures."""

    units: tuple[Unit, ...]
    tables: Tables
    scores: Mapping[str, UnitScores]


def save_record(
    record: Record, content: Content, results: Path, *, force: bool = False
) -> tuple[Record, Path]:
    """Write ``record.json``, ``responses.parquet`` and ``scores.parquet``, all or none.

    An equal complete record that stands there already is kept, with the times of its own run; an
    incomplete one is replaced.

    Returns
    -------
    the sealed record, and its folder.

    Raises
    ------
    BadInput
        If a different complete record stands there and ``force`` is not set, or on a full disk.
    """
    folder = record_folder(record, results)
    fresh = folder.with_name(f".{folder.name}.{uuid4().hex[:8]}.tmp")
    with atomic.told_to_the_user("write", folder):
        try:
            fresh.mkdir(parents=True)
            responses = fresh / RESPONSES_FILE
            claims = {
                "responses_sha256": write_responses(responses, content.units, content.tables),
                # A measure without a row, all of it missing, leaves no scores in the file.
                "scores_sha256": {
                    name: scores_digest(own) for name, own in content.scores.items() if len(own)
                },
            }
            write_scores(fresh / SCORES_FILE, content.scores)
            for file in (responses, fresh / SCORES_FILE):
                atomic.flush(file)
            record = record.model_copy(update=claims).sealed()
            atomic.write_text(fresh / RECORD_FILE, record.to_json())
            with results_locked(results):
                if force or not _stands_already(folder, record):
                    _swap(fresh, folder)
        finally:
            shutil.rmtree(fresh, ignore_errors=True)
    return record, folder


def _swap(fresh: Path, folder: Path) -> None:
    """Put a folder in the place of another, which is gone only when that has been done."""
    old = folder.with_name(f".{folder.name}.{uuid4().hex[:8]}.old")
    if folder.exists():
        folder.rename(old)
    fresh.rename(folder)
    atomic.flush(folder.parent)
    shutil.rmtree(old, ignore_errors=True)


@contextmanager
def results_locked(results: Path) -> Iterator[None]:
    """Hold the lock of a results folder, and first put right what a killed run left in it."""
    with (results / ".lock").open("wb") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        # Nobody else is between the two renames of a swap now, so what is left there is an orphan.
        for old in results.rglob(".*.old"):
            folder = old.with_name(old.name[1:].rpartition(".")[0].rpartition(".")[0])
            if folder.exists():
                shutil.rmtree(old, ignore_errors=True)
            else:
                old.rename(folder)
        for fresh in results.rglob(".*.tmp"):
            if fresh.is_dir() and fresh.stat().st_mtime < time.time() - _STALE_S:
                shutil.rmtree(fresh, ignore_errors=True)
        yield


def _stands_already(folder: Path, record: Record) -> bool:
    """Whether an equal record stands there; an error if a different complete one does."""
    if not all((folder / name).exists() for name in (RECORD_FILE, RESPONSES_FILE)):
        return False
    try:
        old = load_record(folder)
    except BadInput:
        return False  # What cannot be read is no record, and is replaced.
    if old.complete and not record.complete:
        raise Incomplete(
            f"answers are missing by error; {folder} holds a complete record of this run and was "
            "kept. The same command tries the errors again."
        )
    if old.schema_version < SCHEMA and old.responses_sha256 == record.responses_sha256:
        return False  # The same answers in an older format, which the new one replaces.
    if old.hash == record.hash and not (folder / SCORES_FILE).exists():
        return False  # Its scores were lost, and are written again.
    if old.complete and old.hash != record.hash:
        claim = record.claim()
        names = [name for name, value in old.claim().items() if claim[name] != value]
        if "entrant" in names:  # a name beside the model, such as what it was trained from
            own = record.entrant.model_dump()
            fields = [f for f, value in old.entrant.model_dump().items() if value != own[f]]
            names[names.index("entrant")] = f"entrant ({', '.join(fields)})"
        raise BadInput(
            f"{folder} holds a record of the same run that differs in: {', '.join(names)}. "
            "(Answers differ between machines and package versions.) Keep it and choose another "
            "--out, or replace it with --force."
        )
    return old.complete


def load_record(path: str | Path) -> Record:
    """Read a record from its folder or its ``record.json``.

    Raises
    ------
    BadInput
        If there is none, it cannot be read, or a newer evalsuite wrote it.
    """
    path = Path(path)
    try:
        file = path / RECORD_FILE if path.is_dir() else path
        value = json.loads(file.read_text(encoding="utf-8"))
    except OSError as error:
        raise BadInput(
            f"{path}: no record there ({error.strerror}); name a folder with a {RECORD_FILE}"
        ) from None
    except (ValueError, RecursionError) as error:
        raise BadInput(f"{path}: not a record ({error})") from None
    schema = value.get("schema") if isinstance(value, dict) else None
    if not isinstance(schema, int):
        raise BadInput(f"{file}: not a record (it has no schema number)")
    if schema > SCHEMA:
        raise BadInput(
            f"{file}: schema {schema} is newer than this evalsuite reads ({SCHEMA}); update it"
        )
    try:
        return Record.model_validate(value)
    except ValidationError as error:
        raise BadInput(f"{file}: not a record: {first_problem(error)}") from None


def find_records(results: Path, task: str | None = None) -> list[Path]:
    """Folders of all records below ``results`` (of one task), in order of their names."""
    where = results / task if task else results
    found = (file.parent for file in where.rglob(RECORD_FILE))
    # A folder whose name starts with a dot is one that is just being written.
    return sorted(
        f for f in found if not any(p.startswith(".") for p in f.relative_to(where).parts)
    )
