"""Rows of a published data set: from a local copy, or from the hub at a pinned commit.

`datasets` is imported where a folder or the hub is read; files are read without it.
"""

import csv
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from evalsuite.errors import BadInput, MissingPackage, Refused

INSTALL_DATA = "pip install 'evalsuite[data]'"
FORMATS = ("jsonl", "ndjson", "json", "csv", "parquet")
"""Suffixes of the files that can be read."""

Row = tuple[str, Mapping[str, object]]
"""Where a row stands, for messages, and its columns."""

# Of all the readers in `datasets`, the ones that read tables and nothing else.
_TABLES = {
    f"datasets.packaged_modules.{name}.{name}" for name in ("arrow", "csv", "json", "parquet")
}


def file_rows(path: Path) -> Iterator[Row]:
    """Read a JSON Lines, JSON, CSV or Parquet file row by row.

    Raises
    ------
    BadInput
        If it cannot be read, is of another format or breaks off; with the row where there is one.
    """
    suffix = path.suffix.lower().lstrip(".")
    if suffix not in FORMATS:
        raise BadInput(f"{path.name}: expected a file that ends in .{', .'.join(FORMATS)}")
    try:
        if suffix == "parquet":
            yield from _parquet_rows(path)
            return
        with path.open(encoding="utf-8-sig", newline="") as file:
            if suffix == "csv":
                yield from _csv_rows(file, path.name)
            elif suffix == "json" and _begins_a_list(path):
                yield from _list_rows(json.load(file), path.name)
            else:
                yield from _line_rows(file, path.name)
    except UnicodeDecodeError as error:
        raise BadInput(f"{path.name}: not UTF-8 (byte {error.start}); save it as UTF-8") from None
    except OSError as error:
        why = error.strerror or type(error).__name__
        raise BadInput(f"{path.name}: cannot be read ({why})") from None
    except (ValueError, RecursionError, csv.Error) as error:
        raise BadInput(f"{path.name}: cannot be read as {suffix} ({error})") from None


def _begins_a_list(path: Path) -> bool:
    # `datasets` writes JSON Lines under the name .json; AlpacaEval and others write a list.
    with path.open(encoding="utf-8-sig") as file:
        return file.read(4096).lstrip().startswith("[")


def _line_rows(lines: Iterator[str], name: str) -> Iterator[Row]:
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        where = f"{name}, line {number}"
        try:
            row = json.loads(line)
        except (ValueError, RecursionError) as error:
            raise BadInput(f"{where}: not JSON ({error})") from None
        yield where, _mapping(row, where)


def _list_rows(rows: list[object], name: str) -> Iterator[Row]:
    for number, row in enumerate(rows, 1):
        where = f"{name}, row {number}"
        yield where, _mapping(row, where)


def _csv_rows(lines: Iterator[str], name: str) -> Iterator[Row]:
    for number, row in enumerate(csv.DictReader(lines, strict=True), 1):
        if None in row:
            raise BadInput(f"{name}, row {number}: has more cells than the header has names")
        yield f"{name}, row {number}", row


def _parquet_rows(path: Path) -> Iterator[Row]:
    import pyarrow as pa
    import pyarrow.parquet as pq

    number = 0
    try:
        with pq.ParquetFile(path) as file:
            for batch in file.iter_batches(batch_size=1024):
                for row in batch.to_pylist():
                    number += 1
                    yield f"{path.name}, row {number}", row
    except pa.ArrowException as error:
        raise BadInput(f"{path.name}: cannot be read as Parquet ({error})") from None


def _mapping(row: object, where: str) -> Mapping[str, object]:
    if not isinstance(row, dict):
        raise BadInput(f"{where}: expected an object with named columns")
    return row


def folder_rows(folder: Path, *, config: str | None, split: str) -> Iterator[Row]:
    """Read a split from a folder that `datasets` saved, or from a copy of a hub repository.

    Raises
    ------
    BadInput
        If `datasets` finds no such split of tables in it.
    Refused
        If it holds anything but tables.
    MissingPackage
        If `datasets` is not installed.
    """
    datasets = _datasets(folder.name)
    try:
        if (folder / "dataset_dict.json").exists() or (folder / "dataset_info.json").exists():
            found = datasets.load_from_disk(str(folder))
            tables = found if isinstance(found, dict) else {split: found}
        else:
            # Configurations are named in the README of a repository.
            known = config if (folder / "README.md").exists() else None
            builder = datasets.load_dataset_builder(str(folder), known)
            tables = _streams(builder, folder.name, base=f"{folder.resolve().as_posix()}/")
        yield from _numbered(_choose(tables, split, folder.name), f"{folder.name}, {split}")
    except _failures(datasets) as error:
        raise BadInput(
            f"{folder.name}: `datasets` cannot read the split {split!r}: {error}"
        ) from None


