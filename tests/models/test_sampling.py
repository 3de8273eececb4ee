"""The sampling loop: same draws whatever the batch, and the distribution that was asked for."""

import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import transformers
from scipy import stats
from transformers.generation import logits_process

from evalsuite.models.sampling import Drawn, SampleRow, generate
from evalsuite.models.token_choice import choose_by_bits, draw, spread, weights
from evalsuite.requests import Decoding, Sampling, uniforms

PROMPTS = [(5, 6, 7), (8,), tuple(range(9, 40)), (41, 42, 43, 44), (50, 51), (5, 6, 8)]


@pytest.fixture(scope="module", params=["llama", "gpt2", "mistral"])
def model(request: pytest.FixtureRequest, tiny_folders: dict[str, Path]) -> Any:
    return transformers.AutoModelForCausalLM.from_pretrained(tiny_folders[request.param]).eval()


@pytest.fixture(scope="module")
def llama(tiny_folders: dict[str, Path]) -> Any:
    return transformers.AutoModelForCausalLM.from_pretrained(tiny_folders["llama"]).eval()


def key(i: int) -> bytes:
    return hashlib.sha256(str(i).encode()).digest()


def sample_rows(n: int, **sampling: Any) -> list[SampleRow]:
    limits = [3, 9, 20]
    return [
        SampleRow(
            PROMPTS[i % len(PROMPTS)],
            key(i),
            Sampling(**{"max_new_tokens": limits[i % 3], **sampling}),
        )
        for i in range(n)
    ]


def never(_ids: Sequence[int], _stops: tuple[str, ...]) -> bool:
    return False


def run(model: Any, rows: list[SampleRow], *, batch: int = 64, ends: set[int] | None = None) -> Any:
    out: list[Drawn] = []
    for start in range(0, len(rows), batch):
        part = rows[start : start + batch]
        out += generate(model, part, end_ids=frozenset(ends or ()), has_stop=never)
    return out


@pytest.mark.parametrize("batch", [1, 4, 16])
def test_samples_are_the_same_in_every_batch_size(model: Any, batch: int) -> None:
    rows = sample_rows(24)
    assert run(model, rows, batch=batch, ends={1, 60, 61, 62}) == run(
        model, rows, ends={1, 60, 61, 62}
    )


def test_samples_are_the_same_in_reversed_order(model: Any) -> None:
    rows = sample_rows(24, top_p=0.9)
    assert run(model, rows[::-1], ends={1, 60})[::-1] == run(model, rows, ends={1, 60})


def test_rows_with_different_decodings_share_a_batch(model: Any) -> None:
    decodings = [{"temperature": 0.0}, {"top_k": 5}, {"temperature": 0.5, "min_p": 0.1}, {}]
    rows = [sample_rows(24, **decodings[i % 4])[i] for i in range(24)]
    assert run(model, rows) == run(model, rows, batch=1)


def test_samples_of_one_prompt_differ_and_equal_keys_agree(llama: Any) -> None:
    sampling = Sampling(max_new_tokens=12)
    rows = [SampleRow(PROMPTS[0], key(i), sampling) for i in (1, 2, 1)]
    first, second, third = run(llama, rows)
    assert first == third
    assert first != second


def test_a_longer_limit_only_goes_on_where_a_shorter_one_stopped(llama: Any) -> None:
    short = run(llama, [SampleRow(PROMPTS[0], key(1), Sampling(max_new_tokens=5))])[0]
    long = run(llama, [SampleRow(PROMPTS[0], key(1), Sampling(max_new_tokens=15))])[0]
    assert long.token_ids[:5] == short.token_ids
    assert (short.finish, len(long.token_ids)) == ("length", 15)


def test_an_end_token_ends_the_row_and_is_not_part_of_it(model: Any) -> None:
    rows = sample_rows(48, max_new_tokens=20)
    free = run(model, rows)
    ends = {token for sample in free for token in sample.token_ids[5:7]}
    ended = run(model, rows, ends=ends)
    for whole, cut in zip(free, ended, strict=True):
        n = next((i for i, token in enumerate(whole.token_ids) if token in ends), None)
        assert cut.token_ids == whole.token_ids[:n]
        assert cut.finish == ("length" if n is None else "stop")
        assert cut.n_drawn == (20 if n is None else n + 1)
    assert len({len(sample.token_ids) for sample in ended}) > 3  # rows left at different steps


