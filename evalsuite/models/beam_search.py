"""Beam search and diverse beam search (Vijayakumar et al. 2016, arXiv 1610.02424).

The beams of a prompt are cut into groups of equal width. At each step the model reads all beams of
all prompts at once; then the groups choose one after the other, each by ordinary beam search on

    score = log p(tokens) - strength x (beams of earlier groups that chose the same token at a step)

summed over the steps (Algorithm 1; Hamming diversity). The first group is not touched by the
others. One group, or a strength of 0, is beam search.

Within a group this is the beam search of transformers with ``length_penalty=0.0`` and
``early_stopping="never"``: hypotheses are ranked by their score, not divided by their length, as in
the paper. Of the best continuations as many as a group is wide may end and enter the group's list
of hypotheses, which keeps the best; as many of the others go on. Scores only fall, so that a group
is done, and no longer counted by later groups, once none of its beams can enter the list any more.
Equal scores are ordered by beam, then by token id.

Sums are in float64. Other batch shapes round the model's logits differently, so that, as with
temperature 0, only continuations that tie up to rounding can change places.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch

from evalsuite.models.beam_groups import BeamGroup, BeamRules, Continuation, Hypothesis
from evalsuite.models.sampling import Batch, HasStop, Progress, SampleRow
from evalsuite.requests import Sampling

_DEAD = float("-inf")


@dataclass(frozen=True)
class Found:
    """What a search found for one prompt: all groups' hypotheses, the likeliest first.

    Equally likely ones are in the order of their groups. There are ``beams`` of them, or fewer if
    the vocabulary has no more continuations. With a ``problem`` there are none.
    """

    hypotheses: tuple[Hypothesis, ...]
    problem: str | None = None


def search(
    model: Any,
    prompts: Sequence[tuple[int, ...]],
    sampling: Sampling,
    *,
    end_ids: frozenset[int],
    has_stop: HasStop,
) -> list[Found]:
    """Find the best answers to each prompt.

    Each prompt is read once; its beams fork the key-value cache. Prompts that are done leave the
    batch.

    Parameters
    ----------
    model : transformers causal language model
        In evaluation mode. Its prompts and answers must fit its context.
    prompts : sequence of tuple of int
        Token ids, at least one each.
    sampling : Sampling
        With ``beams`` of 1 or more.
    end_ids : frozenset of int
        Tokens that end an answer.
    has_stop : callable
        Asked for each continuation if there are stop strings.

    Returns
    -------
    list of Found, in the order of the prompts.

    Raises
    ------
    ValueError
        If ``sampling`` does not ask for beams.
    BadInput
        If the model keeps no attention cache that can be forked.
    """
    if not sampling.beams:
        raise ValueError("search: needs beams of 1 or more, got 0")
    if not prompts:
        return []
    searches = [_Search(prompt, sampling) for prompt in prompts]
    rules = BeamRules(sampling, end_ids, has_stop)
    with torch.inference_mode():
        batch = Batch(model, [row for one in searches for row in one.rows])
        live = searches
        while True:
            _choose(batch.logits, live, rules)
            if all(one.ended for one in live):
                return [one.found() for one in searches]
            _reorder(batch, live)
            batch.drop_ended()
            rows = set(batch.live)
            live = [one for one in live if one.rows[0] in rows]
            batch.step()


class Searcher:
    """Searches for the prompts of a pack, each of them once.

    What was found for the last pack is kept, because the next may begin with more requests for its
    last prompt, and all answers to a prompt must come from one list.

    Parameters
    ----------
    model, end_ids, has_stop
        As of `search`.
    """

    def __init__(self, model: Any, *, end_ids: frozenset[int], has_stop: HasStop) -> None:
        self._model = model
        self._end_ids = end_ids
        self._has_stop = has_stop
        self._kept: dict[tuple[tuple[int, ...], str], Found] = {}

    def find(self, rows: Sequence[SampleRow]) -> list[Found]:
        """Return what was found for each row's prompt; rows of one prompt share it.

        So many prompts are searched at once that there are not more beams than rows (but one
        prompt at least): the caller knows how many rows there is room for.
        """
        jobs = [(row.prompt, row.sampling.digest) for row in rows]
        found = {job: self._kept[job] for job in jobs if job in self._kept}
        wanted: dict[Sampling, dict[tuple[int, ...], None]] = {}
        for row, job in zip(rows, jobs, strict=True):
            if job not in found:
                wanted.setdefault(row.sampling, {})[row.prompt] = None
        for sampling, of_sampling in wanted.items():
            prompts = list(of_sampling)
            at_once = max(1, len(rows) // sampling.beams)
            for start in range(0, len(prompts), at_once):
                part = prompts[start : start + at_once]
                results = search(
                    self._model, part, sampling, end_ids=self._end_ids, has_stop=self._has_stop
                )
                for prompt, result in zip(part, results, strict=True):
                    found[prompt, sampling.digest] = result
        self._kept = found
        return [found[job] for job in jobs]


class _Search:
    """One prompt: its groups, and its rows of the batch, group after group."""

    def __init__(self, prompt: tuple[int, ...], sampling: Sampling) -> None:
        self.rows = [Progress(SampleRow(prompt, b"", sampling)) for _ in range(sampling.beams)]
        self.groups = [BeamGroup(number) for number in range(sampling.beam_groups)]
        self.problem: str | None = None

    @property
    def ended(self) -> bool:
        return self.rows[0].ended

    def fail(self, problem: str) -> None:
        self.problem = problem
        for group in self.groups:
            group.beams = []

    def end_if_done(self) -> None:
        if not any(group.beams for group in self.groups):
            for row in self.rows:
                row.finish = "stop"

    def found(self) -> Found:
        if self.problem is not None:
            return Found((), self.problem)
        hypotheses = [hypothesis for group in self.groups for hypothesis in group.finished]
        return Found(tuple(sorted(hypotheses, key=lambda hypothesis: -hypothesis.log_prob)))


def _choose(logits: Any, live: Sequence[_Search], rules: BeamRules) -> None:
    """Let each group of each prompt choose its next tokens; the earlier ones first."""
    n_groups = rules.sampling.beam_groups
    logits = logits.unflatten(0, (len(live), n_groups, rules.width))
    _note_problems(logits, live)
    counts = logits.new_zeros((len(live), logits.shape[-1]), dtype=torch.float64)
    for number in range(n_groups):
        groups = [one.groups[number] for one in live]
        best = _continuations(logits[:, number], groups, rules, counts)
        chosen = [
            (i, token) for i, group in enumerate(groups) for token in group.advance(best[i], rules)
        ]
        if chosen:
            index = torch.tensor(chosen, device=counts.device).unbind(dim=-1)
            counts.index_put_(index, counts.new_ones(()), accumulate=True)
    for one in live:
        one.end_if_done()


def _note_problems(logits: Any, live: Sequence[_Search]) -> None:
    is_finite = logits.amax(dim=-1).isfinite().tolist()
    for one, of_groups in zip(live, is_finite, strict=True):
        for group, of_beams in zip(one.groups, of_groups, strict=True):
            if not all(of_beams[: len(group.beams)]):
                step = len(group.beams[0].tokens) + 1
                one.fail(f"the logits of token {step} of an answer are not finite")


def _continuations(
    logits: Any, groups: Sequence[BeamGroup], rules: BeamRules, counts: Any
) -> list[list[Continuation]]:
    """The best continuations of one group of each prompt, best first."""
    width, vocabulary = logits.shape[1:]
    scores = [[beam.score for beam in group.beams] for group in groups]
    scores = [row + [_DEAD] * (width - len(row)) for row in scores]
    before = torch.tensor(scores, dtype=torch.float64, device=logits.device)[..., None]
    log_p = logits.double().log_softmax(dim=-1)
    ranked = before + log_p - rules.sampling.diversity_strength * counts[:, None]
    # A beam that is not there is fed anything, and what the model says to it may be no number.
    ranked = ranked.masked_fill(before == _DEAD, _DEAD).flatten(1)
    values, places = best_first(ranked, rules.n_continuations)
    steps = log_p.flatten(1).gather(-1, places)
    found = torch.stack([places.double(), values, steps], dim=-1).tolist()
    return [
        [
            _continued(group, divmod(int(place), vocabulary), value, step)
            for place, value, step in best
            if value != _DEAD
        ]
        for group, best in zip(groups, found, strict=True)
    ]


def _continued(group: BeamGroup, place: tuple[int, int], score: float, step: float) -> Continuation:
    parent, token = place
    return Continuation(parent, token, score, group.beams[parent].log_prob + step)


def best_first(scores: Any, n: int) -> tuple[Any, Any]:
    """Return the largest scores of each row and their places; equal ones in order of place.

    Parameters
    ----------
    scores : tensor of shape (rows, m)
    n : int
        How many; all if there are fewer.

    Examples
    --------
    >>> best_first(torch.tensor([[1.0, 3.0, 2.0, 3.0, 2.0]]), 3)[1].tolist()
    [[1, 3, 2]]
    """
    values, places = scores.topk(min(n, scores.shape[-1]), dim=-1)
    # topk may take any of equal scores at its edge: such rows are sorted whole.
    least = values[:, -1:]
    is_torn = (scores == least).sum(dim=-1) > (values == least).sum(dim=-1)
    is_torn &= least[:, 0] != _DEAD
    if bool(is_torn.any()):
        whole = scores[is_torn].sort(dim=-1, descending=True, stable=True)
        values[is_torn] = whole.values[:, : values.shape[-1]]
        places[is_torn] = whole.indices[:, : values.shape[-1]]
    places, order = places.sort(dim=-1)
    values, order = values.gather(-1, order).sort(dim=-1, descending=True, stable=True)
    return values, places.gather(-1, order)


def _reorder(batch: Batch, live: Sequence[_Search]) -> None:
    """Give each row the cache of its beam's parent, and the beam's last token."""
    index: list[int] = []
    for one in live:
        for group in one.groups:
            start = len(index)
            width = len(one.rows) // len(one.groups)
            for place in range(width):
                beam = group.beams[place] if place < len(group.beams) else None
                index.append(start + (beam.parent if beam else place))
                one.rows[start % len(one.rows) + place].tokens = [beam.tokens[-1] if beam else 0]
    if index != list(range(len(index))):
        batch.reorder(torch.tensor(index, device=batch.logits.device))
