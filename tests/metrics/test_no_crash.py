"""Whatever texts and numbers come: a finite number in its range, or a ValueError that says why.

``pytest --hypothesis-profile=long tests/metrics/test_no_crash.py`` takes 100,000 inputs each.
"""

import math

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from evalsuite import metrics

TEXTS = st.lists(st.text(max_size=40), max_size=6)
ROWS = hnp.arrays(
    np.float64,
    hnp.array_shapes(min_dims=1, max_dims=3, min_side=0, max_side=5),
    elements=st.floats(width=64),
)
ORDERS = st.one_of(
    st.floats(allow_nan=True, allow_infinity=True), st.sampled_from(["inf", 0, 1, 2, 1 + 1e-12])
)


def number_or_reason(work, low: float, high: float) -> None:
    """The work gives a number between the ends, or refuses its input with a message."""
    try:
        value = work()
    except ValueError as error:
        assert str(error).strip()
        return
    assert math.isfinite(value)
    assert low - 1e-9 * max(1, abs(low)) <= value <= high * (1 + 1e-9)


@given(texts=TEXTS, n=st.integers(-1, 7))
def test_distinct_of_any_texts(texts, n):
    number_or_reason(lambda: metrics.distinct_n(texts, n=n), 0, 1)


@given(texts=TEXTS, orders=st.integers(-1, 7), v=st.integers(-1, 60_000), clip=st.booleans(),
       skip=st.booleans())  # fmt: skip
def test_ead_of_any_texts(texts, orders, v, clip, skip):
    number_or_reason(
        lambda: metrics.expectation_adjusted_distinct(
            texts, max_order=orders, vocab_size=v, clip=clip, skip_empty_orders=skip
        ),
        0, 1 if clip else math.inf,
    )  # fmt: skip


@given(rows=ROWS)
def test_pairwise_distance_of_any_rows(rows):
    number_or_reason(lambda: metrics.mean_pairwise_cosine_distance(rows), 0, 2)


@given(rows=ROWS, q=ORDERS)
def test_vendi_of_any_rows(rows, q):
    number_or_reason(lambda: metrics.vendi_score(rows, q=q), 1, max(len(rows), 1))


@given(kernel=ROWS, q=ORDERS)
def test_vendi_of_any_kernel(kernel, q):
    number_or_reason(lambda: metrics.vendi_score_from_kernel(kernel, q=q), 1, max(len(kernel), 1))


@given(counts=hnp.arrays(np.float64, st.integers(0, 6), elements=st.floats(width=64)), q=ORDERS)
def test_hill_number_of_any_abundances(counts, q):
    number_or_reason(lambda: metrics.hill_number(counts, q=q), 1, max(len(counts), 1))


@given(counts=hnp.arrays(np.float64, st.integers(0, 6), elements=st.floats(width=64)))
def test_normalized_entropy_of_any_counts(counts):
    number_or_reason(lambda: metrics.normalized_entropy(counts), 0, 1)


@given(text=st.text(max_size=200))
def test_sentences_of_any_text(text):
    found = metrics.sentences(text)
    assert all(sentence.strip() for sentence in found)
    assert "".join("".join(found).split()) == "".join(text.split())
