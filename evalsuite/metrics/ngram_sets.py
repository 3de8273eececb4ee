"""N-gram diversity of many sets of texts at once, such as the answers to each prompt."""

from collections import defaultdict
from collections.abc import Hashable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import chain

import numpy as np
from numpy.typing import NDArray

from evalsuite.metrics.ngrams import GPT2_VOCAB_SIZE, NgramDiversity, Text, kirk_tokens

Integers = NDArray[np.int64]
Unsigned = NDArray[np.uint64]

_CHARACTERS_AT_ONCE = 1 << 17  # so that what is made of them stays in the cache
_SLOTS = 1 << 18  # of the hash table, enough for a part; one set that is larger makes its own
_WORD = 8  # bytes of an unsigned integer
_MASKS = np.array([(1 << (8 * i)) - 1 for i in range(_WORD + 1)], dtype=np.uint64)
# Odd, with bits all over: from the digits of pi.
_FACTORS = tuple(
    np.uint64(digits)
    for digits in (
        0x243F6A8885A308D3, 0x13198A2E03707345, 0xA4093822299F31D1, 0x082EFA98EC4E6C89,
        0x452821E638D01377, 0xBE5466CF34E90C6D, 0xC0AC29B7C97C50DD, 0x3F84D5B5B5470917,
    )
)  # fmt: skip
_OF_SETS, _OF_PIECES = np.uint64(0x9216D5D98979FB1B), np.uint64(0xD1310BA698DFB5AD)


def ngram_diversity_of_sets(
    sets: Sequence[Sequence[Text]],
    *,
    max_order: int = 5,
    vocab_size: int = GPT2_VOCAB_SIZE,
    clip: bool = False,
    skip_empty_orders: bool = False,
) -> NgramDiversity:
    """`distinct_n` and `expectation_adjusted_distinct` of every order for each of many sets.

    Parameters
    ----------
    sets : sequence of sequences of str or of token lists
        No set may be without a text.
    max_order, vocab_size, clip, skip_empty_orders
        As in `expectation_adjusted_distinct`.

    Returns
    -------
    NgramDiversity
        A row a set; the same numbers as of each set by itself.

    Raises
    ------
    ValueError
        If a set has no text, ``max_order`` < 1 or ``vocab_size`` < 2.

    Notes
    -----
    Words are read as integers and equal n-grams found by a hash table whose every match is
    verified: exact counts. An n-gram can occur twice only where the one without its last word does,
    so that longer ones are looked up at ever fewer places. Sets are taken in parts of bounded size.

    Examples
    --------
    >>> found = ngram_diversity_of_sets([["a b", "a c"], ["x x x"]], max_order=2)
    >>> found.distinct.round(3).tolist()
    [[0.75, 1.0], [0.333, 0.5]]
    """
    caller = "ngram_diversity_of_sets"
    if max_order < 1 or vocab_size < 2:
        raise ValueError(
            f"{caller}: max_order must be at least 1 and vocab_size at least 2, got {max_order} "
            f"and {vocab_size}"
        )
    lacking = next((i for i, own in enumerate(sets) if isinstance(own, str) or not len(own)), None)
    if lacking is not None:
        raise ValueError(f"{caller}: set {lacking} is no sequence of texts, or has none")
    unique = np.zeros((len(sets), max_order), dtype=np.int64)
    total = np.zeros_like(unique)
    for first, part in _parts(sets):
        last = first + len(part)
        unique[first:last], total[first:last] = _counts(part, max_order)
    return NgramDiversity.of_counts(
        unique, total, vocab_size=vocab_size, clip=clip, skip_empty_orders=skip_empty_orders
    )


def _parts(sets: Sequence[Sequence[Text]]) -> Iterator[tuple[int, Sequence[Sequence[Text]]]]:
    """Runs of sets of bounded size, and the place of the first of each run."""
    first, size = 0, 0
    for i, own in enumerate(sets):
        size += sum(map(len, own))
        if size >= _CHARACTERS_AT_ONCE:
            yield first, sets[first : i + 1]
            first, size = i + 1, 0
    if first < len(sets):
        yield first, sets[first:]


