import math
from decimal import Decimal, localcontext
from fractions import Fraction
from itertools import product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from evalsuite.stats.entropy import ESTIMATORS, entropy, entropy_estimate
from evalsuite.stats.entropy_points import chao_wang_jost_entropies, unseen_term

X = [50, 30, 10, 5, 2, 1, 1, 1]
VECTORS = {
    "plug_in": 1.3042061202,
    "miller_madow": 1.3392061202,
    "jackknife": 1.3559634229,
    "chao_shen": 1.3899443460,
    "chao_wang_jost": 1.3653926207,
}
COUNTS = st.lists(st.integers(0, 40), min_size=1, max_size=12).filter(any)


def codes(estimate):
    return [warning.partition(":")[0] for warning in estimate.warnings]


@pytest.mark.parametrize("estimator", VECTORS)
def test_the_vector_of_the_specification_is_reproduced(estimator):
    # 10 decimals are printed.
    assert entropy(X, estimator=estimator) == pytest.approx(VECTORS[estimator], abs=5.1e-11)


@pytest.mark.parametrize(
    ("counts", "expected"),
    [
        ([1] * 2 + [2] * 50 + [3] * 100, 5.204361606604),
        ([1] * 300 + [2] * 5 + [40] * 5, 6.859997342602),
    ],
)
def test_samples_on_which_the_literal_formula_fails_are_right(counts, expected):
    assert entropy(counts) == pytest.approx(expected, abs=5.1e-13)


def literal_term(n, f1, f2):
    """T as it is printed, in floating point."""
    a = 2 * f2 / ((n - 1) * f1 + 2 * f2)
    head = sum((1 - a) ** r / r for r in range(1, n))
    return (1 - a) ** (1 - n) * (-math.log(a) - head)


def exact_term(n, f1, f2):
    """T as it is printed, with 400 digits."""
    with localcontext() as context:
        context.prec = 400
        a = Decimal(2 * f2) / Decimal((n - 1) * f1 + 2 * f2)
        head = sum((1 - a) ** r / r for r in range(1, n))
        return float((1 - a) ** (1 - n) * (-a.ln() - head))


def test_the_literal_formula_cancels_where_the_stable_one_does_not():
    assert abs(literal_term(402, 2, 50)) > 1e5  # the truth lies below 1
    assert unseen_term(402, 2, 50) == pytest.approx(exact_term(402, 2, 50), rel=1e-12)


@pytest.mark.parametrize(
    "triple", [(20, 3, 2), (100, 3, 1), (200, 150, 1), (60, 5, 12), (400, 40, 30), (402, 1, 80)]
)
def test_the_unseen_term_agrees_with_400_digits(triple):
    # The literal branch keeps 11 digits: exp(10) times the rounding of a double.
    assert unseen_term(*triple) == pytest.approx(exact_term(*triple), rel=1e-11)


def test_no_singletons_leave_nothing_unseen():
    assert unseen_term(30, 0, 4) == 0.0
    assert unseen_term(30, 1, 0) == 0.0


def test_ten_singletons_are_extrapolated():
    assert entropy([1] * 10) == pytest.approx(4.2033863604, abs=5.1e-11)


@pytest.mark.parametrize("estimator", ESTIMATORS)
@pytest.mark.parametrize("counts", [[1], [7], [300]])
def test_one_class_has_no_entropy(estimator, counts):
    assert entropy(counts, estimator=estimator) == 0.0


def test_the_estimator_of_the_seen_part_is_unbiased_but_for_the_unseen_tail():
    # Zhang's sum has expectation H - sum_{r >= n} (1/r) sum p (1-p)^r, exactly, for every n.
    p, n = [Fraction(1, 2), Fraction(3, 10), Fraction(1, 5)], 5
    harmonic = [sum(Fraction(1, i) for i in range(1, k)) for k in range(n + 1)]
    mean = Fraction(0)
    for sample in product(range(3), repeat=n):
        chance = math.prod((p[i] for i in sample), start=Fraction(1))
        counts = [sample.count(i) for i in range(3)]
        mean += chance * sum(Fraction(x, n) * (harmonic[n] - harmonic[x]) for x in counts if x)
    expected = sum(sum(q * (1 - q) ** r for q in p) / r for r in range(1, n))
    assert mean == expected
    rows = np.array([[sample.count(i) for i in range(3)] for sample in product(range(3), repeat=n)])
    weights = [math.prod(float(p[i]) for i in sample) for sample in product(range(3), repeat=n)]
    n1, n2 = (rows == 1).sum(1), (rows == 2).sum(1)
    tails = [f1 / n * unseen_term(n, int(f1), int(f2)) for f1, f2 in zip(n1, n2, strict=True)]
    seen = chao_wang_jost_entropies(rows) - np.array(tails)
    assert np.dot(weights, seen) == pytest.approx(float(expected), rel=1e-12)


@pytest.mark.parametrize(
    "p", [np.full(4, 0.25), np.full(10, 0.1), 0.5 ** np.arange(14), np.array([0.6, 0.2, 0.1, 0.1])]
)
def test_the_bias_at_50_observations_is_below_a_twentieth(p):
    p = p / p.sum()
    draws = np.random.default_rng(1).multinomial(50, p, size=4000)
    assert abs(chao_wang_jost_entropies(draws).mean() + np.dot(p, np.log(p))) < 0.05


