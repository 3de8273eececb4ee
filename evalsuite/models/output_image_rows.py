"""One row of a table of images: the files that it names, looked up safely and fingerprinted."""

import hashlib
import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import cast, get_args

from evalsuite.errors import BadInput
from evalsuite.images import MAX_BYTES
from evalsuite.models.output_rows import (
    Columns,
    Fields,
    OutputRow,
    index_of,
    one_of,
    shown,
    text_of,
)
from evalsuite.requests import Status

IMAGE_ENDS = (".png", ".jpg", ".jpeg", ".webp")
"""What an image may be called; what it is, its bytes say."""

IMAGE_TABLE = Columns(
    ("file_name", "folder", "id", "prompt_id", "prompt", "index", "status"),
    (("file_name", "folder"), ("id", "prompt_id", "prompt")),
    '{"file_name": "a.png", "prompt": "..."}',
)

_CONTACT_SHEET = re.compile("grid|contact", re.IGNORECASE)
_NUMBERED = re.compile("[0-9]{1,18}(?:[_-][0-9]{1,18})*", re.ASCII)
_CHUNK = 1 << 20


@dataclass(frozen=True, slots=True)
class ImageRow(OutputRow):
    """An image, or why there is none.

    Its ``text``, what it answers, is the sha256 of the file's bytes.

    Parameters
    ----------
    file : str or None
        Real path.
    name : str
        Its path within the folder, for messages.
    n_bytes : int
        Size of the file.
    """

    file: str | None = None
    name: str = ""
    n_bytes: int = 0


@dataclass(frozen=True)
class Place:
    """Where a table stands.

    Parameters
    ----------
    folder : Path
        What its file names are relative to.
    root : Path
        Real path that no image may lie outside of.
    label : str
        As of `OutputRow.place`.
    """

    folder: Path
    root: Path
    label: str


def image_rows_of(fields: Fields, *, place: Place, number: int) -> list[ImageRow]:
    """Check the columns of a row and give its images: one, or those of a folder.

    Parameters
    ----------
    fields : mapping of str to value
        By column; None and an empty text are as good as absent.
    number : int
        Of the line or row.

    Raises
    ------
    BadInput
        On a value of a wrong type, columns that do not go together, or a file that does not do.
    """
    where = f"{place.label} {number}"
    given = {n: fields[n] for n in IMAGE_TABLE.names if fields.get(n) is not None}
    texts = {n: text_of(given.get(n), n, where) for n in IMAGE_TABLE.names[:5]}
    ids = {text for n in ("id", "prompt_id") if (text := texts[n])}
    if len(ids) > 1:
        raise BadInput(f"{where}: 'id' and 'prompt_id' differ; leave one of them out")
    unit_id, prompt = next(iter(ids), None), texts["prompt"] or None
    if unit_id is None and prompt is None:
        raise BadInput(f"{where}: says neither id nor prompt; give at least one of them")
    status = one_of(given.get("status") or None, "status", get_args(Status), where) or "ok"
    row = ImageRow(
        place=place.label,
        number=number,
        id=unit_id,
        prompt=prompt,
        text=None,
        index=index_of(given.get("index"), where),
        status=cast(Status, status),
    )
    if texts["folder"]:
        if texts["file_name"] or row.index is not None or row.status != "ok":
            raise BadInput(
                f"{where}: 'folder' goes with no file_name, index or status; write a row an image"
            )
        return _rows_of_folder(row, texts["folder"], place)
    if row.status != "ok":
        return [row]
    if not texts["file_name"]:
        raise BadInput(
            f"{where}: names no image; give its file_name, or a status of refused, filtered or "
            "error"
        )
    return [_with_file(row, texts["file_name"], place)]


