import random

import pytest

from evalsuite.fingerprint import Apparatus
from evalsuite.leaderboard import COLUMNS, NUMERIC, best_first, build_leaderboard
from evalsuite.measures import MeasureEstimate
from evalsuite.record import Counts, Judge, Provenance, Record, find_records
from evalsuite.requests import Decoding, Entrant
from evalsuite.stats import Estimate

# design.md section 7, word for word.
PUBLISHED = """schema_version, suite_version, task, mode, task_version, slice, entrant, model,
revision, decoding, post_training_of, measure, measure_version, higher_is_better, estimate, se,
ci_low, ci_high, ci_level, method, n_units, n_clusters, samples_per_unit, n_missing,
completion_rate, judges, judge_correction, n_human_labels, rank_low, rank_high, tied_with_best,
status, fingerprint, prompts_sha256, responses_sha256, seed, evaluator, run_date,
variants_submitted, superseded_by"""


def estimate(value, *, measure="m", slice="all", higher_is_better=True):
    return MeasureEstimate(
        measure=measure,
        measure_version=2,
        kind="mean",
        slice=slice,
        higher_is_better=higher_is_better,
        unit="",
        estimate=Estimate(
            estimate=value, se=0.1, ci_low=None, ci_high=None, method="t", n=9, n_clusters=3
        ),
        sd=None,
        bound_low=None,
        bound_high=None,
    )


def record(
    value=0.5,
    *,
    model="toy:a",
    revision="1",
    decoding=None,
    seed=0,
    version=1,
    complete=True,
    higher_is_better=True,
    others=(),
    responses="r",
):
    apparatus = Apparatus(
        task="toy",
        task_version=version,
        mode="text",
        prompts_sha256="p",
        n_units=9,
        data=(),
        options=(("samples", 4),),
        judges=(),
        measures=(("m", 2),),
    )
    headline = estimate(value, higher_is_better=higher_is_better)
    counts = Counts(requests=36, ok=30, missing={"refused": 4, "filtered": 2, "error": 0})
    return Record(
        task="toy",
        mode="text",
        task_version=version,
        prompt_set="open",
        entrant=Entrant(model=model, backend="toy", revision=revision, decoding=decoding),
        fingerprint=apparatus.fingerprint,
        apparatus=apparatus,
        seed=seed,
        replicates=1,
        headline=headline,
        estimates=(headline, *others),
        counts=counts,
        judges={
            "embedder": Judge(
                entrant=Entrant(model="toy:judge", backend="toy", revision="7"), counts=counts
            )
        },
        complete=complete,
        prompts_sha256="p",
        responses_sha256=responses,
        provenance=Provenance(
            started="2026-08-01T10:00:00+00:00",
            finished="2026-08-01T11:00:00+00:00",
            seconds=1.0,
            cached={},
            versions={"evalsuite": "0.1.0"},
            device="cpu",
            engine="local",
        ),
    ).sealed()


def models(records, **options):
    return list(build_leaderboard(records, **options)["model"])


def test_the_columns_are_the_published_ones():
    assert ", ".join(COLUMNS) == " ".join(PUBLISHED.split())
    assert set(COLUMNS) > NUMERIC


def test_a_row_tells_everything_about_its_record():
    one = record(0.25, decoding=Decoding(temperature=0.7, stop=("\n",)), seed=2**61 + 1)
    (row,) = build_leaderboard([one]).to_dict("records")
    expected = dict.fromkeys(COLUMNS) | {
        "schema_version": 1,
        "suite_version": "0.1.0",
        "task": "toy",
        "mode": "text",
        "task_version": 1,
        "slice": "all",
        "entrant": "toy:a?stop=\n&temperature=0.7",
        "model": "toy:a",
        "revision": "1",
        "decoding": "temperature=0.7 top_p=1.0 top_k=0 min_p=0.0 stop=('\\n',)",
        "measure": "m",
        "measure_version": 2,
        "higher_is_better": True,
        "estimate": 0.25,
        "se": 0.1,
        "ci_level": 0.95,
        "method": "t",
        "n_units": 9,
        "n_clusters": 3,
        "samples_per_unit": 4,
        "n_missing": 6,
        "completion_rate": 30 / 36,
        "judges": "embedder=toy:judge@7",
        "judge_correction": "none",
        "n_human_labels": 0,
        "status": "self_reported",
        "fingerprint": one.fingerprint,
        "prompts_sha256": "p",
        "responses_sha256": "r",
        "seed": 2**61 + 1,
        "run_date": "2026-08-01",
    }
    assert row == expected
    assert isinstance(row["seed"], int)
    assert row["higher_is_better"] is True


