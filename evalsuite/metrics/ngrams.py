"""N-gram diversity of a set of texts: distinct-n, and distinct adjusted for the texts' length."""

import math
from collections.abc import Hashable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import chain

import numpy as np
from numpy.typing import NDArray

GPT2_VOCAB_SIZE = 50257

Text = str | Sequence[Hashable]
"""A text, or the list of its tokens: words, or ids of a model's vocabulary."""


def kirk_tokens(text: str) -> list[str]:
    r"""Split a text as Kirk et al. (ICLR 2024) do.

    Every ``.`` and every newline is deleted (not replaced, so a newline glues its neighbours); then
    the text is split on the single space, and empty tokens are dropped. Case and all other
    punctuation stay.

    >>> kirk_tokens("a\nb  c. D,")
    ['ab', 'c', 'D,']
    """
    return [token for token in text.replace(".", "").replace("\n", "").split(" ") if token]


def truncated_texts(texts: Sequence[Text], *, n_words: int) -> list[Sequence[Hashable]]:
    """Cut every text to its first words, so that texts of several models have like lengths.

    Shorter texts stay as they are: n-gram diversity of what is returned is matched in length only
    as far as no text is shorter.

    Parameters
    ----------
    texts : sequence of str or of token lists
        Strings are split by `kirk_tokens`.
    n_words : int
        At least 1; for instance the median number of words of the model with the shortest texts.

    Returns
    -------
    list of token lists, in the order of the texts

    Raises
    ------
    ValueError
        If there is no text at all, or ``n_words`` < 1.

    Examples
    --------
    >>> truncated_texts(["I like to eat.", "No."], n_words=2)
    [['I', 'like'], ['No']]
    """
    if n_words < 1:
        raise ValueError(f"truncated_texts: n_words must be at least 1, got {n_words}")
    return [text[:n_words] for text in _tokenised(texts, "truncated_texts")]


def distinct_n(texts: Sequence[Text], *, n: int) -> float:
    """Share of a set's n-grams that are unique.

    Parameters
    ----------
    texts : sequence of str or of token lists
        Strings are split by `kirk_tokens`. N-grams do not cross texts.
    n : int
        Order, at least 1.

    Returns
    -------
    float, in [0, 1]
        0 where no text is long enough for an n-gram: that is the published protocol's value.

    Raises
    ------
    ValueError
        If there is no text at all, or n < 1.

    Notes
    -----
    Li et al. (2016); the set-wise form is that of Kirk et al. (ICLR 2024, arXiv 2310.06452).

    Examples
    --------
    >>> distinct_n(["i am going", "i am going", "lets go i i"], n=3)
    0.75
    """
    if n < 1:
        raise ValueError(f"distinct_n: the order must be at least 1, got {n}")
    return _distinct(*_count(_tokenised(texts, "distinct_n"), n))


def averaged_distinct(texts: Sequence[Text], *, max_order: int = 5) -> float:
    """Mean of `distinct_n` over the orders 1 to ``max_order``.

    An order without n-grams counts 0, as in the published protocol: texts shorter than
    ``max_order`` words pull the value down.

    Returns
    -------
    float, in [0, 1]

    Raises
    ------
    ValueError
        If there is no text at all, or ``max_order`` < 1.

    Examples
    --------
    >>> round(averaged_distinct(["i am going", "i am going", "lets go i i"]), 10)
    0.5928571429
    """
    _check_orders(max_order, GPT2_VOCAB_SIZE, "averaged_distinct")
    tokens = _tokenised(texts, "averaged_distinct")
    return math.fsum(_distinct(*_count(tokens, n)) for n in range(1, max_order + 1)) / max_order


def share_of_empty_orders(texts: Sequence[Text], *, max_order: int = 5) -> float:
    """Share of the orders 1 to ``max_order`` for which no text is long enough.

    Each counts 0 in `averaged_distinct` and `expectation_adjusted_distinct`.

    Examples
    --------
    >>> share_of_empty_orders(["a b c", "a"], max_order=5)
    0.4
    """
    _check_orders(max_order, GPT2_VOCAB_SIZE, "share_of_empty_orders")
    longest = max(len(text) for text in _tokenised(texts, "share_of_empty_orders"))
    return max(0, max_order - longest) / max_order


