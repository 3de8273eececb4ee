import math
from itertools import product

import numpy as np
import pytest

from evalsuite.selftest import truth
from evalsuite.selftest.kernels import expected_vendi_1
from evalsuite.selftest.peers import vendi_1
from evalsuite.selftest.rankings import binormal_average_precision
from evalsuite.selftest.truth import Classes, Duplicates, NestedKinds, outside_sets
from evalsuite.stats.average_precision import average_precision

UNEVEN = Classes("uneven", (0.5, 0.3, 0.2))


def samples(classes, m):
    """Every ordered sample of m observations: its counts and its chance."""
    for labels in product(range(len(classes.shares)), repeat=m):
        counts = np.bincount(labels, minlength=len(classes.shares))
        yield counts, math.prod(classes.shares[label] for label in labels)


@pytest.mark.parametrize("classes", truth.DISTRIBUTIONS, ids=lambda classes: classes.name)
def test_shares_sum_to_one_and_hill_numbers_fall_with_the_order(classes):
    assert math.fsum(classes.shares) == pytest.approx(1.0, abs=1e-12)
    d0, d1, d2 = (classes.hill(q) for q in (0, 1, 2))
    assert d0 >= d1 - 1e-9 and d1 >= d2 - 1e-9


def test_hill_numbers_of_equal_classes_are_their_number():
    assert [truth.UNIFORM_10.hill(q) for q in (0, 1, 2)] == pytest.approx([10, 10, 10], rel=1e-12)


def test_coverage_is_the_expected_share_of_the_classes_seen():
    expected = sum(chance * UNEVEN.p[counts > 0].sum() for counts, chance in samples(UNEVEN, 4))
    assert UNEVEN.coverage(4) == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize(
    ("q", "value"),
    [
        (0, lambda x: (x > 0).sum()),
        (1, lambda x: -sum(k / 4 * math.log(k / 4) for k in x if k)),
        (2, lambda x: ((x / 4) ** 2).sum()),
    ],
)
def test_rarefied_numbers_are_the_mean_over_every_sample(q, value):
    mean = sum(chance * value(counts) for counts, chance in samples(UNEVEN, 4))
    expected = {0: mean, 1: math.exp(mean), 2: 1 / mean}[q]
    assert UNEVEN.rarefied(q, 4) == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize("kinds", [NestedKinds(4, 3, 0.5), NestedKinds(3, 5, 0.8)])
def test_nested_kinds_collide_as_their_kernel_says(kinds):
    kernel = kinds.vectors @ kinds.vectors.T
    assert np.diag(kernel) == pytest.approx(1.0)
    assert kernel[0, 1] == pytest.approx(kinds.alike) and kernel[0, -1] == pytest.approx(0.0)
    assert kinds.collision == pytest.approx((kernel**2).mean(), rel=1e-12)
    spectrum = np.linalg.eigvalsh(kernel / len(kernel))
    assert kinds.vendi_1 == pytest.approx(math.exp(-(spectrum * np.log(spectrum)).sum()))


def test_duplicates_collide_as_a_large_sample_does():
    kinds = Duplicates(0.3, 8)
    rows = kinds.draw(np.random.default_rng(1), 200_000)
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    second = rows.T @ rows / len(rows)
    # The standard error of the copies' share, 0.001, is the largest part of what is left.
    assert kinds.collision == pytest.approx((second**2).sum(), abs=0.002)
    spectrum = np.linalg.eigvalsh(second)
    assert kinds.vendi_1 == pytest.approx(math.exp(-(spectrum * np.log(spectrum)).sum()), abs=0.01)


def test_the_expected_order_1_score_is_the_mean_over_every_sample():
    expected = sum(
        chance * vendi_1(np.repeat(np.eye(3), counts, axis=0))
        for counts, chance in samples(UNEVEN, 4)
    )
    assert expected_vendi_1(UNEVEN, 4) == pytest.approx(expected, rel=1e-9)


def test_average_precision_of_the_population_is_that_of_a_large_sample():
    rng = np.random.default_rng(1)
    labels = (rng.random(400_000) < 0.2).astype(float)
    ap, _ = average_precision(labels, rng.normal(size=labels.size) + 1.5 * labels)
    assert binormal_average_precision(0.2, 1.5) == pytest.approx(ap, abs=0.005)


def test_the_scope_of_single_samples_is_that_of_the_documentation():
    assert outside_sets(truth.UNIFORM_10, 20) == "n < 50"
    assert outside_sets(truth.UNIFORM_10, 50) is None
    assert outside_sets(truth.MODE_90, 200) == "largest share 0.9 > .8"
    assert outside_sets(truth.ZIPF_200, 200) == "coverage 0.77 < .95"