def hub_rows(repository: str, commit: str, *, config: str | None, split: str) -> Iterator[Row]:
    """Stream a split of a hub data set at a commit; nothing of other splits is fetched.

    Raises
    ------
    BadInput
        If the hub cannot be reached, or has no such commit, configuration or split.
    Refused
        If the repository holds anything but tables.
    MissingPackage
        If `datasets` is not installed.
    """
    datasets = _datasets(repository)
    try:
        builder = datasets.load_dataset_builder(repository, config, revision=commit)
        # Where the hub does not answer, `datasets` takes whatever commit its cache has; and a
        # folder of that name in the working directory goes before the hub.
        if builder.hash != commit:
            raise BadInput(
                f"{repository}: the hub cannot be reached, and what `datasets` has instead is not "
                f"commit {commit[:12]}; try again with network access, or give a local copy"
            )
        tables = _streams(builder, repository, base=f"hf://datasets/{repository}@{commit}/")
        yield from _numbered(_choose(tables, split, repository), f"{repository}, {split}")
    except _failures(datasets) as error:
        raise BadInput(
            f"{repository}@{commit[:12]}: cannot be read from the hub ({error}). Check the commit "
            "and the network, or give a local copy"
        ) from None


def _datasets(name: str) -> Any:
    try:
        import datasets
    except ImportError:
        raise MissingPackage(f"{name}: needs datasets: {INSTALL_DATA}") from None
    return datasets


def _failures(datasets: Any) -> tuple[type[Exception], ...]:
    """What `datasets` and Arrow raise on data or a network that does not do."""
    # RuntimeError: a repository that is a script, which `datasets` no longer runs. ImportError: one
    # whose README names files on the web, which need packages that are not there.
    own = datasets.exceptions.DatasetsError
    return (OSError, ValueError, TypeError, RuntimeError, ImportError, own)


def _streams(builder: Any, name: str, *, base: str) -> dict[str, Any]:
    """The splits of a data set, all of whose files are tables and lie below ``base``."""
    modules = {kind.__module__ for kind in type(builder).__mro__}
    if not modules & _TABLES:
        raise Refused(f"{name}: holds {type(builder).__name__}, no table of texts; not read")
    # The README of a repository may name any file of this machine, or any address.
    for files in (builder.config.data_files or {}).values():
        for file in map(str, files):
            if not file.startswith(base) or ".." in file.split("/"):
                raise Refused(f"{name}: its README names a file outside of it, {file!r}; not read")
    streams: dict[str, Any] = builder.as_streaming_dataset()
    return streams


def _choose(tables: dict[str, Any], split: str, name: str) -> Any:
    """The named split, or the only one."""
    if split not in tables and len(tables) != 1:
        raise BadInput(f"{name}: has no split {split!r}; there are: {', '.join(sorted(tables))}")
    return tables[split] if split in tables else next(iter(tables.values()))


def _numbered(rows: Any, name: str) -> Iterator[Row]:
    for number, row in enumerate(rows, 1):
        yield f"{name}, row {number}", row


def read_json_files(folder: Path, names: tuple[str, ...]) -> dict[str, object]:
    """Read JSON files of a folder, by name.

    Raises
    ------
    BadInput
        If one is missing or is no JSON.
    """
    found: dict[str, object] = {}
    for name in names:
        try:
            found[name] = json.loads((folder / name).read_text(encoding="utf-8-sig"))
        except OSError as error:
            why = error.strerror or type(error).__name__
            needed = ", ".join(names)
            raise BadInput(
                f"{folder.name}/{name}: cannot be read ({why}); the folder needs {needed}"
            ) from None
        except (ValueError, RecursionError) as error:
            raise BadInput(f"{folder.name}/{name}: not JSON ({error})") from None
    return found
