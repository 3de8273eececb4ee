"""Comparing records: paired effects, intervals, p-values, ranks, and what is refused."""

import json
import shutil
from collections.abc import Callable
from functools import cache
from itertools import combinations
from pathlib import Path
from types import SimpleNamespace
from typing import Any, NoReturn

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from scipy import stats as scipy_stats
from statsmodels.stats.multitest import multipletests

import evalsuite
from evalsuite.api import publish
from evalsuite.comparing import pair_tests
from evalsuite.comparing.comparison import Comparison
from evalsuite.comparing.pairing import Side, UnitTable
from evalsuite.comparing.scored_record import open_record
from evalsuite.errors import BadInput, VerificationFailed
from evalsuite.leaderboard import build_leaderboard
from evalsuite.leaderboard_csv import read_leaderboard
from evalsuite.measures import MeanMeasure, MeasureCard, MeasureRow, unit_scores
from evalsuite.record import Record, load_record
from evalsuite.response_cells import LATER
from evalsuite.scores_file import scores_digest
from evalsuite.stats.paired import paired_difference
from evalsuite.stats.signflip import sign_flip_test
from tests.spine.records import by_unit, command, make, refusal, scores

Zoo = Callable[..., Path]
SCHEMA_1 = Path(__file__).parents[1] / "data" / "record_schema_1"
FOUR = ("fake:text", "fake:text?temperature=0.9", "fake:text?temperature=0.6",
        "fake:text?temperature=0.5")  # fmt: skip


@pytest.fixture(scope="module")
def zoo(tmp_path_factory: pytest.TempPathFactory) -> Zoo:
    """Makes a record of a fake model, once for each set of options."""
    place = tmp_path_factory.mktemp("zoo")

    @cache
    def folder(model: str, options: tuple[tuple[str, Any], ...]) -> Path:
        given = {name: dict(v) if isinstance(v, tuple) else v for name, v in options}
        return make(place, model, **given)

    def made(model: str, **options: Any) -> Path:
        frozen = {n: tuple(v.items()) if isinstance(v, dict) else v for n, v in options.items()}
        return folder(model, tuple(sorted(frozen.items())))

    return made


@pytest.fixture(scope="module")
def warm(zoo: Zoo) -> Path:
    return zoo("fake:text")


@pytest.fixture(scope="module")
def cool(zoo: Zoo) -> Path:
    return zoo("fake:text?temperature=0.5")


@pytest.fixture(scope="module")
def pair(warm: Path, cool: Path) -> Comparison:
    return evalsuite.compare(warm, cool)


def copied(folder: Path, place: Path) -> Path:
    return Path(shutil.copytree(folder, place / folder.parent.name / folder.name))


def estimate(folder: Path, measure: str = "per_input_sbert", slice: str = "all") -> float:
    found = load_record(folder).estimate_of(measure, slice)
    assert found is not None and found.estimate.estimate is not None
    return found.estimate.estimate


# The effect, its interval and its p-value


def test_the_effect_is_the_mean_of_the_differences_by_unit(
    warm: Path, cool: Path, pair: Comparison
) -> None:
    a, b = (by_unit(scores(folder, "per_input_sbert")) for folder in (warm, cool))
    assert len(a) == 20 and a.keys() == b.keys()
    expected = sum(a[unit] - b[unit] for unit in a) / 20
    found = pair.pairs[0].difference
    assert found.estimate == pytest.approx(expected, abs=1e-12)
    assert found.estimate == pytest.approx(estimate(warm) - estimate(cool), abs=1e-12)
    assert found.estimate > 0.2
    assert (pair.n_units, found.n, found.n_clusters, found.n_missing) == (20, 20, 20, 0)


def test_the_interval_and_the_p_value_are_those_of_the_paired_statistics(
    warm: Path, cool: Path, pair: Comparison
) -> None:
    a, b = (np.array([*by_unit(scores(f, "per_input_sbert")).values()]) for f in (warm, cool))
    expected = paired_difference(a, b)
    found = pair.pairs[0]
    assert found.difference.ci_low == pytest.approx(expected.ci_low, abs=1e-12)
    assert found.difference.ci_high == pytest.approx(expected.ci_high, abs=1e-12)
    assert found.difference.se == pytest.approx(expected.se, abs=1e-12)
    flips = sign_flip_test(a - b)
    assert found.p_value == pytest.approx(flips.p_value, rel=1e-12)
    assert found.p_method == f"sign flips, {flips.method}" == "sign flips, exact"
    assert found.p_holm == found.p_value and pair.n_tests == 1


def test_the_interval_is_narrower_than_that_of_unpaired_records(
    zoo: Zoo, warm: Path, cool: Path
) -> None:
    per_length = "per_input_mean_length"
    found = evalsuite.compare(warm, cool, measure=per_length).pairs[0].difference
    own = [load_record(folder).estimate_of(per_length) for folder in (warm, cool)]
    unpaired = sum(e.estimate.se**2 for e in own if e and e.estimate.se) ** 0.5
    a, b = ([*by_unit(scores(f, per_length)).values()] for f in (warm, cool))
    covariance = np.cov(a, b)[0, 1]
    assert found.se is not None
    assert found.se**2 == pytest.approx(unpaired**2 - 2 * covariance / 20, rel=1e-9)


def test_clustered_prompts_are_flipped_and_counted_as_clusters(
    tmp_path: Path,
) -> None:
    lines = [
        {"id": f"q{i:02}", "prompt": f"Say {i}.", "cluster": f"c{i % 7}", "category": "ab"[i % 2]}
        for i in range(21)
    ]
    (tmp_path / "own.jsonl").write_text("\n".join(map(json.dumps, lines)))
    own = {"set": str(tmp_path / "own.jsonl"), "limit": None}
    a, b = (make(tmp_path, f"fake:text?temperature={t}", **own) for t in (0.9, 0.8))
    found = evalsuite.compare(a, b, units=0).pairs[0]
    left, right = (by_unit(scores(f, "per_input_sbert")) for f in (a, b))
    d = np.array([left[line["id"]] - right[line["id"]] for line in lines])
    clusters = [line["cluster"] for line in lines]
    assert found.difference.n_clusters == 7
    expected = paired_difference(d, np.zeros(21), clusters=clusters)
    assert found.difference.ci_low == pytest.approx(expected.ci_low, abs=1e-12)
    assert found.p_value == pytest.approx(sign_flip_test(d, clusters=clusters).p_value)
    assert found.p_value is not None and found.p_value >= 2 / 2**7


