"""Real drawings staged in the runtime's scenes: pictures whose every answer is known."""

from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from types import SimpleNamespace

import numpy as np

from safelight.engines.mini.idea import Idea, Subject
from safelight.engines.mini.lexicon import Lexicon
from safelight.engines.mini.picture import Sketch
from safelight.engines.mini.prompt import parse
from safelight.engines.mini.sprites import Wish
from training import colours
from training.captions import Concept
from training.sprites import Sprites

SIDE = 256  # pixels of a staged picture
SETTINGS = (  # what is said of a background
    "on a plain white background", "on a plain yellow background", "on a plain blue background",
    "on a plain pink background", "on the beach", "in a forest", "in the desert", "in the snow",
    "in the city", "on a mountain", "underwater", "in space", "in a meadow", "on a wooden table",
    "in a room", "at night", "at sunset", "in the rain", "in the fog", "in the sky",
)  # fmt: skip
COUNTS = 4


@dataclass(frozen=True)
class Answer:
    """What a picture shows, each as a number; `colour` as training.colours counts them."""

    concept: int
    colour: int
    count: int  # 1 … COUNTS
    setting: int  # of SETTINGS


class Art:
    """Stands in for the sprite model: draws nothing, hands out what was drawn by people.

    A wish's text is the number of a drawing and of a colour.
    """

    recipe = SimpleNamespace(colours=("natural",))  # the runtime need not paint colours over

    def __init__(self, sprites: Sprites):
        self._sprites = sprites

    def draw(
        self, wishes: Sequence[Wish], random: np.random.Generator, steps: int, guidance: float
    ) -> Iterator[list[np.ndarray]]:
        yield [wish.text for wish in wishes for _ in range(wish.count)]

    def decode(self, latent: np.ndarray) -> np.ndarray:
        drawing, colour = (int(number) for number in latent)
        pixels = self._sprites.pixels[drawing][None].float() / 255
        if colour > colours.NATURAL:
            pixels = colours.recolour(pixels, colours.NAMES[colour - colours.NATURAL - 1])
        return pixels[0].permute(1, 2, 0).numpy()


@dataclass(frozen=True)
class _Choice:
    """Stands in for the lexicon: the only subject there is, as a wish's text."""

    drawing: int
    colour: int

    def condition(self, label: str) -> np.ndarray:
        return np.array([self.drawing, self.colour])


class Stage:
    """Sets drawings into scenes at random."""

    def __init__(self, sprites: Sprites, concepts: Sequence[Concept], lexicon: Lexicon):
        self._art = Art(sprites)
        self._sprites, self._concepts = sprites, concepts
        self._settings = [parse(f"a dog {said}", lexicon).setting for said in SETTINGS]

    def picture(self, drawing: int, random: np.random.Generator) -> tuple[np.ndarray, Answer]:
        """[SIDE, SIDE, 3] uint8 of this drawing, and what it shows."""
        concept = int(self._sprites.concept[drawing])
        colour = colours.NATURAL
        if self._concepts[concept].recolours and random.random() < 0.6:
            colour = int(random.integers(colours.NATURAL + 1, colours.COUNT))
        count = int(random.integers(1, COUNTS + 1)) if random.random() < 0.5 else 1
        setting = int(random.integers(len(SETTINGS)))
        idea = Idea((Subject("it", None, count),), self._settings[setting])
        sketch = Sketch(idea, SIDE, SIDE, int(random.integers(1 << 31)), 1, 1.0)
        deque(sketch.develop(self._art, _Choice(drawing, colour)), maxlen=0)  # type: ignore[arg-type]
        return sketch.pixels, Answer(concept, colour, count, setting)
