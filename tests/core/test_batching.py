import random
from dataclasses import replace
from itertools import groupby, pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from evalsuite.batching import cut_packs
from evalsuite.requests import Entrant, ImagePart, Prompt, Request, Sampling, TextPart

ENTRANT = Entrant(model="m", backend="b", revision="1")


def requests_of(prompts, *, max_new_tokens=4, samples=1, seeds=1):
    """All requests for prompts of given lengths, and the sizes of their prompts."""
    sampling = Sampling(max_new_tokens=max_new_tokens) if max_new_tokens else None
    asked = [
        Request("c", ENTRANT, Prompt.of_text(f"{i}: {length}"), sampling, seed=seed, index=index)
        for i, length in enumerate(prompts)
        for seed in range(seeds)
        for index in range(samples)
    ]
    return asked, [prompts[int(r.prompt.text.split(":")[0])] for r in asked]


calls = st.builds(
    lambda prompts, tokens, samples, seeds: requests_of(
        prompts, max_new_tokens=tokens, samples=samples, seeds=seeds
    ),
    st.lists(st.integers(1, 40), max_size=12),
    st.integers(0, 30),
    st.integers(1, 4),
    st.integers(1, 2),
)
budgets = st.integers(1, 300)


def span(request):
    size = int(request.prompt.text.split(": ")[1])
    return size + (request.sampling.max_new_tokens if request.sampling else 0)


@settings(deadline=None)
@given(calls, budgets)
def test_every_request_stands_in_exactly_one_pack(call, budget):
    requests, sizes = call
    packed = [r.key for pack in cut_packs(requests, sizes, budget=budget) for r in pack.requests]
    assert sorted(packed) == sorted(r.key for r in requests)


@settings(deadline=None)
@given(calls, budgets)
def test_a_pack_keeps_to_the_budget_unless_it_is_a_single_request(call, budget):
    for pack in cut_packs(*call, budget=budget):
        assert pack.work == len(pack.requests) * max(span(r) for r in pack.requests)
        assert pack.work <= budget or len(pack.requests) == 1


@settings(deadline=None)
@given(calls, budgets)
def test_no_pack_ends_before_it_is_full(call, budget):
    packs = cut_packs(*call, budget=budget)
    for pack, following in pairwise(packs):
        widest = max(span(r) for r in (*pack.requests, following.requests[0]))
        assert (len(pack.requests) + 1) * widest > budget


@settings(deadline=None)
@given(calls, budgets)
def test_the_samples_of_a_prompt_stand_side_by_side(call, budget):
    packs = cut_packs(*call, budget=budget)
    prompts = [r.prompt.text for pack in packs for r in pack.requests]
    runs = [text for text, _ in groupby(prompts)]
    assert len(runs) == len(set(runs))


@settings(deadline=None)
@given(calls, budgets)
def test_the_longest_come_first(call, budget):
    spans = [span(r) for pack in cut_packs(*call, budget=budget) for r in pack.requests]
    assert spans == sorted(spans, reverse=True)


@settings(deadline=None)
@given(calls, budgets, st.integers(0, 2**32))
def test_the_cut_does_not_depend_on_the_order_of_the_requests(call, budget, seed):
    requests, sizes = call
    pairs = list(zip(requests, sizes, strict=True))
    random.Random(seed).shuffle(pairs)
    shuffled = cut_packs([r for r, _ in pairs], [s for _, s in pairs], budget=budget)
    assert shuffled == cut_packs(requests, sizes, budget=budget)


def test_occurrences_and_samplings_of_one_prompt_are_all_packed_in_a_fixed_order():
    (one,), _ = requests_of([3])
    variants = [
        replace(one, occurrence=o, index=i, sampling=Sampling(temperature=t, max_new_tokens=4))
        for o in range(2)
        for i in range(2)
        for t in (0.5, 1.0)
    ]
    forth = cut_packs(variants, [3] * 8, budget=28)
    back = cut_packs(variants[::-1], [3] * 8, budget=28)
    assert forth == back
    assert [len(pack.requests) for pack in forth] == [4, 4]
    for pack in forth:
        assert len({r.sampling.temperature for r in pack.requests}) == 1


def test_a_request_above_the_budget_gets_a_pack_of_its_own():
    requests, sizes = requests_of([50, 2, 2], max_new_tokens=0)
    assert [len(p.requests) for p in cut_packs(requests, sizes, budget=4)] == [1, 2]


def test_nothing_to_pack_gives_no_pack():
    assert cut_packs([], [], budget=8) == []


def test_sizes_for_other_than_the_requests_are_an_error():
    requests, sizes = requests_of([1, 2])
    with pytest.raises(ValueError, match="2 requests but 1 sizes"):
        cut_packs(requests, sizes[:1], budget=8)


def questions_of(images, *, longest=1):
    """Questions about images, as many about each as is said, and their sizes."""
    asked = []
    for i, n in enumerate(images):
        for j in range(n):
            parts = (ImagePart(sha256=f"{i}"), TextPart(text=f"{j}"))
            asked.append(Request("answers_visual_questions", ENTRANT, Prompt(parts=parts)))
    return asked, [1 + j % longest for n in images for j in range(n)]


def image_of(request):
    return request.prompt.parts[0].sha256


@settings(deadline=None)
@given(st.lists(st.integers(1, 9), min_size=1, max_size=12), budgets, st.integers(1, 5))
def test_questions_about_an_image_share_a_pack_where_a_pack_can_hold_them(images, budget, longest):
    requests, sizes = questions_of(images, longest=longest)
    packs = cut_packs(requests, sizes, budget=budget)
    assert [r.key for pack in packs for r in pack.requests] == [r.key for r in requests]
    for i, n in enumerate(images):
        places = [p for p, pack in enumerate(packs) for r in pack.requests if image_of(r) == f"{i}"]
        if n * min(longest, n) <= budget:
            assert len(set(places)) == 1
    for pack in packs:
        assert pack.work <= budget or len(pack.requests) == 1


def test_questions_asked_one_after_the_other_are_put_together_by_image():
    requests, sizes = questions_of([2, 2, 2])
    mixed = requests[::2] + requests[1::2]
    (one, other) = cut_packs(mixed, sizes, budget=4)
    assert [image_of(r) for r in (*one.requests, *other.requests)] == list("001122")
