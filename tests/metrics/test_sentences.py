"""Cutting into sentences, and sampling pairs of them."""

import time

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from evalsuite.metrics import sampled_sentence_pairs, sentences


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("One. Two! Three?", ["One.", "Two!", "Three?"]),
        ("Dr. Smith met Mr. J. Doe, e.g. today. Then he left.",
         ["Dr. Smith met Mr. J. Doe, e.g. today.", "Then he left."]),
        ("It costs 3.50 dollars. Fine.", ["It costs 3.50 dollars.", "Fine."]),
        ('"Stop!" she cried. "Why?"', ['"Stop!" she cried.', '"Why?"']),
        ("So it was I. Then not.", ["So it was I.", "Then not."]),
        ("Wait... what? Yes.", ["Wait... what?", "Yes."]),
        ("Line one\nline two\n\nline three", ["Line one", "line two", "line three"]),
        ("今日は晴れ。明日は雨！", ["今日は晴れ。", "明日は雨！"]),
        ("(He left.) She stayed.", ["(He left.)", "She stayed."]),
        ("no stop at all", ["no stop at all"]),
        ("I said no. He left.", ["I said no.", "He left."]),
        ("See No. 5 and Fig. 3. Then go.", ["See No. 5 and Fig. 3.", "Then go."]),
        ("Smith et al. (2020) agree. Others do not.",
         ["Smith et al. (2020) agree.", "Others do not."]),
        ("Pears, etc. Then he left.", ["Pears, etc.", "Then he left."]),
        ("1. First item. More.\n2. Second item.", ["1. First item.", "More.", "2. Second item."]),
        ("It was in 2020. Then came more.", ["It was in 2020.", "Then came more."]),
        ("**Note.** This is it.", ["**Note.**", "This is it."]),
        ("Wait… what? Yes.", ["Wait… what?", "Yes."]),
        ("Hmm... Maybe.", ["Hmm...", "Maybe."]),
        ("Hi.\r\nThere.", ["Hi.", "There."]),
        ("यह एक है। दूसरा।", ["यह एक है।", "दूसरा।"]),
        ("Go to example.com. Bye!", ["Go to example.com.", "Bye!"]),
        (" \n ", []),
    ],
)  # fmt: skip
def test_texts_are_cut_where_a_reader_would(text, expected):
    assert sentences(text) == expected


@given(text=st.text(max_size=80))
def test_no_character_is_lost_and_no_sentence_is_blank(text):
    found = sentences(text)
    assert all(part.strip() == part != "" for part in found)
    assert "".join("".join(found).split()) == "".join(text.split())


@given(text=st.text(alphabet="aA1I .!?…\n\"'”)(*。」\r\t\u2028", max_size=60))
def test_no_mark_is_lost_where_stops_crowd(text):
    found = sentences(text)
    assert all(part.strip() == part != "" for part in found)
    assert "".join("".join(found).split()) == "".join(text.split())


@given(text=st.text(alphabet="aA5 .", max_size=40))
def test_no_sentence_begins_with_a_small_letter_behind_a_full_stop(text):
    assert not any(sentence[0].islower() for sentence in sentences(text)[1:])


@pytest.mark.parametrize(
    "text",
    ['."' * 200_000, "!" * 400_000, "e.g. " * 100_000, "One two. " * 100_000, "A. " * 100_000],
)
def test_long_texts_take_time_in_proportion(text):
    started = time.perf_counter()
    sentences(text)
    assert time.perf_counter() - started < 5.0  # about 0.3 s; a search back and forth takes minutes


LONG = " ".join(f"Sentence {word}." for word in ["Abc", "Def", "Ghi", "Jkl", "Mno", "Pqr", "Stu"])
SHORT = "First one. Second one. Third one."


def test_pairs_stand_at_the_same_places_of_both_texts():
    pairs = sampled_sentence_pairs(LONG, SHORT, n=5, rng=np.random.default_rng(0))
    assert pairs == list(zip(sentences(LONG)[:3], sentences(SHORT), strict=True))


def test_no_more_pairs_than_asked_for_each_place_equally_often():
    counts = dict.fromkeys(sentences(LONG), 0)
    rng = np.random.default_rng(1)
    for _ in range(700):
        pairs = sampled_sentence_pairs(LONG, LONG, n=2, rng=rng)
        assert len({one for one, _ in pairs}) == 2 and all(one == other for one, other in pairs)
        for one, _ in pairs:
            counts[one] += 1
    # 1,400 draws over 7 places: 200 each, with a standard deviation of 12.
    assert all(abs(count - 200) < 60 for count in counts.values())


def test_the_same_seed_gives_the_same_pairs():
    draws = [sampled_sentence_pairs(LONG, LONG, n=3, rng=np.random.default_rng(5)) for _ in "ab"]
    assert draws[0] == draws[1]


def test_blank_texts_and_no_pairs_are_refused():
    with pytest.raises(ValueError, match="a text is blank"):
        sampled_sentence_pairs("One.", " ", rng=np.random.default_rng(0))
    with pytest.raises(ValueError, match="n must be at least 1, got 0"):
        sampled_sentence_pairs("One.", "Two.", n=0, rng=np.random.default_rng(0))
