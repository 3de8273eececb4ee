"""`verify` recomputes a record elsewhere, and names what was changed."""

import hashlib
import json
import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import evalsuite
from evalsuite.api import publish
from evalsuite.errors import BadInput
from evalsuite.execution import scored
from evalsuite.fingerprint import apparatus
from evalsuite.measures import ALL
from evalsuite.record import Record, load_record
from evalsuite.requests import Decoding, digest, request_key
from evalsuite.response_cells import ANSWER, checksum
from evalsuite.responses_file import ResponsesFile
from evalsuite.row_claims import counted
from evalsuite.scores_file import scores_digest, write_scores
from evalsuite.tasks import TASKS
from evalsuite.verification import SHOWN, check
from tests.spine.runs import evalsuite as cli

Value = dict[str, Any]
Rows = list[dict[str, Any]]


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A record, moved away from where it was made, without the store it came from."""
    place = tmp_path_factory.mktemp("made")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("EVALSUITE_HOME", str(place / "home"))
        evalsuite.run(
            "rlhf_diversity",
            "fake:text",
            judges={"embedder": "fake:text-embedder"},
            limit=12,
            samples=3,
            out=place / "run",
        )
    shutil.move(next((place / "run" / "results").rglob("record.json")).parent, place / "record")
    shutil.rmtree(place / "home")
    return place / "record"


@pytest.fixture
def folder(made: Path, tmp_path: Path) -> Path:
    """A copy of the record, to be changed."""
    return Path(shutil.copytree(made, tmp_path / "elsewhere"))


def change_rows(folder: Path, change: Callable[[Rows], None]) -> None:
    file = folder / "responses.parquet"
    table = pq.read_table(file)
    rows = table.to_pylist()
    change(rows)
    pq.write_table(pa.Table.from_pylist(rows, schema=table.schema), file)


def change_record(folder: Path, change: Callable[[Value], None], *, seal: bool) -> None:
    file = folder / "record.json"
    value = json.loads(file.read_text())
    change(value)
    if seal:
        record = Record.model_validate(value)
        fingerprint = record.apparatus.fingerprint
        record = record.model_copy(update={"fingerprint": fingerprint}).sealed()
        value |= {"fingerprint": fingerprint, "hash": record.hash}
    file.write_text(json.dumps(value))


def reseal(folder: Path, change: Callable[[Rows], None]) -> None:
    """Change rows as a forger would: with new checksums, and a record that fits them."""
    sums: list[str] = []

    def change_and_sum(rows: Rows) -> None:
        change(rows)
        for row in rows:
            row["sha256"] = checksum(row)
            sums.append(row["sha256"])

    change_rows(folder, change_and_sum)
    total = hashlib.sha256("".join(sums).encode()).hexdigest()
    change_record(folder, lambda value: value.update(responses_sha256=total), seal=True)


def rewrite(folder: Path) -> None:
    """Give a record the counts, apparatus and numbers that follow from its changed rows."""
    old = load_record(folder)
    task = TASKS[old.task]
    entrants = {role: judge.entrant for role, judge in old.judges.items()}
    found = ResponsesFile(folder / "responses.parquet", entrants | {"model": old.entrant})
    options = task.read_options(old.mode, dict(old.apparatus.options))
    absent = task.card.judges.keys() - old.judges.keys()
    fresh = scored(task, old.mode, options, found.tables, absent=absent)
    estimates = fresh.estimates
    headline = next(e for e in estimates if (e.measure, e.slice) == (task.card.headline, ALL))
    write_scores(folder / "scores.parquet", fresh.scores)
    again = apparatus(task, old.mode, options, found.units, entrants)
    judges = {
        role: judge.model_copy(update={"counts": counted(found.tables, role)})
        for role, judge in old.judges.items()
    }
    new = old.model_copy(
        update={
            "estimates": estimates,
            "headline": headline,
            "counts": counted(found.tables, "model"),
            "judges": judges,
            "apparatus": again,
            "prompts_sha256": again.prompts_sha256,
            "fingerprint": again.fingerprint,
            "scores_sha256": {name: scores_digest(own) for name, own in fresh.scores.items()},
        }
    )
    (folder / "record.json").write_text(new.sealed().to_json())


def output(rows: Rows, n: int) -> dict[str, Any]:
    return [row for row in rows if row["table"] == "outputs"][n]


def embedding(rows: Rows, n: int) -> dict[str, Any]:
    return [row for row in rows if row["table"] == "embeddings"][n]


def test_an_untouched_record_is_verified_elsewhere(folder: Path) -> None:
    found = cli("verify", str(folder), cwd=folder)
    assert found.returncode == 0, found.stderr
    assert found.stdout.startswith("verified: ")


def test_a_changed_answer_is_named(folder: Path) -> None:
    def change(rows: list[dict[str, Any]]) -> None:
        output(rows, 5)["text"] += " more"

    change_rows(folder, change)
    found = cli("verify", str(folder), cwd=folder)
    assert found.returncode == 5
    assert "(outputs, unit " in found.stderr and ", sample 2) was changed" in found.stderr


def test_a_changed_vector_is_named(folder: Path) -> None:
    def change(rows: list[dict[str, Any]]) -> None:
        row = next(row for row in rows if row["table"] == "embeddings")
        row["vector"][0] += 0.5

    change_rows(folder, change)
    problems = evalsuite.verify(folder).problems
    assert any("(embeddings, unit " in problem for problem in problems)


def test_a_changed_prompt_is_named_even_with_a_new_checksum(folder: Path) -> None:
    def change(rows: list[dict[str, Any]]) -> None:
        row = output(rows, 0)
        row["prompt"] = row["prompt"].replace('"text":"', '"text":"Please. ')
        row["sha256"] = checksum(row)

    change_rows(folder, change)
    problems = evalsuite.verify(folder).problems
    assert any("its key does not follow from prompt" in problem for problem in problems)


def test_a_changed_value_is_named_even_under_a_new_hash(folder: Path) -> None:
    def change(value: dict[str, Any]) -> None:
        for estimate in (value["headline"], value["estimates"][0]):
            estimate["estimate"]["estimate"] += 1e-6

    change_record(folder, change, seal=False)
    assert any("its hash does not fit" in p for p in evalsuite.verify(folder).problems)
    change_record(folder, lambda value: None, seal=True)
    problems = evalsuite.verify(folder).problems
    assert len(problems) == 1
    assert problems[0].startswith("per_input_sbert [all]: estimate is ")


def test_a_lost_row_is_noticed(folder: Path) -> None:
    change_rows(folder, lambda rows: rows.pop())
    problems = evalsuite.verify(folder).problems
    assert any(problem.startswith("responses_sha256") for problem in problems)


def test_a_leaderboard_leaves_a_record_out_that_is_not_true(folder: Path, tmp_path: Path) -> None:
    place = tmp_path / "board" / "results" / "rlhf_diversity" / "x" / "y"
    shutil.copytree(folder, place)
    change_rows(place, lambda rows: output(rows, 0).update(text="forged"))
    built = cli("leaderboard", "build", "--out", str(tmp_path / "board"), cwd=tmp_path)
    assert "left out of the leaderboard" in built.stderr
    csv = (tmp_path / "board" / "leaderboards" / "rlhf_diversity.csv").read_text()
    assert len(csv.splitlines()) == 1


def test_a_record_without_responses_is_self_reported_and_cannot_be_verified(
    folder: Path, tmp_path: Path
) -> None:
    place = tmp_path / "board" / "results" / "rlhf_diversity" / "x" / "y"
    shutil.copytree(folder, place)
    (place / "responses.parquet").unlink()
    built = cli("leaderboard", "build", "--out", str(tmp_path / "board"), cwd=tmp_path)
    assert built.returncode == 0, built.stderr
    csv = (tmp_path / "board" / "leaderboards" / "rlhf_diversity.csv").read_text()
    assert csv.count('"self_reported"') == 1
    found = cli("verify", str(place), cwd=tmp_path)
    assert found.returncode == 2 and "without it none can check" in found.stderr
    change_record(place, lambda value: value.update(seed=5), seal=False)
    cli("leaderboard", "build", "--out", str(tmp_path / "board"), cwd=tmp_path)
    csv = (tmp_path / "board" / "leaderboards" / "rlhf_diversity.csv").read_text()
    assert "self_reported" not in csv, "a record that contradicts itself is left out"


@pytest.mark.parametrize(
    ("content", "says"),
    [
        ("{", "not a record"),
        ("[]", "no schema number"),
        ('{"schema": 999}', "newer than this evalsuite"),
        ('{"schema": 1}', "not a record"),
    ],
)
def test_what_is_no_record_is_one_clear_line(tmp_path: Path, content: str, says: str) -> None:
    (tmp_path / "record.json").write_text(content)
    found = cli("verify", str(tmp_path), cwd=tmp_path)
    assert found.returncode == 2
    assert says in found.stderr and len(found.stderr.strip().splitlines()) == 1


def set_to(*path: str | int, to: Any) -> Callable[[Value], None]:
    """Put a value in a record."""

    def change(value: Value) -> None:
        place: Any = value
        for step in path[:-1]:
            place = place[step]
        place[path[-1]] = to

    return change


def option(name: str, to: Any) -> Callable[[Value], None]:
    def change(value: Value) -> None:
        pair = next(pair for pair in value["apparatus"]["options"] if pair[0] == name)
        pair[1] = to

    return change


def of_headline(field: str, to: Any, *, own: bool = False) -> Callable[[Value], None]:
    """Change a field of the headline, where it stands among the estimates too."""

    def change(value: Value) -> None:
        for measure in (value["headline"], value["estimates"][0]):
            (measure if own else measure["estimate"])[field] = to

    return change


def both(
    first: Callable[[Value], None], second: Callable[[Value], None]
) -> Callable[[Value], None]:
    def change(value: Value) -> None:
        first(value)
        second(value)

    return change


def swap_headline(value: Value) -> None:
    value["headline"] = next(
        e
        for e in value["estimates"]
        if e["slice"] == "all" and e["measure"] != value["headline"]["measure"]
    )


def slice_headline(value: Value) -> None:
    own = value["headline"]["measure"]
    found = (e for e in value["estimates"] if e["slice"] != "all" and e["measure"] == own)
    value["headline"] = next(found)


def change_judge(value: Value) -> None:
    judge = value["judges"]["embedder"]["entrant"]
    judge["revision"] = "another"
    value["apparatus"]["judges"] = [
        ["embedder", Record.model_validate(value).judges["embedder"].entrant.identity]
    ]


def remove_judge(value: Value) -> None:
    value["judges"], value["apparatus"]["judges"] = {}, []


def add_role(value: Value) -> None:
    value["judges"]["oracle"] = value["judges"]["embedder"]


EDITS = {
    "counts": (set_to("counts", "ok", to=35), "counts: 35 of 36 ok in the record, 36 of 36 ok"),
    "counts of a judge": (
        set_to("judges", "embedder", "counts", "requests", to=90),
        "judges.embedder.counts: ",
    ),
    "complete": (set_to("complete", to=False), "complete: False in the record"),
    "decoding": (set_to("entrant", "decoding", "temperature", to=0.5), "drawn with temperature"),
    "decoding taken away": (set_to("entrant", "decoding", to=None), "entrant.decoding: None"),
    "decoding of a judge": (
        set_to("judges", "embedder", "entrant", "decoding", to=Decoding().model_dump()),
        "judges.embedder.entrant.decoding: ",
    ),
    "entrant": (set_to("entrant", "revision", to="other"), "its key does not follow from"),
    "seed": (set_to("seed", to=5), "drawn with seed 0; seed and replicate of the record give 5"),
    "replicates": (set_to("replicates", to=2), "12 units x 2 replicates x 3 samples: none for"),
    "very many replicates": (set_to("replicates", to=10**12), " replicates x 3 samples: none for"),
    "no replicates": (set_to("replicates", to=0), "beyond the record's replicates (0)"),
    "headline": (swap_headline, "headline: is not per_input_sbert over all units"),
    "headline of a part": (slice_headline, "headline: is not per_input_sbert over all units"),
    "estimate": (of_headline("estimate", 0.5), "per_input_sbert [all]: estimate is 0.5"),
    "standard error": (of_headline("se", 1e-5), "per_input_sbert [all]: se is 1e-05"),
    "level": (of_headline("level", 0.9), "per_input_sbert [all]: level is 0.9"),
    "n": (of_headline("n", 13), "per_input_sbert [all]: n is 13"),
    "n_missing": (of_headline("n_missing", 1), "per_input_sbert [all]: n_missing is 1"),
    "method": (of_headline("method", "guess"), "per_input_sbert [all]: method is guess"),
    "warnings": (of_headline("warnings", ["x"]), "per_input_sbert [all]: warnings is ('x',)"),
    "direction": (
        of_headline("higher_is_better", False, own=True),
        "per_input_sbert [all]: higher_is_better is False",
    ),
    "unit": (of_headline("unit", "nats", own=True), "per_input_sbert [all]: unit is nats"),
    "kind": (of_headline("kind", "pooled", own=True), "per_input_sbert [all]: kind is pooled"),
    "spread": (of_headline("sd", None, own=True), "per_input_sbert [all]: sd is None"),
    "bound": (of_headline("bound_low", 0.0, own=True), "per_input_sbert [all]: bound_low is 0.0"),
    "measure's version": (
        of_headline("measure_version", 9, own=True),
        "per_input_sbert [all]: measure_version is 9",
    ),
    "lost estimate": (lambda value: value["estimates"].pop(), "and is not in the record"),
    "doubled estimate": (
        lambda value: value["estimates"].append(value["estimates"][0]),
        "per_input_sbert [all]: does not follow from the responses",
    ),
    "more samples": (option("samples", 4), "12 units x 1 replicates x 4 samples: none for unit"),
    "fewer samples": (option("samples", 2), "sample 2: beyond the samples of the options (2)"),
    "max_new_tokens": (option("max_new_tokens", 64), "max_new_tokens is 48; the options have 64"),
    "option out of range": (option("samples", 0), "apparatus.options: "),
    "option of no task": (
        lambda value: value["apparatus"]["options"].append(["x", 1]),
        "apparatus.options: ",
    ),
    "missing option": (lambda value: value["apparatus"]["options"].pop(0), "apparatus.options: "),
    "apparatus.judges": (set_to("apparatus", "judges", 0, 1, to="0" * 64), "apparatus.judges: "),
    "judge": (change_judge, "its key does not follow from prompt"),
    "judge taken away": (remove_judge, "role 'embedder' is none of the record's (model)"),
    "judge added": (add_role, "judges: rlhf_diversity has no role 'oracle'"),
    "n_units": (set_to("apparatus", "n_units", to=120), "apparatus.n_units: 120 in the record, 12"),
    "measures": (lambda value: value["apparatus"]["measures"].pop(), "apparatus.measures: "),
    "data": (
        lambda value: value["apparatus"]["data"].append(["a.csv", "0" * 64]),
        "apparatus.data: ",
    ),
    "rule": (set_to("apparatus", "adaptive_rule", to="stop"), "apparatus.adaptive_rule: stop"),
    "apparatus.task": (set_to("apparatus", "task", to="other"), "apparatus.task: other"),
    "apparatus.mode": (set_to("apparatus", "mode", to="image"), "apparatus.mode: image"),
    "apparatus.task_version": (
        set_to("apparatus", "task_version", to=9),
        "apparatus.task_version: 9",
    ),
    "task": (set_to("task", to="other"), "task: 'other' in the record, 'rlhf_diversity' in its"),
    "mode": (set_to("mode", to="image"), "mode: 'image' in the record, 'text' in its apparatus"),
    "task_version": (set_to("task_version", to=9), "task_version: 9 in the record, 2 in its"),
    "mode, twice": (
        both(set_to("mode", to="image"), set_to("apparatus", "mode", to="image")),
        "mode: rlhf_diversity version 2 has no mode 'image'",
    ),
    "prompts": (
        both(
            set_to("prompts_sha256", to="0" * 64),
            set_to("apparatus", "prompts_sha256", to="0" * 64),
        ),
        "prompts_sha256: the prompts are not those",
    ),
    "responses": (set_to("responses_sha256", to="0" * 64), "responses_sha256: "),
}


@pytest.mark.parametrize("edit", EDITS)
def test_an_edit_under_a_new_hash_and_fingerprint_is_named(folder: Path, edit: str) -> None:
    change, says = EDITS[edit]
    change_record(folder, change, seal=True)
    problems = evalsuite.verify(folder).problems
    assert any(says in problem for problem in problems), problems
    assert len(problems) <= SHOWN + 1
    assert not any("its hash does not fit" in p or "fingerprint" in p for p in problems)


def test_a_number_that_no_run_writes_is_a_problem_and_no_crash(folder: Path) -> None:
    change_record(folder, of_headline("sd", float("nan"), own=True), seal=False)
    found = cli("verify", str(folder), cwd=folder)
    assert found.returncode == 5, found.stderr
    assert "holds what no run writes" in found.stderr and "Traceback" not in found.stderr


def test_a_judge_that_was_absent_leaves_a_record_that_can_be_verified(folder: Path) -> None:
    def unask(rows: Rows) -> None:
        kept = {"table", "role", "unit", "cluster", "stratum", "replicate", "index"}
        for row in rows:
            if row["table"] == "embeddings":
                row.update(dict.fromkeys(row.keys() - kept) | {"status": "unasked"})

    reseal(folder, unask)
    change_record(folder, remove_judge, seal=True)
    rewrite(folder)
    record = load_record(folder)
    assert record.headline.estimate.warnings[0].startswith("no judge in the role embedder")
    assert evalsuite.verify(folder).problems == ()


def drop_samples(rows: Rows) -> None:
    rows[:] = [row for row in rows if row["index"] != 2]


def drop_prompt(rows: Rows) -> None:
    unit = output(rows, 0)["unit"]
    rows[:] = [row for row in rows if row["table"] == "units" or row["unit"] != unit]


def draw_again(rows: Rows) -> None:
    """Take another draw of the first prompt's first answer."""
    output(rows, 0)["occurrence"] = 3


