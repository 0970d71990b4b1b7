"""Leafy trees: a trunk and a crown of clumps, lit from above; what falls from them."""

import math

import numpy as np
from PIL import Image, ImageDraw

from safelight.engines.mini.canvas import Frame, Layer, Strip
from safelight.engines.mini.decals import Decal
from safelight.engines.mini.palette import Rgb, mix, rounded
from safelight.engines.mini.sky import specks

PIXELS = 400  # side of the picture of a tree
CLUMPS = 46
LIMBS = (  # how far aside and how high they end, half as wide as what, from where
    (-0.17, 0.36, 0.011, 0.74),
    (0.16, 0.4, 0.011, 0.7),
    (0.0, 0.5, 0.026, 1.0),
)


def tree(
    random: np.random.Generator, bark: Rgb, leaf: Rgb, leaves: int
) -> tuple[Image.Image, Image.Image]:
    """Its mask (mode F) and its colours, as high as wide, its foot in the middle of the bottom."""
    side = 2 * PIXELS
    mask, texture = Image.new("L", (side, side)), Image.new("RGB", (side, side), rounded(leaf))
    pen, ink = ImageDraw.Draw(mask), ImageDraw.Draw(texture)
    lean = random.normal(0, 0.03)
    for x, reach, width, base in LIMBS:
        foot, fork = 0.5 + 0.1 * x, 0.5 + x + lean
        limb = [
            (foot - 1.5 * width, base), (fork - 0.4 * width, reach),
            (fork + 0.4 * width, reach), (foot + 1.5 * width, base),
        ]  # fmt: skip
        points = [(side * a, side * b) for a, b in limb]
        pen.polygon(points, fill=255)
        ink.polygon(points, fill=rounded(mix(bark, (0, 0, 0), 0.0 if x == 0 else 0.2)))
    angle, away = random.uniform(0, 6.28, CLUMPS), np.sqrt(random.random(CLUMPS))
    xs, ys = 0.5 + lean + 0.34 * away * np.cos(angle), 0.34 + 0.22 * away * np.sin(angle)
    for n in np.argsort(-ys):
        _clump(pen, ink, random, (float(xs[n]), float(ys[n])), leaf, leaves // CLUMPS)
    soft, painted = (
        image.resize((PIXELS, PIXELS), Image.Resampling.BOX) for image in (mask, texture)
    )
    return Image.fromarray(np.asarray(soft, np.float32) / 255), painted


def _clump(
    pen: ImageDraw.ImageDraw,
    ink: ImageDraw.ImageDraw,
    random: np.random.Generator,
    middle: tuple[float, float],
    leaf: Rgb,
    leaves: int,
) -> None:
    """A ball of leaves, dark below, light towards the upper left."""
    (x, y), radius = middle, random.uniform(0.06, 0.1)
    turn, out = random.uniform(0, 6.28, leaves), np.sqrt(random.random(leaves))
    sizes = random.uniform(0.009, 0.017, leaves) * math.sqrt(24 / leaves)
    gleam = random.normal(0, 0.12, leaves)
    for across, down, r, more in zip(
        (out * np.cos(turn)).tolist(),
        (out * np.sin(turn)).tolist(),
        sizes.tolist(),
        gleam.tolist(),
        strict=True,
    ):
        light = 0.55 - 0.3 * across - 0.5 * down - 1.4 * (y - 0.34) + more
        tone = mix(leaf, (255, 246, 214), 0.45 * min(1, max(0, light - 0.5)))
        tone = mix(tone, (30, 16, 40), 0.5 * min(1, max(0, 0.5 - light)))
        cx, cy = x + radius * across, y + 0.8 * radius * down
        box = [2 * PIXELS * edge for edge in (cx - r, cy - 0.8 * r, cx + r, cy + 0.8 * r)]
        pen.ellipse(box, fill=255)
        ink.ellipse(box, fill=rounded(tone))


def row(
    frame: Frame,
    pictures: list[tuple[Image.Image, Image.Image]],
    places: list[tuple[float, float, float]],
) -> Layer:
    """Trees at (x, foot, height) in picture heights, in this order."""
    pixels = frame.width / frame.aspect
    decals = []
    for number, (x, foot, tall) in enumerate(places):
        wide, high = max(2, round(tall * pixels)), max(2, round(tall * frame.height))
        left, top = round(x * pixels - wide / 2), round(foot * frame.height) - high
        mask, texture = pictures[number % len(pictures)]
        slope = max(1.0, 0.9 * high / PIXELS)
        decals.append(Decal(mask, texture, left, top, wide, high, slope))

    def paint(strip: Strip) -> None:
        for decal in decals:
            decal.lay(strip)

    return paint


def petals(frame: Frame, random: np.random.Generator) -> Layer:
    """Blossoms that drift down."""
    number = int(90 * frame.aspect)
    radius = 0.0025 + 0.005 * random.random(number) ** 2
    x, y = random.random(number) * frame.aspect, np.sort(random.random(number))
    return specks(x, y, radius, random.uniform(0.6, 0.95, number), (255, 214, 226))
