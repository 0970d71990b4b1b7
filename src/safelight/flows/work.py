"""Queued job → pictures → settled job."""

import asyncio
import contextlib
import logging
import threading
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

from safelight import images, jobs, limits
from safelight.db import Database, Transaction
from safelight.engines import Engine, Picture, Step
from safelight.engines.driving import drive
from safelight.errors import Cancelled, EngineError, JobErrorCode, Unavailable
from safelight.images import ImageStore, StoredFile
from safelight.jobs import Job, State, ending

POLL_SECONDS = 1.0  # the safety net under the announcements
PROGRESS_SECONDS = 0.1  # progress is written at most this often
PROGRESS_MAX = 95  # what sampling can reach; the rest is encoding and storing
STORING_JOBS_MAX = 2  # jobs that may be encoded and stored while the engine goes on

log = logging.getLogger(__name__)


class Stuck(Exception):
    """The engine passed its deadline and cannot be stopped: this process must die."""


@dataclass(frozen=True, kw_only=True)
class WorkSettings:
    """What a worker is told about time."""

    defaults: limits.Defaults
    timeout_seconds: float
    stuck_seconds: float
    picture_seconds: int


@dataclass
class _Attempt:
    """One claimed job, from its lease to its settlement."""

    job: Job
    stop: threading.Event = field(default_factory=threading.Event)  # end between two steps