def test_a_stop_string_ends_only_the_rows_that_ask_for_it(llama: Any) -> None:
    rows = sample_rows(6, max_new_tokens=8)
    rows[2] = SampleRow(rows[2].prompt, rows[2].key, Sampling(max_new_tokens=8, stop=("x",)))
    asked = []

    def after_three(ids: Sequence[int], stops: tuple[str, ...]) -> bool:
        asked.append(stops)
        return len(ids) == 3

    out = generate(llama, rows, end_ids=frozenset(), has_stop=after_three)
    assert [len(sample.token_ids) for sample in out] == [8, 8, 3, 8, 8, 8]
    assert out[2].finish == "stop"
    assert set(asked) == {("x",)}


def test_greedy_equals_transformers_generate(model: Any) -> None:
    rows = sample_rows(6, temperature=0.0, max_new_tokens=20)
    for row, mine in zip(rows, run(model, rows), strict=True):
        theirs = model.generate(
            torch.tensor([row.prompt]),
            attention_mask=torch.ones(1, len(row.prompt), dtype=torch.long),
            do_sample=False,
            max_new_tokens=20,
            eos_token_id=259,
            pad_token_id=0,
        )
        expected = theirs[0, len(row.prompt) :].tolist()
        assert (
            list(mine.token_ids)
            == (expected[: expected.index(259)] if 259 in expected else expected)[
                : len(mine.token_ids)
            ]
        )
        assert len(mine.token_ids) >= min(20, len(expected) - 1)


@pytest.mark.parametrize(
    "decoding",
    [
        Decoding(),
        Decoding(temperature=0.6),
        Decoding(top_k=7),
        Decoding(top_p=0.8),
        Decoding(min_p=0.05),
        Decoding(top_k=5000),
        Decoding(top_p=0.999),
        Decoding(temperature=1.7, top_k=40, top_p=0.9, min_p=0.02),
    ],
)
def test_the_distribution_equals_that_of_transformers_processors(decoding: Decoding) -> None:
    logits = torch.randn(12, 3000, generator=torch.Generator().manual_seed(3)) * 3
    scores = logits.double() / decoding.temperature
    if decoding.top_k:
        scores = logits_process.TopKLogitsWarper(decoding.top_k)(None, scores)
    if decoding.top_p < 1:
        scores = logits_process.TopPLogitsWarper(decoding.top_p)(None, scores)
    if decoding.min_p:
        scores = logits_process.MinPLogitsWarper(decoding.min_p)(None, scores)
    mine = weights(logits, decoding)
    torch.testing.assert_close(
        mine / mine.sum(dim=-1, keepdim=True), scores.softmax(dim=-1), rtol=1e-9, atol=1e-15
    )
    assert ((mine > 0) == (scores > -torch.inf)).all()


def test_a_nucleus_wider_than_the_first_look_is_found() -> None:
    kept = weights(torch.zeros(2, 5000), Decoding(top_p=0.5)) > 0
    assert kept.all()  # equal tokens cannot be told apart, so that none is cut
    slope = torch.linspace(0, -1, 5000)[None]
    mass = slope.double().softmax(-1).cumsum(-1)[0]
    n_kept = int((weights(slope, Decoding(top_p=0.5)) > 0).sum())
    assert n_kept == int((mass < 0.5).sum()) + 1 > 1024


def frequencies(logits: torch.Tensor, decoding: Decoding, n: int) -> np.ndarray:
    chances = np.array([uniforms(key(i), 1)[0] for i in range(n)])
    tokens = draw(logits.expand(n, -1), [decoding] * n, chances)
    return np.bincount(np.array(tokens), minlength=len(logits))


def chi_square_p(counts: np.ndarray, expected: np.ndarray) -> float:
    """p-value; tokens expected fewer than five times are counted together."""
    rare = expected < 5
    observed = np.append(counts[~rare], counts[rare].sum())
    wanted = np.append(expected[~rare], expected[rare].sum())
    if wanted[-1] < 5:
        observed = np.append(observed[:-2], observed[-2:].sum())
        wanted = np.append(wanted[:-2], wanted[-2:].sum())
    return float(stats.chisquare(observed, wanted * observed.sum() / wanted.sum()).pvalue)


