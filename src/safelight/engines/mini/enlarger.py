"""A pretrained network gives cut-outs that will be seen large the pixels they lack."""

from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from safelight.engines.mini.arrange import Placed, mirrored
from safelight.engines.mini.lexicon import Floats
from safelight.engines.mini.upscale import TEXTURE_PIXELS, Cutout

UPSCALER = Path(__file__).parent / "weights" / "upscaler.onnx"
SCALE = 4  # of the network
LEAST_STRETCH = 2.75  # up to so many times its pixels a cut-out is only interpolated
ONE_PASS_PIXELS = 800  # a side drawn longer than that has its colours enlarged twice
MARGIN = 4  # pixels around what is visible that the network sees too
FAINTEST = 0.02  # alpha below it is not visible
Window = tuple[slice, slice]  # rows and columns
Key = tuple[bytes, int]


class Enlarger:
    """Real-ESRGAN's network for drawings (Wang et al. 2021), which keeps lines and flat colours.

    A cut-out goes through it whole, so that there are no tiles whose seams could show. Its alpha
    goes through as a grey picture of its own: corners stay corners.
    """

    def __init__(self, session: Any):
        """`session`: an ONNX Runtime session of UPSCALER."""
        self.session = session

    def enlarged(self, things: Iterable[Placed]) -> Iterator[Placed]:
        """Each thing in turn, as large as it will be seen; copies and mirrored twins are shared."""
        known: dict[Key, Cutout] = {}
        for thing in things:
            passes = _passes(thing)
            if not passes:
                yield thing
                continue
            key, turned = _key(thing.cutout, passes)
            if key not in known:
                upright = mirrored(thing.cutout) if turned else thing.cutout
                known[key] = self._enlarge(upright, passes)
            cutout = known[key]
            yield replace(thing, cutout=mirrored(cutout) if turned else cutout)

    def _enlarge(self, cutout: Cutout, passes: int) -> Cutout:
        alpha = np.asarray(cutout.alpha)
        window = _around_visible(alpha)
        grey = np.repeat(alpha[..., None], 3, axis=-1)
        soft = self._run(grey, window).mean(-1)
        colour = _floats(cutout.texture)
        large = self._run(colour, window)
        if passes > 1:
            # Halved first: the second pass costs four times the first, not sixteen times.
            halved = large.reshape(len(large) // 2, 2, large.shape[1] // 2, 2, 3).mean((1, 3))
            large = self._run(halved, _scaled(window, SCALE // 2))
        texture = Image.fromarray((large * 255 + 0.5).astype(np.uint8))
        return Cutout(texture, Image.fromarray(soft), cutout.box)

    def _run(self, picture: Floats, window: Window) -> Floats:
        """[h, w, 3] in 0..1 → [4h, 4w, 3]; outside the window its border runs on."""
        rows, columns = window
        around = [(MARGIN, MARGIN), (MARGIN, MARGIN), (0, 0)]
        seen = np.pad(picture, around, mode="edge")[
            rows.start : rows.stop + 2 * MARGIN, columns.start : columns.stop + 2 * MARGIN
        ]
        x = np.ascontiguousarray(seen.transpose(2, 0, 1)[None], np.float32)
        y: Floats = self.session.run(None, {"x": x})[0][0].transpose(1, 2, 0)
        cut = MARGIN * SCALE
        height, width, _ = picture.shape
        beyond = [(rows.start, height - rows.stop), (columns.start, width - columns.stop)]
        fill = [(SCALE * before, SCALE * after) for before, after in beyond]
        return np.pad(y[cut:-cut, cut:-cut], [*fill, (0, 0)], mode="edge")


def _passes(thing: Placed) -> int:
    """How often its colours go through the network."""
    pixels = thing.cutout.texture.width
    if pixels >= TEXTURE_PIXELS or thing.side <= LEAST_STRETCH * pixels:
        return 0
    return 1 if thing.side <= ONE_PASS_PIXELS else 2


def _key(cutout: Cutout, passes: int) -> tuple[Key, bool]:
    """The same for a cut-out and its mirror image; and whether this is the mirrored one."""
    here, there = (
        one.texture.tobytes() + one.alpha.tobytes() for one in (cutout, mirrored(cutout))
    )
    return (min(here, there), passes), there < here


def _around_visible(alpha: Floats) -> Window:
    """What is to be seen, and two pixels more."""
    spans = []
    for axis in (1, 0):
        found = np.flatnonzero((alpha > FAINTEST).any(axis))
        first, last = (found[0], found[-1] + 1) if len(found) else (0, len(alpha))
        first, last = max(0, int(first) - 2), min(alpha.shape[1 - axis], int(last) + 2)
        spans.append(slice(first, last))
    return spans[0], spans[1]


def _scaled(window: Window, by: int) -> Window:
    rows, columns = (slice(part.start * by, part.stop * by) for part in window)
    return rows, columns


def _floats(image: Image.Image) -> Floats:
    return np.asarray(image, np.float32) / np.float32(255)
