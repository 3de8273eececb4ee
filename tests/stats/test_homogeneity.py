import numpy as np
import pytest

from evalsuite.stats import jackknife_interval
from evalsuite.stats.homogeneity import homogeneity_ratio


def codes(estimate):
    return [warning.partition(":")[0] for warning in estimate.warnings]


def unit(rows):
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


def test_homogeneity_is_that_of_the_pairs():
    rng = np.random.default_rng(2)
    first = [rng.normal(size=(5, 4)) + 1 for _ in range(12)]
    second = [rng.normal(size=(3, 4)) + 1 for _ in range(12)]
    result = homogeneity_ratio(first, second)
    a, b = unit(first[3]), unit(second[3])
    assert result.intra_first[3] == pytest.approx((a @ a.T)[np.triu_indices(5, 1)].mean())
    assert result.intra_second[3] == pytest.approx((b @ b.T)[np.triu_indices(3, 1)].mean())
    assert result.inter[3] == pytest.approx((a @ b.T).mean())
    intra = (result.intra_first.mean() + result.intra_second.mean()) / 2
    assert result.ratio.estimate == pytest.approx((1 - result.inter.mean()) / (1 - intra))
    assert result.ratio.ci_low < result.ratio.estimate < result.ratio.ci_high


def test_homogeneity_leaves_whole_clusters_out_and_counts_missing_units():
    rng = np.random.default_rng(4)
    first = [rng.normal(size=(4, 3)) for _ in range(13)]
    second = [rng.normal(size=(4, 3)) for _ in range(13)]
    second[12] = second[12][:1]
    clusters = np.arange(13) // 3
    result = homogeneity_ratio(first, second, clusters=clusters).ratio
    left_out = [
        homogeneity_ratio(
            [first[i] for i in range(12) if clusters[i] != g],
            [second[i] for i in range(12) if clusters[i] != g],
        ).ratio.estimate
        for g in range(4)
    ]
    expected = jackknife_interval(result.estimate, left_out)
    assert (result.ci_low, result.se) == pytest.approx((expected.ci_low, expected.se))
    assert (result.n, result.n_clusters, result.n_missing) == (12, 4, 1)


def test_models_that_repeat_themselves_have_no_ratio():
    same = [np.ones((3, 2))] * 5
    result = homogeneity_ratio(same, same).ratio
    assert result.estimate is None and codes(result) == ["undefined"]
    missing = homogeneity_ratio([np.ones((1, 2))], [np.ones((1, 2))]).ratio
    assert missing.estimate is None and codes(missing) == ["all missing"]


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: homogeneity_ratio([np.eye(2)], []), "1 units of one model, 0"),
    ],
)
def test_input_that_makes_no_sense_is_an_error(call, message):
    with pytest.raises(ValueError, match=message):
        call()
