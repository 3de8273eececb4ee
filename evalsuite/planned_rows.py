"""Rows before they are answered: what a call asks, one request a row."""

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace

from evalsuite.models.capabilities import Capability
from evalsuite.prompts import Unit
from evalsuite.questions import ImageQuestion, Question
from evalsuite.requests import (
    Entrant,
    ImagePart,
    LabelsPart,
    Part,
    Prompt,
    Request,
    Sampling,
    TextPart,
)
from evalsuite.tables import ResponseTable, Row, RowStatus


@dataclass
class Draws:
    """What drawn answers are numbered by: seeds, and how often each prompt was asked so far."""

    seed: int
    replicates: int
    occurrences: Counter[str] = field(default_factory=Counter)

    def rows(
        self,
        capability: Capability,
        entrant: Entrant,
        units: Sequence[Unit],
        samples: int,
        sampling: Sampling | None = None,
    ) -> Iterator[Row]:
        """Ask for ``samples`` answers to each unit's prompt: by unit, replicate and sample."""
        for unit in units:
            occurrence = self.occurrences[unit.prompt.digest]
            self.occurrences[unit.prompt.digest] += 1
            for replicate in range(self.replicates):
                for index in range(samples):
                    request = Request(
                        capability=capability.name,
                        entrant=entrant,
                        prompt=unit.prompt,
                        sampling=sampling,
                        seed=self.seed + replicate,
                        index=index,
                        occurrence=occurrence,
                    )
                    yield Row(unit, replicate, index, "planned", request)


def about_texts(
    capability: Capability,
    entrant: Entrant,
    table: ResponseTable,
    text_of: Callable[[Row], str | None],
) -> Iterator[Row]:
    """Ask about a text of each row; blank ones are not asked about."""
    for row in table.rows:
        text = text_of(row)
        parts = (TextPart(text=text),) if text is not None and text.strip() else None
        yield _about(row, capability, entrant, parts)


def about_images(
    capability: Capability, entrant: Entrant, table: ResponseTable, more: tuple[Part, ...] = ()
) -> Iterator[Row]:
    """Ask about the image of each row; there is nothing to ask about where none came."""
    for row in table.rows:
        image = row.image_sha256
        parts = None if image is None else (ImagePart(sha256=image), *more)
        yield _about(row, capability, entrant, parts)


def _about(
    row: Row, capability: Capability, entrant: Entrant, parts: tuple[Part, ...] | None
) -> Row:
    if parts is None:
        status: RowStatus = "planned" if row.status == "planned" else "unasked"
        return replace(row, status=status, request=None, response=None)
    request = Request(capability.name, entrant, Prompt(parts=parts))
    return replace(row, status="planned", request=request, response=None)


def of_questions(
    capability: Capability,
    entrant: Entrant,
    questions: Sequence[Question],
    more: tuple[Part, ...] = (),
) -> Iterator[Row]:
    """Ask questions about texts."""
    for question in questions:
        request = None
        status: RowStatus = "planned" if question.is_planned else "unasked"
        if question.texts is not None:
            parts = (*(TextPart(text=text) for text in question.texts), *more)
            request = Request(capability.name, entrant, Prompt(parts=parts))
            status = "planned"
        place = (question.unit, question.replicate, question.index)
        yield Row(*place, status, request, other=question.other)


def of_image_questions(
    capability: Capability, entrant: Entrant, questions: Sequence[ImageQuestion]
) -> Iterator[Row]:
    """Ask questions about images.

    Raises
    ------
    ValueError
        If the questions about an image do not stand together, in the order of the units'
        replicates and samples, or two of them have one name.
    """
    _check_order(questions)
    for question in questions:
        image = question.image
        sha256 = None if image is None else image.image_sha256
        request = None
        is_planned = question.is_planned or (image is not None and image.status == "planned")
        status: RowStatus = "planned" if is_planned else "unasked"
        if sha256 is not None:
            parts: tuple[Part, ...] = (ImagePart(sha256=sha256), TextPart(text=question.text))
            if question.answers is not None:
                parts = (*parts, LabelsPart(labels=question.answers))
            request = Request(capability.name, entrant, Prompt(parts=parts))
            status = "planned"
        place = (question.unit, question.replicate, question.index)
        yield Row(*place, status, request, topic=question.name)


def _check_order(questions: Sequence[ImageQuestion]) -> None:
    ranks: dict[str, int] = {}
    before = (-1, 0, 0)
    names: set[str] = set()
    for question in questions:
        rank = ranks.setdefault(question.unit.id, len(ranks))
        place = (rank, question.replicate, question.index)
        where = f"unit {question.unit.id}, sample {question.index}"
        if place < before:
            raise ValueError(
                f"answer: {where} comes after questions about a later sample; ask all questions "
                "about an image one after the other, as questions.about_images does"
            )
        names = names if place == before else set()
        if question.name in names:
            raise ValueError(f"answer: {where} has two questions of the name {question.name!r}")
        names.add(question.name)
        before = place
