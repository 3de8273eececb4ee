"""Verbalised sampling (Zhang et al. 2025, arXiv 2510.01171): several answers out of one call.

The model is asked for ``k`` different answers at once, each with the probability that it would give
it. Answer ``index`` of a prompt is item ``index % k`` of call ``index // k``. A call is drawn like
any answer, from its own random stream: that of the request for the wrapped prompt whose index is
the call's number.

The wording is our own. One worked example goes before the prompt, as an earlier turn of the chat;
without it small models copy the placeholders of a described form, or follow none. The form is a
numbered list, one answer a line::

    1. (30%) The first answer.
    2. (10%) The second answer.

It is read strictly. There must be exactly ``k`` such lines in order, each with one percentage from
0 to 100, and nothing else but blanks: what does not fit is never guessed at, and all ``k`` answers
of the call are filtered. The percentages need not add up to 100.

A call may take ``k`` times the tokens of an answer and ``FORM_TOKENS`` more for each. Stop strings
do not end a call (the first line break often would); they cut each item.
"""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from evalsuite.errors import GenerationError
from evalsuite.requests import Prompt, Request, Response, TextPart, digest, unique_by_key

FORM_TOKENS = 16
"""Tokens that a call may take for the number, percentage and line break of each answer."""

MOST_ITEMS = 10
"""Most answers of a call: the worked example has no more."""

_ASK = (
    "Give {k} different answers to this, from all that you could say, likely or not. Number them "
    "and write each on one line, with the probability that you would give it, in percent and in "
    "brackets, before it. Write nothing else."
)
_EXAMPLE = "Say something about rain."
_EXAMPLE_ANSWERS = (
    (24, "It smells best on warm stone."),
    (17, "Without it there would be no bread."),
    (11, "My uncle sold umbrellas until the summer it never came."),
    (8, "Listen to it on a tin roof and you will sleep."),
    (5, "Snails wait all week for it."),
    (4, "It makes every street a mirror."),
    (3, "Clouds are only rain that is still thinking."),
    (2, "Two drops raced down the window, and the small one won."),
    (1.5, "On Venus it is acid and never lands."),
    (0.5, "The frogs have asked for more."),
)
_HEAD = re.compile(r"([0-9]{1,3})\.\s*\(\s*([0-9]{1,3}(?:\.[0-9]{1,9})?)\s*%\s*\)\s*")
_SHOWN = 60

WORDING = digest([_ASK, _EXAMPLE, _EXAMPLE_ANSWERS])[:12]
"""Names the wording: part of an entrant's identity, since another wording gives other answers."""


@dataclass(frozen=True)
class Item:
    """One answer of a call.

    Parameters
    ----------
    text : str
        Without blanks at its ends; not empty.
    probability : float
        What the model said, in [0, 1].
    """

    text: str
    probability: float


def wrap(prompt: Prompt, n_items: int) -> Prompt:
    """Ask for several answers to a prompt at once.

    Parameters
    ----------
    prompt : Prompt
        Its last part must be a text by the user.
    n_items : int
        From 2 to `MOST_ITEMS`.

    Raises
    ------
    GenerationError
        If the prompt does not end with a text by the user.

    Examples
    --------
    >>> [part.role for part in wrap(Prompt.of_text("Name a colour."), 2).parts]
    ['user', 'assistant', 'user']
    >>> print(wrap(Prompt.of_text("Name a colour."), 2).parts[1].text)
    1. (24%) It smells best on warm stone.
    2. (17%) Without it there would be no bread.
    """
    if not 2 <= n_items <= MOST_ITEMS:
        raise ValueError(f"wrap: n_items must be from 2 to {MOST_ITEMS}, got {n_items}")
    last = prompt.parts[-1] if prompt.parts else None
    if not isinstance(last, TextPart) or last.role != "user":
        raise GenerationError("verbalised sampling needs a prompt that ends with a user's text")
    ask = "\n\n" + _ASK.format(k=n_items)
    example = "\n".join(
        f"{i}. ({percent}%) {answer}"
        for i, (percent, answer) in enumerate(_EXAMPLE_ANSWERS[:n_items], 1)
    )
    n_system = 0
    while isinstance(part := prompt.parts[n_system], TextPart) and part.role == "system":
        n_system += 1
    return Prompt(
        parts=(
            *prompt.parts[:n_system],
            TextPart(text=_EXAMPLE + ask),
            TextPart(role="assistant", text=example),
            *prompt.parts[n_system:-1],
            TextPart(text=last.text + ask),
        )
    )


