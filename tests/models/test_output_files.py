"""Reading answers from JSON Lines, CSV and Parquet: what is taken, and every way to say no."""

import csv
import hashlib
import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from evalsuite.errors import BadInput, Refused
from evalsuite.models import output_files, output_lines
from evalsuite.models.output_files import read_output_files
from evalsuite.models.output_rows import MOST_CHARACTERS

# No surrogates, which are no characters, and no NUL, which is refused.
TEXTS = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=50)
SHARED_FOLDER = settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)


def lines(folder: Path, *rows: dict[str, Any], name: str = "samples.jsonl") -> Path:
    return raw(folder, "".join(json.dumps(row) + "\n" for row in rows), name)


def raw(folder: Path, content: str | bytes, name: str = "samples.jsonl") -> Path:
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


def parquet(folder: Path, columns: dict[str, Any], name: str = "samples.parquet") -> Path:
    pq.write_table(pa.table(columns), folder / name)
    return folder / name


def problem(path: Path) -> str:
    """What is said of a file that does not do: always one line."""
    with pytest.raises(BadInput) as caught:
        read_output_files(path)
    message = str(caught.value)
    assert message.isprintable(), message
    ways = ("; ", "? ", " must be ", " must hold ", " expected ")
    assert any(way in message for way in ways), f"does not say what to do: {message}"
    return message


def test_a_line_holds_an_answer_and_all_that_is_known_of_it(tmp_path: Path) -> None:
    path = lines(
        tmp_path,
        {"id": "a1", "prompt": "Say A.", "text": "A", "index": 0, "finish": "stop", "reward": 2},
        {"id": "a1", "index": 1, "status": "refused", "text": None, "latency": {"ms": 7}},
    )
    first, second = read_output_files(path).rows
    assert (first.id, first.prompt, first.text, first.index) == ("a1", "Say A.", "A", 0)
    assert (first.status, first.finish, first.reward) == ("ok", "stop", 2.0)
    assert (second.text, second.status, second.where) == (None, "refused", "samples.jsonl, line 2")


def test_a_list_of_texts_is_so_many_answers(tmp_path: Path) -> None:
    path = lines(tmp_path, {"id": "a1", "texts": ["A", "B"], "rewards": [0.5, None]})
    rows = read_output_files(path).rows
    assert [(row.text, row.reward) for row in rows] == [("A", 0.5), ("B", None)]


def test_a_byte_order_mark_blank_lines_and_windows_line_ends_are_no_trouble(tmp_path: Path) -> None:
    path = raw(tmp_path, b'\xef\xbb\xbf{"id": "a", "text": "x"}\r\n\r\n{"id": "b", "text": "y"}')
    assert [row.number for row in read_output_files(path).rows] == [1, 3]


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ('{"id": "b", "text": "x"', "not JSON (Expecting ',' delimiter, column 24)"),
        ('{"id": "b", "text": "x"} {}', "not JSON (Extra data"),
        ('[{"id": "b"}]', "expected an object such as"),
        ('{"id": "b", "text": "x", "text": "y"}', "not JSON ('text' is given twice)"),
        ('{"id": "b", "text": "x", "index": ' + "9" * 5000 + "}", "not JSON (Exceeds the limit"),
        ("[" * 100_000, "not JSON"),
        ('{"text": "x"}', "has neither 'id' nor 'prompt', only 'text'"),
        ('{"id": "b", "answer": "x"}', "has neither 'text' nor 'texts', only 'id', 'answer'"),
        ('{"id": null, "text": "x"}', "says neither id nor prompt"),
        ('{"id": 7, "text": "x"}', "'id' must be a text, not 7"),
        ('{"id": "b", "text": 7}', "'text' must be a text, not 7"),
        ('{"id": "b", "text": null}', "has no text"),
        ('{"id": "b", "text": null, "status": "ok"}', "has no text"),
        ('{"id": "b", "text": "x", "status": "fine"}', "'status' must be ok, refused, filtered or"),
        ('{"id": "b", "text": "x", "status": []}', "'status' must be ok, refused, filtered or"),
        ('{"id": "b", "text": "x", "finish": "end"}', "'finish' must be stop or length"),
        ('{"id": "b", "text": "x", "index": -1}', "'index' must be a whole number from 0, not -1"),
        ('{"id": "b", "text": "x", "index": true}', "'index' must be a whole number from 0"),
        ('{"id": "b", "text": "x", "index": 1.0}', "'index' must be a whole number from 0"),
        ('{"id": "b", "text": "x", "reward": NaN}', "'reward' must be a finite number, not nan"),
        ('{"id": "b", "text": "x", "reward": "1"}', "'reward' must be a finite number, not '1'"),
        ('{"id": "b", "text": "x", "reward": true}', "'reward' must be a finite number, not True"),
        ('{"id": "b", "text": "x", "reward": [1]}', "'reward' must be a finite number, not [1]"),
        ('{"id": "b", "text": "x", "rewards": [1]}', "'rewards' goes with 'texts'"),
        ('{"id": "b", "texts": "x"}', "'texts' must be a list, not 'x'"),
        ('{"id": "b", "texts": []}', "'texts' is empty"),
        ('{"id": "b", "texts": ["x", null]}', "texts[1] is null"),
        ('{"id": "b", "texts": ["x"], "text": "y"}', "'text' does not go with 'texts'"),
        ('{"id": "b", "texts": ["x"], "index": 0}', "'index' does not go with 'texts'"),
        ('{"id": "b", "texts": ["x"], "rewards": [1, 2]}', "2 rewards for 1 texts"),
        ('{"id": "b", "texts": ["x"], "rewards": [1e999]}', "'rewards[0]' must be a finite number"),
        (r'{"id": "b", "text": "x\ud800"}', r"'text' holds half a character ('\ud800'"),
        (r'{"id": "b", "text": "x\u0000"}', "'text' holds a NUL character"),
        ('{"id": "b", "text": "x", "stauts": "ok"}', "column 'stauts': did you mean 'status'?"),
        ('{"id": "b", "Text": "x", "text": "x"}', "column 'Text': did you mean 'text'?"),
    ],
)
def test_a_bad_line_is_named(tmp_path: Path, line: str, said: str) -> None:
    message = problem(raw(tmp_path, '{"id": "a", "text": "x"}\n' + line))
    assert message.startswith(f"samples.jsonl, line 2: {said}")


