import math

import numpy as np
import pandas as pd
import pytest
import statsmodels.api as sm
from statsmodels.formula.api import ols

from evalsuite.stats import mean_interval
from evalsuite.stats.replicates import replicate_interval


def codes(estimate):
    return [warning.partition(":")[0] for warning in estimate.warnings]


def draws(rng, n_units, n_replicates, var_seed, runs=None):
    """Scores of the two-way model with variances 1 of units and 0.5 of the rest."""
    shape = (runs or 1, n_units, n_replicates)
    scores = rng.normal(size=(shape[0], n_units, 1)) + rng.normal(scale=math.sqrt(0.5), size=shape)
    scores += rng.normal(scale=math.sqrt(var_seed), size=(shape[0], 1, n_replicates))
    return scores if runs else scores[0]


def seed_variance(share, n_units, n_replicates):
    """The variance between seeds that makes up this share of the total."""
    return share / (1 - share) * (1 + 0.5 / n_replicates) / n_units * n_replicates


def test_the_seed_variance_is_that_of_a_two_way_analysis_of_variance():
    scores = draws(np.random.default_rng(0), 15, 4, var_seed=0.3)
    unit, seed = np.meshgrid(range(15), range(4), indexing="ij")
    table = pd.DataFrame({"s": scores.ravel(), "u": unit.ravel(), "r": seed.ravel()})
    anova = sm.stats.anova_lm(ols("s ~ C(u) + C(r)", table).fit())
    ms = anova["sum_sq"] / anova["df"]
    result = replicate_interval(scores)
    expected = (ms["C(r)"] - ms["Residual"]) / 15
    assert result.var_seed == pytest.approx(expected, rel=1e-9)
    assert result.se_prompt**2 == pytest.approx(ms["C(u)"] / 60, rel=1e-9)
    total = result.se_prompt**2 + expected / 4
    assert result.estimate.se == pytest.approx(math.sqrt(total), rel=1e-9)
    assert result.seed_share == pytest.approx(expected / 4 / total, rel=1e-9)


def test_the_mean_and_the_counts_are_those_of_all_scores():
    scores = draws(np.random.default_rng(1), 12, 3, var_seed=0.2)
    result = replicate_interval(scores)
    assert result.estimate.estimate == pytest.approx(scores.mean(), rel=1e-12)
    assert (result.estimate.n, result.estimate.n_clusters, result.estimate.n_missing) == (36, 12, 0)
    assert (result.n_replicates, result.estimate.warnings) == (3, ())


def test_seeds_that_do_not_matter_leave_the_interval_of_the_units():
    rng = np.random.default_rng(2)
    scores = rng.normal(size=(20, 1)) + rng.normal(size=(20, 4))
    scores -= scores.mean(axis=0)
    result, plain = replicate_interval(scores), mean_interval(scores.mean(axis=1))
    assert (result.var_seed, result.seed_share) == (0.0, 0.0)
    assert (result.estimate.ci_low, result.estimate.ci_high) == pytest.approx(
        (plain.ci_low, plain.ci_high), rel=1e-9
    )
    assert result.df == 19


def test_a_shift_of_whole_runs_widens_the_interval_and_takes_its_degrees_of_freedom():
    scores = draws(np.random.default_rng(3), 50, 3, var_seed=0.0)
    shifts = np.array([-1.0, 0.0, 1.0])
    calm, moved = replicate_interval(scores), replicate_interval(scores + shifts)
    assert moved.seed_share > 0.8
    assert moved.df < 4 < calm.df
    assert moved.estimate.estimate == pytest.approx(calm.estimate.estimate)
    assert moved.estimate.ci_low < calm.estimate.ci_low - 0.3


def test_clusters_of_units_make_the_error_of_the_prompts():
    rng = np.random.default_rng(4)
    clusters = np.repeat(np.arange(12), 4)
    scores = rng.normal(size=12)[clusters][:, None] + 0.5 * rng.normal(size=(48, 3))
    result = replicate_interval(scores, clusters=clusters)
    assert result.se_prompt == mean_interval(scores.mean(axis=1), clusters=clusters).se
    assert result.se_prompt > 1.5 * replicate_interval(scores).se_prompt
    assert result.estimate.n_clusters == 12


