"""Reads the attributes of a drawing back: the nearest of all drawings, at half the resolution."""

from dataclasses import dataclass
from functools import cache

import numpy as np
from numpy.typing import NDArray

from evalsuite.tinyworld.canvas import Canvas
from evalsuite.tinyworld.drawing import GROUNDS, SIZE
from evalsuite.tinyworld.figures import draw_person
from evalsuite.tinyworld.shapes import draw_shape
from evalsuite.tinyworld.world import Kind, Scene, all_scenes

_SMALL = SIZE // 2
_PERSON_STEPS = (-0.8 / 32, 0.0, 0.8 / 32)
_SHAPE_STEPS = tuple(step / 32 for step in (-3.0, -1.8, -0.6, 0.6, 1.8, 3.0))
_CHUNK = 256


@dataclass(frozen=True)
class Reading:
    """What an image shows, as far as the oracle can tell.

    Parameters
    ----------
    scene : Scene
        Of the nearest template.
    distance : float
        Root mean square distance to it over pixels and channels, from 0 to 1: how far the image is
        from anything that tinyworld draws.
    """

    scene: Scene
    distance: float


@dataclass(frozen=True)
class _Templates:
    scenes: tuple[Scene, ...]
    pixels: NDArray[np.float32]
    squares: NDArray[np.float32]


def read_scenes(images: NDArray[np.uint8]) -> list[Reading]:
    """Read images of any size that is a multiple of 16.

    Parameters
    ----------
    images : array of shape (n, size, size, 3)

    Raises
    ------
    ValueError
        If the shape is another.

    Examples
    --------
    >>> from evalsuite.tinyworld.drawing import draw
    >>> scene = Scene.of("person", occupation="chef", presentation="feminine", tone="dark",
    ...                  background="mint")
    >>> read_scenes(draw(scene, 7)[None])[0].scene == scene
    True
    """
    if images.ndim != 4 or images.shape[3] != 3 or images.shape[1] != images.shape[2]:
        raise ValueError(f"read_scenes: expected (n, size, size, 3), got shape {images.shape}")
    if images.shape[1] % _SMALL:
        raise ValueError(f"read_scenes: size must be a multiple of {_SMALL}, got {images.shape[1]}")
    found: list[Reading] = []
    for start in range(0, len(images), _CHUNK):
        found += _read_chunk(_shrink(images[start : start + _CHUNK]))
    return found


def _read_chunk(rows: NDArray[np.float32]) -> list[Reading]:
    templates = _templates()
    products = rows @ templates.pixels.T
    nearest = (templates.squares - 2.0 * products).argmin(axis=1)
    gaps = rows - templates.pixels[nearest]
    distances = np.sqrt((gaps**2).mean(axis=1))
    return [
        Reading(templates.scenes[i], float(distance))
        for i, distance in zip(nearest, distances, strict=True)
    ]


def _shrink(images: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Average blocks of pixels down to 16 x 16; from 0 to 1, one row an image."""
    n, size = images.shape[:2]
    step = size // _SMALL
    blocks = images.reshape(n, _SMALL, step, _SMALL, step, 3).mean(axis=(2, 4), dtype=np.float32)
    return np.asarray((blocks / np.float32(255.0)).reshape(n, -1), dtype=np.float32)


@cache
def _templates() -> _Templates:
    scenes: list[Scene] = []
    pixels = []
    for scene in (*all_scenes("person"), *all_scenes("shape")):
        steps = _PERSON_STEPS if scene.kind == "person" else _SHAPE_STEPS
        for is_mirrored in _sides(scene.kind):
            for dx in steps:
                for dy in steps:
                    pixels.append(_template(scene, dx, dy, is_mirrored))
                    scenes.append(scene)
    rows = _shrink(np.stack(pixels))
    return _Templates(tuple(scenes), rows, (rows**2).sum(axis=1))


def _sides(kind: Kind) -> tuple[bool, ...]:
    return (False, True) if kind == "person" else (False,)


def _template(scene: Scene, dx: float, dy: float, is_mirrored: bool) -> NDArray[np.uint8]:
    canvas = Canvas(SIZE, GROUNDS[scene["background"]], dx=dx, dy=dy, is_mirrored=is_mirrored)
    if scene.kind == "person":
        draw_person(canvas, scene["occupation"], scene["presentation"], scene["tone"])
    else:
        draw_shape(canvas, scene["shape"], scene["colour"], scene["size"])
    return canvas.pixels()
