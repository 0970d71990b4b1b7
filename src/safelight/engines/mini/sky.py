"""Everything above the horizon, and what falls from it."""

import numpy as np

from safelight.engines.mini.canvas import Frame, Layer, Noise, Strip
from safelight.engines.mini.lexicon import Floats
from safelight.engines.mini.palette import Palette, Rgb, mix


def gradient(stops: list[tuple[float, Rgb]]) -> Layer:
    """Colours from top to bottom: (height, colour)."""
    heights = [height for height, _ in stops]

    def paint(strip: Strip) -> None:
        strip.fill(
            [
                np.interp(strip.y, heights, [colour[channel] for _, colour in stops])
                for channel in range(3)
            ]
        )

    return paint


def disc(x: float, y: float, radius: float, colour: Rgb, glow: float) -> Layer:
    """The sun or the moon, in a halo of strength `glow`."""

    def paint(strip: Strip) -> None:
        if not strip.within(y - 16 * radius, y + 16 * radius):
            return
        distance = np.hypot(strip.x - x, strip.y - y)
        strip.blend(0.45 * glow * np.exp(-distance / (4.5 * radius)), colour)
        strip.blend(glow * np.exp(-((distance / (2.6 * radius)) ** 2)), colour)
        strip.blend(((radius - distance) * strip.frame.height).clip(0, 1), colour)

    return paint


def seas(x: float, y: float, radius: float, colour: Rgb) -> Layer:
    """The grey patches of the moon."""
    patches = [(-0.3, -0.3, 0.34), (0.1, -0.38, 0.24), (-0.42, 0.14, 0.3), (0.32, 0.02, 0.22),
               (0.02, 0.42, 0.16)]  # fmt: skip

    def paint(strip: Strip) -> None:
        if not strip.within(y - radius, y + radius):
            return
        across, down = (strip.x - x) / radius, (strip.y - y) / radius
        away = np.hypot(across, down)
        shade = sum(
            np.exp(-((((across - a) ** 2 + (down - b) ** 2) / r**2) ** 2)) for a, b, r in patches
        )
        mask = (0.34 * np.minimum(shade, 1) + 0.25 * away.clip(0, 1) ** 4) * (away < 0.98)
        strip.blend(mask.astype(np.float32), colour)

    return paint


def clouds(
    frame: Frame, random: np.random.Generator, colours: Palette, horizon: float, cover: float
) -> Layer:
    """Clouds lit from above: their undersides take the haze's colour. `cover` is 0..1."""
    shape = Noise(frame, random, (3, 6, 12, 24, 48), falloff=0.52, stretch=2.0)
    below = shape.moved(0.0, -0.03)
    low = 0.85 - 1.6 * cover
    shaded = mix(colours.cloud, colours.middle, 0.45)

    def paint(strip: Strip) -> None:
        if not strip.within(0, horizon):
            return
        density = shape.over(strip)
        fade = (1.25 - strip.y / horizon).clip(0, 1) * ((horizon - strip.y) * 8).clip(0, 1)
        mask = ((density - low) * 1.7).clip(0, 1)
        mask *= mask * (3 - 2 * mask) * np.float32(0.94) * fade
        shade = (0.25 + 0.75 * (below.over(strip) - density)).clip(0, 1)
        strip.blend(mask, [c + shade * (s - c) for c, s in zip(colours.cloud, shaded, strict=True)])

    return paint


def stars(frame: Frame, random: np.random.Generator, number: int, bottom: float) -> Layer:
    """Points of light between the top and `bottom`."""
    number = int(number * frame.aspect)
    radius = random.uniform(0.0007, 0.0016, number) * (1 + 1.2 * (random.random(number) < 0.06))
    strength = random.uniform(0.25, 1.0, number)
    strength *= 1 - 0.7 * np.linspace(0, 1, number) ** 2
    y = np.sort(random.random(number)) * bottom
    return specks(random.random(number) * frame.aspect, y, radius, strength, (255, 250, 240))


def planet(x: float, y: float, radius: float, colour: Rgb, bands: Noise) -> Layer:
    """A banded sphere, lit from the upper left."""

    def paint(strip: Strip) -> None:
        if not strip.within(y - radius, y + radius):
            return
        across, down = (strip.x - x) / radius, (strip.y - y) / radius
        squared = across**2 + down**2
        facing = np.sqrt((1 - squared).clip(0))
        lit = (0.25 + 0.55 * facing - 0.55 * across - 0.5 * down).clip(0.06, 1.15)
        shade = lit * (1 + 0.22 * bands.over(strip))
        edge = ((1 - np.sqrt(squared)) * radius * strip.frame.height).clip(0, 1)
        strip.blend(edge, [channel * shade for channel in colour])

    return paint


def snowfall(frame: Frame, random: np.random.Generator) -> Layer:
    number = int(420 * frame.aspect)
    radius = 0.0012 + 0.0045 * random.random(number) ** 3
    strength = random.uniform(0.45, 0.95, number)
    x, y = random.random(number) * frame.aspect, np.sort(random.random(number))
    return specks(x, y, radius, strength, (255, 255, 255))


def specks(x: Floats, y: Floats, radius: Floats, strength: Floats, colour: Rgb) -> Layer:
    """Many small soft dots; `y` ascending."""

    def paint(strip: Strip) -> None:
        reach = 3 * float(radius.max(initial=0))
        first, last = np.searchsorted(y, [strip.y[0, 0] - reach, strip.y[-1, 0] + reach])
        for index in range(first, last):
            _dot(strip, x[index], y[index], radius[index], strength[index], colour)

    return paint


def _dot(strip: Strip, x: float, y: float, radius: float, strength: float, colour: Rgb) -> None:
    height = strip.frame.height
    radius = max(radius, 0.45 / height)
    left, right = (max(0, int((x + side * 3 * radius) * height)) for side in (-1, 1))
    top, bottom = (max(0, int((y + side * 3 * radius) * height) - strip.top) for side in (-1, 1))
    here = np.s_[top : bottom + 1, left : right + 1]
    squared = (strip.x[:, left : right + 1] - x) ** 2 + (strip.y[top : bottom + 1] - y) ** 2
    mask = (strength * np.exp(-squared / radius**2)).astype(np.float32)
    for plane, value in zip(strip.colour, colour, strict=True):
        plane[here] += mask * (value - plane[here])


def rainfall(frame: Frame, random: np.random.Generator) -> Layer:
    """Slanted streaks: noise stretched along the direction of the rain."""
    count = int(160 * frame.aspect) + 2
    phase = random.random(count).astype(np.float32)
    speed = random.uniform(2.0, 3.5, count).astype(np.float32)

    def paint(strip: Strip) -> None:
        place = (strip.x + 0.12 * strip.y) * 160
        lane = place.astype(np.int64) % count
        along = (strip.y * speed[lane] + phase[lane]) % 1
        across = 1 - np.abs(place % 1 - 0.5) * 5
        strip.blend(0.3 * across.clip(0, 1) * (1 - along * 3).clip(0, 1), (225, 232, 242))

    return paint


def fog(frame: Frame, random: np.random.Generator, colour: Rgb, horizon: float) -> Layer:
    """Banks of mist around the horizon."""
    shape = Noise(frame, random, (2, 5, 11), stretch=3.0)

    def paint(strip: Strip) -> None:
        bank = np.exp(-(((strip.y - horizon) / 0.22) ** 2))
        strip.blend((bank * (0.75 + 0.5 * shape.over(strip))).clip(0, 0.92), colour)

    return paint
