"""Shares of answers that were cut, refused or blank: what makes diversity numbers misleading."""

import re
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

from evalsuite.measures import MeasureRow, ProportionMeasure
from evalsuite.metrics import kirk_tokens
from evalsuite.tables import ResponseTable, Row

if TYPE_CHECKING:
    from evalsuite_tasks.rlhf_diversity.task import RlhfDiversityOptions

# Openings that only a refusal has. A heuristic: it knows English, and it is a rate to look at, not
# a filter; a refusal in words stays an answer.
_REFUSAL = re.compile(
    r"\W*(?:(?:i['’]?m|i am) (?:(?:very |so |really )?sorry,? but (?:i|as|that)\b"
    r"|(?:unable|not able) to\b)"
    r"|(?:sorry|unfortunately),? (?:but )?i (?:can(?:no|['’])t|am unable|['’]?m unable)\b"
    r"|i (?:can(?:no|['’])t|can not|won['’]t|will not) (?:help|assist|provide|answer|fulfil|comply"
    r"|do that|write|create|continue|generate|engage|support|discuss)"
    r"|i (?:must|have to) (?:respectfully )?decline\b"
    r"|i apologi[sz]e,? but\b"
    r"|as an (?:ai|artificial intelligence)\b)",
    re.IGNORECASE,
)


def is_refusal(text: str) -> bool:
    """Whether a text opens as an English refusal.

    >>> is_refusal("I'm sorry, but I cannot do that."), is_refusal("I can't believe it rained!")
    (True, False)
    """
    return _REFUSAL.match(text) is not None


def rate_measures(
    outputs: ResponseTable, embeddings: ResponseTable, options: "RlhfDiversityOptions"
) -> list[ProportionMeasure]:
    """One row an answer; an answer that did not come is missing, not a no."""

    def is_short(row: Row) -> bool | None:
        return None if row.text is None else len(kirk_tokens(row.text)) < options.matched_length

    return [
        ProportionMeasure("truncation_rate", tuple(_rows(outputs, _is_truncated))),
        ProportionMeasure("refusal_rate", tuple(_rows(outputs, _is_refused))),
        ProportionMeasure("empty_rate", tuple(_rows(outputs, _is_blank))),
        ProportionMeasure("short_answer_rate", tuple(_rows(outputs, is_short))),
        ProportionMeasure("embedding_cut_rate", tuple(_rows(embeddings, _is_cut))),
    ]


def _is_cut(row: Row) -> bool | None:
    if row.response is None or row.status != "ok":
        return None
    return row.response.finish == "length"


def _is_truncated(row: Row) -> bool | None:
    """As `_is_cut`; not known where nobody said how the answer ended."""
    is_silent = row.response is None or row.response.finish is None
    return None if is_silent else _is_cut(row)


def _is_refused(row: Row) -> bool | None:
    if row.status == "refused":
        return True
    return None if row.text is None else is_refusal(row.text)


def _is_blank(row: Row) -> bool | None:
    return None if row.text is None else not row.text.strip()


def _rows(outputs: ResponseTable, asks: Callable[[Row], bool | None]) -> Iterator[MeasureRow]:
    for row in outputs.rows:
        found = asks(row)
        yield MeasureRow(
            unit=row.unit.id,
            cluster=row.unit.cluster,
            stratum=row.unit.stratum,
            replicate=row.replicate,
            index=row.index,
            value=None if found is None else float(found),
        )
