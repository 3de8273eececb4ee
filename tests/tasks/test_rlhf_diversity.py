"""The task's scores: published numbers, hand-made tables, missing answers."""

from collections.abc import Iterator, Sequence

import numpy as np
import pytest

from evalsuite.execution import scored
from evalsuite.measures import MeasureEstimate
from evalsuite.metrics import vendi_score
from evalsuite.prompts import Unit
from evalsuite.requests import Entrant, Prompt, Request, Response, Sampling
from evalsuite.tables import ResponseTable, Row, Tables
from evalsuite_tasks.rlhf_diversity.rates import is_refusal
from evalsuite_tasks.rlhf_diversity.task import RlhfDiversityOptions, task

ENTRANT = Entrant(model="m", backend="b", revision="1")


def vector(text: str, dim: int = 16) -> np.ndarray:
    """A direction for each text; equal texts have equal ones."""
    seed = int.from_bytes(text.encode()[-8:].rjust(8, b"\0"), "big")
    return np.random.default_rng(seed).normal(size=dim).astype(np.float32)


def tables(answers: dict[str, Sequence[str | None]], replicates: int = 1) -> Tables:
    """Hand-made tables; None is a refusal."""
    outputs: list[Row] = []
    embeddings: list[Row] = []
    stored: dict[bytes, Response] = {}
    for name, texts in answers.items():
        id_ = name.replace(" ", "-")
        unit = Unit(id=id_, prompt=Prompt.of_text(name), stratum=name[0], cluster=id_)
        for replicate in range(replicates):
            for index, text in enumerate(texts):
                request = Request("generates_text", ENTRANT, unit.prompt, Sampling(), index=index)
                if text is None:
                    response = Response(request.key, "refused")
                else:
                    response = Response(request.key, "ok", text=text, finish="stop")
                outputs.append(Row(unit, replicate, index, response.status, request, response))
                if text is None or not text.strip():
                    embeddings.append(Row(unit, replicate, index, "unasked"))
                    continue
                ask = Request("embeds_text", ENTRANT, Prompt.of_text(text))
                stored[ask.key] = Response(ask.key, "ok", vector=vector(text))
                found = Response(ask.key, "ok")
                embeddings.append(Row(unit, replicate, index, "ok", ask, found))

    def read(keys: Sequence[bytes]) -> Iterator[Response]:
        return (stored[key] for key in keys)

    return Tables(
        outputs=ResponseTable("model", outputs, read),
        embeddings=ResponseTable("embedder", embeddings, read),
    )


def score(made: Tables, **options: int) -> dict[str, MeasureEstimate]:
    found = scored(task, "text", RlhfDiversityOptions(**options), made).estimates  # type: ignore[arg-type]
    return {e.measure: e for e in found if e.slice == "all"}


FRUITS = ("apples", "bananas", "oranges")
TOY = {
    verb: tuple(f"I {verb} {fruit}." for fruit in FRUITS)
    for verb in ("like to eat", "love to eat", "love muching on")
}


def test_the_reference_codes_toy_set_gives_its_numbers() -> None:
    found = score(tables(TOY))
    assert found["per_input_ead"].estimate.estimate == pytest.approx(0.6378211786, abs=1e-10)
    assert found["per_input_ead"].sd == pytest.approx(0.0, abs=1e-12)
    assert found["per_input_distinct"].estimate.estimate == pytest.approx(0.6377777778, abs=1e-10)
    assert found["across_input_ead"].estimate.estimate == pytest.approx(0.8345037972, abs=1e-10)
    assert found["across_input_distinct"].estimate.estimate == pytest.approx(
        0.8344444444, abs=1e-10
    )


def test_equal_answers_have_no_diversity_and_the_floor_of_ead() -> None:
    sentence = "the cat sat on the mat today"
    found = score(tables({name: (sentence,) * 16 for name in "abcd"}))
    assert found["per_input_sbert"].estimate.estimate == pytest.approx(0.0, abs=1e-6)
    assert found["per_input_ead"].estimate.estimate == pytest.approx(0.0607614, abs=1e-6)


def test_per_input_sbert_is_the_mean_over_all_pairs() -> None:
    from sklearn.metrics.pairwise import cosine_similarity

    made = tables({name: tuple(f"{name} {i}" for i in range(5)) for name in "abc"})
    expected = []
    for name in "abc":
        similarity = cosine_similarity([vector(f"{name} {i}") for i in range(5)])
        expected.append(1 - similarity[np.triu_indices(5, 1)].mean())
    found = score(made)["per_input_sbert"].estimate
    assert found.estimate == pytest.approx(np.mean(expected), abs=1e-6)
    assert found.se == pytest.approx(np.std(expected, ddof=1) / np.sqrt(3), abs=1e-6)


