"""The leaderboard: a pure function of records, one row a record, grouped by fingerprint."""

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from evalsuite.comparing.scored_record import ScoredRecord, scored_record
from evalsuite.comparing.standings import rank
from evalsuite.measures import ALL
from evalsuite.record import Record, entrant_name, load_record
from evalsuite.requests import Decoding

if TYPE_CHECKING:
    import pandas as pd

SCHEMA = 1
COLUMNS = (
    "schema_version", "suite_version", "task", "mode", "task_version", "slice", "entrant", "model",
    "revision", "decoding", "post_training_of", "measure", "measure_version", "higher_is_better",
    "estimate", "se", "ci_low", "ci_high", "ci_level", "method", "n_units", "n_clusters",
    "samples_per_unit", "n_missing", "completion_rate", "judges", "judge_correction",
    "n_human_labels", "rank_low", "rank_high", "tied_with_best", "status", "fingerprint",
    "prompts_sha256", "responses_sha256", "seed", "evaluator", "run_date", "variants_submitted",
    "superseded_by",
)  # fmt: skip
NUMERIC = frozenset(
    {
        "schema_version", "task_version", "measure_version", "estimate", "se", "ci_low", "ci_high",
        "ci_level", "n_units", "n_clusters", "samples_per_unit", "n_missing", "completion_rate",
        "n_human_labels", "rank_low", "rank_high", "seed", "variants_submitted",
    }
)  # fmt: skip

RowStatus = Literal["verified", "self_reported", "incomplete"]


def build_leaderboard(
    records: Iterable[Record | ScoredRecord | str | Path],
    *,
    measure: str | None = None,
    slice: str = ALL,
    verified: Iterable[str] | None = None,
) -> "pd.DataFrame":
    """Make the leaderboard of records.

    Parameters
    ----------
    records : iterable of Record, opened record, folder or file
    measure : str or None
        Measure to show; None for each record's headline.
    slice : str
        Stratum to show.
    verified : iterable of str or None
        Hashes of the records that were recomputed from their responses; None where none was tried.

    Returns
    -------
    pandas.DataFrame
        One row a record, columns `COLUMNS`; best first within a fingerprint. Records without the
        measure are left out. Complete rows are ranked within their fingerprint by paired tests
        (`evalsuite.compare`), those that were recomputed only, where ``verified`` is given. A
        record without scores of its units or responses beside it has no rank.
    """
    import pandas as pd

    seals = None if verified is None else frozenset(verified)
    given = [_read(r) if isinstance(r, str | Path) else r for r in records]
    ranks = _ranks([r for r in given if isinstance(r, ScoredRecord)], measure, slice, seals)
    plain = [r.record if isinstance(r, ScoredRecord) else r for r in given]
    found = ((r, _row(r, measure, slice, seals or frozenset())) for r in plain)
    rows = [row | ranks.get(r.hash, {}) for r, row in found if row is not None]
    # As objects from the start: a column of whole numbers and gaps would become one of floats.
    frame = pd.DataFrame(sorted(rows, key=_order), columns=list(COLUMNS), dtype=object)
    return frame.where(frame.notna(), None)


def _read(path: str | Path) -> ScoredRecord:
    folder = Path(path) if Path(path).is_dir() else Path(path).parent
    return scored_record(load_record(path), folder)


def _ranks(
    records: Iterable[ScoredRecord],
    measure: str | None,
    slice: str,
    verified: frozenset[str] | None,
) -> dict[str, dict[str, Any]]:
    """The rank columns of each record's row, by its hash."""
    groups: dict[tuple[str, str], dict[str, ScoredRecord]] = {}
    for own in records:
        name = measure or own.record.headline.measure
        found = own.record.estimate_of(name, slice)
        is_sound = verified is None or own.record.hash in verified
        is_there = found is not None and found.estimate.estimate is not None
        is_ranked = own.record.complete and is_sound and is_there
        if is_ranked and own.has_scores and own.obstacle is None:
            groups.setdefault((own.record.fingerprint, name), {})[own.record.hash] = own
    return {
        standing.record: {
            "rank_low": standing.rank_low,
            "rank_high": standing.rank_high,
            "tied_with_best": standing.tied_with_best,
        }
        for (_, name), own in groups.items()
        for standing in rank(list(own.values()), name, slice)
    }


