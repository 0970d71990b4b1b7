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
    """[s, s, 4] premultiplied → colour [s, s, 3] that runs on beyond the edge, and alpha [s, s]."""
    low, high = OPAQUE
    alpha = sprite[..., 3]
    around = np.asarray(_image(sprite).filter(ImageFilter.GaussianBlur(3)), np.float32) / 255
    wider = np.asarray(_image(sprite).filter(ImageFilter.GaussianBlur(12)), np.float32) / 255
    beyond = np.where(
        around[..., 3:] > 0.05,
        around[..., :3] / np.maximum(around[..., 3:], 0.02),
        wider[..., :3] / np.maximum(wider[..., 3:], 0.004),
    )
    inside = sprite[..., :3] / np.maximum(sprite[..., 3:], 0.5)
    share = ((alpha - 0.55) / 0.35).clip(0, 1)[..., None]
    return (share * inside + (1 - share) * beyond).clip(0, 1), ((alpha - low) / (high - low)).clip(
        0, 1
    )


def cut_out(rgb: Floats, alpha: Floats, mirrored: bool = False) -> Cutout:
    """Sharpen a sprite's colours and measure what of it is visible."""
    if mirrored:
        rgb, alpha = rgb[:, ::-1], alpha[:, ::-1]
    large = _image(rgb).resize((TEXTURE_PIXELS, TEXTURE_PIXELS), Image.Resampling.LANCZOS)
    soft = Image.fromarray(np.ascontiguousarray(alpha, np.float32))
    return Cutout(_sharpen(large), soft, _visible(alpha))


def _sharpen(image: Image.Image) -> Image.Image:
    """Unsharp mask without halos: no pixel leaves the range of its neighbourhood."""
    sharp = image.filter(ImageFilter.UnsharpMask(radius=5, percent=160, threshold=0))
    small = image.resize((TEXTURE_PIXELS // 2, TEXTURE_PIXELS // 2), Image.Resampling.BOX)
    low, high = (
        small.filter(limit(5)).resize(image.size, Image.Resampling.BILINEAR)
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
