"""Published prompt sets: where each is to be had, and how its rows become units."""

import hashlib
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Annotated, NamedTuple

from pydantic import Field, ValidationError

from evalsuite.errors import BadInput
from evalsuite.measures import ALL
from evalsuite.models.spec import first_problem
from evalsuite.prompts import SAFE_ID, Unit
from evalsuite.published_rows import Row, file_rows, folder_rows, hub_rows, read_json_files
from evalsuite.requests import Frozen, Prompt

MAX_ROWS = 2_000_000
MAX_CHARACTERS = 1_000_000
"""Of a prompt."""
MAX_UNITS = 20_000
"""Units that are kept of a larger set, unless more are asked for."""

Commit = Annotated[str, Field(pattern=r"^[0-9a-f]{40}$")]


class Line(NamedTuple):
    """A prompt of a published set.

    Parameters
    ----------
    id : str or None
        The publisher's own; where it is None or cannot be part of a path, it is made of the prompt.
    stratum, cluster : str, str or None
        As of `evalsuite.prompts.Unit`; None for a prompt that is its own cluster.
    """

    prompt: str
    id: str | None = None
    stratum: str = ""
    cluster: str | None = None


class _PublishedSet(Frozen):
    """What is known of a published set, whatever its form.

    Parameters
    ----------
    source : str
        Where it is published, for people.
    licence : str
        As its publishers state it; ``unknown`` where they do not.
    size : int or None
        Units that a run without ``--limit`` takes, a stratified part; None for all.
    """

    source: str
    licence: str
    summary: str = ""
    size: int | None = Field(None, ge=1)


class PublishedRows(_PublishedSet):
    """A set that is one table: a hub data set, or a file or folder with a copy of it.

    Parameters
    ----------
    repository : str
        ``org/name`` on the hub.
    commit : str or None
        The commit that the set is read at; None where none could be confirmed, so that users name
        theirs.
    config, split : str or None, str
        What part of the repository is the set.
    columns : tuple of str
        Texts that each row has to have, not blank.
    optional : tuple of str
        Texts that may be blank, null or absent; they come to ``line`` as an empty text.
    line : callable
        Makes a prompt of the columns.
    """

    repository: Annotated[str, Field(pattern=r"^[\w.-]+/[\w.-]+$")]
    commit: Commit | None
    config: str | None = None
    split: str = "test"
    columns: tuple[str, ...]
    optional: tuple[str, ...] = ()
    line: Callable[[Mapping[str, str]], Line]


class PublishedFiles(_PublishedSet):
    """A set that is made of JSON files in one folder, such as templates and terms.

    Parameters
    ----------
    files : tuple of str
        Their names.
    lines : callable
        Makes prompts of their contents by name.
    """

    files: tuple[str, ...]
    lines: Callable[[Mapping[str, object]], Iterable[Line]]


PublishedSet = PublishedRows | PublishedFiles


def split_set_name(text: str) -> tuple[str, str]:
    """Cut what stands behind ``--set`` into the name of a set and where to take it from.

    >>> split_set_name("tldr"), split_set_name("tldr:./test.jsonl")
    (('tldr', ''), ('tldr', ':./test.jsonl'))
    """
    found = re.match(r"[^:@]*", text)
    end = found.end() if found else 0
    return text[:end], text[end:]


def read_published(
    published: PublishedSet, name: str, source: str = "", *, offline: bool, at_least: int = 0
) -> tuple[Unit, ...]:
    """Read the units of a published set, in the order of the sha256 of their prompts.

    That order does not depend on the form of the copy, and any first part of it is a fair one. A
    prompt that the set has several times is one unit.

    Parameters
    ----------
    name : str
        Of the set, for messages.
    source : str
        ``:PATH`` of a local copy, ``@COMMIT``, or nothing for the pinned commit.
    offline : bool
        Whether the hub must not be asked.
    at_least : int
        As many units are kept of a set that has more than `MAX_UNITS`.

    Raises
    ------
    BadInput
        If the set cannot be had from there, or a row is not as the set's format says; the message
        names the file and the row.
    MissingPackage, Refused
        See `evalsuite.published_rows`.
    """
    where = f"prompt set {name}"
    if isinstance(published, PublishedFiles):
        lines = _lines_of_files(published, name, source)
    else:
        lines = _lines_of_rows(published, _rows(published, name, source, offline=offline))
    kept = _smallest(lines, max(MAX_UNITS, at_least))
    if not kept:
        raise BadInput(f"{where}: there is not one row in it")
    units = {unit.id: unit for unit in (_unit(sha, line, where) for sha, line in kept)}
    if len(units) < len(kept):
        raise BadInput(f"{where}: two prompts have one id; give each row an id of its own")
    return tuple(units.values())


