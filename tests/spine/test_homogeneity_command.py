"""Similarity within and between models, against plain sums over the vectors of the records."""

import json
import math
from collections.abc import Sequence
from dataclasses import replace
from itertools import combinations, product
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy import stats as scipy_stats

import evalsuite
from evalsuite.comparing.answer_vectors import answer_vectors
from evalsuite.comparing.homogeneity import Homogeneities
from evalsuite.comparing.scored_record import open_record
from evalsuite.errors import BadInput
from evalsuite.requests import Prompt, Request
from evalsuite.tables import ResponseTable, Tables
from tests.spine.records import command, make, refusal

Vectors = dict[str, list[tuple[int, Any]]]


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("homogeneity")


@pytest.fixture(scope="module")
def three(place: Path) -> list[Path]:
    return [make(place, f"fake:text{o}") for o in ("", "?temperature=0.7", "?words=30")]


@pytest.fixture(scope="module")
def found(three: list[Path]) -> Homogeneities:
    return evalsuite.homogeneity(*three)


def vectors(folder: Path) -> Vectors:
    """The unit vectors of the answers to each prompt, with their sample numbers."""
    table = open_record(folder).tables.embeddings
    own: Vectors = {}
    for row in table.rows:
        place = own.setdefault(row.unit.id, [])
        if row.status == "ok":
            v = table.vectors([row])[0].astype(np.float64)
            place.append((row.index, v / math.sqrt(float(v @ v))))
    return own


def within(rows: Sequence[tuple[int, Any]]) -> float:
    return float(np.mean([a @ b for (_, a), (_, b) in combinations(rows, 2)]))


def between(a: Sequence[tuple[int, Any]], b: Sequence[tuple[int, Any]]) -> float:
    return float(np.mean([one @ other for (_, one), (_, other) in product(a, b)]))


def ratio(rows: Sequence[tuple[float, float, float]]) -> float:
    a, b, across = np.array(rows).mean(axis=0)
    return float((1 - across) / (1 - (a + b) / 2))


def test_cosines_within_and_between_are_those_of_plain_sums(
    three: list[Path], found: Homogeneities
) -> None:
    assert [(p.a, p.b) for p in found.pairs] == list(
        combinations([m.name for m in found.models], 2)
    )
    a, b = vectors(three[0]), vectors(three[1])
    pair = found.pairs[0]
    assert [own.unit for own in pair.units] == sorted(a) and len(a) == 20
    for own in pair.units:
        assert own.within_a == pytest.approx(within(a[own.unit]), abs=1e-12)
        assert own.within_b == pytest.approx(within(b[own.unit]), abs=1e-12)
        assert own.between == pytest.approx(between(a[own.unit], b[own.unit]), abs=1e-12)


def test_means_over_prompts_have_a_t_interval(three: list[Path], found: Homogeneities) -> None:
    a, b = vectors(three[0]), vectors(three[1])
    values = [between(a[unit], b[unit]) for unit in a]
    test = scipy_stats.ttest_1samp(values, 0.0)
    low, high = test.confidence_interval(0.95)
    own = found.pairs[0].between
    assert (own.estimate, own.ci_low, own.ci_high) == pytest.approx(
        (np.mean(values), low, high), abs=1e-9
    )
    assert found.models[0].within.estimate == pytest.approx(
        np.mean([within(rows) for rows in a.values()]), abs=1e-12
    )


def test_the_ratio_has_the_jackknife_interval_over_prompts(
    three: list[Path], found: Homogeneities
) -> None:
    a, b = vectors(three[0]), vectors(three[1])
    rows = [(within(a[u]), within(b[u]), between(a[u], b[u])) for u in a]
    without = np.array([ratio(rows[:i] + rows[i + 1 :]) for i in range(20)])
    se = math.sqrt(19 / 20 * float(((without - without.mean()) ** 2).sum()))
    half = float(scipy_stats.t.ppf(0.975, 19)) * se
    own = found.pairs[0].ratio
    assert own.estimate == pytest.approx(ratio(rows), rel=1e-12)
    assert (own.se, own.ci_low, own.ci_high) == pytest.approx(
        (se, ratio(rows) - half, ratio(rows) + half), rel=1e-9
    )
    assert own.ci_low is not None and own.ci_low > 1, "other models, other words"


