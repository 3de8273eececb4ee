"""Tables of images that somebody already generated: which there are, their rows, their revision.

The layout is the imagefolder one of the ``datasets`` package: ``metadata.csv`` with a column
``file_name``, relative to the folder that the table stands in.
"""

import csv
import difflib
import hashlib
import json
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from evalsuite.errors import BadInput
from evalsuite.models.output_files import KINDS, READERS, check_beside, printable
from evalsuite.models.output_image_rows import (
    IMAGE_ENDS,
    IMAGE_TABLE,
    ImageRow,
    Place,
    image_rows_of,
)
from evalsuite.models.output_lines import Hash
from evalsuite.models.output_rows import shown
from evalsuite.requests import digest

_STEMS = ("metadata", "prompts")
_FIRST_LINE = 1 << 20
_ALIKE = 0.82


@dataclass(frozen=True)
class ImageTables:
    """The tables of a folder of images.

    Parameters
    ----------
    name : str
        Of the folder or file that the user named.
    root : Path
        Real path that no image may lie outside of.
    tables : tuple of (Path, Path, str)
        Each table, the folder that its file names are relative to, and what messages call it.
    """

    name: str
    root: Path
    tables: tuple[tuple[Path, Path, str], ...]


@dataclass(frozen=True)
class ImageFiles:
    """The images of a folder.

    Parameters
    ----------
    revision : str
        ``sha256:...`` of the tables and of all images that they name, in their order.
    rows : list of ImageRow
        In the order of the tables.
    """

    revision: str
    rows: list[ImageRow]


def find_tables(path: Path, elsewhere: Path | None) -> ImageTables | None:
    """Look whether a file is a table of images or a folder holds one; None where it is texts.

    A table is named ``metadata`` or ``prompts`` and has a column ``file_name`` or ``folder``, and
    none of texts. It may stand in any subfolder.

    Parameters
    ----------
    elsewhere : Path or None
        A table whose file names are relative to ``path``.

    Raises
    ------
    BadInput
        If the table that is named does not exist, or a folder has images and no table at all.
    """
    name = printable(path.name)
    if elsewhere is None:
        if _is_dir(path):
            return _tables_below(path, name)
        if path.suffix.lower() not in KINDS or _kind(path) != "images":
            return None
        return ImageTables(name, _real(path.parent), ((path, path.parent, name),))
    label = printable(elsewhere.name)
    if not _is_dir(path):
        raise BadInput(f"{name}: is no folder; with ?table= name the folder of the images")
    if not _is_file(elsewhere) or elsewhere.suffix.lower() not in KINDS:
        ends = ", ".join(KINDS)
        raise BadInput(f"{label}: there is no such table; name a file that ends in {ends}")
    return ImageTables(name, _real(path), ((elsewhere, path, label),))


def _tables_below(folder: Path, name: str) -> ImageTables | None:
    try:
        named, has_images, has_others = _walked(folder)
    except OSError as error:
        raise BadInput(f"{name}: cannot be read ({error.strerror}); see its rights") from None
    if has_images and not named and not has_others:
        raise BadInput(
            f"{name}: holds images and no table of their prompts; add metadata.csv with the "
            "columns file_name and prompt (or id), or name one with ?table=FILE"
        )
    kinds = {table: _kind(table) for table in named}
    says_so = "images" in kinds.values()
    if not says_so and (not has_images or has_others or "texts" in kinds.values()):
        return None
    # A set of prompts may lie beside them; what is called metadata has to name images.
    tables = [
        (table, table.parent, printable(table.relative_to(folder).as_posix()))
        for table, kind in kinds.items()
        if kind == "images" or (kind == "unknown" and not (says_so and _is_prompts(table)))
    ]
    root = _real(folder)
    for table, _, label in tables:
        if not _real(table).is_relative_to(root):
            raise BadInput(f"{label}: is a link to outside the folder; name it with ?table=FILE")
    return ImageTables(name, root, tuple(tables))


def _is_dir(path: Path) -> bool:
    try:
        return path.is_dir()
    except (OSError, ValueError):  # Too long for a file's name, or a NUL in it.
        return False


def _is_file(path: Path) -> bool:
    try:
        return path.is_file()
    except (OSError, ValueError):
        return False


