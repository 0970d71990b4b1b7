"""Pictures made of arithmetic, the same on every machine: what the filter is measured on."""

import numpy as np
import numpy.typing as npt

Pixels = npt.NDArray[np.uint8]
SIDE = 224


def patterns(side: int = SIDE) -> dict[str, Pixels]:
    """Name → [side, side, 3]: flat, smooth, striped, blotched and noisy ones."""
    down, across = np.mgrid[0:side, 0:side] / side
    random = np.random.default_rng(7)
    found = {
        "black": np.zeros((side, side, 3)),
        "white": np.full((side, side, 3), 255),
        "skin": np.broadcast_to([224, 172, 140], (side, side, 3)),
        "sunset": np.stack([255 * down, 120 * across, 255 * (1 - down)], axis=-1),
        "stripes": np.stack([255 * (across * 12 % 1 > 0.5)] * 3, axis=-1),
        "checks": np.stack([255 * ((across * 8 % 1 > 0.5) ^ (down * 8 % 1 > 0.5))] * 3, axis=-1),
        "rings": np.stack(
            [127 + 127 * np.sin(60 * np.hypot(down - 0.5, across - 0.5) + k) for k in range(3)],
            axis=-1,
        ),
        "noise": random.integers(0, 256, (side, side, 3)),
        "grey noise": np.repeat(random.integers(0, 256, (side, side, 1)), 3, axis=-1),
    }
    for number in range(4):
        blot = np.zeros((side, side, 3))
        for _ in range(12):
            y, x, radius = random.random(3)
            colour = random.integers(0, 256, 3)
            blot[np.hypot(down - y, across - x) < radius / 4] = colour
        found[f"blotches {number}"] = blot
    return {name: values.astype(np.uint8) for name, values in found.items()}
