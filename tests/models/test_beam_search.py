"""Beam search: worked cases, agreement with transformers, and what groups may and may not do."""

import copy
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
import transformers

from evalsuite.models.beam_groups import Hypothesis
from evalsuite.models.beam_search import Found, Searcher, best_first, search
from evalsuite.models.sampling import SampleRow
from evalsuite.requests import Prompt, Request, Response, Sampling
from tests.models.conftest import open_local

PROMPTS = [(5, 6, 7), (8,), tuple(range(9, 40)), (41, 42, 43, 44), (50, 51), (5, 6, 8)]
END = 0


@pytest.fixture(scope="module", params=["llama", "gpt2", "mistral"])
def model(request: pytest.FixtureRequest, tiny_folders: dict[str, Path]) -> Any:
    return transformers.AutoModelForCausalLM.from_pretrained(tiny_folders[request.param]).eval()


@pytest.fixture(scope="module")
def llama(tiny_folders: dict[str, Path]) -> Any:
    return transformers.AutoModelForCausalLM.from_pretrained(tiny_folders["llama"]).eval()


def never(_ids: Sequence[int], _stops: tuple[str, ...]) -> bool:
    return False


def run(
    model: Any,
    beams: int,
    groups: int = 1,
    strength: float = 0.0,
    *,
    prompts: Sequence[tuple[int, ...]] = PROMPTS,
    length: int = 10,
    ends: frozenset[int] = frozenset({1}),
) -> list[Found]:
    sampling = Sampling(
        beams=beams, beam_groups=groups, diversity_strength=strength, max_new_tokens=length
    )
    return search(model, prompts, sampling, end_ids=ends, has_stop=never)


def texts(hypotheses: Sequence[Hypothesis]) -> list[tuple[int, ...]]:
    return [hypothesis.token_ids for hypothesis in hypotheses]


def of_group(found: Found, group: int) -> list[Hypothesis]:
    return [hypothesis for hypothesis in found.hypotheses if hypothesis.group == group]


class TableModel:
    """Next-token probabilities written down by hand, for each beginning of an answer.

    The beginning is kept in the cache and read back from it: a row that was given the wrong cache
    answers for another beam. After a beginning that is not in the table, which must not matter,
    the logits are no numbers.
    """

    def __init__(self, table: Mapping[tuple[int, ...], Sequence[float]]) -> None:
        self.table = table
        self.unknown = [math.nan] * len(table[()])
        self.config = transformers.LlamaConfig(num_hidden_layers=1)
        self.device = torch.device("cpu")

    def forward(self, input_ids: Any, attention_mask: Any, past_key_values: Any) -> Any: ...

    def __call__(self, input_ids: Any, past_key_values: Any, **_: Any) -> Any:
        new = input_ids[:, None, :, None].double()
        seen, _values = past_key_values.update(new, new, 0)
        rows = [tuple(row)[1:] for row in seen[:, 0, :, 0].long().tolist()]  # without the prompt
        logits = [self.row(row) for row in rows]
        return SimpleNamespace(logits=torch.tensor(logits, dtype=torch.float64)[:, None])

    def row(self, beginning: tuple[int, ...]) -> list[float]:
        if beginning not in self.table:
            return self.unknown
        return [math.log(p) if p else -math.inf for p in self.table[beginning]]


class Alike(dict[tuple[int, ...], Sequence[float]]):
    """A table that answers alike after every beginning that it does not name."""

    def __contains__(self, key: object) -> bool:
        return True

    def __missing__(self, key: tuple[int, ...]) -> Sequence[float]:
        return self[()]


def probabilities(hypotheses: Sequence[Hypothesis]) -> list[float]:
    return [math.exp(hypothesis.log_prob) for hypothesis in hypotheses]


# Tokens: 0 ends, 1 = a, 2 = b.
TABLE = {
    (): (0.1, 0.5, 0.4),
    (1,): (0.2, 0.4, 0.4),
    (2,): (0.9, 0.05, 0.05),
    (1, 1): (0.6, 0.2, 0.2),
    (1, 2): (0.5, 0.3, 0.2),
    (2, 1): (0.8, 0.1, 0.1),
    (2, 2): (0.8, 0.1, 0.1),
}


