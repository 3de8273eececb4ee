"""Cutting a list of requests into packs that one forward pass of a model can hold."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from evalsuite.requests import ImagePart, Request

Spanned = tuple[Request, int]
"""A request and the units that its row takes at its longest."""


@dataclass(frozen=True)
class Pack:
    """Requests that are answered together and written together.

    Parameters
    ----------
    requests : tuple of Request
        Samples of one prompt stand side by side, and so do questions about one image, so that a
        model can read the prompt or the image once.
    work : int
        Units that the pack takes: rows x (longest prompt + longest answer).
    """

    requests: tuple[Request, ...]
    work: int


def cut_packs(requests: Sequence[Request], sizes: Sequence[int], *, budget: int) -> list[Pack]:
    """Group requests of like length under a budget.

    The cut depends on the whole list and not on what is cached, so that a resumed run computes in
    the same shapes as an undisturbed one. The longest come first: what does not fit shows at once,
    and the time left is over- rather than underestimated. Requests that show an image stay in their
    order, image by image, and only what is asked about one image beyond the budget is cut apart.

    Parameters
    ----------
    requests : sequence of Request
        With distinct keys.
    sizes : sequence of int
        Length of each request's prompt.
    budget : int
        Most units of a pack; a single request above it still gets a pack of its own.

    Examples
    --------
    >>> from evalsuite.requests import Entrant, Prompt
    >>> entrant = Entrant(model="m", backend="b", revision="1")
    >>> texts = ["a", "b c d", "e f g"]
    >>> requests = [Request("embeds_text", entrant, Prompt.of_text(t)) for t in texts]
    >>> packs = cut_packs(requests, [1, 3, 3], budget=6)
    >>> [[request.prompt.text for request in pack.requests] for pack in packs]
    [['e f g', 'b c d'], ['a']]
    """
    if len(requests) != len(sizes):
        raise ValueError(f"cut_packs: {len(requests)} requests but {len(sizes)} sizes")
    groups: dict[tuple[str, ...], list[Spanned]] = {}
    alone: list[Spanned] = []
    for request, size in zip(requests, sizes, strict=True):
        images = tuple(p.sha256 for p in request.prompt.parts if isinstance(p, ImagePart))
        own = (request, _span(request, size))
        (groups.setdefault(images, []) if images else alone).append(own)
    alone.sort(key=_place)
    return [*_fill([[own] for own in alone], budget), *_fill(list(groups.values()), budget)]


def _span(request: Request, size: int) -> int:
    """Units that one row takes at its longest."""
    return size + (request.sampling.max_new_tokens if request.sampling else 0)


def _place(own: Spanned) -> tuple[int, str, str, int, int, int]:
    request, span = own
    sampling = request.sampling.digest if request.sampling else ""
    prompt = request.prompt.digest
    return (-span, prompt, sampling, request.occurrence, request.seed, request.index)


def _fill(groups: Sequence[list[Spanned]], budget: int) -> Iterator[Pack]:
    """Fill packs with whole groups; a group that is too large by itself is cut."""
    rows: list[Request] = []
    widest = 0
    for group in groups:
        width = max(span for _, span in group)
        if rows and (len(rows) + len(group)) * max(widest, width) > budget:
            yield Pack(tuple(rows), len(rows) * widest)
            rows, widest = [], 0
        for request, span in group:
            if rows and (len(rows) + 1) * max(widest, span) > budget:
                yield Pack(tuple(rows), len(rows) * widest)
                rows, widest = [], 0
            rows.append(request)
            widest = max(widest, span)
    if rows:
        yield Pack(tuple(rows), len(rows) * widest)
