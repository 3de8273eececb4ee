"""Reading features from Parquet in blocks."""

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from evalsuite.errors import BadInput
from evalsuite.feature_files import feature_blocks
from evalsuite.metrics import vendi_scores, vendi_scores_of_blocks


def write(file: Path, rows: list, kind: pa.DataType | None = None, **columns: list) -> Path:
    table = pa.table({"vector": pa.array(rows, kind or pa.list_(pa.float32())), **columns})
    pq.write_table(table, file)
    return file


@pytest.mark.parametrize("kind", [pa.list_(pa.float32()), pa.list_(pa.float64(), 5)], ids=str)
@pytest.mark.parametrize("rows", [1, 7, 10_000])
def test_blocks_are_the_rows_of_the_file_in_order(tmp_path, kind, rows):
    wanted = np.random.default_rng(0).normal(size=(40, 5)).astype(np.float32)
    file = write(tmp_path / "f.parquet", wanted.tolist(), kind)
    blocks = list(feature_blocks(file, rows=rows))
    assert all(len(block) <= rows for block in blocks)
    assert np.array_equal(np.concatenate(blocks).astype(np.float32), wanted)


def test_a_folder_is_read_in_the_order_of_its_names(tmp_path):
    write(tmp_path / "b.parquet", [[3.0, 4.0]])
    write(tmp_path / "a.parquet", [[1.0, 2.0]])
    assert np.concatenate(list(feature_blocks(tmp_path))).tolist() == [[1, 2], [3, 4]]


def test_scores_from_blocks_are_those_of_the_whole(tmp_path):
    rows = np.random.default_rng(1).normal(size=(300, 8))
    file = write(tmp_path / "f.parquet", rows.tolist(), pa.list_(pa.float64()))
    orders = (0.5, 1, 2, float("inf"))
    found = vendi_scores_of_blocks(feature_blocks(file, rows=64), orders=orders)
    assert found.values == pytest.approx(vendi_scores(rows, orders=orders).values, rel=1e-12)


def test_vectors_of_a_records_responses_can_be_read(tmp_path):
    # responses.parquet has nulls where a row is no vector: those are an error that names the row.
    file = write(tmp_path / "responses.parquet", [[1.0, 0.0], None])
    with pytest.raises(BadInput, match=r"row 1: has no vector"):
        list(feature_blocks(file))


@pytest.mark.parametrize(
    ("rows", "kind", "message"),
    [
        ([[1.0], [1.0, 2.0]], None, "row 1: a vector of 2 numbers"),
        ([[1.0, None]], None, "row 0: a vector without a number"),
        ([[]], None, "row 0: a vector without a number"),
        (["a"], pa.string(), "holds string, not lists"),
        ([["a"]], pa.list_(pa.string()), "hold string, not numbers"),
    ],
)
def test_rows_that_are_no_vectors_are_named(tmp_path, rows, kind, message):
    file = write(tmp_path / "f.parquet", rows, kind)
    with pytest.raises(BadInput, match=message):
        list(feature_blocks(file))


def test_files_of_different_widths_are_refused(tmp_path):
    write(tmp_path / "a.parquet", [[1.0, 2.0]])
    write(tmp_path / "b.parquet", [[1.0, 2.0, 3.0]])
    with pytest.raises(BadInput, match=r"b\.parquet, row 0: a vector of 3 numbers, .* have 2"):
        list(feature_blocks(tmp_path))


def test_what_is_not_there_is_said(tmp_path):
    with pytest.raises(BadInput, match="no such file"):
        list(feature_blocks(tmp_path / "none.parquet"))
    with pytest.raises(BadInput, match=r"holds no \*\.parquet"):
        list(feature_blocks(tmp_path))
    file = write(tmp_path / "f.parquet", [[1.0]])
    with pytest.raises(BadInput, match="no column 'embedding'; there are: vector"):
        list(feature_blocks(file, column="embedding"))
    with pytest.raises(BadInput, match="at least 1, got 0"):
        list(feature_blocks(file, rows=0))


@settings(max_examples=50, deadline=None)
@given(content=st.binary(max_size=200))
def test_any_bytes_are_features_or_a_clear_error(tmp_path_factory, content):
    file = tmp_path_factory.mktemp("bytes") / "f.parquet"
    file.write_bytes(content)
    with pytest.raises(BadInput, match="cannot be read as Parquet"):
        list(feature_blocks(file))