def test_a_unit_that_lacks_a_run_is_left_out_and_said():
    scores = draws(np.random.default_rng(5), 14, 3, var_seed=0.2)
    gaps = scores.copy()
    gaps[3, 1] = gaps[8] = np.nan
    result = replicate_interval(gaps)
    whole = replicate_interval(np.delete(scores, [3, 8], axis=0))
    assert codes(result.estimate) == ["incomplete units"]
    assert "2 of 14" in result.estimate.warnings[0]
    assert (result.estimate.n, result.estimate.n_missing) == (36, 6)
    assert (result.var_seed, result.df) == (whole.var_seed, whole.df)
    assert result.estimate.ci_low == whole.estimate.ci_low


@pytest.mark.parametrize(("n_replicates", "code"), [(1, "one replicate"), (2, "few replicates")])
def test_fewer_than_three_runs_are_warned_of(n_replicates, code):
    scores = draws(np.random.default_rng(6), 30, n_replicates, var_seed=0.0)
    result = replicate_interval(scores)
    assert codes(result.estimate) == [code]
    assert result.estimate.ci_low is not None
    assert (result.var_seed is None) == (n_replicates == 1)


@pytest.mark.parametrize(
    ("scores", "code"),
    [
        ([[0.1, 0.2, 0.3], [0.2, 0.2, 0.5]], "too few clusters"),
        ([[0.5] * 3] * 12, "degenerate"),
        ([[np.nan, 0.1, 0.2]] * 12, "all missing"),
    ],
)
def test_no_interval_is_made_up_where_none_can_be_had(scores, code):
    result = replicate_interval(scores)
    assert code in codes(result.estimate)
    assert (result.estimate.se, result.estimate.ci_low, result.estimate.ci_high) == (None,) * 3
    assert (result.var_seed, result.seed_share, result.df) == (None, None, None)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: replicate_interval([1.0, 2.0]), "shape"),
        (lambda: replicate_interval(np.zeros((3, 0))), "each >= 1"),
        (lambda: replicate_interval([[1.0, math.inf]]), "1 scores are infinite"),
        (lambda: replicate_interval([[1.0], [2.0]], clusters=[1]), "2 values but 1 cluster"),
        (lambda: replicate_interval([[1.0], [2.0]], level=1.0), "level"),
    ],
)
def test_input_that_makes_no_sense_is_an_error(call, message):
    with pytest.raises(ValueError, match=message):
        call()


def test_the_seed_variance_is_unbiased_but_for_the_floor():
    rng = np.random.default_rng(7)
    found = [replicate_interval(s).var_seed for s in draws(rng, 30, 5, var_seed=0.4, runs=1500)]
    # One estimate has a standard deviation of about 0.4 sqrt(2/4), their mean one of 0.0073.
    assert np.mean(found) == pytest.approx(0.4, abs=0.03)


# Measured over 20,000 runs a cell: 0.924-0.957 for 3 runs, 0.936-0.953 for 4. A share of 1,200 runs
# has a standard error of 0.007.
@pytest.mark.parametrize("n_replicates", [3, 5, 10])
@pytest.mark.parametrize("share", [0.2, 0.7])
def test_nominal_95_percent_intervals_cover_where_seeds_matter(n_replicates, share):
    rng = np.random.default_rng(n_replicates)
    var_seed = seed_variance(share, 25, n_replicates)
    runs = draws(rng, 25, n_replicates, var_seed, runs=1200)
    results = [replicate_interval(scores) for scores in runs]
    covered = np.mean([r.estimate.ci_low <= 0.0 <= r.estimate.ci_high for r in results])
    plain = [mean_interval(scores.mean(axis=1)) for scores in runs[:600]]
    assert covered >= 0.91
    assert np.mean([p.ci_low <= 0.0 <= p.ci_high for p in plain]) < covered
