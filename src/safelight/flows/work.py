"""Queued job → pictures → settled job."""

import asyncio
import contextlib
import logging
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial

from safelight import images, jobs, limits
from safelight.db import Database, Transaction
from safelight.engines import Engine, Picture, Step
from safelight.errors import Cancelled, EngineError, JobErrorCode
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
    """One claimed job while the engine is busy with it."""

    job: Job
    stop: threading.Event  # asks the engine's thread to end between two steps
    lost: bool = False  # the job is no longer ours: settle nothing


class Worker:
    """Claims jobs one after another, drives the engine, and settles what came of them."""

    def __init__(
        self,
        worker_id: str,
        db: Database,
        store: ImageStore,
        engine_named: Callable[[str], Engine | None],
        settings: WorkSettings,
    ):
        self.id = worker_id
        self.busy_job: Job | None = None
        self._db = db
        self._store = store
        self._engine_named = engine_named
        self._settings = settings
        self._attempts: dict[str, _Attempt] = {}
        self._wake = asyncio.Event()
        self._draining = False
        self._storing = asyncio.Semaphore(STORING_JOBS_MAX)
        self._tasks: set[asyncio.Task[None]] = set()
        # The engine has a thread of its own; pictures are encoded beside it.
        self._engine_thread = ThreadPoolExecutor(1, thread_name_prefix="engine")
        self._encoders = ThreadPoolExecutor(STORING_JOBS_MAX, thread_name_prefix="encode")

    async def run(self) -> None:
        """Work until drained. Raises Stuck when an engine cannot be stopped."""
        self._db.subscribe(self._heard)
        beat = asyncio.create_task(self._heartbeat())
        try:
            while not self._draining:
                self._wake.clear()
                job = await self._db.write_soon(lambda tx: jobs.claim(tx, self.id))
                if job is None:
                    await self._sleep_until_woken()
                    continue
                await self._work_on(job)
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
            attempt.lost = True
            attempt.stop.set()
            job = attempt.job
            await self._db.write(partial(jobs.requeue, job=job, count_attempt=False))
            self._db.announce("queued")

    # One job

    async def _work_on(self, job: Job) -> None:
        attempt = _Attempt(job, threading.Event())
        self._attempts[job.id] = attempt
        self.busy_job = job
        self._db.announce(f"job:{job.id}")
        try:
            pictures = await self._generate(attempt)
        except Cancelled:
            pictures = None
        except EngineError as error:
            pictures = None
            await self._fail(job, error)
        finally:
            self.busy_job = None
            self._attempts.pop(job.id, None)
        if pictures is not None:
            await self._storing.acquire()
            task = asyncio.create_task(self._finish(job, pictures))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _generate(self, attempt: _Attempt) -> list[Picture]:
        """Drive the engine in its thread until it ends, its deadline passes, or we lose the job."""
        job = attempt.job
        engine = self._engine_named(job.engine or "")
        if engine is None:
            raise EngineError(code=JobErrorCode.SERVICE_UNAVAILABLE)
        progress = _Progress(self, attempt)
        loop = asyncio.get_running_loop()
        running = loop.run_in_executor(
            self._engine_thread, _drive, engine, attempt, progress.report
        )
        done, _ = await asyncio.wait({running}, timeout=self._settings.timeout_seconds)
        if not done:
            await self._stop_overdue(attempt, running)
            raise EngineError(
                f"The picture took longer than {self._settings.timeout_seconds:g} seconds.",
                code=JobErrorCode.GENERATION_TIMEOUT,
            )
        pictures = running.result()
        await progress.flush()
        return pictures

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
        await self._fail(attempt.job, error)
        raise Stuck(attempt.job.id)

    async def _finish(self, job: Job, pictures: list[Picture]) -> None:
        """Encode, store, and commit the outcome with its credits."""
        loop = asyncio.get_running_loop()
        files: list[StoredFile] = []
        try:
            for position, picture in enumerate(pictures):
                files.append(
                    await loop.run_in_executor(
                        self._encoders, _store, self._store, job, picture, str(position)
                    )
                )
        except OSError as error:
            log.error("job %s: cannot store its picture: %s", job.id, error)
            full = "The server could not store the picture."
            await self._fail(job, EngineError(full, code=JobErrorCode.RESOURCE_EXHAUSTED))
        else:
            await self._complete(job, pictures, files)
        finally:
            self._storing.release()

    async def _complete(self, job: Job, pictures: list[Picture], files: list[StoredFile]) -> None:
        async def commit(tx: Transaction) -> bool:
            if not await ending.settle(tx, job, State.COMPLETED, self._settings.defaults):
                return False
            for position, (picture, file) in enumerate(zip(pictures, files, strict=True)):
                await jobs.add_picture(
                    tx, job, kind="final", position=position, name=file.name, width=file.width,
                    height=file.height, content_type=file.content_type,
                    size_bytes=file.size_bytes, sha256=file.sha256, seed=picture.seed,
                    life_seconds=self._settings.picture_seconds,
                )  # fmt: skip
            return True

        settled = await self._db.write(commit)
        self._announce_end(job)
        if not settled:  # cancelled, or another attempt owns the job: these files are nobody's
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

        await self._db.write(commit)
        log.warning("job %s attempt %d: %s", job.id, job.attempt, error.code)
        self._announce_end(job)

    def _announce_end(self, job: Job) -> None:
        self._db.announce(f"job:{job.id}")
        self._db.announce("queued")  # its place may have let a backlogged job in

    # Beside the job

    async def _heartbeat(self) -> None:
        while True:
            await asyncio.sleep(jobs.HEARTBEAT_SECONDS)
            ours = await self._db.write_soon(lambda tx: jobs.renew_leases(tx, self.id))
            for attempt in self._attempts.values():
                if (attempt.job.id, attempt.job.attempt) not in ours:
                    self._lose(attempt)

    def _heard(self, message: str) -> None:
        kind, _, job_id = message.partition(":")
        if kind == "queued":
            self._wake.set()
        elif kind == "stop" and (attempt := self._attempts.get(job_id)):
            self._lose(attempt)

    def _lose(self, attempt: _Attempt) -> None:
        attempt.lost = True
        attempt.stop.set()

    async def _sleep_until_woken(self) -> None:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(POLL_SECONDS):
                await self._wake.wait()

    async def record(self, attempt: _Attempt, step: Step) -> None:
        """Commit that a step is done, and its preview; learn whether the job is still ours."""
        job, settings = attempt.job, self._settings
        file = None
        if step.preview is not None:
            preview = Picture(step.preview, seed=job.request.seed or 0)
            file = await asyncio.get_running_loop().run_in_executor(
                self._encoders, _store, self._store, job, preview, f"p{step.number}"
            )

        async def commit(tx: Transaction) -> bool:
            percent = max(1, PROGRESS_MAX * step.number // max(1, step.total))
            if not await jobs.advance(tx, job, step.number, step.total, percent):
                return False
            if file is not None:
                await jobs.add_picture(
                    tx, job, kind="preview", position=job.attempt * 1000 + step.number,
                    name=file.name, width=file.width, height=file.height,
                    content_type=file.content_type, size_bytes=file.size_bytes,
                    sha256=file.sha256, seed=job.request.seed or 0,
                    life_seconds=min(images.PREVIEW_LIFE_SECONDS, settings.picture_seconds),
                )  # fmt: skip
            return True

        if not await self._db.write_soon(commit):
            self._lose(attempt)
            if file is not None:
                await asyncio.to_thread(self._store.remove, file.name)
        self._db.announce(f"job:{job.id}")


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

    async def flush(self) -> None:
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
            await self._worker.record(self._attempt, step)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(PROGRESS_SECONDS):
                    await self._ended.wait()
        self._task = None


def _drive(engine: Engine, attempt: _Attempt, report: Callable[[Step], None]) -> list[Picture]:
    """In the engine's thread: one yield after another, and a look at `stop` in between."""
    request = attempt.job.request
    pictures: list[Picture] = []
    steps: Iterator[Step | Picture] = engine.generate(request)
    try:
        for made in steps:
            if isinstance(made, Picture):
                pictures.append(made)
            else:
                report(made)
            if attempt.stop.is_set():
                raise Cancelled
    except MemoryError:
        raise EngineError(
            "The engine ran out of memory.", code=JobErrorCode.RESOURCE_EXHAUSTED
        ) from None
    except (EngineError, Cancelled):
        raise
    except Exception as error:
        # Engines are other people's code; whatever they raise is a failed attempt, not our crash.
        log.exception("job %s: engine %s raised", attempt.job.id, engine.name)
        raise EngineError("The engine failed unexpectedly.", retryable=True) from error
    finally:
        close = getattr(steps, "close", None)
        if close is not None:
            close()
    return _checked(pictures, attempt.job)


def _checked(pictures: list[Picture], job: Job) -> list[Picture]:
    """Every picture that was paid for, in exactly the size that was promised."""
    request = job.request
    if len(pictures) != request.count:
        raise EngineError(
            f"The engine made {len(pictures)} of {request.count} pictures.",
            code=JobErrorCode.GENERATION_FAILED_NO_CONTENT,
        )
    for picture in pictures:
        if picture.pixels.shape != (request.height, request.width, 3):
            raise EngineError("The engine made a picture of another size.")
    return pictures


def _store(store: ImageStore, job: Job, picture: Picture, position: str) -> StoredFile:
    height, width, _ = picture.pixels.shape
    png = images.encode_png(picture.pixels)
    return store.put(png, width=width, height=height, attempt=job.attempt, position=position)
