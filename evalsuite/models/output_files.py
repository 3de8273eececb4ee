"""Files of answers that somebody already generated, and the sha256 that names their content."""

import hashlib
import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from evalsuite.errors import BadInput, Refused
from evalsuite.models.output_lines import csv_rows, json_rows
from evalsuite.models.output_parquet import parquet_rows
from evalsuite.models.output_rows import MOST_ROWS, OutputRow, rows_of
from evalsuite.requests import digest

KINDS = {".jsonl": "jsonl", ".ndjson": "jsonl", ".csv": "csv", ".parquet": "parquet"}
"""What is read, by the end of its name."""

READERS = {"jsonl": json_rows, "csv": csv_rows, "parquet": parquet_rows}
"""Of the rows of each kind."""

_ENDS = ".jsonl, .csv or .parquet"


@dataclass(frozen=True)
class OutputFiles:
    """The answers of a file or of a folder of files.

    Parameters
    ----------
    name : str
        Last component of the path; where the files lie does not matter.
    revision : str
        ``sha256:...`` of the content: of the bytes of a file; of several files, of their kinds and
        bytes in the order of their names.
    rows : list of OutputRow
        In file order.
    """

    name: str
    revision: str
    rows: list[OutputRow]


def read_output_files(path: Path) -> OutputFiles:
    """Read a file, or all files of the three kinds below a folder, in the order of their names.

    Parameters
    ----------
    path : Path
        Of a folder, names that begin with a dot are left out, and so is what is of another kind.

    Raises
    ------
    BadInput
        If there is no such file, or something in it does not do: with its line or row.
    Refused
        If a file of a folder is a link to outside the folder.
    """
    rows: list[OutputRow] = []
    content: list[tuple[str, str]] = []
    seen: dict[str, str] = {}
    name = printable(path.name)
    try:
        for file, label in _files(path):
            hasher, kind = hashlib.sha256(), KINDS[file.suffix.lower()]
            with file.open("rb") as opened:
                for row in _rows(opened, kind, label, hasher.update, seen):
                    check_beside(row, rows)
                    rows.append(row)
            content.append((kind, hasher.hexdigest()))
    except OSError as error:
        why = error.strerror or type(error).__name__
        raise BadInput(f"{name}: cannot be read ({why})") from None
    if not rows:
        raise BadInput(f"{name}: holds no answer; it needs a row for each")
    whole = content[0][1] if len(content) == 1 else digest(content)
    return OutputFiles(name=name, revision=f"sha256:{whole}", rows=rows)


def _files(path: Path) -> list[tuple[Path, str]]:
    """The files to read and what messages call them."""
    name = printable(path.name)
    if path.is_file():
        if path.suffix.lower() not in KINDS:
            raise BadInput(f"{name}: its name must end in {_ENDS}; rename or convert it")
        return [(path, name)]
    if not path.is_dir():
        what = "is neither a file nor a folder" if path.exists() else "does not exist"
        raise BadInput(f"{name}: {what}; name a file that ends in {_ENDS}, or a folder of such")
    root = Path(os.path.realpath(path))
    found = []
    for file in path.rglob("*"):
        part = file.relative_to(path)
        if file.suffix.lower() not in KINDS or any(p.startswith(".") for p in part.parts):
            continue
        label = printable(part.as_posix())
        if not Path(os.path.realpath(file)).is_relative_to(root):
            raise Refused(f"{label}: is a link to outside the folder; copy the file into it")
        if file.is_file():
            found.append((file, label))
    if not found:
        raise BadInput(f"{name}: the folder holds no file that ends in {_ENDS}")
    return sorted(found, key=lambda item: item[0].relative_to(path).as_posix())


def printable(name: str) -> str:
    """A file's name as a message may hold it."""
    return name if name.isprintable() else ascii(name)


def _rows(
    file: BinaryIO, kind: str, label: str, update: Callable[[bytes], None], seen: dict[str, str]
) -> Iterator[OutputRow]:
    """The answers of one file; equal ids and prompts are one text in memory."""
    place = f"{label}, {'row' if kind == 'parquet' else 'line'}"
    for number, fields in READERS[kind](file, label, update):
        once = {
            name: seen.setdefault(value, value) if isinstance(value, str) else value
            for name in ("id", "prompt")
            if (value := fields.get(name)) is not None
        }
        yield from rows_of({**fields, **once}, place=place, number=number)


def check_beside(row: OutputRow, before: Sequence[OutputRow]) -> None:
    """Check a row against those before it: an index for all or none, and not too many.

    Raises
    ------
    BadInput
    """
    if before and (row.index is None) != (before[0].index is None):
        with_one, without = (before[0], row) if row.index is None else (row, before[0])
        raise BadInput(
            f"{row.where}: {with_one.where} has an index and {without.where} has none; give one to "
            "every answer, or to none"
        )
    if len(before) >= MOST_ROWS:
        raise BadInput(f"{row.where}: more than {MOST_ROWS:,} answers; score them in parts")
