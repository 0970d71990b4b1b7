"""Where each thing goes: in rows on the ground, or hovering where there is none."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from safelight.engines.mini.canvas import Frame
from safelight.engines.mini.scenes import Scene
from safelight.engines.mini.upscale import Cutout

SIZES = {1: 0.6, 2: 0.5, 3: 0.44}  # of a thing, in heights, by how many stand in its row
MANY_SIZE = 0.4
ROW_DEPTH = 0.15  # heights between the feet of one row and the next


@dataclass(frozen=True, slots=True)
class Placed:
    """A thing where it will be seen: the square of its texture, in pixels."""

    cutout: Cutout
    left: int
    top: int
    side: int
    lifted: bool = False  # off the ground: no shadow


@dataclass(frozen=True, slots=True)
class Row:
    number: int  # of things in it
    widest: int  # number in the longest row
    behind: int  # of rows in front of it
    rows: int  # in all

    def size(self, frame: Frame, afloat: bool) -> float:
        """How large a thing of this row is, in heights."""
        room = 0.92 * frame.aspect / self.widest
        wanted = min(room, SIZES.get(self.widest, MANY_SIZE)) * min(1, 1.4 * frame.span)
        if self.rows == 1:
            return wanted
        return min(wanted, 0.78 / self.rows) if afloat else 0.8 * wanted * 0.86**self.behind


def arrange(
    cutouts: Sequence[Cutout], scene: Scene, frame: Frame, random: np.random.Generator, flying: bool
) -> list[Placed]:
    """Back to front, the back rows smaller; the first thing hovers when it is flying."""
    fliers = cutouts[:1] if flying and not scene.afloat else []
    placed = [_hover(thing, frame, random) for thing in fliers]
    for row in _rows(len(cutouts) - len(placed), frame.aspect):
        things = cutouts[len(placed) : len(placed) + row.number]
        placed += [
            _stand(thing, _spot(row, index, scene, frame, random), frame)
            for index, thing in enumerate(things)
        ]
    return placed


def _rows(number: int, aspect: float) -> list[Row]:
    """Spread things over as few rows as fit, the longer ones in front."""
    if number == 0:
        return []
    fit = max(1, min(5, round(2.7 * aspect + 0.8)))
    rows = -(-number // fit)
    numbers = [number // rows + (row >= rows - number % rows) for row in range(rows)]
    return [Row(number, max(numbers), rows - 1 - row, rows) for row, number in enumerate(numbers)]


def _spot(
    row: Row, index: int, scene: Scene, frame: Frame, random: np.random.Generator
) -> tuple[float, float, float]:
    """Centre, foot and size of one thing, in heights."""
    size = row.size(frame, scene.afloat) * random.uniform(0.9, 1.05)
    cell = frame.aspect / row.number
    centre = frame.aspect / 2 + (index + 0.5 - row.number / 2) * cell * 0.94
    centre += cell * random.normal(0, 0.05 if row.number == 1 else 0.02)
    if scene.afloat:
        middle = 0.5 + (0.5 * (row.rows - 1) - row.behind) * 0.9 / row.rows
        return centre, middle + random.normal(0, 0.04 / row.rows) + size / 2, size
    return centre, scene.stand - ROW_DEPTH * row.behind - random.uniform(0, 0.025), size


def _stand(cutout: Cutout, spot: tuple[float, float, float], frame: Frame) -> Placed:
    """Scale a thing to its size, its longer visible side, and set it on its foot."""
    centre, foot, size = spot
    left, top, right, bottom = cutout.box
    side = size / max(right - left, bottom - top)
    pixels = frame.width / frame.aspect  # per height
    x, y = centre - side * (left + right) / 2, foot - side * bottom
    return Placed(cutout, round(x * pixels), round(y * frame.height), max(8, round(side * pixels)))


def _hover(cutout: Cutout, frame: Frame, random: np.random.Generator) -> Placed:
    """In the air above the others, to one side."""
    size = 0.36 * frame.span * random.uniform(0.9, 1.05)
    centre = random.choice([0.28, 0.72])
    foot = 0.4 + random.uniform(-0.03, 0.03)
    placed = _stand(cutout, (centre * frame.aspect, foot, size), frame)
    return replace(placed, lifted=True)
