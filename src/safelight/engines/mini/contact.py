"""Where things meet the ground: shadows, reflections in water, grass and snow over the feet."""

import numpy as np
from PIL import Image, ImageFilter

from safelight.engines.mini.arrange import Placed
from safelight.engines.mini.blades import PIXELS, tuft
from safelight.engines.mini.decals import Decal
from safelight.engines.mini.lexicon import Floats
from safelight.engines.mini.palette import Rgb, mix

SHADOW_COLOUR = (14.0, 11.0, 26.0)
SLANT = 0.45  # of a shadow, at its strongest
SHADOW_PIXELS = 128  # side of the blurred silhouette that shadows are stretched from
FOOT_SHARE = 0.14  # of a thing's height: what of it is near enough to touch the ground
CAST_LENGTH = 0.42  # of a thing's height: how far its shadow falls towards the viewer
MIRRORED_SHARE = 0.7  # of a thing that still water shows
SUNK_SHARE = 0.05  # of a thing that floats, below the water


def _box(thing: Placed) -> tuple[float, float, float, float]:
    """What is visible of it, in pixels."""
    left, top, right, bottom = thing.cutout.box
    x, y, side = thing.left, thing.top, thing.side
    return x + side * left, y + side * top, x + side * right, y + side * bottom


def _silhouette(thing: Placed, size: tuple[int, int]) -> Image.Image:
    """What is visible of its alpha, stretched to this size; mode L."""
    side = thing.cutout.alpha.width
    left, top, right, bottom = (round(edge * side) for edge in thing.cutout.box)
    shape = thing.cutout.alpha.crop((left, top, right, bottom)).resize(size)
    return Image.fromarray((np.asarray(shape) * 255).clip(0, 255).astype(np.uint8))


def shadow(thing: Placed, sun: float) -> Decal:
    """The silhouette, blurred and flattened onto the ground; darkest where the thing touches it."""
    margin = SHADOW_PIXELS // 4
    inner = SHADOW_PIXELS - 2 * margin
    mask = Image.new("L", (SHADOW_PIXELS, SHADOW_PIXELS))
    mask.paste(_silhouette(thing, (inner, inner)), (margin, margin))
    slant, foot = sun * SLANT, SHADOW_PIXELS - margin  # the farther up, the farther from the light
    mask = mask.transform(
        mask.size,
        Image.Transform.AFFINE,
        (1, -slant, slant * foot, 0, 1, 0),
        Image.Resampling.BILINEAR,
    )
    soft, near = (_blurred(mask, radius) for radius in (9, 4))
    contact = near * (np.linspace(0, 1, SHADOW_PIXELS, dtype=np.float32) ** 3)[:, None]
    shade = Image.fromarray((0.38 * soft + 0.5 * contact).clip(0, 0.8))
    left, _, right, bottom = _box(thing)
    width = round((right - left) * SHADOW_PIXELS / inner * 0.96)
    height = max(4, round(width * 0.2))
    x, y = round((left + right) / 2 - width / 2), round(bottom - 0.68 * height)
    return Decal(shade, SHADOW_COLOUR, x, y, width, height)


def cast(thing: Placed, sun: float) -> Decal:
    """The shadow of what stands before a low sun: towards the viewer, wider and paler with it."""
    size, margin = SHADOW_PIXELS, SHADOW_PIXELS // 4
    shape = _silhouette(thing, (size - 2 * margin, size)).transpose(Image.Transpose.FLIP_TOP_BOTTOM)
    mask = Image.new("L", (size, size))
    mask.paste(shape, (margin, 0))
    mask = mask.transform(
        mask.size, Image.Transform.AFFINE, (1, 0.4 * sun, 0, 0, 1, 0), Image.Resampling.BILINEAR
    )
    sharp, soft = (_blurred(mask, radius) for radius in (2.5, 8))
    down = np.linspace(0, 1, size, dtype=np.float32)[:, None]
    shade = (sharp * (1 - down) + soft * down) * (0.62 * (1 - 0.85 * down)) * (down * 40).clip(0, 1)
    left, top, right, bottom = _box(thing)
    width = round((right - left) * size / (size - 2 * margin))
    height = max(4, round(CAST_LENGTH * (bottom - top)))
    x, y = round((left + right) / 2 - width / 2), round(bottom - 0.02 * (bottom - top))
    return Decal(Image.fromarray(shade), SHADOW_COLOUR, x, y, width, height)


def occlusion(thing: Placed) -> Decal:
    """The dark line under each foot, where no light gets in."""
    rows = max(2, round(FOOT_SHARE * SHADOW_PIXELS))
    foot = np.asarray(_silhouette(thing, (SHADOW_PIXELS, SHADOW_PIXELS)), np.float32)[-rows:] / 255
    weight = np.linspace(0.35, 1, rows, dtype=np.float32)[:, None]
    touching = np.pad((foot * weight).max(0), 16)
    kernel = np.hanning(13).astype(np.float32)
    touching = np.convolve(touching, kernel / kernel.sum(), "same").astype(np.float32)
    fall = np.exp(-(np.linspace(-2.2, 2.2, 32, dtype=np.float32) ** 2))[:, None]
    left, top, right, bottom = _box(thing)
    width = round((right - left) * len(touching) / SHADOW_PIXELS)
    height = max(3, round(0.055 * (right - left) + 0.03 * (bottom - top)))
    x, y = round((left + right) / 2 - width / 2), round(bottom - 0.55 * height)
    return Decal(
        Image.fromarray((0.72 * fall * touching).clip(0, 1)), SHADOW_COLOUR, x, y, width, height
    )


