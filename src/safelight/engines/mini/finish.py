"""The last touch on a painted scene: corners a little darker, and a fine grain over all."""

import numpy as np

from safelight.engines.mini.canvas import Layer, Strip

GRAIN_SIDE = 251  # pixels of the tile that the grain is taken from
GRAIN_LEVELS = 1.3  # enough that a smooth sky shows no bands
CORNER_SHADE = 0.14


def finish() -> Layer:
    """Meant to be laid over everything else; the same grain in every picture."""
    noise = np.random.default_rng(1).normal(0, GRAIN_LEVELS, (GRAIN_SIDE, GRAIN_SIDE))
    grain = noise.astype(np.float32)

    def paint(strip: Strip) -> None:
        across = ((strip.x / strip.frame.aspect - 0.5) * 2) ** 2
        shade = 1 - np.float32(CORNER_SHADE / 2) * (across + (2 * strip.y - 1) ** 2) ** 1.5 / 1.4
        rows = np.arange(strip.top, strip.bottom) % GRAIN_SIDE
        columns = np.arange(strip.frame.width) % GRAIN_SIDE
        strip.colour *= shade
        strip.colour += grain[rows[:, None], columns[None]]

    return paint