def test_bytes_that_are_not_utf8_are_found_by_line_and_place(tmp_path: Path) -> None:
    content = '\ufeff{"id": "a", "text": "é"}\n'.encode() + '{"id": "b", "text": "é"}'.encode(
        "cp1252"
    )
    at = content.index(b"\xe9")
    expected = f"samples.jsonl, line 2: not UTF-8 (byte {at} of the file); save the file as UTF-8"
    assert problem(raw(tmp_path, content)) == expected


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-32"])
@pytest.mark.parametrize("name", ["samples.jsonl", "samples.csv"])
def test_other_unicode_encodings_are_refused(tmp_path: Path, encoding: str, name: str) -> None:
    message = problem(raw(tmp_path, "id,text\na,x\n".encode(encoding), name))
    assert "line 1" in message and "UTF-8" in message


def test_a_text_of_too_many_characters_is_refused_and_the_longest_is_not(tmp_path: Path) -> None:
    longest = "é" * MOST_CHARACTERS
    assert read_output_files(lines(tmp_path, {"id": "a", "text": longest})).rows[0].text == longest
    message = problem(lines(tmp_path, {"id": "a", "text": longest + "!"}))
    assert message.startswith("samples.jsonl, line 1: 'text' has 20,001 characters, and 20,000 is")