def test_rows_stand_best_first_with_incomplete_and_missing_ones_last():
    records = [
        record(0.2, model="toy:low"),
        record(None, model="toy:none"),
        record(0.9, model="toy:incomplete", complete=False),
        record(0.8, model="toy:high"),
        record(-0.5, model="toy:negative"),
    ]
    assert models(records) == [
        "toy:high",
        "toy:low",
        "toy:negative",
        "toy:none",
        "toy:incomplete",
    ]


def test_where_lower_is_better_the_lowest_stands_first():
    records = [record(v, model=f"toy:{v}", higher_is_better=False) for v in (0.5, 0.1, None, -0.2)]
    assert models(records) == ["toy:-0.2", "toy:0.1", "toy:0.5", "toy:None"]


def test_rows_of_different_apparatus_are_never_ranked_together():
    records = [record(v, model=f"toy:{v}", version=v % 2 + 1) for v in range(6)]
    parts = best_first(build_leaderboard(records))
    ranked = sorted([list(part["estimate"]) for part in parts])
    assert ranked == [[4, 2, 0], [5, 3, 1]]
    assert all(part["fingerprint"].nunique() == 1 for part in parts)


def test_the_frame_does_not_depend_on_the_order_of_the_records():
    records = [
        record(v, model=m, revision=r, seed=s, version=version, complete=complete, responses=m + r)
        for v in (None, 0.5)
        for m in ("toy:a", "toy:b")
        for r in ("1", "2")
        for s in (0, 1)
        for version in (1, 2)
        for complete in (True, False)
    ]
    first = build_leaderboard(records)
    for seed in range(5):
        random.Random(seed).shuffle(records)
        assert build_leaderboard(records).equals(first)


def test_only_records_that_were_recomputed_and_are_complete_are_verified():
    good, other = record(0.5, model="toy:good"), record(0.4, model="toy:other")
    half = record(0.3, model="toy:half", complete=False)
    frame = build_leaderboard([good, other, half], verified=[good.hash, half.hash])
    assert list(frame["status"]) == ["verified", "self_reported", "incomplete"]


def test_another_measure_and_slice_can_be_shown_and_records_without_it_are_left_out():
    extra = estimate(7.0, measure="n", slice="x")
    has, lacks = record(0.1, model="toy:has", others=(extra,)), record(0.9, model="toy:lacks")
    frame = build_leaderboard([has, lacks], measure="n", slice="x")
    assert frame[["model", "measure", "slice", "estimate"]].values.tolist() == [
        ["toy:has", "n", "x", 7.0]
    ]


def test_unknown_is_none_and_never_nan():
    frame = build_leaderboard([record(None), record(0.5, model="toy:b")])
    assert frame["estimate"].tolist() == [0.5, None]
    assert frame["rank_low"].tolist() == [None, None]


def test_no_records_give_an_empty_frame_with_all_columns():
    frame = build_leaderboard([])
    assert frame.empty
    assert tuple(frame.columns) == COLUMNS


def test_records_are_read_from_folders_and_files(tmp_path):
    one = record()
    (tmp_path / "record.json").write_text(one.to_json())
    assert models([tmp_path, tmp_path / "record.json", one]) == ["toy:a"] * 3


def test_records_are_found_by_task_in_order_and_unfinished_ones_are_not(tmp_path):
    for name in ("toy/b/x", "toy/a/x", "other/a/x", "toy/a/.x.0123.tmp", "toy/.old/x"):
        (tmp_path / name).mkdir(parents=True)
        (tmp_path / name / "record.json").touch()
    assert find_records(tmp_path, "toy") == [tmp_path / "toy/a/x", tmp_path / "toy/b/x"]
    assert len(find_records(tmp_path)) == 3
    assert find_records(tmp_path / "nowhere") == []


@pytest.mark.parametrize("folder", [".hidden", "a/.hidden/b"])
def test_a_dot_in_the_path_to_the_results_hides_nothing(tmp_path, folder):
    place = tmp_path / folder / "toy" / "a"
    place.mkdir(parents=True)
    (place / "record.json").touch()
    assert find_records(tmp_path / folder) == [place]