@given(COUNTS, st.sampled_from(sorted(ESTIMATORS)))
def test_order_and_absent_classes_change_no_estimate(counts, estimator):
    value = entropy(counts, estimator=estimator)
    assert entropy([*counts[::-1], 0, 0], estimator=estimator) == pytest.approx(value, abs=1e-12)
    assert value >= 0.0 and math.isfinite(value)


@given(COUNTS)
def test_duplicating_every_observation_keeps_the_plug_in(counts):
    doubled = entropy([2 * x for x in counts], estimator="plug_in")
    assert doubled == pytest.approx(entropy(counts, estimator="plug_in"), abs=1e-12)


@given(COUNTS.filter(lambda counts: len(counts) > 1))
def test_merging_two_classes_never_raises_the_plug_in(counts):
    merged = entropy([counts[0] + counts[1], *counts[2:]], estimator="plug_in")
    assert merged <= entropy(counts, estimator="plug_in") + 1e-12


def test_an_unknown_estimator_is_refused():
    with pytest.raises(ValueError, match="estimator must be one of"):
        entropy(X, estimator="nsb")


def test_the_interval_of_a_spread_sample_comes_from_the_bootstrap():
    result = entropy_estimate(X)
    assert result.estimate == pytest.approx(1.3653926207, abs=5.1e-11)
    assert result.method == "Chao-Wang-Jost, bootstrap with unseen classes"
    # A class rarer than the singletons would add a harmonic number over n.
    more = sum(1 / k for k in range(1, 100)) / 100
    above = 1.959964 * math.hypot(result.se, more)
    assert result.ci_high - result.estimate == pytest.approx(above, rel=1e-6)
    assert result.ci_low <= result.estimate - 1.9599 * result.se
    assert (result.n, result.n_clusters, result.n_missing, result.warnings) == (100, 100, 0, ())


def test_the_same_call_gives_the_same_interval_whatever_the_order():
    assert entropy_estimate(X) == entropy_estimate([*X[::-1], 0])


def test_a_generator_that_is_passed_in_is_used():
    first, second = (entropy_estimate(X, rng=np.random.default_rng(s)).se for s in (1, 2))
    assert first != second


def test_a_higher_level_gives_a_wider_interval():
    for counts in (X, [97, 2, 1], [50]):
        narrow, wide = (entropy_estimate(counts, level=level) for level in (0.8, 0.99))
        assert wide.ci_low <= narrow.ci_low and narrow.ci_high < wide.ci_high


def test_a_closed_set_ends_the_interval_and_not_the_estimate():
    result = entropy_estimate([6, 5, 5, 4], n_classes=4)
    assert result.estimate > math.log(4)
    assert result.ci_high == pytest.approx(math.log(4))
    assert result.ci_low < result.ci_high


def test_a_closed_set_of_one_class_has_no_interval():
    result = entropy_estimate([30], n_classes=1)
    assert result.estimate == 0.0 and result.ci_low is None and result.ci_high is None
    assert "degenerate" in codes(result)


@pytest.mark.parametrize(
    ("counts", "expected"),
    [
        ([30, 30], []),
        ([85, 15], ["collapsed"]),
        ([60], ["one class"]),
        ([1] * 60, ["singletons only", "low coverage"]),
        ([25, 24], ["small sample"]),
        ([40, 10, 1, 1, 1, 1, 1], ["low coverage"]),
    ],
)
def test_what_keeps_a_sample_from_carrying_a_claim_is_warned_of(counts, expected):
    assert codes(entropy_estimate(counts)) == expected


@settings(deadline=None, max_examples=60)
@given(COUNTS, st.sampled_from([None, 12, 40]))
def test_an_interval_is_finite_ordered_and_never_of_width_zero(counts, n_classes):
    result = entropy_estimate(counts, n_classes=n_classes)
    assert 0.0 <= result.ci_low < result.ci_high
    assert result.ci_low <= result.estimate
    assert n_classes is None or result.ci_high <= math.log(n_classes)
    assert result.se is None or result.se > 0


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: entropy([1, -1]), "^entropy: "),
        (lambda: entropy_estimate([]), "^entropy_estimate: no observations"),
        (lambda: entropy_estimate([1, 2], level=1.0), "^entropy_estimate: level"),
        (lambda: entropy_estimate([1, 2], n_classes=1), "^entropy_estimate: 2 classes were seen"),
    ],
)
def test_input_that_makes_no_sense_is_an_error(call, message):
    with pytest.raises(ValueError, match=message):
        call()


def test_an_entropy_beyond_a_closed_set_is_kept_and_warned_of():
    result = entropy_estimate([13, 12, 13, 12], n_classes=4)
    assert result.estimate > math.log(4) and result.ci_high == pytest.approx(math.log(4))
    assert "beyond the closed set" in [w.partition(":")[0] for w in result.warnings]
    assert not any("beyond" in w for w in entropy_estimate([13, 12, 13, 12]).warnings)
    assert not any("beyond" in w for w in entropy_estimate([30], n_classes=1).warnings)