def _counts(part: Sequence[Sequence[Text]], max_order: int) -> tuple[Integers, Integers]:
    """Unique and all n-grams of each set, both of shape (sets, max_order)."""
    texts = list(chain.from_iterable(part))
    set_of_text = np.repeat(np.arange(len(part)), [len(own) for own in part])
    # One table for all look-ups: making one for each costs more than the look-ups.
    table = np.empty(_SLOTS, dtype=np.int64)
    words, n_words = _words(texts, set_of_text, table)
    end = np.repeat(np.cumsum(n_words), n_words)
    last_of_set = np.cumsum(np.bincount(set_of_text, n_words, len(part)))
    unique = np.zeros((len(part), max_order), dtype=np.int64)
    total = np.zeros_like(unique)
    start, gram = np.arange(words.size), words
    for n in range(1, max_order + 1):
        total[:, n - 1] = np.bincount(set_of_text, np.maximum(n_words - n + 1, 0), len(part))
        if n > 1:
            # An n-gram is the (n-1)-gram at its start, itself a number, and one more word.
            keys = gram * words.size + words[start + n - 1]
            gram = _first_equals((keys,), keys.view(np.uint64), table)
        # Places that were left out have n-grams that occur nowhere else in their set.
        repeats = np.flatnonzero(gram != np.arange(gram.size))
        n_repeats = np.searchsorted(start[repeats], last_of_set)
        unique[:, n - 1] = total[:, n - 1] - np.diff(n_repeats, prepend=0)
        goes_on = np.zeros(gram.size, dtype=bool)
        goes_on[gram[repeats]] = True
        goes_on = goes_on[gram] & (start + n < end)
        kept = np.flatnonzero(goes_on)
        start, gram, end = start[kept], gram[kept], end[kept]
    return unique, total


def _words(
    texts: Sequence[Text], set_of_text: Integers, table: Integers
) -> tuple[Integers, Integers]:
    """For each word the place of one equal to it in its set, and the number of words a text."""
    read = _Bytes.of_texts(texts) if set(map(type, texts)) == {str} else None  # type: ignore[arg-type]
    if read is not None:
        owner = np.repeat(set_of_text, read.n_words)
        found = _first_equals(
            (read.keys, owner), read.keys + owner.view(np.uint64) * _OF_SETS, table
        )
        if read.are_equal(found):
            return found, read.n_words
    lists = [kirk_tokens(text) if isinstance(text, str) else text for text in texts]
    n_words = np.array([len(own) for own in lists], dtype=np.int64)
    numbers: defaultdict[Hashable, int] = defaultdict()
    numbers.default_factory = numbers.__len__
    numbered = map(numbers.__getitem__, chain.from_iterable(lists))
    keys = np.fromiter(numbered, np.int64, int(n_words.sum()))
    keys += np.repeat(set_of_text, n_words) * len(numbers)
    return _first_equals((keys,), keys.view(np.uint64), table), n_words


