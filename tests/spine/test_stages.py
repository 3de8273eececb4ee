"""Stages of post-training: their order, the change of each step, and what cannot be ordered."""

import json
from pathlib import Path

import pytest
from scipy import stats as scipy_stats
from statsmodels.stats.multitest import multipletests

import evalsuite
from evalsuite.comparing.lineage import is_named
from evalsuite.comparing.stages import Stage, Stages
from evalsuite.errors import BadInput
from evalsuite.requests import Entrant
from evalsuite.stats.signflip import sign_flip_test
from tests.spine.records import by_unit, command, make, refusal, scores
from tests.spine.runs import evalsuite as shell

SFT = "fake:text?temperature=0.8&words=40&post_training_of=fake:text"
DPO = "fake:text?temperature=0.6&words=30&post_training_of=fake:text?temperature=0.8%26words=40"
RL = "fake:text?temperature=0.5&words=20&post_training_of=fake:text?temperature=0.6%26words=30"
OTHER = "fake:text?temperature=0.7&words=30&post_training_of=fake:text"


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("stages")


@pytest.fixture(scope="module")
def chain(place: Path) -> list[Path]:
    return [make(place, model) for model in ("fake:text", SFT, DPO, RL)]


@pytest.fixture(scope="module")
def other(place: Path) -> Path:
    return make(place, OTHER)


@pytest.fixture(scope="module")
def found(chain: list[Path]) -> Stages:
    base, sft, dpo, rl = chain
    return evalsuite.stages(rl, sft, base, dpo)


def differences(child: Path, parent: Path, measure: str = "per_input_sbert") -> list[float]:
    a, b = (by_unit(scores(folder, measure)) for folder in (child, parent))
    assert a.keys() == b.keys()
    return [a[unit] - b[unit] for unit in a]


def names(found: Stages) -> list[tuple[int, str]]:
    return [(stage.depth, stage.name) for stage in found.stages]


def by_name(found: Stages) -> dict[str, Stage]:
    return {stage.name: stage for stage in found.stages}


def test_stages_stand_in_the_order_of_training_whatever_order_they_are_given_in(
    found: Stages,
) -> None:
    assert names(found) == [
        (0, "fake:text"),
        (1, "fake:text?temperature=0.8&words=40"),
        (2, "fake:text?temperature=0.6&words=30"),
        (3, "fake:text?temperature=0.5&words=20"),
    ]
    assert [stage.trained_from for stage in found.stages] == [
        None,
        *(stage.name for stage in found.stages[:3]),
    ]
    assert {stage.base for stage in found.stages} == {"fake:text"}


def test_a_step_is_the_mean_paired_difference_to_the_stage_before(
    chain: list[Path], found: Stages
) -> None:
    assert found.stages[0].step is None and found.stages[0].from_base is None
    for i in (1, 2, 3):
        d = differences(chain[i], chain[i - 1])
        test = scipy_stats.ttest_1samp(d, 0.0)
        low, high = test.confidence_interval(0.95)
        step = found.stages[i].step
        assert step is not None
        assert step.difference.estimate == pytest.approx(sum(d) / 20, abs=1e-12)
        assert step.difference.ci_low == pytest.approx(low, abs=1e-9)
        assert step.difference.ci_high == pytest.approx(high, abs=1e-9)
        assert step.p_value == pytest.approx(sign_flip_test(d).p_value, rel=1e-9)


def test_p_values_are_corrected_over_the_steps_and_not_over_all_pairs(found: Stages) -> None:
    steps = [stage.step for stage in found.stages if stage.step is not None]
    expected = multipletests([step.p_value for step in steps], method="holm")[1]
    assert [step.p_holm for step in steps] == pytest.approx(expected, rel=1e-12)
    assert found.n_tests == 3


def test_the_change_since_the_base_is_that_of_the_two_ends(
    chain: list[Path], found: Stages
) -> None:
    for i in (1, 2, 3):
        total = found.stages[i].from_base
        d = differences(chain[i], chain[0])
        assert total is not None
        assert total.estimate == pytest.approx(sum(d) / 20, abs=1e-12)
    steps = [s.step.difference.estimate for s in found.stages if s.step]
    assert sum(v for v in steps if v is not None) == pytest.approx(
        found.stages[3].from_base and found.stages[3].from_base.estimate
    )


def test_a_base_may_have_several_successors(chain: list[Path], other: Path) -> None:
    found = evalsuite.stages(other, *chain)
    assert names(found)[:2] == [(0, "fake:text"), (1, "fake:text?temperature=0.7&words=30")]
    assert [depth for depth, _ in names(found)] == [0, 1, 1, 2, 3]
    assert found.n_tests == 4
    own = by_name(found)["fake:text?temperature=0.7&words=30"]
    assert own.trained_from == "fake:text" and own.step is not None


def test_a_stage_whose_parent_is_not_given_is_a_base_with_a_note(chain: list[Path]) -> None:
    found = evalsuite.stages(chain[2], chain[3])
    assert [depth for depth, _ in names(found)] == [0, 1]
    assert any(
        "was trained from fake:text?temperature=0.8&words=40, of which no record" in note
        for note in found.notes
    )
    assert found.stages[0].post_training_of == "fake:text?temperature=0.8&words=40"


def test_a_step_between_different_decodings_says_so(found: Stages) -> None:
    assert sum("were decoded differently" in note for note in found.notes) == 3


def test_measure_and_slice_are_those_that_are_asked_for(chain: list[Path]) -> None:
    whole = evalsuite.stages(*chain[:2], measure="per_input_mean_length")
    step = whole.stages[1].step
    assert step is not None
    d = differences(chain[1], chain[0], "per_input_mean_length")
    assert step.difference.estimate == pytest.approx(sum(d) / 20, abs=1e-12)
    part = evalsuite.stages(*chain[:2], slice="naming")
    assert part.n_units < whole.n_units == 20
    with pytest.raises(BadInput, match="no slice 'nameing'"):
        evalsuite.stages(*chain[:2], slice="nameing")