def test_two_seeds_of_one_model_are_not_told_apart(zoo: Zoo, warm: Path) -> None:
    found = evalsuite.compare(warm, zoo("fake:text", seed=1))
    difference = found.pairs[0].difference
    assert difference.ci_low is not None and difference.ci_high is not None
    assert difference.ci_low < 0 < difference.ci_high
    assert found.pairs[0].p_value is not None and found.pairs[0].p_value > 0.05
    assert [(s.rank_low, s.rank_high, s.tied_with_best) for s in found.standings] == [
        (1, 2, True),
        (1, 2, True),
    ]
    assert {s.name for s in found.standings} == {"fake:text", "fake:text (seed 1)"}
    assert all(unit.p_bh is None or unit.p_bh > 0.05 for unit in found.moved)


def test_equal_answers_differ_by_nothing_and_say_so(zoo: Zoo) -> None:
    greedy = [zoo(f"fake:text?temperature=0&top_k={k}") for k in (1, 2)]
    found = evalsuite.compare(*greedy).pairs[0]
    assert found.difference.estimate == 0
    assert found.difference.ci_low is None
    assert found.difference.warnings[0].startswith("degenerate")
    assert found.p_value == 1


# Many records: Holm, order, ranks


@pytest.fixture(scope="module")
def four(zoo: Zoo) -> list[Path]:
    return [zoo(model) for model in FOUR]


@pytest.fixture(scope="module")
def of_four(four: list[Path]) -> Comparison:
    return evalsuite.compare(*four[::-1])


def test_p_values_of_all_pairs_are_corrected_together(of_four: Comparison) -> None:
    assert len(of_four.pairs) == of_four.n_tests == 6
    given = [pair.p_value for pair in of_four.pairs]
    expected = multipletests(given, method="holm")[1]
    assert [pair.p_holm for pair in of_four.pairs] == pytest.approx(expected, rel=1e-12)
    assert max(expected) > max(p for p in given if p is not None) or max(expected) == 1


def test_a_table_of_many_is_best_first_whatever_order_they_are_given_in(
    four: list[Path], of_four: Comparison
) -> None:
    order = sorted(four, key=lambda folder: -estimate(folder))
    assert [s.record for s in of_four.standings] == [load_record(f).hash for f in order]
    names = [s.name for s in of_four.standings]
    assert [(p.a, p.b) for p in of_four.pairs] == list(combinations(names, 2))
    assert all((p.difference.estimate or 0) > 0 for p in of_four.pairs)
    assert evalsuite.compare(*four) == of_four


def test_ranks_count_who_is_significantly_better_and_worse(of_four: Comparison) -> None:
    names = [s.name for s in of_four.standings]
    significant = {(p.a, p.b) for p in of_four.pairs if p.p_holm is not None and p.p_holm <= 0.05}
    assert 0 < len(significant) < 6, "some pairs are told apart, and some are not"
    for standing in of_four.standings:
        better = sum((other, standing.name) in significant for other in names)
        worse = sum((standing.name, other) in significant for other in names)
        assert (standing.rank_low, standing.rank_high) == (1 + better, 4 - worse)
        assert standing.tied_with_best == (better == 0)


def test_ranks_reach_the_leaderboard_and_its_csv(tmp_path: Path, four: list[Path]) -> None:
    for folder in four:
        copied(folder, tmp_path / "results" / "rlhf_diversity")
    standings = {s.record: s for s in evalsuite.compare(*four).standings}
    path, rejected = publish("rlhf_diversity", tmp_path)
    assert rejected == ()
    rows = read_leaderboard(path).to_dict("records")
    hashes = {load_record(f).responses_sha256: load_record(f).hash for f in four}
    assert len(rows) == 4
    for row in rows:
        own = standings[hashes[row["responses_sha256"]]]
        ranks = (row["rank_low"], row["rank_high"], row["tied_with_best"])
        assert ranks == (own.rank_low, own.rank_high, own.tied_with_best)
        assert row["status"] == "verified"
    shown = command("leaderboard", "show", "rlhf_diversity", "--out", tmp_path)
    assert shown.code == 0, shown.err
    low, high = standings[load_record(four[0]).hash].rank_low, 4
    (line,) = (x for x in shown.out.splitlines() if "temperature=0.5" in x)
    assert f"  {standings[load_record(four[3]).hash].rank_low}" in line and f"{high}" in line
    assert low == 1
    listed = json.loads(command("leaderboard", "show", "rlhf_diversity", "--out", tmp_path,
                                "--json").out)  # fmt: skip
    assert [row["rank_low"] for row in listed] == [row["rank_low"] for row in rows]


def test_an_incomplete_row_is_shown_and_not_ranked(tmp_path: Path, zoo: Zoo, warm: Path) -> None:
    holed = zoo("fake:text?temperature=0.5&refuse=0.3")
    assert not load_record(holed).complete
    for folder in (warm, holed):
        copied(folder, tmp_path / "results" / "rlhf_diversity")
    path, _ = publish("rlhf_diversity", tmp_path)
    whole, lacking = read_leaderboard(path).to_dict("records")
    assert (lacking["status"], lacking["rank_low"], lacking["rank_high"]) == (
        "incomplete", None, None,
    )  # fmt: skip
    assert lacking["tied_with_best"] is None and lacking["estimate"] is not None
    assert (whole["rank_low"], whole["rank_high"], whole["tied_with_best"]) == (1, 1, True)
    shown = command("leaderboard", "show", "rlhf_diversity", "--out", tmp_path).out
    assert "incomplete" in shown and "refuse=0.3" in shown


