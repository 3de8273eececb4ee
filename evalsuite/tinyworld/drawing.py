"""From a scene and a seed to pixels."""

import numpy as np
from numpy.typing import NDArray

from evalsuite.tinyworld.canvas import Canvas, Colour
from evalsuite.tinyworld.figures import draw_person
from evalsuite.tinyworld.shapes import draw_shape
from evalsuite.tinyworld.world import Scene

SIZE = 32
"""Default width and height of a drawing, in pixels."""

GROUNDS: dict[str, Colour] = {
    "grey": (150, 150, 156),
    "mint": (184, 232, 206),
    "lilac": (206, 196, 242),
}
_PERSON_SHIFT = 1.2 / 32
_SHAPE_SHIFT = 3.0 / 32
_ZOOM = 0.04
_LIGHT = 6.0


def draw(scene: Scene, seed: int, *, size: int = SIZE) -> NDArray[np.uint8]:
    """Draw a scene.

    The seed decides what the scene does not: place, size within 4 %, side, lightness of the ground.

    Parameters
    ----------
    scene : Scene
    seed : int
        At least 0; equal seeds give equal drawings.
    size : int
        Width and height in pixels, at least 32.

    Returns
    -------
    array of shape (size, size, 3)

    Raises
    ------
    ValueError
        If the size is below 32.

    Examples
    --------
    >>> scene = Scene.of("shape", shape="star", colour="red", size="large", background="mint")
    >>> draw(scene, 0).shape, bool((draw(scene, 0) == draw(scene, 0)).all())
    ((32, 32, 3), True)
    """
    if size < SIZE:
        raise ValueError(f"draw: size must be at least {SIZE}, got {size}")
    rng = np.random.Generator(np.random.Philox(seed))
    across, down, zoom, light, side = rng.uniform(-1.0, 1.0, 5)
    shift = _PERSON_SHIFT if scene.kind == "person" else _SHAPE_SHIFT
    red, green, blue = GROUNDS[scene["background"]]
    canvas = Canvas(
        size,
        (red + _LIGHT * light, green + _LIGHT * light, blue + _LIGHT * light),
        dx=shift * across,
        dy=shift * down,
        zoom=1.0 + _ZOOM * zoom,
        is_mirrored=side > 0.0 and scene.kind == "person",
    )
    if scene.kind == "person":
        draw_person(canvas, scene["occupation"], scene["presentation"], scene["tone"])
    else:
        draw_shape(canvas, scene["shape"], scene["colour"], scene["size"])
    return canvas.pixels()
