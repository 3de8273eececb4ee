import numpy as np
import pytest
from scipy import stats as scipy_stats

from evalsuite.stats.clusters import effective_clusters, few_or_unequal_clusters, t_quantile


def of_sizes(*sizes):
    return np.repeat(np.arange(len(sizes)), sizes)


@pytest.mark.parametrize("level", [0.5, 0.9, 0.95, 0.999])
@pytest.mark.parametrize("df", [1, 2, 9, 500])
def test_t_quantiles_are_those_of_scipy(level, df):
    expected = scipy_stats.t.ppf(0.5 + level / 2, df)
    assert t_quantile(level, df) == pytest.approx(expected, rel=1e-9)


@pytest.mark.parametrize(("n_clusters", "size"), [(3, 7), (10, 49), (1000, 3), (50, 1)])
def test_equal_clusters_are_as_many_as_they_are(n_clusters, size):
    assert effective_clusters(of_sizes(*[size] * n_clusters)) == n_clusters


def test_unequal_clusters_are_effectively_fewer():
    assert effective_clusters(of_sizes(4, 1, 1)) == 2.0
    assert 1.0 < effective_clusters(of_sizes(1000, 1, 1, 1)) < 1.01


def test_values_equal_within_clusters_have_the_variance_of_the_effective_number():
    cluster = of_sizes(1, 2, 12, 5, 3)
    means = np.random.default_rng(5).normal(size=(40_000, 5))[:, cluster].mean(axis=1)
    # The relative error of a variance of 40,000 draws is sqrt(2 / 40,000) = 0.007.
    assert means.var() * effective_clusters(cluster) == pytest.approx(1.0, abs=0.03)


@pytest.mark.parametrize(
    ("sizes", "code"),
    [
        ([5] * 10, None),
        ([5] * 9, "few clusters"),
        ([1, 1, 12] * 3, "few clusters"),
        ([1, 2, 12] * 6, "unequal clusters"),
        ([1, 2, 12] * 7, None),
        ([1] * 50 + [50], "unequal clusters"),
    ],
)
def test_a_warning_tells_few_clusters_from_unequal_ones(sizes, code):
    warnings = few_or_unequal_clusters(of_sizes(*sizes))
    assert [w.partition(":")[0] for w in warnings] == ([code] if code else [])


def test_the_number_in_the_warning_is_below_the_threshold_it_names():
    (warning,) = few_or_unequal_clusters(of_sizes(*[100] * 9, 101))
    assert "as much as 9.99 equal ones, below 10 " in warning
