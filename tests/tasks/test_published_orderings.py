"""Published per-input diversities of post-training stages, held against what our metrics imply."""

import csv
from pathlib import Path

import numpy as np
import pytest
from scipy import stats

from evalsuite.metrics import NLI_RANGES, vendi_score_from_kernel

K = 16
pytestmark = pytest.mark.published


@pytest.fixture
def values(published_data: Path) -> dict[tuple[str, str, str], float]:
    """Published values by metric, model and task."""
    file = published_data / "rlhf_diversity" / "olmo3_per_input_diversity.csv"
    with file.open(encoding="utf-8") as lines:
        rows = list(csv.DictReader(lines))
    assert {row["k"] for row in rows} == {str(K)}
    return {(r["metric"], r["model"], r["task"]): float(r["value"]) for r in rows}


def most_diverse(distance: float) -> float:
    """Vendi score of 16 answers of that mean cosine distance, all equally far apart.

    No other answers of that mean distance have a higher one: the largest eigenvalue is at least
    their mean similarity, and the others are most even here.
    """
    kernel = np.full((K, K), 1.0 - distance)
    np.fill_diagonal(kernel, 1.0)
    return vendi_score_from_kernel(kernel)


def test_no_published_vendi_score_is_above_what_its_distance_allows(values):
    pairs = [(v, values["sbert", *where]) for (m, *where), v in values.items() if m == "vendi"]
    assert len(pairs) > 40
    for vendi, distance in pairs:
        # Printed to .1 and .001, and means over prompts.
        assert 1.0 <= vendi <= most_diverse(distance + 0.0005) + 0.05


def test_the_stages_lose_diversity_on_summaries_and_ead_says_the_opposite(values):
    stages = ["Base", "Instruct-SFT", "Instruct-DPO"]
    for metric in ("sbert", "vendi"):
        base, sft, dpo = (values[metric, stage, "TL;DR"] for stage in stages)
        assert base > sft > dpo
    assert values["ead", "Base", "TL;DR"] < values["ead", "Instruct-DPO", "TL;DR"]


def test_distance_and_vendi_rank_models_alike_on_every_task(values):
    for task in {where[1] for _, *where in values}:
        models = sorted({m for metric, m, t in values if metric == "sbert" and t == task})
        pair = [[values[metric, m, task] for m in models] for metric in ("sbert", "vendi")]
        assert stats.spearmanr(*pair).statistic > 0.85, task


def test_published_values_lie_in_our_ranges(values):
    low, high = NLI_RANGES["olmo"]
    for (metric, *_), value in values.items():
        if metric == "nli":
            assert low <= value <= high
        if metric == "ead":  # clipped there
            assert 0.0 <= value <= 1.0
