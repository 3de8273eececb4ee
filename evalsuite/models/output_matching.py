"""Which answer of a file goes to which prompt of a run: never by a guess."""

import difflib
import hashlib
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import takewhile
from typing import TYPE_CHECKING, Literal

from evalsuite.errors import BadInput
from evalsuite.models.output_rows import OutputRow, shown
from evalsuite.requests import Entrant, canonical_json, digest

if TYPE_CHECKING:
    from evalsuite.prompts import Unit

Surplus = Literal["error", "drop"]
Answers = Mapping[tuple[str, int], Sequence[OutputRow]]
"""By the digest of a prompt and how often an equal one was asked before; by sample."""

_COMPARED = 300
_NAMED = 3


@dataclass(frozen=True)
class Matched:
    """Answers to everything that a run asks.

    Parameters
    ----------
    answers : mapping
    matching : str or None
        Digest of what the answers depend on besides the files: the prompt set that their ids are
        of, or the order of equal prompts. None where the files alone say what answers a prompt.
    """

    answers: Answers
    matching: str | None


def check_replicates(replicates: int, *, source: str, what: str) -> None:
    """Refuse several replicates: what stands in files was made once.

    Raises
    ------
    BadInput
    """
    if replicates > 1:
        raise BadInput(
            f"{source}: holds the {what} of one run, and {replicates} replicates are asked for; "
            "leave out --replicates and ask for more --samples"
        )


def match_run(
    entrant: Entrant,
    rows: Sequence[OutputRow],
    units: "Sequence[Unit]",
    *,
    known: "Sequence[Unit]",
    samples: int,
    surplus: Surplus,
    source: str,
) -> tuple[Entrant, Answers]:
    """Find the answers to all that a run asks, and the entrant that gives them.

    Raises
    ------
    BadInput
        As `match_rows`.
    """
    matched = match_rows(rows, units, known=known, samples=samples, surplus=surplus, source=source)
    if matched.matching is None:
        return entrant, matched.answers
    settings = tuple(sorted((*entrant.settings, ("matching", matched.matching))))
    return entrant.model_copy(update={"settings": settings}), matched.answers


def match_rows(
    rows: Sequence[OutputRow],
    units: "Sequence[Unit]",
    *,
    known: "Sequence[Unit]",
    samples: int,
    surplus: Surplus,
    source: str,
) -> Matched:
    """Find ``samples`` answers for each unit.

    Parameters
    ----------
    rows : sequence of OutputRow
    units, known : sequence of Unit
        What is asked, and the whole prompt set.
    surplus : error or drop
        What to do where there are more answers than are asked for: the first ones stay.
    source : str
        Name of the file or folder, for messages.

    Raises
    ------
    BadInput
        If a row is of no known prompt or of two, an index is missing or given twice, or a prompt
        has too few or too many answers.
    """
    own, is_shared = _rows_by_unit(rows, known, samples)
    _check_counts(own, units, samples, surplus, source, can_ask_more=not is_shared)
    answers: dict[tuple[str, int], list[OutputRow]] = {}
    occurrences: Counter[str] = Counter()
    for unit in units:
        prompt = unit.prompt.digest
        answers[prompt, occurrences[prompt]] = own[unit.id][:samples]
        occurrences[prompt] += 1
    return Matched(answers, _matching(rows, own, answers, units, known))


def _rows_by_unit(
    rows: Sequence[OutputRow], known: "Sequence[Unit]", samples: int
) -> tuple[dict[str, list[OutputRow]], bool]:
    """Rows by unit in the order of samples, and whether units share a prompt that rows name."""
    by_id = {unit.id: unit for unit in known}
    by_text: dict[str, list[Unit]] = defaultdict(list)
    for unit in known:
        by_text[unit.prompt.text].append(unit)
    own: dict[str, list[OutputRow]] = defaultdict(list)
    shared: dict[str, list[OutputRow]] = defaultdict(list)
    for row in rows:
        if row.id is not None:
            own[_unit_of(row, row.id, by_id, by_text).id].append(row)
            continue
        text = row.prompt or ""
        if text not in by_text:
            raise BadInput(_unknown_prompt(row, text, by_text))
        if len(by_text[text]) == 1:
            own[by_text[text][0].id].append(row)
        else:
            shared[text].append(row)
    ordered = {unit: _in_order(group) for unit, group in own.items()}
    for text, group in shared.items():
        sharing = [unit.id for unit in by_text[text]]
        ordered |= _divided(_in_order(group), sharing, ordered, samples)
    return ordered, bool(shared)


def _unit_of(
    row: OutputRow, unit_id: str, by_id: "Mapping[str, Unit]", by_text: "Mapping[str, list[Unit]]"
) -> "Unit":
    unit = by_id.get(unit_id)
    if unit is None:
        near = difflib.get_close_matches(unit_id[:_COMPARED], by_id, n=1)
        hint = (
            f"did you mean {near[0]!r}?" if near else f"an id is one such as {next(iter(by_id))!r}"
        )
        raise BadInput(f"{row.where}: id {shown(unit_id)} is none of the prompt set; {hint}")
    if row.prompt is not None and row.prompt != unit.prompt.text:
        others = by_text.get(row.prompt)
        differs = f"differs from character {_first_difference(row.prompt, unit.prompt.text)} on"
        what = f"is that of {others[0].id!r}" if others else differs
        raise BadInput(
            f"{row.where}: the prompt is not that of id {unit.id!r} (it {what}); correct one of "
            "them, or name the prompt set of these answers with --set"
        )
    return unit


