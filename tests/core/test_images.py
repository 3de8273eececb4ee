"""No byte string breaks the decoder, and no image loses or gains anything by being encoded."""

import io
import struct
import warnings
import zlib

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from PIL import Image, ImageFile

from evalsuite import images
from evalsuite.images import (
    BadImage,
    image_response,
    image_sha256,
    is_blank,
    png_bytes,
    read_image,
)

NOISE = np.random.default_rng(0).integers(0, 256, (24, 40, 3)).astype(np.uint8)
pixels = arrays(np.uint8, st.tuples(st.integers(1, 9), st.integers(1, 9), st.just(3)))


def saved(image: Image.Image, kind: str, **options: object) -> bytes:
    file = io.BytesIO()
    image.save(file, format=kind, **options)
    return file.getvalue()


def chunk(tag: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + tag + body + struct.pack(">I", zlib.crc32(tag + body))


def bomb(width: int, height: int) -> bytes:
    """A small PNG file that declares a large image."""
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    data = zlib.compress(bytes(1000))
    chunks = [chunk(b"IHDR", header), chunk(b"IDAT", data), chunk(b"IEND", b"")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(chunks)


FILES = {
    "png": png_bytes(NOISE),
    "jpeg": saved(Image.fromarray(NOISE), "JPEG"),
    "webp": saved(Image.fromarray(NOISE), "WEBP", lossless=True),
}


@settings(deadline=None)
@given(pixels)
def test_encoding_is_lossless_and_equal_pixels_give_equal_bytes(array):
    data = png_bytes(array)
    assert np.array_equal(np.asarray(read_image(data)), array)
    assert png_bytes(read_image(data)) == data == png_bytes(Image.fromarray(array))
    assert image_sha256(data) == image_sha256(png_bytes(array.copy()))


@pytest.mark.parametrize("kind", FILES)
def test_the_three_formats_are_read_as_rgb(kind):
    image = read_image(FILES[kind])
    assert (image.size, image.mode) == ((40, 24), "RGB")


@pytest.mark.parametrize("kind", ["GIF", "TIFF", "BMP", "PPM", "ICO"])
def test_other_formats_are_refused(kind):
    with pytest.raises(BadImage, match=r"^x\.img: not a PNG, JPEG or WEBP image$"):
        read_image(saved(Image.fromarray(NOISE), kind), where="x.img")


@pytest.mark.parametrize("data", [b"", b"<svg xmlns='http://www.w3.org/2000/svg'/>", b"%!PS-Adobe"])
def test_what_is_no_raster_image_is_refused(data):
    with pytest.raises(BadImage, match="not a PNG, JPEG or WEBP"):
        read_image(data)


@settings(deadline=None, max_examples=300)
@given(st.sampled_from(sorted(FILES)), st.data())
def test_mangled_bytes_give_an_image_or_a_bad_image(kind, data):
    raw = bytearray(FILES[kind])
    for _ in range(data.draw(st.integers(1, 8))):
        raw[data.draw(st.integers(0, len(raw) - 1))] = data.draw(st.integers(0, 255))
    start = data.draw(st.integers(0, len(raw)))
    raw[start : start + data.draw(st.integers(0, 20))] = data.draw(st.binary(max_size=20))
    try:
        image = read_image(bytes(raw))
    except BadImage:
        return
    assert image.mode == "RGB" and image.width * image.height <= images.MAX_PIXELS


@pytest.mark.parametrize("size", [(40_000, 40_000), (6_500, 6_500), (2**31 - 1, 2**31 - 1)])
def test_an_image_bomb_is_refused_before_a_pixel_is_decoded(size, monkeypatch):
    monkeypatch.setattr(ImageFile.ImageFile, "load", lambda self: pytest.fail("decoded"))
    data = bomb(*size)
    assert len(data) < 200
    with pytest.raises(BadImage, match=r"declares more than 40,000,000 pixels|cannot be decoded"):
        read_image(data)


def test_a_large_file_is_refused_unseen():
    with pytest.raises(BadImage, match="25,000,001 bytes, at most 25,000,000"):
        read_image(bytes(images.MAX_BYTES + 1))


@pytest.mark.parametrize("kind", FILES)
@pytest.mark.parametrize("share", [0.2, 0.5, 0.9])
def test_a_truncated_file_is_refused_whatever_pillow_was_told(kind, share, monkeypatch):
    monkeypatch.setattr(ImageFile, "LOAD_TRUNCATED_IMAGES", True)
    data = FILES[kind]
    with pytest.raises(BadImage):
        read_image(data[: int(len(data) * share)])
    assert ImageFile.LOAD_TRUNCATED_IMAGES is True


def test_limits_that_others_set_are_left_as_they_were(monkeypatch):
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", None)
    with pytest.raises(BadImage, match="declares more than"):
        read_image(bomb(40_000, 40_000))
    assert Image.MAX_IMAGE_PIXELS is None


@pytest.mark.parametrize("kind", ["PNG", "WEBP"])
def test_an_image_of_several_frames_is_refused(kind):
    frames = [Image.fromarray(NOISE), Image.fromarray(255 - NOISE)]
    data = saved(frames[0], kind, save_all=True, append_images=frames[1:])
    with pytest.raises(BadImage, match="several frames"):
        read_image(data)


def test_greyscale_deeper_than_eight_bits_is_refused():
    data = saved(Image.fromarray(np.full((4, 4), 60_000, np.uint16)), "PNG")
    with pytest.raises(BadImage, match="8 bits a channel"):
        read_image(data)


def test_no_metadata_survives():
    exif = Image.Exif()
    exif[0x010E] = "taken at home"
    data = saved(Image.fromarray(NOISE), "JPEG", exif=exif, icc_profile=b"profile" * 20)
    image = read_image(data)
    assert not image.info and not image.getexif()
    clean = png_bytes(image)
    names = []
    place = 8
    while place < len(clean):
        (length,) = struct.unpack(">I", clean[place : place + 4])
        names.append(clean[place + 4 : place + 8])
        place += 12 + length
    assert set(names) == {b"IHDR", b"IDAT", b"IEND"}


def test_transparency_is_laid_on_white():
    layer = np.zeros((2, 2, 4), np.uint8)
    layer[0, 0] = (10, 20, 30, 255)
    image = read_image(saved(Image.fromarray(layer), "PNG"))
    assert image.getpixel((0, 0)) == (10, 20, 30)
    assert image.getpixel((1, 1)) == (255, 255, 255)


def test_a_broken_image_warns_nobody():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with pytest.raises(BadImage):
            read_image(bomb(7_000, 7_000))


@pytest.mark.parametrize(
    "array",
    [np.zeros((2, 2), np.uint8), np.zeros((2, 2, 4), np.uint8), np.zeros((2, 2, 3)),
     np.zeros((0, 2, 3), np.uint8)],
)  # fmt: skip
def test_what_is_no_image_is_not_encoded(array):
    with pytest.raises(ValueError, match="shape"):
        png_bytes(array)


@settings(deadline=None)
@given(pixels)
def test_an_image_is_blank_where_all_its_pixels_are_equal(array):
    expected = len({tuple(pixel) for pixel in array.reshape(-1, 3).tolist()}) == 1
    assert is_blank(array) is is_blank(Image.fromarray(array)) is expected


def test_a_blank_image_is_filtered_and_another_one_an_answer():
    blank = image_response(b"k" * 32, np.full((4, 4, 3), 9, np.uint8))
    assert (blank.status, blank.image, blank.message) == ("filtered", None, images.BLANK)
    drawn = image_response(b"k" * 32, NOISE)
    assert drawn.status == "ok" and drawn.image_sha256 == image_sha256(png_bytes(NOISE))