def read_items(text: str, n_items: int) -> tuple[Item, ...] | str:
    r"""Read a call's answers, or say what is wrong with it.

    Parameters
    ----------
    text : str
        Anything.
    n_items : int
        At least 1.

    Returns
    -------
    tuple of exactly ``n_items`` Item, or str

    Examples
    --------
    >>> read_items("1. (30%) Red.\n2. (12.5%) Teal.", 2)
    (Item(text='Red.', probability=0.3), Item(text='Teal.', probability=0.125))
    >>> read_items("1. (30%) Red.\nor\n2. (12.5%) Teal.", 2)
    "line 2 is not '2. (percentage%) answer' but 'or'"
    >>> read_items("1. (30%) Red.", 2)
    'it has 1 answer, not 2'
    """
    lines = [line.strip() for line in text.split("\n")]
    items: list[Item] = []
    for place, line in enumerate(line for line in lines if line):
        number = place + 1
        if number > n_items:
            return f"after its {n_items} answers it goes on with {_shown(line)}"
        head = _HEAD.match(line)
        answer = line[head.end() :] if head else ""
        if head is None or head[1] != str(number) or not answer:
            return f"line {number} is not '{number}. (percentage%) answer' but {_shown(line)}"
        if _HEAD.search(answer):
            return f"line {number} holds a second answer: {_shown(line)}"
        percent = float(head[2])
        if percent > 100.0:
            return f"line {number} has a probability of {head[2]}%"
        items.append(Item(answer, percent / 100.0))
    if len(items) < n_items:
        return f"it has {len(items)} answer{'' if len(items) == 1 else 's'}, not {n_items}"
    return tuple(items)


def _shown(line: str) -> str:
    return repr(line if len(line) <= _SHOWN else line[:_SHOWN] + "...")


def call_for(request: Request, n_items: int) -> Request:
    """Return the call that a request's answer is an item of.

    Raises
    ------
    GenerationError
        If the request has no sampling or asks for beam search, or its prompt cannot be wrapped.
    """
    if request.sampling is None:
        raise GenerationError("a request to generate text needs a sampling")
    if request.sampling.beams:
        raise GenerationError("verbalised sampling draws its calls: it takes no beams")
    n_tokens = n_items * (request.sampling.max_new_tokens + FORM_TOKENS)
    return Request(
        capability=request.capability,
        entrant=request.entrant,
        prompt=wrap(request.prompt, n_items),
        sampling=request.sampling.model_copy(update={"max_new_tokens": n_tokens, "stop": ()}),
        seed=request.seed,
        index=request.index // n_items,
        occurrence=request.occurrence,
    )


def answer_in_calls(
    requests: Sequence[Request],
    n_items: int,
    ask: Callable[[Sequence[Request]], list[Response]],
) -> list[Response]:
    """Answer requests through calls for several answers each; every call is made once.

    Parameters
    ----------
    requests : sequence of Request
    n_items : int
        Answers of a call, from 2 to `MOST_ITEMS`.
    ask : callable
        Answers the calls, in their order.

    Returns
    -------
    list of Response
        In the order of the requests. One that is ok has the probability that the model gave as its
        only score, and a share of the call's new tokens such that the ``n_items`` shares add up to
        them; its prompt tokens are the whole call's.
    """
    calls: dict[bytes, Request] = {}
    responses: dict[bytes, Response] = {}
    for request in requests:
        try:
            calls[request.key] = call_for(request, n_items)
        except GenerationError as error:
            responses[request.key] = Response(request.key, "error", message=str(error))
    answered = {response.key: response for response in ask(unique_by_key(calls.values()))}
    for request in requests:
        if request.key in calls:
            call = answered[calls[request.key].key]
            responses[request.key] = _item_of(request, call, n_items)
    return [responses[request.key] for request in requests]


def _item_of(request: Request, call: Response, n_items: int) -> Response:
    """The response to a request, out of the call that it belongs to."""
    if call.status != "ok":
        return Response(request.key, call.status, message=call.message)
    place = request.index % n_items
    n_new = call.n_new_tokens
    share = None if n_new is None else n_new // n_items + (place < n_new % n_items)
    if call.finish == "length":
        items: tuple[Item, ...] | str = "it was cut at its most tokens"
    else:
        items = read_items(call.text or "", n_items)
    if isinstance(items, str):
        return Response(
            request.key,
            "filtered",
            n_prompt_tokens=call.n_prompt_tokens,
            n_new_tokens=share,
            message=f"a call for {n_items} answers cannot be read: {items}",
        )
    text = items[place].text
    stops = request.sampling.stop if request.sampling else ()
    ends = [text.index(stop) for stop in stops if stop in text]
    return Response(
        request.key,
        "ok",
        text=text[: min(ends, default=len(text))],
        finish="stop",
        n_prompt_tokens=call.n_prompt_tokens,
        n_new_tokens=share,
        scores=(items[place].probability,),
    )