class Worker:
    """Claims jobs one after another, drives the engine, and settles what came of them.

    While one job is encoded and stored, the engine is already at the next.
    """

    def __init__(
        self,
        worker_id: str,
        db: Database,
        store: ImageStore,
        engine_named: Callable[[str], Engine | None],
        settings: WorkSettings,
    ):
        self.id = worker_id
        self._db = db
        self._store = store
        self._engine_named = engine_named
        self._settings = settings
        self._attempts: dict[str, _Attempt] = {}  # by job id; what our heartbeat keeps leased
        self._wake = asyncio.Event()
        self._draining = False
        self._storing = asyncio.Semaphore(STORING_JOBS_MAX)
        self._tasks: set[asyncio.Task[None]] = set()
        self._engine_thread = ThreadPoolExecutor(1, thread_name_prefix="engine")
        self._encoders = ThreadPoolExecutor(STORING_JOBS_MAX, thread_name_prefix="encode")

    async def run(self) -> None:
        """Work until drained. Raises Stuck when an engine cannot be stopped."""
        self._db.subscribe(self._heard)
        beat = asyncio.create_task(self._heartbeat())
        try:
            while not self._draining:
                self._wake.clear()
                job = await self._claim()
                if job is None:
                    await self._sleep_until_woken()
                else:
                    await self._work_on(_Attempt(job))
            await asyncio.gather(*self._tasks)
        finally:
            beat.cancel()

    def drain(self) -> None:
        """Take no more jobs; the one at hand is finished, or handed back if it takes too long."""
        self._draining = True
        self._wake.set()

    async def hand_back(self) -> None:
        """Put what is unfinished back into the queue without using up an attempt."""
        for attempt in list(self._attempts.values()):
            job = attempt.job
            await self._db.write(lambda tx, job=job: jobs.requeue(tx, job, count_attempt=False))  # type: ignore[misc]
            attempt.stop.set()
            self._db.announce("queued")

    async def _claim(self) -> Job | None:
        try:
            return await self._db.write_soon(lambda tx: jobs.claim(tx, self.id))
        except Unavailable as error:  # a locked or full database: it may pass
            log.error("cannot claim: %s", error.__cause__)
            return None

    # One job

    async def _work_on(self, attempt: _Attempt) -> None:
        """Keep the engine busy with it; what follows the pictures goes on beside the next job."""
        self._attempts[attempt.job.id] = attempt
        self._db.announce(f"job:{attempt.job.id}")
        try:
            pictures = await self._generate(attempt)
        except Cancelled:
            self._attempts.pop(attempt.job.id, None)
        except EngineError as error:
            await self._settle(attempt, self._fail(attempt.job, error))
        else:
            await self._storing.acquire()
            task = asyncio.create_task(self._finish(attempt, pictures))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _generate(self, attempt: _Attempt) -> list[Picture]:
        """Drive the engine in its thread until it ends, its deadline passes, or we lose the job."""
        engine = self._engine_named(attempt.job.engine or "")
        if engine is None:
            raise EngineError(code=JobErrorCode.SERVICE_UNAVAILABLE)
        progress = _Progress(self, attempt)
        running = asyncio.get_running_loop().run_in_executor(
            self._engine_thread, drive, engine, attempt.job.request, attempt.stop, progress.report
        )
        done, _ = await asyncio.wait({running}, timeout=self._settings.timeout_seconds)
        if not done:
            await self._stop_overdue(attempt, running)
            raise EngineError(
                f"The picture took longer than {self._settings.timeout_seconds:g} seconds.",
                code=JobErrorCode.GENERATION_TIMEOUT,
            )
        await progress.end()
        return running.result()

    async def _stop_overdue(
        self, attempt: _Attempt, running: "asyncio.Future[list[Picture]]"
    ) -> None:
        """Ask a late engine to stop; if it hangs, settle what can be settled and give up on us."""
        attempt.stop.set()
        done, _ = await asyncio.wait({running}, timeout=self._settings.stuck_seconds)
        if done:
            running.exception()  # its outcome no longer matters
            return
        error = EngineError(
            "The engine stopped responding.", code=JobErrorCode.GENERATION_TIMEOUT, retryable=True
        )
        await self._settle(attempt, self._fail(attempt.job, error))
        raise Stuck(attempt.job.id)

    async def _finish(self, attempt: _Attempt, pictures: list[Picture]) -> None:
        """Encode, store, and commit the outcome with its credits."""
        job, files = attempt.job, list[StoredFile]()
        try:
            for position, picture in enumerate(pictures):
                files.append(await self._store_picture(job, picture, str(position)))
        except OSError as error:
            log.error("job %s: cannot store its picture: %s", job.id, error)
            full = EngineError(
                "The server could not store the picture.", code=JobErrorCode.RESOURCE_EXHAUSTED
            )
            await self._settle(attempt, self._fail(job, full))
        else:
            await self._settle(attempt, self._complete(job, pictures, files))
        finally:
            self._storing.release()

    async def _settle(self, attempt: _Attempt, settlement: Awaitable[None]) -> None:
        """Commit the outcome. If the database cannot, the lease ends and another attempt begins."""
        try:
            await settlement
        except Unavailable as error:
            log.error("job %s: cannot settle: %s", attempt.job.id, error.__cause__)
        finally:
            self._attempts.pop(attempt.job.id, None)
        self._db.announce(f"job:{attempt.job.id}")
        self._db.announce("queued")  # its place may have let a backlogged job in

    async def _complete(self, job: Job, pictures: list[Picture], files: list[StoredFile]) -> None:
        async def commit(tx: Transaction) -> bool:
            if not await ending.settle(tx, job, State.COMPLETED, self._settings.defaults):
                return False
            for position, (picture, file) in enumerate(zip(pictures, files, strict=True)):
                await self._add_picture(tx, job, "final", position, file, picture.seed)
            return True

        if not await self._db.write(commit):
            # Cancelled, or another attempt owns the job: these files are nobody's.
            for file in files:
                await asyncio.to_thread(self._store.remove, file.name)

    async def _fail(self, job: Job, error: EngineError) -> None:
        async def commit(tx: Transaction) -> None:
            if error.retryable and job.attempt < jobs.ATTEMPTS_MAX:
                await jobs.requeue(tx, job)
            else:
                await ending.settle(
                    tx, job, State.FAILED, self._settings.defaults, error.code, error.detail
                )

        log.warning("job %s attempt %d: %s", job.id, job.attempt, error.code)
        await self._db.write(commit)

    # Beside the job

    async def record(self, attempt: _Attempt, step: Step) -> None:
        """Commit that a step is done, and its preview; learn whether the job is still ours."""
        job, file = attempt.job, None
        if step.preview is not None:
            preview = Picture(step.preview, seed=job.request.seed or 0)
            file = await self._store_picture(job, preview, f"p{step.number}")

        async def commit(tx: Transaction) -> bool:
            percent = max(1, PROGRESS_MAX * step.number // max(1, step.total))
            if not await jobs.advance(tx, job, step.number, step.total, percent):
                return False
            if file is not None:
                # The version grows with each claim; a job handed back keeps its attempt's number.
                position = job.version * 1000 + step.number
                await self._add_picture(tx, job, "preview", position, file, job.request.seed or 0)
            return True

        if not await self._db.write_soon(commit):
            attempt.stop.set()
            if file is not None:
                await asyncio.to_thread(self._store.remove, file.name)
        self._db.announce(f"job:{job.id}")

    async def _heartbeat(self) -> None:
        while True:
            await asyncio.sleep(jobs.HEARTBEAT_SECONDS)
            for attempt in list(self._attempts.values()):
                job = attempt.job
                try:
                    ours = await self._db.write_soon(lambda tx, job=job: jobs.renew_lease(tx, job))  # type: ignore[misc]
                except Unavailable as error:
                    log.error("cannot renew a lease: %s", error.__cause__)
                else:
                    if not ours:
                        attempt.stop.set()

    def _heard(self, message: str) -> None:
        kind, _, job_id = message.partition(":")
        if kind == "queued":
            self._wake.set()
        elif kind == "stop" and (attempt := self._attempts.get(job_id)):
            attempt.stop.set()

    async def _sleep_until_woken(self) -> None:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(POLL_SECONDS):
                await self._wake.wait()

    async def _store_picture(self, job: Job, picture: Picture, position: str) -> StoredFile:
        return await asyncio.get_running_loop().run_in_executor(
            self._encoders, _encode_and_store, self._store, job, picture, position
        )

    async def _add_picture(
        self, tx: Transaction, job: Job, kind: str, position: int, file: StoredFile, seed: int
    ) -> None:
        life = self._settings.picture_seconds
        await jobs.add_picture(
            tx, job, kind=kind, position=position, name=file.name, width=file.width,
            height=file.height, content_type=file.content_type, size_bytes=file.size_bytes,
            sha256=file.sha256, seed=seed,
            life_seconds=min(images.PREVIEW_LIFE_SECONDS, life) if kind == "preview" else life,
        )  # fmt: skip


class _Progress:
    """Carries steps from the engine's thread to the database, the latest one at a time."""

    def __init__(self, worker: Worker, attempt: _Attempt):
        self._worker = worker
        self._attempt = attempt
        self._loop = asyncio.get_running_loop()
        self._latest: Step | None = None
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
                await self._worker.record(self._attempt, step)
            except (Unavailable, OSError) as error:  # progress may be lost; the picture may not
                log.warning("job %s: progress not written: %s", self._attempt.job.id, error)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(PROGRESS_SECONDS):
                    await self._ended.wait()
        self._task = None


def _encode_and_store(store: ImageStore, job: Job, picture: Picture, position: str) -> StoredFile:
    height, width, _ = picture.pixels.shape
    png = images.encode_png(picture.pixels)
    return store.put(png, width=width, height=height, attempt=job.attempt, position=position)
