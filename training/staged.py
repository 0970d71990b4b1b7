"""Real drawings staged in the runtime's scenes: pictures whose every answer is known."""

from collections.abc import Sequence
from dataclasses import astuple, dataclass

import numpy as np
from PIL import Image

from safelight.engines.mini.canvas import Frame
from safelight.engines.mini.idea import Idea, Relation, Setting, Subject
from safelight.engines.mini.lexicon import Lexicon
from safelight.engines.mini.picture import Sketch
from safelight.engines.mini.prompt import parse
from safelight.engines.mini.upscale import Cutout
from training import colours
from training.sprites import HOUSE, Sprites
from training.things import Things

SIDE = 256  # pixels of a staged picture
UNSAID = 0  # the setting when none is asked for: a studio
SETTINGS = (  # what is said of a background
    "", "on a plain white background", "on a plain yellow background",
    "on a plain blue background", "on a plain pink background", "on the beach", "in a forest",
    "in the desert", "in the snow", "in the city", "on a mountain", "underwater", "in space",
    "in a meadow", "on a wooden table", "in a room", "at night", "at sunset", "in the rain",
    "in the fog", "in the sky",
)  # fmt: skip
COUNTS = 4


@dataclass(frozen=True)
class Asked:
    """What a picture is to show; `other` stands as `relation` says to the first thing."""

    concept: int
    colour: int = colours.NATURAL  # as training.colours counts them
    count: int = 1  # 1 … COUNTS
    setting: int = UNSAID  # of SETTINGS
    relation: str = ""
    other: int = -1


class Stage:
    """Sets real drawings into the runtime's scenes."""

    def __init__(self, sprites: Sprites, things: Things, lexicon: Lexicon):
        self._sprites, self._things = sprites, things
        self._settings = [parse(f"a dog {said}", lexicon).setting for said in SETTINGS]
        self._drawings: dict[int, list[int]] = {}
        for drawing, concept in enumerate(sprites.concept.tolist()):
            self._drawings.setdefault(concept, []).append(drawing)

    def drawings(self, concept: int, *, house: bool | None = None) -> list[int]:
        """Of it, in the house style, in any other, or (None) in any."""
        found = self._drawings.get(concept, [])
        return [d for d in found if house in (None, int(self._sprites.style[d]) == HOUSE)]

    def drawing(self, concept: int, random: np.random.Generator, *, house: bool) -> int | None:
        """One of them; None where there is none."""
        found = self.drawings(concept, house=house)
        return int(random.choice(found)) if found else None

    def picture(self, asked: Asked, drawings: Sequence[int], seed: int) -> np.ndarray:
        """[SIDE, SIDE, 3] uint8: what was asked for, from these drawings (one, or two)."""
        sketch = Sketch(self._idea(asked), SIDE, SIDE, seed, 1, 1.0)
        random = np.random.default_rng([seed, 99])
        for number in range(asked.count):
            sketch.cutouts.append(self._cutout(drawings[0], asked.colour, random))
            if number == asked.count - 1 and asked.relation:
                sketch.cutouts.append(self._cutout(drawings[1], colours.NATURAL, random))
        frame = Frame.of(SIDE, SIDE)
        pixels = np.empty((SIDE, SIDE, 3), np.uint8)
        layout = sketch.layout(frame)
        for strip in frame.strips():
            layout.paint(strip)
            pixels[strip.top : strip.bottom] = strip.pixels()
        return pixels

    def _idea(self, asked: Asked) -> Idea:
        name = self._things.concepts[asked.concept].english
        subjects, relations = [Subject(name, None, asked.count)], []
        if asked.relation:
            subjects.append(Subject(self._things.concepts[asked.other].english))
            relations.append(Relation(0, asked.relation, 1))
        setting: Setting = self._settings[asked.setting]
        return Idea(tuple(subjects), setting, relations=tuple(relations))

    def _cutout(self, drawing: int, colour: int, random: np.random.Generator) -> Cutout:
        pixels = self._sprites.pixels[drawing][None].float() / 255
        if colour > colours.NATURAL:
            pixels = colours.recolour(pixels, colours.NAMES[colour - colours.NATURAL - 1])
        return cutout(pixels[0].permute(1, 2, 0).numpy(), mirrored=bool(random.random() < 0.5))


def cutout(sprite: np.ndarray, mirrored: bool) -> Cutout:
    """Premultiplied RGBA in 0..1 as the runtime wants it, with nothing sharpened or smoothed."""
    sprite = sprite[:, ::-1] if mirrored else sprite
    alpha = np.ascontiguousarray(sprite[..., 3], np.float32)
    mean = sprite[..., :3].sum((0, 1)) / max(float(alpha.sum()), 1e-6)
    inside = sprite[..., :3] / np.maximum(alpha, 0.05)[..., None]
    rgb = np.where(alpha[..., None] > 0.1, inside, mean).clip(0, 1)
    rows, columns = (np.flatnonzero((alpha > 0.4).any(axis)) for axis in (1, 0))
    side = len(alpha)
    box = (0.1, 0.1, 0.9, 0.9)
    if len(rows) and len(columns):
        box = (columns[0] / side, rows[0] / side, (columns[-1] + 1) / side, (rows[-1] + 1) / side)
    texture = Image.fromarray((rgb * 255 + 0.5).astype(np.uint8))
    return Cutout(texture, Image.fromarray(alpha), box)


def at_random(concept: int, things: Things, random: np.random.Generator) -> Asked:
    """Something to teach the judge: never one of the pairs that are held out."""
    colour = colours.NATURAL
    if random.random() < 0.7:
        colour = int(random.integers(colours.NATURAL + 1, colours.COUNT))
    if (concept, colour) in things.secret:
        colour = colours.NATURAL
    count = int(random.integers(1, COUNTS + 1)) if random.random() < 0.7 else 1
    setting = int(random.integers(1, len(SETTINGS))) if random.random() < 0.55 else UNSAID
    return Asked(concept, colour, count, setting)


def answers(asked: Asked, things: Things) -> tuple[int, int, int, int]:
    """The thing's kind, its colour, count and setting, as the judge numbers them."""
    return things.kind_of(asked.concept), *astuple(asked)[1:4]