@pytest.mark.parametrize("vocabulary", [2, 37, 300])
@pytest.mark.parametrize("decoding", [Decoding(), Decoding(temperature=0.7, top_p=0.9)])
def test_frequencies_follow_the_distribution(vocabulary: int, decoding: Decoding) -> None:
    logits = torch.randn(vocabulary, generator=torch.Generator().manual_seed(1)) * 2
    expected = weights(logits[None], decoding)[0].numpy()
    counts = frequencies(logits, decoding, 20_000)
    assert (counts[expected == 0] == 0).all()
    assert chi_square_p(counts, 20_000 * expected / expected.sum()) > 1e-3


@pytest.mark.parametrize("chance", [0.0, 0.5, np.nextafter(1.0, 0.0)])
def test_a_token_that_was_cut_is_never_drawn(chance: float) -> None:
    logits = torch.full((1, 1000), -torch.inf)
    logits[0, [3, 500, 998]] = torch.tensor([0.0, 1.0, -30.0])
    chances = np.array([chance])
    assert draw(logits, [Decoding()], chances)[0] in {3, 500, 998}
    assert draw(logits, [Decoding(top_k=2)], chances)[0] in {3, 500}
    assert draw(logits, [Decoding(temperature=1e-6)], chances) == [500]
    extremes = torch.full((1, 10), chance, dtype=torch.float64)
    assert int(choose_by_bits(weights(logits, Decoding()), extremes)) in {3, 500, 998}


def test_one_uniform_is_spread_as_splitmix64_does_it() -> None:
    # The first outputs of the published generator for seed 0.
    published = (0xE220A8397B1DCDAF, 0x6E789E6AA1B965F4, 0x06C45D188009454F)
    expected = [(number >> 11) * 2.0**-53 for number in published]
    assert spread(np.array([0.0]), 3)[0].tolist() == expected


def test_spread_uniforms_are_uniform_and_do_not_follow_each_other() -> None:
    found = spread(np.random.default_rng(3).random(20_000), 16)
    for column in found.T:
        assert stats.kstest(column, "uniform").pvalue > 1e-4
    correlation = np.corrcoef(found.T) - np.eye(16)
    assert np.abs(correlation).max() < 0.04


def test_only_the_row_with_a_bad_logit_has_no_token() -> None:
    logits = torch.randn(4, 50, generator=torch.Generator().manual_seed(1))
    logits[1, 7] = torch.nan
    logits[2, 7] = torch.inf
    for decoding in (Decoding(), Decoding(temperature=0.0), Decoding(top_p=0.5, min_p=0.1)):
        tokens = draw(logits, [decoding] * 4, np.full(4, 0.3))
        assert [token is None for token in tokens] == [False, True, True, False]


def test_a_row_that_fails_leaves_the_others_alone(llama: Any, monkeypatch: Any) -> None:
    rows = sample_rows(6, max_new_tokens=8)
    good = run(llama, rows)
    embed = llama.get_input_embeddings()
    poison = PROMPTS[2][4]
    with torch.no_grad():
        weight = embed.weight.clone()
        weight[poison] = torch.nan
    monkeypatch.setattr(embed, "weight", torch.nn.Parameter(weight))
    if llama.lm_head.weight[poison].isnan().any():
        pytest.fail("the output layer must not share the poisoned row")
    out = run(llama, rows)
    assert out[2].problem is not None
    assert "not finite" in out[2].problem
    for mine, before in zip(out, good, strict=True):
        if mine.problem is None:
            assert mine == before
    assert sum(sample.problem is not None for sample in out) < 6


def test_no_rows_give_no_samples(llama: Any) -> None:
    assert generate(llama, [], end_ids=frozenset(), has_stop=never) == []


@pytest.mark.slow
def test_first_token_frequencies_of_a_real_model_follow_its_softmax(smollm2: Any) -> None:
    generator = smollm2._generator
    ids = generator._tokenizer("My favourite animal is the")["input_ids"]
    with torch.inference_mode():
        logits = generator._model(torch.tensor([ids])).logits[0, -1]
    expected = logits.double().softmax(-1).numpy()
    counts = frequencies(logits, Decoding(), 4000)
    assert chi_square_p(counts, 4000 * expected) > 1e-3
