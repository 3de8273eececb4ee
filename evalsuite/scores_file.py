"""``scores.parquet``: the scores of every unit, which entrants are compared by."""

import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, get_args

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from evalsuite.errors import BadInput
from evalsuite.measures import UnitScores
from evalsuite.measures.unit_scores import COLUMNS, Link

_TEXTS = ("unit", "cluster", "stratum")
_NUMBERS = ("value", "low", "high")
SCHEMA = pa.schema(
    [
        ("measure", pa.string()),
        ("link", pa.string()),
        ("is_sampled", pa.bool_()),
        *((name, pa.string()) for name in _TEXTS),
        ("replicate", pa.int64()),
        ("index", pa.int64()),
        *((name, pa.float64()) for name in _NUMBERS),
        ("is_partial", pa.bool_()),
    ]
)


def write_scores(path: Path, scores: Mapping[str, UnitScores]) -> None:
    """Write the scores of all measures; NaN becomes null."""
    with pq.ParquetWriter(path, SCHEMA, compression="zstd") as writer:
        for measure, own in scores.items():
            columns = {name: getattr(own, name) for name in COLUMNS}
            columns |= {name: _nullable(columns[name]) for name in _NUMBERS}
            constant = {"measure": measure, "link": own.link, "is_sampled": own.is_sampled}
            columns |= {name: [value] * len(own) for name, value in constant.items()}
            writer.write_table(pa.table(columns, schema=SCHEMA))


def _nullable(values: "np.typing.NDArray[np.float64]") -> pa.Array:
    return pa.array(values, mask=np.isnan(values), type=pa.float64())


def read_scores(path: Path, measure: str | None = None) -> dict[str, UnitScores]:
    """Read the scores of one measure, or of all, by name.

    Raises
    ------
    BadInput
        If there is no such file or it is none that `write_scores` wrote.
    """
    chosen = None if measure is None else pc.field("measure") == measure
    try:
        table = pq.read_table(path, filters=chosen)
        table.validate(full=True)
    except (OSError, pa.ArrowException) as error:
        raise BadInput(f"{path}: cannot be read as scores ({error})") from None
    if table.schema.names != SCHEMA.names or table.schema.types != SCHEMA.types:
        raise BadInput(f"{path}: its columns are not those of a scores file")
    if any(table.column(name).null_count for name in SCHEMA.names if name not in _NUMBERS):
        raise BadInput(f"{path}: a cell is empty that no run leaves empty")
    names = table.column("measure").to_numpy(zero_copy_only=False)
    columns = {name: table.column(name).to_numpy(zero_copy_only=False) for name in SCHEMA.names}
    found = {}
    for name in dict.fromkeys(names.tolist()):
        own = {c: values[names == name] for c, values in columns.items()}
        if len(set(own["link"])) > 1 or len(set(own["is_sampled"])) > 1:
            raise BadInput(f"{path}: the rows of {name} are of several kinds")
        if own["link"][0] not in get_args(Link):
            raise BadInput(f"{path}: {name} has the unknown link {own['link'][0]!r}")
        found[name] = _unit_scores(own)
    return found


def _unit_scores(columns: "Mapping[str, np.typing.NDArray[Any]]") -> UnitScores:
    return UnitScores(
        link=columns["link"][0],
        is_sampled=bool(columns["is_sampled"][0]),
        unit=columns["unit"].astype(object),
        cluster=columns["cluster"].astype(object),
        stratum=columns["stratum"].astype(object),
        replicate=columns["replicate"].astype(np.int64),
        index=columns["index"].astype(np.int64),
        value=columns["value"].astype(np.float64),
        low=columns["low"].astype(np.float64),
        high=columns["high"].astype(np.float64),
        is_partial=columns["is_partial"].astype(bool),
    )


def scores_digest(scores: UnitScores) -> str:
    """sha256, in hex, of all columns: what a record holds of the scores of a measure."""
    hasher = hashlib.sha256(f"{scores.link} {scores.is_sampled} {len(scores)}".encode())
    for name in _TEXTS:
        for text in getattr(scores, name):
            own = text.encode()
            hasher.update(len(own).to_bytes(8, "little") + own)
    for name in ("replicate", "index"):
        hasher.update(getattr(scores, name).astype("<i8").tobytes())
    for name in _NUMBERS:
        values = getattr(scores, name)
        # One bit pattern for every NaN.
        hasher.update(np.where(np.isnan(values), np.nan, values).astype("<f8").tobytes())
    hasher.update(scores.is_partial.tobytes())
    return hasher.hexdigest()