@dataclass(frozen=True)
class _Bytes:
    """The words of `kirk_tokens`, read from the bytes of all texts at once."""

    eights: Unsigned  # the eight bytes from each byte on
    starts: Integers
    sizes: Integers
    n_words: Integers  # of each text

    @classmethod
    def of_texts(cls, texts: Sequence[str]) -> "_Bytes | None":
        joined = "\n".join(texts)
        if "\0" in joined:
            return None  # at its end a word would not be seen to have it
        if joined.count("\n") >= len(texts):
            joined = "\n".join([text.replace("\n", "") for text in texts])
        data = joined.replace(".", "").encode("utf-8", "surrogatepass") + b"\n"
        bytes_ = np.frombuffer(data, dtype=np.uint8)
        gaps = np.flatnonzero((bytes_ == 32) | (bytes_ == 10))
        starts = np.empty_like(gaps)
        starts[0], starts[1:] = 0, gaps[:-1] + 1
        sizes = gaps - starts
        is_word = sizes > 0
        last_gap = np.searchsorted(gaps, np.flatnonzero(bytes_ == 10))
        n_words = np.diff(last_gap, prepend=-1)
        if not is_word.all():
            n_words = np.diff(np.cumsum(is_word)[last_gap], prepend=0)
            starts, sizes = starts[is_word], sizes[is_word]
        eights = np.ndarray(len(data), "<u8", data + bytes(_WORD), strides=(1,))
        return cls(eights, starts, sizes, n_words)

    @cached_property
    def keys(self) -> Unsigned:
        """The bytes of a word where it has up to eight of them, a hash of them where more."""
        keys = self.eights[self.starts] & _MASKS[np.minimum(self.sizes, _WORD)]
        for offset, longer in _pieces(np.flatnonzero(self.sizes > _WORD), self.sizes):
            so_far = keys[longer]
            so_far = (so_far ^ (so_far >> np.uint64(29))) * _OF_PIECES
            keys[longer] = so_far + self._piece(longer, offset)
        return keys

    def are_equal(self, other: Integers) -> bool:
        """Whether each word is the other one letter by letter, not by its hash alone."""
        # Up to eight bytes the key is the word, so that only keys of longer ones can mislead.
        long = np.flatnonzero((self.sizes > _WORD) | (self.sizes[other] > _WORD))
        long = long[other[long] != long]
        ours, theirs = self.starts[long], self.starts[other[long]]
        if (self.sizes[long] != self.sizes[other[long]]).any():
            return False
        if (self.eights[ours] != self.eights[theirs]).any():
            return False
        return all(
            np.array_equal(self._piece(longer, offset), self._piece(other[longer], offset))
            for offset, longer in _pieces(long, self.sizes)
        )

    def _piece(self, words: Integers, offset: int) -> Unsigned:
        """Up to eight bytes of each word from an offset on."""
        mask = _MASKS[np.minimum(self.sizes[words] - offset, _WORD)]
        return np.asarray(self.eights[self.starts[words] + offset] & mask)


def _pieces(words: Integers, sizes: Integers) -> Iterator[tuple[int, Integers]]:
    """Offsets of the second and later eight bytes, with the words that reach beyond them."""
    offset = _WORD
    while words.size:
        yield offset, words
        offset += _WORD
        words = words[sizes[words] > offset]


def _first_equals(
    columns: tuple[NDArray[np.generic], ...], mixed: Unsigned, table: Integers
) -> Integers:
    """For each place the place of one with equal columns, the same for all that are equal.

    ``mixed`` is equal where the columns are. Every place writes itself into its slot of the table
    and reads who stands there: the last to write. All that are equal to that one have found it; the
    others share the slot by chance and try again with another factor.
    """
    found = np.arange(mixed.size)
    rest = found
    for factor in _FACTORS:
        if not rest.size:
            return found
        bits = (2 * rest.size).bit_length()
        if table.size < 1 << bits:
            table = np.empty(1 << bits, dtype=np.int64)
        slot = (mixed if rest is found else mixed[rest]) * factor
        slot >>= np.uint64(64 - bits)
        slot = slot.view(np.int64)
        table[slot] = rest
        other = table[slot]
        own = columns if rest is found else [column[rest] for column in columns]
        is_equal = columns[0][other] == own[0]
        for column, here in zip(columns[1:], own[1:], strict=True):
            is_equal &= column[other] == here
        differs = np.flatnonzero(~is_equal)
        if rest is found:
            found, rest = other, differs
        else:
            found[rest] = other  # where it differs a later round or the end corrects it
            rest = rest[differs]
    _, first, inverse = np.unique(
        np.stack([column[rest].view(np.uint64) for column in columns], axis=1),
        axis=0, return_index=True, return_inverse=True,
    )  # fmt: skip
    found[rest] = rest[first[inverse]]
    return found
