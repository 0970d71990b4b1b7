"""Flat pictures laid over a strip: a thing, its shadow, the grass at its feet."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from PIL import Image

from safelight.engines.mini.canvas import KERNEL, Strip
from safelight.engines.mini.lexicon import Floats


@dataclass(frozen=True, slots=True)
class Decal:
    """A mask, stretched over a rectangle of pixels, filled with a texture or one colour."""

    mask: Image.Image  # mode F
    fill: Image.Image | tuple[float, float, float]  # RGB of the mask's shape, or one colour
    left: int
    top: int
    width: int
    height: int
    slope: float = 1.0  # steepness of the mask's edge; 1 leaves it as it is

    def lay(self, strip: Strip) -> None:
        """Blend what of the decal falls on the strip, interpolated at its final size."""
        top, bottom = max(strip.top, self.top), min(strip.bottom, self.top + self.height)
        left, right = max(0, self.left), min(strip.frame.width, self.left + self.width)
        if top >= bottom or left >= right:
            return
        above = min(KERNEL, top - self.top)
        below = min(KERNEL, self.top + self.height - bottom)
        window = (
            left - self.left,
            top - above - self.top,
            right - self.left,
            bottom + below - self.top,
        )
        rows = slice(above, above + bottom - top)
        mask = np.asarray(self._cut(self.mask, window))[rows]
        if self.slope != 1:
            mask = (mask - 0.5) * np.float32(self.slope) + np.float32(0.5)
        mask = mask.clip(0, 1)
        here = strip.colour[:, top - strip.top : bottom - strip.top, left:right]
        for plane, value in zip(here, self._colours(window, rows), strict=True):
            plane += mask * (value - plane)

    def _colours(self, window: tuple[int, int, int, int], rows: slice) -> Sequence[float | Floats]:
        if isinstance(self.fill, tuple):
            return self.fill
        texture = np.asarray(self._cut(self.fill, window))[rows]
        return [texture[..., channel].astype(np.float32) for channel in range(3)]

    def _cut(self, image: Image.Image, window: tuple[int, int, int, int]) -> Image.Image:
        """A window of the stretched image: left, top, right, bottom in the decal's pixels."""
        across, down = image.width / self.width, image.height / self.height
        left, top, right, bottom = window
        box = (left * across, top * down, right * across, bottom * down)
        return image.resize((right - left, bottom - top), Image.Resampling.BICUBIC, box=box)
