"""Things that are painted rather than drawn by the flow: a cardboard box that stands open."""

from collections.abc import Callable

import numpy as np
from PIL import Image, ImageDraw

from safelight.engines.mini.palette import PAINTS, Rgb, mix, rounded
from safelight.engines.mini.upscale import TEXTURE_PIXELS, Cutout

ALPHA_PIXELS = 256
CARDBOARD: Rgb = (196, 150, 98)


def painted(label: str, colour: str | None) -> Cutout | None:
    """The thing open, in its colour, or None when the flow draws it so."""
    return PROPS[label](PAINTS[colour] if colour else None) if label in PROPS else None


def _box(colour: Rgb | None) -> Cutout:
    base = colour or CARDBOARD
    front = [(0.16, 0.3), (0.84, 0.3), (0.82, 0.94), (0.18, 0.94)]
    left = [(0.16, 0.3), (0.5, 0.3), (0.4, 0.39), (0.04, 0.4)]
    right = [(0.5, 0.3), (0.84, 0.3), (0.96, 0.4), (0.6, 0.39)]
    tape = [(0.455, 0.3), (0.545, 0.3), (0.54, 0.94), (0.46, 0.94)]
    faces = [
        (front, mix(base, (40, 20, 10), 0.06)),
        (tape, mix(base, (255, 246, 226), 0.25)),
        (left, mix(base, (255, 250, 240), 0.3)),
        (right, mix(base, (255, 250, 240), 0.16)),
    ]
    return _cutout(faces, [front, left, right])


Polygon = list[tuple[float, float]]


def _cutout(faces: list[tuple[Polygon, Rgb]], outline: list[Polygon]) -> Cutout:
    """Flat faces, each a little darker towards the ground, without their background."""
    texture = Image.new("RGB", (TEXTURE_PIXELS, TEXTURE_PIXELS), rounded(faces[0][1]))
    pen = ImageDraw.Draw(texture)
    for face, colour in faces:
        points = [(x * TEXTURE_PIXELS, y * TEXTURE_PIXELS) for x, y in face]
        pen.polygon(points, fill=rounded(colour), outline=rounded(mix(colour, (30, 16, 8), 0.35)))
    shade = np.linspace(1.06, 0.82, TEXTURE_PIXELS, dtype=np.float32)[:, None, None]
    shaded = (np.asarray(texture, np.float32) * shade).clip(0, 255).astype(np.uint8)
    large = Image.new("L", (4 * ALPHA_PIXELS, 4 * ALPHA_PIXELS))
    for face in outline:
        points = [(x * 4 * ALPHA_PIXELS, y * 4 * ALPHA_PIXELS) for x, y in face]
        ImageDraw.Draw(large).polygon(points, fill=255)
    small = large.resize((ALPHA_PIXELS, ALPHA_PIXELS), Image.Resampling.BOX)
    alpha = Image.fromarray(np.asarray(small, np.float32) / 255)
    corners = [point for face in outline for point in face]
    xs, ys = zip(*corners, strict=True)
    return Cutout(Image.fromarray(shaded), alpha, (min(xs), min(ys), max(xs), max(ys)))


PROPS: dict[str, Callable[[Rgb | None], Cutout]] = dict.fromkeys(("package", "cardboard box"), _box)
