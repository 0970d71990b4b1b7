"""What the prompt leaves open: how things are drawn, and the colour of what comes in many."""

import numpy as np

from safelight.engines.mini.words import COATED, VARIED

MAKES = {
    "3d": 0.5,
    "cartoon": 0.14,
    "glossy": 0.12,
    "soft": 0.08,
    "sticker": 0.08,
    "flat": 0.08,
}
AS_DRAWN = 0.45  # share of such things that keep the colours of their drawing
COLOURS = ("red", "orange", "yellow", "green", "blue", "purple", "pink", "white")
COATS = ("black", "white", "brown", "silver", "orange")


def colour_by_chance(label: str, random: np.random.Generator) -> str | None:
    """A colour for a thing of this label, None for its drawing's own."""
    choices = COLOURS if label in VARIED else COATS if label in COATED else ()
    if not choices or random.random() < AS_DRAWN:
        return None
    return str(random.choice(choices))


def make_by_chance(random: np.random.Generator) -> str:
    """How the things of a picture are drawn; half of the pictures are in the house's own make."""
    return str(random.choice(list(MAKES), p=list(MAKES.values())))
