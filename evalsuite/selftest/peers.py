"""What other suites and common practice do, named by method and run on the same draws."""

import math
from collections.abc import Callable

import numpy as np

from evalsuite.selftest.cells import Answers, FloatArray, IntArray, points, without_warnings

Z = 1.959963984540054

PERCENTILE = "percentile bootstrap of the plug-in"
IGNORING_CLUSTERS = "normal interval, every sample independent"
SD_OVER_ROOT_B = "bootstrap standard deviation divided by sqrt(B)"
WALD = "Wald interval"
NAIVE_JUDGE = "uncorrected judge share, Wald interval"
NAIVE_ENTROPY = "plug-in entropy of the uncorrected judge shares, no interval"
SAMPLE_PERCENTILES = "percentile bootstrap over samples, clusters ignored"
PLUG_IN_MEAN = "mean plug-in entropy, normal interval"
UNPAIRED = "two separate standard errors, unpaired"
ONE_RUN = "standard error over prompts, seeds ignored"
VENDI_1 = "order-1 Vendi score of the sample, no interval"
RAW_GAP = "largest less smallest group mean, no null"
RAW_DISTANCE = "squared distance of the observed shares"
OBSERVED_CLASSES = "number of classes seen, no interval"

N_BOOT = 200
_CELLS = 2_000_000  # bootstrap counts held at once


def normal_mean(values: FloatArray) -> Answers:
    """Mean +- 1.96 sd/sqrt(n) of each row, whatever the samples have in common.

    Parameters
    ----------
    values : array of shape (runs, n)
    """
    mean = values.mean(axis=1)
    half = Z * values.std(axis=1, ddof=1) / math.sqrt(values.shape[1])
    return without_warnings(mean, mean - half, mean + half)


def over_root_b(values: FloatArray, rng: np.random.Generator) -> Answers:
    """Mean +- 1.96 times the standard deviation over B bootstrap means, divided by sqrt(B)."""
    runs, n = values.shape
    mean, half = values.mean(axis=1), np.empty(runs)
    for run, row in enumerate(values):
        means = row[rng.integers(0, n, size=(N_BOOT, n))].mean(axis=1)
        half[run] = Z * means.std(ddof=1) / math.sqrt(N_BOOT)
    return without_warnings(mean, mean - half, mean + half)


def wald(successes: IntArray, n: int) -> Answers:
    """``p +- 1.96 sqrt(p(1-p)/n)``; no width at all where all trials agree."""
    p = successes / n
    half = Z * np.sqrt(p * (1 - p) / n)
    return without_warnings(p, p - half, p + half)


def unpaired(a: FloatArray, b: FloatArray) -> Answers:
    """Difference of means with the standard error of two unrelated samples."""
    n = a.shape[1]
    difference = a.mean(axis=1) - b.mean(axis=1)
    half = Z * np.sqrt((a.var(axis=1, ddof=1) + b.var(axis=1, ddof=1)) / n)
    return without_warnings(difference, difference - half, difference + half)


def percentile_plug_in(
    counts: IntArray,
    plug_in: Callable[[IntArray], FloatArray],
    rng: np.random.Generator,
) -> Answers:
    """Plug-in of each row of counts with the percentiles of 200 bootstrap samples of the sample."""
    n, matrix = counts.sum(axis=1), counts[:, counts.any(axis=0)]
    low, high = np.empty(len(matrix)), np.empty(len(matrix))
    step = max(1, _CELLS // (N_BOOT * matrix.shape[1]))
    for start in range(0, len(matrix), step):
        part = slice(start, start + step)
        shares = matrix[part] / n[part, None]
        drawn = rng.multinomial(n[part, None], shares[:, None, :], size=(shares.shape[0], N_BOOT))
        values = plug_in(drawn.reshape(-1, matrix.shape[1])).reshape(-1, N_BOOT)
        low[part], high[part] = np.quantile(values, [0.025, 0.975], axis=1)
    return without_warnings(plug_in(matrix), low, high)


def percentiles_over_samples(
    values: FloatArray, statistic: Callable[[FloatArray], FloatArray], rng: np.random.Generator
) -> Answers:
    """A statistic of each row with the percentiles of 200 bootstrap samples of single values.

    Parameters
    ----------
    values : array of shape (runs, n)
    statistic : function of an array of shape (rows, n)
    rng : numpy Generator
    """
    runs, n = values.shape
    ends = np.empty((runs, 2))
    for run, row in enumerate(values):
        drawn = statistic(row[rng.integers(0, n, size=(N_BOOT, n))])
        ends[run] = np.quantile(drawn, [0.025, 0.975])
    return without_warnings(statistic(values), ends[:, 0], ends[:, 1])


def plug_in_inverse_simpson(counts: IntArray) -> FloatArray:
    """``1 / sum (x/n)^2``.

    >>> plug_in_inverse_simpson(np.array([[2, 2], [4, 0]])).tolist()
    [2.0, 1.0]
    """
    n = counts.sum(axis=1)
    return np.asarray(n**2 / np.square(counts).sum(axis=1))


def classes_seen(counts: IntArray) -> Answers:
    """The number of classes seen."""
    return points((counts > 0).sum(axis=1).astype(np.float64))


def vendi_1(features: FloatArray) -> float:
    """Order-1 Vendi score of one sample: exp of the entropy of the eigenvalues of K/n.

    >>> round(vendi_1(np.eye(4)), 6)
    4.0
    """
    rows = features / np.linalg.norm(features, axis=1, keepdims=True)
    gram = rows @ rows.T if len(rows) <= rows.shape[1] else rows.T @ rows
    spectrum = np.linalg.eigvalsh(gram) / len(rows)
    spectrum = spectrum[spectrum > 1e-12]
    return float(np.exp(-(spectrum * np.log(spectrum)).sum()))


def squared_distance(counts: IntArray, target: FloatArray) -> FloatArray:
    """``sum (x/n - t)^2`` of each row."""
    shares = counts / counts.sum(axis=-1, keepdims=True)
    return np.asarray(np.square(shares - target).sum(axis=-1))