def test_only_recomputed_rows_are_ranked_where_that_was_tried(warm: Path, cool: Path) -> None:
    frame = build_leaderboard([warm, cool], verified=[load_record(cool).hash])
    ranks = dict(zip(frame["entrant"], frame["rank_low"], strict=True))
    assert ranks == {"fake:text": None, "fake:text?temperature=0.5": 1}
    assert build_leaderboard([warm, cool])["rank_low"].tolist() == [1, 2]


def test_a_record_without_scores_and_responses_has_a_row_and_no_rank(
    tmp_path: Path, warm: Path, cool: Path
) -> None:
    shutil.copy(cool / "record.json", tmp_path)
    frame = build_leaderboard([warm, tmp_path])
    assert frame["rank_low"].tolist() == [1, None]
    assert frame["estimate"].tolist() == [estimate(warm), estimate(cool)]


def test_where_lower_is_better_ranks_run_the_other_way(four: list[Path]) -> None:
    found = evalsuite.compare(*four, measure="truncation_rate")
    values = [s.estimate.estimate.estimate for s in found.standings]
    assert found.higher_is_better is False
    assert values == sorted(values) and values[0] < values[-1]
    assert all((p.difference.estimate or 0) <= 0 for p in found.pairs)
    significant = {(p.a, p.b) for p in found.pairs if p.p_holm is not None and p.p_holm <= 0.05}
    first, last = found.standings[0].name, found.standings[-1].name
    assert (first, last) in significant, "the warmest is told apart from the coldest"
    assert found.standings[0].rank_low == 1 and found.standings[0].tied_with_best
    assert found.standings[-1].rank_high == 4 and not found.standings[-1].tied_with_best


def test_where_no_direction_is_better_there_are_tests_and_no_ranks(warm: Path, cool: Path) -> None:
    found = evalsuite.compare(warm, cool, measure="per_input_mean_length")
    assert found.higher_is_better is None
    assert found.pairs[0].p_value is not None
    assert {(s.rank_low, s.rank_high, s.tied_with_best) for s in found.standings} == {
        (None, None, None)
    }
    shown = command("compare", warm, cool, "--measure", "per_input_mean_length")
    assert shown.code == 0 and "is better" not in shown.out


def test_entrants_of_one_name_are_told_apart_by_their_hash(zoo: Zoo, warm: Path) -> None:
    again = zoo("fake:text", replicates=2)
    names = [s.name for s in evalsuite.compare(warm, again).standings]
    assert sorted(names) == sorted(
        f"fake:text #{load_record(folder).hash[:6]}" for folder in (warm, again)
    )


# What does not compare


@pytest.mark.parametrize(
    ("change", "part"),
    [
        ({"limit": 10}, "prompts_sha256"),
        ({"samples": 5}, "options.samples (4, 5)"),
        ({"judges": {"embedder": "fake:text-embedder?dim=8"}}, "judges.embedder"),
        ({"options": {"max_new_tokens": 20}}, "options.max_new_tokens (48, 20)"),
    ],
)
def test_records_of_other_fingerprints_are_refused_and_the_part_is_named(
    zoo: Zoo, warm: Path, change: dict[str, Any], part: str
) -> None:
    other = zoo("fake:text", **change)
    said = refusal("compare", warm, other)
    assert part in said and str(warm) in said and str(other) in said
    others = {"prompts", "samples", "judges", "max_new_tokens"} - {
        name for name in ("prompts", "samples", "judges", "max_new_tokens") if name in part
    }
    assert not any(f"{name} (" in said or f"{name}." in said for name in others)


def test_one_record_or_none_or_one_twice_is_refused(warm: Path, cool: Path) -> None:
    assert "two records or more" in refusal("compare", warm)
    assert "given twice" in refusal("compare", warm, cool, warm)
    assert "given twice" in refusal("compare", warm, warm / "record.json")
    with pytest.raises(BadInput, match="two records or more"):
        evalsuite.compare()


@pytest.mark.parametrize("n", [2, 3])
def test_an_unknown_measure_or_slice_is_named(four: list[Path], n: int) -> None:
    said = refusal("compare", *four[:n], "--measure", "per_input_sber")
    assert "Did you mean 'per_input_sbert'?" in said
    assert "nowhere" in refusal("compare", *four[:n], "--slice", "nowhere")
    said = refusal("compare", *four[:n], "--measure", "across_input_ead", "--slice", "naming")
    assert "across_input_ead" in said and "naming" in said


def test_a_folder_without_a_record_is_named(tmp_path: Path, warm: Path) -> None:
    assert str(tmp_path) in refusal("compare", warm, tmp_path)


def test_a_record_of_another_version_of_its_task_is_refused(
    tmp_path: Path, warm: Path, cool: Path
) -> None:
    own = copied(cool, tmp_path)
    old = load_record(own)
    changed = old.model_copy(
        update={
            "task_version": 7,
            "apparatus": old.apparatus.model_copy(update={"task_version": 7}),
        }
    )
    (own / "record.json").write_text(changed.sealed().to_json())
    said = refusal("compare", warm, own)
    assert "version 7" in said and "version 2 is installed" in said


def test_too_little_in_common_is_refused(zoo: Zoo, warm: Path) -> None:
    said = refusal("compare", warm, zoo("fake:text?temperature=0.5&refuse=0.6"))
    assert "below 90%" in said and "of 20 units" in said


# A part of the units, replicates, missing answers, statistics of the whole set


def test_a_slice_is_compared_on_its_own_units(warm: Path, cool: Path) -> None:
    found = evalsuite.compare(warm, cool, slice="naming")
    own = [scores(folder, "per_input_sbert") for folder in (warm, cool)]
    a, b = (by_unit(side, side.stratum == "naming") for side in own)
    assert found.n_units == len(a) == 2
    assert found.pairs[0].difference.estimate == pytest.approx(
        np.mean(list(a.values())) - np.mean(list(b.values())), abs=1e-12
    )
    assert found.standings[0].estimate.slice == "naming"
    assert {unit.stratum for unit in found.moved} == {"naming"}


def test_of_different_numbers_of_replicates_the_common_ones_are_compared(
    zoo: Zoo, warm: Path, cool: Path
) -> None:
    twice = zoo("fake:text", replicates=2)
    found = evalsuite.compare(twice, cool).pairs[0].difference
    assert found.estimate == pytest.approx(
        evalsuite.compare(warm, cool).pairs[0].difference.estimate, abs=1e-12
    )
    assert estimate(twice) != pytest.approx(estimate(warm), abs=1e-6)


