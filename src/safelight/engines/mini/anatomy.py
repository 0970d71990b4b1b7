"""Where a silhouette has its head, its back, its hands: read off the alpha alone."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageFilter

from safelight.engines.mini.lexicon import Floats
from safelight.engines.mini.upscale import Cutout

SIDE = 96  # pixels; fine enough for a hat
THIN = 0.045  # of the longer side: tails, ears and horns are thinner than twice that
BROAD = 0.72  # of the whole width: no head of a figure with legs is that wide
ASIDE = 0.16  # of the width: a head farther from the middle looks to its side
JUMP = 1.5  # a row that much wider than the one above it belongs to the shoulders


@dataclass(frozen=True, slots=True)
class Head:
    """The top lobe of a silhouette, in 0..1 of the texture's square."""

    x: float
    top: float
    width: float


@dataclass(frozen=True)
class Silhouette:
    """One cut-out's outline. All lengths are in 0..1 of its texture's square."""

    cutout: Cutout

    @cached_property
    def mask(self) -> npt.NDArray[np.bool_]:
        """[SIDE, SIDE] of False and True."""
        small = self.cutout.alpha.resize((SIDE, SIDE), Image.Resampling.BILINEAR)
        return np.asarray(small) > np.float32(0.5)

    @cached_property
    def tops(self) -> Floats:
        """[SIDE] the height of the topmost point of each column; 1 where there is none."""
        return np.where(self.mask.any(0), self.mask.argmax(0), SIDE) / SIDE

    @cached_property
    def head(self) -> Head:
        """What is left of the top when everything thin is worn away."""
        left, top, right, bottom = self.cutout.box
        reach = max(1, round(THIN * SIDE * max(right - left, bottom - top)))
        image = Image.fromarray(self.mask.astype(np.uint8) * 255)
        thick = image.filter(ImageFilter.MinFilter(2 * reach + 1))
        mask = np.asarray(thick.filter(ImageFilter.MaxFilter(2 * reach + 1))) > 0
        rows = np.flatnonzero(mask.any(1))
        if not len(rows):
            return Head((left + right) / 2, top, 0.6 * (right - left))
        first = int(rows[0])
        start, stop = max(_runs(mask[first]), key=lambda run: run[1] - run[0])
        middle = (start + stop - 1) // 2
        lowest = min(SIDE - 1, first + round(0.28 * SIDE * (bottom - top)))
        for row in range(first, lowest):
            run = next((run for run in _runs(mask[row]) if run[0] <= middle < run[1]), None)
            if run is None or (row > first + reach and run[1] - run[0] > JUMP * (stop - start)):
                break
            start, stop = min(start, run[0]), max(stop, run[1])
        if (stop - start) > BROAD * SIDE * (right - left) and not self.is_bust:
            return self._side_head(first / SIDE)
        return Head((start + stop) / 2 / SIDE, first / SIDE, (stop - start) / SIDE)

    def _side_head(self, top: float) -> Head:
        """Of a back as high as the head, as elephants have: the end with less below it."""
        left, _, right, bottom = self.cutout.box
        low = self.mask[round(SIDE * (top + 0.6 * (bottom - top))) : round(SIDE * bottom)]
        width = 0.42 * (right - left)
        ends = [round(SIDE * edge) for edge in (left, left + width, right - width, right)]
        first, last = low[:, ends[0] : ends[1]].mean(), low[:, ends[2] : ends[3]].mean()
        x = left + 0.5 * width if first < last else right - 0.5 * width
        return Head(x, top, 0.8 * width)

    @cached_property
    def facing(self) -> int:
        """-1 left, 1 right, as its head is; 0 for what has it in the middle."""
        left, _, right, _ = self.cutout.box
        away = (self.head.x - (left + right) / 2) / max(right - left, 1e-3)
        return 0 if abs(away) < ASIDE else int(np.sign(away))

    @cached_property
    def saddle(self) -> tuple[float, float]:
        """The lowest point of the back: x and height."""
        left, _, right, _ = self.cutout.box
        first, last = (round(SIDE * (left + s * (right - left))) for s in (0.36, 0.64))
        tops = np.convolve(np.pad(self.tops, 3, mode="edge"), np.ones(7) / 7, "valid")
        columns = np.arange(first, max(first + 1, last))
        # of equally low points the middle one
        away = np.abs(columns / SIDE - (left + right) / 2)
        best = int(columns[(tops[columns].clip(0, 0.95) - 0.3 * away).argmax()])
        return best / SIDE, float(self.tops[best])

    @cached_property
    def rim(self) -> float:
        """Where a vessel is nearly as wide as it gets: below the handle of a basket."""
        widths = self.mask.sum(1)
        return float((widths >= 0.75 * widths.max()).argmax()) / SIDE

    @cached_property
    def is_bust(self) -> bool:
        """Is it cut off straight below, as portraits are?"""
        left, top, right, bottom = self.cutout.box
        row = self.mask[min(SIDE - 1, round(SIDE * (bottom - 0.06 * (bottom - top))))]
        runs = _runs(row)
        widest = max((stop - start for start, stop in runs), default=0)
        return widest > 0.55 * SIDE * (right - left)

    def top_between(self, left: float, right: float) -> float:
        """The highest point of these columns."""
        first, last = max(0, int(left * SIDE)), min(SIDE, int(right * SIDE) + 1)
        tops = self.tops[first:last]
        return float(tops.min()) if len(tops) and tops.min() < 1 else self.cutout.box[1]

    def edge(self, height: float, side: int) -> float:
        """The outermost point at this height: side -1 left, 1 right."""
        columns = np.flatnonzero(self.mask[min(SIDE - 1, max(0, int(height * SIDE)))])
        if not len(columns):
            return self.cutout.box[0 if side < 0 else 2]
        return float(columns[0] if side < 0 else columns[-1] + 1) / SIDE


def _runs(row: npt.NDArray[np.bool_]) -> list[tuple[int, int]]:
    """[start, stop) of each stretch that is True."""
    steps = np.flatnonzero(np.diff(np.concatenate([[0], row.astype(np.int8), [0]])))
    return [(int(a), int(b)) for a, b in zip(steps[::2], steps[1::2], strict=True)]
