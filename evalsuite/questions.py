"""What judges are asked about answers: about one of them, about a pair, about an image."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from itertools import permutations

from evalsuite.prompts import Unit
from evalsuite.tables import ResponseTable, Row

Texts = tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Question:
    """Texts to be judged together, and the sample or pair of samples that they are about.

    Parameters
    ----------
    texts : tuple of str, or None
        In the order in which the judge reads them; None where there is nothing to ask about.
    other : int or None
        The second sample of a pair.
    is_planned : bool
        In a dry run: the texts are not there yet.
    """

    unit: Unit
    replicate: int
    index: int
    texts: Texts | None
    other: int | None = None
    is_planned: bool = False


@dataclass(frozen=True, slots=True)
class ImageQuestion:
    """A question about the image of one row.

    Parameters
    ----------
    image : Row or None
        A row of a table of images; None where there is nothing to ask about, as where the image of
        the row did not come.
    text : str
        The question.
    answers : tuple of str, or None
        The closed set that the judge chooses from; None for an answer in free words.
    name : str
        Which question of the unit this is: the ``topic`` of the row that answers it.
    is_planned : bool
        In a dry run: the image is not there yet.
    """

    unit: Unit
    replicate: int
    index: int
    image: Row | None
    text: str
    answers: tuple[str, ...] | None
    name: str
    is_planned: bool = False


def about_answers(table: ResponseTable) -> list[Question]:
    """Ask about every answer next to its prompt, as a reward model reads them."""
    return [
        Question(
            unit=row.unit,
            replicate=row.replicate,
            index=row.index,
            texts=(row.unit.prompt.text, row.text) if row.text and row.text.strip() else None,
            is_planned=row.status == "planned",
        )
        for row in table.rows
    ]


def about_images(
    table: ResponseTable, ask: Callable[[Row], Iterable[tuple[str, str, tuple[str, ...] | None]]]
) -> list[ImageQuestion]:
    """Ask about every image, all questions about one image after the other.

    Parameters
    ----------
    ask : callable
        Gives of a row the name, text and closed set (or None) of each question; also of a row whose
        image did not come, so that its questions stand in the answers as unasked.
    """
    return [
        ImageQuestion(
            unit=row.unit,
            replicate=row.replicate,
            index=row.index,
            image=row if row.image_sha256 is not None else None,
            text=text,
            answers=answers,
            name=name,
            is_planned=row.status == "planned",
        )
        for row in table.rows
        for name, text, answers in ask(row)
    ]


def about_pairs(table: ResponseTable, ask: Callable[[Row, Row], Iterable[Texts]]) -> list[Question]:
    """Ask about every ordered pair of the answers to a prompt; none where one did not come.

    Parameters
    ----------
    ask : callable
        Gives the texts of one question or of several about a pair of rows.
    """
    questions = []
    for group in table.groups():
        for one, other in permutations(group.rows, 2):
            place = (group.unit, group.replicate, one.index)
            if "planned" in (one.status, other.status):
                questions.append(Question(*place, None, other.index, is_planned=True))
            elif all(row.text and row.text.strip() for row in (one, other)):
                questions += [Question(*place, texts, other.index) for texts in ask(one, other)]
            else:
                questions.append(Question(*place, None, other.index))
    return questions
