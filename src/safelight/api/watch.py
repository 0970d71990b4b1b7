"""Waiting for a job to change, without asking the database again and again."""

import asyncio
import contextlib
from collections import Counter
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterator

from safelight.db import Database
from safelight.errors import TooManyRequests
from safelight.jobs import Job

RECHECK_SECONDS = 1.0  # announcements may be lost; this is how late we then notice

Read = Callable[[], Awaitable[Job]]


class Watch:
    """Wakes whoever waits for a job, when any process announces that it changed."""

    def __init__(self, db: Database, watchers_max: int):
        self._max = watchers_max  # of one account
        self._watchers: Counter[str] = Counter()  # by account
        self._waiting: dict[str, set[asyncio.Event]] = {}
        self.closing = asyncio.Event()  # set at shutdown, so that nobody keeps the server alive
        db.subscribe(self._heard)

    def close(self) -> None:
        self.closing.set()
        for events in self._waiting.values():
            for event in events:
                event.set()

    def check_place(self, account_id: str) -> None:
        """Raises TooManyRequests while the account has as many watchers as it may."""
        if self._watchers[account_id] >= self._max:
            raise TooManyRequests(
                f"No more than {self._max} requests of an account may wait for jobs at a time",
                limit="watchers",
            )

    @contextlib.contextmanager
    def place(self, account_id: str) -> Iterator[None]:
        """One of the account's watchers, for as long as this is open."""
        self._watchers[account_id] += 1
        try:
            yield
        finally:
            self._watchers[account_id] -= 1
            if not self._watchers[account_id]:
                del self._watchers[account_id]

    async def until_final(self, job_id: str, read: Read, seconds: float) -> Job:
        """The job once it has ended, or as it stands when the time is up."""
        deadline = asyncio.get_running_loop().time() + seconds
        async with contextlib.aclosing(self.changes(job_id, read, 0, deadline)) as changes:
            async for job in changes:
                if job.state.is_final:
                    return job
        return await read()

    async def changes(
        self, job_id: str, read: Read, seen_version: int, deadline: float | None = None
    ) -> AsyncGenerator[Job, None]:
        """Yield the job whenever its version has grown, until it is final or the time is up."""
        loop = asyncio.get_running_loop()
        event = asyncio.Event()
        self._waiting.setdefault(job_id, set()).add(event)  # before reading: nothing is missed
        try:
            while True:
                event.clear()
                job = await read()
                if job.version > seen_version:
                    seen_version = job.version
                    yield job
                left = RECHECK_SECONDS if deadline is None else deadline - loop.time()
                if job.state.is_final or left <= 0 or self.closing.is_set():
                    return
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(min(left, RECHECK_SECONDS)):
                        await event.wait()
        finally:
            waiting = self._waiting[job_id]
            waiting.discard(event)
            if not waiting:
                del self._waiting[job_id]

    def _heard(self, message: str) -> None:
        kind, _, job_id = message.partition(":")
        if kind == "job":
            for event in self._waiting.get(job_id, ()):
                event.set()
