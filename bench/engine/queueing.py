"""A queue of small and large pictures through the real scheduler, and the same first come first."""

import random
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, wait
from dataclasses import dataclass, field
from typing import Any

from bench.engine.counting import Size
from bench.figures import percentile
from safelight.catalog.request import ImageRequest
from safelight.engines import Made
from safelight.engines.diffusers.painter import Painter
from safelight.engines.scheduler import Run, Scheduler

SEED = 7


@dataclass(frozen=True)
class Job:
    """One picture that is wanted."""

    size: Size
    arrives: float  # seconds after the first could


@dataclass
class Queue:
    """What became of all of them."""

    name: str
    jobs: list[Job]
    solo_seconds: float  # the sum of what each would take alone
    latencies: list[float | None] = field(default_factory=list)  # by job; None: never done
    wall_seconds: float = 0.0
    error: str | None = None

    @property
    def done(self) -> int:
        return sum(latency is not None for latency in self.latencies)

    def percentile(self, size: Size, percent: float) -> float | None:
        """Of the latencies of this size, in seconds."""
        known = [
            latency
            for job, latency in zip(self.jobs, self.latencies, strict=True)
            if job.size == size and latency is not None
        ]
        return percentile(known, percent) if known else None


class PainterEngine:
    """A painter as the scheduler knows engines."""

    name = "bench"
    starts_aside = True

    def __init__(self, painter: Painter):
        self._painter = painter

    def load(self) -> None:
        self._painter.warm_up()

    def unsupported(self, request: ImageRequest) -> None:
        return None

    def generate(self, request: ImageRequest) -> Iterator[Made]:
        yield from self._painter.paint(request)


def shuffled(counts: Sequence[tuple[Size, int]], solo: dict[Size, float], load: float) -> list[Job]:
    """Jobs in random order; with a load of 0 all at once, else by a Poisson process.

    `load` is the part of the time that the device would be busy with them one after another.
    """
    source = random.Random(SEED)
    sizes = [size for size, count in counts for _ in range(count)]
    source.shuffle(sizes)
    mean = sum(solo[size] for size in sizes) / len(sizes)
    jobs, now = [], 0.0
    for size in sizes:
        jobs.append(Job(size, now))
        if load:
            now += source.expovariate(load / mean)
    return jobs


def fitting(
    counts: Sequence[tuple[Size, int]],
    solo: dict[Size, float],
    loads: Sequence[float],
    seconds: float,
) -> list[tuple[Size, int]]:
    """As many jobs of each size as can be done under every load in so many seconds."""
    counts = list(counts)
    while any(count > 1 for _, count in counts):
        queues = [shuffled(counts, solo, load) for load in loads]
        if sum(first_come("", jobs, solo).wall_seconds for jobs in queues) <= seconds:
            break
        counts = [(size, max(1, count * 3 // 4)) for size, count in counts]
    return counts


def first_come(name: str, jobs: list[Job], solo: dict[Size, float]) -> Queue:
    """Whole jobs, one after another, each as long as alone: computed, not run."""
    queue = Queue(name, jobs, sum(solo[job.size] for job in jobs))
    free = 0.0
    for job in jobs:
        free = max(free, job.arrives) + solo[job.size]
        queue.latencies.append(free - job.arrives)
    queue.wall_seconds = free
    return queue


def run(
    name: str,
    jobs: list[Job],
    solo: dict[Size, float],
    painter: Painter,
    request: Callable[[Size, int], ImageRequest],
    seconds: float,
) -> Queue:
    """Through the scheduler. What is not done after so many seconds is given up."""
    queue = Queue(name, jobs, sum(solo[job.size] for job in jobs), [None] * len(jobs))
    requests = [request(job.size, 1000 + index) for index, job in enumerate(jobs)]
    scheduler, engine = Scheduler(), PainterEngine(painter)
    began, runs = time.monotonic(), list[Run]()
    for index, (job, wanted) in enumerate(zip(jobs, requests, strict=True)):
        time.sleep(max(0.0, began + job.arrives - time.monotonic()))
        due = began + job.arrives
        runs.append(scheduler.start(engine, wanted, lambda step: None, lambda note: None))
        runs[-1].outcome.add_done_callback(_noting(queue, index, due))
    left = max(0.0, seconds - (time.monotonic() - began))
    done, unfinished = wait([one.outcome for one in runs], left)
    queue.wall_seconds = time.monotonic() - began
    queue.error = _trouble(done, len(unfinished))
    _stop(runs)
    scheduler.close()
    return queue


def _noting(queue: Queue, index: int, due: float) -> Callable[[Future[Any]], None]:
    def note(outcome: Future[Any]) -> None:
        if outcome.exception() is None:
            queue.latencies[index] = time.monotonic() - due

    return note


def _stop(runs: list[Run]) -> None:
    for one in runs:
        if not one.outcome.done():
            one.stop()
    wait([one.outcome for one in runs], 30)


def _trouble(done: Iterable[Future[Any]], unfinished: int) -> str | None:
    said = [f"{unfinished} were not done in time"] if unfinished else []
    errors = [outcome.exception() for outcome in done]
    said += sorted({f"{type(error).__name__}: {error}" for error in errors if error})
    return "; ".join(said) or None