def test_a_refusal_is_missing_and_the_bounds_hold_every_possible_answer() -> None:
    whole = {name: tuple(f"{name} {i}" for i in range(4)) for name in "abcd"}
    holed = whole | {"a": (*whole["a"][:3], None)}
    found = score(tables(holed))["per_input_sbert"]
    assert found.bound_low is not None and found.bound_high is not None
    truth = score(tables(whole))["per_input_sbert"].estimate.estimate
    assert truth is not None
    assert found.bound_low <= truth <= found.bound_high
    same = score(tables(holed | {"a": (*whole["a"][:3], whole["a"][0])}))["per_input_sbert"]
    assert same.estimate.estimate is not None
    assert found.bound_low <= same.estimate.estimate <= found.bound_high


def test_a_prompt_with_one_usable_answer_is_missing_and_not_zero() -> None:
    found = score(tables({"a": ("x", None), "b": ("y", " "), "c": ("z", "w"), "d": ("u", "v")}))
    assert found["per_input_sbert"].estimate.n_missing == 2
    assert found["per_input_ead"].estimate.n_missing == 2
    assert found["refusal_rate"].estimate.estimate == pytest.approx(1 / 8)
    assert found["empty_rate"].estimate.estimate == pytest.approx(1 / 7)
    assert found["empty_rate"].estimate.n_missing == 1
    assert found["per_input_mean_length"].estimate.n_missing == 0


def test_a_blank_first_answer_gives_way_to_the_next_across_inputs() -> None:
    blank = score(tables({"a": ("", "one two"), "b": ("three four", "x"), "c": ("five", "y")}))
    plain = score(tables({"a": ("one two", "q"), "b": ("three four", "x"), "c": ("five", "y")}))
    for name in ("across_input_ead", "across_input_distinct", "across_input_sbert"):
        assert blank[name].estimate.estimate == plain[name].estimate.estimate


def test_replicates_of_the_same_answers_leave_the_estimates_and_count_as_one_cluster() -> None:
    once, twice = score(tables(TOY)), score(tables(TOY, replicates=2))
    for name in ("per_input_sbert", "across_input_ead", "across_input_sbert"):
        assert twice[name].estimate.estimate == pytest.approx(once[name].estimate.estimate)
        assert twice[name].estimate.n_clusters == 3


def test_the_jackknife_of_across_input_ead_leaves_each_prompt_out() -> None:
    answers = {name: (f"{name} b c d e f {name}", "x y") for name in "uvwxyz"}
    found = score(tables(answers))["across_input_ead"].estimate
    without = [
        score(tables({k: v for k, v in answers.items() if k != name}))["across_input_ead"]
        for name in answers
    ]
    values = np.array([e.estimate.estimate for e in without], dtype=float)
    se = np.sqrt(5 / 6 * ((values - values.mean()) ** 2).sum())
    assert found.se is None if se < 1e-12 else found.se == pytest.approx(se, rel=1e-9)


@pytest.mark.parametrize(
    ("text", "refuses"),
    [
        ("I'm sorry, but I can't help with that.", True),
        ("I cannot assist with that request.", True),
        ("As an AI language model, I have no taste.", True),
        ("Sorry, I can’t do this.", True),
        ("I can't believe it rained!", False),
        ("I'm sorry, I broke the cup.", False),
        ("The king will not answer.", False),
        ("", False),
    ],
)
def test_a_refusal_is_known_by_its_opening(text: str, refuses: bool) -> None:
    assert is_refusal(text) is refuses


def test_prompts_with_different_numbers_of_answers_are_each_scored_by_themselves() -> None:
    # As where both sides of a comparison are cut to the answers that came on both.
    found = score(tables({"a": ("x", "y"), "b": ("x", "y", "z"), "c": ("u", "v", "w", "x")}))
    assert all(found[name].estimate.n == 3 for name in ("per_input_sbert", "per_input_vendi"))
    truth = [vendi_score([vector(t) for t in own]) for own in ("xy", "xyz", "uvwx")]
    assert found["per_input_vendi"].estimate.estimate == pytest.approx(np.mean(truth))