def expectation_adjusted_distinct(
    texts: Sequence[Text],
    *,
    max_order: int = 5,
    vocab_size: int = GPT2_VOCAB_SIZE,
    clip: bool = False,
    skip_empty_orders: bool = False,
) -> float:
    """Expectation-adjusted distinct (EAD), averaged over the orders 1 to ``max_order``.

    The unique n-grams of a set are divided by the number of different ones that as many uniform
    draws from a vocabulary would give, ``V (1 - ((V-1)/V)^C)``, and not by their total C.

    Parameters
    ----------
    texts : sequence of str or of token lists
        Strings are split by `kirk_tokens`.
    max_order : int
        At least 1. The mean is always over this many terms; an order without n-grams counts 0.
    vocab_size : int
        V, at least 2. The default is GPT-2's vocabulary, as published, although tokens are words.
    clip : bool
        Cut each order at 1, as arXiv 2604.16027 does; not comparable with the published protocol.
    skip_empty_orders : bool
        Average over the orders that have n-grams, so that short texts do not count as repetitive;
        0 where none has any.

    Returns
    -------
    float, at least 0
        Unless clipped, large sets without repetition exceed 1 (1.10 for 10,000 n-grams).

    Raises
    ------
    ValueError
        If there is no text at all, ``max_order`` < 1 or ``vocab_size`` < 2.

    Notes
    -----
    Liu et al. (ACL 2022, arXiv 2202.13587), as used by Kirk et al. (ICLR 2024, arXiv 2310.06452).

    Examples
    --------
    >>> round(expectation_adjusted_distinct(["i am going", "i am going", "lets go i i"]), 10)
    0.592879102
    """
    _check_orders(max_order, vocab_size, "expectation_adjusted_distinct")
    tokens = _tokenised(texts, "expectation_adjusted_distinct")
    counts = (_count(tokens, n) for n in range(1, max_order + 1))
    adjusted = [unique / _expected(c, vocab_size) for unique, c in counts if c]
    if clip:
        adjusted = [min(value, 1.0) for value in adjusted]
    n_orders = len(adjusted) if skip_empty_orders else max_order
    return math.fsum(adjusted) / max(n_orders, 1)


@dataclass(frozen=True)
class NgramDiversity:
    """N-gram diversity of several sets of texts, by order.

    Parameters
    ----------
    distinct, expectation_adjusted : array of shape (sets, max_order)
        Column ``n - 1`` holds order n; a row is NaN where the set has no text.
    is_empty : array of shape (sets, max_order), of bool
        Orders for which a set has no n-gram; both values are 0 there.
    skip_empty_orders : bool
        Whether the average of expectation-adjusted distinct leaves those out.
    """

    distinct: NDArray[np.float64]
    expectation_adjusted: NDArray[np.float64]
    is_empty: NDArray[np.bool_]
    skip_empty_orders: bool = False

    @property
    def averaged_distinct(self) -> NDArray[np.float64]:
        """As `averaged_distinct` of each set, shape (sets,)."""
        return np.asarray(self.distinct.mean(axis=1))

    @property
    def averaged_expectation_adjusted(self) -> NDArray[np.float64]:
        """As `expectation_adjusted_distinct` of each set, shape (sets,)."""
        if not self.skip_empty_orders:
            return np.asarray(self.expectation_adjusted.mean(axis=1))
        n_orders = np.maximum((~self.is_empty).sum(axis=1), 1)
        return np.asarray(self.expectation_adjusted.sum(axis=1) / n_orders)

    @classmethod
    def of_counts(
        cls,
        unique: NDArray[np.int64],
        total: NDArray[np.int64],
        *,
        vocab_size: int,
        clip: bool,
        skip_empty_orders: bool,
    ) -> "NgramDiversity":
        """From the numbers of unique and of all n-grams, both of shape (sets, max_order)."""
        # An order without n-grams has no unique ones either, so its quotient is the 0 it should be.
        at_least_one = np.maximum(total, 1)
        adjusted = unique / (-vocab_size * np.expm1(at_least_one * math.log1p(-1 / vocab_size)))
        return cls(
            distinct=np.asarray(unique / at_least_one),
            expectation_adjusted=np.minimum(adjusted, 1.0) if clip else np.asarray(adjusted),
            is_empty=np.asarray(total == 0),
            skip_empty_orders=skip_empty_orders,
        )