def test_one_beam_takes_the_likeliest_token_and_stops_when_nothing_can_be_better() -> None:
    # Step 1: a .5. Step 2: aa .2 and ab .2 tie, so that the lower token goes on; a. has .1 and is
    # not the best continuation. Step 3: aa. has .12 and ends; the next best, aaa, has .04.
    (found,) = run(TableModel(TABLE), 1, prompts=[(9,)], ends=frozenset({END}))
    assert found.hypotheses == (
        Hypothesis((1, 1), 3, "stop", pytest.approx(math.log(0.12)), found.hypotheses[0].score, 0),
    )
    assert found.hypotheses[0].score == found.hypotheses[0].log_prob


def test_two_beams_find_the_answer_that_begins_less_likely() -> None:
    # Step 1: a .5, b .4 (the end, .1, is third). Step 2: b. .36 ends; aa .2 is second, ab .2 third:
    # beams aa, ab. Step 3: aa. .12 and ab. .1 are the two best continuations and both end; the
    # list keeps b. .36 and aa. .12. The best beam left, aba, has .06: done.
    (found,) = run(TableModel(TABLE), 2, prompts=[(9,)], ends=frozenset({END}))
    assert texts(found.hypotheses) == [(2,), (1, 1)]
    assert probabilities(found.hypotheses) == pytest.approx([0.36, 0.12], rel=1e-12)
    assert [h.n_drawn for h in found.hypotheses] == [2, 3]


def test_the_limit_ends_beams_and_says_so() -> None:
    # Step 1: a .5, b .4. Step 2 is the last: b. .36 ends by its token, aa .2 by the limit.
    (found,) = run(TableModel(TABLE), 2, prompts=[(9,)], length=2, ends=frozenset({END}))
    assert texts(found.hypotheses) == [(2,), (1, 1)]
    assert [h.finish for h in found.hypotheses] == ["stop", "length"]
    assert [h.n_drawn for h in found.hypotheses] == [2, 2]


def test_a_second_group_pays_for_the_tokens_of_the_first() -> None:
    # Strength ln 2: a token that one beam chose counts half, one that two beams chose a quarter.
    # Step 1. Group 1: a .5. Group 2: a .25, b .4, end .1: b.
    # Step 2. Group 1: aa .2. Group 2, after b: b. .36, ba .02 / 2, bb .02: b. ends, and the group
    #   is done, since bb .02 is less.
    # Step 3. Group 1: aa. .12 ends, and no beam left is better.
    (found,) = run(TableModel(TABLE), 2, 2, math.log(2), prompts=[(9,)], ends=frozenset({END}))
    assert texts(found.hypotheses) == [(2,), (1, 1)]
    assert probabilities(found.hypotheses) == pytest.approx([0.36, 0.12], rel=1e-12)
    assert [h.group for h in found.hypotheses] == [1, 0]


def test_a_penalty_once_paid_stays_in_the_score_but_not_in_the_probability() -> None:
    # One token is nearly sure: group 2 pays .5 for it and keeps it, three times.
    table = Alike({(): (0.0, 0.9, 0.1)})
    (found,) = run(TableModel(table), 2, 2, 0.5, prompts=[(9,)], length=3, ends=frozenset({END}))
    assert texts(found.hypotheses) == [(1, 1, 1), (1, 1, 1)]
    assert probabilities(found.hypotheses) == pytest.approx([0.9**3, 0.9**3], rel=1e-12)
    first, second = found.hypotheses
    assert first.score - second.score == pytest.approx(1.5, rel=1e-12)


def test_the_penalty_grows_with_the_number_of_beams_that_chose_a_token() -> None:
    # Probabilities .5, .3, .2 for a, b, c; strength ln 2, one beam a group, one step.
    # Group 1: a. Group 2: a .25, b .3, c .2: b. Group 3: a .25, b .15, c .2: a again.
    # Group 4: a .125, b .15, c .2: c. Group 5: a .125, b .15, c .1: b.
    table = Alike({(): (0.0, 0.5, 0.3, 0.2)})
    (found,) = run(
        TableModel(table), 5, 5, math.log(2), prompts=[(9,)], length=1, ends=frozenset({END})
    )
    by_group = sorted(found.hypotheses, key=lambda h: h.group)
    assert texts(by_group) == [(1,), (2,), (1,), (3,), (2,)]
    assert texts(found.hypotheses) == [(1,), (1,), (2,), (2,), (3,)]  # the likeliest first
    assert [h.group for h in found.hypotheses] == [0, 2, 1, 4, 3]


