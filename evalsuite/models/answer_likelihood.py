"""How likely each answer of a closed set is, where the question is read once for all of them.

Answers are padded on their right, behind which nothing is read: none ever attends to padding.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray

from evalsuite.models.shared_reading import Beside, Branches, Tokens, forward

AnswerScore = Literal["sum", "mean"]
"""An answer's log-likelihood, or the mean of that over its tokens."""


def score_answers(
    branches: Branches,
    logits: Any,
    answers: Sequence[Sequence[Tokens]],
    *,
    budget: int,
    beside: bool,
) -> list[NDArray[np.float64]]:
    """Return the log-likelihood of each answer to each question.

    Parameters
    ----------
    branches : Branches
        One row a question, read to its end.
    logits : tensor of shape (questions, vocabulary)
        What the model expects next.
    answers : sequence of sequence of tuple of int
        Token ids of each question's answers, at least one each; an end token belongs to them where
        an answer may be the beginning of another.
    budget : int
        Most tokens, those read before among them, of one forward pass.
    beside : bool
        Read the answers of a question side by side in its own row, where each sees itself only;
        otherwise what was read of the question is copied for each. The first is faster, and not
        for every architecture.

    Returns
    -------
    list of arrays
        In the order of the questions and of their answers, in float64.
    """
    n_read = branches.n_read
    shapes = [
        (1, n_read + sum(map(len, own))) if beside else (len(own), n_read + max(map(len, own)))
        for own in answers
    ]
    norms = logits.float().logsumexp(-1)
    found: list[NDArray[np.float64]] = []
    for block in _blocks(shapes, budget):
        own = [answers[row] for row in block]
        first = torch.tensor([a[0] for group in own for a in group], device=logits.device)
        at = torch.tensor([r for r in block for _ in answers[r]], device=logits.device)
        total = (logits[at, first].float() - norms[at]).double()
        if max(len(answer) for group in own for answer in group) > 1:
            later = _beside if beside else _forked
            total += later(branches, block, own)
        cuts = np.cumsum([len(group) for group in own])[:-1]
        found += np.split(total.cpu().numpy(), cuts)
    return found


def _forked(branches: Branches, rows: Sequence[int], answers: Sequence[Sequence[Tokens]]) -> Any:
    """Log-likelihood of each answer's tokens but the first, each read in a row of its own."""
    flat = [answer for own in answers for answer in own]
    again = [row for row, own in zip(rows, answers, strict=True) for _ in own]
    width = max(len(answer) for answer in flat)
    padded = torch.zeros((len(flat), width), dtype=torch.long)
    is_token = torch.zeros((len(flat), width), dtype=torch.bool)
    for i, answer in enumerate(flat):
        padded[i, : len(answer)] = torch.tensor(answer)
        is_token[i, : len(answer)] = True
    branches = branches.fork(again)
    padded, is_token = padded.to(branches.device), is_token.to(branches.device)
    chosen = _chosen(branches.read(padded[:, :-1]), padded[:, 1:])
    return chosen.masked_fill(~is_token[:, 1:], 0.0).sum(-1)


def _beside(branches: Branches, rows: Sequence[int], answers: Sequence[Sequence[Tokens]]) -> Any:
    """The same, the answers of a question one after the other in its row, each blind to others."""
    width = max(sum(len(answer) - 1 for answer in own) for own in answers)
    shape = (len(rows), width)
    read, following, steps = (torch.zeros(shape, dtype=torch.long) for _ in range(3))
    whose = torch.full(shape, -1)  # which answer, over all questions, a token is of
    n_answers = 0
    for i, own in enumerate(answers):
        start = 0
        for answer in own:
            part = slice(start, start + len(answer) - 1)
            read[i, part] = torch.tensor(answer[:-1])
            following[i, part] = torch.tensor(answer[1:])
            steps[i, part] = torch.arange(len(answer) - 1)
            whose[i, part] = n_answers
            start, n_answers = part.stop, n_answers + 1
    sees = (whose[:, :, None] == whose[:, None, :]) & (steps[:, :, None] >= steps[:, None, :])
    branches = branches.fork(rows)
    read, following, steps, whose, sees = (
        value.to(branches.device) for value in (read, following, steps, whose, sees)
    )
    chosen = _chosen(branches.read(read, beside=Beside(steps, sees)), following)
    sums = torch.zeros(n_answers, dtype=torch.float64, device=branches.device)
    is_token = whose >= 0
    return sums.index_add(0, whose[is_token], chosen[is_token])


def _chosen(logits: Any, tokens: Any) -> Any:
    """Log-probability of tokens, in float64."""
    logits = logits.float()
    return (logits.gather(-1, tokens[..., None])[..., 0] - logits.logsumexp(-1)).double()


def _blocks(shapes: Sequence[tuple[int, int]], budget: int) -> Iterator[list[int]]:
    """Questions whose answers are read together: at least one, and as many as the budget holds.

    ``shapes`` has for each question its rows and their longest.
    """
    block: list[int] = []
    n_rows = widest = 0
    for i, (own_rows, own_width) in enumerate(shapes):
        if block and (n_rows + own_rows) * max(widest, own_width) > budget:
            yield block
            block, n_rows, widest = [], 0, 0
        block.append(i)
        n_rows, widest = n_rows + own_rows, max(widest, own_width)
    if block:
        yield block


def plain_log_likelihood(
    model: Any, head: Mapping[str, Any], tail: Tokens, answer: Tokens
) -> float:
    """Log-likelihood of an answer by one forward pass over everything, without a cache.

    Parameters
    ----------
    head : mapping of str to tensor
        Inputs of the model up to the tail, of one row; those that have a value for each token are
        0 for tokens of text.
    """
    ids = head["input_ids"]
    more = torch.tensor([tail + answer], device=ids.device)
    inputs = {
        name: torch.cat([value, torch.zeros_like(more, dtype=value.dtype)], dim=1)
        if value.shape == ids.shape
        else value
        for name, value in head.items()
    }
    inputs["input_ids"] = torch.cat([ids, more], dim=1)
    logits = forward(model, use_cache=False, last_only=False, **inputs)
    chosen = logits[0, -1 - len(answer) : -1].float().log_softmax(-1)
    index = torch.tensor(answer, device=ids.device)
    return float(chosen.gather(-1, index[:, None]).double().sum())


def shares(
    log_likelihoods: NDArray[np.float64], answers: Sequence[Tokens], *, score: AnswerScore
) -> tuple[float, ...]:
    """Probability of each answer among the closed set.

    >>> [round(p, 6) for p in shares(np.log([0.1, 0.3]), [(5, 1), (6, 1)], score="sum")]
    [0.25, 0.75]
    >>> [round(p, 6) for p in shares(np.log([0.01, 0.1]), [(5, 1), (6,)], score="mean")]
    [0.5, 0.5]
    """
    values = log_likelihoods
    if score == "mean":
        values = values / np.array([len(answer) for answer in answers])
    exponentials = np.exp(values - values.max())
    found: tuple[float, ...] = tuple((exponentials / exponentials.sum()).tolist())
    return found
