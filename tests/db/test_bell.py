"""The bell: after a commit every process of the machine hears of it, and nobody waits for it."""

import asyncio
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from safelight.db.bell import MESSAGE_BYTES_MAX, Bell

LISTENER = """
import asyncio, sys
from pathlib import Path
from safelight.db.bell import Bell

async def listen():
    heard = asyncio.Event()
    bell = Bell(Path(sys.argv[1]))
    bell.listen(lambda message: (print(message, flush=True), heard.set()))
    print("listening", flush=True)
    await heard.wait()
    if len(sys.argv) < 3:
        bell.close()

asyncio.run(listen())
"""


@pytest.fixture
def home() -> Iterator[Path]:
    """In a folder of a short name: pytest's own may be too long for a socket's path."""
    with tempfile.TemporaryDirectory(prefix="bell") as folder:
        yield Path(folder) / "home"


@pytest.fixture
def bells(home: Path) -> Iterator[list[Bell]]:
    """Two bells of one home, as two processes have them."""
    bells = [Bell(home), Bell(home)]
    yield bells
    for bell in bells:
        bell.close()


async def heard_by(ringing: Bell, listening: Bell, *messages: str) -> list[str]:
    heard: asyncio.Queue[str] = asyncio.Queue()
    listening.listen(heard.put_nowait)
    for message in messages:
        ringing.ring(message)
    async with asyncio.timeout(10):
        return [await heard.get() for _ in dict.fromkeys(messages)]


def test_a_ring_is_heard_by_the_other_and_by_oneself(bells: list[Bell]):
    for listening in bells:
        assert asyncio.run(heard_by(bells[0], listening, "job:1")) == ["job:1"]


def test_what_is_rung_often_in_one_turn_is_heard_once_and_in_order(bells: list[Bell]):
    rung = ["queued", "job:1", "queued", "job:2", "queued"]
    assert asyncio.run(heard_by(*bells, *rung)) == ["queued", "job:1", "job:2"]


def test_a_burst_that_does_not_fit_the_queue_of_a_busy_process_is_heard_to_its_end(
    bells: list[Bell],
):
    rung = [f"job:{number}" for number in range(200)]
    assert asyncio.run(heard_by(*bells, *rung)) == rung


def test_a_long_message_is_cut_and_not_lost(bells: list[Bell]):
    assert asyncio.run(heard_by(*bells, "x" * 2000)) == ["x" * MESSAGE_BYTES_MAX]


def test_a_path_too_long_for_the_kernel_still_has_a_bell(tmp_path: Path):
    home = tmp_path / ("a" * 120) / ("b" * 120)
    bells = [Bell(home), Bell(home)]
    try:
        assert asyncio.run(heard_by(*bells, "job:1")) == ["job:1"]
    finally:
        for bell in bells:
            bell.close()


def test_the_sockets_are_for_their_owner_only(bells: list[Bell], home: Path):
    assert (home / "run").stat().st_mode & 0o077 == 0


def test_who_stops_listening_leaves_no_socket(bells: list[Bell], home: Path):
    asyncio.run(heard_by(*bells, "job:1"))
    bells[1].close()
    assert list((home / "run").iterdir()) == []


def listener(home: Path, *arguments: str) -> "subprocess.Popen[str]":
    process = subprocess.Popen(
        [sys.executable, "-c", LISTENER, str(home), *arguments], stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "listening\n"
    return process


async def ring(home: Path) -> None:
    bell = Bell(home)
    bell.ring("queued")
    await asyncio.sleep(0)  # it rings when this turn of the loop ends
    bell.close()


def test_a_ring_wakes_another_process(home: Path):
    with listener(home) as process:
        asyncio.run(ring(home))
        assert process.communicate(timeout=10) == ("queued\n", None)


def test_the_socket_of_a_dead_process_is_cleared_away(home: Path):
    with listener(home, "without closing") as process:
        process.kill()
    assert len(list((home / "run").iterdir())) == 1
    asyncio.run(ring(home))
    assert list((home / "run").iterdir()) == []
