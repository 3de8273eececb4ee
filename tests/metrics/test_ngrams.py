import time
import warnings

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from evalsuite.metrics import (
    averaged_distinct,
    distinct_n,
    expectation_adjusted_distinct,
    kirk_tokens,
    leave_one_out_ngram_diversity,
    ngram_diversity_of_sets,
    share_of_empty_orders,
)
from evalsuite.metrics.ngrams import truncated_texts

FRUITS = ("apples", "bananas", "oranges")
GROUPS = [
    [f"{start} {fruit}." for fruit in FRUITS]
    for start in ("I like to eat", "I love to eat", "I love muching on")
]
POOLED = [text for group in GROUPS for text in group]
FIRST_OF_EACH = [group[0] for group in GROUPS]
SHORT = ["i am going", "i am going", "lets go i i"]
SENTENCE = "the cat sat on the red mat"

# tolerance of the published vectors: they are printed with ten digits
PRINTED = {"abs": 5e-10}

words = st.lists(st.sampled_from(["a", "b", "c", "d"]), max_size=7).map(" ".join)
groups_of_texts = st.lists(st.lists(words, max_size=3), min_size=1, max_size=6)


def order(texts, n):
    """EAD of one order, from the means over n and n - 1 orders."""
    below = (n - 1) * expectation_adjusted_distinct(texts, max_order=n - 1) if n > 1 else 0.0
    return n * expectation_adjusted_distinct(texts, max_order=n) - below


@pytest.mark.parametrize(
    ("text", "tokens"),
    [
        ("a\nb c", ["ab", "c"]),
        ("  Hello,  world.  ", ["Hello,", "world"]),
        ("U.S.A. is", ["USA", "is"]),
        ("a\tb", ["a\tb"]),
        (" . \n", []),
    ],
)
def test_kirk_tokens_delete_full_stops_and_newlines_and_split_on_spaces(text, tokens):
    assert kirk_tokens(text) == tokens


@pytest.mark.parametrize("texts", GROUPS)
def test_each_published_group_has_the_published_ead(texts):
    by_order = [order(texts, n) for n in range(1, 6)]
    expected = [0.4667316694, 0.5000547211, 0.5555997742, 0.6666998303, 1.000019898]
    assert by_order == pytest.approx(expected, **PRINTED)
    assert expectation_adjusted_distinct(texts) == pytest.approx(0.6378211786, **PRINTED)
    assert averaged_distinct(texts) == pytest.approx(0.6377777778, **PRINTED)


def test_the_published_pooled_set_has_the_published_values():
    assert expectation_adjusted_distinct(POOLED) == pytest.approx(0.5389949650, **PRINTED)
    assert averaged_distinct(POOLED) == pytest.approx(0.5388888889, **PRINTED)


def test_the_published_single_output_set_has_the_published_values():
    by_order = [order(FIRST_OF_EACH, n) for n in range(1, 6)]
    expected = [0.5334076221, 0.7500820817, 0.8889596387, 1.0000497455, 1.0000198980]
    assert by_order == pytest.approx(expected, **PRINTED)
    assert expectation_adjusted_distinct(FIRST_OF_EACH) == pytest.approx(0.8345037972, **PRINTED)
    assert averaged_distinct(FIRST_OF_EACH) == pytest.approx(0.8344444444, **PRINTED)


def test_the_second_published_set_has_the_published_values():
    assert distinct_n(SHORT, n=3) == 0.75
    assert averaged_distinct(SHORT) == pytest.approx(0.5928571429, **PRINTED)
    assert expectation_adjusted_distinct(SHORT) == pytest.approx(0.5928791020, **PRINTED)


def test_sixteen_copies_of_a_sentence_have_the_published_floor():
    copies = [SENTENCE] * 16
    expected = [0.0536306, 0.0625591, 0.0625491, 0.0625392, 0.0625292]
    assert [order(copies, n) for n in range(1, 6)] == pytest.approx(expected, abs=5e-8)
    assert expectation_adjusted_distinct(copies) == pytest.approx(0.0607614, abs=5e-8)


@pytest.mark.parametrize(
    ("n_words", "value"),
    [(100, 1.00098), (1_000, 1.00997), (10_000, 1.10278), (20_000, 1.21213), (50_000, 1.57858)],
)
def test_ead_of_texts_without_repetition_exceeds_one_as_published(n_words, value):
    text = [[f"w{i}" for i in range(n_words)]]
    assert expectation_adjusted_distinct(text, max_order=1) == pytest.approx(value, abs=1e-5)


