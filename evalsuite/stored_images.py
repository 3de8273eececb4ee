"""The images that judges are asked about, read from the store as they are needed."""

from collections import OrderedDict
from collections.abc import Iterable, Mapping, Sequence, Set

from evalsuite.errors import EvalsuiteError
from evalsuite.requests import ImagePart, Request
from evalsuite.store import Store

CACHE_BYTES = 32 << 20
"""Most bytes of images that are kept; the last one read is kept whatever its size."""

_AHEAD_BYTES = 8 << 20
_AHEAD_IMAGES = 256


class StoredImages:
    """Reads images by their sha256; a `ReadImage` for a judge.

    A judge sees images in the order of its requests, and an image several times in a row. So an
    image that is not at hand is read together with those that come next.

    Parameters
    ----------
    store : Store
    sources : dict of str to Request
        By sha256 of an image: a request that it answered.
    order : iterable of str
        The sha256 of the images, in the order in which they will be asked for.
    """

    def __init__(
        self, store: Store, sources: Mapping[str, Request], order: Iterable[str] = ()
    ) -> None:
        self._store = store
        self._sources = sources
        self._order = list(dict.fromkeys(order))
        self._ranks = {sha256: rank for rank, sha256 in enumerate(self._order)}
        self._cache: OrderedDict[str, bytes] = OrderedDict()
        self._n_bytes = 0
        self._n_read = 0
        self._bytes_read = 0

    def __call__(self, part: ImagePart) -> bytes:
        """The PNG bytes of an image.

        Raises
        ------
        StoreError
            If its shard was damaged since the run began; the same command goes on.
        """
        if part.sha256 not in self._cache:
            self._fetch(part.sha256)
        self._cache.move_to_end(part.sha256)
        return self._cache[part.sha256]

    def _fetch(self, sha256: str) -> None:
        if sha256 not in self._sources:
            raise EvalsuiteError(
                f"image {sha256[:12]}: is none that this call asks about; this is a fault of the "
                "backend"
            )
        source = self._sources[sha256]
        wanted = [s for s in self._next(sha256) if self._is_beside(source, s)]
        folder = self._store.folder(source.capability, source.entrant)
        keys = [self._sources[s].key for s in wanted]
        for own, response in zip(wanted, folder.read(keys), strict=True):
            if response.image is None or response.image_sha256 != own:
                raise EvalsuiteError(
                    f"image {own[:12]}: the store holds another one under its key; run the same "
                    "command again"
                )
            self._keep(own, response.image)
        self._cache.move_to_end(sha256)
        while self._n_bytes > CACHE_BYTES and len(self._cache) > 1:
            _, dropped = self._cache.popitem(last=False)
            self._n_bytes -= len(dropped)

    def _next(self, sha256: str) -> Sequence[str]:
        """The image and those that will be asked for after it, about `_AHEAD_BYTES` of them."""
        if sha256 not in self._ranks:
            return [sha256]
        mean = self._bytes_read // self._n_read if self._n_read else _AHEAD_BYTES // 16
        n = min(max(_AHEAD_BYTES // max(mean, 1), 1), _AHEAD_IMAGES)
        rank = self._ranks[sha256]
        return [s for s in self._order[rank : rank + n] if s not in self._cache]

    def _is_beside(self, source: Request, sha256: str) -> bool:
        """Whether an image stands in the same folder of the store."""
        other = self._sources[sha256]
        own = (source.capability, source.entrant.identity)
        return own == (other.capability, other.entrant.identity)

    def _keep(self, sha256: str, image: bytes) -> None:
        self._cache[sha256] = image
        self._n_bytes += len(image)
        self._n_read += 1
        self._bytes_read += len(image)


def shown_images(requests: Iterable[Request], missing: Set[bytes]) -> list[str]:
    """The sha256 of the images of the missing requests, in the order of these."""
    return [
        part.sha256
        for request in requests
        if request.key in missing
        for part in request.prompt.parts
        if isinstance(part, ImagePart)
    ]
