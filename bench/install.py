"""What an install is: packages, cold start, memory, and the embedded engine's own pace."""

import re
import time
from dataclasses import dataclass, field
from importlib import metadata
from pathlib import Path

from packaging.requirements import Requirement

from bench.figures import Row, spread
from bench.processes import Home
from bench.wire import Line, get, line, submission, wait_until_ready

PICTURES = 3  # a start, after the first
IDLE_SECONDS = 1.0  # until what the start left behind has settled
PICTURE_GOAL_SECONDS = 1.5
START_GOAL_SECONDS = 5.0
MEMORY_GOAL_MB = 600
PACKAGES_GOAL = 25


@dataclass
class Rounds:
    ready: list[float] = field(default_factory=list)  # seconds from the start of the process
    first_picture: list[float] = field(default_factory=list)
    picture: list[float] = field(default_factory=list)
    idle_mb: list[float] = field(default_factory=list)
    used_mb: list[float] = field(default_factory=list)


def measure(folder: Path, rounds: int) -> list[Row]:
    """Start `serve` with the embedded engine in an empty home, several times."""
    found = Rounds()
    for number in range(rounds):
        _start(Home(folder / f"install{number}", {"SAFELIGHT_STAND_IN": "mini"}), found)
    return [*_rows(found), _packages_row()]


def _start(home: Home, found: Rounds) -> None:
    key = home.make_key()
    with home.serve() as server, line(server.port) as asking:
        found.ready.append(wait_until_ready(server.port) - server.born)
        _draw(asking, key, 0)
        found.first_picture.append(time.monotonic() - server.born)
        for number in range(1, 1 + PICTURES):
            found.picture.append(_draw(asking, key, number))
        found.used_mb.append(server.resident_bytes() / 1e6)
    with home.serve() as server:
        wait_until_ready(server.port)
        time.sleep(IDLE_SECONDS)
        found.idle_mb.append(server.resident_bytes() / 1e6)


def _draw(asking: Line, key: str, number: int) -> float:
    """Seconds from the submission to the picture's link, at 1024²."""
    begun = time.monotonic()
    job = asking.ask_json(submission(key, number))
    task = asking.ask_json(get(f"/v1/tasks/{job['id']}?wait=60", key))
    assert task["status"] == "completed", task
    return time.monotonic() - begun


def _rows(found: Rounds) -> list[Row]:
    picture, first, ready, idle, used = map(
        spread, (found.picture, found.first_picture, found.ready, found.idle_mb, found.used_mb)
    )
    return [
        Row(
            promise="embedded is fast: 1024² by the embedded engine, submit → visible",
            measured=picture.text(".2f", "s"),
            goal=f"≤ {PICTURE_GOAL_SECONDS} s",
            met=picture.median <= PICTURE_GOAL_SECONDS,
            data={"seconds": picture.rounds},
        ),
        Row(
            promise="…from a cold start of `serve` to the first picture",
            measured=f"{first.text('.1f', 's')}; ready after {ready.text('.1f', 's')}",
            goal=f"≤ {START_GOAL_SECONDS:g} s",
            met=first.median <= START_GOAL_SECONDS,
            data={"first_picture_seconds": first.rounds, "ready_seconds": ready.rounds},
        ),
        Row(
            promise="small: idle memory of `serve` with its worker",
            measured=f"{idle.text('.0f', 'MB')}; after pictures {used.text('.0f', 'MB')}",
            goal=f"≤ {MEMORY_GOAL_MB} MB",
            met=idle.median <= MEMORY_GOAL_MB,
            data={"idle_mb": idle.rounds, "used_mb": used.rounds},
        ),
    ]


def _packages_row() -> Row:
    own = core_packages("safelight") - {"safelight"}
    onnxruntimes = core_packages("onnxruntime")
    return Row(
        promise="small: packages of the core install",
        measured=f"{len(own - onnxruntimes)} besides onnxruntime's {len(own & onnxruntimes)}",
        goal=f"≤ {PACKAGES_GOAL}",
        met=len(own - onnxruntimes) <= PACKAGES_GOAL,
        data={"packages": sorted(own), "onnxruntime": sorted(onnxruntimes)},
    )


def core_packages(root: str) -> set[str]:
    """A package and everything it needs on this machine, without extras nobody asked for."""
    found: set[str] = set()
    waiting = [Requirement(root)]
    while waiting:
        wanted = waiting.pop()
        name = re.sub(r"[-_.]+", "-", wanted.name).lower()
        if name in found:
            continue
        found.add(name)
        for text in metadata.requires(name) or ():
            needed = Requirement(text)
            extras = wanted.extras or {""}
            if needed.marker is None or any(
                needed.marker.evaluate({"extra": extra}) for extra in extras
            ):
                waiting.append(needed)
    return found
