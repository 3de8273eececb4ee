"""Diversity by natural language inference: how far the texts of a set follow from each other."""

import math
from collections.abc import Mapping
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

FloatArray = NDArray[np.float64]
NliVariant = Literal["kirk", "released", "olmo"]

NLI_LABELS = ("entailment", "neutral", "contradiction")
"""Order of the probabilities."""

NLI_RANGES: dict[NliVariant, tuple[float, float]] = {
    "kirk": (-2.0, 2.0),
    "released": (-1.0, 3.0),
    "olmo": (0.0, 2.0),
}
"""Least and greatest value of each variant."""

_WEIGHTS = np.array([-1.0, 0.0, 1.0])
_SLACK = 1e-3  # a classifier in half precision sums to one only about so well


def nli_weights(probabilities: ArrayLike) -> FloatArray:
    """Weight of the likeliest label times its probability: -1, 0 or +1 times p.

    Parameters
    ----------
    probabilities : array of shape (..., 3)
        Of `NLI_LABELS`, in that order. Of labels that tie the first counts.

    Returns
    -------
    array of shape (...,), in [-1, 1]

    Examples
    --------
    >>> nli_weights([[0.7, 0.2, 0.1], [0.1, 0.8, 0.1], [0.2, 0.2, 0.6]])
    array([-0.7,  0. ,  0.6])
    """
    read = _read(probabilities, "nli_weights")
    best = read.argmax(axis=-1)
    top = np.take_along_axis(read, best[..., None], axis=-1)[..., 0]
    return np.asarray(_WEIGHTS[best] * top)


def nli_diversity(probabilities: ArrayLike, *, variant: NliVariant = "kirk") -> float:
    """How far the texts of a set are from following from each other.

    Parameters
    ----------
    probabilities : array of shape (n, n, 3), n >= 2
        ``[i, j]`` holds the probabilities of `NLI_LABELS` for premise i and hypothesis j; the
        diagonal is not looked at.
    variant : {"kirk", "released", "olmo"}
        ``kirk``: mean over i < j of the two directions' `nli_weights`, added; identical texts
        approach -2, neutral ones are 0. ``released``: 1 - that, as the published code has it,
        where its name says the opposite. ``olmo``: 1 - mean of P(entailment) - P(contradiction)
        over both directions; 0 entailed, 1 neutral, 2 contradicted.

    Returns
    -------
    float, in `NLI_RANGES`

    Raises
    ------
    ValueError
        If the shape is another or the numbers off the diagonal are no probabilities.

    Notes
    -----
    Kirk et al. (ICLR 2024, arXiv 2310.06452) after Stasaski and Hearst (2022). Their printed values
    (-1.54) fit ``kirk`` only. ``olmo``: arXiv 2604.16027.

    Examples
    --------
    >>> same = np.zeros((2, 2, 3)); same[..., 0] = 1.0
    >>> [nli_diversity(same, variant=v) for v in ("kirk", "released", "olmo")]
    [-2.0, 3.0, 0.0]
    """
    caller = "nli_diversity"
    if variant not in NLI_RANGES:
        raise ValueError(f"{caller}: variant must be one of {sorted(NLI_RANGES)}, got {variant!r}")
    given = np.asarray(probabilities, dtype=np.float64)
    n = len(given) if given.ndim else 0
    if given.shape != (n, n, 3) or n < 2:
        raise ValueError(f"{caller}: expected shape (n, n, 3) with n >= 2, got {given.shape}")
    off_diagonal = _read(given[~np.eye(n, dtype=bool)], caller)
    if variant == "olmo":
        return float(1.0 - np.mean(off_diagonal[:, 0] - off_diagonal[:, 2]))
    # The sum of both directions, averaged over unordered pairs, is twice the mean of all.
    mean = 2.0 * float(nli_weights(off_diagonal).mean())
    return mean if variant == "kirk" else 1.0 - mean


def nli_diversity_of_sentences(
    verdicts: Mapping[tuple[int, int], ArrayLike], *, variant: NliVariant = "kirk"
) -> float:
    """`nli_diversity` where several pairs of sentences stand for each pair of texts.

    The scores of a pair's sentences are averaged first, then those of the pairs, so that a pair
    with more sentences counts no more than another.

    Parameters
    ----------
    verdicts : mapping from (premise, hypothesis) to an array of shape (sentence pairs, 3)
        Places of two different texts, both orders of each two texts, and the probabilities of
        `NLI_LABELS` for each of their pairs of sentences, at least one.
    variant : {"kirk", "released", "olmo"}

    Returns
    -------
    float, in `NLI_RANGES`

    Raises
    ------
    ValueError
        If there is no pair, an order lacks its other, or the numbers are no probabilities.

    Notes
    -----
    As Kirk et al. (ICLR 2024) describe it. Deviation: their code divides the sum of a pair's scores
    by their number and averages over them again, and samples characters in place of sentences.

    Examples
    --------
    >>> entailed, neutral = [1.0, 0.0, 0.0], [0.0, 1.0, 0.0]
    >>> nli_diversity_of_sentences({(0, 1): [entailed, neutral], (1, 0): [neutral, neutral]})
    -0.5
    """
    caller = "nli_diversity_of_sentences"
    if variant not in NLI_RANGES:
        raise ValueError(f"{caller}: variant must be one of {sorted(NLI_RANGES)}, got {variant!r}")
    lacking = [pair for pair in verdicts if pair[0] == pair[1] or pair[::-1] not in verdicts]
    if lacking or not verdicts:
        raise ValueError(f"{caller}: expected both orders of different texts, got {lacking[:5]}")
    scores = []
    for own in verdicts.values():
        read = _read(own, caller)
        if read.ndim != 2:
            raise ValueError(f"{caller}: expected shape (sentence pairs, 3), got {read.shape}")
        weights = read[:, 2] - read[:, 0] if variant == "olmo" else nli_weights(read)
        scores.append(float(weights.mean()))
    mean = math.fsum(scores) / len(scores)
    if variant == "olmo":
        return 1.0 + mean
    return 2.0 * mean if variant == "kirk" else 1.0 - 2.0 * mean


def _read(probabilities: ArrayLike, caller: str) -> FloatArray:
    read = np.asarray(probabilities, dtype=np.float64)
    if read.ndim < 1 or read.shape[-1] != 3 or not read.size:
        raise ValueError(f"{caller}: expected 3 probabilities a pair, got shape {read.shape}")
    is_bad = ~(np.isfinite(read).all(axis=-1) & (read >= -_SLACK).all(axis=-1))
    is_bad |= ~(np.abs(read.sum(axis=-1) - 1.0) <= _SLACK)
    if is_bad.any():
        first = read.reshape(-1, 3)[np.flatnonzero(is_bad.ravel())[0]]
        raise ValueError(f"{caller}: {is_bad.sum()} pairs have no probabilities, first {first}")
    return read