def test_an_end_token_counts_as_chosen_at_its_step_and_a_finished_group_not_at_all() -> None:
    # Step 1. Group 1 ends at once (.6) and is done: it counts for the end token, not for a, which
    # would have been its next beam. Group 2, strength ln 4: end .15, a .25, b .15: a.
    # Step 2. Nobody chooses before group 2: aa .25 x .25 = .0625, not a quarter of it.
    table = Alike({(): (0.6, 0.25, 0.15), (1,): (0.1, 0.7, 0.2)})
    (found,) = run(
        TableModel(table), 2, 2, math.log(4), prompts=[(9,)], length=2, ends=frozenset({END})
    )
    assert texts(found.hypotheses) == [(), (1, 1)]
    assert found.hypotheses[1].score == pytest.approx(math.log(0.25 * 0.7), rel=1e-12)


def test_two_wide_groups_by_hand() -> None:
    # Four tokens, no end token in use, two steps, strength ln 3; a .4, b .3, c .2, d .1 always.
    # Step 1. Group 1: a .4, b .3. Group 2: a .133, b .1, c .2, d .1: c, a.
    # Step 2. Group 1: aa .16, ab .12 = ba .12: the earlier beam, ab, is taken.
    #   Group 2 (a and b chosen once): cc .04, ca .4 x .2 / 3 = .0267, cb .02, cd .02;
    #   ac .1333 x .2 = .0267, aa .1333 x .4 / 3 = .0178: cc, then ca and ac tie at 2/75:
    #   the earlier beam, ca.
    table = Alike({(): (0.0, 0.4, 0.3, 0.2, 0.1)})
    (found,) = run(
        TableModel(table), 4, 2, math.log(3), prompts=[(9,)], length=2, ends=frozenset({END})
    )
    assert texts(of_group(found, 0)) == [(1, 1), (1, 2)]
    assert set(texts(of_group(found, 1))) == {(3, 3), (3, 1)}
    assert probabilities(found.hypotheses) == pytest.approx([0.16, 0.12, 0.08, 0.04], rel=1e-12)


def test_a_beam_goes_on_although_many_end_tokens_are_likelier() -> None:
    # Tokens 0 to 2 end. Step 1: a .4 goes on and the best end, .2, is kept; two ends that are
    # likelier than b .12 are not among the two best and must not take its place. Step 2: b. .108
    # and then a. .08 (of five that tie, the lowest token). The list: the empty answer .2, b .108.
    table = {
        (): (0.2, 0.15, 0.13, 0.4, 0.12),
        (3,): (0.2, 0.2, 0.2, 0.2, 0.2),
        (4,): (0.9, 0.025, 0.025, 0.025, 0.025),
    }
    (found,) = run(TableModel(table), 2, prompts=[(9,)], ends=frozenset({0, 1, 2}))
    assert texts(found.hypotheses) == [(), (4,)]
    assert probabilities(found.hypotheses) == pytest.approx([0.2, 0.108], rel=1e-12)


def test_fewer_continuations_than_beams_give_fewer_hypotheses() -> None:
    table = Alike({(): (0.3, 0.7)})
    (found,) = run(TableModel(table), 4, prompts=[(9,)], length=1, ends=frozenset({END}))
    assert texts(found.hypotheses) == [(1,), ()]


def test_a_stop_string_ends_a_beam() -> None:
    # As two beams above, but "b" stops: b .4 ends at step 1 and a goes on. Step 2: ab .2 ends
    # (aa .2 ties but is the lower token and goes on); b .4 and ab .2 fill the list, and aa cannot
    # be better than .2.
    sampling = Sampling(beams=2, max_new_tokens=10, stop=("b",))
    (found,) = search(
        TableModel(TABLE),
        [(9,)],
        sampling,
        end_ids=frozenset({END}),
        has_stop=lambda ids, stops: stops == ("b",) and 2 in ids,
    )
    assert texts(found.hypotheses) == [(2,), (1, 2)]
    assert {h.finish for h in found.hypotheses} == {"stop"}


def theirs(model: Any, beams: int, length: int, ends: frozenset[int]) -> list[list[Any]]:
    """Answers and log-probabilities of transformers' own beam search."""
    width = max(len(prompt) for prompt in PROMPTS)
    ids = torch.zeros((len(PROMPTS), width), dtype=torch.long)
    mask = torch.zeros_like(ids)
    for i, prompt in enumerate(PROMPTS):
        ids[i, width - len(prompt) :] = torch.tensor(prompt)
        mask[i, width - len(prompt) :] = 1
    out = model.generate(
        ids,
        attention_mask=mask,
        num_beams=beams,
        num_return_sequences=beams,
        do_sample=False,
        length_penalty=0.0,
        early_stopping="never",
        max_new_tokens=length,
        eos_token_id=sorted(ends),
        pad_token_id=0,
        output_scores=True,
        return_dict_in_generate=True,
    )
    answers: list[tuple[int, ...]] = []
    for row in out.sequences[:, width:].tolist():
        end = next((i for i, token in enumerate(row) if token in ends), len(row))
        answers.append(tuple(row[:end]))
    pairs = list(zip(answers, out.sequences_scores.tolist(), strict=True))
    return [pairs[i * beams : (i + 1) * beams] for i in range(len(PROMPTS))]


