"""Instant, deterministic pictures for tests and load tests; some words cause faults.

explode: raises EngineError            hang: never yields again, until `unhang` is set
crash:   kills the process, as 137     slow: every step takes 50 ms more
empty:   ends without a picture
"""

import hashlib
import os
import time
from collections.abc import Callable, Iterator
from threading import Event

import numpy as np

from safelight.catalog.request import ImageRequest
from safelight.engines import Picture, Pixels, Step, Unsupported
from safelight.errors import EngineError

TILE_PIXELS = 64  # side of the pattern that fills the picture
SLOW_SECONDS = 0.05
CRASH_STATUS = 137  # what a shell reports after SIGKILL
PREVIEW_PIXELS = 32  # longer side


class FakeEngine:
    """Pixels from the SHA-256 of prompt, seed and size. `sleep` and `unhang` are for the tests."""

    def __init__(
        self,
        name: str = "fake",
        steps: int = 8,
        seconds: float = 0.0,
        sleep: Callable[[float], object] = time.sleep,
        unhang: Event | None = None,
    ):
        """`seconds` is what one request takes, spread over its steps."""
        self.name = name
        self.starts_aside = False
        self._steps = steps
        self._seconds = seconds
        self._sleep = sleep
        self._unhang = unhang or Event()

    def load(self) -> None:
        """Nothing to read."""

    def unsupported(self, request: ImageRequest) -> Unsupported | None:
        return None

    def generate(self, request: ImageRequest) -> Iterator[Step | Picture]:
        words = set(request.prompt.lower().split())
        steps = request.steps or self._steps
        step_seconds = self._seconds / steps + (SLOW_SECONDS if "slow" in words else 0.0)
        for number in range(1, steps + 1):
            if step_seconds:
                self._sleep(step_seconds)
            yield Step(number, steps, _preview(request) if number == (steps + 1) // 2 else None)
            self._misbehave(words)
        if "empty" in words:
            return
        for index in range(request.count):
            seed = (request.seed or 0) + index
            yield Picture(pattern(request.prompt, seed, request.width, request.height), seed)

    def _misbehave(self, words: set[str]) -> None:
        """Faults come after the first step: the work had begun."""
        if "explode" in words:
            raise EngineError("The prompt asked for it")
        if "crash" in words:
            os._exit(CRASH_STATUS)
        if "hang" in words:
            self._unhang.wait()


def pattern(prompt: str, seed: int, width: int, height: int) -> Pixels:
    """[height, width, 3]: two colours in a checked tile, repeated; under 1 ms at 1024²."""
    digest = hashlib.sha256(f"{prompt}\0{seed}\0{width}x{height}".encode()).digest()
    colours = np.frombuffer(digest[:6], np.uint8).reshape(2, 3)
    cells = np.unpackbits(np.frombuffer(digest[6:14], np.uint8)).reshape(8, 8)
    tile = colours[np.kron(cells, np.ones((TILE_PIXELS // 8,) * 2, np.uint8))]
    band = np.tile(tile, (1, -(-width // TILE_PIXELS), 1))[:, :width]
    pixels = np.empty((height, width, 3), np.uint8)
    for top in range(0, height, TILE_PIXELS):
        rows = min(TILE_PIXELS, height - top)
        pixels[top : top + rows] = band[:rows]
    return pixels


def _preview(request: ImageRequest) -> Pixels:
    scale = PREVIEW_PIXELS / max(request.width, request.height)
    size = (max(1, round(side * scale)) for side in (request.width, request.height))
    return pattern(request.prompt, request.seed or 0, *size)
