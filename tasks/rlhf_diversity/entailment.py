"""NLI diversity: whether answers to one prompt follow from each other or contradict."""

import zlib
from collections import defaultdict
from collections.abc import Mapping, Sequence
from itertools import permutations
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from evalsuite.measures import MeanMeasure, MeasureRow
from evalsuite.metrics import (
    NLI_LABELS,
    NLI_RANGES,
    NliVariant,
    nli_diversity,
    nli_diversity_of_sentences,
    sampled_sentence_pairs,
)
from evalsuite.questions import Question, about_pairs
from evalsuite.tables import ResponseTable, Row, Tables
from evalsuite_tasks.rlhf_diversity.answers import Answers
from evalsuite_tasks.rlhf_diversity.per_input import mean_over_pairs

if TYPE_CHECKING:
    from evalsuite_tasks.rlhf_diversity.task import RlhfDiversityOptions

LABELS = NLI_LABELS
"""In this order stand the probabilities of every pair."""

VARIANTS: dict[str, NliVariant] = {
    "per_input_nli": "kirk",
    "per_input_nli_released": "released",
    "per_input_nli_olmo": "olmo",
}
SAMPLED = "per_input_nli_sentences"

Pairs = Mapping[tuple[str, int, int, int], Sequence[Row]]


def whole_answers(outputs: ResponseTable) -> list[Question]:
    """Every ordered pair of answers to a prompt, each with a full stop behind it."""
    return about_pairs(outputs, lambda one, other: [_stopped(one.text or "", other.text or "")])


def sentences(outputs: ResponseTable, options: "RlhfDiversityOptions") -> list[Question]:
    """Sampled pairs of sentences of every ordered pair of answers.

    Both orders of two answers ask about the same sentences.
    """

    def ask(one: Row, other: Row) -> list[tuple[str, str]]:
        first, second = sorted((one, other), key=lambda row: row.index)
        place = f"{one.unit.id} {one.replicate} {first.index} {second.index}"
        rng = np.random.default_rng([options.nli_seed, zlib.crc32(place.encode())])
        pairs = sampled_sentence_pairs(
            first.text or "", second.text or "", n=options.nli_sentences, rng=rng
        )
        return [_stopped(*(pair if one is first else pair[::-1])) for pair in pairs]

    return about_pairs(outputs, ask)


def _stopped(premise: str, hypothesis: str) -> tuple[str, str]:
    # The published input is "{premise}.</s></s>{hypothesis}.", whatever stands at their ends.
    return f"{premise}.", f"{hypothesis}."


def entailment_measures(prompts: Sequence[Answers], tables: Tables) -> list[MeanMeasure]:
    """The named variants; a prompt is missing where one of its pairs was not judged."""
    whole = _by_pair(tables.get("nli"))
    measures = [
        MeanMeasure(
            name,
            tuple(_row(own, _of_whole(own, whole, variant), variant) for own in prompts),
        )
        for name, variant in VARIANTS.items()
    ]
    if "nli_sentences" in tables:
        parts = _by_pair(tables["nli_sentences"])
        rows = tuple(_row(own, _of_sentences(own, parts), "kirk") for own in prompts)
        measures.append(MeanMeasure(SAMPLED, rows))
    return measures


def _row(own: Answers, value: float | None, variant: NliVariant) -> MeasureRow:
    return mean_over_pairs(own, value, n_known=len(own.texts), ends=NLI_RANGES[variant])


def _by_pair(table: ResponseTable | None) -> Pairs:
    found: dict[tuple[str, int, int, int], list[Row]] = defaultdict(list)
    for row in () if table is None else table.rows:
        if row.other is not None:
            found[row.unit.id, row.replicate, row.index, row.other].append(row)
    return found


def _verdicts(own: Answers, pairs: Pairs) -> list[NDArray[np.float64]] | None:
    """What was said of each ordered pair of a prompt's answers, in order; None if not of all."""
    found = []
    for i, j in permutations(own.indices, 2):
        rows = pairs.get((own.unit.id, own.replicate, i, j), ())
        scores = [row.scores for row in rows if row.scores is not None]
        if not scores or len(scores) < len(rows):
            return None
        found.append(np.array(scores))
    return found or None


def _of_whole(own: Answers, pairs: Pairs, variant: NliVariant) -> float | None:
    verdicts = _verdicts(own, pairs)
    if verdicts is None:
        return None
    n = len(own.indices)
    probabilities = np.full((n, n, len(LABELS)), np.nan)
    for (i, j), own_verdicts in zip(permutations(range(n), 2), verdicts, strict=True):
        probabilities[i, j] = own_verdicts[0]
    return nli_diversity(probabilities, variant=variant)


def _of_sentences(own: Answers, pairs: Pairs) -> float | None:
    verdicts = _verdicts(own, pairs)
    if verdicts is None:
        return None
    places = permutations(range(len(own.indices)), 2)
    return nli_diversity_of_sentences(dict(zip(places, verdicts, strict=True)))
