"""How an attempt ends: its outcome, credits, webhook and pictures, committed together."""

import asyncio
import logging
from collections.abc import Awaitable, Callable

from safelight import jobs, limits, webhooks
from safelight.db import Database, Transaction
from safelight.engines import Picture
from safelight.errors import EngineError, Unavailable
from safelight.flows.work.attempt import Attempt
from safelight.flows.work.filing import Filed, Files
from safelight.flows.work.review import Review
from safelight.jobs import State, ending, told
from safelight.moderation import Refused
from safelight.telemetry import Tell

# Between tries while the database cannot answer: a finished picture is worth waiting for. The lease
# may end meanwhile; then the fence lets another attempt have the job, and this one settles nothing.
AGAIN_SECONDS = (0.25, 1.0, 3.0)

log = logging.getLogger(__name__)


class Settling:
    """Commits outcomes. What is no longer ours, by the fence, changes nothing."""

    def __init__(
        self, db: Database, files: Files, review: Review, defaults: limits.Defaults, tell: Tell
    ):
        self._db = db
        self._files = files
        self._review = review
        self._defaults = defaults
        self._tell = tell

    async def complete(self, attempt: Attempt, pictures: list[Picture], files: list[Filed]) -> None:
        await self._settle(attempt, lambda: self._complete(attempt, pictures, files))

    async def fail(self, attempt: Attempt, error: EngineError) -> None:
        """Failed, or back in the queue where another attempt may succeed."""
        log.warning("job %s attempt %d: %s", attempt.job.id, attempt.job.attempt, error.code)
        await self._settle(attempt, lambda: self._fail(attempt, error))

    async def _settle(self, attempt: Attempt, commit: Callable[[], Awaitable[None]]) -> None:
        """Commit, and tell. If the database cannot, the lease ends and another attempt begins."""
        job = attempt.job
        with attempt.trail.stage("settle"):
            for seconds in (*AGAIN_SECONDS, None):
                try:
                    await commit()
                    break
                except Unavailable as error:
                    log.error("job %s: cannot settle: %s", job.id, error.__cause__)
                    if seconds is not None:
                        await asyncio.sleep(seconds)
        self._db.announce(f"job:{job.id}")
        self._db.announce("queued")  # its place may have let a backlogged job in
        if job.webhook_url:
            self._db.announce(webhooks.BELL)

    async def _complete(
        self, attempt: Attempt, pictures: list[Picture], files: list[Filed]
    ) -> None:
        job = attempt.job

        async def commit(tx: Transaction) -> int | None:
            if not await ending.settle(tx, job, State.COMPLETED, self._defaults):
                return None
            for position, (picture, file) in enumerate(zip(pictures, files, strict=True)):
                await self._files.add(tx, job, "final", position, file, picture.seed)
            await self._review.queue_near(tx, job, attempt.near)
            return tx.now_ms

        ended_at_ms = await self._db.write(commit)
        if ended_at_ms is None:
            # Cancelled, or another attempt owns the job: these files are nobody's.
            await self._files.discard(files)
        else:
            self._tell(told.ended(job, State.COMPLETED, ended_at_ms))

    async def _fail(self, attempt: Attempt, error: EngineError) -> None:
        job = attempt.job
        again = error.retryable and job.attempt < jobs.ATTEMPTS_MAX

        async def commit(tx: Transaction) -> int | None:
            if again:
                ours = await jobs.requeue(tx, job)
            else:
                ours = await ending.settle(
                    tx, job, State.FAILED, self._defaults, error.code, error.detail
                )
            if isinstance(error, Refused):
                await self._review.queue_refusal(tx, job, error)
            return tx.now_ms if ours else None

        now_ms = await self._db.write(commit)
        if now_ms is not None and again:
            self._tell(told.requeued(job, "retried"))
        elif now_ms is not None:
            self._tell(told.ended(job, State.FAILED, now_ms, error.code))
