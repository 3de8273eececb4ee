"""Features that stand in Parquet files, read block by block: as many rows as a disk holds."""

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from evalsuite.errors import BadInput

if TYPE_CHECKING:
    import pyarrow as pa


def feature_blocks(
    path: str | Path, *, column: str = "vector", rows: int = 16_384
) -> Iterator[NDArray[np.floating]]:
    """Read a column of vectors in blocks, for the metrics that take blocks.

    Parameters
    ----------
    path : path
        A Parquet file, or a folder of them (read in order of their names).
    column : str
        A column of lists of numbers, all of one length. Rows without a vector are an error.
    rows : int
        Most rows of a block, at least 1.

    Yields
    ------
    array of shape (at most rows, d)
        In the column's own precision, float32 or float64.

    Raises
    ------
    BadInput
        If there is no such file or column, or a row has no vector, one of another length, or no
        numbers; the message names the file and the row.

    Examples
    --------
    >>> import tempfile, pyarrow as pa, pyarrow.parquet as pq
    >>> from evalsuite.metrics import vendi_scores_of_blocks
    >>> file = Path(tempfile.mkdtemp()) / "features.parquet"
    >>> pq.write_table(pa.table({"vector": [[1.0, 0.0], [0.0, 1.0], [0.0, 2.0]]}), file)
    >>> [block.shape for block in feature_blocks(file, rows=2)]
    [(2, 2), (1, 2)]
    >>> vendi_scores_of_blocks(feature_blocks(file), orders=(1, 2)).values.round(4)
    array([1.8899, 1.8   ])
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    if rows < 1:
        raise BadInput(f"feature_blocks: rows must be at least 1, got {rows}")
    width: int | None = None
    for file in _files(Path(path)):
        try:
            # Read as it is asked for, and not ahead: memory stays bounded by a block.
            parquet = pq.ParquetFile(file, pre_buffer=False)
        except (OSError, pa.ArrowException) as error:
            raise BadInput(f"{file}: cannot be read as Parquet ({error})") from None
        with parquet:
            if column not in parquet.schema_arrow.names:
                known = ", ".join(parquet.schema_arrow.names)
                raise BadInput(f"{file}: has no column {column!r}; there are: {known}")
            start = 0
            for batch in parquet.iter_batches(batch_size=rows, columns=[column]):
                if not len(batch):
                    continue
                block = _matrix(batch.column(0), start, file)
                width = block.shape[1] if width is None else width
                if block.shape[1] != width:
                    raise BadInput(
                        f"{file}, row {start}: a vector of {block.shape[1]} numbers, where those "
                        f"before have {width}"
                    )
                yield block
                start += len(block)


def _files(path: Path) -> list[Path]:
    if not path.exists():
        raise BadInput(f"{path}: no such file or folder; name a Parquet file with features")
    files = sorted(path.rglob("*.parquet")) if path.is_dir() else [path]
    if not files:
        raise BadInput(f"{path}: holds no *.parquet file")
    return files


def _matrix(column: "pa.Array", start: int, file: Path) -> NDArray[np.floating]:
    """A column of equally long lists as one array, without a Python object a row."""
    import pyarrow as pa
    import pyarrow.compute as pc

    if not pa.types.is_list(column.type) and not pa.types.is_fixed_size_list(column.type):
        raise BadInput(f"{file}: the column holds {column.type}, not lists of numbers")
    if column.null_count:
        row = start + column.is_null().to_pylist().index(True)
        raise BadInput(f"{file}, row {row}: has no vector")
    lengths = pc.list_value_length(column).to_numpy(zero_copy_only=False)
    odd = np.flatnonzero(lengths != lengths[0])
    if odd.size:
        raise BadInput(
            f"{file}, row {start + int(odd[0])}: a vector of {lengths[odd[0]]} numbers, where the "
            f"first of its block has {lengths[0]}"
        )
    values = column.flatten()
    if values.null_count or not lengths[0]:
        row = start + (values.is_null().to_pylist().index(True) // lengths[0] if lengths[0] else 0)
        raise BadInput(f"{file}, row {row}: a vector without a number in each place")
    if not pa.types.is_floating(values.type) and not pa.types.is_integer(values.type):
        raise BadInput(f"{file}: the vectors hold {values.type}, not numbers")
    flat = values.to_numpy(zero_copy_only=False)
    if flat.dtype not in (np.float32, np.float64):
        flat = flat.astype(np.float64)
    return np.asarray(flat.reshape(len(column), int(lengths[0])))
