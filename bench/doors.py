"""How fast the doors are: submissions against bare sqlite3, polls against "hello world"."""

import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from bench.figures import Row, ratio, spread
from bench.load import CONNECTIONS, Load, load
from bench.processes import Home, Server, started
from bench.wire import get, line, submission, wait_until_ready

PROMPTS = 256  # different ones, sent in turn
SUBMISSION_GOAL = 1.2
SUBMISSION_CPU_GOAL_MS = 0.4
POLL_GOAL = 0.6
SETTINGS = {"SAFELIGHT_STAND_IN": "fake", "SAFELIGHT_ENGINE__TIMEOUT_SECONDS": "3600"}


@dataclass(frozen=True)
class Measured:
    """One round of a load on one server."""

    load: Load
    cpu_seconds: float  # of all its processes

    @property
    def cpu_ms(self) -> float:
        return self.cpu_seconds / self.load.answers * 1000


@dataclass
class Rounds:
    """What every round found, in order."""

    submissions: list[Measured] = field(default_factory=list)
    bare: list[float] = field(default_factory=list)  # commits a second
    completed: list[Measured] = field(default_factory=list)
    pending: list[Measured] = field(default_factory=list)
    hello: list[Measured] = field(default_factory=list)
    hello_ours: list[Measured] = field(default_factory=list)  # on our server's protocol


def measure(folder: Path, rounds: int, seconds: float) -> list[Row]:
    """One `safelight serve`, whose worker is busy with one endless picture, and two bare servers.

    So the worker counts with what submissions cost it (it hears of each), and draws nothing.
    """
    home = Home(folder / "doors", SETTINGS)
    key = home.make_key()
    stock = started(["-m", "bench.asgi"], home.environment())
    bare_ours = started(["-m", "bench.asgi", "ours"], home.environment())
    with home.serve() as ours, stock as hello, bare_ours as hello_ours:
        wait_until_ready(ours.port)
        submissions = [submission(key, number) for number in range(PROMPTS)]
        completed, pending = _tasks(ours.port, key)
        found = Rounds()
        for _ in range(rounds):
            found.submissions.append(_load(ours, seconds, submissions))
            found.bare.append(_bare(folder, seconds))
            found.completed.append(_load(ours, seconds, [get(f"/v1/tasks/{completed}", key)]))
            found.hello.append(_load(hello, seconds, [get("/", key)]))
            found.pending.append(_load(ours, seconds, [get(f"/v1/tasks/{pending}", key)]))
            found.hello_ours.append(_load(hello_ours, seconds, [get("/", key)]))
    return [*_submission_rows(found), *_poll_rows(found)]


def _tasks(port: int, key: str) -> tuple[str, str]:
    """A completed task and a pending one, behind a picture that never ends."""
    with line(port) as asking:
        first = asking.ask_json(submission(key, 0))["id"]
        done = asking.ask_json(get(f"/v1/tasks/{first}?wait=30", key))
        assert done["status"] == "completed", done
        asking.ask_json(submission(key, 0, prompt="hang"))
        pending = asking.ask_json(submission(key, 0))["id"]
        return first, pending


def _load(server: Server, seconds: float, requests: Sequence[bytes]) -> Measured:
    before = server.cpu_seconds()
    made = load(server.port, seconds, requests)
    return Measured(made, server.cpu_seconds() - before)


def _bare(folder: Path, seconds: float) -> float:
    ran = subprocess.run(
        [sys.executable, "-m", "bench.bare_sqlite", str(folder), str(seconds)],
        capture_output=True,
        check=True,
    )
    return float(ran.stdout)


def _submission_rows(found: Rounds) -> list[Row]:
    through_door = spread([m.load.per_second for m in found.submissions])
    bare = spread(found.bare)
    against = ratio(through_door.rounds, bare.rounds)
    cpu = spread([m.cpu_ms for m in found.submissions])
    p50 = spread([m.load.p50_ms for m in found.submissions])
    p99 = spread([m.load.p99_ms for m in found.submissions])
    return [
        Row(
            promise="submitting is nearly free: durable, metered submissions/s over HTTP",
            measured=f"{through_door.text(',.0f')}, p50 {p50.median:.1f} p99 {p99.median:.1f} ms",
            reference=f"bare sqlite3, same statements, one commit each: {bare.text(',.0f')}",
            ratio=against,
            goal=f"≥ {SUBMISSION_GOAL}",
            met=against.median >= SUBMISSION_GOAL,
            data={"per_second": through_door.rounds, "bare": bare.rounds,
                  "p50_ms": p50.rounds, "p99_ms": p99.rounds, "connections": CONNECTIONS},
        ),
        Row(
            promise="…and cheap: CPU per submission, API and worker together",
            measured=cpu.text(".3f", "ms"),
            goal=f"≤ {SUBMISSION_CPU_GOAL_MS} ms",
            met=cpu.median <= SUBMISSION_CPU_GOAL_MS,
            data={"cpu_ms": cpu.rounds},
        ),
    ]  # fmt: skip


def _poll_rows(found: Rounds) -> list[Row]:
    return [
        _poll_row("a pending task", found.pending, found),
        _poll_row("a completed task", found.completed, found),
    ]


def _poll_row(what: str, polls: Sequence[Measured], found: Rounds) -> Row:
    hello = found.hello
    ours = spread([m.load.per_second for m in polls])
    theirs = spread([m.load.per_second for m in hello])
    against = ratio(ours.rounds, theirs.rounds)
    cpu, hello_cpu = (spread([m.cpu_ms * 1000 for m in which]) for which in (polls, hello))
    one_packet = spread([m.load.per_second for m in found.hello_ours])
    harder = ratio(ours.rounds, one_packet.rounds)
    return Row(
        promise=f"polling is cheap: polls/s of {what}",
        measured=f"{ours.text(',.0f')}, CPU {cpu.median:.0f} µs",
        reference=f"a bare server's hello world: {theirs.text(',.0f')}, {hello_cpu.median:.0f} µs"
        f" (on our one-packet protocol {one_packet.median:,.0f}: {harder.median:.2f})",
        ratio=against,
        goal=f"≥ {POLL_GOAL}",
        met=against.median >= POLL_GOAL,
        data={"per_second": ours.rounds, "hello": theirs.rounds, "cpu_us": cpu.rounds,
              "hello_cpu_us": hello_cpu.rounds, "hello_one_packet": one_packet.rounds,
              "connections": CONNECTIONS},
    )  # fmt: skip
