"""Diversity of the answers to one prompt, averaged over prompts."""

from collections import defaultdict
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from evalsuite.measures import FeatureSet, KernelMeasure, MeanMeasure, Measure, MeasureRow
from evalsuite.metrics.vendi import vendi_scores_by_set
from evalsuite_tasks.vendi.answers import Answers
from evalsuite_tasks.vendi.measures import ORDERS

if TYPE_CHECKING:
    from evalsuite_tasks.vendi.task import VendiOptions

NAME = "within_prompt_vendi"


def within_prompt_measures(prompts: Sequence[Answers], options: "VendiOptions") -> list[Measure]:
    """Two measures that compare over sample sizes, and the plain scores of every order."""
    sets = tuple(_feature_set(own) for own in prompts)
    scores = _plain_scores(prompts)
    first = list(ORDERS).index("q1")
    return [
        KernelMeasure(f"{NAME}_2u", sets, order=2),
        KernelMeasure(f"{NAME}_1_at_n", sets, order=1, size=options.vendi_n),
        *(
            MeanMeasure(f"{NAME}_{end}", _rows(prompts, scores[:, column]))
            for column, end in enumerate(ORDERS)
        ),
        MeanMeasure(f"{NAME}_share", _rows(prompts, scores[:, first] / _sizes(prompts))),
        MeanMeasure("quality_weighted_vendi", _weighted_rows(prompts, scores[:, first])),
    ]


def _feature_set(own: Answers) -> FeatureSet:
    unit = own.unit
    return FeatureSet(unit.id, unit.cluster, unit.stratum, own.replicate, own.features, own.n_asked)


def _sizes(prompts: Sequence[Answers]) -> NDArray[np.float64]:
    return np.array([max(len(own.features), 1) for own in prompts], dtype=np.float64)


def _plain_scores(prompts: Sequence[Answers]) -> NDArray[np.float64]:
    """Scores of each prompt, a column an order; NaN with fewer than two usable answers."""
    orders = tuple(ORDERS.values())
    scores = np.full((len(prompts), len(orders)), np.nan)
    by_size: dict[int, list[int]] = defaultdict(list)
    for place, own in enumerate(prompts):
        by_size[len(own.features)].append(place)
    for size, places in by_size.items():
        if size >= 2:
            stack = np.stack([prompts[place].features for place in places])
            scores[places] = vendi_scores_by_set(stack, orders=orders)
    return scores


def _rows(prompts: Sequence[Answers], values: NDArray[np.float64]) -> tuple[MeasureRow, ...]:
    return tuple(
        MeasureRow(
            unit=own.unit.id,
            cluster=own.unit.cluster,
            stratum=own.unit.stratum,
            replicate=own.replicate,
            value=None if np.isnan(value) else float(value),
            is_partial=own.is_partial,
        )
        for own, value in zip(prompts, values, strict=True)
    )


def _weighted_rows(
    prompts: Sequence[Answers], scores: NDArray[np.float64]
) -> tuple[MeasureRow, ...]:
    """Mean rating x score; missing where an answer has no rating or one below 0."""
    quality = [
        float(np.mean(own.ratings)) if own.ratings and min(own.ratings) >= 0 else np.nan
        for own in prompts
    ]
    return _rows(prompts, scores * np.array(quality))