def test_prompts_of_one_cluster_are_left_out_together(tmp_path: Path) -> None:
    lines = [{"id": f"q{i:02}", "prompt": f"Say {i}.", "cluster": f"c{i % 6}"} for i in range(18)]
    (tmp_path / "own.jsonl").write_text("\n".join(map(json.dumps, lines)))
    own = {"set": str(tmp_path / "own.jsonl"), "limit": None}
    folders = [make(tmp_path, f"fake:text?words={n}", **own) for n in (30, 40)]
    result = evalsuite.homogeneity(*folders).pairs[0]
    a, b = map(vectors, folders)
    rows = {u: (within(a[u]), within(b[u]), between(a[u], b[u])) for u in a}
    cluster = {line["id"]: line["cluster"] for line in lines}
    without = np.array(
        [ratio([row for u, row in rows.items() if cluster[u] != f"c{c}"]) for c in range(6)]
    )
    se = math.sqrt(5 / 6 * float(((without - without.mean()) ** 2).sum()))
    assert (result.ratio.n, result.ratio.n_clusters) == (18, 6)
    assert result.ratio.se == pytest.approx(se, rel=1e-9)


def test_two_seeds_of_one_model_are_as_alike_as_one(place: Path, three: list[Path]) -> None:
    result = evalsuite.homogeneity(three[0], make(place, "fake:text", seed=1)).pairs[0].ratio
    assert result.ci_low is not None and result.ci_high is not None
    assert result.ci_low < 1 < result.ci_high


def test_both_sides_are_taken_with_equally_many_answers(place: Path, three: list[Path]) -> None:
    lossy = make(place, "fake:text?fail=0.1&words=30")
    pair = evalsuite.homogeneity(three[0], lossy).pairs[0]
    a, b = vectors(three[0]), vectors(lossy)
    assert any(len(rows) < 4 for rows in b.values())
    for own in pair.units:
        m = len(b[own.unit])
        one, other = a[own.unit][:m], b[own.unit]
        if m < 2:
            assert own.within_a is None and own.between is None
        else:
            assert own.within_a == pytest.approx(within(one), abs=1e-12)
            assert own.between == pytest.approx(between(one, other), abs=1e-12)


def test_a_pair_with_too_few_prompts_in_common_is_refused_or_left_out(
    place: Path, three: list[Path]
) -> None:
    lossy = make(place, "fake:text?fail=0.6&words=30")
    said = refusal("homogeneity", three[0], lossy)
    assert "of 20 prompts have two answers of both, below 90%" in said
    result = evalsuite.homogeneity(*three[:2], lossy)
    assert [(pair.a, pair.b) for pair in result.pairs] == [
        ("fake:text", "fake:text?temperature=0.7")
    ]
    assert sum("below 90%" in note for note in result.notes) == 2
    assert any(note.startswith("incomplete: fake:text?fail=0.6") for note in result.notes)


# Which table holds the vectors of the answers


def about_prompts(table: ResponseTable) -> ResponseTable:
    """The same rows, but asked about the prompt of each."""
    rows = []
    for row in table.rows:
        assert row.request is not None
        prompt = Prompt.of_text(row.unit.prompt.text)
        rows.append(replace(row, request=replace_prompt(row.request, prompt)))
    return ResponseTable(table.role, rows, table.read)


def replace_prompt(request: Request, prompt: Prompt) -> Request:
    return Request(request.capability, request.entrant, prompt)


def test_vectors_are_found_by_what_was_embedded_and_not_by_the_name(three: list[Path]) -> None:
    tables = open_record(three[0]).tables
    prompts = about_prompts(tables.embeddings)
    for order in (("embeddings", "x"), ("x", "embeddings")):
        # Named the wrong way round: the table of prompts is called embeddings.
        named = {"embeddings": prompts, "x": tables.embeddings}
        chosen = answer_vectors(
            Tables(outputs=tables.outputs, **{name: named[name] for name in order}), "here"
        )
        assert chosen.name == "x" and chosen.vectors is tables.embeddings


