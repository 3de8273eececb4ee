import numpy as np
import pytest
from sklearn.metrics import cohen_kappa_score

from evalsuite.stats import jackknife_interval
from evalsuite.stats.agreement import cohen_kappa, krippendorff_alpha

CONFUSION = np.array([[0.8, 0.1, 0.1], [0.15, 0.7, 0.15], [0.05, 0.15, 0.8]])


def codes(estimate):
    return [warning.partition(":")[0] for warning in estimate.warnings]


def rated(seed, n):
    """Three categories of uneven shares by two raters who agree on most."""
    rng = np.random.default_rng(seed)
    first = rng.choice(3, n, p=[0.5, 0.3, 0.2])
    second = (rng.random((n, 1)) > CONFUSION[first].cumsum(axis=1)).sum(axis=1)
    return first, np.minimum(second, 2)


@pytest.mark.parametrize("seed", range(4))
def test_kappa_is_that_of_scikit_learn_with_a_jackknife_interval(seed):
    first, second = rated(seed, 80)
    result = cohen_kappa(first, second)
    assert result.estimate == pytest.approx(cohen_kappa_score(first, second))
    left_out = [cohen_kappa_score(np.delete(first, i), np.delete(second, i)) for i in range(80)]
    reference = jackknife_interval(result.estimate, left_out)
    assert (result.se, result.ci_low) == pytest.approx((reference.se, reference.ci_low))


def test_kappa_leaves_whole_clusters_out():
    first, second = rated(5, 80)
    copied = cohen_kappa(
        np.repeat(first, 3), np.repeat(second, 3), clusters=np.repeat(np.arange(80), 3)
    )
    single = cohen_kappa(first, second)
    assert (copied.estimate, copied.se) == pytest.approx((single.estimate, single.se))


def test_agreement_of_raters_with_one_label_is_undefined_and_perfect_agreement_degenerate():
    alone = cohen_kappa([1] * 20, [1] * 20)
    assert alone.estimate is None and codes(alone) == ["undefined"]
    assert krippendorff_alpha([[1, 1]] * 20).estimate is None
    perfect = cohen_kappa([0, 1] * 20, [0, 1] * 20)
    assert perfect.estimate == 1.0 and perfect.ci_low is None and codes(perfect) == ["degenerate"]


def test_alpha_of_krippendorffs_own_example_is_reproduced():
    # Krippendorff (2011), the nominal example with four observers and missing values: 0.743.
    observers = [
        "1 2 3 3 2 1 4 1 2 . . .",
        "1 2 3 3 2 2 4 1 2 5 . 3",
        ". 3 3 3 2 3 4 2 2 5 1 .",
        "1 2 3 3 2 4 4 1 2 5 1 .",
    ]
    columns = zip(*[row.split() for row in observers], strict=True)
    units = [[None if value == "." else value for value in column] for column in columns]
    result = krippendorff_alpha(units)
    assert result.estimate == pytest.approx(0.743, abs=5e-4)
    assert (result.n, result.n_missing) == (11, 1)


def test_alpha_of_two_raters_leaves_units_out():
    first, second = rated(6, 40)
    units = list(zip(first, second, strict=True))
    result = krippendorff_alpha(units)
    left_out = [krippendorff_alpha(units[:i] + units[i + 1 :]).estimate for i in range(40)]
    assert result.se == pytest.approx(jackknife_interval(result.estimate, left_out).se)


def test_raters_of_different_outputs_are_an_error():
    with pytest.raises(ValueError, match="1 labels of one rater, 2"):
        cohen_kappa([1], [1, 2])