@pytest.mark.parametrize(("beams", "length"), [(2, 1), (3, 12), (5, 8)])
@pytest.mark.parametrize("ends", [frozenset({1}), frozenset({1, 60, 61}), frozenset(range(60, 99))])
def test_one_group_equals_the_beam_search_of_transformers(
    model: Any, beams: int, length: int, ends: frozenset[int]
) -> None:
    mine = run(model, beams, length=length, ends=ends)
    for found, expected in zip(mine, theirs(model, beams, length, ends), strict=True):
        assert texts(found.hypotheses) == [answer for answer, _ in expected]
        # They sum in float32.
        assert [h.log_prob for h in found.hypotheses] == pytest.approx(
            [score for _, score in expected], abs=1e-4
        )


def test_the_comparison_with_transformers_has_early_ends(llama: Any) -> None:
    found = run(llama, 5, length=8, ends=frozenset(range(60, 99)))
    lengths = {h.n_drawn for one in found for h in one.hypotheses}
    assert len(lengths) > 3
    assert {h.finish for one in found for h in one.hypotheses} == {"stop", "length"}


@pytest.mark.parametrize(("groups", "width"), [(3, 1), (2, 3)])
def test_without_a_penalty_every_group_is_the_same_beam_search(
    model: Any, groups: int, width: int
) -> None:
    ends = frozenset(range(60, 70))
    plain = run(model, width, ends=ends)
    for found, alone in zip(run(model, groups * width, groups, ends=ends), plain, strict=True):
        for group in range(groups):
            assert texts(of_group(found, group)) == texts(alone.hypotheses)


@pytest.mark.parametrize(("groups", "width"), [(4, 1), (3, 2)])
def test_the_first_group_is_not_touched_by_the_others(model: Any, groups: int, width: int) -> None:
    ends = frozenset(range(60, 70))
    plain = run(model, width, ends=ends)
    diverse = run(model, groups * width, groups, 0.7, ends=ends)
    for found, alone in zip(diverse, plain, strict=True):
        assert texts(of_group(found, 0)) == texts(alone.hypotheses)
        assert found.hypotheses[0].log_prob >= alone.hypotheses[0].log_prob - 1e-6
    assert any(
        texts(f.hypotheses) != texts(run_f.hypotheses)
        for f, run_f in zip(diverse, run(model, groups * width, ends=ends), strict=True)
    )


def test_a_very_large_penalty_makes_the_groups_differ_at_every_step(model: Any) -> None:
    for found in run(model, 8, 8, 1e6, length=12, ends=frozenset()):
        for step in zip(*texts(found.hypotheses), strict=True):
            assert len(set(step)) == 8


def test_a_stronger_penalty_gives_more_different_tokens(llama: Any) -> None:
    def different(strength: float) -> int:
        found = run(llama, 6, 6, strength, ends=frozenset())
        return sum(
            len(set(step)) for one in found for step in zip(*texts(one.hypotheses), strict=True)
        )

    counts = [different(strength) for strength in (0.0, 0.5, 2.0, 50.0)]
    assert counts[0] == len(PROMPTS) * 10
    assert counts == sorted(counts)
    assert counts[1] > counts[0]


def test_the_likeliest_hypotheses_come_first_and_the_best_of_the_first_k_never_falls(
    model: Any,
) -> None:
    for found in run(model, 6, 3, 0.5, ends=frozenset(range(60, 70))):
        scores = [h.log_prob for h in found.hypotheses]
        assert len(scores) == 6
        assert scores == sorted(scores, reverse=True)
        quality = [len(set(h.token_ids)) for h in found.hypotheses]  # any score of an answer
        oracle = [max(quality[:k]) for k in range(1, 7)]
        assert oracle == sorted(oracle)


