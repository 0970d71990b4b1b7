"""How long a picture's way through an idle house is, beside what its engine takes."""

import time
from dataclasses import dataclass, field
from pathlib import Path

from bench.figures import Row, percentile, ratio, spread
from bench.processes import Home, started
from bench.stamped import SIDE, photo_like
from bench.wire import Line, get, line, submission, wait_until_ready
from safelight.images import ImageStore, encode_png

PICTURES = 50  # a round, one after another
FLOORS = 10  # a round: how often the picture is only encoded and stored
PAUSE_SECONDS = 0.02  # until the house is idle again
START_GOAL_MS = (1.5, 8.0)  # p50, p99
VISIBLE_GOAL_MS = 15.0


@dataclass
class Way:
    """One job's times, in nanoseconds of the machine's monotonic clock."""

    submitted: int
    visible: int
    committed: int = 0
    called: int = 0
    done: int = 0

    @property
    def start_ms(self) -> float:
        return (self.called - self.committed) / 1e6

    @property
    def added_ms(self) -> float:
        """From the submission to the picture's link, without the engine's own time."""
        return (self.visible - self.submitted - (self.done - self.called)) / 1e6


@dataclass
class Rounds:
    ways: list[list[Way]] = field(default_factory=list)
    floors_ms: list[float] = field(default_factory=list)


def measure(folder: Path, rounds: int) -> list[Row]:
    home = Home(folder / "journey", {"SAFELIGHT_STAND_IN": "fake"})
    key = home.make_key()
    stamps = {role: folder / f"{role}.stamps" for role in ("api", "worker")}
    api = started(["-m", "bench.stamped", "api", str(stamps["api"])], home.environment())
    worker = started(["-m", "bench.stamped", "worker", str(stamps["worker"])], home.environment())
    found = Rounds()
    floor = _Floor(folder / "floor")
    with api as server, worker, line(server.port) as asking:
        wait_until_ready(server.port)
        _picture(asking, key, 1)  # everything is loaded and warm
        for number in range(rounds):
            seeds = range(2 + number * PICTURES, 2 + (number + 1) * PICTURES)
            found.ways.append([_picture(asking, key, seed) for seed in seeds])
            found.floors_ms.append(floor.milliseconds())
    _bring_together(found, stamps)
    return [_start_row(found), _visible_row(found)]


class _Floor:
    """What cannot be saved: encoding the same picture and bringing it safely to the same disk."""

    def __init__(self, folder: Path):
        self._store = ImageStore(folder, b"bench", "http://127.0.0.1")
        self._pixels = photo_like(SIDE)

    def milliseconds(self) -> float:
        took = []
        for number in range(FLOORS):
            begun = time.perf_counter()
            png = encode_png(self._pixels)
            self._store.put(png, width=SIDE, height=SIDE, attempt=1, position=str(number))
            took.append((time.perf_counter() - begun) * 1000)
        return percentile(took, 50)


def _picture(asking: Line, key: str, seed: int) -> Way:
    request = submission(key, seed, seed=seed)
    time.sleep(PAUSE_SECONDS)
    submitted = time.monotonic_ns()
    job = asking.ask_json(request)
    task = asking.ask_json(get(f"/v1/tasks/{job['id']}?wait=30", key))
    visible = time.monotonic_ns()
    assert task["status"] == "completed", task
    return Way(submitted, visible)


def _bring_together(found: Rounds, stamps: dict[str, Path]) -> None:
    """Seeds count up from 1, the warm-up, and so do the lines."""
    read = {role: _read(path) for role, path in stamps.items()}
    ways = [way for ways in found.ways for way in ways]
    for seed, way in enumerate(ways, start=2):
        (way.committed,) = read["api"][seed]
        way.called, way.done = read["worker"][seed]


def _read(path: Path) -> dict[int, list[int]]:
    lines = (map(int, text.split()) for text in path.read_text().splitlines())
    return {seed: times for seed, *times in lines}


def _start_row(found: Rounds) -> Row:
    p50 = spread([percentile([way.start_ms for way in ways], 50) for ways in found.ways])
    p99 = percentile([way.start_ms for ways in found.ways for way in ways], 99)
    goal_p50, goal_p99 = START_GOAL_MS
    return Row(
        promise="work starts at once: commit → engine called, idle",
        measured=f"p50 {p50.text('.2f', 'ms')}, p99 {p99:.2f} ms",
        goal=f"p50 ≤ {goal_p50} ms, p99 ≤ {goal_p99:g} ms",
        met=p50.median <= goal_p50 and p99 <= goal_p99,
        data={"p50_ms": p50.rounds, "p99_ms": p99, "samples": PICTURES * len(found.ways)},
    )


def _visible_row(found: Rounds) -> Row:
    p50 = spread([percentile([way.added_ms for way in ways], 50) for ways in found.ways])
    p99 = percentile([way.added_ms for ways in found.ways for way in ways], 99)
    floor = spread(found.floors_ms)
    return Row(
        promise="the platform adds nothing: submit → picture visible − engine, 1K",
        measured=f"p50 {p50.text('.1f', 'ms')}, p99 {p99:.1f} ms",
        reference=f"encode and fsync alone: {floor.text('.1f', 'ms')}",
        ratio=ratio(p50.rounds, floor.rounds),
        goal=f"p50 ≤ {VISIBLE_GOAL_MS:g} ms",
        met=p50.median <= VISIBLE_GOAL_MS,
        data={"p50_ms": p50.rounds, "p99_ms": p99, "floor_ms": floor.rounds},
    )