def test_a_line_without_an_end_is_not_read_whole(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(output_lines, "MOST_LINE_BYTES", 1 << 20)
    assert "line 1: the line is longer than 1 MiB" in problem(raw(tmp_path, b" " * (3 << 20)))


def test_too_many_answers_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(output_files, "MOST_ROWS", 2)
    path = lines(tmp_path, {"id": "a", "texts": ["x", "y"]}, {"id": "b", "text": "z"})
    assert problem(path).startswith("samples.jsonl, line 2: more than 2 answers")


def test_an_index_for_some_answers_only_is_refused(tmp_path: Path) -> None:
    path = lines(tmp_path, {"id": "a", "text": "x", "index": 0}, {"id": "b", "text": "y"})
    assert "samples.jsonl, line 1 has an index and samples.jsonl, line 2 has none" in problem(path)


@pytest.mark.parametrize("name", ["samples.jsonl", "samples.csv"])
def test_an_empty_file_is_refused(tmp_path: Path, name: str) -> None:
    assert problem(raw(tmp_path, "", name)).startswith(name)


def test_a_csv_keeps_commas_quotes_line_breaks_and_signs_of_spreadsheets(tmp_path: Path) -> None:
    content = 'id,text,index,reward,mine\na,"x, ""y""\r\nz",0,-1.5e0,\nb,\'=1+1,0,,7\n'
    first, second = read_output_files(raw(tmp_path, content, "samples.csv")).rows
    assert (first.text, first.reward, first.number) == ('x, "y"\r\nz', -1.5, 2)
    assert (second.text, second.reward, second.number) == ("'=1+1", None, 4)


def test_an_empty_cell_is_an_empty_text_only_where_the_status_is_ok(tmp_path: Path) -> None:
    path = raw(tmp_path, "id,text,status\na,,ok\nb,,refused\n", "samples.csv")
    assert [row.text for row in read_output_files(path).rows] == ["", None]
    message = problem(raw(tmp_path, "id,text,status\na,,\n", "samples.csv"))
    assert message.startswith("samples.csv, line 2: has no text; give one (in a CSV an empty one")


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ('id,text\na,"x\ny"\nb\n', "line 4: has 1 cells, and the header has 2"),
        ("id,text\na,x,y\n", "line 2: has 3 cells, and the header has 2"),
        ('id,text\na,x\nb,"y\nz', "line 3: broken CSV from here on (unexpected end of data)"),
        ('id,text\na,"x"y\n', "line 2: broken CSV from here on"),
        ("id,text\ra,x\r", "line 1: broken CSV from here on"),
        ("id,text\na,x\0\n", "line 2: holds a NUL character"),
        ("a,x\nb,y\n", "line 1: has neither 'text' nor 'texts', only 'a', 'x'"),
        ("id,text,id\na,x,b\n", "line 1: column 'id' is named twice"),
        ("id;text\na;x\n", "line 1: no commas between the columns"),
        ("id,texts\na,x\n", "line 1: a CSV has no lists, so no 'texts'"),
        ("id,text,indx\na,x,0\n", "line 1: column 'indx': did you mean 'index'?"),
        ("id,text,index\na,x,0.0\n", "line 2: 'index' must be a whole number from 0, not '0.0'"),
        ("id,text,reward\na,x,nan\n", "line 2: 'reward' must be a finite number, not 'nan'"),
        ("id,text,reward\na,x,1e999\n", "line 2: 'reward' must be a finite number, not inf"),
        ("id,text\n,x\n", "line 2: says neither id nor prompt"),
        ("id,text\na," + "x" * 200_000, "line 2: broken CSV from here on (field larger than"),
    ],
)
def test_a_bad_csv_is_named_by_the_line_that_the_row_begins_in(
    tmp_path: Path, content: str, said: str
) -> None:
    assert problem(raw(tmp_path, content, "samples.csv")).startswith(f"samples.csv, {said}")


def test_the_unnamed_index_column_of_pandas_is_left_alone(tmp_path: Path) -> None:
    path = raw(tmp_path, ",id,text\n0,a,x\n", "samples.csv")
    assert read_output_files(path).rows[0].text == "x"


def test_a_parquet_may_hold_lists_dictionaries_and_nulls(tmp_path: Path) -> None:
    columns = {
        "id": pa.array(["a", "b"]).dictionary_encode(),
        "texts": pa.array([["x", "y"], None], pa.large_list(pa.large_string())),
        "text": pa.array([None, "z"]),
        "status": pa.nulls(2),
        "mine": pa.array([{"k": 1}, {"k": 2}]),
    }
    rows = read_output_files(parquet(tmp_path, columns)).rows
    assert [(r.id, r.text, r.number) for r in rows] == [("a", "x", 1), ("a", "y", 1), ("b", "z", 2)]
    assert rows[2].where == "samples.parquet, row 2"


@pytest.mark.parametrize(
    ("columns", "said"),
    [
        ({"id": [7], "text": ["x"]}, "its columns: 'id' must hold texts (string), not int64"),
        ({"id": ["a"], "text": [b"x"]}, "its columns: 'text' must hold texts (string), not binary"),
        (
            {"id": ["a"], "texts": ["x"]},
            "its columns: 'texts' must hold lists of texts, not string",
        ),
        ({"id": ["a"], "text": ["x"], "index": [0.0]}, "its columns: 'index' must hold whole"),
        ({"id": ["a"], "text": ["x"], "reward": ["1"]}, "its columns: 'reward' must hold numbers"),
        ({"id": ["a"], "txet": ["x"]}, "its columns: has neither 'text' nor 'texts'"),
        ({"id": ["a", "b"], "text": ["x", None]}, "row 2: has no text"),
        (
            {"id": ["a"], "text": ["x"], "reward": [float("nan")]},
            "row 1: 'reward' must be a finite",
        ),
    ],
)
def test_a_bad_parquet_is_named_by_column_or_row(
    tmp_path: Path, columns: dict[str, Any], said: str
) -> None:
    assert problem(parquet(tmp_path, columns)).startswith(f"samples.parquet, {said}")