@pytest.mark.parametrize("texts", [[""], ["", " "], ["..", "\n"]])
def test_texts_without_words_count_zero_as_published(texts):
    assert distinct_n(texts, n=1) == 0.0
    assert averaged_distinct(texts) == 0.0
    assert expectation_adjusted_distinct(texts) == 0.0


def test_the_published_sets_have_the_published_values_all_at_once():
    found = ngram_diversity_of_sets([*GROUPS, POOLED, FIRST_OF_EACH, SHORT, ["", " "]])
    group = [0.4667316694, 0.5000547211, 0.5555997742, 0.6666998303, 1.000019898]
    for row in range(3):
        assert found.expectation_adjusted[row] == pytest.approx(group, **PRINTED)
    single = [0.5334076221, 0.7500820817, 0.8889596387, 1.0000497455, 1.0000198980]
    assert found.expectation_adjusted[4] == pytest.approx(single, **PRINTED)
    ead = [0.6378211786] * 3 + [0.5389949650, 0.8345037972, 0.5928791020, 0.0]
    distinct = [0.6377777778] * 3 + [0.5388888889, 0.8344444444, 0.5928571429, 0.0]
    assert found.averaged_expectation_adjusted == pytest.approx(ead, **PRINTED)
    assert found.averaged_distinct == pytest.approx(distinct, **PRINTED)
    assert found.averaged_expectation_adjusted[:3].std() == pytest.approx(0.0, abs=1e-15)
    assert found.distinct[5, 2] == 0.75


def test_clipping_cuts_each_order_at_one_and_not_their_mean():
    by_order = [min(order(FIRST_OF_EACH, n), 1.0) for n in range(1, 6)]
    clipped = expectation_adjusted_distinct(FIRST_OF_EACH, clip=True)
    assert clipped == pytest.approx(np.mean(by_order), abs=1e-14)
    assert clipped < expectation_adjusted_distinct(FIRST_OF_EACH)
    text = [[f"w{i}" for i in range(10_000)]]
    assert expectation_adjusted_distinct(text, clip=True) == 1.0


@pytest.mark.parametrize(
    ("texts", "share"),
    [(["a b c d e"], 0.0), (["a b", "a"], 0.6), (["", " "], 1.0), ([["x"] * 4], 0.2)],
)
def test_orders_longer_than_every_text_are_the_empty_ones(texts, share):
    assert share_of_empty_orders(texts) == pytest.approx(share)


def test_skipping_empty_orders_averages_over_the_others_only():
    texts = ["a b", "c d"]
    skipped = expectation_adjusted_distinct(texts, skip_empty_orders=True)
    assert skipped == pytest.approx(expectation_adjusted_distinct(texts, max_order=2), abs=1e-15)
    assert skipped == pytest.approx(2.5 * expectation_adjusted_distinct(texts), abs=1e-15)
    long = ["a b c d e"]
    assert expectation_adjusted_distinct(
        long, skip_empty_orders=True
    ) == expectation_adjusted_distinct(long)


def test_a_set_without_any_ngram_is_zero_whether_empty_orders_are_skipped_or_not():
    assert expectation_adjusted_distinct(["", "."], skip_empty_orders=True) == 0.0


def test_tokens_may_be_ids_of_a_vocabulary():
    ids = [[40, 588, 284], [40, 588, 502]]
    names = [[str(i) for i in text] for text in ids]
    assert expectation_adjusted_distinct(ids, vocab_size=128_256) == (
        expectation_adjusted_distinct(names, vocab_size=128_256)
    )
    assert distinct_n(ids, n=2) == 0.75


def test_texts_are_cut_to_their_first_words_and_short_ones_stay():
    assert truncated_texts(["I like\nit. Very  much", "No.", ""], n_words=3) == [
        ["I", "likeit", "Very"],
        ["No"],
        [],
    ]
    assert truncated_texts([[7, 8, 9]], n_words=2) == [[7, 8]]


def test_cutting_makes_a_longer_copy_of_the_same_texts_as_diverse():
    longer = [f"{text} and then on and on and on" for text in POOLED]
    assert expectation_adjusted_distinct(longer) != expectation_adjusted_distinct(POOLED)
    assert expectation_adjusted_distinct(
        truncated_texts(longer, n_words=4)
    ) == expectation_adjusted_distinct(truncated_texts(POOLED, n_words=4))


def test_orders_without_ngrams_still_divide_the_mean():
    assert averaged_distinct(["one two"]) == pytest.approx(2 / 5)
    assert averaged_distinct(["one two"], max_order=2) == 1.0


def test_ngrams_do_not_cross_texts():
    assert distinct_n(["a b", "a b"], n=2) == 0.5
    assert distinct_n(["a", "b"], n=2) == 0.0