def copy_answer(rows: Rows) -> None:
    """Fill the second sample with the first one."""
    output(rows, 1)["sample"] = 0
    for cell in ANSWER:
        output(rows, 1)[cell] = output(rows, 0)[cell]
    for cell in ("prompt", "key", "vector", *ANSWER):
        embedding(rows, 1)[cell] = embedding(rows, 0)[cell]


def swap_vectors(rows: Rows) -> None:
    """Let two answers to different prompts change their embeddings, each under its own key."""
    one, other = embedding(rows, 0), embedding(rows, 30)
    for cell in ("prompt", "key", "vector", "finish", "n_prompt_tokens"):
        one[cell], other[cell] = other[cell], one[cell]


def hide_answer(rows: Rows) -> None:
    """Leave an answer out of the embeddings."""
    kept = {"table", "role", "unit", "cluster", "stratum", "replicate", "index"}
    row = embedding(rows, 4)
    row.update(dict.fromkeys(row.keys() - kept) | {"status": "unasked"})


def exchange_prompts(rows: Rows) -> None:
    """Say that the answers were given to other prompts."""
    for row in rows:
        if row["table"] == "units":
            row["prompt"] = row["prompt"].replace('"text":"', '"text":"In one word: ')


FORGERIES = {
    drop_samples: "outputs: 24 rows, not 12 units x 1 replicates x 3 samples: none for unit",
    drop_prompt: "outputs: 33 rows, not 12 units x 1 replicates x 3 samples: none for unit",
    draw_again: "occurrence: equal prompts to model are numbered [0, 3], not from 0 on",
    copy_answer: "sample 1: holds sample 0 of its prompt",
    swap_vectors: "sample 0: asks about a text that is no answer of this sample",
    hide_answer: "sample 1: was not asked although there is an answer",
    exchange_prompts: "sample 0: its prompt does not hold its unit's",
}


