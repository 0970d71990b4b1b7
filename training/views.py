"""Where to look in a picture: closer at what stands out, at its parts for what is said of two.

None of this knows where the runtime has put anything. It works before backgrounds that are plain.
"""

import numpy as np
import numpy.typing as npt
from PIL import Image

from training.eye import THUMB
from training.impressions import NOTICED, SURE

Pixels = npt.NDArray[np.uint8]
Box = tuple[float, float, float, float]  # left, top, right, bottom, in 0..1

MARGIN = 0.06  # of what stands out, that is left around it
LEAST = 0.004  # of the picture: less than that is nothing
MIDDLE: Box = (0.15, 0.2, 0.85, 0.9)  # where a lone thing stands before any background


def closer(pixels: Pixels) -> Pixels:
    """The square around all that stands out; the whole picture where nothing does."""
    return cropped(pixels, square(bounds(_mask(pixels)), MARGIN))


def parts(pixels: Pixels, relation: str) -> list[Pixels]:
    """Where the first thing is looked for, and the other; for "wearing" only what is worn."""
    mask = _mask(pixels)
    left, top, right, bottom = bounds(mask)
    high = bottom - top
    if relation == "left":
        split = parting_column(mask, (left, right))
        return [_side(pixels, mask, split, first) for first in (True, False)]
    elif relation == "on":
        boxes = [(left, top, right, top + 0.6 * high), (left, bottom - 0.55 * high, right, bottom)]
        boxes = [square(box, MARGIN) for box in boxes]
    else:
        boxes = [square((left, top, right, top + 0.6 * high), MARGIN)]
    return [cropped(pixels, box) for box in boxes]


def _side(pixels: Pixels, mask: npt.NDArray[np.bool_], split: int, first: bool) -> Pixels:
    """What stands on one side of a column; the other side is that column, over and over."""
    here = np.arange(len(mask)) < split if first else np.arange(len(mask)) >= split
    column = round((split + 0.5) * pixels.shape[1] / len(mask))
    alone = pixels.copy()
    there = slice(column, None) if first else slice(0, column)
    alone[:, there] = pixels[:, column : column + 1]
    return cropped(alone, square(bounds(mask & here), MARGIN))


def _mask(pixels: Pixels) -> npt.NDArray[np.bool_]:
    """[THUMB, THUMB]: what differs from both ends of its row, as neither floor nor shade does."""
    size = (THUMB, THUMB)
    x = np.asarray(Image.fromarray(pixels).resize(size, Image.Resampling.BOX), np.float32) / 255
    ends = [x[:, :2].mean(1, keepdims=True), x[:, -2:].mean(1, keepdims=True)]
    away = np.minimum(*(np.abs(x - end).max(-1) for end in ends))
    return away > NOTICED + 0.6 * (SURE - NOTICED)


def bounds(mask: npt.NDArray[np.bool_]) -> Box:
    """The box around it, without the few that stand apart; all when there is next to nothing."""
    if mask.mean() < LEAST:
        return 0.0, 0.0, 1.0, 1.0
    side = len(mask)
    across, down = (np.flatnonzero(mask.sum(axis) > 1) for axis in (0, 1))
    if not len(across) or not len(down):
        return 0.0, 0.0, 1.0, 1.0
    return across[0] / side, down[0] / side, (across[-1] + 1) / side, (down[-1] + 1) / side


def parting_column(mask: npt.NDArray[np.bool_], within: tuple[float, float]) -> int:
    """The emptiest column of the middle of what stands out, the most central of equals."""
    left, right = (round(edge * len(mask)) for edge in within)
    wide = right - left
    columns = np.arange(left + round(0.25 * wide), right - round(0.25 * wide) + 1)
    columns = columns.clip(0, len(mask) - 1)
    away = np.abs(columns - (left + right) / 2)
    return int(columns[np.lexsort((away, mask[:, columns].sum(0)))[0]])


def square(box: Box, margin: float) -> Box:
    """The smallest square around the box and its margin, moved into the picture."""
    left, top, right, bottom = box
    side = min(1.0, max(right - left, bottom - top) * (1 + 2 * margin))
    x = min(max(0.0, (left + right - side) / 2), 1 - side)
    y = min(max(0.0, (top + bottom - side) / 2), 1 - side)
    return x, y, x + side, y + side


def cropped(pixels: Pixels, box: Box) -> Pixels:
    height, width, _ = pixels.shape
    left, top, right, bottom = box
    rows = slice(round(top * height), round(bottom * height))
    return np.ascontiguousarray(pixels[rows, round(left * width) : round(right * width)])
