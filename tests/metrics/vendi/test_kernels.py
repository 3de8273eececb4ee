import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.spatial.distance import pdist, squareform
from sklearn.feature_extraction.text import CountVectorizer
from sklearn.metrics.pairwise import cosine_similarity, rbf_kernel

from evalsuite.metrics.vendi import (
    cosine_kernel,
    gaussian_kernel,
    ngram_kernel,
    normalize_kernel,
    probability_product_kernel,
    tanimoto_kernel,
    vendi_score,
    vendi_score_from_kernel,
    words_and_signs,
)

README = ["Look, Jane.", "See Spot.", "See Spot run.", "Run, Spot, run.", "Jane sees Spot run."]

tokens_strategy = st.lists(
    st.lists(st.sampled_from("abcd"), min_size=1, max_size=7), min_size=1, max_size=6
)


def test_the_sentences_of_the_readme_have_their_score():
    kernel = ngram_kernel(README, orders=(1, 2))
    assert vendi_score_from_kernel(kernel) == pytest.approx(3.906574, abs=5e-7)


def test_signs_are_tokens_and_case_stays():
    assert words_and_signs("Run, Spot — it's 3.5!") == [
        *("Run", ",", "Spot", "—", "it's", "3", ".", "5", "!"),
    ]
    assert words_and_signs(" \n") == []


@given(tokens_strategy, st.sets(st.integers(1, 4), min_size=1))
def test_the_ngram_kernel_is_the_mean_of_the_cosines_of_scikit_learn(texts, orders):
    cosines = []
    for n in orders:
        if not any(len(text) >= n for text in texts):
            cosines.append(np.zeros((len(texts),) * 2))
            continue
        counter = CountVectorizer(
            analyzer=lambda text, n=n: list(zip(*(text[i:] for i in range(n)), strict=False))
        )
        cosines.append(cosine_similarity(counter.fit_transform(texts)))
    found = ngram_kernel(texts, orders=sorted(orders), normalize=False)
    assert found == pytest.approx(np.mean(cosines, axis=0), abs=1e-12)


@given(tokens_strategy)
def test_the_ngram_kernel_has_ones_on_its_diagonal_and_a_score(texts):
    kernel = ngram_kernel(texts)
    assert (np.diag(kernel) == 1.0).all()
    assert 1 - 1e-9 <= vendi_score_from_kernel(kernel, q=0.5) <= len(texts) + 1e-9


def test_a_text_too_short_for_an_order_has_a_zero_vector_there():
    texts = ["a", "a b"]
    raw = ngram_kernel(texts, orders=(1, 2), normalize=False)
    assert raw == pytest.approx(np.array([[0.5, 0.5 / 2**0.5], [0.5 / 2**0.5, 1.0]]))
    assert ngram_kernel(texts, orders=(1, 2))[0, 1] == pytest.approx(0.5)


def test_a_text_without_tokens_is_named():
    with pytest.raises(ValueError, match="ngram_kernel: items not alike to themselves in rows: 1"):
        ngram_kernel(["a b", " ", "b"])


@pytest.mark.parametrize(
    ("texts", "orders", "message"),
    [
        ("one text", (1,), "sequence of texts"),
        ([], (1,), "sequence of texts"),
        (["a"], (), "orders"),
        (["a"], (0, 1), "orders"),
    ],
)
def test_texts_and_orders_that_are_none_are_refused(texts, orders, message):
    with pytest.raises(ValueError, match=f"ngram_kernel: .*{message}"):
        ngram_kernel(texts, orders=orders)


@pytest.mark.parametrize("shape", [(12, 5), (1, 3)])
def test_cosine_and_gaussian_agree_with_scikit_learn(shape):
    rows = np.random.default_rng(0).normal(size=shape)
    assert cosine_kernel(rows) == pytest.approx(cosine_similarity(rows), abs=1e-14)
    for sigma in (0.3, 2.0):
        expected = rbf_kernel(rows, gamma=1 / (2 * sigma**2))
        assert gaussian_kernel(rows, sigma=sigma) == pytest.approx(expected, abs=1e-13)


def test_equal_rows_far_from_the_origin_are_exactly_alike():
    rows = np.random.default_rng(0).normal(size=(4, 6)) + 1e4
    kernel = gaussian_kernel(np.tile(rows, (20, 1)), sigma=1.0)
    assert kernel[0, 4] == 1.0
    assert vendi_score_from_kernel(kernel, q=0.1) == pytest.approx(
        vendi_score_from_kernel(kernel[:4, :4], q=0.1), abs=1e-9
    )


def test_the_probability_product_is_the_cosine_of_the_roots():
    rows = np.random.default_rng(0).dirichlet(np.ones(7), size=9)
    kernel = probability_product_kernel(rows)
    expected = [[np.sum(np.sqrt(a * b)) for a in rows] for b in rows]
    assert kernel == pytest.approx(np.array(expected), abs=1e-14)
    assert vendi_score(np.sqrt(rows)) == pytest.approx(vendi_score_from_kernel(kernel), rel=1e-12)


def test_tanimoto_is_one_minus_the_jaccard_distance_of_scipy():
    bits = np.random.default_rng(0).random((30, 64)) < 0.2
    expected = 1 - squareform(pdist(bits, "jaccard"))
    assert tanimoto_kernel(bits) == pytest.approx(expected, abs=1e-14)
    assert (tanimoto_kernel(bits.astype(np.uint8)) == tanimoto_kernel(bits)).all()


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: gaussian_kernel([[1.0]], sigma=0.0), "gaussian_kernel: sigma"),
        (lambda: gaussian_kernel([[1.0], [np.nan]], sigma=1.0), "rows are not finite: 1"),
        (lambda: probability_product_kernel([[0.5, 0.5], [0.5, 0.6]]), "no distribution: 1"),
        (lambda: probability_product_kernel([[1.5, -0.5]]), "no distribution: 0"),
        (lambda: probability_product_kernel([[np.nan, 1.0]]), "no distribution: 0"),
        (lambda: tanimoto_kernel([[0, 2]]), "boolean, or 0 and 1"),
        (lambda: tanimoto_kernel([[0, 1], [0, 0]]), "without a set bit: 1"),
        (lambda: normalize_kernel([[1.0, 0.0], [0.0, 0.0]]), "rows: 1"),
        (lambda: normalize_kernel([[np.nan]]), "rows: 0"),
        (lambda: normalize_kernel(np.ones((2, 3))), "shape"),
        (lambda: cosine_kernel([[0.0, 0.0]]), "cosine_kernel: zero rows"),
    ],
)
def test_what_has_no_kernel_is_refused(call, message):
    with pytest.raises(ValueError, match=message):
        call()


def test_a_scaled_kernel_scores_as_the_rows_do():
    rows = np.random.default_rng(0).normal(size=(8, 3))
    kernel = normalize_kernel(rows @ rows.T)
    assert vendi_score_from_kernel(kernel) == pytest.approx(vendi_score(rows), rel=1e-12)
