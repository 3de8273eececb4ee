"""From logits and uniforms to tokens.

The distribution is cut in the order of transformers' processors: temperature, top-k, top-p, min-p;
each sees what the one before left. A token is then drawn by inverse CDF in float64 from one uniform
per (sample, step), one bit of its id after the other: first whether the id is even or odd, then its
second lowest bit, and so on. The uniform's own bits are spread over these choices by SplitMix64.

Why bit by bit: other batch shapes round logits differently, by a relative e of about 1e-5 in the
probabilities. One inverse CDF over the whole vocabulary has tens of thousands of boundaries that
all move by about e, many of them closer together than that: about one token in a thousand came out
different. Bit by bit, only as many boundaries matter as a token id has bits. And why spread: the
rest of a uniform below a boundary, scaled up for the next choice, would carry e along and grow it.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from evalsuite.requests import Decoding

# Rows whose float64 weights stand in memory at once; more of them leave the CPU caches.
_ROWS_AT_ONCE = 16
# Tokens among which a nucleus is sought before the whole vocabulary is sorted.
_NUCLEUS = 1024


def n_token_bits(vocabulary: int) -> int:
    """Bits that number every token.

    >>> n_token_bits(2), n_token_bits(50257)
    (1, 16)
    """
    return max(1, (vocabulary - 1).bit_length())


def spread(chances: NDArray[np.float64], n: int) -> NDArray[np.float64]:
    """Make ``n`` uniforms of each: SplitMix64 (Steele et al. 2014), seeded with its 53 bits.

    Parameters
    ----------
    chances : array of shape (m,)
        Uniforms in [0, 1).

    Returns
    -------
    array of shape (m, n), in [0, 1)

    Examples
    --------
    >>> spread(np.array([0.0]), 3).round(6).tolist()
    [[0.883311, 0.431528, 0.026434]]
    """
    seeds = (chances * 2.0**53).astype(np.uint64)[:, np.newaxis]
    state = seeds + np.arange(1, n + 1, dtype=np.uint64) * np.uint64(0x9E3779B97F4A7C15)
    state = (state ^ (state >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    state = (state ^ (state >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return np.asarray(((state ^ (state >> np.uint64(31))) >> np.uint64(11)) * 2.0**-53)


def draw(
    logits: Any, decodings: Sequence[Decoding], chances: NDArray[np.float64]
) -> list[int | None]:
    """Choose one token a row.

    Parameters
    ----------
    logits : tensor of shape (n, vocabulary)
    decodings : sequence of n Decoding
    chances : array of shape (n,)
        Uniforms in [0, 1).

    Returns
    -------
    list of n token ids; None where a row's largest logit is not finite, so that there is no
    distribution (a NaN, +inf, or all -inf).
    """
    tokens: list[int | None] = [None] * len(decodings)
    groups: dict[tuple[float, int, float, float], list[int]] = {}
    for i, d in enumerate(decodings):
        groups.setdefault((d.temperature, d.top_k, d.top_p, d.min_p), []).append(i)
    for members in groups.values():
        for start in range(0, len(members), _ROWS_AT_ONCE):
            chunk = members[start : start + _ROWS_AT_ONCE]
            part = logits if len(chunk) == len(logits) else logits[chunk]
            chosen = _draw_alike(part, decodings[chunk[0]], chances[chunk])
            for i, token in zip(chunk, chosen, strict=True):
                tokens[i] = token
    return tokens


def _draw_alike(logits: Any, decoding: Decoding, chances: NDArray[np.float64]) -> list[int | None]:
    is_finite = logits.amax(dim=-1).isfinite()
    if decoding.temperature == 0.0:
        chosen = logits.argmax(dim=-1)
    else:
        chosen = choose_by_bits(
            weights(logits, decoding),
            torch.from_numpy(spread(chances, n_token_bits(logits.shape[-1]))).to(logits.device),
        )
    pairs = zip(chosen.tolist(), is_finite.tolist(), strict=True)
    return [token if ok else None for token, ok in pairs]


def weights(logits: Any, decoding: Decoding) -> Any:
    """Unnormalised probabilities after temperature, top-k, top-p and min-p.

    Parameters
    ----------
    logits : tensor of shape (n, vocabulary)
    decoding : Decoding
        With a temperature above 0.

    Returns
    -------
    float64 tensor of shape (n, vocabulary); the likeliest token has 1, a token that was cut 0.
    """
    weight = logits.to(torch.float64, copy=True)
    weight.sub_(weight.amax(dim=-1, keepdim=True))
    if decoding.temperature != 1.0:
        weight.div_(decoding.temperature)
    weight.exp_()
    if 0 < decoding.top_k < weight.shape[-1]:
        least = weight.topk(decoding.top_k, dim=-1).values[:, -1:]
        weight.masked_fill_(weight < least, 0.0)
    if decoding.top_p < 1.0:
        weight.masked_fill_(weight < _least_in_nucleus(weight, decoding.top_p), 0.0)
    if decoding.min_p > 0.0:
        weight.masked_fill_(weight < decoding.min_p, 0.0)
    return weight


def _least_in_nucleus(weight: Any, top_p: float, n_top: int = _NUCLEUS) -> Any:
    """Weight of the last token that is needed to reach the mass ``top_p``, for each row.

    Tokens that tie with it stay too.
    """
    needed = top_p * weight.sum(dim=-1, keepdim=True)
    top = weight.topk(min(n_top, weight.shape[-1]), dim=-1).values
    mass = top.cumsum(dim=-1)
    n_kept = (mass - top < needed).sum(dim=-1, keepdim=True).clamp_(min=1)
    least = top.gather(-1, n_kept - 1)
    is_wider = (mass[:, -1:] < needed)[:, 0]
    if top.shape[-1] < weight.shape[-1] and bool(is_wider.any()):
        least[is_wider] = _least_in_nucleus(weight[is_wider], top_p, weight.shape[-1])
    return least


def choose_by_bits(weight: Any, chances: Any) -> Any:
    """Inverse CDF, one bit of the token id after the other.

    Parameters
    ----------
    weight : float64 tensor of shape (n, vocabulary)
        Unnormalised probabilities.
    chances : float64 tensor of shape (n, n_token_bits(vocabulary))
        Uniforms in [0, 1), the one of the lowest bit first.

    Returns
    -------
    tensor of n token ids
    """
    n, vocabulary = weight.shape
    n_bits = chances.shape[-1]
    mass = torch.nn.functional.pad(weight, (0, (1 << n_bits) - vocabulary))
    levels = []  # level k: mass of all tokens that share their lowest n_bits - k bits
    for _ in range(n_bits):
        levels.append(mass)
        lower, upper = mass.chunk(2, dim=-1)
        mass = lower + upper
    row = torch.arange(n, device=weight.device)
    token = torch.zeros(n, dtype=torch.long, device=weight.device)
    for bit, level in enumerate(reversed(levels)):
        lower, upper = level[row, token], level[row, token + (1 << bit)]
        # A branch of no mass is never taken, whatever the rounding of the product.
        is_set = (chances[:, bit] * (lower + upper) >= lower) & (upper > 0)
        token += is_set.long() << bit
    return token
