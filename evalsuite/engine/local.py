"""Runs packs in this process, one model in memory at a time."""

import gc
import logging
from collections.abc import Callable, Sequence, Set

from evalsuite.batching import Pack, cut_packs
from evalsuite.errors import EvalsuiteError, GenerationError, OutOfMemory
from evalsuite.models.capabilities import Capability, LoadedModel, ModelHandle, ReadImage
from evalsuite.progress import Progress
from evalsuite.requests import ImagePart, Request, Response

log = logging.getLogger("evalsuite.engine")

Sink = Callable[[Sequence[Response]], None]
"""Takes the responses of a finished pack and stores them before it returns."""

Ask = Callable[[Sequence[Request]], list[Response]]


def _no_images(part: ImagePart) -> bytes:
    raise EvalsuiteError(f"image {part.sha256[:12]}: this call was given no images")


class LocalEngine:
    """Answers requests on this machine's ``auto``, ``cpu`` or ``cuda`` device."""

    name = "local"

    def __init__(self, device: str) -> None:
        self.device = device
        self._loaded: tuple[ModelHandle, LoadedModel] | None = None

    def answer(
        self,
        handle: ModelHandle,
        capability: Capability,
        requests: Sequence[Request],
        missing: Set[bytes],
        sink: Sink,
        progress: Progress,
        read: ReadImage = _no_images,
    ) -> None:
        """Answer the missing ones among the requests, pack by pack.

        Parameters
        ----------
        requests : sequence of Request
            The whole call, keys distinct: packs are cut from all of it.
        missing : set of bytes
            Keys that the store does not have.
        sink : callable
            Called once a pack.
        read : callable
            Gives a model that sees images the PNG bytes of an image part.
        """
        progress.load(handle.entrant.model)
        model = self._load(handle)
        ask = _method(model, capability, read)
        packs = cut_packs(requests, model.sizes(requests), budget=model.pack_budget)
        todo = [(p, [r for r in p.requests if r.key in missing]) for p in packs]
        todo = [(pack, own) for pack, own in todo if own]
        progress.start(
            n_done=len(requests) - len(missing),
            n_todo=len(missing),
            work=sum(_share(pack, own) for pack, own in todo),
        )
        halvings = 0  # A part of a pack that did not fit is not tried again at that size.
        for pack, own in todo:
            for part in _halves(own, halvings):
                responses, more = _answer_halving(ask, part)
                halvings += more
                sink(responses)
                progress.advance(n=len(part), work=_share(pack, part))
        progress.finish()

    def _load(self, handle: ModelHandle) -> LoadedModel:
        if self._loaded is not None and self._loaded[0] is handle:
            return self._loaded[1]
        # The former model goes before the next one comes: they may not fit side by side.
        self._loaded = None
        gc.collect()
        model = handle.load(self.device)
        self._loaded = (handle, model)
        return model


def _share(pack: Pack, own: Sequence[Request]) -> int:
    return max(1, pack.work * len(own) // len(pack.requests))


def _halves(requests: Sequence[Request], times: int) -> list[Sequence[Request]]:
    """Halve as often as memory has asked for, in the same shapes as `_answer_halving` does."""
    if not times or len(requests) == 1:
        return [requests]
    middle = (len(requests) + 1) // 2
    return _halves(requests[:middle], times - 1) + _halves(requests[middle:], times - 1)


def _answer_halving(ask: Ask, requests: Sequence[Request]) -> tuple[list[Response], int]:
    """Answer requests, in halves where the memory does not hold them all.

    Returns
    -------
    responses in request order, and how often they were halved for want of memory.
    """
    try:
        return ask(requests), 0
    except (OutOfMemory, GenerationError) as error:
        if len(requests) == 1:
            what = "out of memory for a single request: " if isinstance(error, OutOfMemory) else ""
            return [Response(requests[0].key, "error", message=what + str(error))], 0
        # A pack that fails is halved too: only the request at fault is lost.
        lack = int(isinstance(error, OutOfMemory))
    middle = (len(requests) + 1) // 2
    if lack:
        log.warning("out of memory at %d requests: going on with %d", len(requests), middle)
        gc.collect()
    first, halvings_first = _answer_halving(ask, requests[:middle])
    second, halvings_second = _answer_halving(ask, requests[middle:])
    # One request that is too large by itself says nothing about the size of the other half.
    return first + second, lack + min(halvings_first, halvings_second)


def _method(model: LoadedModel, capability: Capability, read: ReadImage) -> Ask:
    """The method of a model that answers a capability, its answers checked against the requests."""
    method: Callable[..., list[Response]] = getattr(model, capability.method)
    more = (read,) if capability.sees_images else ()

    def ask(requests: Sequence[Request]) -> list[Response]:
        responses = method(requests, *more)
        wanted = [request.key for request in requests]
        if [response.key for response in responses] != wanted:
            raise EvalsuiteError(
                f"{requests[0].entrant.model}: {capability.method} gave {len(responses)} answers "
                f"that do not match its {len(wanted)} requests in order; this is a fault of the "
                "backend"
            )
        return responses

    return ask