def test_replicates_are_averaged_before_units_are_paired(zoo: Zoo) -> None:
    twice = [zoo(f"fake:text?temperature={t}", replicates=2) for t in (0.9, 0.5)]
    found = evalsuite.compare(*twice).pairs[0].difference
    a, b = ([*by_unit(scores(f, "per_input_sbert")).values()] for f in twice)
    expected = paired_difference(a, b)
    assert (found.n, found.n_clusters) == (20, 20)
    assert found.se == pytest.approx(expected.se, abs=1e-12)
    assert found.estimate == pytest.approx(expected.estimate, abs=1e-12)


def test_answers_that_did_not_come_shorten_both_sides(zoo: Zoo, warm: Path) -> None:
    holed = zoo("fake:text?temperature=0.5&refuse=0.05")
    own = scores(holed, "per_input_ead")
    lacking = set(own.unit[own.is_partial].tolist())
    assert 0 < len(lacking) < 10
    found = evalsuite.compare(warm, holed, measure="per_input_ead").pairs[0].difference
    from evalsuite.metrics import expectation_adjusted_distinct

    texts = [usable_texts(folder) for folder in (warm, holed)]
    differences = []
    for unit in texts[0]:
        m = min(len(side[unit]) for side in texts)
        assert (m < 4) == (unit in lacking)
        a, b = (
            expectation_adjusted_distinct(side[unit][:m], max_order=5, vocab_size=50257)
            for side in texts
        )
        differences.append(a - b)
    assert found.estimate == pytest.approx(np.mean(differences), abs=1e-12)
    assert found.estimate != pytest.approx(
        estimate(warm, "per_input_ead") - estimate(holed, "per_input_ead"), abs=1e-6
    )


def usable_texts(folder: Path) -> dict[str, list[str]]:
    rows = pq.read_table(folder / "responses.parquet").to_pylist()
    texts: dict[str, list[str]] = {}
    for row in rows:
        if row["table"] == "outputs":
            own = texts.setdefault(row["unit"], [])
            if row["status"] == "ok" and row["text"].strip():
                own.append(row["text"])
    return texts


def test_a_replicate_that_lacks_nothing_counts_beside_one_that_lacks_an_answer(zoo: Zoo) -> None:
    whole = zoo("fake:text?temperature=0.9", replicates=2)
    holed = zoo("fake:text?temperature=0.5&refuse=0.05", replicates=2)
    found = evalsuite.compare(whole, holed, units=0).pairs[0].difference
    a, b = scores(whole, "per_input_sbert"), scores(holed, "per_input_sbert")
    assert b.is_partial.any() and not a.is_partial.any()
    # Units that lack an answer in one replicate at most: the other one still says something.
    mixed = [u for u in set(b.unit) if b.is_partial[b.unit == u].sum() == 1]
    assert mixed
    sides = [by_replicate(folder) for folder in (whole, holed)]
    expected = np.mean([np.mean(sides[0][u]) - np.mean(sides[1][u]) for u in sides[0]])
    assert found.estimate == pytest.approx(expected, abs=1e-6)


def by_replicate(folder: Path) -> dict[str, list[float]]:
    """Sentence-BERT diversity of the first three or four answers of each unit and replicate."""
    from evalsuite.metrics import mean_pairwise_cosine_distance

    size = common_sizes(folder)
    vectors: dict[tuple[str, int], list[Any]] = {}
    for row in pq.read_table(folder / "responses.parquet").to_pylist():
        if row["table"] == "embeddings" and row["status"] == "ok":
            vectors.setdefault((row["unit"], row["replicate"]), []).append(row["vector"])
    found: dict[str, list[float]] = {}
    for (unit, replicate), own in vectors.items():
        kept = np.array(own[: size[unit, replicate]], dtype=np.float32)
        found.setdefault(unit, []).append(mean_pairwise_cosine_distance(kept))
    return found


def common_sizes(folder: Path) -> dict[tuple[str, int], int]:
    """How many answers came in each unit and replicate of the record that lacks some."""
    results = folder.parents[1]
    (holed,) = results.glob("*refuse__0.05__temperature__0.5*/*-x2")
    sizes: dict[tuple[str, int], int] = {}
    for row in pq.read_table(holed / "responses.parquet").to_pylist():
        if row["table"] == "embeddings":
            place = row["unit"], row["replicate"]
            sizes[place] = sizes.get(place, 0) + (row["status"] == "ok")
    return sizes


def test_scores_by_sample_are_paired_on_as_many_samples(zoo: Zoo, warm: Path) -> None:
    holed = zoo("fake:text?temperature=0.5&refuse=0.05")
    found = evalsuite.compare(warm, holed, measure="truncation_rate").pairs[0].difference
    sides = [scores(folder, "truncation_rate") for folder in (warm, holed)]
    differences = []
    for unit in sorted(set(sides[0].unit)):
        own = [side.value[(side.unit == unit) & ~np.isnan(side.value)] for side in sides]
        m = min(map(len, own))
        differences.append(own[0][:m].mean() - own[1][:m].mean())
    assert min(len(differences), m) > 0
    assert found.estimate == pytest.approx(np.mean(differences), abs=1e-12)


def test_a_statistic_of_the_whole_set_is_compared_by_pseudo_values(warm: Path, cool: Path) -> None:
    found = evalsuite.compare(warm, cool, measure="across_input_sbert")
    own = [scores(folder, "across_input_sbert").value for folder in (warm, cool)]
    for side, folder in zip(own, (warm, cool), strict=True):
        assert side.mean() == pytest.approx(estimate(folder, "across_input_sbert"), abs=1e-12)
    result = found.pairs[0]
    assert result.difference.estimate == pytest.approx(own[0].mean() - own[1].mean(), abs=1e-12)
    assert result.p_method == "t over pseudo-values"
    t = scipy_stats.ttest_1samp(own[0] - own[1], 0.0)
    assert result.p_value == pytest.approx(t.pvalue, rel=1e-9)
    assert found.moved == (), "a statistic of the whole set has no units"


