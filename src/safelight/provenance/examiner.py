"""Has strangers' files examined by another process, one at a time, and outlives it."""

import asyncio
import contextlib
import json
import logging
import os
import sys
from asyncio.subprocess import DEVNULL, PIPE, Process
from dataclasses import asdict, dataclass
from typing import Any

from safelight.errors import InvalidRequest, Unavailable
from safelight.provenance.certificates import Trust
from safelight.provenance.examining import LENGTH
from safelight.provenance.likeness import Likeness

EXAMINE_SECONDS = 10.0  # for one file; the largest takes two
IDLE_SECONDS = 60.0  # after which the process, and its 70 MB, go
ANSWER_BYTES_MAX = 1 << 20

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Examined:
    """What was found in a file."""

    report: dict[str, Any]  # a reading.Report
    looks: Likeness | None  # None: it could not be decoded, though it has a manifest


class Examiner:
    """Starts the process at the first file, and again when one has ended it."""

    def __init__(self, trust: Trust, seconds: float = EXAMINE_SECONDS):
        self._trust = trust
        self._seconds = seconds  # for one file
        self._turn = asyncio.Lock()
        self._process: Process | None = None
        self._retiring: asyncio.TimerHandle | None = None

    async def examine(self, data: bytes) -> Examined:
        """Raises InvalidRequest for what is neither a picture nor has a manifest."""
        async with self._turn:
            if self._retiring is not None:
                self._retiring.cancel()
            try:
                async with asyncio.timeout(self._seconds):
                    found = await self._ask(data)
            except (OSError, EOFError, TimeoutError, ValueError) as error:
                log.warning("a file ended the process that examined it: %r", error)
                await self.stop()
                raise InvalidRequest("This file cannot be examined") from None
            except BaseException:  # the caller went away: what comes now would answer the next
                await self.stop()
                raise
            loop = asyncio.get_running_loop()
            self._retiring = loop.call_later(IDLE_SECONDS, self.close)
        if found["refusal"] is not None and found["report"]["integrity"] == "absent":
            raise InvalidRequest(f"This file cannot be examined: {found['refusal']}")
        looks = None
        if found["likeness"] is not None:
            looks = Likeness(bytes.fromhex(found["likeness"]), found["quality"])
        return Examined(found["report"], looks)

    def close(self) -> None:
        """End the process; the next file starts another."""
        if self._process is not None and self._process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                self._process.kill()
        self._process = None
        if self._retiring is not None:
            self._retiring.cancel()

    async def stop(self) -> None:
        """End the process, and see it gone."""
        process = self._process
        self.close()
        if process is not None:
            await process.communicate()

    async def _ask(self, data: bytes) -> dict[str, Any]:
        process = self._process
        if process is None or process.returncode is not None:
            process = await self._start()
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write(LENGTH.pack(len(data)))
        process.stdin.write(data)
        await process.stdin.drain()
        (length,) = LENGTH.unpack(await process.stdout.readexactly(LENGTH.size))
        if length > ANSWER_BYTES_MAX:
            raise ValueError("an answer that long cannot be right")
        found: dict[str, Any] = json.loads(await process.stdout.readexactly(length))
        return found

    async def _start(self) -> Process:
        try:
            process = await asyncio.create_subprocess_exec(
                sys.executable, "-m", "safelight.provenance.examining",
                stdin=PIPE, stdout=PIPE, stderr=DEVNULL,
                env={"OPENBLAS_NUM_THREADS": "1", **_without_secrets()},
            )  # fmt: skip
        except OSError as error:  # no memory, no process left
            raise Unavailable from error
        self._process = process
        assert process.stdin is not None
        trust = json.dumps(asdict(self._trust)).encode()
        process.stdin.write(LENGTH.pack(len(trust)) + trust)
        return process


def _without_secrets() -> dict[str, str]:
    """This process's environment but for our settings, among which are secrets."""
    return {k: v for k, v in os.environ.items() if not k.upper().startswith("SAFELIGHT_")}
