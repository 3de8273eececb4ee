"""What somebody already generated, say with a closed model: ``outputs:FILE`` or a folder.

As the model under test, texts and images answer the prompts that they were made for. Where rewards
stand beside texts, they are also a judge that rates exactly these texts.
"""

import os
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from pydantic import Field

from evalsuite.errors import BadInput
from evalsuite.models.capabilities import GeneratesText, LoadedModel, RatesText
from evalsuite.models.decoding_options import DecodingOptions
from evalsuite.models.listing import ModelListing
from evalsuite.models.model_packages import INSTALL_IMAGE, require_packages
from evalsuite.models.output_files import read_output_files
from evalsuite.models.output_image_tables import ImageTables, find_tables, read_images
from evalsuite.models.output_images import ImageOutputsHandle, ImageOutputsOptions
from evalsuite.models.output_matching import Answers, Surplus, check_replicates, match_run
from evalsuite.models.output_rewards import OutputRewards
from evalsuite.models.output_rows import OutputRow, shown
from evalsuite.models.spec import ModelSpec
from evalsuite.requests import Decoding, Entrant, Request, Response, TextPart

if TYPE_CHECKING:
    from evalsuite.prompts import Unit

_ROLES = (
    "texts in a file answer as the model under test (--model); as a judge they can only rate, "
    "where they have rewards"
)


class OutputsOptions(DecodingOptions):
    """What may stand behind the ``?`` of ``outputs:...``.

    The decoding is a statement: how the texts were made. ``name`` stands in the row instead of the
    name of the file. ``surplus=drop`` takes the first answers where there are more than are asked.
    """

    name: Annotated[str, Field(min_length=1, max_length=100)] | None = None
    surplus: Surplus = "error"
    post_training_of: str | None = None