def _is_prompts(table: Path) -> bool:
    return table.stem.lower() == "prompts"


def _real(path: Path) -> Path:
    return Path(os.path.realpath(path))


def _walked(folder: Path) -> tuple[list[Path], bool, bool]:
    """The tables that may be of images, in the order of names; are there images, other tables."""

    def fail(error: OSError) -> None:
        raise error

    named, has_images, has_others = [], False, False
    for parent, folders, files in os.walk(folder, onerror=fail):
        folders[:] = [name for name in folders if not name.startswith(".")]
        for name in files:
            stem, suffix = os.path.splitext(name.lower())  # noqa: PTH122 - of 100,000 names
            if name.startswith("."):
                continue
            has_images = has_images or suffix in IMAGE_ENDS
            if suffix in KINDS:
                is_named_so = stem in _STEMS and _is_file(Path(parent, name))
                has_others = has_others or not is_named_so
                named += [Path(parent, name)] if is_named_so else []
    return sorted(named, key=lambda table: table.as_posix()), has_images, has_others


def _kind(table: Path) -> Literal["images", "texts", "unknown"]:
    """What a table is of, going by the columns of its first row."""
    names = _first_columns(table)
    if {"text", "texts"} & set(names):
        return "texts"
    plain = [name.strip().lower()[:100] for name in names]
    wanted = ("file_name", "folder")
    is_near = any(difflib.get_close_matches(name, wanted, 1, _ALIKE) for name in plain)
    return "images" if is_near else "unknown"


def _first_columns(path: Path) -> list[str]:
    """Names of the columns; none where the file is broken: reading it will say how."""
    kind = KINDS[path.suffix.lower()]
    try:
        if not path.is_file():
            return []
        if kind == "parquet":
            return _parquet_columns(path)
        with path.open(encoding="utf-8-sig", newline="") as file:
            line = ""
            while not line.strip() and (read := file.readline(_FIRST_LINE)):
                line = read
        if kind == "csv":
            return next(csv.reader([line]), [])
        value = json.loads(line)
        return list(value) if isinstance(value, dict) else []
    # ValueError: a NUL in the name, not UTF-8, not JSON.
    except (OSError, ValueError, RecursionError, csv.Error):
        return []


def _parquet_columns(path: Path) -> list[str]:
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        with path.open("rb") as file:
            return list(pq.read_schema(file).names)
    except pa.ArrowException:
        return []


def read_images(found: ImageTables) -> ImageFiles:
    """Read the tables, and each image once for the sha256 of its bytes.

    Raises
    ------
    BadInput
        With file and line: if a row does not do, or names a file that is not there, lies outside of
        the folder, is no image by its name, or stands in another row.
    """
    rows: list[ImageRow] = []
    content: list[tuple[str, str]] = []
    seen: dict[str, ImageRow] = {}
    images = hashlib.sha256()
    for table, folder, label in found.tables:
        hasher, kind = hashlib.sha256(), KINDS[table.suffix.lower()]
        place = f"{label}, {'row' if kind == 'parquet' else 'line'}"
        try:
            for row in _rows(table, kind, label, hasher.update, Place(folder, found.root, place)):
                check_beside(row, rows)
                _check_once(row, seen)
                images.update(f"{row.text}\n".encode())
                rows.append(row)
        except OSError as error:
            why = error.strerror or type(error).__name__
            raise BadInput(f"{label}: cannot be read ({why}); see its rights") from None
        content.append((kind, hasher.hexdigest()))
    if not rows:
        raise BadInput(f"{found.name}: its tables name no image; they need a row for each")
    return ImageFiles(f"sha256:{digest(['images', content, images.hexdigest()])}", rows)


def _rows(table: Path, kind: str, label: str, update: Hash, place: Place) -> Iterator[ImageRow]:
    with table.open("rb") as file:
        for number, fields in READERS[kind](file, label, update, IMAGE_TABLE):
            yield from image_rows_of(fields, place=place, number=number)


def _check_once(row: ImageRow, seen: dict[str, ImageRow]) -> None:
    if row.file is None:
        return
    first = seen.setdefault(row.file, row)
    if first is not row:
        raise BadInput(
            f"{row.where}: {shown(row.name)} stands in {first.where} already; an image is one "
            "answer to one prompt"
        )
