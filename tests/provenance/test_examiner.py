"""The process that opens strangers' files: whatever ends it, the next file is examined."""

import asyncio
import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from safelight.errors import InvalidRequest
from safelight.provenance import trust_of
from safelight.provenance.examiner import Examiner
from signed import plain_png, signed_png


@pytest.fixture
def runner() -> Iterator[asyncio.Runner]:
    with asyncio.Runner() as runner:
        yield runner


def child_of(examiner: Examiner) -> int:
    [pid] = [
        int(pid)
        for pid in Path(f"/proc/{os.getpid()}/task/{os.getpid()}/children").read_text().split()
        if b"safelight.provenance.examining" in Path(f"/proc/{pid}/cmdline").read_bytes()
    ]
    return pid


def test_a_file_that_ends_the_process_ends_only_itself(
    tmp_path: Path, runner: asyncio.Runner
) -> None:
    content = signed_png(tmp_path, side=64)

    async def story() -> None:
        examiner = Examiner(trust_of(tmp_path, None))
        try:
            assert (await examiner.examine(content)).report["ours"]
            first = child_of(examiner)
            os.kill(first, signal.SIGSTOP)  # as if it were busy with the next file
            asked = asyncio.create_task(examiner.examine(content))
            await asyncio.sleep(0)
            os.kill(first, signal.SIGKILL)
            with pytest.raises(InvalidRequest):
                await asked
            assert (await examiner.examine(content)).report["ours"]
            assert child_of(examiner) != first
        finally:
            await examiner.stop()

    runner.run(story())


def test_a_file_that_takes_too_long_is_given_up(tmp_path: Path, runner: asyncio.Runner) -> None:
    async def story() -> None:
        examiner = Examiner(trust_of(tmp_path, None), seconds=0.02)
        try:
            with pytest.raises(InvalidRequest):  # Python itself takes longer to start
                await examiner.examine(plain_png())
        finally:
            await examiner.stop()

    runner.run(story())


def test_who_goes_away_does_not_leave_their_answer_to_the_next(
    tmp_path: Path, runner: asyncio.Runner
) -> None:
    async def story() -> None:
        examiner = Examiner(trust_of(tmp_path, None))
        try:
            first = asyncio.create_task(examiner.examine(signed_png(tmp_path, side=64)))
            await asyncio.sleep(0.01)
            first.cancel()
            found = await examiner.examine(plain_png(64))
            assert found.report["integrity"] == "absent"
        finally:
            await examiner.stop()

    runner.run(story())


def test_our_settings_are_not_in_its_environment(
    tmp_path: Path, runner: asyncio.Runner, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SAFELIGHT_SECRET", "0123456789abcdef0123456789abcdef")

    async def story() -> bytes:
        examiner = Examiner(trust_of(tmp_path, None))
        try:
            await examiner.examine(plain_png(64))
            return Path(f"/proc/{child_of(examiner)}/environ").read_bytes()
        finally:
            await examiner.stop()

    assert b"SAFELIGHT_" not in runner.run(story())


def test_a_process_that_ended_while_nobody_asked_costs_no_file(
    tmp_path: Path, runner: asyncio.Runner
) -> None:
    """As the kernel ends it when memory is short."""

    async def story() -> None:
        examiner = Examiner(trust_of(tmp_path, None))
        try:
            await examiner.examine(plain_png(64))
            first = child_of(examiner)
            os.kill(first, signal.SIGKILL)
            while Path(f"/proc/{first}").exists():
                await asyncio.sleep(0.001)
            await asyncio.sleep(0.05)  # the loop hears of it
            assert (await examiner.examine(plain_png(64))).looks is not None
        finally:
            await examiner.stop()

    runner.run(story())
