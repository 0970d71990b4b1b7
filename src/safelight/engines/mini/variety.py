"""What the prompt leaves open: things that come in many colours get one by chance."""

import numpy as np

from safelight.engines.mini.words import COATED, VARIED

AS_DRAWN = 0.45  # share of such things that keep the colours of their drawing
COLOURS = ("red", "orange", "yellow", "green", "blue", "purple", "pink", "white")
COATS = ("black", "white", "brown", "silver", "orange")


def colour_by_chance(label: str, random: np.random.Generator) -> str | None:
    """A colour for a thing of this label, None for its drawing's own."""
    choices = COLOURS if label in VARIED else COATS if label in COATED else ()
    if not choices or random.random() < AS_DRAWN:
        return None
    return str(random.choice(choices))
