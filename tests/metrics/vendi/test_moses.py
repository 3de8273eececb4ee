"""Published scores of molecules: fingerprints of the MOSES test split under Tanimoto."""

import gzip
from pathlib import Path

import numpy as np
import pytest

from evalsuite.metrics.hill import internal_diversity
from evalsuite.metrics.vendi import (
    tanimoto_kernel,
    vendi_score_from_kernel,
    vendi_scores_from_kernel,
)

pytestmark = pytest.mark.published

# Rows in file order: VS of orders 0.1, 0.5, 1, 2, inf; IntDiv.
SCORES = {
    250: ((239.7485, 194.1923, 126.2831, 32.405, 6.2283), 0.843972),
    500: ((474.2507, 362.7057, 207.0228, 37.3494, 6.5658), 0.851754),
    1000: ((937.1631, 670.3357, 325.4903, 40.6104, 6.7585), 0.855701),
    1500: ((1391.7165, 942.3414, 403.9298, 40.7487, 6.7325), 0.855081),
    2500: ((2288.4571, 1435.5618, 515.3826, 40.5336, 6.6857), 0.854064),
}


def molecules(folder: Path) -> list[tuple[str, str]]:
    """SMILES and fingerprint of each molecule."""
    with gzip.open(folder / "vendi" / "moses_test_first2500.tsv.gz", "rt") as lines:
        header = next(lines).rstrip("\n").split("\t")
        assert header[0] == "smiles"
        rows = [line.rstrip("\n").split("\t") for line in lines]
    return [(row[0], row[1]) for row in rows]


def bits(rows: list[tuple[str, str]]) -> np.ndarray:
    packed = np.frombuffer(bytes.fromhex("".join(row[1] for row in rows)), dtype=np.uint8)
    return np.unpackbits(packed.reshape(len(rows), 128), axis=1)


@pytest.fixture(scope="module")
def cache() -> dict[str, np.ndarray]:
    return {}


@pytest.fixture
def kernel(published_data: Path, cache: dict[str, np.ndarray]) -> np.ndarray:
    if not cache:
        cache["kernel"] = tanimoto_kernel(bits(molecules(published_data)))
    return cache["kernel"]


@pytest.mark.parametrize("n", SCORES)
def test_the_first_molecules_have_their_scores(kernel, n):
    scores, intdiv = SCORES[n]
    part = kernel[:n, :n]
    assert vendi_scores_from_kernel(part).values == pytest.approx(scores, abs=5.1e-5)
    assert vendi_score_from_kernel(part, q=2) == pytest.approx(scores[3], abs=5.1e-5)
    assert internal_diversity(part) == pytest.approx(intdiv, abs=5.1e-7)


def test_the_published_scores_of_the_original_molecules_come_from_the_first_1500(kernel):
    part = kernel[:1500, :1500]
    assert round(vendi_score_from_kernel(part), 1) == 403.9
    assert round(internal_diversity(part), 3) == 0.855


def test_the_published_scores_of_250_come_from_the_first_by_name(published_data):
    part = tanimoto_kernel(bits(sorted(molecules(published_data)[:1500])[:250]))
    score, intdiv = vendi_score_from_kernel(part), internal_diversity(part)
    assert score == pytest.approx(127.6922, abs=5.1e-5)
    assert intdiv == pytest.approx(0.846629, abs=5.1e-7)
    assert (round(score, 1), round(intdiv, 3)) == (127.7, 0.847)
