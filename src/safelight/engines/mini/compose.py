"""Lays the things over the scene, with their shadows, a strip at a time."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from PIL import Image, ImageFilter

from safelight.engines.mini.arrange import Placed
from safelight.engines.mini.canvas import Strip
from safelight.engines.mini.lexicon import Floats
from safelight.engines.mini.scenes import Scene

SHADOW_COLOUR = (14, 11, 26)
SLANT = 0.45  # of the shadow, at its strongest
SHADOW_PIXELS = 128  # side of the blurred silhouette that shadows are stretched from


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


def _shadow(thing: Placed, sun: float) -> _Decal:
    """The silhouette, blurred and flattened onto the ground; darkest where the thing touches it."""
    margin = SHADOW_PIXELS // 4
    inner = SHADOW_PIXELS - 2 * margin
    left, top, right, bottom = (round(edge * thing.cutout.alpha.width) for edge in thing.cutout.box)
    mask = Image.new("F", (SHADOW_PIXELS, SHADOW_PIXELS))
    mask.paste(
        thing.cutout.alpha.crop((left, top, right, bottom)).resize((inner, inner)), (margin, margin)
    )
    # the farther from the ground, the farther away from the light
    slant = sun * SLANT
    foot = SHADOW_PIXELS - margin
    mask = mask.transform(
        mask.size,
        Image.Transform.AFFINE,
        (1, -slant, slant * foot, 0, 1, 0),
        Image.Resampling.BILINEAR,
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
    ground = thing.top + bottom * scale
    return _Decal(
        shade, 1.0, None, round(centre - width / 2), round(ground - 0.68 * height), width, height
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


@dataclass(frozen=True)
class Layout:
    """The scene with the things in their places, ready to be painted strip by strip."""

    scene: Scene
    things: Sequence[Placed]

    @cached_property
    def _shadows(self) -> list[_Decal]:
        if self.scene.afloat:
            return []
        return [_shadow(thing, self.scene.sun) for thing in self.things if not thing.lifted]

    def paint(self, strip: Strip) -> None:
        for layer in self.scene.behind:
            layer(strip)
        for shadow in self._shadows:
            _lay(strip, shadow, None)
        for thing in self.things:
            _lay(strip, _Decal.of(thing), self.scene.light)
        for layer in self.scene.before:
            layer(strip)
