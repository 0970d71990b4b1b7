"""From a small premultiplied sprite to a cut-out: its colours, its alpha and where it is."""

from dataclasses import dataclass

import numpy as np
from PIL import Image

from safelight.engines.mini.lexicon import Floats

MOST_PIXELS = 128  # side of a cut-out before it is enlarged: what the enlarger does best
TEXTURE_PIXELS = 512  # side of a texture that is good enough for most sizes
OPAQUE = 0.08, 0.92  # alpha outside this range is noise of the decoder


@dataclass(frozen=True, slots=True)
class Cutout:
    """A thing without its background. Edges are found again at the size it is drawn at."""

    texture: Image.Image  # RGB, square
    alpha: Image.Image  # mode F, 0..1, soft: draw with a slope to match the size
    box: tuple[float, float, float, float]  # left, top, right, bottom of what is visible, in 0..1


def unpremultiply(sprite: Floats) -> tuple[Floats, Floats]:
    """[s, s, 4] premultiplied → colour [s, s, 3] that runs on beyond the edge, and alpha [s, s].

    More pixels than MOST_PIXELS to a side are averaged, and blotches of the decoder evened out.
    Colour is trusted only where the sprite is opaque; the rest, the rim included, is filled in
    from there by ever wider blurs.
    """
    low, high = OPAQUE
    while len(sprite) > MOST_PIXELS:
        sprite = sprite.reshape(len(sprite) // 2, 2, len(sprite) // 2, 2, 4).mean((1, 3))
    alpha = sprite[..., 3]
    sure = (alpha > high).astype(np.float32)[..., None]
    if sure.mean() < 0.01:
        sure = np.ascontiguousarray(sprite[..., 3:])
    inside: Floats = smooth(sprite[..., :3] / np.maximum(sprite[..., 3:], 0.5))
    colour, known = inside * sure, sure
    for radius in (1, 3, 8, 16):
        spread = _box_mean(np.concatenate([colour, known], -1), radius)
        filled = spread[..., :3] / np.maximum(spread[..., 3:], 1e-4)
        gap = 1 - known
        colour = colour + gap * filled * (spread[..., 3:] > 0.01)
        known = np.maximum(known, spread[..., 3:] > 0.01)
    return colour.clip(0, 1), _even_edge(((alpha - low) / (high - low)).clip(0, 1))


def _even_edge(alpha: Floats) -> Floats:
    """Wear down the stairs that a decoder leaves along an edge; drawing makes it steep again."""
    for _ in range(2):
        padded = np.pad(alpha, ((1, 1), (0, 0)), mode="edge")
        alpha = ((padded[:-2] + 4 * padded[1:-1] + padded[2:]) / 6).T
    return np.ascontiguousarray(alpha)


def smooth(rgb: Floats, radius: int = 2, evenness: float = 0.001) -> Floats:
    """Even out blotches and keep edges: the guided filter of He, Sun and Tang (2010), by itself."""
    mean = _box_mean(rgb, radius)
    variance = _box_mean(rgb * rgb, radius) - mean * mean
    slope = variance / (variance + evenness)
    return _box_mean(slope, radius) * rgb + _box_mean((1 - slope) * mean, radius)


def _box_mean(values: Floats, radius: int) -> Floats:
    """The mean over squares of 2 · radius + 1 pixels; borders repeat."""
    width = 2 * radius + 1
    for axis in (0, 1):
        pad = [(radius + 1 if a == axis else 0, radius if a == axis else 0) for a in range(3)]
        total = np.pad(values, pad, mode="edge").cumsum(axis)
        values = (
            total.take(range(width, total.shape[axis]), axis)
            - total.take(range(total.shape[axis] - width), axis)
        ) / width
    return values


def cut_out(rgb: Floats, alpha: Floats, mirrored: bool = False) -> Cutout:
    """A sprite's colours and alpha with the measure of what of it is visible."""
    if mirrored:
        rgb, alpha = rgb[:, ::-1], alpha[:, ::-1]
    soft = Image.fromarray(np.ascontiguousarray(alpha, np.float32))
    return Cutout(_image(rgb), soft, _visible(alpha))


def _visible(alpha: Floats) -> tuple[float, float, float, float]:
    """The bounding box of the thing, or the whole square when there is next to nothing."""
    side = len(alpha)
    rows, columns = (np.flatnonzero((alpha > 0.4).sum(axis) > 1) for axis in (1, 0))
    if len(rows) < side // 12 or len(columns) < side // 12:
        return 0.1, 0.1, 0.9, 0.9
    return columns[0] / side, rows[0] / side, (columns[-1] + 1) / side, (rows[-1] + 1) / side


def _image(pixels: Floats) -> Image.Image:
    return Image.fromarray((pixels.clip(0, 1) * 255 + 0.5).astype(np.uint8))
