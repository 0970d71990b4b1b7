"""Places the things in the scene and develops the picture, a strip at a time."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from PIL import Image, ImageFilter

from safelight.engines.mini.canvas import Frame, Strip
from safelight.engines.mini.lexicon import Floats
from safelight.engines.mini.scenes import Scene
from safelight.engines.mini.upscale import Cutout

SHADOW_COLOUR = (14, 11, 26)
SHADOW_PIXELS = 128  # side of the blurred silhouette that shadows are stretched from


@dataclass(frozen=True, slots=True)
class Placed:
    """A thing where it will be seen: the square of its texture, in pixels."""

    cutout: Cutout
    left: int
    top: int
    side: int
    lifted: bool = False  # off the ground: no shadow


def arrange(
    cutouts: Sequence[Cutout], scene: Scene, frame: Frame, random: np.random.Generator, flying: bool
) -> list[Placed]:
    """Rows of things, the back row smaller; the first one hovers when it is flying."""
    rows = _rows(len(cutouts), frame.aspect) if cutouts else []
    placed: list[Placed] = []
    for depth, number in enumerate(rows):
        row = list(cutouts[len(placed) : len(placed) + number])
        behind = len(rows) - 1 - depth  # 0: the front row
        placed += _row(row, scene, frame, random, behind, len(rows))
    if placed and flying and not scene.afloat:
        placed[0] = _lifted(placed[0], frame, len(placed))
    return placed


def _rows(number: int, aspect: float) -> list[int]:
    """How many things in each row, back to front."""
    fit = max(1, min(5, round(2.7 * aspect + 0.8)))
    rows = -(-number // fit)
    return [number // rows + (row >= rows - number % rows) for row in range(rows)]


def _row(
    row: list[Cutout],
    scene: Scene,
    frame: Frame,
    random: np.random.Generator,
    behind: int,
    rows: int,
) -> list[Placed]:
    number = len(row)
    shrink = (0.86**behind) * (1 if rows == 1 else 0.8)
    cell = frame.aspect / number
    seen = (
        min(cell, {1: 0.6, 2: 0.5, 3: 0.44}.get(number, 0.4))
        * shrink
        * min(1, 1.4 * frame.span)
    )
    placed = []
    for index, cutout in enumerate(row):
        size = seen * random.uniform(0.9, 1.06)
        centre = frame.aspect / 2 + (index + 0.5 - number / 2) * cell * (0.92 if number > 1 else 1)
        centre += cell * random.normal(0, 0.05 if number == 1 else 0.03)
        foot = scene.stand - 0.16 * behind * shrink - random.uniform(0, 0.025)
        if scene.afloat:
            foot = 0.5 - 0.22 * behind + 0.12 * (rows - 1) + random.normal(0, 0.05) + size / 2
        placed.append(_place(cutout, centre, foot, size, frame))
    return placed


def _place(cutout: Cutout, centre: float, foot: float, size: float, frame: Frame) -> Placed:
    """Stand a thing on `foot`, its longer visible side `size` heights long."""
    left, top, right, bottom = cutout.box
    side = size / max(right - left, bottom - top)
    x = centre - side * (left + right) / 2
    y = foot - side * bottom
    height = frame.height
    return Placed(cutout, round(x * height), round(y * height), max(8, round(side * height)))


def _lifted(thing: Placed, frame: Frame, number: int) -> Placed:
    rise = 0.12 if number == 1 else 0.34
    top = thing.top - round(rise * frame.height)
    return replace(thing, top=top, lifted=True)


@dataclass(frozen=True, slots=True)
class _Decal:
    """Something flat to lay on the picture: a mask, stretched over a rectangle of pixels."""

    mask: Image.Image  # mode F
    slope: float  # steepness of the mask's edge; 1 leaves it as it is
    texture: Image.Image | None  # None: a shadow
    left: int
    top: int
    width: int
    height: int

    @classmethod
    def of(cls, thing: Placed) -> "_Decal":
        soft = thing.side / thing.cutout.alpha.width
        slope = max(1.2, 0.8 * soft)
        texture = thing.cutout.texture
        return cls(
            thing.cutout.alpha, slope, texture, thing.left, thing.top, thing.side, thing.side
        )


def _shadow(thing: Placed) -> _Decal:
    """The silhouette, blurred and flattened onto the ground; darkest where the thing touches it."""
    margin = SHADOW_PIXELS // 4
    inner = SHADOW_PIXELS - 2 * margin
    left, top, right, bottom = (round(edge * thing.cutout.alpha.width) for edge in thing.cutout.box)
    mask = Image.new("F", (SHADOW_PIXELS, SHADOW_PIXELS))
    mask.paste(
        thing.cutout.alpha.crop((left, top, right, bottom)).resize((inner, inner)), (margin, margin)
    )
    wide = Image.fromarray((np.asarray(mask) * 255).clip(0, 255).astype(np.uint8))
    soft = np.asarray(wide.filter(ImageFilter.GaussianBlur(9)), np.float32) / 255
    near = np.asarray(wide.filter(ImageFilter.GaussianBlur(4)), np.float32) / 255
    contact = near * (np.linspace(0, 1, SHADOW_PIXELS, dtype=np.float32) ** 3)[:, None]
    shade = Image.fromarray((0.38 * soft + 0.5 * contact).clip(0, 0.8))
    scale = thing.side / thing.cutout.alpha.width
    width = round((right - left) * scale * SHADOW_PIXELS / inner * 0.96)
    height = max(4, round(width * 0.2))
    centre = thing.left + (left + right) / 2 * scale
    foot = thing.top + bottom * scale
    return _Decal(
        shade, 1.0, None, round(centre - width / 2), round(foot - 0.68 * height), width, height
    )


def _lay(strip: Strip, decal: _Decal, light: tuple[float, float, float] | None) -> None:
    """Blend what of the decal falls on the strip, interpolated at its final size."""
    top, bottom = max(strip.top, decal.top), min(strip.bottom, decal.top + decal.height)
    left, right = max(0, decal.left), min(strip.frame.width, decal.left + decal.width)
    if top >= bottom or left >= right:
        return
    window = (left - decal.left, top - decal.top, right - decal.left, bottom - decal.top)
    mask = np.asarray(_cut(decal.mask, decal, window))
    mask = ((mask - 0.5) * np.float32(decal.slope) + np.float32(0.5)).clip(0, 1)
    here = strip.colour[:, top - strip.top : bottom - strip.top, left:right]
    colours: Sequence[float | Floats] = SHADOW_COLOUR
    if decal.texture and light:
        texture = np.asarray(_cut(decal.texture, decal, window))
        colours = [texture[..., k] * np.float32(light[k]) for k in range(3)]
    for plane, value in zip(here, colours, strict=True):
        plane += mask * (value - plane)


def _cut(image: Image.Image, decal: _Decal, window: tuple[int, int, int, int]) -> Image.Image:
    """A window of the stretched image: left, top, right, bottom in the decal's pixels."""
    across, down = image.width / decal.width, image.height / decal.height
    left, top, right, bottom = window
    box = (left * across, top * down, right * across, bottom * down)
    return image.resize((right - left, bottom - top), Image.Resampling.BICUBIC, box=box)


@dataclass(frozen=True, slots=True)
class Layout:
    """The scene with the things in their places, ready to be painted strip by strip."""

    scene: Scene
    things: Sequence[Placed]

    def paint(self, strip: Strip) -> None:
        for layer in self.scene.behind:
            layer(strip)
        if not self.scene.afloat:
            for thing in self.things:
                if not thing.lifted:
                    _lay(strip, _shadow(thing), None)
        for thing in self.things:
            _lay(strip, _Decal.of(thing), self.scene.light)
        for layer in self.scene.before:
            layer(strip)