def test_a_prompt_without_an_answer_leaves_both_sides_of_a_whole_set_statistic(
    tmp_path: Path,
) -> None:
    own = {"samples": 2, "limit": 40}
    whole = make(tmp_path, "fake:text?temperature=0.9", **own)
    holed = make(tmp_path, "fake:text?temperature=0.5&refuse=0.15", **own)
    texts = [usable_texts(folder) for folder in (whole, holed)]
    lost = [unit for unit, own_texts in texts[1].items() if not own_texts]
    assert 0 < len(lost) <= 4
    found = evalsuite.compare(whole, holed, measure="across_input_distinct").pairs[0]
    from evalsuite.metrics import averaged_distinct

    a, b = (
        averaged_distinct([own[0] for unit, own in side.items() if unit not in lost], max_order=5)
        for side in texts
    )
    # As by pseudo-values: their mean lies off the statistic by the jackknife's own correction.
    assert found.difference.estimate == pytest.approx(a - b, abs=2e-9)
    assert found.difference.n == 40 - len(lost) and found.difference.n_missing == len(lost)


# Units that moved


def test_units_that_moved_come_with_p_values_by_benjamini_and_hochberg(
    warm: Path, cool: Path
) -> None:
    found = evalsuite.compare(warm, cool, units=20).moved
    assert len(found) == 20
    known = [unit.p_value for unit in found if unit.p_value is not None]
    assert known == sorted(known) and all(0 < p <= 1 for p in known)
    expected = multipletests(known, method="fdr_bh")[1]
    assert [u.p_bh for u in found if u.p_bh is not None] == pytest.approx(expected, rel=1e-12)
    a, b = (by_unit(scores(folder, "per_input_sbert")) for folder in (warm, cool))
    for unit in found:
        assert unit.difference == pytest.approx(a[unit.unit] - b[unit.unit], abs=1e-12)


def test_a_unit_that_was_planted_is_named_first_and_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from evalsuite.models import fake

    plain = make(tmp_path, "fake:text?temperature=0.8", samples=8)
    unit = open_record(plain).tables.outputs.rows[28].unit
    write = fake.write_text

    def rigged(request: Any, words: int) -> Any:
        answer = write(request, words)
        if request.prompt != unit.prompt:
            return answer
        varied = " ".join(f"w{request.index}x{i}" for i in range(40))
        return fake.replace(answer, text=varied)

    monkeypatch.setattr(fake, "write_text", rigged)
    odd = make(tmp_path, "fake:text?temperature=0.8&fail=1e-9", samples=8, seed=1)
    found = evalsuite.compare(odd, plain).moved
    assert found[0].unit == unit.id and found[0].difference > 0
    assert found[0].p_bh is not None and found[0].p_bh < 0.01
    assert all(unit.p_bh is None or unit.p_bh > 0.05 for unit in found[1:])


def test_as_many_units_are_named_as_asked_for(warm: Path, cool: Path, pair: Comparison) -> None:
    assert len(pair.moved) == 5
    assert evalsuite.compare(warm, cool, units=0).moved == ()
    assert "unit that moved" not in command("compare", warm, cool, "--units", "0").out
    shown = command("compare", warm, cool, "--units", "2").out
    assert [unit.unit in shown for unit in pair.moved] == [True, True, False, False, False]


def test_only_of_two_records_units_are_named(of_four: Comparison) -> None:
    assert of_four.moved == ()


def test_shares_of_a_unit_are_put_to_the_exact_test(warm: Path, cool: Path) -> None:
    found = evalsuite.compare(warm, cool, measure="truncation_rate", units=20).moved
    sides = [scores(folder, "truncation_rate") for folder in (warm, cool)]
    for unit in found:
        ones = [side.value[side.unit == unit.unit].sum() for side in sides]
        expected = scipy_stats.fisher_exact([ones, [4 - k for k in ones]])
        assert unit.p_value == pytest.approx(expected.pvalue, rel=1e-9)
    sizes = [abs(unit.difference) for unit in found]
    assert sizes[0] == max(sizes), "from none to all is the largest move there is"


def test_a_unit_of_which_little_came_is_not_taken_for_certain(tmp_path: Path, zoo: Zoo) -> None:
    lacking = zoo("fake:text?temperature=0.5&refuse=0.5", samples=8)
    whole = zoo("fake:text", samples=8)
    own = usable_texts(lacking)
    two = [unit for unit, texts in own.items() if len(texts) == 2]
    assert two, "units of two answers: without one of them there is no score"
    found = {u.unit: u for u in moved(whole, lacking)}
    for unit in two:
        assert found[unit].p_value is None


def moved(a: Path, b: Path, measure: str = "per_input_sbert") -> Any:
    return evalsuite.compare(a, b, measure=measure, units=1000).moved


@pytest.mark.parametrize("measure", ["per_input_ead", "truncation_rate"])
def test_units_that_moved_are_those_of_the_table(zoo: Zoo, warm: Path, measure: str) -> None:
    holed = zoo("fake:text?temperature=0.5&refuse=0.05")
    assert scores(holed, measure).is_partial.any()
    found = evalsuite.compare(warm, holed, measure=measure, units=1000)
    assert len(found.moved) == found.pairs[0].difference.n
    mean = np.mean([unit.difference for unit in found.moved])
    assert mean == pytest.approx(found.pairs[0].difference.estimate, abs=1e-12)
    assert all(unit.difference == pytest.approx(unit.a - unit.b) for unit in found.moved)


