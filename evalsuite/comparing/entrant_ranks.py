"""Entrants that have records under two judges, and how alike the two rank them."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from evalsuite.comparing.scored_record import ScoredRecord, open_record
from evalsuite.errors import BadInput, VerificationFailed
from evalsuite.record import Record, entrant_name, find_records
from evalsuite.requests import Frozen
from evalsuite.stats import Estimate
from evalsuite.stats.correlation import correlation_interval

LEVEL = 0.95
MIN_ENTRANTS = 3
"""Fewest entrants whose order under two judges is compared."""


class EntrantRanks(Frozen):
    """How alike two judges rank entrants, by their estimates.

    Parameters
    ----------
    entrants : tuple of str
        Those that have a record with either judge under otherwise equal apparatus.
    kendall, spearman : Estimate
        Tau-b and rho of the estimates; few entrants give wide intervals or none.
    """

    entrants: tuple[str, ...]
    kendall: Estimate
    spearman: Estimate


@dataclass(frozen=True)
class UnderBoth:
    """One entrant's records under either judge."""

    name: str
    a: Record
    b: Record


def under_both(
    sides: tuple[ScoredRecord, ScoredRecord], results: Path | None
) -> tuple[list[UnderBoth], int]:
    """Every entrant with complete records of both apparatuses; and how many cannot be read."""
    records = [own.record for own in sides]
    n_skipped = 0
    for folder in [] if results is None else find_records(results, records[0].task):
        try:
            records.append(open_record(folder).record)
        except (BadInput, VerificationFailed):
            n_skipped += 1
    kinds = [own.record.fingerprint for own in sides]
    by_run: dict[tuple[object, ...], dict[str, Record]] = {}
    for record in records:
        if record.complete and record.fingerprint in kinds:
            run = (*identity(record), record.seed, record.replicates)
            by_run.setdefault(run, {}).setdefault(record.fingerprint, record)
    found: dict[tuple[object, ...], UnderBoth] = {}
    # The given records come first, then runs of the least seed: each entrant counts once.
    for run, own in sorted(by_run.items(), key=lambda item: _seeds(item[0], sides[0].record)):
        if len(own) == 2:
            name = entrant_name(own[kinds[0]].entrant)
            found.setdefault(run[:2], UnderBoth(name, own[kinds[0]], own[kinds[1]]))
    return list(found.values()), n_skipped


def identity(record: Record) -> tuple[object, ...]:
    """What makes two records those of one entrant."""
    return record.entrant.identity, record.entrant.decoding


def _seeds(run: tuple[object, ...], first: Record) -> tuple[bool, tuple[object, ...]]:
    return run[2:] != (first.seed, first.replicates), run[2:]


def entrant_ranks(measure: str, pairs: Sequence[UnderBoth]) -> EntrantRanks | None:
    """Rank correlations of the estimates of entrants; None with fewer than `MIN_ENTRANTS`."""
    values = [(own.name, _value(own.a, measure), _value(own.b, measure)) for own in pairs]
    known = [own for own in values if None not in own]
    if len(known) < MIN_ENTRANTS:
        return None
    x, y = np.array([own[1:] for own in known], dtype=np.float64).T
    return EntrantRanks(
        entrants=tuple(own[0] for own in known),
        kendall=correlation_interval(x, y, kind="kendall", level=LEVEL),
        spearman=correlation_interval(x, y, kind="spearman", level=LEVEL),
    )


def _value(record: Record, measure: str) -> float | None:
    found = record.estimate_of(measure)
    return None if found is None else found.estimate.estimate