def test_texts_may_come_as_tokens():
    assert distinct_n([["a.", "b"], ("a", "b")], n=1) == 0.75


@pytest.mark.parametrize(
    "call",
    [
        lambda: distinct_n([], n=1),
        lambda: averaged_distinct([]),
        lambda: expectation_adjusted_distinct([]),
        lambda: leave_one_out_ngram_diversity([]),
        lambda: leave_one_out_ngram_diversity([[], []]),
        lambda: distinct_n(["a"], n=0),
        lambda: averaged_distinct(["a"], max_order=0),
        lambda: expectation_adjusted_distinct(["a"], vocab_size=1),
        lambda: distinct_n("one text", n=1),
        lambda: leave_one_out_ngram_diversity(["one text"]),
        lambda: truncated_texts([], n_words=1),
        lambda: truncated_texts(["a"], n_words=0),
        lambda: truncated_texts("one text", n_words=1),
        lambda: share_of_empty_orders([]),
        lambda: share_of_empty_orders(["a"], max_order=0),
    ],
)
def test_what_cannot_be_measured_is_an_error_and_not_a_zero(call):
    with pytest.raises(ValueError, match=r"no texts|at least|got one text"):
        call()


@given(st.lists(words, min_size=1, max_size=6), st.randoms(use_true_random=False))
def test_the_order_of_the_texts_does_not_matter(texts, random):
    shuffled = random.sample(texts, len(texts))
    assert averaged_distinct(shuffled) == averaged_distinct(texts)
    assert expectation_adjusted_distinct(shuffled) == expectation_adjusted_distinct(texts)


@given(st.lists(words, min_size=1, max_size=6))
def test_ead_is_never_below_distinct_and_distinct_lies_in_the_unit_interval(texts):
    assert 0.0 <= averaged_distinct(texts) <= 1.0
    assert expectation_adjusted_distinct(texts) >= averaged_distinct(texts) - 1e-12


@given(groups_of_texts, st.integers(1, 5), st.sampled_from([2, 7, 50257]))
def test_leaving_groups_out_equals_recomputing_without_them(groups, max_order, vocab_size):
    if not any(groups):
        return
    left = leave_one_out_ngram_diversity(groups, max_order=max_order, vocab_size=vocab_size)
    assert left.distinct.shape == left.expectation_adjusted.shape == (len(groups), max_order)
    for g in range(len(groups)):
        rest = [text for i, group in enumerate(groups) if i != g for text in group]
        if not rest:
            assert np.isnan(left.distinct[g]).all()
            assert np.isnan(left.expectation_adjusted[g]).all()
            continue
        by_order = [distinct_n(rest, n=n) for n in range(1, max_order + 1)]
        assert left.distinct[g].tolist() == pytest.approx(by_order, abs=1e-14)
        assert left.averaged_distinct[g] == pytest.approx(
            averaged_distinct(rest, max_order=max_order), abs=1e-14
        )
        assert left.averaged_expectation_adjusted[g] == pytest.approx(
            expectation_adjusted_distinct(rest, max_order=max_order, vocab_size=vocab_size),
            rel=1e-12,
        )


@given(groups_of_texts, st.booleans(), st.booleans())
def test_leaving_groups_out_takes_the_options_of_the_whole(groups, clip, skip):
    if not any(groups):
        return
    options = {"clip": clip, "skip_empty_orders": skip, "vocab_size": 7}
    left = leave_one_out_ngram_diversity(groups, **options)
    for g in range(len(groups)):
        rest = [text for i, group in enumerate(groups) if i != g for text in group]
        if rest:
            assert left.averaged_expectation_adjusted[g] == pytest.approx(
                expectation_adjusted_distinct(rest, **options), rel=1e-12
            )


def test_leaving_groups_out_warns_of_nothing_where_texts_are_empty():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        left = leave_one_out_ngram_diversity([[""], [" "], ["a"]])
    assert left.averaged_distinct.tolist() == pytest.approx([0.2, 0.2, 0.0])


def test_leaving_a_thousand_groups_out_takes_no_thousand_passes():
    rng = np.random.default_rng(1)
    vocabulary = np.array([f"w{i}" for i in range(500)])
    groups = [[vocabulary[rng.integers(0, 500, 40)].tolist()] for _ in range(1000)]
    started = time.perf_counter()
    left = leave_one_out_ngram_diversity(groups)
    once = time.perf_counter() - started
    rest = [text for group in groups[1:] for text in group]
    assert left.averaged_distinct[0] == pytest.approx(averaged_distinct(rest), abs=1e-14)
    assert once < 5.0  # about 0.1 s; a thousand passes of 0.2 s would take minutes