def test_chance_in_a_unit_that_lacks_answers_is_that_of_the_first_that_came(
    zoo: Zoo, warm: Path
) -> None:
    from evalsuite.metrics import expectation_adjusted_distinct

    def ead(texts: list[str]) -> float:
        return float(expectation_adjusted_distinct(texts, max_order=5, vocab_size=50257))

    holed = zoo("fake:text?temperature=0.5&refuse=0.05")
    texts = [usable_texts(folder) for folder in (warm, holed)]
    n_cut = 0
    for unit in moved(warm, holed, "per_input_ead"):
        m = min(len(side[unit.unit]) for side in texts)
        n_cut += m == 3
        own = [side[unit.unit][:m] for side in texts]
        assert (unit.a, unit.b) == (pytest.approx(ead(own[0])), pytest.approx(ead(own[1])))
        variance = sum(
            (m - 1) * np.var([ead(side[:k] + side[k + 1 :]) for k in range(m)]) for side in own
        )
        # One answer alone has no score, so that nothing can be left out of two.
        is_known = m > 2 and variance > 0
        assert unit.se == (pytest.approx(variance**0.5) if is_known else None)
    assert n_cut > 0


@pytest.mark.parametrize("measure", ["per_input_sbert", "truncation_rate"])
def test_units_that_moved_are_of_common_replicates(
    zoo: Zoo, warm: Path, cool: Path, measure: str
) -> None:
    twice = zoo("fake:text", replicates=2)
    expected = {u.unit: u for u in moved(warm, cool, measure)}
    found = moved(twice, cool, measure)
    assert len(found) == len(expected) == 20
    for unit in found:
        own = expected[unit.unit]
        assert (unit.a, unit.b) == (pytest.approx(own.a), pytest.approx(own.b))
        assert unit.se == (None if own.se is None else pytest.approx(own.se))
        assert unit.p_value == (None if own.p_value is None else pytest.approx(own.p_value))


# Incomplete records and warnings of the two estimates


def test_an_incomplete_record_is_compared_and_named(zoo: Zoo, warm: Path, cool: Path) -> None:
    holed = zoo("fake:text?temperature=0.5&refuse=0.3")
    counts = load_record(holed).counts
    found = {s.name: s for s in evalsuite.compare(warm, holed).standings}
    own = found["fake:text?refuse=0.3&temperature=0.5"]
    assert (own.complete, own.n_missing) == (False, counts.requests - counts.ok)
    assert (found["fake:text"].complete, found["fake:text"].n_missing) == (True, 0)
    # Over the card's limit a row is shown, and neither ranked nor in the way of another's rank.
    assert (own.rank_low, own.tied_with_best) == (None, None)
    assert (found["fake:text"].rank_low, found["fake:text"].rank_high) == (1, 1)
    assert list(found)[-1] == own.name
    shown = command("compare", warm, holed).out
    assert f"note: incomplete: {own.name} lacks {own.n_missing} answers" in shown
    assert "missing" in next(line for line in shown.splitlines() if "entrant" in line)
    whole = command("compare", warm, cool).out
    assert "missing" not in whole and "incomplete" not in whole


def test_one_hopeless_record_does_not_take_the_table_from_the_others(
    zoo: Zoo, warm: Path, cool: Path
) -> None:
    hopeless = zoo("fake:text?refuse=0.97")
    found = evalsuite.compare(warm, cool, hopeless)
    tested = [pair for pair in found.pairs if pair.p_value is not None]
    assert len(tested) == found.n_tests == 1
    assert sum("too little in common" in pair.difference.warnings[0]
               for pair in found.pairs if pair.p_value is None) == 2  # fmt: skip
    with pytest.raises(BadInput, match="below 90%"):
        evalsuite.compare(warm, hopeless)


def test_two_records_are_lettered_as_they_were_given(warm: Path, cool: Path) -> None:
    shown = command("compare", cool, warm, "--units", "0").out
    assert "A - B" in shown and "B - A" not in shown
    assert next(line for line in shown.splitlines() if line.startswith("A ")).startswith(
        "A  fake:text?temperature"
    )


def test_what_a_test_of_two_suffers_from_stands_with_their_difference() -> None:
    def side(name: str, shift: float, *warnings: str) -> Any:
        own = SimpleNamespace(estimate=SimpleNamespace(warnings=warnings))
        held = SimpleNamespace(replicates=1, estimate_of=lambda measure, slice: own)
        record: Any = SimpleNamespace(name=name, record=held)
        rows = tuple(
            MeasureRow(u, u, "", replicate=0, value=i * shift) for i, u in enumerate("abcdef")
        )
        scores = unit_scores(MeanMeasure("m", rows), MeasureCard(name="m", summary="a score"))
        return Side(record, scores, np.array([i * shift for i in range(6)]))

    units = tuple("abcdef")
    sides = [
        side("A", 1.0, "collapsed: one class has 97 %", "skewed: somewhat"),
        side("B", 2.0, "low coverage: .8", "collapsed: one class has 99 %"),
    ]
    (found,) = pair_tests.compared_pairs(sides, UnitTable(units, units, ("",) * 6), "m")
    assert found.difference.warnings[1:] == (
        "collapsed: A: one class has 97 %",
        "low coverage: B: .8",
        "collapsed: B: one class has 99 %",
    )


def test_a_record_of_another_version_of_a_measure_is_refused(
    tmp_path: Path, warm: Path, cool: Path
) -> None:
    own = copied(cool, tmp_path)
    old = load_record(own)
    versions = {**dict(old.apparatus.measures), "per_input_ead": 8}
    changed = old.model_copy(
        update={
            "apparatus": old.apparatus.model_copy(
                update={"measures": tuple(sorted(versions.items()))}
            )
        }
    )
    (own / "record.json").write_text(changed.sealed().to_json())
    said = refusal("compare", own, warm)
    assert "is of per_input_ead version 8, and version 1 is installed" in said
    assert "run it again" in said
    assert open_record(warm).obstacle is None


# What is printed


def no_constant(name: str) -> NoReturn:
    raise AssertionError(f"{name} in JSON")


@pytest.mark.parametrize(
    "arguments",
    [(), ("--measure", "across_input_sbert"), ("--slice", "naming"), ("--units", "0"),
     ("--measure", "empty_rate"), ("--measure", "embedding_cut_rate")],
)  # fmt: skip
def test_json_is_all_that_is_printed_and_holds_no_nan(
    warm: Path, cool: Path, arguments: tuple[str, ...]
) -> None:
    found = command("compare", warm, cool, *arguments, "--json")
    assert found.code == 0 and found.err == "", found.err
    value = json.loads(found.out, parse_constant=no_constant)
    assert value["task"] == "rlhf_diversity" and len(value["pairs"]) == 1
    assert Comparison.model_validate(value).fingerprint == load_record(warm).fingerprint


