"""Blades of grass: a tuft at the feet of something, tufts strewn over a meadow."""

import numpy as np
from PIL import Image, ImageDraw

from safelight.engines.mini.canvas import Frame, Layer, Strip
from safelight.engines.mini.decals import Decal
from safelight.engines.mini.palette import Rgb, mix, rounded

PIXELS = 96  # height of the picture of a tuft
KINDS = 5  # of tufts on a meadow
TUFTS = 90  # on a meadow as wide as high


def tuft(
    random: np.random.Generator, columns: int, near: Rgb, dense: float = 0.12
) -> tuple[Image.Image, Image.Image]:
    """Its mask and its colours, [PIXELS, columns]; `dense` is in blades per column."""
    mask = Image.new("L", (2 * columns, 2 * PIXELS))
    texture = Image.new("RGB", mask.size, rounded(near))
    pen, ink = ImageDraw.Draw(mask), ImageDraw.Draw(texture)
    for _ in range(round(dense * columns)):
        share = random.random()
        x, lean = share * mask.width, random.normal(0, 0.3)
        edge = min(1.0, 6 * min(share, 1 - share))
        tall = mask.height * random.uniform(0.3, 0.92) * (0.35 + 0.65 * edge)
        half, foot = random.uniform(7.0, 13.0), mask.height * random.uniform(0.86, 1.0)
        blade = [(x - half, foot), (x + lean * tall, foot - tall), (x + half, foot)]
        tone = mix(near, (255, 255, 180) if random.random() < 0.5 else (10, 40, 20), 0.2)
        pen.polygon(blade, fill=255)
        ink.polygon(blade, fill=rounded(tone))
    size = (columns, PIXELS)
    soft = np.asarray(mask.resize(size, Image.Resampling.BOX), np.float32) / 255
    return Image.fromarray(soft), texture.resize(size, Image.Resampling.BOX)


def meadow(frame: Frame, random: np.random.Generator, top: float, near: Rgb) -> Layer:
    """Tufts all over the ground below `top`, larger the nearer they are."""
    pictures = [tuft(random, round(1.6 * PIXELS), near, 0.09) for _ in range(KINDS)]
    number = int(TUFTS * frame.aspect)
    depth = np.sort(random.random(number)) ** 1.3
    places = np.stack([random.random(number) * frame.aspect, top + (1.04 - top) * depth], -1)
    tall = (0.008 + 0.05 * depth) * random.uniform(0.7, 1.2, number)
    pixels = frame.width / frame.aspect
    decals = []
    for (x, y), height, kind in zip(
        places.tolist(), tall.tolist(), random.integers(KINDS, size=number).tolist(), strict=True
    ):
        rows, wide = max(2, round(height * frame.height)), max(2, round(1.6 * height * pixels))
        left, tip = round(x * pixels - wide / 2), round(y * frame.height) - rows
        mask, texture = pictures[kind]
        decals.append(Decal(mask, texture, left, tip, wide, rows))

    def paint(strip: Strip) -> None:
        for decal in decals:
            decal.lay(strip)

    return paint
