"""The vendi task through the command line, with fakes: run, verify, compare, view."""

import json
from pathlib import Path

import pytest

from tests.spine.runs import evalsuite, record_of

JUDGE = ("--judge", "embedder=fake:text-embedder")
SMALL = ("--limit", "20", "--samples", "4", "--option", "vendi_n=2")


def run(cwd: Path, model: str, *more: str) -> Path:
    """The folder of a run's record."""
    out = cwd / model.replace(":", "-").replace("?", "-")
    done = evalsuite("run", "vendi", "--model", model, *JUDGE, *SMALL, *more, "--out", str(out),
                     "--json", cwd=cwd)  # fmt: skip
    record_of(done)
    return next(out.rglob("record.json")).parent


@pytest.fixture(scope="module")
def whole(tmp_path_factory) -> Path:
    return run(tmp_path_factory.mktemp("vendi"), "fake:text")


@pytest.fixture(scope="module")
def holed(tmp_path_factory) -> Path:
    return run(tmp_path_factory.mktemp("vendi"), "fake:text?refuse=0.08")


@pytest.mark.smoke
def test_a_record_verifies_and_its_headline_is_the_unbiased_order_2(whole):
    record = json.loads((whole / "record.json").read_text())
    assert record["headline"]["measure"] == "within_prompt_vendi_2u"
    assert record["headline"]["estimate"]["estimate"] > 1
    done = evalsuite("verify", str(whole), cwd=whole)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize(
    "measure", ["within_prompt_vendi_2u", "within_prompt_vendi_q1", "pooled_vendi_q1"]
)
def test_a_record_that_lacks_answers_compares_by_those_on_both_sides(whole, holed, measure):
    arguments = (str(whole), str(holed), "--measure", measure, "--units", "0", "--json")
    done = evalsuite("compare", *arguments, cwd=whole)
    assert done.returncode == 0, done.stderr
    (pair,) = json.loads(done.stdout)["pairs"]
    assert pair["difference"]["estimate"] is not None


def test_rlhf_diversity_compares_by_the_answers_on_both_sides_too(tmp_path):
    folders = []
    for model in ("fake:text", "fake:text?refuse=0.08"):
        out = tmp_path / f"out{len(folders)}"
        done = evalsuite("run", "rlhf_diversity", "--model", model, *JUDGE, "--limit", "20",
                         "--samples", "4", "--out", str(out), "--json", cwd=tmp_path)  # fmt: skip
        record_of(done)
        folders.append(str(out / "results"))
    for measure in ("per_input_vendi", "per_input_ead_matched", "across_input_ead"):
        done = evalsuite("compare", *folders, "--measure", measure, "--json", cwd=tmp_path)
        assert done.returncode == 0, done.stderr
        assert json.loads(done.stdout)["pairs"][0]["difference"]["estimate"] is not None


def test_the_sweep_is_shown_and_an_unknown_view_is_not(whole):
    done = evalsuite("show", str(whole), "--view", "n_sweep", cwd=whole)
    assert done.returncode == 0 and "80" in done.stdout
    done = evalsuite("show", str(whole), "--view", "n_swep", cwd=whole)
    assert done.returncode == 2 and "n_sweep" in done.stderr


def test_an_explicit_kernel_of_too_many_answers_is_refused_before_anything_is_asked(tmp_path):
    done = evalsuite("run", "vendi", "--model", "fake:text", *JUDGE, "--samples", "100",
                     "--option", "kernel=ngram", "--dry-run", cwd=tmp_path)  # fmt: skip
    assert done.returncode == 2
    assert "12,000 answers" in done.stderr and "kernel=cosine" in done.stderr
