"""Images from bytes that nobody vouches for, and the PNG bytes that the suite makes of them."""

import hashlib
import io
import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from evalsuite.requests import Response

if TYPE_CHECKING:
    from PIL.Image import Image

FORMATS = ("PNG", "JPEG", "WEBP")
"""What is decoded at all; every other decoder stays untouched."""

MAX_BYTES = 25_000_000
MAX_PIXELS = 40_000_000
"""Largest file, and largest width x height that it may declare."""

# Greyscale deeper than 8 bits is left out: no conversion of it to RGB is right for all files.
_MODES = frozenset({"1", "L", "LA", "P", "PA", "RGB", "RGBA", "RGBX", "CMYK", "YCbCr"})
_HAS_ALPHA = frozenset({"LA", "PA", "RGBA"})
_COMPRESS_LEVEL = 4  # Fixed, so that equal pixels give equal bytes, hence an equal sha256.

_decoding = threading.Lock()

BLANK = "blank image: every pixel is equal"
"""What stands beside the status ``filtered`` of an image in which nothing was drawn."""


class BadImage(ValueError):
    """Bytes that are no image that the suite reads; the message says why."""


def read_image(data: bytes, *, where: str = "image") -> "Image":
    """Decode an image with everything checked that can be checked before its pixels are.

    Transparency is laid on white. Colour profile, orientation tag and all other metadata are
    dropped unread: what counts is the pixels as they are stored.

    Parameters
    ----------
    data : bytes
        A PNG, JPEG or WEBP file of one frame, of at most 25 MB and 40 megapixels.
    where : str
        What an error names.

    Returns
    -------
    PIL.Image.Image
        Of mode RGB, its pixels loaded.

    Raises
    ------
    BadImage
        If the bytes are of another format, too large, truncated, animated or otherwise broken.

    Examples
    --------
    >>> read_image(png_bytes(np.zeros((2, 3, 3), np.uint8))).size
    (3, 2)
    >>> read_image(b"<svg/>", where="a.svg")
    Traceback (most recent call last):
    evalsuite.images.BadImage: a.svg: not a PNG, JPEG or WEBP image
    """
    if len(data) > MAX_BYTES:
        raise BadImage(f"{where}: {len(data):,} bytes, at most {MAX_BYTES:,} are read")
    try:
        with _strict_decoder():
            return _decoded(data, where)
    except BadImage:
        raise
    # Decoders of hostile bytes raise whatever they trip over; all of it means the same.
    except Exception as error:
        what = " ".join(str(error).split())[:120] or type(error).__name__
        raise BadImage(f"{where}: cannot be decoded ({what})") from None


@contextmanager
def _strict_decoder() -> Iterator[None]:
    """Hold Pillow to our limits, whatever other code of the process has set it to."""
    from PIL import Image, ImageFile

    with _decoding:
        before = Image.MAX_IMAGE_PIXELS, ImageFile.LOAD_TRUNCATED_IMAGES
        Image.MAX_IMAGE_PIXELS, ImageFile.LOAD_TRUNCATED_IMAGES = MAX_PIXELS, False
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                warnings.simplefilter("error", Image.DecompressionBombWarning)
                yield
        finally:
            Image.MAX_IMAGE_PIXELS, ImageFile.LOAD_TRUNCATED_IMAGES = before


def _decoded(data: bytes, where: str) -> "Image":
    from PIL import Image, UnidentifiedImageError

    too_large = f"{where}: declares more than {MAX_PIXELS:,} pixels"
    try:
        opened = Image.open(io.BytesIO(data), formats=FORMATS)
    except UnidentifiedImageError:
        raise BadImage(f"{where}: not a PNG, JPEG or WEBP image") from None
    except (Image.DecompressionBombError, Image.DecompressionBombWarning):
        raise BadImage(too_large) from None
    with opened:
        if opened.width * opened.height > MAX_PIXELS:
            raise BadImage(too_large)
        if getattr(opened, "n_frames", 1) != 1:
            raise BadImage(f"{where}: has several frames; save the one that is meant by itself")
        if opened.mode not in _MODES:
            raise BadImage(f"{where}: pixels of mode {opened.mode}; save it with 8 bits a channel")
        opened.load()
        return _as_rgb(opened)


def _as_rgb(image: "Image") -> "Image":
    """The pixels alone, on white where they are transparent."""
    from PIL import Image

    if image.mode not in _HAS_ALPHA and "transparency" not in image.info:
        return Image.frombytes("RGB", image.size, image.convert("RGB").tobytes())
    layer = image.convert("RGBA")
    white = Image.new("RGB", image.size, (255, 255, 255))
    white.paste(layer, mask=layer.getchannel("A"))
    return white


def png_bytes(image: "Image | NDArray[np.uint8]") -> bytes:
    r"""Encode an image as PNG: losslessly, without metadata, equal pixels to equal bytes.

    Parameters
    ----------
    image : PIL.Image.Image or array of shape (height, width, 3), dtype uint8

    Raises
    ------
    ValueError
        If an array is of another shape or dtype, or the image has no pixels.

    Examples
    --------
    >>> png_bytes(np.zeros((2, 2, 3), np.uint8))[:4]
    b'\x89PNG'
    """
    from PIL import Image

    pixels = _pixels(image)
    if not pixels.size:
        raise ValueError(f"png_bytes: no pixels in an image of shape {pixels.shape}")
    size = pixels.shape[1], pixels.shape[0]
    file = io.BytesIO()
    plain = Image.frombytes("RGB", size, np.ascontiguousarray(pixels).tobytes())
    plain.save(file, format="PNG", compress_level=_COMPRESS_LEVEL, optimize=False)
    return file.getvalue()


def image_sha256(png: bytes) -> str:
    """sha256, in hex, of the PNG bytes: the name of an image in requests and records."""
    return hashlib.sha256(png).hexdigest()


def is_blank(image: "Image | NDArray[np.uint8]") -> bool:
    """Whether every pixel is equal to the first one: nothing was drawn.

    Examples
    --------
    >>> is_blank(np.full((2, 2, 3), 7, np.uint8))
    True
    """
    pixels = _pixels(image)
    return bool((pixels == pixels[:1, :1]).all())


def image_response(key: bytes, image: "Image | NDArray[np.uint8]") -> Response:
    """Answer a request with an image, or say that it was left blank.

    Examples
    --------
    >>> image_response(b"k" * 32, np.zeros((2, 2, 3), np.uint8)).status
    'filtered'
    """
    if is_blank(image):
        return Response(key, "filtered", message=BLANK)
    return Response(key, "ok", image=png_bytes(image))


def _pixels(image: Any) -> NDArray[np.uint8]:
    """The pixels of a PIL image or of an array, shape (height, width, 3)."""
    if isinstance(image, np.ndarray):
        if image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] != 3:
            raise ValueError(
                f"image: an array of shape {image.shape} and dtype {image.dtype}, not "
                "(height, width, 3) of uint8"
            )
        return image
    return np.asarray(_as_rgb(image), dtype=np.uint8)