def test_a_table_shows_effects_p_values_ranks_and_ties(four: list[Path]) -> None:
    found = command("compare", *four)
    assert found.code == 0 and found.err == ""
    lines = found.out.splitlines()
    assert "higher is better" in lines[0]
    assert "Holm over 6 pairs" in found.out
    assert sum(" - " in line and "sign flips" in line for line in lines) == 6
    assert any(line.startswith("A  fake:text ") and line.rstrip().endswith("yes") for line in lines)


def test_names_of_users_are_text_in_every_table(tmp_path: Path) -> None:
    lines = [
        {"id": f"q{i}", "prompt": f"Say {i}", "category": "[/bold]\x1b]0;x\x07"} for i in range(12)
    ]
    (tmp_path / "own.jsonl").write_text("\n".join(map(json.dumps, lines)))
    own = {"set": str(tmp_path / "own.jsonl"), "limit": None}
    a, b = (make(tmp_path, f"fake:text?temperature={t}", **own) for t in (1, 0.5))
    found = command("compare", a, b)
    assert found.code == 0, found.err
    assert "[/bold]" in found.out and "\x1b" not in found.out


# Files that are lost, changed or old


def test_without_the_scores_file_the_responses_give_the_same_numbers(
    tmp_path: Path, warm: Path, cool: Path, pair: Comparison
) -> None:
    own = [copied(folder, tmp_path) for folder in (warm, cool)]
    for folder in own:
        (folder / "scores.parquet").unlink()
    assert evalsuite.compare(*own) == pair


def test_the_scores_file_alone_is_enough_where_nothing_is_missing(
    tmp_path: Path, warm: Path, cool: Path, pair: Comparison
) -> None:
    own = [copied(folder, tmp_path) for folder in (warm, cool)]
    for folder in own:
        (folder / "responses.parquet").unlink()
    found = evalsuite.compare(*own)
    assert (found.pairs, found.standings) == (pair.pairs, pair.standings)
    assert len(found.moved) == 5 and {unit.p_value for unit in found.moved} == {None}
    sizes = [abs(unit.difference) for unit in found.moved]
    assert sizes == sorted(sizes, reverse=True)
    assert command("compare", *own).code == 0


def test_without_both_files_the_lack_is_named(tmp_path: Path, warm: Path, cool: Path) -> None:
    own = copied(cool, tmp_path)
    (own / "responses.parquet").unlink()
    (own / "scores.parquet").unlink()
    said = refusal("compare", warm, own)
    assert "responses.parquet" in said and str(own) in said


def tamper(folder: Path, column: str, change: Callable[[Any], Any]) -> None:
    """Change a cell of the headline's scores."""
    file = folder / "scores.parquet"
    table = pq.read_table(file)
    rows = table.to_pylist()
    row = next(row for row in rows if row["measure"] == "per_input_sbert")
    row[column] = change(row[column])
    pq.write_table(pa.Table.from_pylist(rows, schema=table.schema), file)


@pytest.mark.parametrize(
    ("column", "change"),
    [
        ("value", lambda v: v + 1e-9),
        ("unit", lambda v: v + "x"),
        ("cluster", lambda v: "another"),
        ("low", lambda v: v - 1),
        ("is_partial", lambda v: not v),
        ("measure", lambda v: "per_input_ead"),
    ],
)
def test_scores_that_were_changed_stop_a_comparison_and_are_named_by_verify(
    tmp_path: Path, warm: Path, cool: Path, column: str, change: Callable[[Any], Any]
) -> None:
    own = copied(warm, tmp_path)
    tamper(own, column, change)
    assert "per_input_sbert" in refusal("compare", own, cool, code=5)
    with pytest.raises(VerificationFailed):
        evalsuite.compare(cool, own)
    found = command("verify", own)
    assert found.code == 5
    assert "scores.parquet: the scores of per_input_sbert are not those" in found.err


@pytest.mark.parametrize("value", [0.123, float("inf")])
def test_scores_under_a_new_seal_do_not_follow_from_the_responses(
    tmp_path: Path, warm: Path, value: float
) -> None:
    own = copied(warm, tmp_path)
    tamper(own, "value", lambda v: value)
    old = load_record(own)
    sums = dict(old.scores_sha256) | {
        "per_input_sbert": scores_digest(scores(own, "per_input_sbert"))
    }
    (own / "record.json").write_text(
        old.model_copy(update={"scores_sha256": sums}).sealed().to_json()
    )
    problems = evalsuite.verify(own).problems
    assert problems == (
        "scores.parquet: the scores of per_input_sbert do not follow from the responses",
    )


def test_a_record_that_was_changed_is_not_compared(tmp_path: Path, warm: Path, cool: Path) -> None:
    own = copied(warm, tmp_path)
    file = own / "record.json"
    value = json.loads(file.read_text())
    value["complete"] = False
    file.write_text(json.dumps(value))
    assert "hash" in refusal("compare", own, cool, code=5)
    value["entrant"]["revision"] = "\ud800"
    file.write_text(json.dumps(value))
    assert "was changed" in refusal("compare", own, cool, code=5)


def test_responses_that_were_changed_make_no_scores(tmp_path: Path, warm: Path, cool: Path) -> None:
    own = copied(warm, tmp_path)
    (own / "scores.parquet").unlink()
    shutil.copy(cool / "responses.parquet", own)
    assert str(own) in refusal("compare", own, cool, code=5)


# Records of schema 1


@pytest.fixture(scope="module")
def fresh(zoo: Zoo) -> Path:
    return zoo("fake:text", limit=12, samples=2, judges={"embedder": "fake:text-embedder?dim=4"})


@pytest.fixture(scope="module")
def fresh_cool(zoo: Zoo) -> Path:
    judges = {"embedder": "fake:text-embedder?dim=4"}
    return zoo("fake:text?temperature=0.5", limit=12, samples=2, judges=judges)