@pytest.mark.parametrize("forge", FORGERIES, ids=lambda forge: forge.__name__)
def test_rows_that_no_run_asks_for_are_named_even_where_every_number_follows(
    folder: Path, forge: Callable[[Rows], None]
) -> None:
    record = load_record(folder)

    def forge_with_keys(rows: Rows) -> None:
        forge(rows)
        for row in rows:
            if row["table"] == "outputs":
                row["key"] = request_key(
                    row["capability"],
                    record.entrant.identity,
                    digest(json.loads(row["prompt"])),
                    digest(json.loads(row["sampling"])),
                    row["seed"],
                    row["sample"],
                    row["occurrence"],
                )

    reseal(folder, forge_with_keys)
    if forge is not drop_prompt:  # The task itself needs a prompt's answers and embeddings.
        rewrite(folder)
    problems = evalsuite.verify(folder).problems
    assert any(FORGERIES[forge] in problem for problem in problems), problems
    assert not any(" recomputed" in problem for problem in problems) or forge is drop_prompt


def of_output(**cells: Any) -> Callable[[Rows], None]:
    return lambda rows: output(rows, 4).update(cells)


def of_embedding(**cells: Any) -> Callable[[Rows], None]:
    return lambda rows: embedding(rows, 4).update(cells)


def of_unit(**cells: Any) -> Callable[[Rows], None]:
    return lambda rows: rows[1].update(cells)