def test_a_log_probability_is_that_of_the_model(model: Any) -> None:
    ends = frozenset(range(60, 70))
    for prompt, found in zip(PROMPTS, run(model, 4, 2, 0.5, ends=ends), strict=True):
        for h in found.hypotheses:
            if h.finish == "stop":
                continue  # which of the end tokens it was is not kept
            with torch.inference_mode():
                logits = model(torch.tensor([prompt + h.token_ids])).logits[0].double()
            log_p = logits.log_softmax(dim=-1)[len(prompt) - 1 : -1]
            steps = log_p[range(len(h.token_ids)), list(h.token_ids)]
            assert h.log_prob == pytest.approx(float(steps.sum()), abs=1e-4)


@pytest.mark.parametrize(("beams", "groups", "strength"), [(4, 1, 0.0), (6, 3, 0.5)])
def test_answers_do_not_depend_on_what_else_is_searched(
    model: Any, beams: int, groups: int, strength: float
) -> None:
    ends = frozenset(range(60, 80))
    whole = run(model, beams, groups, strength, ends=ends)
    parts = [run(model, beams, groups, strength, ends=ends, prompts=[p])[0] for p in PROMPTS]
    turned = run(model, beams, groups, strength, ends=ends, prompts=PROMPTS[::-1])[::-1]
    assert [texts(f.hypotheses) for f in parts] == [texts(f.hypotheses) for f in whole]
    assert [texts(f.hypotheses) for f in turned] == [texts(f.hypotheses) for f in whole]


def test_only_the_prompt_with_a_bad_logit_has_no_answers(llama: Any) -> None:
    good = run(llama, 4, 2, 0.5, length=5)
    poisoned = copy.deepcopy(llama)
    with torch.no_grad():
        poisoned.get_input_embeddings().weight[PROMPTS[2][4]] = torch.nan
    out = run(poisoned, 4, 2, 0.5, length=5)
    assert out[2].hypotheses == ()
    assert "not finite" in (out[2].problem or "")
    for i, (found, before) in enumerate(zip(out, good, strict=True)):
        if i != 2:
            assert texts(found.hypotheses) == texts(before.hypotheses)


def test_a_search_without_beams_is_refused(llama: Any) -> None:
    with pytest.raises(ValueError, match="beams of 1 or more, got 0"):
        search(llama, PROMPTS, Sampling(), end_ids=frozenset(), has_stop=never)
    assert search(llama, [], Sampling(beams=2), end_ids=frozenset(), has_stop=never) == []


def test_equal_scores_are_ordered_by_place() -> None:
    generator = torch.Generator().manual_seed(5)
    scores = torch.randint(0, 6, (50, 400), generator=generator).double()
    scores[:, 7] = -math.inf
    values, places = best_first(scores, 120)
    for row, found, at in zip(scores.tolist(), values.tolist(), places.tolist(), strict=True):
        expected = sorted(range(400), key=lambda i: (-row[i], i))[:120]
        assert at == expected
        assert found == [row[i] for i in expected]


class Counter:
    """A model that counts the prompts it reads."""

    def __init__(self, model: Any) -> None:
        self.model = model
        self.n_prompts = 0
        self.most_rows = 0

    def __getattr__(self, name: str) -> Any:
        return getattr(self.model, name)

    def __call__(self, input_ids: Any, **more: Any) -> Any:
        if not more["past_key_values"].get_seq_length():
            self.n_prompts += len(input_ids)
        self.most_rows = max(self.most_rows, len(input_ids))
        return self.model(input_ids=input_ids, **more)


def test_a_prompt_is_searched_once_also_if_its_rows_lie_in_two_packs(llama: Any) -> None:
    sampling = Sampling(beams=4, max_new_tokens=6)
    rows = [SampleRow(prompt, b"", sampling) for prompt in PROMPTS for _ in range(4)]
    counter = Counter(llama)
    searcher = Searcher(counter, end_ids=frozenset({1}), has_stop=never)
    found = [f for i in (0, 10) for f in searcher.find(rows[i : i + 10])] + searcher.find(rows[20:])
    assert counter.n_prompts == len(PROMPTS)
    expected = [texts(f.hypotheses) for f in run(llama, 4, length=6)]
    assert [texts(f.hypotheses) for f in found[::4]] == expected
    assert all(found[i] is found[i - i % 4] for i in range(24))


def test_there_are_not_more_beams_at_once_than_rows(llama: Any) -> None:
    for n_rows, most in ((6, 6), (3, 4)):  # two rows a prompt; one prompt needs four
        counter = Counter(llama)
        sampling = Sampling(beams=3 if n_rows == 6 else 4, max_new_tokens=3)
        rows = [SampleRow(prompt, b"", sampling) for prompt in PROMPTS for _ in range(2)]
        searcher = Searcher(counter, end_ids=frozenset({1}), has_stop=never)
        searcher.find(rows[:n_rows])
        assert counter.most_rows == most


