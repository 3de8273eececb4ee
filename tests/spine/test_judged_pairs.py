"""Judges of pairs and of single answers, through the command line, with fakes."""

import json
import shutil
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from evalsuite.comparing.trimming import restricted, usable_samples
from evalsuite.record import load_record
from evalsuite.requests import canonical_json, digest, request_key
from evalsuite.responses_file import ResponsesFile
from evalsuite.verification import verify
from tests.spine.runs import evalsuite, record_of, task
from tests.spine.test_verification import reseal, rewrite

NLI = ("--judge", "nli=fake:text-classifier")
QUALITY = ("--judge", "quality=fake:rater")
SMALL = ("--limit", "10", "--samples", "4", "--option", "best_of=2")


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    """The folder of a record with every judge."""
    cwd = tmp_path_factory.mktemp("judged")
    more = ("--option", "nli_sentences=2", "--json")
    done = evalsuite(*task("fake:text", *NLI, *QUALITY, *SMALL, *more), cwd=cwd)
    assert record_of(done)["complete"], done.stderr
    return next((cwd / "results").rglob("record.json")).parent


def tables(folder: Path) -> ResponsesFile:
    record = load_record(folder)
    entrants = {role: judge.entrant for role, judge in record.judges.items()}
    return ResponsesFile(folder / "responses.parquet", entrants | {"model": record.entrant})


def test_every_ordered_pair_is_judged_and_the_record_verifies(folder):
    found = tables(folder)
    assert not found.problems
    rows = found.tables["nli"].rows
    assert len(rows) == 10 * 4 * 3
    assert all(row.scores and abs(sum(row.scores) - 1) < 1e-9 for row in rows)
    done = evalsuite("verify", str(folder), cwd=folder)
    assert done.returncode == 0, done.stderr


def test_measures_of_the_judges_are_there(folder):
    estimates = {e.measure: e.estimate for e in load_record(folder).estimates if e.slice == "all"}
    for name in ("per_input_nli", "per_input_nli_released", "per_input_nli_olmo",
                 "per_input_nli_sentences", "quality_mean", "quality_pass_rate",
                 "effective_sbert", "best_of_n_sbert", "best_of_n_ead"):  # fmt: skip
        assert estimates[name].estimate is not None, name
    assert estimates["per_input_nli_released"].estimate == pytest.approx(
        1 - estimates["per_input_nli"].estimate
    )


def test_the_diversity_is_that_of_the_judged_pairs(folder):
    weights = np.array([-1.0, 0.0, 1.0])
    by_unit: dict[str, list[float]] = {}
    for row in tables(folder).tables["nli"].rows:
        best = int(np.argmax(row.scores))
        by_unit.setdefault(row.unit.id, []).append(weights[best] * row.scores[best])
    # Both directions add up: twice the mean over ordered pairs.
    expected = np.mean([2 * np.mean(values) for values in by_unit.values()])
    found = load_record(folder).estimate_of("per_input_nli").estimate.estimate
    assert found == pytest.approx(expected, abs=1e-12)


def test_without_a_judge_the_measure_is_missing_with_what_supplies_it(tmp_path):
    record = record_of(evalsuite(*task("fake:text", *SMALL, "--json"), cwd=tmp_path))
    by_name = {e["measure"]: e for e in record["estimates"] if e["slice"] == "all"}
    for name, role in (("per_input_nli", "nli"), ("quality_mean", "quality")):
        assert by_name[name]["estimate"]["estimate"] is None
        assert f"--judge {role}=MODEL" in by_name[name]["estimate"]["warnings"][0]
    assert record["complete"]


@pytest.mark.parametrize("column", ["scores", "other"])
def test_a_changed_verdict_is_found(folder, tmp_path, column):
    copy = tmp_path / "copy"
    copy.mkdir()
    for file in folder.iterdir():
        (copy / file.name).write_bytes(file.read_bytes())
    table = pq.read_table(copy / "responses.parquet")
    rows = table.to_pylist()
    place = next(i for i, row in enumerate(rows) if row["table"] == "nli")
    rows[place][column] = [0.1, 0.2, 0.7] if column == "scores" else 9
    pq.write_table(pa.Table.from_pylist(rows, schema=table.schema), copy / "responses.parquet")
    done = evalsuite("verify", str(copy), cwd=tmp_path)
    assert done.returncode == 5
    assert "was changed" in done.stderr


