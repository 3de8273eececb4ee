"""The scores file gives back what was written, and a digest holds every cell."""

from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from evalsuite.errors import BadInput
from evalsuite.measures import UnitScores
from evalsuite.measures.unit_scores import COLUMNS
from evalsuite.score_claims import equal_scores
from evalsuite.scores_file import SCHEMA, read_scores, scores_digest, write_scores

NAN = float("nan")


def made(n: int = 3, **changes: Any) -> UnitScores:
    columns = {
        "unit": [f"u{i}" for i in range(n)],
        "cluster": [f"c{i // 2}" for i in range(n)],
        "stratum": ["", "naming", "é 名"][:n] + [""] * (n - 3),
        "replicate": list(range(n)),
        "index": [-1] * n,
        "value": [0.1, NAN, -2.5e-300][:n] + [1.0] * (n - 3),
        "low": [NAN] * n,
        "high": [0.1] * n,
        "is_partial": [i == 1 for i in range(n)],
    } | {k: v for k, v in changes.items() if k in COLUMNS}
    types: dict[str, Any] = {"replicate": np.int64, "index": np.int64, "is_partial": bool}
    types |= dict.fromkeys(("unit", "cluster", "stratum"), object)
    return UnitScores(
        changes.get("link", "identity"),
        changes.get("is_sampled", True),
        **{k: np.array(v, dtype=types.get(k, np.float64)) for k, v in columns.items()},
    )


def written(tmp_path: Path, scores: dict[str, UnitScores] | None = None) -> Path:
    write_scores(tmp_path / "s.parquet", scores or {"m": made()})
    return tmp_path / "s.parquet"


def same(a: UnitScores, b: UnitScores) -> bool:
    if (a.link, a.is_sampled) != (b.link, b.is_sampled):
        return False
    for name in COLUMNS:
        one, other = getattr(a, name), getattr(b, name)
        if one.dtype != other.dtype:
            return False
        np.testing.assert_array_equal(one, other)
    return True


def test_what_was_written_is_read_back_with_nan_bounds_and_empty_texts(tmp_path: Path) -> None:
    given = {"m": made(), "n": made(link="reciprocal", is_sampled=False, unit=["b", "a", "c"])}
    file = written(tmp_path, given)
    found = read_scores(file)
    assert list(found) == ["m", "n"]
    for name, own in given.items():
        assert same(found[name], own)
        assert scores_digest(found[name]) == scores_digest(own)


def test_one_measure_can_be_read_alone(tmp_path: Path) -> None:
    file = written(tmp_path, {"m": made(), "n": made(5)})
    assert list(read_scores(file, "n")) == ["n"]
    assert len(read_scores(file, "n")["n"]) == 5
    assert read_scores(file, "absent") == {}


def test_a_measure_without_a_row_leaves_nothing_in_the_file(tmp_path: Path) -> None:
    assert list(read_scores(written(tmp_path, {"m": made(0), "n": made()}))) == ["n"]
    assert read_scores(written(tmp_path, {"m": made(0)})) == {}


CHANGES = {
    "unit": ["u0", "u1", "x"],
    "cluster": ["c0", "c0", "c0"],
    "stratum": ["naming", "", "é 名"],
    "replicate": [0, 1, 3],
    "index": [-1, -1, 0],
    "value": [0.1, NAN, -2.4e-300],
    "low": [NAN, NAN, 0.0],
    "high": [np.nextafter(0.1, 1), 0.1, 0.1],
    "is_partial": [False, False, False],
    "link": "reciprocal",
    "is_sampled": False,
}


def test_every_field_has_a_change_to_try() -> None:
    assert set(CHANGES) == {field.name for field in fields(UnitScores)}


@pytest.mark.parametrize("name", CHANGES)
def test_a_digest_changes_with_any_cell(name: str) -> None:
    assert scores_digest(made(**{name: CHANGES[name]})) != scores_digest(made())


def test_a_digest_tells_missing_from_zero_and_the_cut_of_texts() -> None:
    assert scores_digest(made(value=[0.1, 0.0, 1])) != scores_digest(made(value=[0.1, NAN, 1]))
    one, other = made(unit=["ab", "c", "d"]), made(unit=["a", "bc", "d"])
    assert scores_digest(one) != scores_digest(other)
    assert scores_digest(made(2)) != scores_digest(made(3))
    swapped = replace(made(), unit=made().cluster, cluster=made().unit)
    assert scores_digest(swapped) != scores_digest(made())


def test_a_digest_is_one_for_every_kind_of_nan() -> None:
    odd = np.frombuffer(np.uint64(0xFFF8_0000_0000_0001).tobytes(), dtype=np.float64)[0]
    assert np.isnan(odd)
    assert scores_digest(made(value=[0.1, odd, 1])) == scores_digest(made(value=[0.1, NAN, 1]))


@pytest.mark.parametrize("content", [b"", b"PAR1", b"not a file of scores"])
def test_what_is_no_parquet_is_named(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "s.parquet").write_bytes(content)
    with pytest.raises(BadInput, match=r"s\.parquet: cannot be read as scores"):
        read_scores(tmp_path / "s.parquet")


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match=r"absent\.parquet"):
        read_scores(tmp_path / "absent.parquet", "m")