def leave_one_out_ngram_diversity(
    groups: Sequence[Sequence[Text]],
    *,
    max_order: int = 5,
    vocab_size: int = GPT2_VOCAB_SIZE,
    clip: bool = False,
    skip_empty_orders: bool = False,
) -> NgramDiversity:
    """N-gram diversity of the pooled texts with each group left out in turn, for a jackknife.

    One pass over the n-grams: what a group takes with it when it leaves are its n-grams and, of the
    unique ones, those that occur nowhere else.

    Parameters
    ----------
    groups : sequence of sequences of str or of token lists
        The texts of each cluster; a group may be empty.
    max_order, vocab_size, clip, skip_empty_orders
        As in `expectation_adjusted_distinct`.

    Returns
    -------
    NgramDiversity
        Row g is the diversity of all groups but g; NaN where no text remains.

    Raises
    ------
    ValueError
        If there is no text at all, ``max_order`` < 1 or ``vocab_size`` < 2.

    Examples
    --------
    >>> left = leave_one_out_ngram_diversity([["a b"], ["a c"], ["a b"]], max_order=1)
    >>> left.distinct.round(3).tolist()
    [[0.75], [0.5], [0.75]]
    """
    _check_orders(max_order, vocab_size, "leave_one_out_ngram_diversity")
    tokens = [_tokenised(group, "", empty=True) for group in groups]
    n_texts = np.array([len(group) for group in tokens], dtype=np.int64)
    if not n_texts.sum():
        raise ValueError("leave_one_out_ngram_diversity: no texts")
    unique, total = _left_out_counts(tokens, max_order)
    found = NgramDiversity.of_counts(
        unique, total, vocab_size=vocab_size, clip=clip, skip_empty_orders=skip_empty_orders
    )
    nothing_left = (n_texts.sum() == n_texts)[:, np.newaxis]
    return replace(
        found,
        distinct=np.where(nothing_left, np.nan, found.distinct),
        expectation_adjusted=np.where(nothing_left, np.nan, found.expectation_adjusted),
    )


def _left_out_counts(
    groups: Sequence[Sequence[Sequence[Hashable]]], max_order: int
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Unique and total n-grams without each group, both of shape (groups, max_order)."""
    texts = [text for group in groups for text in group]
    numbers: dict[Hashable, int] = {}
    words = _integers(numbers.setdefault(w, len(numbers)) for w in chain.from_iterable(texts))
    lengths = _integers(len(text) for text in texts)
    group_of_text = np.repeat(np.arange(len(groups)), [len(group) for group in groups])
    # For each place in the joined texts: its group, and how many words its text still has.
    group = np.repeat(group_of_text, lengths)
    left = np.repeat(np.cumsum(lengths), lengths) - np.arange(words.size)
    unique = np.empty((len(groups), max_order), dtype=np.int64)
    total = np.empty_like(unique)
    start, gram = np.arange(words.size), words
    for n in range(1, max_order + 1):
        if n > 1:
            # An n-gram is the (n-1)-gram at its start and one more word: exact, not a hash.
            longer = left[start] >= n
            start = start[longer]
            gram = gram[longer] * len(numbers) + words[start + n - 1]
        _, gram, occurrences = np.unique(gram, return_inverse=True, return_counts=True)
        pairs, in_group = np.unique(group[start] * occurrences.size + gram, return_counts=True)
        owner, kind = np.divmod(pairs, max(occurrences.size, 1))
        only_here = in_group == occurrences[kind]
        unique[:, n - 1] = occurrences.size - np.bincount(owner[only_here], minlength=len(groups))
        total[:, n - 1] = start.size - np.bincount(group[start], minlength=len(groups))
    return unique, total


def _integers(values: Iterable[int]) -> NDArray[np.int64]:
    return np.fromiter(values, dtype=np.int64)


def _check_orders(max_order: int, vocab_size: int, caller: str) -> None:
    if max_order < 1:
        raise ValueError(f"{caller}: max_order must be at least 1, got {max_order}")
    if vocab_size < 2:
        raise ValueError(f"{caller}: vocab_size must be at least 2, got {vocab_size}")


def _tokenised(
    texts: Sequence[Text], caller: str, *, empty: bool = False
) -> list[Sequence[Hashable]]:
    if isinstance(texts, str):
        raise ValueError(f"{caller}: expected a sequence of texts, got one text")
    tokens = [kirk_tokens(text) if isinstance(text, str) else text for text in texts]
    if not tokens and not empty:
        raise ValueError(f"{caller}: no texts")
    return tokens


def _count(texts: Sequence[Sequence[Hashable]], n: int) -> tuple[int, int]:
    """Unique and total n-grams."""
    unique: set[tuple[Hashable, ...]] = set()
    total = 0
    for text in texts:
        unique.update(_ngrams(text, n))
        total += max(0, len(text) - n + 1)
    return len(unique), total


def _ngrams(text: Sequence[Hashable], n: int) -> Iterator[tuple[Hashable, ...]]:
    return zip(*(text[i:] for i in range(n)), strict=False)


def _distinct(unique: int, total: int) -> float:
    return unique / total if total else 0.0


def _expected(total: int, vocab_size: int) -> float:
    """Different values among ``total`` uniform draws; exact also where total << vocab_size."""
    return -vocab_size * math.expm1(total * math.log1p(-1 / vocab_size))