def double_row(rows: Rows) -> None:
    rows.insert(rows.index(output(rows, 4)), dict(output(rows, 4)))


def swap_rows(rows: Rows) -> None:
    place = rows.index(output(rows, 3))
    rows[place], rows[place + 1] = rows[place + 1], rows[place]


def answer_twice(rows: Rows) -> None:
    first, other = embedding(rows, 0), embedding(rows, 4)
    other.update(prompt=first["prompt"], key=first["key"])


def empty(rows: Rows) -> None:
    rows.clear()


MALFORMED = {
    "unknown role": (of_output(role="oracle"), "role 'oracle' is none of the record's"),
    "another role": (of_output(role="embedder"), "role 'embedder' in a table of 'model'"),
    "no role": (of_output(role=None), "no role"),
    "ok turned refused": (of_output(status="refused"), "status 'refused' with a text"),
    "vector turned refused": (of_embedding(status="refused"), "status 'refused' with a vector"),
    "planned": (of_output(status="planned"), "status 'planned' is none"),
    "no status": (of_output(status=None), "status None is none"),
    "prompt no JSON": (of_output(prompt="{"), "prompt is not JSON"),
    "deep prompt": (of_output(prompt="[" * 100_000), "prompt is not JSON"),
    "prompt of another shape": (of_output(prompt='{"parts": 1}'), "prompt: parts"),
    "no prompt": (of_output(prompt=None), "no prompt"),
    "half a character": (
        of_output(prompt='{"parts": [{"kind": "text", "text": "\\ud800"}]}'),
        "prompt holds what is no character",
    ),
    "sampling no JSON": (of_output(sampling="hot"), "sampling is not JSON"),
    "sampling out of range": (of_output(sampling='{"top_p": 7}'), "sampling: top_p"),
    "no sampling": (of_output(sampling=None), "a sampled answer without a sampling"),
    "embedding with a seed": (of_embedding(seed=4), "embeds_text with a seed, sample"),
    "embedding with a sampling": (of_embedding(sampling="{}"), "embeds_text with a sampling"),
    "embedding with an image": (of_embedding(image_sha256="0" * 64), "with a image_sha256"),
    "details of a row": (of_output(details="{}"), "details, which only units have"),
    "details that are none": (of_unit(details="{"), "details: Value error, details are not JSON"),
    "topic without a name": (of_output(topic=""), "topic is empty"),
    "unit's id": (of_unit(unit="../x"), "id: String should match pattern"),
    "unit without id": (of_unit(unit=None), "id: Input should be a valid string"),
    "unit without prompt": (of_unit(prompt=None), "no prompt"),
    "unit's stratum": (of_unit(stratum="all"), "stratum 'all' is the name of the whole set"),
    "unit twice": (lambda rows: rows.insert(1, dict(rows[0])), "the unit is listed twice"),
    "unit not listed": (of_output(unit="nobody"), "belongs to a unit that is not listed"),
    "another cluster": (of_output(cluster="x"), "its cluster or stratum is not its unit's"),
    "doubled row": (double_row, "stands twice, or not in the order"),
    "swapped rows": (swap_rows, "stands twice, or not in the order"),
    "negative sample": (of_output(index=-1), "index is -1"),
    "no replicate": (of_output(replicate=None), "replicate is None"),
    "no seed": (of_output(seed=None), "seed is None"),
    "no table": (of_output(table=None), "None is no name of a table"),
    "table named self": (of_output(table="self"), "'self' is no name of a table"),
    "capability": (of_output(capability="sings"), "capability 'sings' is none"),
    "no key": (of_output(key=None), "status 'ok' without a request"),
    "another key": (of_output(key=b"k"), "its key does not follow"),
    "not asked and answered": (of_output(key=None, status="unasked"), "was not asked and has"),
    "no text": (of_output(text=None), "an answer of generates_text with no text"),
    "no vector": (of_embedding(vector=None), "an answer of embeds_text with no vector"),
    "vector of nothing": (of_embedding(vector=[]), "vector is not finite"),
    "vector of NaN": (of_embedding(vector=[float("nan")] * 32), "vector is not finite"),
    "vector with a hole": (of_embedding(vector=[1.0, None]), "vector is not finite"),
    "finish": (of_output(finish="tired"), "finish 'tired' is none"),
    "tokens": (of_output(n_new_tokens=-3), "n_new_tokens is -3"),
    "two answers": (answer_twice, "another answer than row "),
}
ONE_ROW = r"row \d+ \((outputs|embeddings|units|self|None), unit "