def test_embeddings_of_something_else_are_no_embeddings_of_answers(three: list[Path]) -> None:
    tables = open_record(three[0]).tables
    for others in ({}, {"embeddings": about_prompts(tables.embeddings)}):
        with pytest.raises(BadInput, match="here: holds no embeddings of its answers"):
            answer_vectors(Tables(outputs=tables.outputs, **others), "here")


def test_one_row_about_another_text_makes_a_table_another(three: list[Path]) -> None:
    tables = open_record(three[0]).tables
    rows = list(tables.embeddings.rows)
    assert rows[7].request is not None
    rows[7] = replace(rows[7], request=replace_prompt(rows[7].request, Prompt.of_text("else")))
    changed = ResponseTable("embedder", rows, tables.embeddings.read)
    with pytest.raises(BadInput, match="holds no embeddings"):
        answer_vectors(Tables(outputs=tables.outputs, embeddings=changed), "here")


def test_of_several_tables_one_must_be_chosen(three: list[Path]) -> None:
    tables = open_record(three[0]).tables
    rows = []
    for row in tables.embeddings.rows:
        assert row.request is not None
        entrant = row.request.entrant.model_copy(update={"revision": "other"})
        own = Request(row.request.capability, entrant, row.request.prompt)
        rows.append(replace(row, request=own))
    second = ResponseTable("second", rows, tables.embeddings.read)
    both = Tables(outputs=tables.outputs, one=tables.embeddings, two=second)
    with pytest.raises(BadInput, match=r"several tables hold embeddings .*: one, two; .* --table"):
        answer_vectors(both, "here")
    assert answer_vectors(both, "here", "two").vectors is second
    with pytest.raises(BadInput, match=r"no table 'three' .* its tables are outputs, one, two"):
        answer_vectors(both, "here", "three")
    same = Tables(outputs=tables.outputs, one=tables.embeddings, two=tables.embeddings)
    assert answer_vectors(same, "here").name == "one"


# The command


def test_the_command_prints_pairs_and_a_matrix_of_more_than_two(
    three: list[Path], found: Homogeneities
) -> None:
    shown = command("homogeneity", *three)
    assert shown.code == 0, shown.err
    assert "cosines of embeddings, made by fake:text-embedder" in shown.out
    for pair in found.pairs:
        assert f"{pair.ratio.estimate:.3f} [{pair.ratio.ci_low:.3f}" in shown.out
    lines = shown.out.splitlines()
    (start,) = (i for i, line in enumerate(lines) if line.startswith("mean cosine"))
    matrix = [[*map(float, line.split()[1:])] for line in lines[start + 1 : start + 4]]
    assert np.array_equal(matrix, np.array(matrix).T)
    for i, model in enumerate(found.models):
        assert matrix[i][i] == pytest.approx(model.within.estimate, abs=5e-4)
    two = command("homogeneity", *three[:2])
    assert two.code == 0 and "mean cosine  " not in two.out.split("pair")[1]


def test_the_command_prints_json(three: list[Path], found: Homogeneities) -> None:
    given = command("homogeneity", *three, "--json")
    assert (given.code, given.err) == (0, "")
    assert Homogeneities.model_validate(json.loads(given.out)) == found


def test_bad_input_is_one_clear_line(place: Path, three: list[Path], tmp_path: Path) -> None:
    assert "takes two records or more" in refusal("homogeneity", three[0])
    assert "is given twice" in refusal("homogeneity", three[0], three[0])
    assert "no record there" in refusal("homogeneity", three[0], tmp_path / "nowhere")
    assert "has no table 'ratings'" in refusal("homogeneity", *three[:2], "--table", "ratings")
    judged = make(place, "fake:text", judges={"embedder": "fake:text-embedder?dim=8"})
    assert "judges.embedder" in refusal("homogeneity", three[0], judged)
    bare = make(tmp_path, "fake:text?words=30")
    (bare / "responses.parquet").unlink()
    assert "has no responses.parquet" in refusal("homogeneity", three[0], bare)