@dataclass(frozen=True, eq=False)
class OutputsHandle:
    """The texts of a file, read and checked.

    Parameters
    ----------
    source : str
        Name of the file or folder, for messages.
    answers : mapping or None
        What `for_units` found for a run's requests; None before.
    """

    entrant: Entrant
    options: OutputsOptions
    source: str
    rows: Sequence[OutputRow] = field(repr=False)
    answers: Answers | None = field(default=None, repr=False)

    @property
    def capabilities(self) -> frozenset[type]:
        """Texts; ratings too where there are rewards, until it is the model under test."""
        has_rewards = any(row.reward is not None for row in self.rows)
        rates = has_rewards and self.answers is None
        return frozenset({GeneratesText, RatesText} if rates else {GeneratesText})

    @property
    def chosen_decoding(self) -> dict[str, object]:
        """The decoding that the user states."""
        return self.options.chosen()

    def for_units(
        self,
        units: "Sequence[Unit]",
        *,
        known: "Sequence[Unit]",
        samples: int,
        replicates: int,
    ) -> "OutputsHandle":
        """Find the answers to all that a run asks; see `NeedsUnits`.

        Raises
        ------
        BadInput
            If rows and prompts do not fit together, or several replicates are asked for.
        """
        check_replicates(replicates, source=self.source, what="texts")
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
            If it is asked for neither the texts of a run nor ratings, or its rewards do not do.
        """
        if self.answers is not None:
            return OutputTexts(self.answers)
        if RatesText not in self.capabilities:
            raise BadInput(f"model {self.entrant.model}: {_ROLES}")
        return OutputRatings(OutputRewards(self.rows))


class OutputsBackend:
    """Opens ``outputs:FILE`` and ``outputs:FOLDER``."""

    def open(
        self, spec: ModelSpec, *, offline: bool, home: Path, trusted: frozenset[str] = frozenset()
    ) -> OutputsHandle | ImageOutputsHandle:
        """Read the files: images where a table of them is there, else texts.

        Raises
        ------
        BadInput
            If there are none or something in them does not do, with its line; or an option.
        """
        # An @ is part of a file's name: files have no revisions but their content.
        path = _absolute(str(spec).partition(":")[2])
        elsewhere = next((value for name, value in spec.options if name == "table"), None)
        tables = find_tables(path, None if elsewhere is None else _absolute(elsewhere))
        if tables:
            return _open_images(spec, path, tables)
        options = spec.read_options(OutputsOptions)
        name = _row_name(path, options.name)
        found = read_output_files(path)
        chosen = options.chosen()
        entrant = Entrant(
            model=f"outputs:{name}",
            backend="outputs",
            revision=found.revision,
            settings=(("surplus", "drop"),) if options.surplus == "drop" else (),
            decoding=Decoding.model_validate(chosen) if chosen else None,
            post_training_of=options.post_training_of,
        )
        return OutputsHandle(entrant, options, found.name, found.rows)

    def describe(self) -> list[ModelListing]:
        """The one kind of name."""
        return [
            ModelListing(
                name="outputs:FILE or outputs:FOLDER",
                capabilities=("generates_text", "generates_images", "rates_text"),
                summary="what somebody already generated: texts (JSON Lines, CSV, Parquet), or a "
                "folder of images with a table",
                installed=True,
                install=None,
            )
        ]


backend = OutputsBackend()


def _open_images(spec: ModelSpec, path: Path, tables: ImageTables) -> ImageOutputsHandle:
    options = spec.read_options(ImageOutputsOptions)
    require_packages(f"outputs:{shown(path.name)}", "pillow", install=INSTALL_IMAGE)
    name = _row_name(path, options.name)
    found = read_images(tables)
    entrant = Entrant(
        model=f"outputs:{name}",
        backend="outputs",
        revision=found.revision,
        settings=(("surplus", "drop"),) if options.surplus == "drop" else (),
        post_training_of=options.post_training_of,
    )
    return ImageOutputsHandle(entrant, options, tables.name, found.rows)


def _row_name(path: Path, chosen: str | None) -> str:
    """What the row is called."""
    name = path.name if chosen is None else chosen
    if not name.strip() or not name.isprintable():
        raise BadInput(
            f"model outputs: {shown(name)} is no name for a row; give one with ?name=..."
        )
    return name


def _absolute(name: str) -> Path:
    """A path whose last component is a name, and not ``..`` or nothing."""
    try:
        return Path(os.path.normpath(Path(name).expanduser().absolute()))
    except RuntimeError:
        raise BadInput(f"model outputs:{name}: no such user's home; write the whole path") from None


class _Lookup:
    """What both roles have in common: nothing is computed."""

    def sizes(self, requests: Sequence[Request]) -> list[int]:
        """1 each."""
        return [1] * len(requests)

    @property
    def pack_budget(self) -> int:
        """So much that writing packs takes longer than cutting them."""
        return 1 << 24


class OutputTexts(_Lookup):
    """Answers with the texts of a file; the seed changes nothing."""

    def __init__(self, answers: Answers) -> None:
        self._answers = answers

    def generate_text(self, requests: Sequence[Request]) -> list[Response]:
        """Look each request's answer up."""
        return [self._answer(request) for request in requests]

    def _answer(self, request: Request) -> Response:
        rows = self._answers.get((request.prompt.digest, request.occurrence), ())
        if request.index >= len(rows):
            what = f"no answer {request.index} to the prompt {shown(request.prompt.text)}"
            return Response(request.key, "error", message=f"the files hold {what}")
        row = rows[request.index]
        if row.status != "ok":
            return Response(request.key, row.status, message=f"so says {row.where}")
        return Response(request.key, "ok", text=row.text, finish=row.finish)


class OutputRatings(_Lookup):
    """Rates the texts of a file with the rewards that stand beside them."""

    def __init__(self, rewards: OutputRewards) -> None:
        self._rewards = rewards

    def rate_text(self, requests: Sequence[Request]) -> list[Response]:
        """Look each answer's reward up; one that the file does not have is filtered."""
        return [self._rate(request) for request in requests]

    def _rate(self, request: Request) -> Response:
        texts = [part.text for part in request.prompt.parts if isinstance(part, TextPart)]
        reward = self._rewards.find(*texts) if len(texts) == 2 else None
        if reward is None:
            why = "the files hold no reward for this answer to this prompt"
            return Response(request.key, "filtered", message=why)
        return Response(request.key, "ok", scores=(reward,))
