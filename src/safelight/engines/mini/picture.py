"""One picture from idea to pixels: the order of work, and where its randomness comes from."""

from collections.abc import Iterator
from dataclasses import dataclass, field, replace

import numpy as np

from safelight.engines import Pixels
from safelight.engines.mini.arrange import arrange
from safelight.engines.mini.canvas import Frame
from safelight.engines.mini.colours import recolour
from safelight.engines.mini.compose import Layout
from safelight.engines.mini.idea import Idea, Subject
from safelight.engines.mini.lexicon import Floats, Lexicon
from safelight.engines.mini.lighting import mean_colour
from safelight.engines.mini.props import painted
from safelight.engines.mini.scenes import build
from safelight.engines.mini.sprites import SpriteModel, Wish
from safelight.engines.mini.styles import COARSE, chosen, make, turn
from safelight.engines.mini.upscale import Cutout, cut_out, unpremultiply
from safelight.engines.mini.variety import colour_by_chance, make_by_chance

FEWEST_STEPS, MOST_STEPS = 4, 50  # Euler steps
PREVIEW_PIXELS = 256  # longer side
DRAWING, LAYING_OUT, PAINTING, STYLING, VARYING = range(5)  # independent streams of random numbers
FLAT = {"poster", "halftone", "pixel"}  # styles for which a studio is one strong colour


@dataclass
class Sketch:
    """A picture in the making. The same values always give the same pixels."""

    idea: Idea
    width: int
    height: int
    seed: int
    steps: int
    guidance: float
    pixels: Pixels = field(init=False)
    cutouts: list[Cutout] = field(init=False, default_factory=list)  # one for each thing

    def __post_init__(self) -> None:
        self._frame = Frame.of(self.width, self.height)
        self._styles = chosen(self.idea.styles)

    @property
    def _wanted(self) -> list[Subject]:
        """The subjects, each as often as it is to be seen."""
        return [subject for subject in self.idea.subjects for _ in range(subject.count)]

    @property
    def units(self) -> int:
        """How many times `develop` will yield."""
        things = len(self._wanted)
        strips = len(self._frame.strips()) * (1 + len(self._styles))
        return strips + (self.steps + 2 * things + 1 if things else 0)

    def develop(self, model: SpriteModel, lexicon: Lexicon) -> Iterator[Pixels | None]:
        """Fill `pixels`; yield after each unit of work, once with a preview."""
        if self._wanted:
            chance = self._random(VARYING)
            style = make(self.idea.styles) or make_by_chance(chance)
            wishes = [self._wish(subject, lexicon, style) for subject in self.idea.subjects]
            random = self._random(DRAWING)
            for latents in model.draw(wishes, random, self.steps, self.guidance):  # noqa: B007
                yield None
            for subject, latent in zip(self._wanted, latents, strict=True):
                sprite = model.decode(latent)
                colour = subject.colour or colour_by_chance(subject.label, chance)
                drawn = _cut_out(sprite, colour, mirrored=bool(random.random() < 0.5))
                self.cutouts.append(self._opened(subject) or drawn)
                yield None
            yield self._preview()
        self.pixels = np.empty((self.height, self.width, 3), np.uint8)
        layout = self.layout(self._frame)
        things = []
        coarse = bool(COARSE & {*self._styles})
        for thing in layout.things if coarse else model.enlarger.enlarged(layout.things):
            things.append(thing)
            yield None
        yield from self._paint(replace(layout, things=things), self._frame, self.pixels)

    def _wish(self, subject: Subject, lexicon: Lexicon, style: str) -> Wish:
        label = subject.label
        return Wish(lexicon.condition(label), subject.count, lexicon.number(label), style)

    def _opened(self, subject: Subject) -> Cutout | None:
        """What something is inside of, where only a painted one stands open."""
        number = self.idea.subjects.index(subject)
        filled = any((r.kind, r.whom) == ("inside", number) for r in self.idea.relations)
        return painted(subject.label, subject.colour) if filled else None

    def _random(self, stream: int) -> np.random.Generator:
        return np.random.default_rng([self.seed, stream])

    def layout(self, frame: Frame) -> Layout:
        """The drawn things in their places in a picture of this shape."""
        against = mean_colour(self.cutouts) if self.cutouts else None
        random = self._random(PAINTING)
        scene = build(
            self.idea.setting,
            frame,
            random,
            not self.cutouts,
            against,
            bool(FLAT & {*self._styles}),
        )
        if self.idea.flying and len(self.idea.subjects) == 1:
            scene = replace(scene, afloat=True)
        placed = arrange(self.cutouts, self.idea, scene, frame, self._random(LAYING_OUT))
        return Layout(scene, placed, frame)

    def _preview(self) -> Pixels:
        frame = self._frame.reduced(PREVIEW_PIXELS)
        pixels = np.empty((frame.height, frame.width, 3), np.uint8)
        for _ in self._paint(self.layout(frame), frame, pixels):
            pass
        return pixels

    def _paint(self, layout: Layout, frame: Frame, pixels: Pixels) -> Iterator[None]:
        """Paint every strip of the frame into `pixels`."""
        for strip in frame.strips():
            layout.paint(strip)
            pixels[strip.top : strip.bottom] = strip.pixels()
            yield
        yield from turn(self._styles, pixels, frame, self._random(STYLING))


def _cut_out(sprite: Floats, colour: str | None, mirrored: bool) -> Cutout:
    rgb, alpha = unpremultiply(sprite)
    if colour:
        rgb = recolour(rgb, alpha, colour)
    return cut_out(rgb, alpha, mirrored)