def _rows(published: PublishedRows, name: str, source: str, *, offline: bool) -> Iterator[Row]:
    where, repository = f"prompt set {name}", published.repository
    if source.startswith(":"):
        path = _existing(source[1:], name)
        if path.is_dir():
            return folder_rows(path, config=published.config, split=published.split)
        return file_rows(path)
    commit = source[1:] or published.commit
    if commit is None:
        raise BadInput(
            f"{where}: no commit of {repository} is pinned here. Name one that you have looked at: "
            f"--set {name}@COMMIT (40 hex digits, from huggingface.co/datasets/{repository}"
            f"/commits/main), or a local copy: --set {name}:PATH"
        )
    if not re.fullmatch("[0-9a-f]{40}", commit):
        raise BadInput(f"{where}: {commit!r} is no commit; expected its 40 hex digits")
    if offline:
        raise BadInput(
            f"{where}: stands on the hub, and this run is offline. Fetch it once with network "
            f"access: hf download {repository} --repo-type dataset --revision {commit} "
            f"--local-dir FOLDER; then name the copy: --set {name}:FOLDER"
        )
    return hub_rows(repository, commit, config=published.config, split=published.split)


def _existing(text: str, name: str) -> Path:
    path = Path(text).expanduser()
    try:
        is_there = bool(text) and path.exists()
    except (OSError, ValueError):  # Too long for a file's name, or a NUL in it.
        is_there = False
    if not is_there:
        raise BadInput(f"prompt set {name}: there is no file or folder {text!r}")
    return path


def _lines_of_files(
    published: PublishedFiles, name: str, source: str
) -> Iterator[tuple[str, Line]]:
    if not source.startswith(":"):
        raise BadInput(
            f"prompt set {name}: is not on the hub. Get it from {published.source}, and name the "
            f"folder that has {', '.join(published.files)}: --set {name}:FOLDER"
        )
    folder = _existing(source[1:], name)
    if not folder.is_dir():
        raise BadInput(f"prompt set {name}: {folder.name} is a file; expected its folder")
    for number, line in enumerate(published.lines(read_json_files(folder, published.files)), 1):
        yield f"{folder.name}, prompt {number}", line


def _lines_of_rows(published: PublishedRows, rows: Iterable[Row]) -> Iterator[tuple[str, Line]]:
    for number, (where, row) in enumerate(rows, 1):
        if number > MAX_ROWS:
            raise BadInput(f"{where}: a prompt set may have {MAX_ROWS:,} rows at most")
        texts = {column: _text(row, column, where) for column in published.columns}
        for column, text in texts.items():
            if not text.strip():
                raise BadInput(f"{where}: {column!r} is blank")
        for column in published.optional:
            texts[column] = "" if row.get(column) is None else _text(row, column, where)
        yield where, published.line(texts)


def _text(row: Mapping[str, object], column: str, where: str) -> str:
    if column not in row:
        has = ", ".join(list(map(str, row))[:10])
        raise BadInput(f"{where}: lacks the column {column!r}; it has {has}")
    value = row[column]
    if column == "id" and isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    if not isinstance(value, str):
        raise BadInput(f"{where}: {column!r} must be a text, not {type(value).__name__}")
    return value


def _smallest(lines: Iterable[tuple[str, Line]], most: int) -> list[tuple[str, Line]]:
    """The lines whose prompts have the smallest sha256, one a prompt, in that order."""
    kept: dict[str, Line] = {}
    prompt_of_id: dict[str, str] = {}
    for where, line in lines:
        _check(line, where)
        sha = _sha256(line, where)
        if line.id is not None and prompt_of_id.setdefault(line.id, sha) != sha:
            raise BadInput(f"{where}: id {line.id!r} stands at another prompt already")
        # Of equal prompts the first by id, so that the order of the rows does not matter.
        kept[sha] = min(kept[sha], line, key=_rank) if sha in kept else line
        if len(kept) >= 2 * most:
            kept = {one: kept[one] for one in sorted(kept)[:most]}
    return [(sha, kept[sha]) for sha in sorted(kept)[:most]]


def _rank(line: Line) -> tuple[str, str, str]:
    return line.id or "", line.stratum, line.cluster or ""


def _check(line: Line, where: str) -> None:
    if len(line.prompt) > MAX_CHARACTERS:
        raise BadInput(f"{where}: a prompt of over {MAX_CHARACTERS:,} characters")
    if not line.prompt.strip():
        raise BadInput(f"{where}: the prompt is blank")
    if line.stratum == ALL:
        raise BadInput(f"{where}: {ALL!r} is the name of the whole set, and no stratum")


def _sha256(line: Line, where: str) -> str:
    try:
        line.stratum.encode()
        return hashlib.sha256(line.prompt.encode()).hexdigest()
    except UnicodeEncodeError:
        raise BadInput(f"{where}: a lone surrogate, which is no character") from None


def _unit(sha: str, line: Line, where: str) -> Unit:
    own = line.id if line.id and re.fullmatch(SAFE_ID, line.id) else f"p-{sha[:20]}"
    try:
        return Unit(
            id=own,
            prompt=Prompt.of_text(line.prompt),
            stratum=line.stratum,
            cluster=line.cluster or own,
        )
    except ValidationError as error:
        raise BadInput(f"{where}: {first_problem(error)}") from None
