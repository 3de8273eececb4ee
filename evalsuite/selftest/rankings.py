"""Cells of average precision and of correlations."""

import math
from functools import partial

import numpy as np

from evalsuite.selftest.cells import Cell, Outcome, answers_of
from evalsuite.selftest.means import CLUSTER_SIZE, clusters_of
from evalsuite.stats.average_precision import FEW_POSITIVES, average_precision_interval
from evalsuite.stats.correlation import Kind, correlation_interval

SHIFT = 1.5
"""How far the scores of positives lie above those of negatives, both of variance 1."""

CORRELATION = 0.6


def average_precision_cells() -> list[Cell]:
    """`average_precision_interval` of scores that tell two normal populations apart."""
    return [
        Cell("average precision", f"binormal, {share:.0%} positives", f"n = {n}",
             binormal_average_precision(share, SHIFT), partial(_precision, share, n),
             outside=None if n * share >= FEW_POSITIVES else "few positives")
        for share in (0.1, 0.5)
        for n in (50, 200, 1000)
    ]  # fmt: skip


def correlation_cells() -> list[Cell]:
    """`correlation_interval` of normal pairs, alone and in clusters of 5."""
    true: dict[Kind, float] = {
        "pearson": CORRELATION,
        "spearman": 6 / math.pi * math.asin(CORRELATION / 2),
        "kendall": 2 / math.pi * math.asin(CORRELATION),
    }
    single = [
        Cell(f"correlation, {kind.capitalize()}", "normal pairs", f"n = {n}", at,
             partial(_correlation, kind, n, False))
        for kind, at in true.items()
        for n in (20, 50, 200)
        if kind == "pearson" or n <= 50  # the others take time that grows with n^2
    ]  # fmt: skip
    clustered = [
        Cell("correlation, Pearson", "normal pairs, clusters of 5, ICC .3", f"{g} clusters",
             CORRELATION, partial(_correlation, "pearson", g, True))
        for g in (12, 40)
    ]  # fmt: skip
    return single + clustered


def binormal_average_precision(share: float, shift: float) -> float:
    """Area under precision over recall of the whole population.

    >>> round(binormal_average_precision(0.3, 0.0), 6)
    0.3
    """
    from scipy.integrate import quad
    from scipy.special import ndtr, ndtri

    def precision(recall: float) -> float:
        true = share * recall
        return float(true / (true + (1 - share) * ndtr(ndtri(recall) - shift)))

    return float(quad(precision, 0.0, 1.0, limit=200)[0])


def _precision(share: float, n: int, rng: np.random.Generator, runs: int) -> Outcome:
    labels = (rng.random((runs, n)) < share).astype(np.float64)
    scores = rng.normal(size=(runs, n)) + SHIFT * labels
    return Outcome(
        answers_of(average_precision_interval(y, s) for y, s in zip(labels, scores, strict=True))
    )


def _correlation(
    kind: Kind, n: int, is_clustered: bool, rng: np.random.Generator, runs: int
) -> Outcome:
    labels = clusters_of(n) if is_clustered else list(range(n))

    def pairs(size: int) -> np.ndarray:
        x, y = rng.normal(size=(2, runs, size))
        return np.stack([x, CORRELATION * x + math.sqrt(1 - CORRELATION**2) * y])

    data = pairs(len(labels))
    if is_clustered:
        data = math.sqrt(0.7) * data + math.sqrt(0.3) * np.repeat(pairs(n), CLUSTER_SIZE, axis=2)
    clusters = labels if is_clustered else None
    return Outcome(
        answers_of(
            correlation_interval(x, y, kind=kind, clusters=clusters)
            for x, y in zip(*data, strict=True)
        )
    )
