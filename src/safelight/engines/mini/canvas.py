"""Painting in strips: some rows of float colour at a time, so that any size fits in memory.

Lengths are in picture heights, x from 0 to the aspect ratio, y from 0 at the top to 1: a scene
looks the same at every resolution.
"""

from collections.abc import Callable, Iterator, Sequence
from copy import copy
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from PIL import Image

from safelight.engines import Pixels
from safelight.engines.mini.lexicon import Floats

FIELD_ROWS = 480  # of the coarse field that noise is interpolated from
STRIP_PIXELS = 1 << 17  # per strip: small enough for the cache and for prompt cancellation
KERNEL = 3  # rows beyond a strip that interpolation looks at: without them strips show seams
Colour = Sequence[float] | Sequence[Floats]  # red, green, blue, 0..255


@dataclass(frozen=True)
class Frame:
    """The picture's geometry. A preview has fewer pixels and the same aspect."""

    width: int
    height: int
    aspect: float

    @classmethod
    def of(cls, width: int, height: int) -> "Frame":
        return cls(width, height, width / height)

    def reduced(self, longest: int) -> "Frame":
        """The same picture with at most `longest` pixels on its longer side."""
        scale = min(1.0, longest / max(self.width, self.height))
        return Frame(
            max(1, round(self.width * scale)), max(1, round(self.height * scale)), self.aspect
        )

    @property
    def span(self) -> float:
        """The shorter side, in heights."""
        return min(1.0, self.aspect)

    @cached_property
    def x(self) -> Floats:
        """[1, width]"""
        return ((np.arange(self.width, dtype=np.float32) + 0.5) * (self.aspect / self.width))[None]

    def strips(self) -> "Strips":
        return Strips(self)


class Strips:
    """The rows of a picture in portions of about STRIP_PIXELS, from top to bottom."""

    def __init__(self, frame: Frame):
        self._frame = frame
        self._rows = max(8, STRIP_PIXELS // frame.width)

    def __len__(self) -> int:
        return -(-self._frame.height // self._rows)

    def __iter__(self) -> Iterator["Strip"]:
        for top in range(0, self._frame.height, self._rows):
            yield Strip(self._frame, top, min(self._frame.height, top + self._rows))


class Strip:
    """Rows `top` to `bottom` of the picture while they are painted; planar [3, rows, width]."""

    def __init__(self, frame: Frame, top: int, bottom: int):
        self.frame, self.top, self.bottom = frame, top, bottom
        rows = np.arange(top, bottom, dtype=np.float32)
        self.y: Floats = ((rows + 0.5) / frame.height)[:, None]  # [rows, 1]
        self.colour: Floats = np.zeros((3, bottom - top, frame.width), np.float32)

    @property
    def x(self) -> Floats:
        return self.frame.x

    def within(self, top: float, bottom: float) -> bool:
        """Does the strip meet this band of heights?"""
        return bool(self.y[0, 0] <= bottom and self.y[-1, 0] >= top)

    def fill(self, colour: Colour) -> None:
        for plane, value in zip(self.colour, colour, strict=True):
            plane[:] = value

    def blend(self, mask: Floats, colour: Colour) -> None:
        """Lay `colour` over the strip where `mask` (broadcastable to [rows, width]) is 1."""
        for plane, value in zip(self.colour, colour, strict=True):
            plane += mask * (value - plane)

    def pixels(self) -> Pixels:
        """[rows, width, 3], rounded."""
        np.clip(self.colour, 0, 255, out=self.colour)
        self.colour += 0.5
        out = np.empty((*self.colour.shape[1:], 3), np.uint8)
        for channel, plane in enumerate(self.colour):
            out[..., channel] = plane
        return out


Layer = Callable[[Strip], None]


class Noise:
    """Smooth random values around 0 over the picture, the same at every resolution.

    Octaves of random grids are summed once on a coarse field; strips interpolate it.
    """

    def __init__(
        self,
        frame: Frame,
        random: np.random.Generator,
        cells: Sequence[float],
        falloff: float = 0.5,
        stretch: float = 1.0,
    ):
        """`cells` per picture height, one octave each; `stretch` > 1 makes them wide and flat."""
        field = np.zeros((FIELD_ROWS, max(8, round(FIELD_ROWS * frame.aspect))), np.float32)
        for octave, cell in enumerate(cells):
            across = cell / stretch * frame.aspect
            grid = random.standard_normal((int(cell) + 6, int(across) + 6), dtype=np.float32)
            box = (1.5, 1.5, 1.5 + across, 1.5 + cell)
            field += falloff**octave * _stretched(_softened(grid), box, field.shape)
        self._field = Image.fromarray(field)

    def moved(self, across: float, down: float) -> "Noise":
        """The same values so many heights farther to the right and lower; its borders repeat."""
        other = copy(self)
        steps = round(down * FIELD_ROWS), round(across * FIELD_ROWS)
        rows, columns = (
            (np.arange(size) - step).clip(0, size - 1)
            for size, step in zip(self._field.size[::-1], steps, strict=True)
        )
        other._field = Image.fromarray(np.asarray(self._field)[rows[:, None], columns[None]])
        return other

    def over(self, strip: "Strip") -> Floats:
        """[rows, width]"""
        scale = FIELD_ROWS / strip.frame.height
        top, bottom = max(0, strip.top - KERNEL), min(strip.frame.height, strip.bottom + KERNEL)
        box = (0, top * scale, self._field.width, bottom * scale)
        size = (strip.frame.width, bottom - top)
        values = np.asarray(self._field.resize(size, Image.Resampling.BICUBIC, box=box))
        return values[strip.top - top : strip.bottom - top]


def _stretched(
    grid: Floats, box: tuple[float, float, float, float], shape: tuple[int, ...]
) -> Floats:
    rows, columns = shape
    image = Image.fromarray(grid).resize((columns, rows), Image.Resampling.BICUBIC, box=box)
    return np.asarray(image)


def _softened(grid: Floats) -> Floats:
    """What a cubic B-spline over the grid is at its knots: rounder than the values themselves."""
    for _ in range(2):
        grid = ((grid[:-2] + 4 * grid[1:-1] + grid[2:]) / 6).T
    return np.ascontiguousarray(grid)


def outline(
    frame: Frame,
    random: np.random.Generator,
    cells: float,
    octaves: int = 5,
    falloff: float = 0.5,
    ridged: bool = False,
) -> Floats:
    """A random skyline [width] from 0 to 1: rolling, or with crests like mountains."""
    total = np.zeros(frame.width, np.float32)
    for octave in range(octaves):
        frequency = cells * 2**octave
        knots = random.random(int(frequency * frame.aspect) + 5).astype(np.float32)
        value = _spline(frame.x[0] * frequency + random.random(), len(knots)) @ knots
        if ridged:
            value = 1 - np.abs(2.6 * (value - 0.5))
        total += value * falloff**octave
    low, high = total.min(), total.max()
    scaled: Floats = (total - low) / max(high - low, 1e-3)
    return scaled


def _spline(position: Floats, knots: int) -> Floats:
    """Weights [positions, knots] of the uniform cubic B-spline."""
    cell = np.minimum(position.astype(np.int64), knots - 4)
    t = (position - cell)[:, None]
    cubic = [(1 - t) ** 3, 3 * t**3 - 6 * t**2 + 4, -3 * t**3 + 3 * t**2 + 3 * t + 1, t**3]
    weights = np.zeros((len(position), knots), np.float32)
    np.put_along_axis(weights, cell[:, None] + np.arange(4), np.concatenate(cubic, 1) / 6, axis=1)
    return weights
