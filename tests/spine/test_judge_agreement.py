"""Two judges in one role: two records, side by side, and how alike they rank."""

import json
import math
from pathlib import Path

import numpy as np
import pytest
from scipy import stats as scipy_stats

import evalsuite
from evalsuite.comparing.judge_agreement import JudgeAgreement, MeasureAgreement
from evalsuite.record import load_record
from tests.spine.records import by_unit, command, make, refusal, scores
from tests.spine.runs import evalsuite as shell
from tests.spine.runs import task, times_answered

SECOND = {"embedder": "fake:text-embedder?dim=8"}
MODELS = ("fake:text", "fake:text?temperature=0.9", "fake:text?temperature=0.7",
          "fake:text?temperature=0.5")  # fmt: skip
TWO_JUDGES = ("--judge", "embedder=fake:text-embedder?dim=8")


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("judges")


@pytest.fixture(scope="module")
def pairs(place: Path) -> list[tuple[Path, Path]]:
    return [(make(place, model), make(place, model, judges=SECOND)) for model in MODELS]


@pytest.fixture(scope="module")
def found(place: Path, pairs: list[tuple[Path, Path]]) -> JudgeAgreement:
    return evalsuite.judge_agreement(*pairs[0], results=place / "results")


def estimate(folder: Path, name: str) -> float:
    found = load_record(folder).estimate_of(name)
    assert found is not None and found.estimate.estimate is not None
    return found.estimate.estimate


def measure(found: JudgeAgreement, name: str) -> MeasureAgreement:
    return next(own for own in found.measures if own.measure == name)


def test_the_role_the_judges_and_both_estimates_are_named(
    pairs: list[tuple[Path, Path]], found: JudgeAgreement
) -> None:
    assert found.role == "embedder"
    assert (found.judge_a, found.judge_b) == ("fake:text-embedder", "fake:text-embedder?dim=8")
    a, b = map(load_record, pairs[0])
    own = measure(found, "per_input_sbert")
    assert own.a == a.estimate_of("per_input_sbert") and own.b == b.estimate_of("per_input_sbert")
    assert found.fingerprint_a != found.fingerprint_b


def test_every_measure_that_needs_the_judge_is_shown_and_no_other(found: JudgeAgreement) -> None:
    names = {own.measure for own in found.measures}
    assert {"per_input_sbert", "across_input_sbert", "embedding_cut_rate"} <= names
    assert not names & {"per_input_ead", "per_input_mean_length", "refusal_rate"}


def test_rank_agreement_over_prompts_is_spearmans_with_a_jackknife_interval(
    pairs: list[tuple[Path, Path]], found: JudgeAgreement
) -> None:
    a, b = (by_unit(scores(folder, "per_input_sbert")) for folder in pairs[0])
    x, y = np.array([*a.values()]), np.array([*b.values()])
    rho = float(scipy_stats.spearmanr(x, y).statistic)
    own = measure(found, "per_input_sbert").by_prompt
    assert own is not None and own.n == 20
    assert own.estimate == pytest.approx(rho, abs=1e-12) and 0 < rho < 1
    kept = [np.arange(20) != i for i in range(20)]
    without = [math.atanh(scipy_stats.spearmanr(x[k], y[k]).statistic) for k in kept]
    se = math.sqrt(19 / 20 * float(((np.array(without) - np.mean(without)) ** 2).sum()))
    half = float(scipy_stats.t.ppf(0.975, 19)) * se
    assert own.ci_low == pytest.approx(math.tanh(math.atanh(rho) - half), abs=1e-9)
    assert own.ci_high == pytest.approx(math.tanh(math.atanh(rho) + half), abs=1e-9)


def test_a_statistic_of_the_whole_set_has_no_order_of_prompts(found: JudgeAgreement) -> None:
    own = measure(found, "across_input_sbert")
    assert own.by_prompt is None and own.note is not None
    assert own.note.startswith("a statistic of the whole set")
    assert own.entrants is not None


def test_entrants_with_both_judges_are_ranked_under_either(
    pairs: list[tuple[Path, Path]], found: JudgeAgreement
) -> None:
    assert found.n_entrants == 4
    for name in ("per_input_sbert", "across_input_sbert"):
        x, y = np.array([[estimate(folder, name) for folder in both] for both in pairs]).T
        ranks = measure(found, name).entrants
        assert ranks is not None and sorted(ranks.entrants) == sorted(MODELS)
        assert ranks.kendall.estimate == pytest.approx(scipy_stats.kendalltau(x, y).statistic)
        assert ranks.spearman.estimate == pytest.approx(scipy_stats.spearmanr(x, y).statistic)
        assert ranks.kendall.n == 4


def test_fewer_than_three_entrants_are_not_ranked(pairs: list[tuple[Path, Path]]) -> None:
    alone = evalsuite.judge_agreement(*pairs[0])
    assert alone.n_entrants == 1
    assert all(own.entrants is None for own in alone.measures)


def test_an_entrant_counts_once_and_only_under_the_same_two_apparatuses(
    place: Path, pairs: list[tuple[Path, Path]]
) -> None:
    make(place, "fake:text", seed=1)
    make(place, "fake:text", seed=1, judges=SECOND)
    make(place, "fake:text?temperature=0.3")  # under one judge only
    make(place, "fake:text?temperature=0.3", judges=SECOND, samples=5)
    make(place, "fake:text?fail=0.2")
    make(place, "fake:text?fail=0.2", judges=SECOND)  # not complete
    broken = place / "results" / "rlhf_diversity" / "broken" / "x"
    broken.mkdir(parents=True)
    (broken / "record.json").write_text("{}")
    again = evalsuite.judge_agreement(*pairs[0], results=place / "results")
    assert again.n_entrants == 4
    assert again.notes == (
        f"1 records in {place / 'results'} cannot be read here and were left out",
    )


