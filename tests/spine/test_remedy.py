"""One model under several decodings: what each gains and costs, and what cannot be tried."""

import json
import re
import signal
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from scipy import stats as scipy_stats
from statsmodels.stats.multitest import multipletests

import evalsuite
from evalsuite.errors import BadInput
from evalsuite.record import load_record
from evalsuite.remedies import Remedies, RemedyRow
from evalsuite.remedy_plans import default_remedies, with_options
from evalsuite.report.remedied import print_remedies
from evalsuite.report.terminal import interval
from evalsuite.tasks import TASKS
from tests.spine.records import EMBEDDER, Ran, by_unit, command, make, refusal, scores
from tests.spine.runs import evalsuite as shell
from tests.spine.runs import start, times_answered

JUDGE = ("--judge", "embedder=fake:text-embedder")
N = 12
SIZE = ("--limit", f"{N}", "--samples", "4")


def words(model: str, *more: str | Path) -> tuple[str | Path, ...]:
    return ("remedy", "rlhf_diversity", "--model", model, *JUDGE, *SIZE, *more)


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    folder = tmp_path_factory.mktemp("remedies")
    yield folder


@pytest.fixture(scope="module")
def ran(place: Path) -> Ran:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("EVALSUITE_HOME", str(place / "home"))
        return command(*words("fake:text?words=40", "--out", place, "--json"))


@pytest.fixture(scope="module")
def found(ran: Ran) -> Remedies:
    assert ran.code == 0, ran.err
    return Remedies.model_validate(json.loads(ran.out))


def row(found: Remedies, name: str) -> RemedyRow:
    return next(own for own in found.rows if own.name == name)


def folder(found: Remedies, name: str) -> Path:
    own = row(found, name).folder
    assert own is not None
    return Path(own)


RUN = ("baseline", "cold", "top-p", "min-p", "diverse beam search")


def test_the_usual_remedies_are_run_with_options_added_to_the_model(found: Remedies) -> None:
    assert [own.name for own in found.rows] == [*RUN, "verbalized sampling"]
    models = {own.name: own.model for own in found.rows}
    assert models["baseline"] == "fake:text?words=40"
    assert models["cold"] == "fake:text?temperature=0.3&words=40"
    assert models["diverse beam search"] == (
        "fake:text?beam_groups=4&beams=4&diversity_strength=0.5&words=40"
    )
    assert {own.state for own in found.rows if own.name in RUN} == {"done"}


def test_every_remedy_is_published_as_the_record_that_run_makes(
    place: Path, found: Remedies, tmp_path: Path
) -> None:
    for name, model in (("baseline", "fake:text?words=40"),
                        ("top-p", "fake:text?words=40&top_p=0.9")):  # fmt: skip
        alone = load_record(make(tmp_path, model, limit=N))
        assert alone.hash == row(found, name).record == load_record(folder(found, name)).hash
    board = (place / "leaderboards" / "rlhf_diversity.csv").read_text()
    assert board.count("verified") == len(RUN)


def test_a_difference_is_the_mean_over_prompts_less_the_baseline(found: Remedies) -> None:
    base = by_unit(scores(folder(found, "baseline"), "per_input_sbert"))
    for name in RUN[1:]:
        own = by_unit(scores(folder(found, name), "per_input_sbert"))
        d = [own[unit] - base[unit] for unit in base]
        low, high = scipy_stats.ttest_1samp(d, 0.0).confidence_interval(0.95)
        result = row(found, name).difference
        assert result is not None
        assert result.difference.estimate == pytest.approx(sum(d) / N, abs=1e-12)
        assert result.difference.ci_low == pytest.approx(low, abs=1e-9)
        assert result.difference.ci_high == pytest.approx(high, abs=1e-9)
    assert row(found, "baseline").difference is None


def test_p_values_are_corrected_over_all_remedies(found: Remedies) -> None:
    results = [own.difference for own in found.rows if own.difference is not None]
    expected = multipletests([own.p_value for own in results], method="holm")[1]
    assert [own.p_holm for own in results] == pytest.approx(expected, rel=1e-12)
    assert found.n_tests == len(results) == 4


def test_new_tokens_are_those_of_the_answers_in_the_record(found: Remedies) -> None:
    for name in RUN:
        rows = pq.read_table(folder(found, name) / "responses.parquet").to_pylist()
        expected = sum(r["n_new_tokens"] for r in rows if r["table"] == "outputs")
        assert row(found, name).new_tokens == expected > 0
        assert row(found, name).missing_share == 0


def test_what_stands_beside_the_headline_is_what_the_card_names(found: Remedies) -> None:
    card = TASKS["rlhf_diversity"].card
    record = load_record(folder(found, "cold"))
    expected = [record.estimate_of(name) for name in card.beside_headline]
    assert row(found, "cold").beside == tuple(e for e in expected if e is not None)
    assert row(found, "cold").headline == record.headline


