"""The scene's light on a thing: its tint, a bright rim towards the sun, shade towards the foot."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageChops, ImageFilter

from safelight.engines.mini.lexicon import Floats
from safelight.engines.mini.palette import Rgb, rounded
from safelight.engines.mini.upscale import Cutout

MAP_PIXELS = 128  # side of the maps of shade and rim, which are smooth
FOOT_SHADE = 0.2  # what the light loses at the foot of what stands
SIDE_SHADE = 0.16  # … and on the side away from the sun
RIM_PIXELS = 2.3  # of MAP_PIXELS: how wide the rim is
WINDOW_LIGHT: Rgb = (255, 206, 112)
BLUENESS = 24  # levels of blue over red from which a pane of a window is taken to be one


@dataclass(frozen=True, slots=True)
class Light:
    """How the things of a scene are lit."""

    tint: Rgb = (1.0, 1.0, 1.0)  # factors on their colours
    rim: Rgb = (0.0, 0.0, 0.0)  # light added along the edge towards the sun
    haze: Rgb = (255.0, 255.0, 255.0)  # what distant things fade into
    sun: float = -0.35  # from which side it falls: -1 left, 1 right
    backlit: bool = False  # the sun is seen, low behind the things
    dark: bool = False  # windows shine


def relit(cutout: Cutout, light: Light, grounded: bool, distance: float) -> Image.Image:
    """The texture as it looks in this light, `distance` 0..1 of the way into the haze."""
    side = (MAP_PIXELS, MAP_PIXELS)
    shape = cutout.alpha.resize(side, Image.Resampling.BILINEAR)
    texture = _multiplied(cutout.texture, _shade(cutout, light, grounded))
    if any(light.rim):
        glow = _rim(shape, light)[..., None] * np.array(light.rim, np.float32)
        texture = ImageChops.screen(texture, _image(glow).resize(texture.size))
    if distance > 0:
        veil = Image.new("RGB", texture.size, rounded(light.haze))
        texture = Image.blend(texture, veil, distance)
    return texture


def mean_colour(cutouts: Sequence[Cutout]) -> Rgb:
    """Of all that is visible, 0..255."""
    total, weights = np.zeros(3), 1e-3
    for cutout in cutouts:
        small = np.asarray(cutout.texture.resize((32, 32), Image.Resampling.BOX), np.float64)
        alpha = np.asarray(cutout.alpha.resize((32, 32), Image.Resampling.BOX), np.float64)
        total += (small * alpha[..., None]).sum((0, 1))
        weights += float(alpha.sum())
    red, green, blue = total / weights
    return red, green, blue


def with_windows(cutout: Cutout, texture: Image.Image) -> Image.Image:
    """The same building with its panes lit: what is blue by day is a window."""
    day = np.asarray(cutout.texture.filter(ImageFilter.GaussianBlur(1)), np.float32)
    red, green, blue = np.moveaxis(day, -1, 0)
    pane = ((blue - np.maximum(red, 0.8 * green) - BLUENESS) / 24).clip(0, 1)
    mask = Image.fromarray((pane * 255).astype(np.uint8))
    shine = Image.new("RGB", texture.size, rounded(WINDOW_LIGHT))
    lit = Image.composite(shine, texture, mask)
    halo = mask.filter(ImageFilter.GaussianBlur(texture.width / 22))
    warm = Image.composite(shine, Image.new("RGB", texture.size), halo.point(lambda v: v * 0.6))
    return ImageChops.screen(lit, warm)


def _shade(cutout: Cutout, light: Light, grounded: bool) -> Floats:
    """[MAP_PIXELS, MAP_PIXELS, 3] factors."""
    left, top, right, bottom = cutout.box
    place = (np.arange(MAP_PIXELS, dtype=np.float32) + 0.5) / MAP_PIXELS
    down = ((place - top) / max(bottom - top, 1e-3)).clip(0, 1)[:, None]
    across = (2 * (place - left) / max(right - left, 1e-3) - 1).clip(-1, 1)[None]
    away = (0.5 - 0.5 * np.sign(light.sun) * across) * min(1.0, 1.8 * abs(light.sun))
    shade = 1 - SIDE_SHADE * away * away + 0 * down
    if grounded:
        shade = shade * (1 - FOOT_SHADE * ((down - 0.55) / 0.45).clip(0, 1) ** 1.5)
    factors: Floats = shade[..., None] * np.array(light.tint, np.float32)
    return factors


def _rim(shape: Image.Image, light: Light) -> Floats:
    """[MAP_PIXELS, MAP_PIXELS] 0..1: where the outline faces the sun."""
    soft = Image.fromarray((np.asarray(shape) * 255).clip(0, 255).astype(np.uint8))
    reach = RIM_PIXELS * (1.4 if light.backlit else 1.0)
    across, down = -light.sun * reach, reach * 0.8
    inside = soft.filter(ImageFilter.GaussianBlur(RIM_PIXELS * 0.7)).transform(
        soft.size,
        Image.Transform.AFFINE,
        (1, 0, -across, 0, 1, -down),
        Image.Resampling.BILINEAR,
    )
    body, covered = (np.asarray(image, np.float32) / 255 for image in (soft, inside))
    rim: Floats = ((1.05 * body - covered) * 1.3).clip(0, 1)
    return rim * rim * (3 - 2 * rim)


def _multiplied(texture: Image.Image, factors: Floats) -> Image.Image:
    return ImageChops.multiply(texture, _image(factors * 255).resize(texture.size))


def _image(values: Floats) -> Image.Image:
    return Image.fromarray((values.clip(0, 255) + 0.5).astype(np.uint8))
