"""N-gram diversity of many sets at once: the same numbers as of each by itself."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from evalsuite.metrics import (
    averaged_distinct,
    distinct_n,
    expectation_adjusted_distinct,
    ngram_diversity_of_sets,
    ngram_sets,
)

WORDS = st.text(alphabet="ab .\nA\0é", max_size=12)
LISTS = st.lists(st.sampled_from([0, 1, "a", "b", "", "\0"]), max_size=8)


@settings(max_examples=200, deadline=None)
@given(
    sets=st.lists(st.lists(st.one_of(WORDS, LISTS), min_size=1, max_size=5), min_size=1,
                  max_size=6),
    clip=st.booleans(),
    skip=st.booleans(),
    v=st.sampled_from([2, 50257]),
)  # fmt: skip
def test_every_set_has_the_numbers_that_it_has_by_itself(sets, clip, skip, v):
    options = {"vocab_size": v, "clip": clip, "skip_empty_orders": skip}
    found = ngram_diversity_of_sets(sets, **options)
    for i, own in enumerate(sets):
        for n in range(1, 6):
            assert found.distinct[i, n - 1] == distinct_n(own, n=n)
        assert found.averaged_distinct[i] == pytest.approx(averaged_distinct(own), abs=1e-15)
        assert found.averaged_expectation_adjusted[i] == pytest.approx(
            expectation_adjusted_distinct(own, **options), rel=1e-12
        )


def test_sets_are_the_same_in_parts_of_any_size(monkeypatch):
    rng = np.random.default_rng(0)
    sets = [
        [" ".join(rng.choice(list("abcdef"), size=rng.integers(1, 30))) for _ in range(4)]
        for _ in range(40)
    ]
    whole = ngram_diversity_of_sets(sets)
    monkeypatch.setattr(ngram_sets, "_CHARACTERS_AT_ONCE", 100)
    parts = ngram_diversity_of_sets(sets)
    assert np.array_equal(whole.distinct, parts.distinct)


def test_long_ngrams_over_many_words_do_not_overflow():
    # 3,000 different words to the power of 10 is far beyond 64 bits.
    rng = np.random.default_rng(1)
    sets = [[" ".join(f"w{i}" for i in rng.integers(0, 3000, 400))] * 2 for _ in range(10)]
    found = ngram_diversity_of_sets(sets, max_order=10)
    for i, own in enumerate(sets):
        assert found.distinct[i, 9] == distinct_n(own, n=10) == 0.5


def test_input_that_is_no_sets_of_texts_is_refused():
    with pytest.raises(ValueError, match="set 1 is no sequence of texts, or has none"):
        ngram_diversity_of_sets([["a"], []])
    with pytest.raises(ValueError, match="set 0 is no sequence"):
        ngram_diversity_of_sets(["a text"])
    with pytest.raises(ValueError, match="max_order must be at least 1"):
        ngram_diversity_of_sets([["a"]], max_order=0)


def eight_letters(rng: np.random.Generator, n_words: int) -> str:
    """Words that differ in their first letter, the lowest byte of their key, and longer ones."""
    ends = ["bcdefgh", "bcdefghi", "bcdefghijklmnopqrs", "bcdefghijklmnopqrt"]
    return " ".join(rng.choice(list("abc")) + rng.choice(ends) for _ in range(n_words))


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("_OF_PIECES", np.uint64(0)),  # long words that end alike have the same key
        ("_FACTORS", (np.uint64(0),) * 2),  # all n-grams meet in one slot
        ("_FACTORS", ()),
        ("_SLOTS", 2),
    ],
)
def test_words_and_ngrams_that_collide_are_told_apart(monkeypatch, name, value):
    rng = np.random.default_rng(2)
    sets = [[eight_letters(rng, 12) for _ in range(3)] for _ in range(5)]
    monkeypatch.setattr(ngram_sets, name, value)
    found = ngram_diversity_of_sets(sets)
    for i, own in enumerate(sets):
        assert found.distinct[i].tolist() == [distinct_n(own, n=n) for n in range(1, 6)]


@given(st.lists(st.text(max_size=30), min_size=1, max_size=4))
def test_any_letters_are_words_as_elsewhere(texts):
    found = ngram_diversity_of_sets([texts])
    assert found.distinct[0].tolist() == [distinct_n(texts, n=n) for n in range(1, 6)]


def test_halves_of_surrogates_are_letters_too():
    own = ["\ud800 \udc00 \ud800", "\U00010000"]
    assert ngram_diversity_of_sets([own]).distinct[0, 0] == distinct_n(own, n=1) == 0.75
