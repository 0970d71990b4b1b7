"""From a small soft sprite to a crisp cut-out that can be drawn at any size."""

from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageFilter

from safelight.engines.mini.lexicon import Floats

TEXTURE_PIXELS = 512  # side of the sharpened texture; larger drawings interpolate it
OPAQUE = 0.08, 0.92  # alpha outside this range is noise of the decoder


@dataclass(frozen=True, slots=True)
class Cutout:
    """A thing without its background. Edges are found again at the size it is drawn at."""

    texture: Image.Image  # RGB, TEXTURE_PIXELS²
    alpha: Image.Image  # mode F, 0..1, soft: draw with a slope to match the size
    box: tuple[float, float, float, float]  # left, top, right, bottom of what is visible, in 0..1


def unpremultiply(sprite: Floats) -> tuple[Floats, Floats]:
    """[s, s, 4] premultiplied → colour [s, s, 3] that runs on beyond the edge, and alpha [s, s].

    Colour is trusted only where the sprite is opaque; the rest, the rim included, is filled in
    from there by ever wider blurs.
    """
    low, high = OPAQUE
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
    return colour.clip(0, 1), _smooth_edge((alpha - low) / (high - low))


def _smooth_edge(alpha: Floats) -> Floats:
    """Blur away the stairs that the decoder leaves along an edge; drawing makes it steep again."""
    return _box_mean(_box_mean(alpha.clip(0, 1)[..., None], 1), 1)[..., 0]


def smooth(rgb: Floats, radius: int = 3, evenness: float = 0.006) -> Floats:
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
    """Sharpen a sprite's colours and measure what of it is visible."""
    if mirrored:
        rgb, alpha = rgb[:, ::-1], alpha[:, ::-1]
    soft = Image.fromarray(np.ascontiguousarray(alpha, np.float32))
    return Cutout(_sharpen(_image(rgb)), soft, _visible(alpha))


def _sharpen(image: Image.Image) -> Image.Image:
    """Enlarge with an unsharp mask but no halos: no pixel leaves the range of its neighbours."""
    size = (TEXTURE_PIXELS, TEXTURE_PIXELS)
    large = image.resize(size, Image.Resampling.LANCZOS)
    sharp = large.filter(ImageFilter.UnsharpMask(radius=4, percent=160, threshold=0))
    low, high = (
        image.filter(limit(3)).resize(size, Image.Resampling.BILINEAR)
        for limit in (ImageFilter.MinFilter, ImageFilter.MaxFilter)
    )
    return Image.fromarray(np.asarray(sharp).clip(np.asarray(low), np.asarray(high)))


def _visible(alpha: Floats) -> tuple[float, float, float, float]:
    """The bounding box of the thing, or the whole square when there is next to nothing."""
    side = len(alpha)
    rows, columns = (np.flatnonzero((alpha > 0.4).sum(axis) > 1) for axis in (1, 0))
    if len(rows) < side // 12 or len(columns) < side // 12:
        return 0.1, 0.1, 0.9, 0.9
    return columns[0] / side, rows[0] / side, (columns[-1] + 1) / side, (rows[-1] + 1) / side


def _image(pixels: Floats) -> Image.Image:
    return Image.fromarray((pixels.clip(0, 1) * 255 + 0.5).astype(np.uint8))
