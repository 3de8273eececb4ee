"""One answer that stands in a file: what a row may say, and what is wrong with one that may not."""

import difflib
import math
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import cast, get_args

from evalsuite.errors import BadInput
from evalsuite.requests import Finish, Status

COLUMNS = ("id", "prompt", "text", "texts", "index", "status", "finish", "reward", "rewards")
"""Names that mean something; others are the user's own and are left alone."""


@dataclass(frozen=True)
class Columns:
    """The columns of a kind of table.

    Parameters
    ----------
    names : tuple of str
        Those that mean something.
    either : tuple of tuples of str
        Of each, at least one must be there.
    example : str
        A row, for messages.
    """

    names: tuple[str, ...]
    either: tuple[tuple[str, ...], ...]
    example: str


TEXT_TABLE = Columns(COLUMNS, (("text", "texts"), ("id", "prompt")), '{"id": "a1", "text": "..."}')
"""A table of texts; the tables of images have their own."""

MOST_CHARACTERS = 20_000
"""Longest text of an answer."""

MOST_ROWS = 10_000_000
"""Most answers of a file or folder; an index is below it."""

_ALONE = ("index", "status", "finish", "reward")
_ALIKE = 0.82
_SHOWN = 60

Fields = Mapping[str, object]


@dataclass(frozen=True, slots=True)
class OutputRow:
    """An answer, or why there is none.

    Parameters
    ----------
    place, number : str, int
        Where it stands: ``samples.jsonl, line`` and 3.
    id, prompt : str or None
        What it answers; at least one of them.
    text : str or None
        None only where the status is not ``ok``.
    index : int or None
        Its number among the answers to its prompt.
    reward : float or None
        What somebody's judge gave it.
    """

    place: str
    number: int
    id: str | None
    prompt: str | None
    text: str | None
    index: int | None = None
    status: Status = "ok"
    finish: Finish | None = None
    reward: float | None = None

    @property
    def where(self) -> str:
        """Where it stands, for messages."""
        return f"{self.place} {self.number}"


def check_columns(names: Collection[str], *, where: str, table: Columns = TEXT_TABLE) -> None:
    """Refuse a name that looks like a mistyped column; any other name may stand.

    Raises
    ------
    BadInput
        Also where no column holds the answers or what they answer.

    Examples
    --------
    >>> check_columns(["id", "text", "latency"], where="a.csv, line 1")
    >>> check_columns(["id", "text", "stauts"], where="a.csv, line 1")
    Traceback (most recent call last):
    evalsuite.errors.BadInput: a.csv, line 1: column 'stauts': did you mean 'status'? Rename it
    """
    for name in names:
        if name in table.names:
            continue
        plain = name.strip().lower()[:_SHOWN]
        near = difflib.get_close_matches(plain, table.names, n=1, cutoff=_ALIKE)
        if near:
            raise BadInput(f"{where}: column {shown(name)}: did you mean {near[0]!r}? Rename it")
    for either in table.either:
        if not any(name in names for name in either):
            neither = " nor ".join(map(repr, either))
            raise BadInput(
                f"{where}: has neither {neither}, only {_listed(names)}; name the column so"
            )


def rows_of(fields: Fields, *, place: str, number: int) -> list[OutputRow]:
    """Check the columns of a row and give its answers: one, or as many as ``texts`` holds.

    Parameters
    ----------
    fields : mapping of str to value
        By column; None is as good as absent.
    place, number : str, int
        As in `OutputRow`.

    Raises
    ------
    BadInput
        On a value of a wrong type or range, or columns that do not go together.
    """
    where = f"{place} {number}"
    given = {name: fields[name] for name in COLUMNS if fields.get(name) is not None}
    unit_id = text_of(given.get("id"), "id", where)
    prompt = text_of(given.get("prompt"), "prompt", where)
    if unit_id is None and prompt is None:
        raise BadInput(f"{where}: says neither id nor prompt; give at least one of them")
    row = OutputRow(place, number, unit_id, prompt, None)
    return _several(given, row) if "texts" in given else [_single(given, row)]


def _single(given: Fields, row: OutputRow) -> OutputRow:
    where = row.where
    if "rewards" in given:
        raise BadInput(f"{where}: 'rewards' goes with 'texts'; name the one of 'text' 'reward'")
    status = one_of(given.get("status"), "status", get_args(Status), where) or "ok"
    finish = one_of(given.get("finish"), "finish", get_args(Finish), where)
    text = _answer(given.get("text"), "text", where)
    if text is None and status == "ok":
        raise BadInput(
            f"{where}: has no text; give one (in a CSV an empty one with status ok), or a status "
            "of refused, filtered or error"
        )
    return OutputRow(
        place=row.place,
        number=row.number,
        id=row.id,
        prompt=row.prompt,
        text=text,
        index=index_of(given.get("index"), where),
        status=cast(Status, status),
        finish=cast(Finish | None, finish),
        reward=_reward(given.get("reward"), "reward", where),
    )


