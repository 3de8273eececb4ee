"""Answers in Parquet: batch by batch, after a look at the types of the columns."""

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, BinaryIO, NoReturn

from evalsuite.errors import BadInput
from evalsuite.models.output_rows import TEXT_TABLE, Columns, Fields, check_columns, shown

if TYPE_CHECKING:
    import pyarrow as pa

_BATCH = 1024


Hash = Callable[[bytes], None]
"""Takes the bytes of a file as they are read."""


def parquet_rows(
    file: BinaryIO, label: str, update: Hash, table: Columns = TEXT_TABLE
) -> Iterator[tuple[int, Fields]]:
    """Rows as columns, numbered from 1."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    while chunk := file.read(1 << 20):
        update(chunk)
    file.seek(0)
    number = 0
    try:
        with pq.ParquetFile(file) as parquet:
            names = _check_schema(parquet.schema_arrow, label, table)
            for batch in parquet.iter_batches(batch_size=_BATCH, columns=names):
                columns = [_values(c, number, label) for c in batch.columns]
                for values in zip(*columns, strict=True):
                    number += 1
                    yield number, dict(zip(batch.schema.names, values, strict=True))
    # UnicodeDecodeError: names of columns; `_values` looks at the texts.
    except (pa.ArrowException, OSError, MemoryError, UnicodeDecodeError) as error:
        _broken(label, number, error)


def _broken(label: str, number: int, error: BaseException) -> NoReturn:
    said = "".join(c if c.isprintable() else " " for c in str(error))
    why = " ".join(said.split())[:200] or type(error).__name__
    place = f"{label}, after row {number}" if number else label
    raise BadInput(f"{place}: cannot be read as Parquet ({why}); write the file again") from None


def _check_schema(schema: "pa.Schema", label: str, table: Columns) -> list[str]:
    """Names of the columns to read, after a look at the types of all of them."""
    where = f"{label}, its columns"
    twice = [name for name in table.names if schema.names.count(name) > 1]
    if twice:
        raise BadInput(f"{where}: {twice[0]!r} is there twice; remove one")
    check_columns(schema.names, where=where, table=table)
    names = [name for name in table.names if name in schema.names]
    for name in names:
        kind = schema.field(name).type
        wanted, fits = _TYPES[name]
        if not fits(kind):
            raise BadInput(f"{where}: {name!r} must hold {wanted}, not {shown(str(kind))[1:-1]}")
    return names


def _holds_texts(kind: "pa.DataType") -> bool:
    import pyarrow as pa

    if pa.types.is_dictionary(kind):
        kind = kind.value_type
    tests = (
        pa.types.is_string,
        pa.types.is_large_string,
        pa.types.is_string_view,
        pa.types.is_null,
    )
    return any(test(kind) for test in tests)


def _holds_whole_numbers(kind: "pa.DataType") -> bool:
    import pyarrow as pa

    return bool(pa.types.is_integer(kind) or pa.types.is_null(kind))


def _holds_numbers(kind: "pa.DataType") -> bool:
    import pyarrow as pa

    is_float = pa.types.is_float32(kind) or pa.types.is_float64(kind)
    return bool(is_float or _holds_whole_numbers(kind))


def _lists_of(holds: "Callable[[pa.DataType], bool]") -> "Callable[[pa.DataType], bool]":
    def fits(kind: "pa.DataType") -> bool:
        import pyarrow as pa

        if pa.types.is_null(kind):
            return True
        tests = (pa.types.is_list, pa.types.is_large_list, pa.types.is_fixed_size_list)
        return any(test(kind) for test in tests) and holds(kind.value_type)

    return fits


_TEXTS = ("texts (string)", _holds_texts)
_TYPES: "dict[str, tuple[str, Callable[[pa.DataType], bool]]]" = {
    **dict.fromkeys(("id", "prompt", "text", "status", "finish"), _TEXTS),
    **dict.fromkeys(("file_name", "folder", "prompt_id"), _TEXTS),
    "texts": ("lists of texts", _lists_of(_holds_texts)),
    "index": ("whole numbers", _holds_whole_numbers),
    "reward": ("numbers (float)", _holds_numbers),
    "rewards": ("lists of numbers", _lists_of(_holds_numbers)),
}


def _values(column: "pa.Array", n_before: int, label: str) -> list[object]:
    """The values of a column; Arrow itself does not look whether a text is UTF-8."""
    try:
        return list(column.to_pylist())
    except UnicodeDecodeError:
        pass
    for number, scalar in enumerate(column, n_before + 1):
        try:
            scalar.as_py()
        except UnicodeDecodeError as error:
            raise BadInput(
                f"{label}, row {number}: not UTF-8 (byte {error.start} of the text); write the "
                "file again with texts in UTF-8"
            ) from None
    raise AssertionError("a column could not be decoded, and each of its values could")
