"""Scores of closed answers against whole forward passes, on tiny models of three architectures."""

from typing import Any

import numpy as np
import pytest
import torch
import transformers
from hypothesis import given, settings
from hypothesis import strategies as st

from evalsuite.models.answer_likelihood import score_answers, shares
from evalsuite.models.shared_reading import Branches, write_greedily

SIZE = 50


@pytest.fixture(scope="module")
def language_model() -> Any:
    torch.manual_seed(3)
    config = transformers.LlamaConfig(
        vocab_size=SIZE, hidden_size=32, intermediate_size=48, num_hidden_layers=2,
        num_attention_heads=4, num_key_value_heads=2, max_position_embeddings=128,
        initializer_range=0.4,
    )  # fmt: skip
    return transformers.LlamaForCausalLM(config).eval()


def naive(model: Any, prompt: tuple[int, ...], answer: tuple[int, ...]) -> float:
    with torch.inference_mode():
        logits = model(input_ids=torch.tensor([prompt + answer]), use_cache=False).logits[0]
    shares_of_all = logits.double().log_softmax(-1)
    return sum(float(shares_of_all[len(prompt) + i - 1, t]) for i, t in enumerate(answer))


def read(model: Any, head: tuple[int, ...], tails: list[tuple[int, ...]]) -> tuple[Branches, Any]:
    shared = Branches.reading(model, {"input_ids": torch.tensor([head])})
    own = shared.fork([0] * len(tails))
    return own, own.read(torch.tensor(tails), last_only=True)[:, -1]


tokens = st.lists(st.integers(1, SIZE - 1), min_size=1, max_size=5).map(tuple)


@settings(max_examples=40, deadline=None)
@given(
    head=tokens,
    tails=st.lists(st.tuples(*[st.integers(1, SIZE - 1)] * 3), min_size=1, max_size=3),
    answers=st.lists(tokens, min_size=1, max_size=4),
    budget=st.sampled_from([1, 30, 10_000]),
    beside=st.booleans(),
)
def test_log_likelihoods_are_those_of_whole_forward_passes(
    language_model: Any, head: Any, tails: Any, answers: Any, budget: int, beside: bool
) -> None:
    # One answer fewer a question, so that the questions' sets differ in size.
    sets = [answers[: max(1, len(answers) - i)] for i in range(len(tails))]
    with torch.inference_mode():
        found = score_answers(
            *read(language_model, head, tails), sets, budget=budget, beside=beside
        )
    for tail, own, values in zip(tails, sets, found, strict=True):
        expected = [naive(language_model, head + tail, answer) for answer in own]
        assert values == pytest.approx(expected, abs=1e-4)


def test_what_was_read_stays_as_it_is_when_its_forks_are_read_on(language_model: Any) -> None:
    with torch.inference_mode():
        shared = Branches.reading(language_model, {"input_ids": torch.tensor([[5, 6, 7]])})
        first = shared.fork([0]).read(torch.tensor([[8, 9]]))
        shared.fork([0, 0]).read(torch.tensor([[1], [2]]))
        assert shared.n_read == 3
        assert torch.equal(shared.fork([0]).read(torch.tensor([[8, 9]])), first)


def test_shares_by_sum_put_long_answers_at_a_disadvantage_and_by_mean_not() -> None:
    answers = [(4, 1), (4, 5, 6, 1)]
    assert shares(np.array([-2.0, -4.0]), answers, score="sum")[0] > 0.8
    assert shares(np.array([-2.0, -4.0]), answers, score="mean") == pytest.approx((0.5, 0.5))


@given(st.lists(st.floats(-800, 0), min_size=1, max_size=8))
def test_shares_sum_to_one_however_unlikely_all_answers_are(values: list[float]) -> None:
    found = shares(np.array(values), [(1,)] * len(values), score="sum")
    assert sum(found) == pytest.approx(1)
    assert min(found) >= 0


def test_greedy_answers_are_those_of_transformers_itself(language_model: Any) -> None:
    head, tails = (5, 6, 7), [(8, 9), (10, 11), (12, 13)]
    with torch.inference_mode():
        free = write_greedily(*read(language_model, head, tails), end_ids=frozenset(), limit=6)
    ends = frozenset([one[0][2] for one in free if one][:1])  # one of the rows ends early
    with torch.inference_mode():
        found = write_greedily(*read(language_model, head, tails), end_ids=ends, limit=6)
    for tail, one in zip(tails, found, strict=True):
        own = torch.tensor([head + tail])
        expected = language_model.generate(
            own, attention_mask=torch.ones_like(own), max_new_tokens=6, do_sample=False,
            eos_token_id=list(ends), pad_token_id=0,
        )[0, 5:].tolist()  # fmt: skip
        assert one is not None
        n = len(one[0]) + (one[1] == "stop")
        assert expected[:n] == [*one[0], *ends][:n]
    assert {one[1] for one in found if one} == {"stop", "length"}


def test_a_row_without_finite_logits_is_none_and_the_others_go_on(language_model: Any) -> None:
    with torch.inference_mode():
        branches, logits = read(language_model, (5, 6), [(8,), (9,)])
        logits[0] = float("nan")
        found = write_greedily(branches, logits, end_ids=frozenset(), limit=2)
    assert found[0] is None
    assert found[1] is not None and len(found[1][0]) == 2


def test_a_model_with_a_recurrent_state_is_refused() -> None:
    from evalsuite.errors import BadInput

    config = transformers.MambaConfig(vocab_size=20, hidden_size=8, num_hidden_layers=1)
    model = transformers.MambaForCausalLM(config).eval()
    with pytest.raises(BadInput, match="attention cache"):
        Branches.reading(model, {"input_ids": torch.tensor([[1, 2]])})