def test_a_parquet_with_a_column_twice_is_refused(tmp_path: Path) -> None:
    table = pa.Table.from_arrays([pa.array(["a"])] * 3, ["id", "text", "text"])
    pq.write_table(table, tmp_path / "samples.parquet")
    assert "'text' is there twice" in problem(tmp_path / "samples.parquet")


def test_a_parquet_text_that_is_not_utf8_is_found_by_row(tmp_path: Path) -> None:
    bad = pa.Array.from_buffers(
        pa.string(), 2, [None, pa.py_buffer(b"\0\0\0\0\1\0\0\0\3\0\0\0"), pa.py_buffer(b"xy\xff")]
    )
    message = problem(parquet(tmp_path, {"id": pa.array(["a", "b"]), "text": bad}))
    assert message.startswith("samples.parquet, row 2: not UTF-8 (byte 1 of the text)")


def test_a_parquet_with_a_column_name_that_is_not_utf8_is_refused(tmp_path: Path) -> None:
    whole = parquet(tmp_path, {"id": ["a"], "text": ["x"], "mine": ["y"]}).read_bytes()
    message = problem(raw(tmp_path, whole.replace(b"mine", b"m\xffne"), "samples.parquet"))
    assert message.startswith("samples.parquet: cannot be read as Parquet")


def test_a_truncated_parquet_is_refused(tmp_path: Path) -> None:
    whole = parquet(tmp_path, {"id": ["a"], "text": ["x"]}).read_bytes()
    message = problem(raw(tmp_path, whole[:-9], "samples.parquet"))
    assert message.startswith("samples.parquet: cannot be read as Parquet")


def test_a_folder_is_read_in_the_order_of_names_whatever_the_kinds(tmp_path: Path) -> None:
    folder = tmp_path / "run"
    lines(folder, {"id": "a", "text": "2"}, name="b/x.jsonl")
    raw(folder, "id,text\na,1\n", "a.CSV")
    parquet(folder, {"id": ["a"], "text": ["3"]}, "c.parquet")
    raw(folder, "not read", "README.md")
    raw(folder, "not read", ".hidden/x.jsonl")
    found = read_output_files(folder)
    assert [row.text for row in found.rows] == ["1", "2", "3"]
    assert [row.where for row in found.rows] == [
        "a.CSV, line 2",
        "b/x.jsonl, line 1",
        "c.parquet, row 1",
    ]
    assert found.name == "run"


def test_a_folder_without_a_file_of_the_three_kinds_is_refused(tmp_path: Path) -> None:
    raw(tmp_path / "run", "{}", "x.json")
    with pytest.raises(
        BadInput, match=r"run: the folder holds no file that ends in .jsonl, .csv or"
    ):
        read_output_files(tmp_path / "run")


def test_a_link_out_of_a_folder_is_refused(tmp_path: Path) -> None:
    outside = lines(tmp_path, {"id": "a", "text": "x"})
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "x.jsonl").symlink_to(outside)
    with pytest.raises(Refused, match=r"^x.jsonl: is a link to outside the folder"):
        read_output_files(tmp_path / "run")


@pytest.mark.parametrize("name", ["none.jsonl", "a" * 300 + ".jsonl", "nul\0.jsonl", "tab\t.jsonl"])
def test_a_file_that_is_not_there_is_said_to_be_missing(tmp_path: Path, name: str) -> None:
    with pytest.raises(BadInput, match=r"does not exist|cannot be read") as caught:
        read_output_files(tmp_path / name)
    assert str(caught.value).isprintable()
    assert str(tmp_path) not in str(caught.value)


def test_a_file_of_another_kind_is_refused(tmp_path: Path) -> None:
    message = problem(raw(tmp_path, "[]", "samples.json"))
    assert message.startswith("samples.json: its name must end in .jsonl, .csv or .parquet")


