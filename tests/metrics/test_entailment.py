"""NLI diversity: formulas, bounds, identities of the variants."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from evalsuite.metrics import NLI_RANGES, nli_diversity, nli_weights
from evalsuite.metrics.entailment import nli_diversity_of_sentences

SEEDS = st.integers(0, 2**32 - 1)


def verdicts(seed: int, n: int = 4, sharp: float = 1.0) -> np.ndarray:
    return np.random.default_rng(seed).dirichlet([sharp] * 3, size=(n, n))


def all_of(label: int, n: int = 3) -> np.ndarray:
    found = np.zeros((n, n, 3))
    found[..., label] = 1.0
    return found


@pytest.mark.parametrize(
    ("label", "kirk", "released", "olmo"), [(0, -2, 3, 0), (1, 0, 1, 1), (2, 2, -1, 2)]
)
def test_certain_verdicts_stand_at_the_ends_and_the_middle(label, kirk, released, olmo):
    found = all_of(label)
    assert nli_diversity(found) == kirk
    assert nli_diversity(found, variant="released") == released
    assert nli_diversity(found, variant="olmo") == olmo


def test_the_published_formula_over_pairs_by_hand():
    p = verdicts(0)
    weight = {0: -1.0, 1: 0.0, 2: 1.0}

    def w(i: int, j: int) -> float:
        top = int(np.argmax(p[i, j]))
        return weight[top] * float(p[i, j, top])

    pairs = [w(i, j) + w(j, i) for i in range(4) for j in range(i + 1, 4)]
    assert nli_diversity(p) == pytest.approx(np.mean(pairs), abs=1e-15)
    both = [
        np.mean([p[i, j, 0] - p[i, j, 2], p[j, i, 0] - p[j, i, 2]])
        for i in range(4)
        for j in range(i + 1, 4)
    ]
    assert nli_diversity(p, variant="olmo") == pytest.approx(1 - np.mean(both), abs=1e-15)


@given(seed=SEEDS, variant=st.sampled_from(sorted(NLI_RANGES)))
def test_every_variant_stays_in_its_range(seed, variant):
    low, high = NLI_RANGES[variant]
    assert low <= nli_diversity(verdicts(seed), variant=variant) <= high


@given(seed=SEEDS)
def test_released_is_one_minus_kirk(seed):
    p = verdicts(seed)
    assert nli_diversity(p, variant="released") == pytest.approx(1 - nli_diversity(p))


@given(seed=SEEDS)
def test_olmo_is_one_plus_half_of_kirk_where_the_top_label_is_certain(seed):
    # With full probabilities in place of the top label: P(con) - P(ent), both ways added.
    p = verdicts(seed)
    full = 2 * (p[..., 2] - p[..., 0])[~np.eye(4, dtype=bool)].mean()
    assert nli_diversity(p, variant="olmo") == pytest.approx(1 + full / 2)
    sure = np.eye(3)[p.argmax(axis=-1)]
    assert nli_diversity(sure, variant="olmo") == pytest.approx(1 + nli_diversity(sure) / 2)


@given(seed=SEEDS)
def test_the_order_of_the_texts_and_the_diagonal_do_not_matter(seed):
    p = verdicts(seed)
    order = np.random.default_rng(seed).permutation(4)
    moved = p[np.ix_(order, order)].copy()
    moved[np.arange(4), np.arange(4)] = np.nan
    assert nli_diversity(moved) == pytest.approx(nli_diversity(p), abs=1e-14)


def test_of_labels_that_tie_the_first_counts():
    assert nli_weights([0.5, 0.0, 0.5]) == -0.5
    assert nli_weights([0.0, 0.5, 0.5]) == 0.0


@pytest.mark.parametrize(
    ("given_", "message"),
    [
        (np.zeros((2, 2, 3)), "2 pairs have no probabilities"),
        (np.full((2, 2, 3), np.nan), "have no probabilities"),
        (np.zeros((1, 1, 3)), "n >= 2"),
        (np.zeros((2, 3, 3)), r"got \(2, 3, 3\)"),
        (0.5, r"got \(\)"),
    ],
)
def test_what_are_no_probabilities_of_pairs_is_refused(given_, message):
    with pytest.raises(ValueError, match=message):
        nli_diversity(given_)


def test_an_unknown_variant_is_refused():
    with pytest.raises(ValueError, match="variant must be one of"):
        nli_diversity(all_of(0), variant="other")  # type: ignore[arg-type]


@given(seed=SEEDS, label=st.sampled_from([0, 2]), variant=st.sampled_from(["kirk", "olmo"]))
def test_more_entailment_never_raises_diversity_and_more_contradiction_never_lowers_it(
    seed, label, variant
):
    p = verdicts(seed)
    rng = np.random.default_rng(seed)
    i, j = rng.choice(4, 2, replace=False)
    before = nli_diversity(p, variant=variant)
    p[i, j] = 0.7 * p[i, j] + 0.3 * np.eye(3)[label]
    after = nli_diversity(p, variant=variant)
    assert after <= before + 1e-12 if label == 0 else after >= before - 1e-12


@given(seed=SEEDS, variant=st.sampled_from(sorted(NLI_RANGES)))
def test_one_sentence_a_pair_is_the_diversity_of_whole_texts(seed, variant):
    p = verdicts(seed)
    one = {(i, j): [p[i, j]] for i in range(4) for j in range(4) if i != j}
    found = nli_diversity_of_sentences(one, variant=variant)
    assert found == pytest.approx(nli_diversity(p, variant=variant), abs=1e-14)


def test_sentences_are_averaged_in_their_pair_before_the_pairs():
    entailed, neutral, contradicted = np.eye(3)
    verdicts_ = {
        (0, 1): [entailed, entailed, neutral, neutral],  # -0.5
        (1, 0): [neutral],
        (0, 2): [contradicted],  # +1
        (2, 0): [contradicted, neutral],  # +0.5
        (1, 2): [neutral],
        (2, 1): [neutral],
    }
    assert nli_diversity_of_sentences(verdicts_) == pytest.approx((-0.5 + 1.5 + 0.0) / 3)
    olmo = nli_diversity_of_sentences(verdicts_, variant="olmo")
    assert olmo == pytest.approx(1 + (1 / 3) / 2)


@pytest.mark.parametrize(
    ("verdicts_", "message"),
    [
        ({}, "both orders"),
        ({(0, 1): [[1.0, 0.0, 0.0]]}, r"got \[\(0, 1\)\]"),
        ({(0, 0): [[1.0, 0.0, 0.0]]}, r"got \[\(0, 0\)\]"),
        ({(0, 1): [], (1, 0): []}, "3 probabilities a pair"),
        ({(0, 1): [1.0, 0.0, 0.0], (1, 0): [1.0, 0.0, 0.0]}, r"shape \(sentence pairs, 3\)"),
        ({(0, 1): [[2.0, 0.0, 0.0]], (1, 0): [[1.0, 0.0, 0.0]]}, "1 pairs have no probabilities"),
    ],
)
def test_sentences_that_do_not_cover_both_orders_are_refused(verdicts_, message):
    with pytest.raises(ValueError, match=message):
        nli_diversity_of_sentences(verdicts_)