@pytest.mark.parametrize("malformation", MALFORMED)
def test_a_malformed_row_is_named_and_costs_no_other_record_its_place(
    folder: Path, made: Path, tmp_path: Path, malformation: str
) -> None:
    change, says = MALFORMED[malformation]
    reseal(folder, change)
    found = cli("verify", str(folder), cwd=tmp_path)
    assert found.returncode == 5, found.stderr
    named = [line for line in found.stderr.splitlines() if says in line]
    assert named and re.search(ONE_ROW, named[0]), found.stderr
    assert "Traceback" not in found.stderr
    assert " recomputed" not in "".join(line for line in named), "nothing is scored"
    assert_only_the_good_one_is_published(tmp_path, made, folder)


def assert_only_the_good_one_is_published(tmp_path: Path, good: Path, bad: Path) -> None:
    results = tmp_path / "board" / "results" / "rlhf_diversity"
    shutil.copytree(good, results / "good" / "run")
    shutil.copytree(bad, results / "bad" / "run")
    csv, rejected = publish("rlhf_diversity", tmp_path / "board")
    assert csv.read_text().count('"verified"') == 1
    assert len(rejected) == 1 and "bad" in rejected[0]


def test_responses_that_score_cannot_take_are_a_problem(
    folder: Path, made: Path, tmp_path: Path
) -> None:
    reseal(folder, of_embedding(vector=[0.5, 0.5]))
    found = cli("verify", str(folder), cwd=tmp_path)
    assert found.returncode == 5, found.stderr
    assert "score fails on these responses: ValueError: " in found.stderr
    assert "Traceback" not in found.stderr
    assert_only_the_good_one_is_published(tmp_path, made, folder)


