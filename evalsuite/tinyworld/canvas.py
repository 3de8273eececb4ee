"""A square canvas that is painted by signed distances: vector drawing in a few lines of numpy."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

Distance = NDArray[np.float64]
"""Signed distance of every pixel's centre to an outline, in canvas widths; negative inside."""

Colour = tuple[float, float, float]
"""Red, green and blue from 0 to 255."""


class Canvas:
    """Pixels of one drawing; coordinates run from 0 to 1, right and down.

    Parameters
    ----------
    size : int
        Width and height in pixels.
    ground : tuple of float
        Colour of the empty canvas.
    dx, dy : float
        What is painted is moved right and down by this.
    zoom : float
        What is painted is enlarged by this, about the middle.
    is_mirrored : bool
        What is painted is mirrored, left for right.
    """

    def __init__(
        self,
        size: int,
        ground: Colour,
        *,
        dx: float = 0.0,
        dy: float = 0.0,
        zoom: float = 1.0,
        is_mirrored: bool = False,
    ) -> None:
        centres = (np.arange(size) + 0.5) / size
        across = (centres - dx - 0.5) / zoom
        x = 0.5 + (-across if is_mirrored else across)
        self.x, self.y = np.meshgrid(x, 0.5 + (centres - dy - 0.5) / zoom)
        self._pixel = 1.0 / (size * zoom)
        self._rgb = np.empty((size, size, 3))
        self._rgb[:] = ground

    def paint(self, distance: Distance, colour: Colour) -> None:
        """Fill the inside of an outline, its edge smoothed over one pixel."""
        cover = np.clip(0.5 - distance / self._pixel, 0.0, 1.0)[..., None]
        self._rgb += cover * (np.asarray(colour) - self._rgb)

    def pixels(self) -> NDArray[np.uint8]:
        """The drawing.

        Returns
        -------
        array of shape (size, size, 3)
        """
        return np.clip(np.rint(self._rgb), 0, 255).astype(np.uint8)

    def disc(self, x: float, y: float, radius: float) -> Distance:
        """A filled circle."""
        return np.hypot(self.x - x, self.y - y) - radius

    def oval(self, x: float, y: float, rx: float, ry: float) -> Distance:
        """An ellipse; its distance is exact on the outline and near it good enough to smooth."""
        unit = np.hypot((self.x - x) / rx, (self.y - y) / ry)
        return (unit - 1.0) * min(rx, ry)

    def box(self, x: float, y: float, w: float, h: float, corner: float = 0.0) -> Distance:
        """A rectangle of width ``w`` and height ``h`` about a middle, corners rounded."""
        across = np.abs(self.x - x) - w / 2 + corner
        down = np.abs(self.y - y) - h / 2 + corner
        outside = np.hypot(np.maximum(across, 0.0), np.maximum(down, 0.0))
        return outside + np.minimum(np.maximum(across, down), 0.0) - corner

    def stroke(self, x0: float, y0: float, x1: float, y1: float, width: float) -> Distance:
        """A straight line with round ends."""
        px, py, lx, ly = self.x - x0, self.y - y0, x1 - x0, y1 - y0
        along = np.clip((px * lx + py * ly) / (lx * lx + ly * ly), 0.0, 1.0)
        return np.hypot(px - along * lx, py - along * ly) - width / 2

    def polygon(self, corners: Sequence[tuple[float, float]]) -> Distance:
        """A polygon, convex or not."""
        nearest = np.full(self.x.shape, np.inf)
        inside = np.zeros(self.x.shape, dtype=bool)
        for (x0, y0), (x1, y1) in zip(corners, (*corners[1:], corners[0]), strict=True):
            nearest = np.minimum(nearest, self.stroke(x0, y0, x1, y1, 0.0))
            if y0 != y1:
                crosses = (self.y < y0) != (self.y < y1)
                inside ^= crosses & (self.x < x0 + (self.y - y0) * (x1 - x0) / (y1 - y0))
        return np.where(inside, -nearest, nearest)
