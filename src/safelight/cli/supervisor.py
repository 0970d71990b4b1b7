"""Keeps worker processes alive: hears their heartbeat, kills the hung, replaces the dead."""

import asyncio
import contextlib
import logging
import os
import secrets
import socket
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import Awaitable, Callable

from safelight.errors import ConfigurationError
from safelight.telemetry import Tell, silent
from safelight.telemetry.relay import Receiver

READ_BYTES = 64 * 1024
BEAT_SECONDS = 1.0  # how often a worker says that its event loop turns
SILENCE_SECONDS = 20.0  # a worker that is silent for so long hangs, with every thread of it
FIRST_BEAT_SECONDS = 120.0  # imports on a cold disk
RESTART_SECONDS = 0.2  # doubled after each quick death, so that a broken worker does not spin
RESTART_SECONDS_MAX = 5.0
QUICK_DEATH_SECONDS = 10.0
DRAIN_SECONDS = 25.0  # how long a worker may finish what it has
EXIT_CONFIGURATION = 78  # EX_CONFIG: the worker cannot work, and another could not either

log = logging.getLogger(__name__)


class Supervisor:
    """A fixed number of worker processes. When we die, their stdin closes, and they end too."""

    def __init__(
        self,
        count: int,
        arguments: list[str],
        buried: Callable[[str], Awaitable[None]],
        tell: Tell = silent,
    ):
        self._count = count
        self._arguments = arguments
        self._buried = buried  # told of a dead worker's id, so that its jobs are freed at once
        self._tell = tell  # what workers told us
        self._stopping = asyncio.Event()
        self._processes: set[Process] = set()

    async def run(self) -> None:
        """Until stopped. Raises ConfigurationError when no worker can ever work."""
        try:
            async with asyncio.TaskGroup() as group:
                for number in range(self._count):
                    group.create_task(self._keep_one(number))
        except ExceptionGroup as errors:
            raise errors.exceptions[0] from None

    def stop(self) -> None:
        """Let every worker finish what it has, and start no more."""
        self._stopping.set()
        for process in self._processes:
            if process.stdin is not None:
                process.stdin.close()

    async def _keep_one(self, number: int) -> None:
        loop = asyncio.get_running_loop()
        pause = RESTART_SECONDS
        while not self._stopping.is_set():
            born = loop.time()
            worker_id = f"{socket.gethostname()}-{secrets.token_hex(4)}"
            code = await self._live(worker_id, number)
            await self._buried(worker_id)
            if code == EXIT_CONFIGURATION:
                raise ConfigurationError("a worker cannot start: it said why in the line above")
            if self._stopping.is_set():
                return
            quick = loop.time() - born < QUICK_DEATH_SECONDS
            pause = min(RESTART_SECONDS_MAX, pause * 2) if quick else RESTART_SECONDS
            log.warning("worker %s ended with %s; another starts in %.1f s", worker_id, code, pause)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(pause):
                    await self._stopping.wait()

    async def _live(self, worker_id: str, number: int) -> int:
        """One worker's life; returns its exit code."""
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "safelight.cli.worker_process", worker_id, str(number),
            *self._arguments,
            stdin=PIPE, stdout=PIPE,
            # A numpy that spreads tiny products over every core waits for them under load.
            env={"OPENBLAS_NUM_THREADS": "1", **os.environ},
        )  # fmt: skip
        self._processes.add(process)
        if self._stopping.is_set() and process.stdin is not None:
            process.stdin.close()  # we were stopped while it was being born
        try:
            await self._listen(process)
        finally:
            self._processes.discard(process)
            if process.returncode is None:
                process.kill()
        return await process.wait()

    async def _listen(self, process: Process) -> None:
        """Return when the worker has ended, or is to be killed."""
        assert process.stdout is not None
        patience, receiver = FIRST_BEAT_SECONDS, Receiver(self._tell)
        stopping = asyncio.create_task(self._stopping.wait())
        try:
            while True:
                beat = asyncio.create_task(process.stdout.read(READ_BYTES))
                waiting = {beat} if self._stopping.is_set() else {beat, stopping}
                await asyncio.wait(waiting, timeout=patience, return_when=asyncio.FIRST_COMPLETED)
                if self._stopping.is_set():
                    await self._let_finish(process, beat, receiver)
                    return
                if not beat.done():
                    beat.cancel()
                    log.error("worker %d was silent for %.0f s: killed", process.pid, patience)
                    return
                if not beat.result():
                    with contextlib.suppress(TimeoutError):
                        async with asyncio.timeout(SILENCE_SECONDS):
                            await process.wait()
                    return
                receiver.feed(beat.result())
                patience = SILENCE_SECONDS
        finally:
            stopping.cancel()

    async def _let_finish(
        self, process: Process, beat: "asyncio.Task[bytes]", receiver: Receiver
    ) -> None:
        assert process.stdout is not None
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(DRAIN_SECONDS):
                data = await beat
                while data:
                    receiver.feed(data)
                    data = await process.stdout.read(READ_BYTES)
                await process.wait()
