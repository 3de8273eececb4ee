"""The vendi task on hand-made tables: known diversity, missing answers, kernels, prompts."""

from collections.abc import Iterator, Sequence

import numpy as np
import pytest

from evalsuite.execution import scored
from evalsuite.measures import MeasureEstimate
from evalsuite.metrics import vendi_score, vendi_score_from_kernel
from evalsuite.metrics.vendi import ngram_kernel
from evalsuite.prompts import Unit
from evalsuite.requests import Entrant, Prompt, Request, Response, Sampling
from evalsuite.tables import ResponseTable, Row, Tables
from evalsuite_tasks.vendi.sweep import sample_size_sweep
from evalsuite_tasks.vendi.task import VendiOptions, task

ENTRANT = Entrant(model="m", backend="b", revision="1")
KINDS = {word: place for place, word in enumerate("abcdefghijklmnopqrstuvwxyz")}
ORDERS = {"q01": 0.1, "q05": 0.5, "q1": 1.0, "q2": 2.0, "qinf": float("inf")}


def vector(text: str) -> np.ndarray:
    """One axis for each first letter: texts of different letters have nothing in common."""
    return np.eye(26, dtype=np.float32)[KINDS[text[0]]]


def made(answers: dict[str, Sequence[str | None]], ratings: dict[str, float] | None = None,
         seed: int | None = None) -> Tables:  # fmt: skip
    """Tables of answers by prompt; None did not come. With a seed vectors are random."""
    rng = np.random.default_rng(seed)
    outputs, embeddings, prompts, rated = [], [], [], []
    stored: dict[bytes, Response] = {}

    def embedded(unit: Unit, index: int, text: str | None) -> Row:
        if not text:
            return Row(unit, 0, index, "unasked")
        ask = Request("embeds_text", ENTRANT, Prompt.of_text(text))
        if ask.key not in stored:
            found = vector(text) if seed is None else rng.normal(size=8).astype(np.float32)
            stored[ask.key] = Response(ask.key, "ok", vector=found)
        return Row(unit, 0, index, "ok", ask, Response(ask.key, "ok"))

    for name, texts in answers.items():
        unit = Unit(id=name, prompt=Prompt.of_text(name), stratum="", cluster=name)
        for index, text in enumerate(texts):
            ask = Request("generates_text", ENTRANT, unit.prompt, Sampling(), index=index)
            status = "refused" if text is None else "ok"
            came = Response(ask.key, status, text=text)
            outputs.append(Row(unit, 0, index, status, ask, came))
            embeddings.append(embedded(unit, index, text))
            prompts.append(embedded(unit, index, name))
            if ratings is not None:
                rate = Request("rates_text", ENTRANT, Prompt.of_text(f"{name} {index} {text}"))
                said = Response(rate.key, "ok", scores=(ratings[text or ""],))
                rated.append(Row(unit, 0, index, "ok", rate, said))

    def read(keys: Sequence[bytes]) -> Iterator[Response]:
        return (stored[key] for key in keys)

    return Tables(
        outputs=ResponseTable("model", outputs, read),
        embeddings=ResponseTable("embedder", embeddings, read),
        prompts=ResponseTable("embedder", prompts, read),
        ratings=ResponseTable("quality", rated, read),
    )


def score(tables: Tables, **options: object) -> dict[str, MeasureEstimate]:
    options = {"vendi_n": 2} | options
    found = scored(task, "text", VendiOptions(**options), tables).estimates  # type: ignore[arg-type]
    return {e.measure: e for e in found if e.slice == "all"}


def value(found: dict[str, MeasureEstimate], name: str) -> float:
    estimate = found[name].estimate.estimate
    assert estimate is not None, name
    return estimate


def test_orthogonal_answers_count_one_each_at_every_order():
    found = score(made({name: ("a1", "b1", "c1", "d1") for name in ("w", "x", "y")}))
    for end in ORDERS:
        assert value(found, f"within_prompt_vendi_{end}") == pytest.approx(4)
        assert value(found, f"pooled_vendi_{end}") == pytest.approx(4)
    assert value(found, "within_prompt_vendi_share") == pytest.approx(1)
    assert value(found, "within_prompt_vendi_1_at_n") == pytest.approx(2)
    assert found["pooled_vendi_q1"].facts["rank"] == 4


def test_equal_answers_are_one_and_copies_are_counted():
    found = score(made({name: ("a1", "a1", "a1", "a1") for name in ("w", "x", "y")}))
    assert value(found, "within_prompt_vendi_2u") == pytest.approx(1)
    assert value(found, "within_prompt_vendi_q1") == pytest.approx(1)
    assert value(found, "duplicate_rate") == pytest.approx(3 / 4)


def test_the_unbiased_order_2_is_its_formula_averaged_before_it_is_inverted():
    answers = {"w": ("a", "a", "b", "c"), "x": ("a", "b", "b", "b"), "y": ("d", "e", "f", "d")}
    collisions = []
    for texts in answers.values():
        kernel = np.array([[float(s == t) for s in texts] for t in texts])
        collisions.append((np.square(kernel).sum() - 4) / 12)
    found = score(made(answers))
    assert value(found, "within_prompt_vendi_2u") == pytest.approx(1 / np.mean(collisions))