def _unknown_prompt(row: OutputRow, text: str, by_text: "Mapping[str, list[Unit]]") -> str:
    begins = {known[:_COMPARED]: known for known in by_text}
    near = difflib.get_close_matches(text[:_COMPARED], begins, n=1)
    hint = "name the prompt set of these answers with --set, or give ids"
    if near:
        known = begins[near[0]]
        hint = (
            f"it differs from that of id {by_text[known][0].id!r} from character "
            f"{_first_difference(text, known)} on"
        )
    return f"{row.where}: the prompt {shown(text)} is none of the prompt set; {hint}"


def _first_difference(one: str, other: str) -> int:
    same = takewhile(lambda pair: pair[0] == pair[1], zip(one, other, strict=False))
    return sum(1 for _ in same) + 1


def _in_order(group: list[OutputRow]) -> list[OutputRow]:
    """By index, which must count from 0 without a gap; or as they stand in the file."""
    found: dict[int, OutputRow] = {}
    for row in group:
        if row.index is None:
            return group
        if row.index in found:
            raise BadInput(
                f"{row.where}: index {row.index} of {_answered(row)} stands in "
                f"{found[row.index].where} already; count the answers to a prompt from 0"
            )
        found[row.index] = row
    missing = next((i for i in range(len(group)) if i not in found), None)
    if missing is not None:
        raise BadInput(
            f"{group[0].where}: {_answered(group[0])} has {len(group)} answers, and none of index "
            f"{missing}; count from 0 to {len(group) - 1}, with a status where no answer came"
        )
    return [found[i] for i in range(len(group))]


def _answered(row: OutputRow) -> str:
    return f"id {row.id!r}" if row.id is not None else f"prompt {shown(row.prompt)}"


def _divided(
    group: list[OutputRow],
    sharing: list[str],
    by_id: Mapping[str, list[OutputRow]],
    samples: int,
) -> dict[str, list[OutputRow]]:
    """Share the answers to one text out among the units that ask it: ``samples`` for each."""
    named = [unit for unit in sharing if unit in by_id]
    if named:
        raise BadInput(
            f"{group[0].where}: has no id, and its prompt is that of {_some(sharing)}; as "
            f"{by_id[named[0]][0].where} has an id, give one to every row of that prompt"
        )
    starts = [i * samples for i in range(len(sharing))]
    ends = [*starts[1:], len(group)]
    return {
        unit: group[a:b] for unit, a, b in zip(sharing, starts, ends, strict=True) if group[a:b]
    }


def _check_counts(
    own: Mapping[str, list[OutputRow]],
    units: "Sequence[Unit]",
    samples: int,
    surplus: Surplus,
    source: str,
    *,
    can_ask_more: bool,
) -> None:
    counts = {unit.id: len(own.get(unit.id, ())) for unit in units}
    short = {unit: n for unit, n in counts.items() if n < samples}
    least = min(counts.values(), default=0)
    if short:
        fewer = f", or ask for --samples {least}" if least else ""
        raise BadInput(
            f"{source}: {len(short)} of {len(counts)} prompts have too few answers for {samples} "
            f"each ({_counted(short)}); add them, with a status where none came{fewer}"
        )
    over = {unit: n for unit, n in counts.items() if n > samples}
    if over and surplus == "error":
        all_equal = can_ask_more and len(set(counts.values())) == 1
        more = f"ask for all with --samples {least}, or " if all_equal else ""
        raise BadInput(
            f"{source}: {len(over)} of {len(counts)} prompts have more answers than {samples} each "
            f"({_counted(over)}); {more}keep the first {samples} with ?surplus=drop"
        )


def _counted(counts: Mapping[str, int]) -> str:
    first = [f"{unit!r} has {n}" for unit, n in list(counts.items())[:_NAMED]]
    return ", ".join(first) + (", ..." if len(counts) > _NAMED else "")


def _some(ids: list[str]) -> str:
    return ", ".join(map(repr, ids[:_NAMED])) + (", ..." if len(ids) > _NAMED else "")


def _matching(
    rows: Sequence[OutputRow],
    own: Mapping[str, list[OutputRow]],
    answers: Answers,
    units: "Sequence[Unit]",
    known: "Sequence[Unit]",
) -> str | None:
    """Digest of what the answers depend on besides the files; see `Matched`.

    The store finds an answer by entrant, prompt and sample. Where another prompt set, ``--limit``
    or ``--samples`` would give the same request another row, the entrant must be another.
    """
    by_text: dict[str, list[OutputRow]] = defaultdict(list)
    for row in rows:
        if row.prompt is not None:
            by_text[row.prompt].append(row)
    texts = {unit.prompt.digest: unit.prompt.text for unit in units}
    is_plain = all(
        not occurrence and _begins_with(by_text[texts[prompt]], group)
        for (prompt, occurrence), group in answers.items()
    )
    if is_plain:
        return None
    prompts = Counter(unit.prompt.digest for unit in known)
    if max(prompts.values()) == 1:
        return digest([[u.id, u.prompt.digest] for u in known if u.id in own])[:12]
    hasher = hashlib.sha256()
    for place, group in answers.items():
        said = [[row.status, row.text, row.finish] for row in group]
        hasher.update(canonical_json([place, said]).encode() + b"\n")
    return hasher.hexdigest()[:12]


def _begins_with(group: list[OutputRow], own: Sequence[OutputRow]) -> bool:
    """Whether the first rows of one prompt, whatever their ids, are these."""
    if group and group[0].index is not None:
        group = sorted(group, key=lambda row: row.index or 0)
    return len(group) >= len(own) and all(a is b for a, b in zip(group, own, strict=False))
