"""What the rows of a record must be, given what the record says of the run."""

from collections import Counter, defaultdict
from collections.abc import Collection, Iterator, Mapping, Sequence

from evalsuite.models.capabilities import CAPABILITIES
from evalsuite.prompts import Unit
from evalsuite.record import Counts, Record
from evalsuite.requests import Decoding, ImagePart, Request, Sampling, TextPart
from evalsuite.tables import ResponseTable, Row, Tables
from evalsuite.tasks import Task, TaskOptions

_SAMPLED = {capability.name for capability in CAPABILITIES.values() if capability.sampled}

MODEL = "model"
"""Role of the model under test."""


def counted(tables: Tables, role: str) -> Counts:
    """What became of the requests to a role, from the statuses of its rows."""
    statuses = Counter(
        row.status for table in tables.values() if table.role == role for row in table.rows
    )
    missing = {status: statuses[status] for status in ("refused", "filtered", "error")}
    asked = statuses["ok"] + sum(missing.values())
    return Counts(requests=asked, ok=statuses["ok"], missing=missing)


def row_problems(
    record: Record, task: Task, options: TaskOptions, units: Collection[Unit], tables: Tables
) -> Iterator[str]:
    """Where rows differ from the run that the record tells of; each names its row or table."""
    yield from _count_problems(record, task, tables)
    entrants = {role: judge.entrant for role, judge in record.judges.items()}
    decodings = {role: e.decoding for role, e in (entrants | {MODEL: record.entrant}).items()}
    for name, table in tables.items():
        if table.role not in decodings and table.role not in task.card.judges:
            yield f"{name}: answered in the role {table.role!r}, which the task does not have"
        for row in table.rows:
            for problem in _row_problems(record, options, decodings.get(table.role), row):
                yield f"{_where(name, row)}: {problem}"
        if table.role == MODEL:
            yield from _lacking(record, options, units, name, table)
    yield from _occurrence_problems(tables)
    yield from _misplaced_questions(tables)


def _count_problems(record: Record, task: Task, tables: Tables) -> Iterator[str]:
    claimed = {role: judge.counts for role, judge in record.judges.items()}
    found = {role: counted(tables, role) for role in (MODEL, *claimed)}
    for role, counts in found.items():
        claim = record.counts if role == MODEL else claimed[role]
        if claim != counts:
            where = "counts" if role == MODEL else f"judges.{role}.counts"
            yield f"{where}: {_shown(claim)} in the record, {_shown(counts)} in the rows"
    has_errors = any(counts.missing["error"] for counts in found.values())
    enough = found[MODEL].completion_rate >= 1 - task.card.max_missing
    if record.complete != (enough and not has_errors):
        yield f"complete: {record.complete} in the record; the rows say {not record.complete}"


def _shown(counts: Counts) -> str:
    missing = ", ".join(f"{n} {status}" for status, n in sorted(counts.missing.items()) if n)
    return f"{counts.ok} of {counts.requests} ok" + (f" ({missing})" if missing else "")


def _row_problems(
    record: Record, options: TaskOptions, decoding: Decoding | None, row: Row
) -> Iterator[str]:
    if row.replicate >= record.replicates:
        yield f"beyond the record's replicates ({record.replicates})"
    request = row.request
    if request is None or not _is_drawn(request):
        return
    if request.sampling is not None:
        yield from _sampling_problems(options, decoding, request.sampling)
    seed = record.seed + row.replicate
    if request.seed != seed:
        yield f"drawn with seed {request.seed}; seed and replicate of the record give {seed}"
    if request.index != row.index:
        yield f"holds sample {request.index} of its prompt"
    if row.unit.prompt.text not in request.prompt.text:
        yield "its prompt does not hold its unit's"


def _sampling_problems(
    options: TaskOptions, decoding: Decoding | None, sampling: Sampling
) -> Iterator[str]:
    for field in Decoding.model_fields:
        chosen = getattr(decoding, field, None)
        drawn = getattr(sampling, field)
        if drawn != chosen:
            yield f"drawn with {field} {drawn!r}; decoding has {chosen!r}"
    limit = getattr(options, "max_new_tokens", sampling.max_new_tokens)
    if sampling.max_new_tokens != limit:
        yield f"max_new_tokens is {sampling.max_new_tokens}; the options have {limit}"


