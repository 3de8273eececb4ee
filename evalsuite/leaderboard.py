"""The leaderboard: a pure function of records, one row a record, grouped by fingerprint."""

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from evalsuite.measures import ALL
from evalsuite.record import RECORD_FILE, Record, entrant_name, load_record

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


def find_records(results: Path, task: str | None = None) -> list[Path]:
    """Folders of all records below ``results`` (of one task), in order of their names."""
    where = results / task if task else results
    found = (file.parent for file in where.rglob(RECORD_FILE))
    # A folder whose name starts with a dot is one that is just being written.
    return sorted(
        f for f in found if not any(p.startswith(".") for p in f.relative_to(where).parts)
    )


def build_leaderboard(
    records: Iterable[Record | str | Path],
    *,
    measure: str | None = None,
    slice: str = ALL,
    verified: Iterable[str] = (),
) -> "pd.DataFrame":
    """Make the leaderboard of records.

    Parameters
    ----------
    records : iterable of Record, folder or file
    measure : str or None
        Measure to show; None for each record's headline.
    slice : str
        Stratum to show.
    verified : iterable of str
        Hashes of the records that were recomputed from their responses.

    Returns
    -------
    pandas.DataFrame
        One row a record, columns `COLUMNS`; best first within a fingerprint. Records without the
        measure are left out.
    """
    import pandas as pd

    seals = frozenset(verified)
    loaded = [r if isinstance(r, Record) else load_record(r) for r in records]
    rows = [row for r in loaded if (row := _row(r, measure, slice, seals)) is not None]
    frame = pd.DataFrame(sorted(rows, key=_order), columns=list(COLUMNS))
    return frame.astype({name: object for name in COLUMNS}).where(frame.notna(), None)


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
