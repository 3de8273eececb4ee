"""Answers in JSON Lines and CSV: line by line, with the number of the line in hand."""

import csv
import json
import re
from collections.abc import Callable, Iterator, Mapping
from typing import BinaryIO

from evalsuite.errors import BadInput
from evalsuite.models.output_rows import TEXT_TABLE, Columns, Fields, check_columns, shown

MOST_LINE_BYTES = 64 << 20
"""Longest line of a file; a line of JSON can hold all answers to a prompt."""

_BOM = b"\xef\xbb\xbf"
_NUMBER = re.compile(r"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?", re.ASCII)

Hash = Callable[[bytes], None]
"""Takes the bytes of a file as they are read."""


def _lines(file: BinaryIO, label: str, update: Hash) -> Iterator[tuple[int, str]]:
    """Decode a file line by line; each keeps its line end."""
    number = start = 0
    while line := file.readline(MOST_LINE_BYTES):
        number += 1
        where = f"{label}, line {number}"
        update(line)
        if len(line) == MOST_LINE_BYTES:
            most = f"{MOST_LINE_BYTES >> 20} MiB"
            raise BadInput(f"{where}: the line is longer than {most}; write a row an answer")
        own = line.removeprefix(_BOM) if number == 1 else line
        try:
            text = own.decode("utf-8")
        except UnicodeDecodeError as error:
            at = start + len(line) - len(own) + error.start
            what = f"not UTF-8 (byte {at} of the file)"
            raise BadInput(f"{where}: {what}; save the file as UTF-8") from None
        if "\0" in text:
            raise BadInput(f"{where}: holds a NUL character; save the file as UTF-8 text")
        yield number, text
        start += len(line)


def json_rows(
    file: BinaryIO, label: str, update: Hash, table: Columns = TEXT_TABLE
) -> Iterator[tuple[int, Fields]]:
    """Objects, one a line, with the number of the line; blank lines are passed over."""
    decoder = json.JSONDecoder(object_pairs_hook=_object)
    sound: set[frozenset[str]] = set()
    for number, line in _lines(file, label, update):
        text = line.strip(" \t\r\n")
        if not text:
            continue
        where = f"{label}, line {number}"
        try:
            value = decoder.decode(text)
        except json.JSONDecodeError as error:
            raise BadInput(
                f"{where}: not JSON ({error.msg}, column {error.colno}); write one object a line"
            ) from None
        # ValueError: a name given twice; an integer of over 4300 digits.
        except (ValueError, RecursionError) as error:
            raise BadInput(f"{where}: not JSON ({error}); write one object a line") from None
        if not isinstance(value, dict):
            raise BadInput(f"{where}: expected an object such as {table.example}")
        names = frozenset(value)
        if names not in sound:
            check_columns(list(value), where=where, table=table)
            if len(sound) < 1000:
                sound.add(names)
        yield number, value


def _object(pairs: list[tuple[str, object]]) -> dict[str, object]:
    value = dict(pairs)
    if len(value) < len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise ValueError(f"{shown(twice)} is given twice")
    return value


def csv_rows(
    file: BinaryIO, label: str, update: Hash, table: Columns = TEXT_TABLE
) -> Iterator[tuple[int, Fields]]:
    """Rows as columns, with the number of the line that each begins in."""
    records = _csv_records(file, label, update)
    number, header = next(records, (1, []))
    _check_header(header, f"{label}, line {number}", table)
    for number, cells in records:
        where = f"{label}, line {number}"
        if len(cells) != len(header):
            raise BadInput(
                f"{where}: has {len(cells)} cells, and the header has {len(header)}; put a text "
                "with commas, quotes or line breaks in quotes"
            )
        named = {n: c for n, c in zip(header, cells, strict=True) if n in table.names}
        yield number, _csv_fields(named, where)


def _csv_records(file: BinaryIO, label: str, update: Hash) -> Iterator[tuple[int, list[str]]]:
    """The cells of each record and the line that it begins in."""
    taken: list[int] = []

    def feed() -> Iterator[str]:
        for number, line in _lines(file, label, update):
            taken.append(number)
            yield line

    reader = csv.reader(feed(), strict=True)
    while True:
        taken.clear()
        try:
            cells = next(reader, None)
        except csv.Error as error:
            raise BadInput(
                f"{label}, line {taken[0] if taken else 1}: broken CSV from here on ({error}); see "
                "that its quotes are doubled and closed"
            ) from None
        if cells is None:
            return
        if cells:
            yield taken[0], cells


def _check_header(header: list[str], where: str, table: Columns) -> None:
    named = [name for name in header if name]  # pandas leaves the name of its index empty
    twice = [name for name in named if named.count(name) > 1]
    if twice:
        raise BadInput(f"{where}: column {shown(twice[0])} is named twice; remove one")
    if len(header) == 1 and re.search("[;\t]", header[0]):
        raise BadInput(f"{where}: no commas between the columns; save the file with commas")
    for name in ("texts", "rewards"):
        if name in named and name in table.names:
            raise BadInput(
                f"{where}: a CSV has no lists, so no {name!r}; write a row an answer, with 'text'"
            )
    check_columns(named, where=where, table=table)


def _csv_fields(cells: Mapping[str, str], where: str) -> dict[str, object]:
    """Cells as values: an empty one is none, but for the text of an answer that is ok."""
    fields: dict[str, object] = {name: cell for name, cell in cells.items() if cell}
    if cells.get("text") == "" and cells.get("status") == "ok":
        fields["text"] = ""
    for name, kind in (("index", int), ("reward", float)):
        cell = cells.get(name, "").strip()
        if _NUMBER.fullmatch(cell) and len(cell) < 100:
            # What is no whole number stays a text, and is refused as one.
            fields[name] = kind(cell) if kind is float or cell.isdecimal() else cell
    return fields
