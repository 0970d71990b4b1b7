"""What is slow the first time is done before the first request: each size, at two text lengths."""

import logging
from collections.abc import Iterable
from contextlib import suppress
from itertools import product

from safelight.catalog.request import ImageRequest
from safelight.engines import Aside
from safelight.engines.diffusers.painter import Painter
from safelight.errors import EngineError

SIZES = (
    (1024, 1024), (1152, 896), (896, 1152), (832, 1280), (1280, 832), (768, 1344), (1344, 768),
    (704, 1472), (1472, 704), (1568, 672),
    (2048, 2048), (2304, 1728), (1728, 2304), (2240, 1792), (1792, 2240), (1664, 2496),
    (2496, 1664), (1472, 2688), (2688, 1472), (1408, 2816), (2816, 1408),
)  # fmt: skip
"""Width and height in pixels: EvoLink's twenty, and 2.35:1 of Krea's."""

SMALL = (64, 64)
PROMPTS = ("a lamp", "a lamp on a table in front of a window, at night, " * 10)

log = logging.getLogger(__name__)


def rehearse(
    painter: Painter, model: str, sizes: Iterable[tuple[int, int]], prompts: Iterable[str]
) -> None:
    """A picture of one step for each. What does not fit into the memory is said and left out."""
    for (width, height), prompt in product(sizes, prompts):
        request = ImageRequest(model=model, prompt=prompt, width=width, height=height, steps=1)
        try:
            _paint_alone(painter, request)
        except EngineError as error:
            log.warning("Warming up for %d × %d: %s", width, height, error)


def _paint_alone(painter: Painter, request: ImageRequest) -> None:
    """A whole job in this thread."""
    making, reply = painter.paint(request), None
    with suppress(StopIteration):
        while True:
            made = making.send(reply)
            reply = made.work() if isinstance(made, Aside) else None
