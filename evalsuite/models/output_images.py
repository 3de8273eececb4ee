"""Images that somebody already generated: matched with the prompts of a run, and looked up."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from pydantic import BaseModel, ConfigDict, Field

from evalsuite.errors import BadInput
from evalsuite.images import MAX_BYTES, BadImage, is_blank, png_bytes, read_image
from evalsuite.models.capabilities import GeneratesImages, LoadedModel
from evalsuite.models.output_image_rows import ImageRow
from evalsuite.models.output_matching import Answers, Surplus, check_replicates, match_run
from evalsuite.models.output_rows import shown
from evalsuite.requests import Entrant, Request, Response

if TYPE_CHECKING:
    from evalsuite.prompts import Unit

_UNIT_BYTES = 1 << 16
_BUDGET_BYTES = 1 << 24


class ImageOutputsOptions(BaseModel):
    """What may stand behind the ``?`` of ``outputs:FOLDER`` where it holds images.

    ``table`` is a table that stands elsewhere; ``name`` stands in the row instead of the name of
    the folder. ``surplus=drop`` takes the first images where there are more than are asked.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: Annotated[str, Field(min_length=1, max_length=100)] | None = None
    table: Annotated[str, Field(min_length=1)] | None = None
    surplus: Surplus = "error"
    post_training_of: str | None = None


@dataclass(frozen=True, eq=False)
class ImageOutputsHandle:
    """The images of a folder, named and fingerprinted, not decoded.

    Parameters
    ----------
    source : str
        Name of the folder, for messages.
    answers : mapping or None
        What `for_units` found for a run's requests; None before.
    """

    entrant: Entrant
    options: ImageOutputsOptions
    source: str
    rows: Sequence[ImageRow] = field(repr=False)
    answers: Answers | None = field(default=None, repr=False)

    @property
    def capabilities(self) -> frozenset[type]:
        """Images."""
        return frozenset({GeneratesImages})

    @property
    def chosen_decoding(self) -> dict[str, object]:
        """None: decoding is of texts."""
        return {}

    def for_units(
        self,
        units: "Sequence[Unit]",
        *,
        known: "Sequence[Unit]",
        samples: int,
        replicates: int,
    ) -> "ImageOutputsHandle":
        """Find the images for all that a run asks; see `NeedsUnits`.

        Raises
        ------
        BadInput
            If rows and prompts do not fit together, or several replicates are asked for.
        """
        check_replicates(replicates, source=self.source, what="images")
        entrant, answers = match_run(
            self.entrant,
            self.rows,
            units,
            known=known,
            samples=samples,
            surplus=self.options.surplus,
            source=self.source,
        )
        return replace(self, entrant=entrant, answers=answers)

    def load(self, device: str) -> LoadedModel:
        """Make ready to answer; every device is as good.

        Raises
        ------
        BadInput
            If it is not asked for the images of a run.
        """
        if self.answers is None:
            raise BadInput(
                f"model {self.entrant.model}: images in a folder answer as the model under test "
                "(--model), and are no judge"
            )
        return OutputImages(self.answers)


class OutputImages:
    """Answers with the images of a folder; the seed changes nothing."""

    def __init__(self, answers: Answers) -> None:
        self._answers = answers

    def sizes(self, requests: Sequence[Request]) -> list[int]:
        """Each file's size, since a pack's images are in memory together."""
        rows = (self._row(request) for request in requests)
        return [1 + (row.n_bytes // _UNIT_BYTES if row else 0) for row in rows]

    @property
    def pack_budget(self) -> int:
        """Files of 16 MiB, which are some ten times as much as pixels."""
        return _BUDGET_BYTES // _UNIT_BYTES

    def generate_images(self, requests: Sequence[Request]) -> list[Response]:
        """Look each request's image up, decode it and encode it again."""
        return [self._answer(request) for request in requests]

    def _row(self, request: Request) -> ImageRow | None:
        rows = self._answers.get((request.prompt.digest, request.occurrence), ())
        row = rows[request.index] if request.index < len(rows) else None
        return row if isinstance(row, ImageRow) else None

    def _answer(self, request: Request) -> Response:
        row = self._row(request)
        if row is None:
            what = f"no image {request.index} for the prompt {shown(request.prompt.text)}"
            return Response(request.key, "error", message=f"the folder holds {what}")
        if row.status != "ok":
            return Response(request.key, row.status, message=f"so says {row.where}")
        where = f"{row.name} ({row.where})"
        try:
            image = read_image(_unchanged(row), where=where)
        except BadImage as error:
            return Response(request.key, "error", message=str(error))
        except OSError as error:
            why = error.strerror or type(error).__name__
            return Response(request.key, "error", message=f"{where}: cannot be read ({why})")
        if is_blank(image):
            return Response(request.key, "filtered", message=f"{where}: is blank")
        return Response(request.key, "ok", image=png_bytes(image))


def _unchanged(row: ImageRow) -> bytes:
    """The bytes that the entrant's revision was made of, up to one more than is decoded."""
    file = Path(row.file or "")
    if not file.is_file():  # A pipe put in its place would never end.
        raise BadImage(f"{row.name} ({row.where}): is gone since the run began")
    with file.open("rb") as opened:
        data = opened.read(MAX_BYTES + 1)
    if hashlib.sha256(data).hexdigest() != row.text:
        raise BadImage(f"{row.name} ({row.where}): was changed since the run began")
    return data
