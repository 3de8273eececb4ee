"""The release gate: a candidate may be worse than its base by a margin, set before, at most."""

import math
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from evalsuite import atomic
from evalsuite.comparing.pair_tests import unit_differences
from evalsuite.comparing.pairing import (
    Side,
    UnitTable,
    check_comparable,
    line_up,
    on_common_replicates,
    pair,
    unit_means,
)
from evalsuite.comparing.scored_record import ScoredRecord, incomplete_note, open_record, told_apart
from evalsuite.errors import BadInput
from evalsuite.measures import ALL, MeasureCard, UnitScores
from evalsuite.requests import Frozen
from evalsuite.stats.noninferiority import (
    NonInferiority,
    Verdict,
    non_inferiority,
    non_inferiority_of_equals,
    non_inferiority_ratio,
)

Floats = NDArray[np.float64]


class GateResult(Frozen):
    """A verdict and all it was made of; the margin is part of it.

    Parameters
    ----------
    base, candidate : str
        Names of the entrants; ``base_record`` and ``candidate_record`` are their records' hashes.
    scale : str
        ``difference`` (candidate less base) or ``ratio`` (candidate over base); where lower is
        better, base less candidate, or base over candidate.
    verdict : str
        PASS only if both records are complete, the answers that came pass and, where the range is
        finite and answers are missing, the worst case passes too.
    observed : NonInferiority
        Of the answers that came.
    worst_case : NonInferiority or None
        With the candidate's missing answers the worst possible and the base's the best possible;
        None where nothing is missing, or the range is not finite.
    reasons : tuple of str
        Why the verdict is not another one, and what a reader has to know.
    """

    task: str
    measure: str
    slice: str
    fingerprint: str
    base: str
    base_record: str
    candidate: str
    candidate_record: str
    higher_is_better: bool
    margin: float
    scale: Literal["difference", "ratio"]
    level: float
    verdict: Verdict
    observed: NonInferiority
    worst_case: NonInferiority | None
    reasons: tuple[str, ...]


def gate(
    base: str | Path,
    candidate: str | Path,
    *,
    margin: float,
    ratio: bool = False,
    measure: str | None = None,
    slice: str = ALL,
) -> GateResult:
    """Test that a candidate is not inferior to its base by more than a margin, unit by unit.

    Parameters
    ----------
    base, candidate : paths
        Records of one fingerprint.
    margin : float
        Largest acceptable loss, above 0: of the measure, or of a ratio the share, below 1.
    ratio : bool
        Compare the ratio of the two instead of the difference.
    measure, slice : str
        By default the headline over all units.

    Raises
    ------
    BadInput
        As `evalsuite.compare`; also if the margin is none, or neither direction of the measure is
        better.
    """
    if not (0.0 < margin < (1.0 if ratio else math.inf)):
        ends = "a share between 0 and 1" if ratio else "a number above 0"
        raise BadInput(f"the margin is the largest acceptable loss, {ends}; got {margin:g}")
    opened = [open_record(base), open_record(candidate)]
    if opened[0].record.hash == opened[1].record.hash:
        raise BadInput(f"{base} and {candidate} are the same record; a gate compares two")
    check_comparable(opened)
    opened = told_apart(opened)
    name = measure or opened[0].record.headline.measure
    card = opened[0].card(name)
    if card.higher_is_better is None:
        raise BadInput(
            f"{name}: neither direction is better, so that none is a loss; choose another --measure"
        )
    table, (own_base, own_candidate) = line_up(opened, name, slice)
    values = pair(own_candidate, own_base, table, name)
    test = _Test(margin, ratio, card, own_base.scores, table)
    observed = test.of(*values)
    worst, reasons = _worst_case(test, own_candidate, own_base, name)
    lacking = tuple(_lacking(own) for own in opened if not own.record.complete)
    verdict = _verdict(observed, worst, is_complete=not lacking)
    return GateResult(
        task=opened[0].record.task,
        measure=name,
        slice=slice,
        fingerprint=opened[0].record.fingerprint,
        base=opened[0].name,
        base_record=opened[0].record.hash,
        candidate=opened[1].name,
        candidate_record=opened[1].record.hash,
        higher_is_better=card.higher_is_better,
        margin=margin,
        scale=observed.scale,
        level=observed.level,
        verdict=verdict,
        observed=observed,
        worst_case=worst,
        reasons=(*_why(observed, worst), *lacking, *reasons),
    )


