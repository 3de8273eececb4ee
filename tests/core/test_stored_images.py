"""Judges see the images of the store, in bounded memory and without reading one many times."""

import pytest

from evalsuite import stored_images
from evalsuite.errors import EvalsuiteError
from evalsuite.requests import Entrant, ImagePart, Prompt, Request, Response
from evalsuite.store import Store
from evalsuite.stored_images import StoredImages, shown_images

ENTRANT = Entrant(model="m", backend="b", revision="1")


def asked(entrant: Entrant, n: int) -> list[Request]:
    prompt = Prompt.of_text("a cat")
    return [Request("generates_images", entrant, prompt, index=i) for i in range(n)]


@pytest.fixture
def store(tmp_path):
    return Store(tmp_path)


def drawn(store, entrant=ENTRANT, n=20, size=1000):
    """Images in the store: by sha256 the request, and by sha256 the bytes."""
    requests = asked(entrant, n)
    images = [f"{entrant.revision}/{i}".encode().ljust(size, b".") for i in range(n)]
    responses = [Response(r.key, "ok", image=i) for r, i in zip(requests, images, strict=True)]
    store.folder("generates_images", entrant).append(responses)
    names = [response.image_sha256 for response in responses]
    return dict(zip(names, requests, strict=True)), dict(zip(names, images, strict=True))


def count_reads(store, monkeypatch, entrant=ENTRANT):
    folder, reads = store.folder("generates_images", entrant), []
    read = folder.read
    monkeypatch.setattr(folder, "read", lambda keys: reads.append(len(keys)) or read(keys))
    return reads


def test_images_are_read_once_however_many_questions_there_are(store, monkeypatch):
    sources, images = drawn(store)
    reads = count_reads(store, monkeypatch)
    read = StoredImages(store, sources, images)
    for sha256, data in images.items():
        for _ in range(10):
            assert read(ImagePart(sha256=sha256)) == data
    assert sum(reads) == len(images) and len(reads) <= 2


def test_no_more_is_kept_than_the_cache_may_hold(store, monkeypatch):
    monkeypatch.setattr(stored_images, "CACHE_BYTES", 3500)
    monkeypatch.setattr(stored_images, "_AHEAD_BYTES", 2000)
    sources, images = drawn(store)
    read = StoredImages(store, sources, images)
    for sha256 in (*images, *reversed(images)):
        assert read(ImagePart(sha256=sha256)) == images[sha256]
        assert sum(map(len, read._cache.values())) == read._n_bytes <= 3500


def test_an_image_larger_than_the_cache_is_read_all_the_same(store, monkeypatch):
    monkeypatch.setattr(stored_images, "CACHE_BYTES", 10)
    sources, images = drawn(store, n=3)
    read = StoredImages(store, sources, images)
    for sha256 in images:
        assert read(ImagePart(sha256=sha256)) == images[sha256]


def test_images_of_two_entrants_are_read_side_by_side(store):
    one, other = drawn(store), drawn(store, ENTRANT.model_copy(update={"revision": "2"}))
    sources, images = one[0] | other[0], one[1] | other[1]
    order = [name for pair in zip(one[1], other[1], strict=True) for name in pair]
    read = StoredImages(store, sources, order)
    assert [read(ImagePart(sha256=name)) for name in order] == [images[name] for name in order]


def test_an_image_that_nobody_gave_is_a_fault(store):
    sources, images = drawn(store, n=1)
    with pytest.raises(EvalsuiteError, match="is none that this call asks about"):
        StoredImages(store, sources, images)(ImagePart(sha256="0" * 64))


def test_another_image_under_the_key_is_never_shown_for_the_one_asked_about(store):
    sources, images = drawn(store, n=2)
    one, other = images
    swapped = {one: sources[other], other: sources[one]}
    with pytest.raises(EvalsuiteError, match="holds another one under its key"):
        StoredImages(store, swapped, images)(ImagePart(sha256=one))


def test_only_images_of_missing_requests_will_be_asked_for():
    judge = Entrant(model="j", backend="b", revision="1")
    requests = [
        Request("embeds_images", judge, Prompt(parts=(ImagePart(sha256=name),))) for name in "abc"
    ]
    assert shown_images(requests, {requests[0].key, requests[2].key}) == ["a", "c"]