def test_pooled_scores_are_those_of_all_answers_with_the_jackknife_over_prompts():
    answers = {f"p{i}": tuple(f"{'abcdefgh'[(i * j) % 8]}{j}" for j in range(4)) for i in range(9)}
    tables = made(answers, seed=3)
    rows = tables.embeddings.vectors(tables.embeddings.rows).astype(np.float64)
    owner = np.repeat(np.arange(9), 4)
    found = score(tables)
    for end, order in ORDERS.items():
        whole = vendi_score(rows, q=order)
        left = np.array([vendi_score(rows[owner != g], q=order) for g in range(9)])
        own = found[f"pooled_vendi_{end}"].estimate
        assert own.estimate == pytest.approx(whole)
        assert own.se == pytest.approx(np.sqrt(8 / 9 * np.square(left - left.mean()).sum()))


def test_answers_that_only_the_prompt_decides_have_no_diversity_of_their_own():
    letters = "abcdef"
    own = score(made({letter: (f"{letter}1",) * 4 for letter in letters}))
    assert value(own, "conditional_vendi") == pytest.approx(1, abs=1e-6)
    assert value(own, "information_vendi") == pytest.approx(6, abs=1e-6)
    assert value(own, "scendi") == pytest.approx(1, abs=1e-6)


def test_conditional_and_information_multiply_to_the_pooled_score():
    answers = {f"p{i}": tuple(f"{'abcdefgh'[(i + j) % 8]}{j}" for j in range(4)) for i in range(6)}
    found = score(made(answers, seed=5))
    product = value(found, "conditional_vendi") * value(found, "information_vendi")
    assert product == pytest.approx(value(found, "pooled_vendi_q1"))


def test_a_lost_answer_is_missing_and_its_prompt_is_marked():
    found = score(made({"w": ("a", "b", None), "x": ("a", "b", "c"), "y": ("d", "e", "f"),
                        "z": ("a", None, None)}))  # fmt: skip
    within = found["within_prompt_vendi_q1"].estimate
    assert (within.n, within.n_missing) == (3, 1)
    assert value(found, "within_prompt_vendi_q1") == pytest.approx((2 + 3 + 3) / 3)
    assert found["pooled_vendi_q1"].estimate.n_missing == 3
    assert found["pooled_vendi_q1"].bound_high is None


def test_prompts_with_different_numbers_of_answers_are_each_scored_by_themselves():
    # As where both sides of a comparison are cut to the answers that came on both.
    found = score(made({"w": ("a", "b"), "x": ("a", "b", "c"), "y": ("d", "e", "f", "g")}))
    assert value(found, "within_prompt_vendi_q1") == pytest.approx((2 + 3 + 4) / 3)


def test_the_ngram_kernel_needs_no_embedder():
    answers = {"w": ("one two three", "one two four"), "x": ("five", "six"), "y": ("a b", "b a")}
    whole = made(answers)
    bare = Tables(outputs=whole.outputs, ratings=whole.ratings)
    found = score(bare, kernel="ngram", samples=2)
    texts = [text for own in answers.values() for text in own]
    assert value(found, "pooled_vendi_q1") == pytest.approx(
        vendi_score_from_kernel(ngram_kernel(texts)), rel=1e-9
    )


def test_a_narrow_gaussian_tells_all_answers_apart():
    answers = {f"p{i}": tuple(f"x{i}{j}" for j in range(4)) for i in range(4)}
    found = score(made(answers, seed=7), kernel="gaussian", sigma=0.01)
    assert value(found, "pooled_vendi_q1") == pytest.approx(16, rel=1e-6)


def test_quality_weights_by_the_mean_rating_and_a_negative_one_is_missing():
    answers = {name: ("a", "b") for name in ("w", "x", "y")}
    found = score(made(answers, ratings={"a": 0.5, "b": 0.25}), samples=2)
    assert value(found, "quality_mean") == pytest.approx(0.375)
    assert value(found, "quality_weighted_vendi") == pytest.approx(2 * 0.375)
    below = score(made(answers, ratings={"a": -0.5, "b": 0.25}), samples=2)
    assert below["quality_weighted_vendi"].estimate.estimate is None


def test_without_a_quality_judge_its_measures_are_missing_and_not_zero():
    found = score(made({name: ("a", "b") for name in ("w", "x", "y")}), samples=2)
    for name in ("quality_mean", "quality_weighted_vendi"):
        assert found[name].estimate.estimate is None


def test_the_sweep_shows_scores_growing_with_the_number_of_answers():
    answers = {f"p{i}": tuple(f"x{i}{j}" for j in range(4)) for i in range(10)}
    view = sample_size_sweep(made(answers, seed=2), VendiOptions())
    assert [row[0] for row in view.rows] == [10, 20, 40]
    small, middle, whole = (row[3] for row in view.rows)  # order 1
    assert small < middle < whole
