"""Simple shapes with smooth edges: rectangles, leaves, spires, craters, trunks."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from safelight.engines.mini.canvas import Colour, Layer, Strip
from safelight.engines.mini.lexicon import Floats
from safelight.engines.mini.palette import Rgb

Box = tuple[float, float, float, float]  # left, top, right, bottom in heights


def _window(strip: Strip, box: Box) -> tuple[slice, slice] | None:
    """The rows and columns of the strip that the box may touch."""
    height = strip.frame.height
    left, right = max(0, int(box[0] * height) - 1), min(strip.frame.width, int(box[2] * height) + 2)
    top = max(0, int(box[1] * height) - 1 - strip.top)
    bottom = min(strip.bottom - strip.top, int(box[3] * height) + 2 - strip.top)
    return (slice(top, bottom), slice(left, right)) if top < bottom and left < right else None


def _lay(strip: Strip, window: tuple[slice, slice], mask: Floats, colour: Colour) -> None:
    for plane, value in zip(strip.colour, colour, strict=True):
        here = plane[window]
        here += mask.astype(np.float32) * (value - here)


def rectangle(box: Box, colour: Rgb, foot: Rgb | None = None) -> Layer:
    """Filled evenly, or from `colour` at its top to `foot`."""
    left, top, right, bottom = box

    def paint(strip: Strip) -> None:
        window = _window(strip, box)
        if window is None:
            return
        y, x, pixels = strip.y[window[0]], strip.x[:, window[1]], strip.frame.height
        across = ((x - left) * pixels + 0.5).clip(0, 1) * ((right - x) * pixels + 0.5).clip(0, 1)
        down = ((y - top) * pixels + 0.5).clip(0, 1) * ((bottom - y) * pixels + 0.5).clip(0, 1)
        share = ((y - top) / (bottom - top)).clip(0, 1)
        last = foot or colour
        _lay(
            strip,
            window,
            across * down,
            [a + share * (b - a) for a, b in zip(colour, last, strict=True)],
        )

    return paint


@dataclass(frozen=True, slots=True)
class Leaf:
    """From its stem at (x, y) along `angle` (radians, 0 to the right, up is negative)."""

    x: float
    y: float
    angle: float
    length: float
    width: float
    colour: Rgb


def leaves(many: Sequence[Leaf]) -> Layer:
    """Pointed leaves with a lighter vein, the later ones on top."""

    def paint(strip: Strip) -> None:
        for leaf in many:
            tip = (
                leaf.x + leaf.length * np.cos(leaf.angle),
                leaf.y + leaf.length * np.sin(leaf.angle),
            )
            half = leaf.width
            box = (min(leaf.x, tip[0]) - half, min(leaf.y, tip[1]) - half,
                   max(leaf.x, tip[0]) + half, max(leaf.y, tip[1]) + half)  # fmt: skip
            window = _window(strip, box)
            if window is None:
                continue
            x, y = strip.x[:, window[1]] - leaf.x, strip.y[window[0]] - leaf.y
            along = (x * np.cos(leaf.angle) + y * np.sin(leaf.angle)) / leaf.length
            across = y * np.cos(leaf.angle) - x * np.sin(leaf.angle)
            reach = half * np.sin(np.pi * along.clip(0, 1) ** 0.75) * (along > 0) * (along < 1)
            mask = ((reach - np.abs(across)) * strip.frame.height + 0.5).clip(0, 1) * (reach > 0)
            vein = np.exp(-((across / (0.07 * half + 1e-4)) ** 2)) * 0.25
            shade = 0.8 + 0.3 * along + vein + 0.12 * np.sign(across)
            _lay(strip, window, mask, [channel * shade for channel in leaf.colour])

    return paint


def trunks(
    xs: Sequence[float], widths: Sequence[float], top: float, foot: Sequence[float], colour: Rgb
) -> Layer:
    """Round stems, wider at the foot, lit from the left."""

    def paint(strip: Strip) -> None:
        for x, width, base in zip(xs, widths, foot, strict=True):
            window = _window(strip, (x - 1.7 * width, top, x + 1.7 * width, base))
            if window is None:
                continue
            y, across = strip.y[window[0]], strip.x[:, window[1]] - x
            flare = width * (0.42 + 0.5 * np.exp(-(base - y) / (0.9 * width)))
            mask = ((flare - np.abs(across)) * strip.frame.height + 0.5).clip(0, 1) * (y < base)
            shade = 1.05 - 0.45 * (across / flare).clip(-1, 1)
            _lay(strip, window, mask, [channel * shade for channel in colour])

    return paint


def hanging(line: Floats, colour: Rgb, far: Rgb) -> Layer:
    """Fill above `line` [width]: a canopy, the roof of a cave."""
    lowest = float(line.max())

    def paint(strip: Strip) -> None:
        if not strip.within(0, lowest + 0.01):
            return
        mask = ((line[None] - strip.y) * strip.frame.height + 0.5).clip(0, 1)
        fade = (strip.y / max(lowest, 1e-3)).clip(0, 1)
        strip.blend(mask, [a + fade * (b - a) for a, b in zip(colour, far, strict=True)])

    return paint


def spire(x: float, foot: float, width: float, height: float, lit: Rgb, dark: Rgb) -> Layer:
    """A crystal or a cone: a triangle with a bright and a dark side."""

    def paint(strip: Strip) -> None:
        window = _window(strip, (x - width, foot - height, x + width, foot))
        if window is None:
            return
        share = 1 - (foot - strip.y[window[0]]) / height
        across = strip.x[:, window[1]] - x
        mask = ((share * width - np.abs(across)) * strip.frame.height + 0.5).clip(0, 1) * (
            share > 0
        )
        side = (across * strip.frame.height * 0.25 + 0.5 + share * 4).clip(0, 1)
        _lay(strip, window, mask, [a + side * (b - a) for a, b in zip(lit, dark, strict=True)])

    return paint


def craters(many: Sequence[tuple[float, float, float]], dark: Rgb, lit: Rgb) -> Layer:
    """Flat bowls (x, y, radius): dark inside on the side of the light, a bright rim opposite."""

    def paint(strip: Strip) -> None:
        for x, y, radius in many:
            window = _window(
                strip, (x - 1.3 * radius, y - 0.5 * radius, x + 1.3 * radius, y + 0.5 * radius)
            )
            if window is None:
                continue
            across = (strip.x[:, window[1]] - x) / radius
            down = (strip.y[window[0]] - y) / (0.32 * radius)
            away = np.hypot(across, down)
            inner = ((1 - away) * 6).clip(0, 1)
            rim = np.exp(-(((away - 1.04) / 0.12) ** 2))
            lean = (0.5 - 0.35 * across - 0.35 * down).clip(0, 1)
            _lay(strip, window, 0.55 * inner * lean, dark)
            _lay(strip, window, 0.55 * rim * (1 - lean), lit)

    return paint


def glow(
    x: float, y: float, radius: float, colour: Rgb, strength: float, flat: float = 1.0
) -> Layer:
    """A soft pool of light, `flat` times as high as wide."""

    def paint(strip: Strip) -> None:
        if not strip.within(y - 2.5 * radius * flat, y + 2.5 * radius * flat):
            return
        away = ((strip.x - x) / radius) ** 2 + ((strip.y - y) / (radius * flat)) ** 2
        strip.blend((strength * np.exp(-away)).astype(np.float32), colour)

    return paint
