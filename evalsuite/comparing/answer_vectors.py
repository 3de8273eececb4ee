"""The vectors of a model's answers, found among the tables of a record by what was embedded."""

from dataclasses import dataclass

from evalsuite.errors import BadInput
from evalsuite.requests import ImagePart, Part, TextPart
from evalsuite.tables import ResponseTable, Row, Tables

_EMBEDDED = {("embeds_text", "generates_text"), ("embeds_images", "generates_images")}


@dataclass(frozen=True)
class AnswerVectors:
    """The table of a record whose vectors are of its answers, and the table of those answers."""

    name: str
    vectors: ResponseTable
    answers: ResponseTable

    def by_unit(self) -> dict[str, list[Row]]:
        """The rows with a vector of each unit, of all replicates."""
        rows: dict[str, list[Row]] = {row.unit.id: [] for row in self.vectors.rows}
        for row in self.vectors.rows:
            if row.status == "ok":
                rows[row.unit.id].append(row)
        return rows


def answer_vectors(tables: Tables, source: str, table: str | None = None) -> AnswerVectors:
    """Find the vectors of the model's answers among the tables of a record.

    A task may embed other texts too, such as its prompts. So each request of the table must be
    about the very text or image that the model answered at its place, whatever the table is called.

    Parameters
    ----------
    tables : Tables
    source : str
        What an error names.
    table : str, optional
        Only this one will do.

    Raises
    ------
    BadInput
        If there is no such table, or there are several of different requests.
    """
    found = [
        AnswerVectors(name, own, answers)
        for name, own in tables.items()
        if table in (None, name)
        for answers in tables.values()
        if (*_asks(own), *_asks(answers)) in _EMBEDDED and _is_about(own, answers)
    ]
    if not found and table is not None:
        raise BadInput(
            f"{source}: has no table {table!r} of embeddings of its answers; its tables are "
            + ", ".join(tables)
        )
    if not found:
        raise BadInput(
            f"{source}: holds no embeddings of its answers; run the task with an embedder "
            "(--judge embedder=MODEL)"
        )
    if any(_keys(own.vectors) != _keys(found[0].vectors) for own in found):
        names = ", ".join(sorted({own.name for own in found}))
        raise BadInput(
            f"{source}: several tables hold embeddings of its answers: {names}; choose one with "
            "--table"
        )
    return found[0]


def _asks(table: ResponseTable) -> set[str]:
    """What the requests of a table ask a model to do."""
    return {row.request.capability for row in table.rows if row.request is not None}


def _keys(table: ResponseTable) -> list[bytes | None]:
    return [None if row.request is None else row.request.key for row in table.rows]


def _is_about(table: ResponseTable, answers: ResponseTable) -> bool:
    """Whether every request of a table is about what was answered at its place."""
    shown = {(row.unit.id, row.replicate, row.index): _parts(row) for row in answers.rows}
    return all(
        row.other is None
        and row.request.prompt.parts == shown.get((row.unit.id, row.replicate, row.index))
        for row in table.rows
        if row.request is not None
    )


def _parts(row: Row) -> tuple[Part, ...] | None:
    """How an embedder is shown an answer."""
    if row.image_sha256 is not None:
        return (ImagePart(sha256=row.image_sha256),)
    return None if row.text is None else (TextPart(text=row.text),)
