"""What judges are asked about answers: about one of them, or about a pair."""

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