def test_a_lost_sample_takes_its_pairs_with_it(folder):
    found = tables(folder).tables
    unit = found["outputs"].rows[0].unit.id
    kept = {place: frozenset(own) for place, own in usable_samples(found).items()}
    kept[unit, 0] = frozenset({0, 2})
    rows = [row for row in restricted(found, kept)["nli"].rows if row.unit.id == unit]
    assert [(row.index, row.other) for row in rows] == [(0, 2), (2, 0)]


def test_a_judge_without_the_labels_is_refused(tmp_path):
    done = evalsuite(*task("fake:text", "--judge", "nli=fake:text-embedder"), cwd=tmp_path)
    assert done.returncode == 2
    assert "nli" in done.stderr and "Traceback" not in done.stderr


def test_a_dry_run_counts_the_pairs_as_a_range(tmp_path):
    more = (*NLI, *SMALL, "--dry-run", "--json")
    done = evalsuite(*task("fake:text", *more), cwd=tmp_path)
    calls = {(c["role"], c["capability"]): c for c in json.loads(done.stdout)["calls"]}
    assert calls["nli", "classifies_text"]["n_high"] == 10 * 4 * 3


def rows_of(rows: list[dict], table: str) -> list[dict]:
    return [row for row in rows if row["table"] == table and row["key"] is not None]


def asks(row: dict, change) -> None:
    """Change the parts of a row's question."""
    prompt = json.loads(row["prompt"])
    change(prompt["parts"])
    row["prompt"] = canonical_json(prompt)


def reversed_labels(rows: list[dict]) -> None:
    for row in rows_of(rows, "nli"):
        asks(row, lambda parts: parts[2].update(labels=parts[2]["labels"][::-1]))
        row["scores"] = row["scores"][::-1]


def pairs_with_themselves(rows: list[dict]) -> None:
    for row in rows_of(rows, "nli"):
        asks(row, lambda parts: parts[1].update(text=parts[0]["text"]))
        row["scores"] = [0.0, 0.0, 1.0]


def another_row_before(rows: list[dict]) -> None:
    first = next(i for i, row in enumerate(rows) if row["table"] == "nli")
    extra = dict(rows[first])
    asks(extra, lambda parts: parts[0].update(text=parts[0]["text"] + " But no."))
    rows.insert(first, extra | {"scores": [0.0, 0.0, 1.0]})


def without_low_ratings(rows: list[dict]) -> None:
    kept = [row for row in rows if row["table"] != "ratings" or (row["scores"] or [9])[0] >= 0.5]
    rows[:] = kept


def first_words_rated(rows: list[dict]) -> None:
    for row in rows_of(rows, "ratings"):
        asks(row, lambda parts: parts[1].update(text=parts[1]["text"].split()[0]))
        row["scores"] = [0.99]


@pytest.mark.parametrize(
    "forge",
    [reversed_labels, pairs_with_themselves, another_row_before, without_low_ratings,
     first_words_rated],
    ids=lambda forge: forge.__name__,
)  # fmt: skip
def test_judges_that_were_asked_otherwise_are_found_under_fitting_checksums(
    folder, tmp_path, forge
):
    copy = tmp_path / "copy"
    shutil.copytree(folder, copy)
    record = load_record(copy)
    entrants = {role: judge.entrant for role, judge in record.judges.items()}
    entrants["model"] = record.entrant

    def change(rows: list[dict]) -> None:
        forge(rows)
        for row in rows_of(rows, "nli") + rows_of(rows, "ratings"):
            asked = json.loads(row["prompt"])
            row["key"] = request_key(
                row["capability"], entrants[row["role"]].identity, digest(asked), "-", 0, 0, 0
            )

    reseal(copy, change)
    rewrite(copy)
    problems = verify(copy).problems
    assert problems, "a record whose judges were asked something else verifies"
    assert all(p.startswith(("nli", "ratings", "judges.")) for p in problems), problems
