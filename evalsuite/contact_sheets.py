"""Contact sheets: some images of a record, prompt by prompt, on one picture."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from evalsuite import atomic
from evalsuite.comparing.scored_record import open_record
from evalsuite.errors import BadInput, MissingPackage
from evalsuite.images import read_image
from evalsuite.settings import settings
from evalsuite.store import Store
from evalsuite.tables import Group, ResponseTable

if TYPE_CHECKING:
    from PIL.Image import Image

_CELL = 96
_GAP = 4
_LINE = 16
_MOST_PIXELS = 40_000_000


@dataclass(frozen=True)
class Sheet:
    """What a contact sheet shows.

    Parameters
    ----------
    n_prompts, n_images : int
        On the sheet.
    n_missing : int
        Places left empty: the image did not come, or is not in the store.
    """

    path: Path
    n_prompts: int
    n_images: int
    n_missing: int


def contact_sheet(record: str | Path, path: Path, *, prompts: int = 12, images: int = 8) -> Sheet:
    """Put images of a record on one PNG: a row a prompt, prompts spread over the set.

    Parameters
    ----------
    record : str or Path
        Folder of a record whose images are in the store of this machine.
    path : Path
        Ends with ``.png``.
    prompts, images : int
        Rows, and images in each.

    Raises
    ------
    BadInput
        If the record has no images, none of them is in the store, the sheet would be too large, or
        the file cannot be written.
    MissingPackage
        If Pillow is not installed.
    """
    if path.suffix != ".png":
        raise BadInput(f"{path}: a contact sheet is written as .png")
    table = _images_of(record)
    groups = _spread(list(table.groups()), prompts)
    width, height = images * (_CELL + _GAP) + _GAP, len(groups) * (_CELL + _LINE + _GAP) + _GAP
    if width * height > _MOST_PIXELS:
        raise BadInput(f"a contact sheet of {width} x {height} pixels is too large; show fewer")
    try:
        from PIL import Image, ImageDraw
    except ImportError:
        raise MissingPackage("images need Pillow: pip install 'evalsuite[image]'") from None
    sheet = Image.new("RGB", (width, height), "white")
    pen = ImageDraw.Draw(sheet)
    n_shown = n_missing = 0
    for place, group in enumerate(groups):
        top = _GAP + place * (_CELL + _LINE + _GAP)
        pen.text((_GAP, top), _label(group, width // 6), fill="black")
        for column, image in enumerate(_stored(group, images)):
            left = _GAP + column * (_CELL + _GAP)
            if image is None:
                n_missing += 1
                pen.rectangle((left, top + _LINE, left + _CELL, top + _LINE + _CELL), outline="red")
                continue
            n_shown += 1
            sheet.paste(_fitted(image), (left, top + _LINE))
    if not n_shown:
        raise BadInput(
            f"{record}: none of its images is in the store of this machine; "
            "run the task again, or set EVALSUITE_HOME to the folder it ran with"
        )
    with atomic.told_to_the_user("write", path), atomic.replacing(path) as temporary:
        sheet.save(temporary, format="PNG")
    return Sheet(path, len(groups), n_shown, n_missing)


def _images_of(record: str | Path) -> ResponseTable:
    for table in open_record(record).tables.values():
        capabilities = {row.request.capability for row in table.rows if row.request}
        if capabilities == {"generates_images"} and table.role == "model":
            return table
    raise BadInput(f"{record}: holds no images")


def _spread(groups: Sequence[Group], n: int) -> list[Group]:
    """At most n of the groups of the first replicate, from all over the set."""
    first = [group for group in groups if group.replicate == 0]
    n = min(n, len(first))
    return [first[i * len(first) // n] for i in range(n)]


def _label(group: Group, n_characters: int) -> str:
    text = " ".join(group.unit.prompt.text.split())
    shown = "".join(c if c.isprintable() and ord(c) < 256 else "?" for c in text)
    return shown if len(shown) <= n_characters else shown[: n_characters - 3] + "..."


def _stored(group: Group, n: int) -> "list[Image | None]":
    """The first images of a prompt; None where one did not come or is not there."""
    rows = group.rows[:n]
    own = next((row.request for row in rows if row.request), None)
    if own is None:
        return [None] * len(rows)
    folder = Store(settings().home).folder(own.capability, own.entrant)
    keys = [row.request.key for row in rows if row.status == "ok" and row.request]
    here = [key for key, is_known in zip(keys, folder.known(keys), strict=True) if is_known]
    found = {r.key: r.image for r in folder.read(here)} if here else {}
    images: list[Image | None] = []
    for row in rows:
        data = found.get(row.request.key) if row.request else None
        images.append(None if data is None else read_image(data, where=row.unit.id))
    return images


def _fitted(image: "Image") -> "Image":
    """Scaled to the cell: small drawings by whole pixels, photographs smoothly."""
    from PIL.Image import Resampling

    longest = max(image.size)
    factor = _CELL / longest
    how = Resampling.NEAREST if factor > 1 else Resampling.LANCZOS
    width, height = (max(1, round(side * factor)) for side in image.size)
    return image.resize((width, height), how)