def _order(row: dict[str, Any]) -> tuple[Any, ...]:
    sign = 1 if row["higher_is_better"] is False else -1
    value = row["estimate"]
    return (
        row["task"],
        row["mode"],
        row["fingerprint"],
        row["status"] == "incomplete",
        value is None,
        sign * (value or 0.0),
        row["entrant"],
        row["seed"],
        # Rows that tie in all of that (two revisions, both without an estimate) need an order too.
        [str(cell) for cell in row.values()],
    )


def _row(
    record: Record, measure: str | None, slice: str, verified: frozenset[str]
) -> dict[str, Any] | None:
    found = record.estimate_of(measure or record.headline.measure, slice)
    if found is None:
        return None
    options = dict(record.apparatus.options)
    estimate = found.estimate
    return dict.fromkeys(COLUMNS) | {
        "schema_version": SCHEMA,
        "suite_version": record.provenance.versions.get("evalsuite"),
        "task": record.task,
        "mode": record.mode,
        "task_version": record.task_version,
        "slice": found.slice,
        "entrant": entrant_name(record.entrant),
        "model": record.entrant.model,
        "revision": record.entrant.revision,
        "decoding": _decoding(record),
        "post_training_of": record.entrant.post_training_of,
        "measure": found.measure,
        "measure_version": found.measure_version,
        "higher_is_better": found.higher_is_better,
        "estimate": estimate.estimate,
        "se": estimate.se,
        "ci_low": estimate.ci_low,
        "ci_high": estimate.ci_high,
        "ci_level": estimate.level,
        "method": estimate.method,
        "n_units": record.apparatus.n_units,
        "n_clusters": estimate.n_clusters,
        "samples_per_unit": options.get("samples", 1) * record.replicates,
        "n_missing": record.counts.requests - record.counts.ok,
        "completion_rate": record.counts.completion_rate,
        "judges": _judges(record),
        "judge_correction": "none",
        "n_human_labels": 0,
        "status": _status(record, verified),
        "fingerprint": record.fingerprint,
        "prompts_sha256": record.prompts_sha256,
        "responses_sha256": record.responses_sha256,
        "seed": record.seed,
        "evaluator": record.provenance.evaluator,
        "run_date": record.provenance.finished[:10],
    }


def _status(record: Record, verified: frozenset[str]) -> RowStatus:
    if not record.complete:
        return "incomplete"
    return "verified" if record.hash in verified else "self_reported"


def _decoding(record: Record) -> str | None:
    if record.entrant.decoding is None:
        return None
    values = record.entrant.decoding.model_dump()
    if record.entrant.backend == "outputs":
        # Nobody knows how a file's texts were drawn but for what its user declared.
        default = Decoding().model_dump()
        values = {name: value for name, value in values.items() if value != default.get(name)}
        return " ".join(f"{name}={value}" for name, value in values.items()) or None
    return " ".join(f"{name}={value}" for name, value in values.items() if value != ())


def _judges(record: Record) -> str:
    return " ".join(
        f"{role}={judge.entrant.model}@{judge.entrant.revision}"
        for role, judge in sorted(record.judges.items())
    )


def best_first(frame: "pd.DataFrame") -> Sequence["pd.DataFrame"]:
    """The parts of a leaderboard whose rows may be compared: a fingerprint and a measure each."""
    keys = ["task", "mode", "measure", "slice", "fingerprint"]
    return [part for _, part in frame.groupby(keys, sort=False)]