@pytest.fixture(scope="module")
def schema_1(fresh: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The fresh record as schema 1 would have written it."""
    folder = tmp_path_factory.mktemp("old") / "record"
    folder.mkdir()
    older = load_record(fresh).model_copy(update={"schema_version": 1, "scores_sha256": {}})
    (folder / "record.json").write_text(as_schema_1(older.sealed()))
    responses = pq.read_table(fresh / "responses.parquet").drop_columns(list(LATER))
    pq.write_table(responses, folder / "responses.parquet")
    return folder


def test_a_record_that_schema_1_wrote_is_read_and_its_task_version_named() -> None:
    old = evalsuite.load_record(SCHEMA_1)
    assert old.schema_version == 1 and old.scores_sha256 == {}
    assert old.computed_hash() == old.hash
    assert set(json.loads((SCHEMA_1 / "record.json").read_text())) == set(
        json.loads(as_schema_1(old))
    )
    with pytest.raises(BadInput, match="version 1, mode text; installed is version 2"):
        evalsuite.verify(SCHEMA_1)


def test_a_record_of_schema_1_is_verified(schema_1: Path) -> None:
    assert "scores_sha256" not in json.loads((schema_1 / "record.json").read_text())
    found = evalsuite.verify(schema_1)
    assert found.problems == () and found.is_recomputed


def test_a_record_of_schema_1_compares_as_the_new_one_of_the_same_answers_does(
    schema_1: Path, fresh: Path, fresh_cool: Path
) -> None:
    old = evalsuite.compare(schema_1, fresh_cool)
    new = evalsuite.compare(fresh, fresh_cool)
    assert old.pairs == new.pairs and old.moved == new.moved
    assert old.pairs[0].difference.estimate != 0


def test_a_record_of_schema_1_is_ranked(tmp_path: Path, schema_1: Path, fresh_cool: Path) -> None:
    for number, folder in enumerate((schema_1, fresh_cool)):
        shutil.copytree(folder, tmp_path / "results" / "rlhf_diversity" / f"x{number}" / "y")
    path, rejected = publish("rlhf_diversity", tmp_path)
    assert rejected == ()
    rows = read_leaderboard(path).to_dict("records")
    assert [row["status"] for row in rows] == ["verified", "verified"]
    assert all(row["rank_low"] is not None for row in rows)


def test_a_run_again_replaces_the_record_of_schema_1_of_the_same_answers(
    tmp_path: Path, schema_1: Path, fresh: Path
) -> None:
    place = tmp_path / "results" / fresh.relative_to(fresh.parents[2])
    shutil.copytree(schema_1, place)
    judges = {"embedder": "fake:text-embedder?dim=4"}
    again = make(tmp_path, "fake:text", limit=12, samples=2, judges=judges)
    assert again == place
    new = load_record(again)
    assert new.schema_version == 4 and new.hash == load_record(fresh).hash
    assert (again / "scores.parquet").is_file()
    assert evalsuite.verify(again).problems == ()


def test_a_record_of_schema_1_of_other_answers_is_kept(
    tmp_path: Path, schema_1: Path, fresh: Path
) -> None:
    place = tmp_path / "results" / fresh.relative_to(fresh.parents[2])
    shutil.copytree(schema_1, place)
    old = load_record(place).model_copy(update={"responses_sha256": "0" * 64}).sealed()
    (place / "record.json").write_text(as_schema_1(old))
    judges = {"embedder": "fake:text-embedder?dim=4"}
    with pytest.raises(BadInput, match="responses_sha256"):
        make(tmp_path, "fake:text", limit=12, samples=2, judges=judges)
    assert load_record(place).hash == old.hash


def as_schema_1(record: Record) -> str:
    value = record.claim() | {
        "hash": record.hash,
        "prompt_set": record.prompt_set,
        "provenance": record.provenance.model_dump(mode="json"),
    }
    return json.dumps(value)


def test_what_a_newer_schema_added_cannot_be_smuggled_into_an_older_record(
    tmp_path: Path, schema_1: Path, fresh: Path, fresh_cool: Path
) -> None:
    own = Path(shutil.copytree(schema_1, tmp_path / "old"))
    shutil.copy(fresh_cool / "scores.parquet", own)
    value = json.loads((own / "record.json").read_text())
    value["scores_sha256"] = load_record(fresh_cool).scores_sha256
    (own / "record.json").write_text(json.dumps(value))
    refusal("compare", own, fresh_cool, code=5)
    assert any("hash" in problem for problem in evalsuite.verify(own).problems)


def test_a_run_again_puts_back_scores_that_were_lost(tmp_path: Path) -> None:
    folder = make(tmp_path, "fake:text")
    (folder / "scores.parquet").unlink()
    assert make(tmp_path, "fake:text") == folder
    assert evalsuite.verify(folder).problems == ()


# Replicates in a record


def test_the_seed_share_is_that_of_the_two_way_model_and_is_shown(zoo: Zoo) -> None:
    from evalsuite.stats.replicates import replicate_interval

    folder = zoo("fake:text", replicates=3)
    record = load_record(folder)
    measured = 0
    for measure in ("per_input_sbert", "per_input_ead", "truncation_rate"):
        own = scores(folder, measure)
        columns = [by_unit(own, own.replicate == r) for r in range(3)]
        expected = replicate_interval(np.array([[*column.values()] for column in columns]).T)
        found = record.estimate_of(measure)
        assert found is not None and expected.var_seed is not None
        assert found.seed_variance == pytest.approx(expected.var_seed, abs=1e-12)
        assert found.seed_share == pytest.approx(expected.seed_share, abs=1e-12)
        measured += expected.var_seed > 0
    pooled = record.estimate_of("across_input_sbert")
    assert pooled is not None and pooled.seed_variance is None and pooled.seed_share is None
    shown = command("show", folder).out
    assert "seed share" in shown and "3 replicates" in shown
    (line,) = (x for x in shown.splitlines() if x.startswith("* per_input_sbert"))
    share = record.headline.seed_share
    assert share is not None and f"{share:.0%}" in line


def test_a_run_of_one_seed_shows_no_seed_share(warm: Path) -> None:
    record = load_record(warm)
    assert record.headline.seed_share is None
    assert "seed share" not in command("show", warm).out
