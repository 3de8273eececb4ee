"""The leaderboard as a CSV file: RFC 4180, full precision, guarded against spreadsheet formulas."""

import csv
import io
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

from evalsuite import atomic
from evalsuite.errors import BadInput
from evalsuite.leaderboard import COLUMNS, NUMERIC

if TYPE_CHECKING:
    import pandas as pd

_FORMULA = re.compile(r"^'*(?:\s*[=+\-@＝＋－＠\0]|[\t\r\n])")
_NUMBER = re.compile(r"-?[0-9]{1,300}(\.[0-9]{1,300})?(e[+-]?[0-9]{1,3})?")


def guard(text: str) -> str:
    """Put ``'`` before a text that a spreadsheet would take for a formula.

    >>> guard("=1+1"), guard("'=1+1"), guard("plain"), guard(" @x")
    ("'=1+1", "''=1+1", 'plain', "' @x")
    """
    return "'" + text if _FORMULA.match(text) else text


def unguard(text: str) -> str:
    """Take away exactly what `guard` added."""
    return text[1:] if text.startswith("'") and _FORMULA.match(text) else text


def write_leaderboard(frame: "pd.DataFrame", path: Path) -> None:
    """Write a leaderboard whole or not at all.

    Texts are quoted; numbers are not, and stand in full precision; nothing means unknown.

    Raises
    ------
    BadInput
        If the disk is full or the folder cannot be written.
    """
    buffer = io.StringIO(newline="")
    buffer.write(",".join(COLUMNS) + "\r\n")
    for row in frame[list(COLUMNS)].itertuples(index=False, name=None):
        cells = (_cell(name, value) for name, value in zip(COLUMNS, row, strict=True))
        buffer.write(",".join(cells) + "\r\n")
    with atomic.told_to_the_user("write", path):
        atomic.write_text(path, buffer.getvalue())


def _cell(name: str, value: Any) -> str:
    if value is None:
        return ""
    if name in NUMERIC:
        # Not by way of a float, which a seed above 2**53 does not fit into.
        return str(value) if isinstance(value, int) else repr(float(value))
    if isinstance(value, bool):
        return "true" if value else "false"
    return '"' + guard(str(value)).replace('"', '""') + '"'


def read_leaderboard(path: Path) -> "pd.DataFrame":
    """Read a leaderboard that `write_leaderboard` wrote.

    Raises
    ------
    BadInput
        If it is no such file.
    """
    import pandas as pd

    try:
        with path.open(encoding="utf-8", newline="") as file:
            rows = list(csv.reader(file, strict=True))
    except (OSError, ValueError, csv.Error) as error:
        raise BadInput(f"{path}: cannot be read as a leaderboard ({error})") from None
    if not rows or tuple(rows[0]) != COLUMNS:
        raise BadInput(f"{path}: not a leaderboard of this evalsuite (its columns differ)")
    values = []
    for number, row in enumerate(rows[1:], 2):
        if len(row) != len(COLUMNS):
            raise BadInput(f"{path}, row {number}: {len(row)} cells instead of {len(COLUMNS)}")
        values.append(
            [_value(n, v, f"{path}, row {number}") for n, v in zip(COLUMNS, row, strict=True)]
        )
    return pd.DataFrame(values, columns=list(COLUMNS), dtype=object)


def _value(name: str, text: str, where: str) -> Any:
    if not text:
        return None
    if name in NUMERIC:
        if not _NUMBER.fullmatch(text):
            raise BadInput(f"{where}: {name} is {text!r}, not a number")
        return int(text) if text.lstrip("-").isdigit() else float(text)
    if name in {"higher_is_better", "tied_with_best"}:
        if text not in {"true", "false"}:
            raise BadInput(f"{where}: {name} is {text!r}, neither true nor false")
        return text == "true"
    return unguard(text)
