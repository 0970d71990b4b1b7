"""How far a job is, carried from the engine's thread to the database."""

import asyncio
import contextlib
import logging

from safelight import jobs
from safelight.db import Database, Transaction
from safelight.engines import Picture, Step
from safelight.errors import EngineError, Unavailable
from safelight.flows.work.attempt import Attempt
from safelight.flows.work.filing import Filed, Files
from safelight.flows.work.review import Review

PROGRESS_SECONDS = 0.1  # progress is written at most this often
PROGRESS_MAX = 95  # percent that sampling can reach; the rest is encoding and storing

log = logging.getLogger(__name__)


class Progress:
    """Writes the latest step of one attempt, one at a time."""

    def __init__(self, db: Database, files: Files, review: Review, attempt: Attempt):
        self._db = db
        self._files = files
        self._review = review
        self._attempt = attempt
        self._loop = asyncio.get_running_loop()
        self._latest: Step | None = None
        self._previews = 0  # so far; a step that is done again has a number that was used
        self._task: asyncio.Task[None] | None = None
        self._ended = asyncio.Event()

    def report(self, step: Step) -> None:
        """Called in the engine's thread."""
        self._loop.call_soon_threadsafe(self._take, step)

    async def end(self) -> None:
        """The engine has ended: nothing of it may be written after the outcome."""
        self._ended.set()
        if self._task is not None:
            await self._task

    def _take(self, step: Step) -> None:
        if self._latest is not None and self._latest.preview is not None and step.preview is None:
            step = Step(step.number, step.total, self._latest.preview)  # a preview is not skipped
        self._latest = step
        if self._task is None and not self._ended.is_set():
            self._task = self._loop.create_task(self._write())

    async def _write(self) -> None:
        while self._latest is not None and not self._ended.is_set():
            step, self._latest = self._latest, None
            try:
                await self._record(step)
            except (
                Unavailable,
                OSError,
                EngineError,
            ) as error:  # progress may be lost; the picture may not
                log.warning("job %s: progress not written: %s", self._attempt.job.id, error)
            except Exception:  # a mistake of ours, which may cost the worker even less
                log.exception("job %s: progress not written", self._attempt.job.id)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(PROGRESS_SECONDS):
                    await self._ended.wait()
        self._task = None

    async def _may_show(self, preview: Picture) -> bool:
        try:
            await self._attempt.judged()
            known_bad = await self._review.known_bad(self._db, self._attempt.job)
        except EngineError:  # the job ends with it elsewhere
            return False
        return await self._review.may_preview(self._attempt.job, preview, known_bad)

    async def _store(self, preview: Picture) -> Filed | None:
        """The preview, if it may be shown before the picture itself is there."""
        judging = asyncio.ensure_future(self._may_show(preview))
        ended = asyncio.ensure_future(self._ended.wait())
        try:
            await asyncio.wait({judging, ended}, return_when=asyncio.FIRST_COMPLETED)
            if self._ended.is_set() or not judging.result():
                return None
        finally:
            judging.cancel()
            ended.cancel()
        self._previews += 1
        job = self._attempt.job
        prepared = await self._files.prepare(job, preview, f"p{self._previews}")
        return await self._files.keep(job, prepared)

    async def _record(self, step: Step) -> None:
        """Commit that a step is done, and its preview; learn whether the job is still ours."""
        job, file = self._attempt.job, None
        if step.preview is not None:
            file = await self._store(Picture(step.preview, seed=job.request.seed or 0))

        async def commit(tx: Transaction) -> bool:
            percent = max(1, PROGRESS_MAX * step.number // max(1, step.total))
            if not await jobs.advance(tx, job, step.number, step.total, percent):
                return False
            if file is not None:
                # The version grows with each claim; a job handed back keeps its attempt's number.
                position = job.version * 1000 + self._previews
                await self._files.add(tx, job, "preview", position, file, job.request.seed or 0)
            return True

        if not await self._db.write_soon(commit):
            self._attempt.stop()
            if file is not None:
                await self._files.discard([file])
        self._db.announce(f"job:{job.id}")