# Who is whose parent


def test_a_parent_of_the_same_decoding_goes_before_others(place: Path) -> None:
    bases = [make(place, f"fake:text?temperature={t}") for t in ("0.6", "0.8")]
    stage = make(place, "fake:text?words=12&temperature=0.8&post_training_of=fake:text")
    found = evalsuite.stages(*bases, stage)
    own = by_name(found)["fake:text?temperature=0.8&words=12"]
    assert own.trained_from == "fake:text?temperature=0.8"
    assert found.notes == ()


def test_a_parent_of_the_same_seed_goes_before_others(place: Path, chain: list[Path]) -> None:
    seeds = [chain[0], make(place, "fake:text", seed=1)]
    stage = make(place, "fake:text?words=12&post_training_of=fake:text", seed=1)
    own = by_name(evalsuite.stages(*seeds, stage))["fake:text?words=12 (seed 1)"]
    assert own.trained_from == "fake:text (seed 1)"


@pytest.mark.parametrize(
    ("declared", "is_it"),
    [
        ("transformers:org/base", True),
        ("transformers:org/base?temperature=0.5", False),
        ("org/base", True),
        ("org/base@" + "4" * 40, True),
        ("transformers:org/base@" + "4" * 40, True),
        ("org/base@" + "5" * 40, False),
        ("openai:org/base", False),
        ("base", False),
        ("org/base2", False),
        ("@", False),
        ("?", False),
    ],
)
def test_a_name_fits_with_or_without_backend_and_revision(declared: str, is_it: bool) -> None:
    base = Entrant(model="transformers:org/base", backend="transformers", revision="4" * 40)
    assert is_named(base, declared) is is_it


def test_a_folder_is_named_by_its_last_part() -> None:
    base = Entrant(model="transformers:sft", backend="transformers", revision="sha256:1")
    assert is_named(base, "./runs/sft") and is_named(base, "transformers:/models/sft")
    assert not is_named(base, "runs/sft")


# What is refused


def test_records_that_say_nothing_of_their_training_are_refused(
    place: Path, chain: list[Path]
) -> None:
    said = refusal("stages", chain[0], make(place, "fake:text?temperature=0.6"))
    assert "none of the records was trained from another" in said
    assert "?post_training_of=NAME" in said


def test_a_parent_that_could_be_several_records_is_refused(place: Path) -> None:
    bases = [make(place, f"fake:text?words={n}") for n in (21, 22)]
    stage = make(place, "fake:text?words=23&post_training_of=fake:text")
    said = refusal("stages", *bases, stage)
    assert "fits 2 of the records: fake:text?words=21, fake:text?words=22" in said


def test_a_circle_of_training_is_refused(tmp_path: Path) -> None:
    one = make(tmp_path, "fake:text?words=20&post_training_of=fake:text?words=30")
    two = make(tmp_path, "fake:text?words=30&post_training_of=fake:text?words=20")
    said = refusal("stages", one, two)
    assert (
        "leads in a circle: fake:text?words=20 was trained from fake:text?words=30 was "
        "trained from fake:text?words=20" in said
    )


def test_fewer_than_two_records_one_twice_or_other_fingerprints_are_refused(
    place: Path, chain: list[Path]
) -> None:
    assert "takes two records or more" in refusal("stages", chain[0])
    assert "is given twice" in refusal("stages", chain[0], chain[1], chain[0])
    longer = make(place, SFT, samples=5)
    assert "options.samples (4, 5)" in refusal("stages", chain[0], longer)
    assert "no record there" in refusal("stages", chain[0], place / "nowhere")
    assert "Did you mean 'per_input_sbert'?" in refusal(
        "stages", *chain[:2], "--measure", "per_input_sber"
    )


# What is printed


def test_the_command_prints_stages_steps_and_json(chain: list[Path], found: Stages) -> None:
    shown = command("stages", *chain)
    assert shown.code == 0, shown.err
    assert "p by Holm over 3 steps" in shown.out
    assert "      fake:text?temperature=0.5&words=20" in shown.out, "indented by its depth"
    step = found.stages[3].step
    assert step is not None and f"{step.difference.estimate:+.3f}" in shown.out
    assert "3 to 4" in shown.out
    given = command("stages", *chain, "--json")
    assert given.code == 0 and given.err == ""
    assert Stages.model_validate(json.loads(given.out)).stages == found.stages


def test_a_comparison_shows_what_was_trained_from_what_only_if_something_was(
    place: Path, chain: list[Path]
) -> None:
    shown = command("compare", *chain[:2], "--units", "0").out
    assert "trained from" in shown
    (line,) = (line for line in shown.splitlines() if line.startswith("B"))
    assert line.split()[2] == "fake:text"
    plain = make(place, "fake:text?temperature=0.6")
    assert "trained from" not in command("compare", chain[0], plain, "--units", "0").out


def test_a_record_that_says_its_parent_only_now_names_the_field_and_the_way(tmp_path):
    arguments = ("run", "rlhf_diversity", "--judge", "embedder=fake:text-embedder", "--limit", "10",
                 "--samples", "2")  # fmt: skip
    assert shell(*arguments, "--model", "fake:text", cwd=tmp_path).returncode == 0
    again = ("--model", "fake:text?post_training_of=fake:all")
    done = shell(*arguments, *again, cwd=tmp_path)
    assert done.returncode == 2
    assert "entrant (post_training_of)" in done.stderr and "--force" in done.stderr
    assert shell(*arguments, *again, "--force", cwd=tmp_path).returncode == 0
