"""Two records of one run that differ in a judge: what each says, and whether their ranks agree."""

from collections.abc import Iterator, Sequence
from pathlib import Path

from evalsuite.comparing.entrant_ranks import (
    EntrantRanks,
    UnderBoth,
    entrant_ranks,
    identity,
    under_both,
)
from evalsuite.comparing.pairing import differing_parts, line_up, pair
from evalsuite.comparing.scored_record import ScoredRecord, incomplete_note, open_record
from evalsuite.errors import BadInput
from evalsuite.measures import MeasureEstimate
from evalsuite.record import entrant_name
from evalsuite.requests import Frozen
from evalsuite.stats import Estimate
from evalsuite.stats.correlation import correlation_interval

LEVEL = 0.95
SHOWN_PARTS = 5


class MeasureAgreement(Frozen):
    """One measure under two judges.

    Parameters
    ----------
    a, b : MeasureEstimate or None
    by_prompt : Estimate or None
        Spearman's correlation of the prompts' scores, over prompts that have one under both.
    entrants : EntrantRanks or None
        None with fewer than 3.
    note : str or None
        Why there is no correlation by prompt.
    """

    measure: str
    a: MeasureEstimate | None
    b: MeasureEstimate | None
    by_prompt: Estimate | None
    entrants: EntrantRanks | None
    note: str | None


class JudgeAgreement(Frozen):
    """Two judges in one role, on the answers of one entrant.

    Parameters
    ----------
    judge_a, judge_b : str
        Names of the two models.
    record_a, record_b : str
        Hashes.
    n_entrants : int
        Entrants in the results folder with records of both kinds, this one included.
    """

    task: str
    role: str
    entrant: str
    judge_a: str
    judge_b: str
    record_a: str
    record_b: str
    fingerprint_a: str
    fingerprint_b: str
    level: float
    n_entrants: int
    measures: tuple[MeasureAgreement, ...]
    notes: tuple[str, ...]


def judge_agreement(
    a: str | Path, b: str | Path, *, results: str | Path | None = None
) -> JudgeAgreement:
    """Put two records side by side that differ in one judge.

    Parameters
    ----------
    a, b : paths
        Folders of records of one entrant, seed and apparatus but for the model in one role.
    results : path, optional
        Folder of records to look for other entrants with the same two apparatuses in.

    Raises
    ------
    BadInput
        Naming what else differs, or if nothing does.

    Notes
    -----
    Records with different judges are never compared in level or ranked in one table; what is
    compared here is the order that either judge puts prompts, and entrants, in.
    """
    sides = open_record(a), open_record(b)
    role = _role(*sides)
    pairs, n_skipped = under_both(sides, None if results is None else Path(results))
    notes = [incomplete_note(own.name, own.n_missing) for own in sides if not own.record.complete]
    n_other, n_answers = _other_answers(*sides)
    if n_other:
        notes.append(
            f"{n_other:,} of {n_answers:,} answers are not the same in the two records: the judges "
            "did not judge the same texts"
        )
    if n_skipped:
        notes.append(f"{n_skipped} records in {results} cannot be read here and were left out")
    one, other = (own.record for own in sides)
    return JudgeAgreement(
        task=one.task,
        role=role,
        entrant=sides[0].name,
        judge_a=entrant_name(one.judges[role].entrant),
        judge_b=entrant_name(other.judges[role].entrant),
        record_a=one.hash,
        record_b=other.hash,
        fingerprint_a=one.fingerprint,
        fingerprint_b=other.fingerprint,
        level=LEVEL,
        n_entrants=len(pairs),
        measures=tuple(
            _measure(name, sides, pairs) for name in _judged(role, sides, same=not n_other)
        ),
        notes=tuple(notes),
    )


def _role(a: ScoredRecord, b: ScoredRecord) -> str:
    """The one role that two records differ in."""
    one, other = a.record, b.record
    same = {
        "task": one.task == other.task,
        "entrant": identity(one) == identity(other),
        "seed": one.seed == other.seed,
        "replicates": one.replicates == other.replicates,
    }
    judges = dict(one.apparatus.judges), dict(other.apparatus.judges)
    roles = [r for r in sorted(judges[0].keys() | judges[1].keys()) if _differ(r, *judges)]
    apart = [name for name, is_same in same.items() if not is_same]
    apart += [
        part
        for part in differing_parts(one.apparatus, other.apparatus)
        if not part.startswith("judges.")
    ]
    names = f"{a.folder} and {b.folder}"
    if apart or len(roles) > 1:
        parts = [*apart, *(f"judges.{role}" for role in roles)]
        if len(parts) > SHOWN_PARTS:
            parts = [*parts[:SHOWN_PARTS], f"and {len(parts) - SHOWN_PARTS} more"]
        raise BadInput(
            f"{names}: an agreement of judges takes records that differ in one judge and nothing "
            f"else; these differ in: {'; '.join(parts)}"
        )
    if not roles:
        raise BadInput(f"{names}: have the same judges; there is nothing to agree on")
    for own, record in zip((a, b), (one, other), strict=True):
        if roles[0] not in record.judges:
            raise BadInput(
                f"{own.folder}: has no judge in the role {roles[0]}; run it with "
                f"--judge {roles[0]}=MODEL"
            )
    return roles[0]


def _differ(role: str, a: dict[str, str], b: dict[str, str]) -> bool:
    return a.get(role) != b.get(role)


def _other_answers(a: ScoredRecord, b: ScoredRecord) -> tuple[int, int]:
    """How many answers two records do not share, and of how many; none where it cannot be seen."""
    if not (a.has_responses and b.has_responses):
        return 0, 0
    one, other = (
        [
            (row.status, row.text)
            for table in own.tables.values()
            if table.role == "model"
            for row in table.rows
        ]
        for own in (a, b)
    )
    return sum(x != y for x, y in zip(one, other, strict=True)), len(one)


def _judged(role: str, sides: Sequence[ScoredRecord], *, same: bool) -> Iterator[str]:
    """The measures that a judge has a part in: by their card, or since their scores differ.

    A measure that needs two judges names one of them on its card.
    """
    one, other = (own.record for own in sides)
    for name in dict.fromkeys(estimate.measure for estimate in one.estimates):
        changed = one.scores_sha256.get(name) != other.scores_sha256.get(name)
        if sides[0].card(name).judge == role or (same and changed):
            yield name


def _measure(
    name: str, sides: tuple[ScoredRecord, ScoredRecord], pairs: Sequence[UnderBoth]
) -> MeasureAgreement:
    by_prompt, note = _by_prompt(name, sides)
    return MeasureAgreement(
        measure=name,
        a=sides[0].record.estimate_of(name),
        b=sides[1].record.estimate_of(name),
        by_prompt=by_prompt,
        entrants=entrant_ranks(name, pairs),
        note=note,
    )


def _by_prompt(
    name: str, sides: tuple[ScoredRecord, ScoredRecord]
) -> tuple[Estimate | None, str | None]:
    try:
        table, (a, b) = line_up(sides, name)
        if not a.scores.is_sampled:
            return None, "a statistic of the whole set: prompts have no scores of their own"
        one, other = pair(a, b, table, name)
    except BadInput as error:  # nothing in common: the other measures are shown all the same
        return None, f"{error}"
    found = correlation_interval(one, other, kind="spearman", clusters=table.clusters, level=LEVEL)
    return found, None
