"""How alike two models' answers to a prompt are, next to how alike those of one model are."""

from collections.abc import Sequence
from itertools import combinations
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from evalsuite.comparing.answer_vectors import AnswerVectors, answer_vectors
from evalsuite.comparing.opening import open_comparable
from evalsuite.comparing.pairing import MIN_OVERLAP
from evalsuite.comparing.scored_record import ScoredRecord, incomplete_note
from evalsuite.comparing.trimming import trimmed
from evalsuite.errors import BadInput
from evalsuite.prompts import Unit
from evalsuite.record import entrant_name
from evalsuite.requests import Frozen
from evalsuite.stats import Estimate, mean_interval
from evalsuite.stats.homogeneity import homogeneity_ratio
from evalsuite.tables import Tables

LEVEL = 0.95

Floats = NDArray[np.float64]


class PromptCosines(Frozen):
    """Mean cosines of the answers to one prompt; null where a model has fewer than two."""

    unit: str
    stratum: str
    within_a: float | None
    within_b: float | None
    between: float | None


class PairHomogeneity(Frozen):
    """Two models next to each other.

    Parameters
    ----------
    a, b : str
    within_a, within_b, between : Estimate
        Mean over prompts of the mean cosine over pairs of answers to a prompt.
    ratio : Estimate
        ``(1 - between) / (1 - mean within)``: 1 where the two models differ from each other no more
        than from themselves.
    """

    a: str
    b: str
    within_a: Estimate
    within_b: Estimate
    between: Estimate
    ratio: Estimate
    units: tuple[PromptCosines, ...]


class ModelHomogeneity(Frozen):
    """One model by itself: the mean cosine of all its answers to a prompt."""

    name: str
    record: str
    within: Estimate


class Homogeneities(Frozen):
    """Every model and every pair of models.

    Parameters
    ----------
    table : str
        Of the records: the one whose vectors were taken.
    judge : str
        The model that made them.
    """

    task: str
    fingerprint: str
    table: str
    judge: str
    level: float
    n_units: int
    models: tuple[ModelHomogeneity, ...]
    pairs: tuple[PairHomogeneity, ...]
    notes: tuple[str, ...]


def homogeneity(*records: str | Path, table: str | None = None) -> Homogeneities:
    """Similarity of answers within and between models, prompt by prompt.

    Parameters
    ----------
    *records : paths
        Two or more folders of records of one fingerprint, with their responses and an embedder
        among their judges.
    table : str, optional
        The table of vectors, where several hold some of the answers.

    Raises
    ------
    BadInput
        If fingerprints differ, a record has no responses, or no vectors of its answers.

    Notes
    -----
    Both models are taken with equally many answers to a prompt, the first that came to both; a pair
    that shares fewer than 90 % of the prompts is left out, with a note. Intervals: t over clusters
    of prompts, of the ratio the jackknife over clusters.
    """
    opened = open_comparable(records, "homogeneity")
    found = [answer_vectors(own.tables, f"{own.folder}", table) for own in opened]
    first = opened[0].record
    units = _units(found)
    notes = [incomplete_note(own.name, own.n_missing) for own in opened if not own.record.complete]
    pairs = []
    for i, j in combinations(range(len(opened)), 2):
        result = _pair((opened[i], opened[j]), (found[i], found[j]), units)
        if isinstance(result, str):
            notes.append(result)
        else:
            pairs.append(result)
    if not pairs:
        raise BadInput("; ".join(notes))
    return Homogeneities(
        task=first.task,
        fingerprint=first.fingerprint,
        table=found[0].name,
        judge=entrant_name(first.judges[found[0].vectors.role].entrant),
        level=LEVEL,
        n_units=len(units),
        models=tuple(
            ModelHomogeneity(name=own.name, record=own.record.hash, within=_within(vectors, units))
            for own, vectors in zip(opened, found, strict=True)
        ),
        pairs=tuple(pairs),
        notes=tuple(notes),
    )


def _units(found: Sequence[AnswerVectors]) -> tuple[Unit, ...]:
    units = {row.unit.id: row.unit for own in found for row in own.answers.rows}
    return tuple(units[name] for name in sorted(units))


def _features(own: AnswerVectors, units: Sequence[Unit]) -> list[NDArray[np.float32]]:
    rows = own.by_unit()
    found = [own.vectors.vectors(rows.get(unit.id, [])) for unit in units]
    for unit, vectors in zip(units, found, strict=True):
        if len(vectors) and not np.abs(vectors).max(axis=1).all():
            raise BadInput(f"an answer to {unit.id} has a vector of zeros, which has no direction")
    return found


def _within(own: AnswerVectors, units: Sequence[Unit]) -> Estimate:
    features = _features(own, units)
    return _mean(homogeneity_ratio(features, features).intra_first, units)


def _mean(values: Floats, units: Sequence[Unit]) -> Estimate:
    """Mean of cosines over prompts, its interval cut at the ends of their range."""
    found = mean_interval(values, clusters=[unit.cluster for unit in units], level=LEVEL)
    low, high = (
        None if end is None else min(max(end, -1.0), 1.0) for end in (found.ci_low, found.ci_high)
    )
    return found.model_copy(update={"ci_low": low, "ci_high": high})


def _pair(
    records: tuple[ScoredRecord, ScoredRecord],
    found: tuple[AnswerVectors, AnswerVectors],
    units: Sequence[Unit],
) -> PairHomogeneity | str:
    """What two models share, or why it cannot be said."""
    a, b = records
    tables = [Tables(answers=own.answers, vectors=own.vectors) for own in found]
    equal = [
        AnswerVectors(own.name, part.vectors, part.answers)
        for own, part in zip(found, trimmed(tables[0], tables[1]), strict=True)
    ]
    features = [_features(own, units) for own in equal]
    result = homogeneity_ratio(*features, clusters=[u.cluster for u in units], level=LEVEL)
    n = int((~np.isnan(result.inter)).sum())
    if n < MIN_OVERLAP * len(units):
        return (
            f"{a.name} and {b.name}: only {n} of {len(units)} prompts have two answers of both, "
            f"below {MIN_OVERLAP:.0%}; they are left out"
        )
    columns = (result.intra_first, result.intra_second, result.inter)
    within_a, within_b, between = (_mean(column, units) for column in columns)
    return PairHomogeneity(
        a=a.name,
        b=b.name,
        within_a=within_a,
        within_b=within_b,
        between=between,
        ratio=result.ratio,
        units=tuple(
            PromptCosines(
                unit=unit.id,
                stratum=unit.stratum,
                within_a=_known(one),
                within_b=_known(other),
                between=_known(across),
            )
            for unit, one, other, across in zip(units, *columns, strict=True)
        ),
    )


def _known(value: float) -> float | None:
    return None if np.isnan(value) else float(value)