def as_text(table: pa.Table) -> pa.Table:
    place = table.schema.get_field_index("index")
    return table.set_column(place, "index", table.column("index").cast(pa.string()))


def lists_of_text(table: pa.Table) -> pa.Table:
    place = table.schema.get_field_index("vector")
    empty = pa.array([["a"]] * len(table), pa.list_(pa.string()))
    return table.set_column(place, "vector", empty)


def not_utf8(table: pa.Table) -> pa.Table:
    place = table.schema.get_field_index("text")
    raw = pa.array([b"\xff"] * len(table), pa.binary())
    return table.set_column(place, "text", raw.view(pa.string()))


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (as_text, "column index is string"),
        (lists_of_text, "column vector is list"),
        (lambda table: table.drop_columns(["key"]), "its columns are not those of a run"),
        (not_utf8, "UTF8"),
        (lambda table: table.slice(0, 0), "no units are listed"),
    ],
    ids=["text for numbers", "texts for vectors", "a column less", "not UTF-8", "no rows"],
)
def test_columns_of_another_kind_are_a_problem(
    folder: Path,
    made: Path,
    tmp_path: Path,
    change: Callable[[pa.Table], pa.Table],
    says: str,
) -> None:
    file = folder / "responses.parquet"
    table = change(pq.read_table(file))
    file.unlink()  # The table may still be mapped to the old file.
    pq.write_table(table, file)
    found = cli("verify", str(folder), cwd=tmp_path)
    assert found.returncode == 5, found.stderr
    assert says in found.stderr and "Traceback" not in found.stderr
    assert_only_the_good_one_is_published(tmp_path, made, folder)