def test_the_revision_is_of_the_content_and_not_of_the_place(tmp_path: Path) -> None:
    one = lines(tmp_path / "one", {"id": "a", "text": "x"})
    same = lines(tmp_path / "two", {"id": "a", "text": "x"}, name="other.jsonl")
    other = lines(tmp_path / "three", {"id": "a", "text": "y"})
    sha256 = hashlib.sha256(one.read_bytes()).hexdigest()
    assert read_output_files(one).revision == f"sha256:{sha256}"
    assert read_output_files(same).revision == read_output_files(one.parent).revision
    assert read_output_files(same).revision == f"sha256:{sha256}"
    assert read_output_files(other).revision != f"sha256:{sha256}"


def test_the_revision_of_a_folder_follows_the_order_of_its_files(tmp_path: Path) -> None:
    revisions = []
    for folder, names in (("f", "ab"), ("g", "cd"), ("h", "ba")):
        for name, text in zip(names, "xy", strict=True):
            lines(tmp_path / folder, {"id": "a", "text": text}, name=f"{name}.jsonl")
        revisions.append(read_output_files(tmp_path / folder).revision)
    assert revisions[0] == revisions[1] != revisions[2]


@given(texts=st.lists(TEXTS, min_size=1, max_size=5), prompt=TEXTS.filter(bool))
@SHARED_FOLDER
def test_every_text_comes_back_as_it_was_from_each_format(
    tmp_path: Path, texts: list[str], prompt: str
) -> None:
    path = raw(
        tmp_path,
        "".join(
            json.dumps({"prompt": prompt, "text": text}, ensure_ascii=len(text) % 2 == 0) + "\n"
            for text in texts
        ),
    )
    table = {"prompt": [prompt] * len(texts), "text": texts}
    paths = [path, parquet(tmp_path, table)]
    with (tmp_path / "samples.csv").open("w", encoding="utf-8", newline="") as file:
        rows = [[prompt, text, "ok"] for text in texts]
        csv.writer(file, quoting=csv.QUOTE_ALL).writerows([["prompt", "text", "status"], *rows])
    for own in (*paths, tmp_path / "samples.csv"):
        found = read_output_files(own).rows
        assert [(row.prompt, row.text) for row in found] == [(prompt, text) for text in texts]


def reads_or_refuses(folder: Path, content: bytes, suffix: str) -> None:
    try:
        rows = read_output_files(raw(folder, content, f"samples{suffix}")).rows
    except BadInput as error:
        assert str(error).isprintable()
    else:
        assert all(row.id is not None or row.prompt is not None for row in rows)
        assert all(row.text is not None or row.status != "ok" for row in rows)


@given(content=st.binary(max_size=200), suffix=st.sampled_from([".jsonl", ".csv", ".parquet"]))
@SHARED_FOLDER
def test_arbitrary_bytes_are_rows_or_bad_input(tmp_path: Path, content: bytes, suffix: str) -> None:
    reads_or_refuses(tmp_path, content, suffix)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3)
    ),
    max_leaves=5,
)
NAMES = st.sampled_from(
    ["id", "prompt", "text", "texts", "index", "status", "finish", "reward", "x"]
)


@given(rows=st.lists(st.dictionaries(NAMES, JSON, max_size=6), max_size=3))
@SHARED_FOLDER
def test_arbitrary_objects_are_rows_or_bad_input(
    tmp_path: Path, rows: list[dict[str, Any]]
) -> None:
    reads_or_refuses(tmp_path, "\n".join(map(json.dumps, rows)).encode(), ".jsonl")


@given(st.data())
@SHARED_FOLDER
def test_a_damaged_file_is_rows_or_bad_input(tmp_path: Path, data: st.DataObject) -> None:
    suffix = data.draw(st.sampled_from([".csv", ".parquet", ".jsonl"]))
    if suffix == ".parquet":
        content = bytearray(parquet(tmp_path, {"id": ["a", "b"], "text": ["x", "y"]}).read_bytes())
    elif suffix == ".csv":
        content = bytearray(b'id,text,index\na,"x, y",0\nb,"z\n1",0\n')
    else:
        content = bytearray(b'{"id": "a", "text": "x"}\n{"id": "b", "texts": ["y", "z"]}\n')
    for _ in range(data.draw(st.integers(1, 3))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    reads_or_refuses(tmp_path, bytes(content), suffix)