def test_a_remedy_that_the_model_does_not_take_is_listed_and_the_others_go_on(
    found: Remedies,
) -> None:
    own = row(found, "verbalized sampling")
    assert own.state == "not possible" and own.record is None and own.headline is None
    assert own.why is not None and "no option 'verbalized'" in own.why


def test_answers_that_are_no_independent_draws_are_told(found: Remedies) -> None:
    assert found.notes[0].startswith("diverse beam search: answers to a prompt are no indep")
    assert any("diversity without quality can be noise" in note for note in found.notes)


def test_seconds_are_shown_only_where_nothing_came_from_the_store(
    place: Path, found: Remedies, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert all((row(found, name).seconds or 0) > 0 for name in RUN)
    monkeypatch.setenv("EVALSUITE_HOME", str(place / "home"))
    more = ("--remedy", "cold=temperature=0.3", "--out", tmp_path, "--json")
    again = command(*words("fake:text?words=40", *more))
    stored = Remedies.model_validate(json.loads(again.out))
    assert [own.seconds for own in stored.rows] == [None, None]
    assert [own.record for own in stored.rows] == [own.record for own in found.rows[:2]]
    assert "to do" not in again.err, "nothing was asked again"


def test_the_seconds_are_those_of_the_model_and_not_of_its_judges(tmp_path: Path) -> None:
    judges = {"embedder": "fake:text-embedder?delay=0.3&batch_tokens=100000"}
    options = {"limit": 12, "samples": 2, "out": tmp_path, "judges": judges}
    result = evalsuite.remedy("rlhf_diversity", "fake:text", remedies={"a": "top_p=0.9"}, **options)
    assert all(own.seconds is not None and own.seconds < 0.3 for own in result.rows)


def test_the_table_is_for_people(found: Remedies, capsys: pytest.CaptureFixture[str]) -> None:
    print_remedies(found)
    shown = capsys.readouterr().out
    cold = row(found, "cold").difference
    assert cold is not None
    lines = [line for line in shown.splitlines() if line.startswith("cold ")]
    assert len(lines) == 3 and f"{cold.difference.estimate:+.3f}" in lines[0]
    ead = load_record(folder(found, "cold")).estimate_of("per_input_ead")
    assert ead is not None and interval(ead) in lines[1]
    tokens = row(found, "cold").new_tokens
    assert lines[2].split()[1:3] == ["0.0%", f"{tokens:,}"]
    assert "verbalized sampling: not possible: fake:text: no option 'verbalized'" in shown
    assert "p by Holm over 4 remedies" in shown


# Remedies of one's own, and those that go wrong


def test_named_remedies_replace_the_usual_ones_and_none_is_run_twice(
    tmp_path: Path,
) -> None:
    ran = command(
        *words("fake:text?temperature=0.9", "--out", tmp_path, "--json"),
        "--remedy", "hot=temperature=1.3", "--remedy", "both=top_p=0.8&temperature=1",
        "--remedy", "same=temperature=0.90", "--remedy", "again=temperature=1.30&top_p=1",
    )  # fmt: skip
    assert ran.code == 0, ran.err
    result = Remedies.model_validate(json.loads(ran.out))
    assert result.n_tests == 2
    assert row(result, "same").why == "is the same as baseline"
    assert row(result, "again").why == "is the same as hot"
    assert [(own.name, own.model) for own in result.rows[:3]] == [
        ("baseline", "fake:text?temperature=0.9"),
        ("hot", "fake:text?temperature=1.3"),
        ("both", "fake:text?top_p=0.8"),
    ]
    assert "hot: fake:text?temperature=1.3" in ran.err, "it says which one is running"


def test_remedies_that_end_incomplete_or_fail_do_not_stop_the_rest_and_end_with_4(
    tmp_path: Path,
) -> None:
    # A record that says a parent stands where that of the remedy belongs.
    evalsuite.run(
        "rlhf_diversity", "fake:text?top_p=0.8&post_training_of=fake:all", limit=12, samples=4,
        judges=EMBEDDER, out=tmp_path,
    )  # fmt: skip
    ran = command(
        *words("fake:text", "--out", tmp_path), "--remedy", "lossy=fail=0.1",
        "--remedy", "taken=top_p=0.8", "--remedy", "few=beams=2", "--remedy", "last=top_p=0.9",
    )  # fmt: skip
    assert ran.code == 4
    assert ran.err.splitlines()[-1].startswith("evalsuite: not complete: lossy, taken.")
    lines = ran.out.splitlines()
    assert any(line.startswith("lossy (incomplete)") for line in lines)
    assert any(line.startswith("last ") for line in lines)
    assert "taken: failed: " in ran.out and "entrant (post_training_of)" in ran.out
    assert "few: not possible: fake:text: 2 beams give 2 answers" in ran.out
    assert "note: incomplete: fake:text?fail=0.1 lacks" in ran.out


def test_options_are_added_or_replaced_and_nothing_else_of_the_name_moves() -> None:
    assert with_options("fake:text", "top_p=0.9", "a") == "fake:text?top_p=0.9"
    name = "transformers:./dir?stop=%0A&stop=b&top_p=1&system=a%26b"
    assert with_options(name, "top_p=0.9", "a") == (
        "transformers:./dir?stop=%0A&stop=b&system=a%26b&top_p=0.9"
    )
    assert with_options(name, "stop=c", "a").count("stop=") == 1


def test_diverse_beam_search_takes_as_many_beams_as_samples() -> None:
    assert default_remedies(7)["diverse beam search"] == (
        "beams=7&beam_groups=7&diversity_strength=0.5"
    )


@pytest.mark.parametrize(
    ("more", "says"),
    [
        (("--remedy", "cold"), "--remedy 'cold': expected name=value"),
        (("--remedy", "cold=0.3"), "remedy cold: options are written name=value"),
        (("--remedy", "a=top_p=1&top_p"), "remedy a: options are written name=value"),
        (("--remedy", "a=top_p=0.9", "--remedy", "a=top_p=0.8"), "'a' is given twice"),
        (("--remedy", "baseline=top_p=0.9"), "cannot be called 'baseline'"),
        (("--remedy", "a=temprature=0.3"), "no remedy is possible: a: fake:text: no option"),
        (("--remedy", "a=beams=2"), "no remedy is possible: a: fake:text: 2 beams give 2 answers"),
        (("--remedy", "a=temperature=1"), "no remedy is possible: a: is the same as baseline"),
        (("--judge", "embeder=fake:all"), "Did you mean 'embedder'?"),
        (("--judge", "embedder=fake:all"), "'embedder' is given twice"),
        (("--samples", "1"), "samples"),
        (("--device", "gpu"), "device"),
        (("--set", "opne"), "Did you mean 'open'?"),
    ],
)
def test_bad_input_is_one_clear_line_before_anything_runs(
    tmp_path: Path, more: tuple[str, ...], says: str
) -> None:
    assert says in refusal(*words("fake:text", "--out", tmp_path), *more)
    assert not (tmp_path / "results").exists()


def test_a_baseline_that_cannot_be_run_is_refused(tmp_path: Path) -> None:
    assert "no fake model 'txt'" in refusal(*words("fake:txt", "--out", tmp_path))
    options: dict[str, Any] = {"limit": 12, "samples": 4, "judges": EMBEDDER, "out": tmp_path}
    with pytest.raises(BadInput, match="2 beams give 2 answers"):
        evalsuite.remedy(
            "rlhf_diversity", "fake:text?beams=2", remedies={"a": "beams=4"}, **options
        )


def test_an_interrupt_keeps_what_is_done_and_the_same_command_goes_on(tmp_path: Path) -> None:
    log = tmp_path / "answered.log"
    command_line = [
        f"{word}"
        for word in words(
            f"fake:text?log={log}", "--remedy", "slow=top_p=0.9&hang=40&batch_tokens=300"
        )
    ]
    process = start(*command_line, cwd=tmp_path)
    for _ in range(1500):
        if sum(times_answered(log).values()) >= 48 + 36:
            break
        time.sleep(0.01)
    time.sleep(0.2)
    process.send_signal(signal.SIGINT)
    said, problem = process.communicate(timeout=30)
    assert process.returncode == 4 and said == ""
    assert re.search(r"interrupted at model fake:text: \d+ of 48", problem)
    assert "the same command goes on" in problem and "Traceback" not in problem
    (done,) = (tmp_path / "results").rglob("record.json")
    assert load_record(done).complete
    again = shell(*command_line, "--json", cwd=tmp_path)
    assert again.returncode == 0, again.stderr
    result = Remedies.model_validate(json.loads(again.stdout))
    assert [own.state for own in result.rows] == ["done", "done"]
    assert [own.seconds for own in result.rows] == [None, None]
    assert len(times_answered(log)) == 96
    n_again = sum(n - 1 for n in times_answered(log).values())
    assert n_again <= 6, "only the pack in flight was answered again"


def test_texts_that_are_made_already_take_no_remedy(tmp_path):
    (tmp_path / "set.jsonl").write_text('{"id": "a", "prompt": "Say it."}\n')
    (tmp_path / "made.jsonl").write_text('{"id": "a", "texts": ["x", "y"]}\n')
    done = shell("remedy", "rlhf_diversity", "--model", "outputs:made.jsonl", "--set",
                     "./set.jsonl", "--samples", "2", "--judge", "embedder=fake:text-embedder",
                     cwd=tmp_path)  # fmt: skip
    assert done.returncode == 2
    assert "made already" in done.stderr and "evalsuite run" in done.stderr
    assert not (tmp_path / "leaderboards").exists()
