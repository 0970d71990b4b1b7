"""Lays the things over the scene, lit by it and standing in it, a strip at a time."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from PIL import Image

from safelight.engines.mini import contact
from safelight.engines.mini.arrange import Placed
from safelight.engines.mini.canvas import Frame, Strip
from safelight.engines.mini.decals import Decal
from safelight.engines.mini.lighting import relit, with_windows
from safelight.engines.mini.scenes import Scene
from safelight.engines.mini.words import HOUSES

HAZE_DEPTH = 0.3  # heights above the front of the ground at which the haze is at its strongest
MOST_HAZE = 0.3


@dataclass(frozen=True)
class Layout:
    """The scene with the things in their places, ready to be painted strip by strip."""

    scene: Scene
    things: Sequence[Placed]
    frame: Frame

    @cached_property
    def _decals(self) -> list[Decal]:
        """From back to front: all shadows on the ground, then thing by thing."""
        textures = [self._texture(thing) for thing in self.things]
        pairs = list(zip(self.things, textures, strict=True))
        under = [decal for thing, texture in pairs for decal in self._under(thing, texture)]
        for number, (thing, texture) in enumerate(pairs):
            slope = max(1.2, 0.8 * thing.side / thing.cutout.alpha.width)
            at = (thing.left, thing.top, thing.side, thing.side)
            under.append(Decal(thing.cutout.alpha, texture, *at, slope))
            under += self._over(number, thing)
        return under

    def _texture(self, thing: Placed) -> Image.Image:
        scene = self.scene
        foot = (thing.top + thing.side * thing.cutout.box[3]) / self.frame.height
        depth = 0.0 if thing.lifted else (scene.stand - 0.05 - foot) / HAZE_DEPTH
        distance = 0.0 if scene.afloat else MOST_HAZE * min(1.0, max(0.0, depth))
        texture = relit(thing.cutout, scene.light, not thing.lifted and not scene.afloat, distance)
        if scene.light.dark and thing.label in HOUSES:
            return with_windows(thing.cutout, texture)
        return texture

    def _under(self, thing: Placed, texture: Image.Image) -> Iterator[Decal]:
        scene = self.scene
        if scene.afloat or thing.lifted:
            return
        if scene.water:
            yield contact.reflection(thing, texture, scene.water)
        elif scene.light.backlit:
            yield contact.cast(thing, scene.light.sun)
            yield contact.occlusion(thing)
        else:
            yield contact.shadow(thing, scene.light.sun)
            yield contact.occlusion(thing)

    def _over(self, number: int, thing: Placed) -> Iterator[Decal]:
        """What of the ground hides its feet."""
        scene = self.scene
        if scene.afloat or thing.lifted:
            return
        random = np.random.default_rng([scene.seed, number])
        if scene.water:
            yield from contact.waterline(thing, scene.water)
        elif scene.snow:
            yield contact.drift(thing, self.frame.height, scene.snow, random)
        elif scene.grass:
            yield contact.grass(thing, self.frame.height, scene.grass, random)

    def paint(self, strip: Strip) -> None:
        for layer in self.scene.behind:
            layer(strip)
        for decal in self._decals:
            decal.lay(strip)
        for layer in self.scene.before:
            layer(strip)