TEXTS = ["A red ball.", "Why?", "The cat sat on the mat."]


def requests(handle: Any, n: int, **sampling: Any) -> list[Request]:
    chosen = Sampling(**{"max_new_tokens": 8, **sampling})
    return [
        Request("generates_text", handle.entrant, Prompt.of_text(text), chosen, index=i)
        for text in TEXTS
        for i in range(n)
    ]


def values(response: Response) -> tuple[Any, ...]:
    return response.status, response.text, response.finish, response.n_new_tokens


def test_the_index_of_a_request_names_its_hypothesis(tiny_folders: dict[str, Path]) -> None:
    handle = open_local(tiny_folders["llama"])
    model = handle.load("cpu")
    diverse = {"beams": 6, "beam_groups": 3, "diversity_strength": 0.5}
    asked = requests(handle, 6, **diverse)
    whole = model.generate_text(asked)
    assert [r.key for r in whole] == [q.key for q in asked]
    assert {r.status for r in whole} == {"ok"}
    assert {r.n_new_tokens for r in whole} <= set(range(1, 9))
    assert len({r.text for r in whole[:6]}) > 2
    subset = [asked[i] for i in (16, 3, 8, 0)]
    assert [values(r) for r in handle.load("cpu").generate_text(subset)] == [
        values(whole[i]) for i in (16, 3, 8, 0)
    ]


def test_a_search_does_not_hang_on_seed_or_occurrence(tiny_folders: dict[str, Path]) -> None:
    handle = open_local(tiny_folders["llama"])
    sampling = Sampling(beams=2, max_new_tokens=8)
    prompt = Prompt.of_text("Why?")
    asked = [
        Request("generates_text", handle.entrant, prompt, sampling, seed, 1, occurrence)
        for seed, occurrence in ((0, 0), (5, 0), (0, 3))
    ]
    assert len({values(r) for r in handle.load("cpu").generate_text(asked)}) == 1


def test_a_pack_may_hold_samples_and_searches(tiny_folders: dict[str, Path]) -> None:
    handle = open_local(tiny_folders["gpt2"])
    model = handle.load("cpu")
    kinds = [
        requests(handle, 3),
        requests(handle, 3, beams=3),
        requests(handle, 3, beams=4, beam_groups=4, diversity_strength=1.0, stop=("e",)),
        requests(handle, 3, temperature=0.0),
    ]
    alone = [values(r) for kind in kinds for r in model.generate_text(kind)]
    mixed = [q for together in zip(*kinds, strict=True) for q in together]
    found = {r.key: values(r) for r in model.generate_text(mixed)}
    assert [found[q.key] for kind in kinds for q in kind] == alone
    assert all("e" not in text for _, text, *_ in alone[18:27])


def test_an_index_beyond_the_beams_is_an_error_of_that_request_only(
    tiny_folders: dict[str, Path],
) -> None:
    handle = open_local(tiny_folders["llama"])
    out = handle.load("cpu").generate_text(requests(handle, 3, beams=2)[:3])
    assert [r.status for r in out] == ["ok", "ok", "error"]
    assert "2 beams has 2 answers, not 3" in (out[2].message or "")


def test_two_beams_answer_as_transformers_does_through_the_whole_generator(
    tiny_folders: dict[str, Path],
) -> None:
    handle = open_local(tiny_folders["llama"], "?template=plain")
    model = handle.load("cpu")
    plain = transformers.AutoModelForCausalLM.from_pretrained(tiny_folders["llama"]).eval()
    tokenizer = transformers.AutoTokenizer.from_pretrained(tiny_folders["llama"])
    mine = [r.text for r in model.generate_text(requests(handle, 2, beams=2))]
    expected = []
    for text in TEXTS:
        ids = tokenizer(text, return_tensors="pt")
        out = plain.generate(
            ids["input_ids"],
            attention_mask=ids["attention_mask"],
            num_beams=2,
            num_return_sequences=2,
            length_penalty=0.0,
            early_stopping="never",
            do_sample=False,
            max_new_tokens=8,
        )
        start = ids["input_ids"].shape[1]
        expected += [tokenizer.decode(row[start:], skip_special_tokens=True) for row in out]
    assert mine == expected
