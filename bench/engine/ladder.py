"""Measures each path at each size, within the time there is, and goes on when one fails."""

import gc
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from statistics import median

import numpy as np
import torch

from bench.engine.counting import Counter, Size, Work
from bench.engine.paths import MODEL, Bench, CannotRun, Paint, Path
from bench.engine.words import prompt
from safelight.catalog.request import ImageRequest
from safelight.engines import Pixels

LARGE_PIXELS = 1_500_000  # beyond, half as many runs
PATIENCE_SECONDS = 5  # kept back for the report


@dataclass(frozen=True)
class Clock:
    """When everything has to be over."""

    seconds: float
    began_at: float = field(default_factory=time.monotonic)

    def spent(self) -> float:
        return time.monotonic() - self.began_at

    def left(self, share: float = 1.0) -> float:
        """Until so much of the time is gone."""
        return share * (self.seconds - PATIENCE_SECONDS) - self.spent()


@dataclass(kw_only=True)
class Rung:
    """What one path did at one size."""

    path: str
    words: str
    width: int
    height: int
    work: Work
    seconds: list[float] = field(default_factory=list)  # of whole pictures
    first_seconds: float | None = None  # a picture of one step, the first of all
    again_seconds: float | None = None  # and the second
    peak_bytes: int | None = None
    contrast: float | None = None  # of its first whole picture, in grey levels
    difference: float | None = None  # from the stock pipeline's, the mean in grey levels
    error: str | None = None

    @property
    def median(self) -> float | None:
        return median(self.seconds) if self.seconds else None

    @property
    def size(self) -> Size:
        return self.width, self.height


def climb(
    bench: Bench,
    paths: Sequence[Path],
    sizes: Sequence[Size],
    counter: Counter,
    *,
    runs: int,
    left: Callable[[], float],
) -> Iterator[Rung]:
    """Each path at each size, as soon as it is measured. `left` is the time there still is."""
    for path in paths:
        paint, error = None, None
        try:
            paint = path.open(bench)
        except Exception as reason:  # whatever a library raises: it is a line in the table
            error = _said(reason)
        for size in sizes:
            work = counter.picture(size, bench.steps, path.way(bench.text_tokens))
            rung = Rung(
                path=path.name, words=path.words, width=size[0], height=size[1], work=work,
                error=error,
            )  # fmt: skip
            if paint is not None:
                _measure(rung, bench, paint, runs, left)
            yield rung


def _measure(rung: Rung, bench: Bench, paint: Paint, runs: int, left: Callable[[], float]) -> None:
    runs = runs if rung.width * rung.height < LARGE_PIXELS else (runs + 1) // 2
    _forget_peak(bench.device)
    try:
        if left() <= 0:
            raise CannotRun("no time was left")
        rung.first_seconds, _ = _timed(paint, request_of(bench, rung.size, 1, steps=1))
        rung.again_seconds, _ = _timed(paint, request_of(bench, rung.size, 2, steps=1))
        expected = rung.again_seconds * bench.steps
        for number in range(runs):
            if left() < expected:
                break
            expected, pixels = _timed(paint, request_of(bench, rung.size, 3 + number))
            rung.seconds.append(expected)
            if number == 0:
                _compare(rung, bench, pixels)
        if not rung.seconds:
            raise CannotRun(f"too little time was left for a picture of about {expected:.0f} s")
    except Exception as reason:  # as above
        rung.error = _said(reason)
    rung.peak_bytes = _peak_bytes(bench.device)
    release(bench.device)


def request_of(
    bench: Bench,
    size: Size,
    number: int,
    *,
    steps: int | None = None,
    text_tokens: int | None = None,
) -> ImageRequest:
    """Every number has another prompt of the same length, so that none is remembered."""
    words = prompt(bench.pipe, text_tokens or bench.text_tokens, number)
    return ImageRequest(
        model=MODEL, prompt=words, width=size[0], height=size[1], seed=number,
        steps=steps or bench.steps,
    )  # fmt: skip


def _timed(paint: Paint, request: ImageRequest) -> tuple[float, Pixels]:
    """Seconds from the prompt to pixels on the host."""
    began = time.perf_counter()
    pixels = paint(request)
    return time.perf_counter() - began, pixels


def _compare(rung: Rung, bench: Bench, pixels: Pixels) -> None:
    """With the stock pipeline's picture of the same request."""
    rung.contrast = float(pixels.std())
    if rung.path == "stock":
        bench.references[rung.size] = pixels
    if rung.size in bench.references:
        other = bench.references[rung.size].astype(np.float32)
        rung.difference = float(np.abs(pixels - other).mean())


def _forget_peak(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.reset_peak_memory_stats(device)


def _peak_bytes(device: torch.device) -> int | None:
    return torch.cuda.max_memory_allocated(device) if device.type == "cuda" else None


def release(device: torch.device) -> None:
    gc.collect()
    if device.type == "cuda":
        torch.cuda.empty_cache()


def _said(reason: Exception) -> str:
    first = (str(reason).strip() or "no message").splitlines()[0][:200]
    return first if isinstance(reason, CannotRun) else f"{type(reason).__name__}: {first}"
