"""Hand-made tables of a model's answers and a judge's, for tests of trimming and pairing."""

from collections.abc import Mapping, Sequence

from evalsuite.prompts import Unit
from evalsuite.requests import Entrant, Prompt, Request, Response, Sampling
from evalsuite.tables import ResponseTable, Row, Tables

ENTRANT = Entrant(model="m", backend="b", revision="1")
JUDGE = Entrant(model="j", backend="b", revision="1")
Place = tuple[str, int]


def answer_tables(
    answers: Mapping[Place, Sequence[str | None]],
    *,
    judge: bool = True,
    failed: Sequence[tuple[str, int, int]] = (),
) -> Tables:
    """Answers by unit and replicate; None is a refusal.

    Parameters
    ----------
    judge : bool
        Whether there is one; without, no row of its table was asked.
    failed : sequence of (unit, replicate, index)
        Answers that the judge made an error of.
    """
    outputs, verdicts = [], []
    for (name, replicate), texts in answers.items():
        unit = Unit(id=name, prompt=Prompt.of_text(name), stratum=name[0], cluster=name)
        for index, text in enumerate(texts):
            ask = Request(
                "generates_text",
                ENTRANT,
                unit.prompt,
                Sampling(),
                index=index,
                seed=replicate,
            )
            status = "refused" if text is None else "ok"
            came = Response(ask.key, status, text=text)
            outputs.append(Row(unit, replicate, index, status, ask, came))
            if not judge or text is None or not text.strip():
                verdicts.append(Row(unit, replicate, index, "unasked"))
                continue
            ask = Request("embeds_text", JUDGE, Prompt.of_text(text))
            status = "error" if (name, replicate, index) in failed else "ok"
            verdicts.append(Row(unit, replicate, index, status, ask, Response(ask.key, status)))

    def unread(keys: Sequence[bytes]) -> None:
        raise AssertionError("no payload is read")

    return Tables(
        outputs=ResponseTable("model", outputs, unread),  # type: ignore[arg-type]
        verdicts=ResponseTable("judge", verdicts, unread),  # type: ignore[arg-type]
    )


def kept(tables: Tables, table: str = "outputs") -> dict[Place, list[int]]:
    """The samples of each unit and replicate that a table holds, in its order."""
    found: dict[Place, list[int]] = {}
    for row in tables[table].rows:
        found.setdefault((row.unit.id, row.replicate), []).append(row.index)
    return found