def _blurred(mask: Image.Image, radius: float) -> Floats:
    return np.asarray(mask.filter(ImageFilter.GaussianBlur(radius)), np.float32) / 255


def reflection(thing: Placed, texture: Image.Image, water: Rgb) -> Decal:
    """The thing upside down in the water before it, swaying, fading towards the viewer."""
    size = 256
    left, top, right, bottom = (edge * texture.width for edge in thing.cutout.box)
    cut = (
        round(left),
        round(bottom - MIRRORED_SHARE * (bottom - top)),
        round(right),
        round(bottom),
    )
    seen = texture.crop(cut).resize((size, size)).transpose(Image.Transpose.FLIP_TOP_BOTTOM)
    pad = size // 8
    mask = np.zeros((size, size + 2 * pad), np.float32)
    rows = round(MIRRORED_SHARE * size)
    shape = np.asarray(_silhouette(thing, (size, size)).crop((0, size - rows, size, size)))
    upside = Image.fromarray(shape[::-1]).resize((size, size))
    mask[:, pad:-pad] = np.asarray(upside, np.float32) / 255
    colours = np.pad(np.asarray(seen), ((0, 0), (pad, pad), (0, 0)), mode="edge")
    down = np.linspace(0, 1, size, dtype=np.float32)
    sway = np.round((1.0 + 6 * down) * np.sin(46 * np.log1p(2.2 * down))).astype(np.int64)
    columns = (np.arange(size + 2 * pad)[None] + sway[:, None]).clip(0, size + 2 * pad - 1)
    mask = np.take_along_axis(mask, columns, 1) * (0.62 * (1 - down) ** 1.3)[:, None]
    colours = np.take_along_axis(colours, columns[..., None], 1)
    deep = np.array(water, np.float32)
    tinted = Image.fromarray((0.68 * colours + 0.32 * deep).clip(0, 255).astype(np.uint8))
    x0, y0, x1, y1 = _box(thing)
    width, height = round((x1 - x0) * (1 + 2 * pad / size)), round(0.8 * MIRRORED_SHARE * (y1 - y0))
    x, y = round((x0 + x1) / 2 - width / 2), round(y1 - SUNK_SHARE * (y1 - y0))
    return Decal(Image.fromarray(mask), tinted, x, y, max(4, width), max(4, height))


def waterline(thing: Placed, water: Rgb) -> list[Decal]:
    """The water over the lowest part of what floats, and the rings around it."""
    left, top, right, bottom = _box(thing)
    down, across = np.mgrid[-1:1:48j, -1:1:192j].astype(np.float32)
    away = np.hypot(across, down)
    width = 1.22 * (right - left)
    height = max(4, round(0.09 * width))
    x, y = round((left + right) / 2 - width / 2), round(bottom - SUNK_SHARE * (bottom - top))
    body = (1.2 * (1 - away)).clip(0, 0.85) * ((down + 0.1) * 9).clip(0, 1)
    rings = np.exp(-(((away - 0.82) / 0.06) ** 2)) + 0.6 * np.exp(-(((away - 0.6) / 0.05) ** 2))
    rings *= 0.4 * (down > -0.15) * ((down + 0.15) * 5).clip(0, 1)
    light = mix(water, (255, 255, 255), 0.6)
    top_ = round(y - 0.5 * height)
    return [
        Decal(Image.fromarray(mask.astype(np.float32)), fill, x, top_, round(width), height)
        for mask, fill in ((body, water), (rings, light))
    ]


def grass(thing: Placed, pixels: float, near: Rgb, random: np.random.Generator) -> Decal:
    """Blades in front of the feet; `pixels` is a picture height."""
    left, _, right, bottom = _box(thing)
    height = max(6, round(0.05 * pixels))
    width = max(8, round(1.12 * (right - left)))
    columns = max(16, round(PIXELS * width / height))
    x, y = round((left + right) / 2 - width / 2), round(bottom - 0.66 * height)
    return Decal(*tuft(random, columns, near), x, y, width, height)


def drift(thing: Placed, pixels: float, snow: Rgb, random: np.random.Generator) -> Decal:
    """Snow heaped against the feet."""
    left, _, right, bottom = _box(thing)
    width, height = max(8, round(1.1 * (right - left))), max(4, round(0.03 * pixels))
    across = np.linspace(-1, 1, 256, dtype=np.float32)
    bumps = sum(
        np.sin(across * rate + random.uniform(0, 6.28)) * size
        for rate, size in ((5.0, 0.16), (11.0, 0.1), (23.0, 0.05))
    )
    crest = 0.45 + bumps - 0.35 * (1 - across**4)
    down = np.linspace(0, 1, 48, dtype=np.float32)[:, None]
    body = ((down - crest[None]) * 9).clip(0, 1) * ((1 - down) * 3).clip(0, 1)
    mask = body * ((1 - np.abs(across)) * 5).clip(0, 1)[None]
    x, y = round((left + right) / 2 - width / 2), round(bottom - 0.55 * height)
    return Decal(Image.fromarray(mask.astype(np.float32)), snow, x, y, width, height)