def _lacking(
    record: Record,
    options: TaskOptions,
    units: Collection[Unit],
    name: str,
    table: ResponseTable,
) -> Iterator[str]:
    """Rows that a table of drawn answers should have and has not, or has beyond them."""
    if not any(_is_drawn(row.request) for row in table.rows):
        return
    places = {(row.unit.id, row.replicate, row.index) for row in table.rows}
    ids = [unit.id for unit in units]
    for row in table.rows:
        if row.index >= options.samples:
            yield f"{_where(name, row)}: beyond the samples of the options ({options.samples})"
        if row.request is None:
            yield f"{_where(name, row)}: was not asked"
    # Not `product`, which makes its ranges before it begins: the record may claim any number.
    planned = (
        (unit, replicate, index)
        for unit in ids
        for replicate in range(record.replicates)
        for index in range(options.samples)
    )
    for place in planned:
        if place not in places:
            yield (
                f"{name}: {len(table)} rows, not {len(ids)} units x {record.replicates} replicates "
                f"x {options.samples} samples: none for unit {place[0]}, replicate {place[1]}, "
                f"sample {place[2]}"
            )
            return


def _occurrence_problems(tables: Tables) -> Iterator[str]:
    """Equal prompts are numbered from 0 and each is drawn afresh: no answer can be picked out."""
    numbers: dict[tuple[str, str], set[int]] = defaultdict(set)
    for name, table in tables.items():
        seen: set[bytes] = set()
        for row in table.rows:
            if row.request is None or not _is_drawn(row.request):
                continue
            if row.request.key in seen:
                yield f"{_where(name, row)}: holds the answer of another row of the table"
            seen.add(row.request.key)
            numbers[table.role, row.request.prompt.digest].add(row.request.occurrence)
    for (role, _), found in numbers.items():
        if found != set(range(len(found))):
            some = sorted(found)[:5]
            yield f"occurrence: equal prompts to {role} are numbered {some}, not from 0 on"


def _misplaced_questions(tables: Tables) -> Iterator[str]:
    """What a judge is asked is about answers of that very unit, replicate and sample."""
    texts: dict[tuple[str, int, int], list[str]] = defaultdict(list)
    images: dict[tuple[str, int, int], list[str | None]] = defaultdict(list)
    for table in tables.values():
        for row in table.rows:
            place = (row.unit.id, row.replicate, row.index)
            if row.request is not None and row.request.capability == "generates_images":
                images[place].append(row.image_sha256)
            elif _is_drawn(row.request):
                texts[place].append((row.text or "").strip())
    yield from _misplaced_images(tables, images)
    for name, table in tables.items():
        if all(row.request is None for row in table.rows):
            continue  # No judge is there, or no answer came that it could be asked about.
        for row in table.rows:
            samples = (row.index,) if row.other is None else (row.index, row.other)
            answers = [
                text
                for sample in samples
                for text in texts.get((row.unit.id, row.replicate, sample), [])
            ]
            if not answers or _is_drawn(row.request):
                continue
            request = row.request
            if request is None and all(answers):
                yield f"{_where(name, row)}: was not asked although there is an answer to ask about"
            elif request is not None and not _asks_about(request, row.unit, answers):
                yield f"{_where(name, row)}: asks about a text that is no answer of this sample"


def _misplaced_images(
    tables: Tables, images: Mapping[tuple[str, int, int], Sequence[str | None]]
) -> Iterator[str]:
    """Where a judge is shown an image that is none of this very unit, replicate and sample."""
    for name, table in tables.items():
        for row in table.rows:
            if row.request is None:
                continue
            shown = {p.sha256 for p in row.request.prompt.parts if isinstance(p, ImagePart)}
            if not shown <= set(images.get((row.unit.id, row.replicate, row.index), ())):
                yield f"{_where(name, row)}: asks about an image that is not of this sample"


def _asks_about(request: Request, unit: Unit, answers: Sequence[str]) -> bool:
    """Whether every text is the prompt, holds an answer, or is a part (a sentence) of one."""
    prompt = unit.prompt.text
    shown = [part.text for part in request.prompt.parts if isinstance(part, TextPart)]
    if request.capability in {"embeds_text", "tokenizes_text"}:
        return all(t == prompt or any(a and a in t for a in answers) for t in shown)
    return all(t == prompt or any(a and (a in t or t in a) for a in answers) for t in shown)


def _is_drawn(request: Request | None) -> bool:
    return request is not None and request.capability in _SAMPLED


def _where(name: str, row: Row) -> str:
    replicate = f", replicate {row.replicate}" if row.replicate else ""
    topic = f", {row.topic}" if row.topic else ""
    return f"{name}, unit {row.unit.id}{replicate}, sample {row.index}{topic}"