def test_a_file_that_is_no_parquet_is_bad_input(folder: Path, made: Path, tmp_path: Path) -> None:
    (folder / "responses.parquet").write_text("hello")
    found = cli("verify", str(folder), cwd=tmp_path)
    assert found.returncode == 2 and "cannot be read as responses" in found.stderr
    assert_only_the_good_one_is_published(tmp_path, made, folder)


@pytest.mark.parametrize(
    ("name", "to", "says"),
    [
        ("task_version", 9, "the record is of rlhf_diversity version 9, mode text; installed is"),
        ("task", "uninstalled", "no task 'uninstalled'"),
    ],
)
def test_a_record_of_a_task_that_is_not_installed_keeps_its_row_as_self_reported(
    folder: Path, tmp_path: Path, name: str, to: Any, says: str
) -> None:
    change_record(folder, both(set_to(name, to=to), set_to("apparatus", name, to=to)), seal=True)
    found = check(folder)
    assert not found.is_recomputed and found.problems == ()
    with pytest.raises(BadInput, match=says):
        evalsuite.verify(folder)
    place = tmp_path / "board" / "results" / "rlhf_diversity" / "x" / "y"
    shutil.copytree(folder, place)
    csv, rejected = publish("rlhf_diversity", tmp_path / "board")
    assert rejected == () and csv.read_text().count('"self_reported"') == 1


def test_a_forged_row_is_found_without_the_task_too(folder: Path) -> None:
    gone = both(set_to("task", to="gone"), set_to("apparatus", "task", to="gone"))
    change_record(folder, gone, seal=True)
    reseal(folder, of_output(status="refused"))
    problems = evalsuite.verify(folder).problems
    assert any("status 'refused' with a text" in problem for problem in problems), problems
