"""Two processes of ours, put together with clocks in them: an API that notes when each submission
was committed, and a worker whose engine notes when it was called.

`python -m bench.stamped api|worker FILE` appends a line for each job to FILE: its seed, by which
the two are brought together, and times of the machine's monotonic clock in nanoseconds.
"""

import asyncio
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import IO, TypeVar

import numpy as np
import uvloop

from bench import asgi
from safelight import settings, workers
from safelight.catalog import ImageRequest
from safelight.cli import assembly, filtering
from safelight.db import Database, Work
from safelight.db.migrate import migrate
from safelight.db.sqlite import SqliteDatabase
from safelight.engines import Picture, Pixels, Step
from safelight.engines.roster import Roster
from safelight.jobs import Job

T = TypeVar("T")
SIDE = 1024  # pixels
STEPS = 8
STEP_SECONDS = 0.0125  # a tenth of Krea 2 Turbo's on the hardware it is made for
WAVES = 24  # that a colour of the picture is the sum of
WORKER_ID = "bench"


class StampedDatabase(SqliteDatabase):
    """Notes when a submission's commit was done."""

    def __init__(self, path: Path, stamps: IO[str]):
        super().__init__(path)
        self._stamps = stamps

    async def write(self, work: Work[T]) -> T:
        result = await super().write(work)
        now_ns = time.monotonic_ns()
        if isinstance(result, tuple) and isinstance(result[0], Job):
            print(result[0].request.seed, now_ns, file=self._stamps, flush=True)
        return result


class StampedEngine:
    """Eight steps of known length and a picture made beforehand; notes when it began and ended."""

    name = "fake"  # the API's roster offers the fake engine, and we make its jobs
    starts_aside = False

    def __init__(self, stamps: IO[str]):
        self._stamps = stamps
        self._pixels = photo_like(SIDE)

    def load(self) -> None:
        """The picture is made already."""

    def unsupported(self, request: ImageRequest) -> None:
        return None

    def generate(self, request: ImageRequest) -> Iterator[Step | Picture]:
        called_ns = time.monotonic_ns()
        for number in range(1, STEPS + 1):
            time.sleep(STEP_SECONDS)
            preview = self._pixels[::8, ::8].copy() if number == STEPS // 2 else None
            yield Step(number, STEPS, preview)
        done_ns = time.monotonic_ns()
        yield Picture(self._pixels, request.seed or 0)
        print(request.seed, called_ns, done_ns, file=self._stamps, flush=True)


def photo_like(side: int) -> Pixels:
    """[side, side, 3]: sums of waves, more of them coarse than fine, as in photographs."""
    random = np.random.default_rng(1)
    y, x = np.mgrid[0:side, 0:side] / side
    colours = np.zeros((side, side, 3))
    for channel in range(3):
        for _ in range(WAVES):
            along_x, along_y = random.normal(0, 12, 2)
            phase = random.uniform(0, 2 * np.pi)
            wave = np.cos(2 * np.pi * (along_x * x + along_y * y) + phase)
            colours[..., channel] += wave / (1 + np.hypot(along_x, along_y))
    colours = (colours - colours.min()) / (colours.max() - colours.min())
    return np.asarray(colours * 255, np.uint8)


async def api(stamps: IO[str]) -> None:
    listener = asgi.listen()
    config = settings.load(port=listener.getsockname()[1])
    migrate(config.database_path)
    db = StampedDatabase(config.database_path, stamps)
    house = assembly.build_house(config, db, config.base_url)
    await asgi.serve(assembly.build_app(config, house), listener)


async def worker(stamps: IO[str]) -> None:
    """Prints an address that nobody listens at, to say that it has begun."""
    config = settings.load()
    db = assembly.open_database(config)
    roster = Roster({}, StampedEngine(stamps))
    review = filtering.build_review(
        config, assembly.load_catalog(config), filtering.build_encoder(config)
    )
    review.load()
    marking = assembly.build_marking(config)
    marking.signer.load()
    ours = assembly.build_worker(config, db, roster, review, marking, WORKER_ID)
    working = asyncio.create_task(ours.run())
    print("http://127.0.0.1:0", flush=True)
    await _greet(db)
    await working


async def _greet(db: Database) -> None:
    await db.write_soon(lambda tx: workers.say_hello(tx, WORKER_ID, StampedEngine.name, ready=True))


if __name__ == "__main__":
    with Path(sys.argv[2]).open("a") as file:
        uvloop.run({"api": api, "worker": worker}[sys.argv[1]](file))