def test_answers_that_are_not_the_same_are_told(tmp_path: Path) -> None:
    (tmp_path / "other").mkdir()
    one = make(tmp_path, "fake:text")
    two = make(tmp_path / "other", "fake:text?fail_first=3", judges=SECOND)
    result = evalsuite.judge_agreement(one, two)
    assert any(note.startswith("3 of 80 answers are not the same") for note in result.notes)
    assert any(note.startswith("incomplete: fake:text") for note in result.notes)
    names = {own.measure for own in result.measures}
    assert "per_input_ead" not in names, "its scores differ by the answers and not by the judge"


# The command `agreement`


def test_the_command_prints_both_judges_and_ranks(
    place: Path, pairs: list[tuple[Path, Path]], found: JudgeAgreement
) -> None:
    shown = command("agreement", *pairs[0], "--out", place)
    assert shown.code == 0, shown.err
    assert "two judges in the role embedder" in shown.out
    own = measure(found, "per_input_sbert").by_prompt
    assert own is not None and f"{own.estimate:.3f} [{own.ci_low:.3f}" in shown.out
    assert "Kendall's tau" in shown.out
    given = command("agreement", *pairs[0], "--json")
    assert (given.code, given.err) == (0, "")
    value = JudgeAgreement.model_validate(json.loads(given.out))
    assert value.record_a == found.record_a and value.n_entrants == 1


def test_records_that_differ_in_anything_else_are_refused(
    place: Path, pairs: list[tuple[Path, Path]]
) -> None:
    (a, b), (other, _) = pairs[:2]
    assert "have the same judges" in refusal("agreement", a, a)
    assert "these differ in: entrant" in refusal("agreement", a, other)
    assert "entrant; judges.embedder" in refusal("agreement", other, b)
    seeded = make(place, "fake:text", seed=2, judges=SECOND)
    assert "differ in: seed; judges.embedder" in refusal("agreement", a, seeded)
    shorter = make(place, "fake:text", limit=10, judges=SECOND)
    assert "n_units (20, 10)" in refusal("agreement", a, shorter)
    assert "no record there" in refusal("agreement", a, place / "nowhere")


# `run` with two judges in one role


def test_a_run_with_two_judges_gives_two_records_and_asks_the_model_once(tmp_path: Path) -> None:
    model = f"fake:text?log={tmp_path / 'log'}"
    words = task(model, *TWO_JUDGES, "--limit", "12", "--samples", "3")
    ran = shell(*words, "--json", cwd=tmp_path)
    assert ran.returncode == 0, ran.stderr
    value = json.loads(ran.stdout)
    assert value.keys() == {"records", "agreement"}
    a, b = value["records"]
    assert a["fingerprint"] != b["fingerprint"] and a["schema"] == b["schema"]
    assert [r["judges"]["embedder"]["entrant"]["settings"] for r in (a, b)] == [[], [["dim", 8]]]
    assert set(times_answered(tmp_path / "log").values()) == {1}
    assert len(times_answered(tmp_path / "log")) == 36
    (agreement,) = value["agreement"]
    assert (agreement["record_a"], agreement["record_b"]) == (a["hash"], b["hash"])
    folders = sorted((tmp_path / "results").rglob("record.json"))
    assert {json.loads(f.read_text())["hash"] for f in folders} == {a["hash"], b["hash"]}
    alone = load_record(make(tmp_path, "fake:text", limit=12, samples=3))
    assert alone.hash == a["hash"], "the record of a run with one judge"


def test_a_run_with_three_judges_shows_every_two_of_them(tmp_path: Path) -> None:
    third = ("--judge", "embedder=fake:text-embedder?dim=4")
    size = ("--limit", "12", "--samples", "2", "--out", f"{tmp_path}")
    ran = command(*task("fake:text", *TWO_JUDGES, *third, *size))
    assert ran.code == 0, ran.err
    assert ran.out.count("two judges in the role embedder") == 3
    assert len(list((tmp_path / "results").rglob("record.json"))) == 3


def test_a_dry_run_with_two_judges_counts_both_and_asks_nothing(tmp_path: Path) -> None:
    words = task("fake:text", *TWO_JUDGES, "--limit", "12", "--dry-run")
    ran = command(*words, "--out", tmp_path)
    assert ran.code == 0, ran.err
    assert ran.out.count("nothing was asked") == 2
    assert not (tmp_path / "results").exists()


@pytest.mark.parametrize(
    ("more", "says"),
    [
        (("--judge", "embedder=fake:text-embedder"), "is given twice"),
        (("--judge", "embedder=fake:text-embedder?delay=0"), "one judge is given twice"),
        (
            (*TWO_JUDGES, "--judge", "quality=fake:all", "--judge", "quality=fake:text"),
            "embedder and quality have several models each",
        ),
        ((*TWO_JUDGES, "--judge", "embedder=fake:nobody"), "no fake model 'nobody'"),
        ((*TWO_JUDGES, "--judge", "embedder"), "expected name=value"),
        ((*TWO_JUDGES, "--dry-run", "--json"), "takes one judge a role"),
    ],
)
def test_judges_that_cannot_be_taken_together_are_refused_before_anything_runs(
    tmp_path: Path, more: tuple[str, ...], says: str
) -> None:
    said = refusal(*task("fake:text", "--limit", "12", *more), "--out", tmp_path)
    assert says in said and not (tmp_path / "results").exists()


def test_a_folder_without_records_to_look_in_is_refused(
    found: JudgeAgreement, tmp_path: Path
) -> None:
    done = shell("agreement", "a", "b", "--out", str(tmp_path / "none"), cwd=tmp_path)
    assert done.returncode == 2
    assert "holds no results/" in done.stderr
