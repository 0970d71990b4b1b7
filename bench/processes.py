"""Processes that the bench starts, and what the kernel says of them."""

import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

CPU_CLOCK_OF_PROCESS = 2  # CPUCLOCK_SCHED of linux/posix-timers.h
ADDRESS = re.compile(rb"http://127\.0\.0\.1:(\d+)")
CREDITS = 1_000_000_000  # so that no measurement ends for want of money
UNLIMITED = {
    "SAFELIGHT_LIMITS__CONCURRENCY": "1000000",
    "SAFELIGHT_LIMITS__BACKLOG": "1000000",
}


@dataclass(frozen=True)
class Server:
    """A process that has said where it listens."""

    process: subprocess.Popen[bytes]
    port: int
    born: float  # by time.monotonic(), before the process was started

    def cpu_seconds(self) -> float:
        """What it and its workers have used so far."""
        return sum(_cpu_seconds(pid) for pid in self._family())

    def resident_bytes(self) -> int:
        """Of it and its workers; pages that both map count twice."""
        return sum(_resident_bytes(pid) for pid in self._family())

    def _family(self) -> list[int]:
        return [self.process.pid, *_descendants(self.process.pid)]


@dataclass(frozen=True)
class Home:
    """A data folder of its own, with the settings of one measurement."""

    folder: Path
    settings: Mapping[str, str] = field(default_factory=dict)

    def environment(self) -> dict[str, str]:
        inherited = {k: v for k, v in os.environ.items() if not k.startswith("SAFELIGHT_")}
        return {**inherited, **UNLIMITED, **self.settings, "SAFELIGHT_HOME": str(self.folder)}

    def make_key(self) -> str:
        made = subprocess.run(
            [sys.executable, "-m", "safelight", "keys", "create", "bench",
             "--credits", str(CREDITS), "--json"],
            env=self.environment(), check=True, capture_output=True,
        )  # fmt: skip
        return str(json.loads(made.stdout)["key"])

    @contextmanager
    def serve(self, *options: str) -> Iterator[Server]:
        """`safelight serve` with its worker, at a free port."""
        with started(
            ["-m", "safelight", "serve", "--port", "0", *options], self.environment()
        ) as server:
            yield server


@contextmanager
def started(arguments: Sequence[str], environment: Mapping[str, str]) -> Iterator[Server]:
    """Run Python with these arguments until the block ends; it must print where it listens."""
    born = time.monotonic()
    process = subprocess.Popen(
        [sys.executable, *arguments],
        env=dict(environment),
        stdout=subprocess.PIPE,
        start_new_session=True,  # so that its workers can be ended with it
    )
    try:
        yield Server(process, _port(process), born)
    finally:
        with suppress(ProcessLookupError):  # it ended by itself
            os.killpg(process.pid, signal.SIGKILL)
        process.communicate()


def _port(process: subprocess.Popen[bytes]) -> int:
    assert process.stdout is not None
    for line in process.stdout:
        if found := ADDRESS.search(line):
            return int(found[1])
    raise RuntimeError(f"{process.args!r} ended with {process.wait()} before it listened")


def _descendants(pid: int) -> list[int]:
    found: list[int] = []
    for task in Path(f"/proc/{pid}/task").iterdir():
        for child in (task / "children").read_text().split():
            found += [int(child), *_descendants(int(child))]
    return found


def _cpu_seconds(pid: int) -> float:
    # To the nanosecond, where /proc/PID/stat counts in hundredths; clock_getcpuclockid(3) says how.
    return time.clock_gettime((~pid << 3) | CPU_CLOCK_OF_PROCESS)


def _resident_bytes(pid: int) -> int:
    status = Path(f"/proc/{pid}/status").read_text()
    found = re.search(r"VmRSS:\s+(\d+) kB", status)
    return int(found[1]) * 1024 if found else 0
