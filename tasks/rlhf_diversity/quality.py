"""Quality beside diversity: what is left of it among answers that are good enough."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from evalsuite.measures import MeanMeasure, Measure, MeasureRow, ProportionMeasure
from evalsuite.metrics import effective_diversity
from evalsuite.tables import Row, Tables
from evalsuite_tasks.rlhf_diversity.answers import Answers
from evalsuite_tasks.rlhf_diversity.per_input import row_of

if TYPE_CHECKING:
    from evalsuite_tasks.rlhf_diversity.task import RlhfDiversityOptions


def quality_measures(
    prompts: Sequence[Answers], tables: Tables, options: "RlhfDiversityOptions"
) -> list[Measure]:
    """Mean rating, share that passes the threshold, and diversity between those that do."""
    bar = options.quality_threshold
    return [
        MeanMeasure("quality_mean", tuple(rating_rows(tables))),
        pass_rate(tables, bar),
        MeanMeasure("effective_sbert", tuple(effective_row(own, bar) for own in prompts)),
    ]


def rating_rows(tables: Tables) -> Iterator[MeasureRow]:
    """The rating of every answer; missing where there is no judge, or it gave none."""
    ratings = tables.get("ratings")
    found = {} if ratings is None else {_place(row): row.scores for row in ratings.rows}
    for row in tables.outputs.rows:
        scores = found.get(_place(row))
        unit, value = row.unit, None if scores is None else scores[0]
        yield MeasureRow(unit.id, unit.cluster, unit.stratum, row.replicate, value, row.index)


def pass_rate(tables: Tables, threshold: float) -> ProportionMeasure:
    """Share of the answers that are rated the threshold or more."""
    rows = (
        row if row.value is None else replace(row, value=float(row.value >= threshold))
        for row in rating_rows(tables)
    )
    return ProportionMeasure("quality_pass_rate", tuple(rows))


def effective_row(own: Answers, threshold: float) -> MeasureRow:
    """Effective semantic diversity of one prompt; missing with fewer than two rated answers."""
    vectors, ratings, _ = own.rated
    n = len(ratings)
    if n < 2:
        return row_of(own, None, is_partial=True)
    value = effective_diversity(vectors, ratings, threshold=threshold)
    return row_of(own, value, is_partial=n < own.n_asked)


def _place(row: Row) -> tuple[str, int, int]:
    return row.unit.id, row.replicate, row.index


def thresholds_of(prompts: Sequence[Answers], n: int) -> list[float]:
    """Quantiles of all ratings, the least first: every rating passes the first of them."""
    ratings = np.concatenate([own.ratings for own in prompts])
    known = ratings[~np.isnan(ratings)]
    return np.quantile(known, np.arange(n) / n).tolist() if known.size else []