def _several(given: Fields, row: OutputRow) -> list[OutputRow]:
    where = row.where
    wrong = [name for name in ("text", *_ALONE) if name in given]
    if wrong:
        raise BadInput(
            f"{where}: {wrong[0]!r} does not go with 'texts'; write a row an answer, with 'text'"
        )
    texts, rewards = _list(given["texts"], "texts", where), given.get("rewards")
    if not texts:
        raise BadInput(f"{where}: 'texts' is empty; leave the row out, or write a text")
    marks = [None] * len(texts) if rewards is None else _list(rewards, "rewards", where)
    if len(marks) != len(texts):
        raise BadInput(f"{where}: {len(marks)} rewards for {len(texts)} texts; give one a text")
    rows = []
    for i, (value, mark) in enumerate(zip(texts, marks, strict=True)):
        text = _answer(value, f"texts[{i}]", where)
        if text is None:
            raise BadInput(
                f"{where}: texts[{i}] is null; write a row an answer, with 'text' and 'status'"
            )
        reward = _reward(mark, f"rewards[{i}]", where)
        rows.append(OutputRow(row.place, row.number, row.id, row.prompt, text, reward=reward))
    return rows


def _list(value: object, name: str, where: str) -> list[object]:
    if not isinstance(value, list):
        raise BadInput(f"{where}: {name!r} must be a list, not {shown(value)}")
    return value


def text_of(value: object, name: str, where: str) -> str | None:
    """Check a text; None stays None.

    Raises
    ------
    BadInput
    """
    if value is None:
        return None
    if not isinstance(value, str):
        raise BadInput(f"{where}: {name!r} must be a text, not {shown(value)}; put it in quotes")
    if "\0" in value:
        raise BadInput(f"{where}: {name!r} holds a NUL character; remove it")
    try:
        value.encode()
    except UnicodeEncodeError as error:
        raise BadInput(
            f"{where}: {name!r} holds half a character ({value[error.start]!a}, a lone surrogate, "
            f"at character {error.start + 1}); write the whole one, or U+FFFD"
        ) from None
    return value


def _answer(value: object, name: str, where: str) -> str | None:
    text = text_of(value, name, where)
    if text is not None and len(text) > MOST_CHARACTERS:
        raise BadInput(
            f"{where}: {name!r} has {len(text):,} characters, and {MOST_CHARACTERS:,} is the most; "
            "cut it and write finish 'length'"
        )
    return text


def one_of(value: object, name: str, known: tuple[str, ...], where: str) -> str | None:
    """Check one of a few words; None stays None.

    Raises
    ------
    BadInput
    """
    if value is None or (isinstance(value, str) and value in known):
        return value
    raise BadInput(f"{where}: {name!r} must be {_or(known)}, not {shown(value)}")


def index_of(value: object, where: str) -> int | None:
    """Check the number of a sample; None stays None.

    Raises
    ------
    BadInput
    """
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value < MOST_ROWS:
        raise BadInput(f"{where}: 'index' must be a whole number from 0, not {shown(value)}")
    return value


def _reward(value: object, name: str, where: str) -> float | None:
    if value is None:
        return None
    try:
        number = math.nan if isinstance(value, bool) else float(value)  # type: ignore[arg-type]
    except (TypeError, ValueError, OverflowError):
        number = math.nan
    if isinstance(value, str) or not math.isfinite(number):
        raise BadInput(
            f"{where}: {name!r} must be a finite number, not {shown(value)}; leave it out where "
            "there is none"
        )
    return number


def _or(words: tuple[str, ...]) -> str:
    return ", ".join(words[:-1]) + " or " + words[-1]


def _listed(names: Collection[str]) -> str:
    some = [shown(name) for name in names][:10]
    return ", ".join(some) + (" ..." if len(names) > len(some) else "") if some else "nothing"


def shown(value: object) -> str:
    """A value as a message may hold it: on one line, without control characters, short.

    >>> shown("a" * 100) == repr("a" * 60)[:-1] + "...'"
    True
    """
    if isinstance(value, str):
        return repr(value if len(value) <= _SHOWN else value[:_SHOWN] + "...")
    try:
        text = repr(value)
    except (ValueError, RecursionError):  # An integer of over 4300 digits; a list far too deep.
        return type(value).__name__
    return text if len(text) <= _SHOWN else text[:_SHOWN] + "..."
