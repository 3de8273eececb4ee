"""Prompt sets: the units of a run, read from JSON Lines, and a stratified part of them."""

import json
import re
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Protocol

from pydantic import Field, ValidationError, field_validator

from evalsuite.errors import BadInput
from evalsuite.measures import ALL
from evalsuite.models.spec import first_problem
from evalsuite.requests import Frozen, Prompt, canonical_json, digest

SAFE_ID = r"^[A-Za-z0-9][A-Za-z0-9._-]{0,100}$"
"""Ids that may become part of a path."""

Id = Annotated[str, Field(pattern=SAFE_ID)]


class Unit(Frozen):
    """One thing that is scored: a prompt, a concept, an image ...

    Parameters
    ----------
    id : str
        Unique in its set.
    prompt : Prompt
    stratum : str
        Category, for slices and for ``--limit``; may be empty.
    cluster : str
        What was drawn independently: the prompt itself, or the template family it belongs to.
    details : str
        Canonical JSON of what a task must know of the unit besides its prompt; empty: nothing.
    """

    id: Id
    prompt: Prompt
    stratum: str = ""
    cluster: Id
    details: str = ""

    @field_validator("details")
    @classmethod
    def _canonical(cls, details: str) -> str:
        """Take canonical JSON only: equal details are equal texts, hence equal digests."""
        if not details:
            return details
        try:
            is_canonical = canonical_json(json.loads(details)) == details
        except (ValueError, RecursionError):
            raise ValueError("details are not JSON") from None
        if not is_canonical:
            raise ValueError("details are not canonical JSON: requests.canonical_json makes it")
        return details


class _Line(Frozen):
    """A line of a prompt file."""

    id: Id
    prompt: Annotated[str, Field(min_length=1)]
    category: str = ""
    cluster: Id | None = None


def parse_prompts(text: str, *, source: str) -> tuple[Unit, ...]:
    """Read a prompt set: one JSON object a line with ``id``, ``prompt``, ``category``, ``cluster``.

    ``category`` and ``cluster`` may be left out: no slices, every prompt its own cluster.

    Raises
    ------
    BadInput
        On a broken line (with its number), a repeated id or an empty set.
    """
    units: dict[str, Unit] = {}
    lines: dict[str, int] = {}
    for number, raw in enumerate(re.split(r"\r\n|\n|\r", text), 1):
        if not raw.strip():
            continue
        unit = _parse_line(raw, where=f"{source}, line {number}")
        if unit.id in units:
            raise BadInput(
                f"{source}, line {number}: id {unit.id!r} stands in line {lines[unit.id]} already; "
                "give every prompt an id of its own"
            )
        units[unit.id], lines[unit.id] = unit, number
    if not units:
        raise BadInput(f"{source}: the prompt set is empty; it needs one JSON object a line")
    return tuple(units.values())


def _parse_line(raw: str, *, where: str) -> Unit:
    try:
        value = json.loads(raw)
    # ValueError, and not only its JSONDecodeError: an integer of over 4300 digits is none.
    except (ValueError, RecursionError) as error:
        raise BadInput(f"{where}: not JSON ({error})") from None
    if not isinstance(value, dict):
        raise BadInput(f'{where}: expected an object such as {{"id": "a1", "prompt": "..."}}')
    try:
        line = _Line.model_validate(value)
    except ValidationError as error:
        raise BadInput(f"{where}: {first_problem(error)}") from None
    if not line.prompt.strip():
        raise BadInput(f"{where}: the prompt is blank")
    if any("\ud800" <= character <= "\udfff" for character in line.prompt + line.category):
        raise BadInput(f"{where}: a lone surrogate, which is no character")
    if line.category == ALL:
        raise BadInput(f"{where}: category {ALL!r} is the name of the whole set; choose another")
    return Unit(
        id=line.id,
        prompt=Prompt.of_text(line.prompt),
        stratum=line.category,
        cluster=line.cluster or line.id,
    )


class ParseSet(Protocol):
    """Reads a prompt set."""

    def __call__(self, text: str, *, source: str) -> tuple[Unit, ...]:
        """Read the text of a file; ``source`` is what an error names."""
        ...


def read_prompts(path: Path, parse: ParseSet = parse_prompts) -> tuple[Unit, ...]:
    """Read a user's prompt file, by default one of JSON Lines.

    Raises
    ------
    BadInput
        If it cannot be read, is not UTF-8 or is not a prompt set.
    """
    try:
        text = path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise BadInput(f"{path.name}: not UTF-8 (byte {error.start}); save it as UTF-8") from None
    except OSError as error:
        raise BadInput(f"{path}: cannot be read ({error.strerror})") from None
    return parse(text, source=path.name)


def stratified(units: Sequence[Unit], limit: int) -> tuple[Unit, ...]:
    r"""Take ``limit`` units, spread over the strata in proportion, in the order of the set.

    A smaller part is always within a larger one, so that its answers are found in the store.

    Examples
    --------
    >>> text = "\n".join('{"id": "%s", "prompt": "p", "category": "%s"}' % (c + str(i), c)
    ...                  for c in "ab" for i in range(3))
    >>> [unit.id for unit in stratified(parse_prompts(text, source="x"), 4)]
    ['a0', 'a1', 'b0', 'b1']
    """
    if limit < 1:
        raise BadInput(f"--limit must be at least 1, not {limit}")
    sizes: dict[str, int] = defaultdict(int)
    for unit in units:
        sizes[unit.stratum] += 1
    # The quota method of Balinski & Young 1975: nested, and never a whole unit off proportion.
    taken = dict.fromkeys(sizes, 0)
    for n in range(1, min(limit, len(units)) + 1):
        below = [s for s in sizes if taken[s] * len(units) < n * sizes[s]]
        taken[max(below, key=lambda s: sizes[s] / (taken[s] + 1))] += 1
    seen: dict[str, int] = defaultdict(int)
    part = []
    for unit in units:
        seen[unit.stratum] += 1
        if seen[unit.stratum] <= taken[unit.stratum]:
            part.append(unit)
    return tuple(part)


def prompts_digest(units: Sequence[Unit]) -> str:
    """sha256 of what is asked: ids, strata, clusters, prompts and any details, in order."""
    return digest(
        [[u.id, u.stratum, u.cluster, u.prompt.digest, *filter(None, [u.details])] for u in units]
    )