def test_a_file_that_was_cut_short_is_named(tmp_path: Path) -> None:
    file = written(tmp_path)
    file.write_bytes(file.read_bytes()[:-20])
    with pytest.raises(BadInput, match=r"s\.parquet"):
        read_scores(file)


@pytest.mark.parametrize("measure", [None, "m"])
@pytest.mark.parametrize("fault", ["lacking", "more", "renamed", "other type", "other order"])
def test_columns_that_a_run_does_not_write_are_refused(
    tmp_path: Path, fault: str, measure: str | None
) -> None:
    file = written(tmp_path)
    table = pq.read_table(file)
    changed = {
        "lacking": lambda: table.drop_columns(["low"]),
        "more": lambda: table.append_column("x", table.column("value")),
        "renamed": lambda: table.rename_columns(["measure", *"abcdefghijk"]),
        "other type": lambda: table.set_column(
            8, "value", table.column("value").cast(pa.float32())
        ),
        "other order": lambda: table.select(table.column_names[::-1]),
    }
    pq.write_table(changed[fault](), file)
    with pytest.raises(BadInput, match="columns are not those"):
        read_scores(file, measure)


@pytest.mark.parametrize("column", [n for n in SCHEMA.names if n not in {"value", "low", "high"}])
def test_an_empty_cell_where_a_run_leaves_none_is_refused(tmp_path: Path, column: str) -> None:
    file = written(tmp_path)
    rows = pq.read_table(file).to_pylist()
    rows[1][column] = None
    pq.write_table(pa.Table.from_pylist(rows, schema=SCHEMA), file)
    with pytest.raises(BadInput, match="a cell is empty"):
        read_scores(file)


@pytest.mark.parametrize(("column", "value"), [("link", "reciprocal"), ("is_sampled", False)])
def test_rows_of_a_measure_are_of_one_kind(tmp_path: Path, column: str, value: Any) -> None:
    file = written(tmp_path)
    rows = pq.read_table(file).to_pylist()
    rows[2][column] = value
    pq.write_table(pa.Table.from_pylist(rows, schema=SCHEMA), file)
    with pytest.raises(BadInput, match="rows of m are of several kinds"):
        read_scores(file)


def test_a_link_that_nobody_knows_is_refused(tmp_path: Path) -> None:
    file = written(tmp_path)
    rows = [row | {"link": "cubic"} for row in pq.read_table(file).to_pylist()]
    pq.write_table(pa.Table.from_pylist(rows, schema=SCHEMA), file)
    with pytest.raises(BadInput, match="unknown link 'cubic'"):
        read_scores(file)


def test_texts_that_are_not_utf8_are_refused(tmp_path: Path) -> None:
    file = written(tmp_path)
    table = pq.read_table(file)
    raw = pa.array([b"u0", b"caf\xe9", b"u2"], type=pa.binary())
    odd = pa.StringArray.from_buffers(3, *raw.buffers()[1:])
    pq.write_table(table.set_column(3, "unit", odd), file)
    with pytest.raises(BadInput, match=r"s\.parquet"):
        read_scores(file)


@pytest.mark.parametrize("name", CHANGES)
def test_scores_are_equal_but_for_rounding_only(name: str) -> None:
    if name != "high" and name != "value":
        assert not equal_scores(made(), made(**{name: CHANGES[name]}), 1e-9)
    nearly = made(high=[0.1 + 1e-12] * 3)
    assert equal_scores(made(), nearly, 1e-9)
    assert not equal_scores(made(), made(high=[0.1 + 1e-6] * 3), 1e-9)


@pytest.mark.parametrize("odd", [float("inf"), float("-inf"), NAN])
def test_no_number_equals_one_that_is_not_finite(odd: float) -> None:
    other = made(high=[odd, 0.1, 0.1])
    assert not equal_scores(made(), other, 1e-9) and not equal_scores(other, made(), 1e-9)


_texts = st.text(st.characters(codec="utf-8"), max_size=8)
_numbers = st.floats(allow_nan=True, allow_infinity=False, width=64)
_integers = st.integers(-(2**63), 2**63 - 1)
_row = st.tuples(_texts, _texts, _texts, _integers, _integers, _numbers, _numbers, _numbers,
                 st.booleans())  # fmt: skip
_scores = st.builds(
    lambda rows, link, sampled: made(
        len(rows), link=link, is_sampled=sampled,
        **dict(zip(COLUMNS, map(list, zip(*rows, strict=True)), strict=True)),
    ),
    st.lists(_row, min_size=1, max_size=5),
    st.sampled_from(["identity", "reciprocal"]),
    st.booleans(),
)  # fmt: skip


_names = st.from_regex(r"[a-z][a-z0-9_]{0,9}", fullmatch=True)


@given(scores=st.dictionaries(_names, _scores, min_size=1, max_size=3))
@settings(
    max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None
)
def test_whatever_is_written_is_read_back(tmp_path: Path, scores: dict[str, UnitScores]) -> None:
    found = read_scores(written(tmp_path, scores))
    assert list(found) == list(scores)
    for name, own in scores.items():
        assert same(found[name], own)
        assert scores_digest(found[name]) == scores_digest(own)
        assert equal_scores(found[name], own, 1e-9)
