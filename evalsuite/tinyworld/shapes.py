"""The coloured shapes of tinyworld."""

import numpy as np

from evalsuite.tinyworld.canvas import Canvas, Colour, Distance

INKS: dict[str, Colour] = {
    "blue": (40, 84, 214),
    "brown": (118, 72, 38),
    "green": (36, 140, 58),
    "orange": (244, 138, 26),
    "pink": (244, 120, 178),
    "purple": (126, 44, 168),
    "red": (214, 34, 40),
    "yellow": (248, 222, 44),
}
_RADII = {"small": 0.19, "large": 0.36}


def draw_shape(canvas: Canvas, shape: str, colour: str, size: str) -> None:
    """Paint one shape in the middle of the canvas."""
    canvas.paint(_OUTLINES[shape](canvas, _RADII[size]), INKS[colour])


def _circle(canvas: Canvas, r: float) -> Distance:
    return canvas.disc(0.5, 0.5, 0.92 * r)


def _square(canvas: Canvas, r: float) -> Distance:
    return canvas.box(0.5, 0.5, 1.66 * r, 1.66 * r)


def _cross(canvas: Canvas, r: float) -> Distance:
    upright = canvas.box(0.5, 0.5, 0.62 * r, 2.0 * r)
    return np.minimum(upright, canvas.box(0.5, 0.5, 2.0 * r, 0.62 * r))


def _triangle(canvas: Canvas, r: float) -> Distance:
    return canvas.polygon(
        [(0.5, 0.5 - r), (0.5 + 1.04 * r, 0.5 + 0.8 * r), (0.5 - 1.04 * r, 0.5 + 0.8 * r)]
    )


def _star(canvas: Canvas, r: float) -> Distance:
    angles = np.pi * (np.arange(10) / 5 - 0.5)
    radii = np.where(np.arange(10) % 2 == 0, 1.1 * r, 0.44 * r)
    return canvas.polygon(
        list(zip(0.5 + radii * np.cos(angles), 0.52 + radii * np.sin(angles), strict=True))
    )


def _heart(canvas: Canvas, r: float) -> Distance:
    lobe = 0.52 * r
    top = np.minimum(
        canvas.disc(0.5 - lobe, 0.5 - 0.38 * r, lobe * 1.08),
        canvas.disc(0.5 + lobe, 0.5 - 0.38 * r, lobe * 1.08),
    )
    point = canvas.polygon(
        [
            (0.5 - 1.02 * r, 0.5 - 0.16 * r),
            (0.5 + 1.02 * r, 0.5 - 0.16 * r),
            (0.5, 0.5 + r),
        ]
    )
    return np.minimum(top, np.minimum(point, canvas.box(0.5, 0.5 - 0.24 * r, 1.4 * r, 0.3 * r)))


_OUTLINES = {
    "circle": _circle,
    "cross": _cross,
    "heart": _heart,
    "square": _square,
    "star": _star,
    "triangle": _triangle,
}
