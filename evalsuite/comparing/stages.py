"""Stages of post-training: what each changed, next to the model that it was trained from."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from evalsuite.comparing.lineage import parents
from evalsuite.comparing.opening import open_comparable
from evalsuite.comparing.pair_tests import LEVEL, PairResult, compared_pairs
from evalsuite.comparing.pairing import Side, UnitTable, line_up
from evalsuite.comparing.scored_record import ScoredRecord, incomplete_note
from evalsuite.errors import BadInput
from evalsuite.measures import ALL, MeasureEstimate
from evalsuite.requests import Frozen
from evalsuite.stats import Estimate
from evalsuite.stats.multiplicity import holm


class Stage(Frozen):
    """One model of a chain of training.

    Parameters
    ----------
    depth : int
        Steps from its base; 0 for a base.
    trained_from : str or None
        Name of the record that the step is taken from.
    post_training_of : str or None
        As the entrant says it, whether such a record is there or not.
    step : PairResult or None
        This stage less the one that it was trained from.
    from_base : Estimate or None
        This stage less the base of its chain; its p-value is that of no step.
    """

    name: str
    record: str
    depth: int
    trained_from: str | None
    post_training_of: str | None
    base: str
    estimate: MeasureEstimate
    step: PairResult | None
    from_base: Estimate | None
    complete: bool
    n_missing: int


class Stages(Frozen):
    """Records along the chains of their training, each base before what was made of it.

    Parameters
    ----------
    n_tests : int
        Steps that Holm's correction is taken over.
    """

    task: str
    measure: str
    slice: str
    fingerprint: str
    higher_is_better: bool | None
    level: float
    n_units: int
    n_tests: int
    stages: tuple[Stage, ...]
    notes: tuple[str, ...]


def stages(*records: str | Path, measure: str | None = None, slice: str = ALL) -> Stages:
    """Put records of one fingerprint in the order of training and test every step.

    Parameters
    ----------
    *records : paths
        Two or more folders of records; all but the bases say what they were trained from
        (``?post_training_of=NAME``). A base may have several successors.
    measure : str, optional
        By default the headline.
    slice : str
        Stratum, or all units.

    Raises
    ------
    BadInput
        If fingerprints differ, no record was trained from another, several could be the one that a
        record was trained from, or the names lead in a circle.
    """
    opened = open_comparable(records, "stages")
    above = parents(opened)
    if all(place is None for place in above):
        raise BadInput(
            "none of the records was trained from another of them: "
            + "; ".join(f"{own.name} says {_said(own)}" for own in opened)
            + ". Run a stage with ?post_training_of=NAME behind its model"
        )
    name = measure or opened[0].record.headline.measure
    card = opened[0].card(name)
    table, sides = line_up(opened, name, slice)
    family = _Family(sides, above, table, name, slice)
    steps = family.steps()
    return Stages(
        task=opened[0].record.task,
        measure=name,
        slice=slice,
        fingerprint=opened[0].record.fingerprint,
        higher_is_better=card.higher_is_better,
        level=LEVEL,
        n_units=len(table),
        n_tests=sum(step.p_value is not None for step in steps.values()),
        stages=tuple(family.stage(place, steps.get(place)) for place in family.order()),
        notes=_notes(opened, above),
    )


def _said(own: ScoredRecord) -> str:
    return own.record.entrant.post_training_of or "nothing"


@dataclass(frozen=True)
class _Family:
    """Records lined up on one measure, with the place of the one that each was trained from."""

    sides: Sequence[Side]
    above: Sequence[int | None]
    table: UnitTable
    measure: str
    slice: str

    def order(self, parent: int | None = None) -> Iterator[int]:
        """Places, each base before its successors, otherwise as they were given."""
        for place, own in enumerate(self.above):
            if own == parent:
                yield place
                yield from self.order(place)

    def ancestors(self, place: int) -> list[int]:
        """The place's parent, its parent's, and so on to the base."""
        parent = self.above[place]
        return [] if parent is None else [parent, *self.ancestors(parent)]

    def difference(self, a: int, b: int) -> PairResult:
        pair = [self.sides[a], self.sides[b]]
        return compared_pairs(pair, self.table, self.measure, self.slice, skip_unpaired=True)[0]

    def steps(self) -> dict[int, PairResult]:
        """Each stage less its parent, by its place; Holm over all of them."""
        found = {
            place: self.difference(place, parent)
            for place, parent in enumerate(self.above)
            if parent is not None
        }
        adjusted = holm([step.p_value for step in found.values()])
        return {
            place: step.model_copy(update={"p_holm": p})
            for (place, step), p in zip(found.items(), adjusted, strict=True)
        }

    def stage(self, place: int, step: PairResult | None) -> Stage:
        own, ancestors = self.sides[place].record, self.ancestors(place)
        estimate = own.record.estimate_of(self.measure, self.slice)
        if estimate is None:
            raise BadInput(f"{own.folder}: has no {self.measure} of the slice {self.slice!r}")
        total = self.difference(place, ancestors[-1]).difference if ancestors else None
        names = [self.sides[i].record.name for i in ancestors]
        return Stage(
            name=own.name,
            record=own.record.hash,
            depth=len(ancestors),
            trained_from=names[0] if names else None,
            post_training_of=own.record.entrant.post_training_of,
            base=names[-1] if names else own.name,
            estimate=estimate,
            step=step,
            from_base=total,
            complete=own.record.complete,
            n_missing=own.n_missing,
        )


def _notes(records: Sequence[ScoredRecord], above: Sequence[int | None]) -> tuple[str, ...]:
    notes = []
    for own, parent in zip(records, above, strict=True):
        declared = own.record.entrant.post_training_of
        if parent is None and declared:
            notes.append(
                f"{own.name} was trained from {declared}, of which no record is given: it stands "
                "as a base"
            )
        elif parent is not None and (
            own.record.entrant.decoding != records[parent].record.entrant.decoding
        ):
            notes.append(
                f"{own.name} and {records[parent].name} were decoded differently: that is part of "
                "the step between them"
            )
        if not own.record.complete:
            notes.append(incomplete_note(own.name, own.n_missing))
    return tuple(notes)