class _Test:
    """The test of a gate, on scores that are there or on worst cases of them."""

    def __init__(
        self,
        margin: float,
        ratio: bool,
        card: MeasureCard,
        scores: UnitScores,
        table: UnitTable,
    ) -> None:
        self.margin, self.ratio, self.table = margin, ratio, table
        higher_is_better = bool(card.higher_is_better)
        self.higher_is_better = higher_is_better
        is_bounded = card.low is not None and card.high is not None and scores.is_sampled
        self.reach = (card.high or 0.0) - (card.low or 0.0) if is_bounded else None
        self.link, self.is_sampled = scores.link, scores.is_sampled
        # Of what is averaged, and inverted where the measure is: the ends swap.
        self.is_more_better = higher_is_better == (scores.link == "identity")

    def of(self, candidate: Floats, base: Floats) -> NonInferiority:
        """The verdict on unit means, of shape (units,)."""
        clusters = self.table.clusters
        if self.ratio and not self.is_sampled and min(np.nanmin(candidate), np.nanmin(base)) < 0:
            raise BadInput(
                "gate: pseudo-values of a statistic of the whole set can be negative, and a ratio "
                "needs scores of at least 0; use the difference"
            )
        try:
            if self.ratio:
                # 1/mean(a) over 1/mean(b) is mean(b) over mean(a).
                ends = (candidate, base) if self.is_more_better else (base, candidate)
                return non_inferiority_ratio(*ends, self.margin, clusters=clusters)
            ends = (candidate, base) if self.higher_is_better else (base, candidate)
            differences = unit_differences(self.link, *ends)
            if self.link == "identity" and self.reach and _is_nothing(differences):
                there = np.flatnonzero(~np.isnan(differences))
                n = len({clusters[i] for i in there})
                return non_inferiority_of_equals(n, self.reach, self.margin)
            return non_inferiority(differences, self.margin, clusters=clusters)
        except ValueError as error:
            raise BadInput(f"gate: {error}") from None


def _is_nothing(differences: Floats) -> bool:
    """Whether there are differences, and all of them are 0."""
    return bool(np.isfinite(differences).any()) and not np.nan_to_num(differences).any()


def _worst_case(
    test: _Test, candidate: Side, base: Side, measure: str
) -> tuple[NonInferiority | None, tuple[str, ...]]:
    candidate, base = on_common_replicates(candidate, base, test.table, measure)
    if candidate.scores.is_whole and base.scores.is_whole:
        return None, ()
    if test.is_more_better:
        ends = (candidate.scores.low, base.scores.high)
    else:
        ends = (candidate.scores.high, base.scores.low)
    if any(np.isnan(end).any() for end in ends):
        return None, (
            "answers are missing and the range of the measure is not finite: how bad the worst "
            "case is cannot be said",
        )
    worst = (
        unit_means(side.scores, end, test.table.units)
        for side, end in zip((candidate, base), ends, strict=True)
    )
    return test.of(*worst), ()


def _verdict(
    observed: NonInferiority, worst: NonInferiority | None, *, is_complete: bool = True
) -> Verdict:
    is_sure = is_complete and (worst is None or worst.verdict == "PASS")
    if observed.verdict == "PASS" and not is_sure:
        return "INCONCLUSIVE"
    return observed.verdict


def _lacking(record: ScoredRecord) -> str:
    note = incomplete_note(record.name, record.n_missing)
    return f"{note}: a gate of an incomplete record never passes"


def _why(observed: NonInferiority, worst: NonInferiority | None) -> tuple[str, ...]:
    if observed.reason is not None:
        return (observed.reason,)
    if observed.verdict == "INCONCLUSIVE":
        return (
            "the data allow a loss beyond the margin and one within it: run more prompts "
            "(of a mean over prompts, evalsuite plan says how many)",
        )
    if _verdict(observed, worst) != observed.verdict:
        return ("passes on the answers that came, not if those missing had been the worst",)
    return ()


def save_gate(found: GateResult, path: Path) -> None:
    """Write a result, its margin included, whole or not at all.

    Raises
    ------
    BadInput
        If the place cannot be written, or holds something that is no result of a gate.
    """
    if path.exists():
        try:
            GateResult.model_validate_json(path.read_bytes())
        except (OSError, ValueError):
            raise BadInput(
                f"{path}: holds something else than a result of a gate, and was kept; choose "
                "another file"
            ) from None
    with atomic.told_to_the_user("write", path):
        atomic.write_text(path, found.model_dump_json(indent=1) + "\n")