def _rows_of_folder(row: ImageRow, name: str, place: Place) -> list[ImageRow]:
    """The numbered images of a folder by number: ``0.png``, or ``0/0_1.png`` of seed 0."""
    found = dict[tuple[int, ...], str]()
    for inner in _images_below(_inside(name, row.where, place), row.where):
        stem = PurePosixPath(inner).stem
        if _CONTACT_SHEET.match(stem):
            continue
        label = f"{name.rstrip('/')}/{inner}"
        if not _NUMBERED.fullmatch(stem):
            raise BadInput(
                f"{row.where}: {shown(label)} has no number for a name, such as 0.png or 3_0.png; "
                "name each image in a column file_name"
            )
        parts = [*(p for p in PurePosixPath(inner).parts[:-1] if p.isdecimal()), stem]
        numbers = tuple(int(text) for part in parts for text in re.split("[_-]", part))
        if numbers in found:
            raise BadInput(
                f"{row.where}: {shown(label)} has the number of {shown(found[numbers])}; name each "
                "image in a column file_name"
            )
        found[numbers] = label
    if not found:
        raise BadInput(f"{row.where}: folder {shown(name)} holds no numbered image; correct it")
    return [_with_file(row, found[numbers], place) for numbers in sorted(found)]


def _images_below(folder: Path, where: str) -> Iterator[str]:
    if not folder.is_dir():
        raise BadInput(f"{where}: folder {shown(folder.name)} does not exist; correct the path")
    for parent, folders, files in os.walk(folder):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        for name in sorted(files):
            if name.lower().endswith(IMAGE_ENDS) and not name.startswith("."):
                yield Path(parent, name).relative_to(folder).as_posix()


def _with_file(row: ImageRow, name: str, place: Place) -> ImageRow:
    if not name.lower().endswith(IMAGE_ENDS):
        ends = ", ".join(IMAGE_ENDS)
        raise BadInput(f"{row.where}: {shown(name)} must end in one of {ends}; convert the image")
    file = _inside(name, row.where, place)
    try:
        if not file.is_file():
            what = "is no file" if file.exists() else "does not exist"
            raise BadInput(f"{row.where}: {shown(name)} {what}; correct the path")
        n_bytes, sha256 = file.stat().st_size, file_sha256(file)
    except OSError as error:
        why = error.strerror or type(error).__name__
        raise BadInput(
            f"{row.where}: {shown(name)} cannot be read ({why}); correct the path or its rights"
        ) from None
    return ImageRow(
        place=row.place,
        number=row.number,
        id=row.id,
        prompt=row.prompt,
        text=sha256,
        index=row.index,
        file=str(file),
        name=file.relative_to(place.root).as_posix(),
        n_bytes=n_bytes,
    )


def _inside(name: str, where: str, place: Place) -> Path:
    """The real path of a file or folder that a table names, which lies within its folder."""
    path = PurePosixPath(name)
    if path.is_absolute() or "\\" in name or re.match("[A-Za-z]:", name):
        raise BadInput(
            f"{where}: {shown(name)} must be a path relative to the folder, with / between names"
        )
    if ".." in path.parts:
        raise BadInput(f"{where}: {shown(name)} leaves its folder by '..'; move the image into it")
    try:
        real = Path(os.path.realpath(place.folder / path))
    except (OSError, ValueError) as error:
        raise BadInput(
            f"{where}: {shown(name)} is no path ({type(error).__name__}); correct it"
        ) from None
    if not real.is_relative_to(place.root):
        raise BadInput(
            f"{where}: {shown(name)} is a link to outside the folder; copy the image into it"
        )
    return real


def file_sha256(file: Path) -> str:
    """sha256 of the bytes of an image file, as far as they would ever be read.

    Raises
    ------
    OSError
        If it cannot be read.
    """
    hasher, left = hashlib.sha256(), MAX_BYTES + 1
    with file.open("rb") as opened:
        while left and (chunk := opened.read(min(_CHUNK, left))):
            hasher.update(chunk)
            left -= len(chunk)
    return hasher.hexdigest()
