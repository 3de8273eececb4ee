"""Where records stand among others: ranks that say how far they can be told apart."""

from collections.abc import Sequence
from itertools import combinations

import numpy as np

from evalsuite.comparing.pair_tests import LEVEL, PairResult, compared_pairs
from evalsuite.comparing.pairing import Side, check_comparable, line_up
from evalsuite.comparing.scored_record import ScoredRecord
from evalsuite.errors import BadInput
from evalsuite.measures import ALL, MeasureEstimate
from evalsuite.requests import Frozen
from evalsuite.stats.ranking import rank_intervals


class Standing(Frozen):
    """Where a record stands among those that it is compared with.

    Parameters
    ----------
    rank_low, rank_high : int or None
        1 + the number of records that are significantly better, and the number of records less
        those that are significantly worse. None where neither direction is better.
    tied_with_best : bool or None
        Whether it is significantly worse than no other.
    complete : bool
        False where so many answers are missing that its numbers may be of other answers.
    n_missing : int
        Answers that did not come.
    trained_from : str or None
        The model that the entrant says it was trained from.
    """

    name: str
    record: str
    estimate: MeasureEstimate
    rank_low: int | None
    rank_high: int | None
    tied_with_best: bool | None
    complete: bool
    n_missing: int
    trained_from: str | None = None


def rank(records: Sequence[ScoredRecord], measure: str, slice: str = ALL) -> tuple[Standing, ...]:
    """Rank interval of each record of one fingerprint, as `compare` gives it.

    A pair that shares too few units counts as not told apart.
    """
    check_comparable(records)
    table, sides = line_up(records, measure, slice)
    pairs = compared_pairs(sides, table, measure, slice, skip_unpaired=True)
    return standings(sides, pairs, records[0].card(measure).higher_is_better, measure, slice)


def standings(
    sides: Sequence[Side],
    pairs: Sequence[PairResult],
    higher_is_better: bool | None,
    measure: str,
    slice: str,
) -> tuple[Standing, ...]:
    """Rank intervals from the significant differences, best estimate first.

    A record that is incomplete comes last, without a rank, and takes none from another.
    """
    found = [_estimate(side.record, measure, slice) for side in sides]
    sign = -1.0 if higher_is_better is False else 1.0
    values = [None if e.estimate.estimate is None else sign * e.estimate.estimate for e in found]
    ranks: list[tuple[int | None, int | None, bool | None]] = [(None, None, None)] * len(sides)
    if higher_is_better is not None:
        wins = np.zeros((len(sides), len(sides)), dtype=bool)
        for (i, j), result in zip(combinations(range(len(sides)), 2), pairs, strict=True):
            d = result.difference.estimate
            if result.p_holm is not None and d is not None and result.p_holm <= 1 - LEVEL:
                wins[i, j], wins[j, i] = sign * d > 0, sign * d < 0
        whole = [i for i, side in enumerate(sides) if side.record.record.complete]
        known = [np.nan if value is None else value for value in values]
        if whole:
            ranked = rank_intervals(wins[np.ix_(whole, whole)], [known[i] for i in whole])
            for i, own in zip(whole, ranked, strict=True):
                ranks[i] = (own.low, own.high, own.tied_with_best)
    order = sorted(
        range(len(sides)),
        key=lambda i: sort_key(sides[i].record, measure, slice, higher_is_better),
    )
    return tuple(
        Standing(
            name=sides[i].record.name,
            record=sides[i].record.record.hash,
            estimate=found[i],
            rank_low=ranks[i][0],
            rank_high=ranks[i][1],
            tied_with_best=ranks[i][2],
            complete=sides[i].record.record.complete,
            n_missing=sides[i].record.n_missing,
            trained_from=sides[i].record.record.entrant.post_training_of,
        )
        for i in order
    )


def _estimate(record: ScoredRecord, measure: str, slice: str) -> MeasureEstimate:
    found = record.record.estimate_of(measure, slice)
    if found is None:
        raise BadInput(f"{record.folder}: has no {measure} of the slice {slice!r}")
    return found


def sort_key(
    record: ScoredRecord, measure: str, slice: str, higher_is_better: bool | None
) -> tuple[bool, bool, float]:
    """Sorts the best estimate first, then the incomplete, and those without an estimate last."""
    value = _estimate(record, measure, slice).estimate.estimate
    is_whole = record.record.complete
    return value is None, not is_whole, (value or 0.0) * (1 if higher_is_better is False else -1)
