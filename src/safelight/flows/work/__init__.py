"""Queued job → pictures → settled job."""

import asyncio
import contextlib
import logging
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from safelight import jobs, limits
from safelight.db import Database, Transaction
from safelight.engines import Engine, Picture
from safelight.engines.scheduler import Run, Scheduler
from safelight.errors import Cancelled, EngineError, JobErrorCode, Unavailable
from safelight.flows.work.attempt import Attempt, trail_of
from safelight.flows.work.filing import Filed, Files, Marking, Prepared
from safelight.flows.work.progress import Progress
from safelight.flows.work.review import Review
from safelight.flows.work.settling import Settling
from safelight.flows.work.sources import Sources
from safelight.images import ImageStore
from safelight.jobs import Job, told
from safelight.telemetry import Tell, silent
from safelight.telemetry.events import Generated
from safelight.telemetry.tracing import Tracer

POLL_SECONDS = 1.0  # the safety net under the announcements
LOOK_SECONDS = (
    0.01  # a job that waits for others with its time nearly spent is not looked at sooner
)
FETCHING_JOBS_MAX = 64  # that may wait for their source pictures without holding a place
STORING_JOBS_MAX = 2  # jobs that may be encoded and stored while the engine goes on

log = logging.getLogger(__name__)


class Stuck(Exception):
    """The engine passed its deadline and cannot be stopped: this process must die."""


@dataclass(frozen=True, kw_only=True)
class WorkSettings:
    """What a worker is told about time."""

    defaults: limits.Defaults
    timeout_seconds: float  # of the engine's time, not of the time spent waiting for others
    stuck_seconds: float
    picture_seconds: int
    jobs_max: int = 4  # in hand at a time: the scheduler gives each its turns


class Worker:
    """Claims jobs, lets the scheduler give each its turns at the engine, and settles them.

    Several jobs are in hand at a time, so that short ones need not wait for long ones, and while
    one is encoded and stored the engine is already at the next. A job that was attempted before
    is worked on alone: should it take the process with it again, it takes no other job along.
    """

    def __init__(
        self,
        worker_id: str,
        db: Database,
        store: ImageStore,
        engine_named: Callable[[str], Engine | None],
        sources: Sources,
        review: Review,
        marking: Marking,
        settings: WorkSettings,
        tell: Tell = silent,
        tracer: Tracer | None = None,
    ):
        self.id = worker_id
        self._db = db
        self._tell = tell
        self._tracer = tracer
        self._files = Files(store, marking, settings.picture_seconds, tell)
        self._engine_named = engine_named
        self._sources = sources
        self._review = review
        self._settings = settings
        self._attempts: dict[str, Attempt] = {}  # by job id; what our heartbeat keeps leased
        self._wake = asyncio.Event()
        self._draining = False
        self._storing = asyncio.Semaphore(STORING_JOBS_MAX)
        self._places = asyncio.Semaphore(settings.jobs_max)
        self._scheduler = Scheduler()
        self._settling = Settling(db, self._files, review, settings.defaults, tell)

    async def run(self) -> None:
        """Work until drained. Raises Stuck when an engine cannot be stopped."""
        self._db.subscribe(self._heard)
        beat = asyncio.create_task(self._heartbeat())
        try:
            async with asyncio.TaskGroup() as group:
                while (claimed := await self._next()) is not None:
                    task = group.create_task(self._work_on(*claimed))
                    task.add_done_callback(partial(_end_trail, claimed[0]))
        except ExceptionGroup as errors:
            raise errors.exceptions[0] from None
        finally:
            beat.cancel()
            self._scheduler.close()

    def drain(self) -> None:
        """Take no more jobs; the one at hand is finished, or handed back if it takes too long."""
        self._draining = True
        self._wake.set()

    async def hand_back(self) -> None:
        """Put what is unfinished back into the queue without using up an attempt."""
        for attempt in list(self._attempts.values()):
            try:
                await self._hand_back(attempt)
            except Unavailable as error:  # then its lease ends by itself
                log.error("job %s: cannot hand back: %s", attempt.job.id, error.__cause__)

    async def _hand_back(self, attempt: Attempt) -> None:
        job = attempt.job
        if await self._db.write(lambda tx: jobs.requeue(tx, job, count_attempt=False)):
            self._tell(told.requeued(job, "handed back"))
        attempt.stop()
        self._db.announce("queued")

    async def _next(self) -> tuple[Attempt, int] | None:
        """The next job and how many of our places it takes; None once we drain."""
        await self._places.acquire()
        while not self._draining:
            self._wake.clear()
            attempt = await self._claim()
            if attempt is None:
                self._places.release()  # who has fetched a picture meanwhile may need it
                await self._sleep_until_woken()
                await self._places.acquire()
                continue
            job = attempt.job
            self._attempts[job.id] = attempt
            self._db.announce(f"job:{job.id}")
            if job.attempt == 1:
                return attempt, 1
            for _ in range(self._settings.jobs_max - 1):  # until nobody else is at the engine
                await self._places.acquire()
            return attempt, self._settings.jobs_max
        self._places.release()
        return None

    async def _claim(self) -> Attempt | None:
        async def commit(tx: Transaction) -> tuple[Job | None, int]:
            return await jobs.claim(tx, self.id), tx.now_ms

        try:
            job, now_ms = await self._db.write_soon(commit)
        except Unavailable as error:  # a locked or full database: it may pass
            log.error("cannot claim: %s", error.__cause__)
            return None
        if job is None:
            return None
        self._tell(told.started(job, now_ms))
        return Attempt(job, trail_of(self._tracer, job, now_ms))

    # One job

    async def _work_on(self, attempt: Attempt, places: int) -> None:
        """From the engine to the settlement; the places are free as soon as the engine is."""
        try:
            if self._sources.needed(attempt.job) and not await self._bring(attempt, places):
                return
            pictures = await self._draw(attempt)
            if pictures is None:
                return
            await self._storing.acquire()
        finally:
            for _ in range(places):
                self._places.release()
        await self._finish(attempt, pictures)

    async def _bring(self, attempt: Attempt, places: int) -> bool:
        """Fetch what the job starts from, while others use its place; False when it has failed."""
        slow = self._sources.may_take_long(attempt.job)
        if not slow or places > 1 or self._sources.fetching >= FETCHING_JOBS_MAX:
            return await self._fetch(attempt)  # out of turn: those in turn may wait for our place
        self._places.release()
        async with self._sources.turn(attempt.job):
            brought = await self._fetch(attempt)
            await self._places.acquire()  # not if cancelled: this process ends, and none comes free
        return brought

    async def _fetch(self, attempt: Attempt) -> bool:
        if attempt.stopped:  # while it waited for its turn
            self._attempts.pop(attempt.job.id, None)
            return False
        try:
            with attempt.trail.stage("fetch"):
                attempt.job = await self._sources.bring(attempt.job)
        except EngineError as error:
            await self._fail(attempt, error)
            return False
        except Unavailable as error:  # then its lease ends by itself
            log.error("job %s: cannot look for its picture: %s", attempt.job.id, error.__cause__)
            self._attempts.pop(attempt.job.id, None)
            return False
        return True

    async def _draw(self, attempt: Attempt) -> list[Picture] | None:
        """The engine's pictures; None when there are none to come, and the job is settled."""
        try:
            with attempt.trail.stage("review"):
                await self._review.check_request(attempt.job)
            attempt.judging = asyncio.create_task(self._judge(attempt))
            with attempt.trail.stage("generate") as made:
                pictures = await self._generate(attempt)
                made["safelight.steps"] = 0 if attempt.run is None else attempt.run.step.number
            return pictures
        except Cancelled:
            if attempt.refusal is not None:
                await self._fail(attempt, attempt.refusal)
            self._attempts.pop(attempt.job.id, None)
        except EngineError as error:
            await self._fail(attempt, error)
        return None

    async def _judge(self, attempt: Attempt) -> None:
        """What the prompt means, while the engine is at work; it ends when that is refused."""
        try:
            attempt.near = await self._review.check_meaning(attempt.job)
        except EngineError as refusal:
            attempt.refusal = refusal
            attempt.stop()

    async def _generate(self, attempt: Attempt) -> list[Picture]:
        """Let the engine work until it ends, its time is over, or we lose the job."""
        engine = self._engine_named(attempt.job.engine or "")
        if engine is None:
            raise EngineError(code=JobErrorCode.SERVICE_UNAVAILABLE)
        if attempt.stopped:
            raise Cancelled
        progress = Progress(self._db, self._files, self._review, attempt)
        run = attempt.run = self._scheduler.start(
            engine, attempt.job.request, progress.report, attempt.note
        )
        drawing = asyncio.wrap_future(run.outcome)
        left = self._settings.timeout_seconds
        while left > 0:
            await asyncio.wait({drawing}, timeout=left)
            if drawing.done():
                await progress.end()
                pictures = drawing.result()
                self._tell(_generated(attempt.job, run))
                return pictures
            spent = run.spent_seconds()
            left = (
                0
                if spent >= self._settings.timeout_seconds
                else max(LOOK_SECONDS, self._settings.timeout_seconds - spent)
            )
        await self._stop_overdue(attempt, drawing)
        raise EngineError(
            f"The picture took longer than {self._settings.timeout_seconds:g} seconds.",
            code=JobErrorCode.GENERATION_TIMEOUT,
        )

    async def _stop_overdue(
        self, attempt: Attempt, drawing: "asyncio.Future[list[Picture]]"
    ) -> None:
        """Ask a late engine to stop; if it hangs, settle what can be settled and give up on us."""
        attempt.stop()
        await asyncio.wait({drawing}, timeout=self._settings.stuck_seconds)
        if drawing.done():
            drawing.exception()  # its outcome no longer matters
            return
        self.drain()  # or we would claim the job that we are about to put back
        error = EngineError(
            "The engine stopped responding.", code=JobErrorCode.GENERATION_TIMEOUT, retryable=True
        )
        await self._fail(attempt, error)
        await self.hand_back()  # the others are not to blame
        raise Stuck(attempt.job.id)

    async def _finish(self, attempt: Attempt, pictures: list[Picture]) -> None:
        """Review, encode and sign, then store, and commit the outcome with its credits."""
        job, files = attempt.job, list[Filed]()
        try:
            with attempt.trail.stage("prepare"):
                all_prepared = await self._prepare_while_judging(attempt, pictures)
            with attempt.trail.stage("store"):
                for prepared in all_prepared:
                    files.append(await self._files.keep(job, prepared))
        except EngineError as refusal:
            await self._fail(attempt, refusal)
        except (OSError, MemoryError) as error:
            log.error("job %s: cannot store its picture: %r", job.id, error)
            await self._files.discard(files)
            full = EngineError(
                "The server could not store the picture.", code=JobErrorCode.RESOURCE_EXHAUSTED
            )
            await self._fail(attempt, full)
        else:
            await self._settling.complete(attempt, pictures, files)
        finally:
            self._attempts.pop(job.id, None)
            self._storing.release()

    async def _prepare_while_judging(
        self, attempt: Attempt, pictures: list[Picture]
    ) -> list[Prepared]:
        """Signed pictures in memory, once the filters allow them all. Raises EngineError."""
        job = attempt.job
        preparing = asyncio.gather(
            *(self._files.prepare(job, picture, str(i)) for i, picture in enumerate(pictures))
        )
        looking = self._review.check_pictures(job, pictures)
        prepared, near, bad, _ = await asyncio.gather(
            preparing, looking, self._review.known_bad(self._db, job), attempt.judged()
        )
        self._review.check_likeness(job, (one.looks for one in prepared), bad)
        attempt.near = near if near.near else attempt.near
        return prepared

    async def _fail(self, attempt: Attempt, error: EngineError) -> None:
        """Settle it as failed; it is no longer in hand, whatever came of that."""
        try:
            await self._settling.fail(attempt, error)
        finally:
            self._attempts.pop(attempt.job.id, None)

    # Beside the job

    async def _heartbeat(self) -> None:
        while True:
            await asyncio.sleep(jobs.HEARTBEAT_SECONDS)
            for attempt in list(self._attempts.values()):
                job = attempt.job
                try:
                    ours = await self._db.write_soon(lambda tx, job=job: jobs.renew_lease(tx, job))  # type: ignore[misc]
                except Unavailable as error:
                    log.error("cannot renew a lease: %s", error.__cause__)
                except Exception:  # a mistake of ours must not end all leases, silently
                    log.exception("job %s: its lease was not renewed", job.id)
                else:
                    if not ours:
                        attempt.stop()

    def _heard(self, message: str) -> None:
        kind, _, job_id = message.partition(":")
        if kind == "queued":
            self._wake.set()
        elif kind == "stop" and (attempt := self._attempts.get(job_id)):
            attempt.stop()

    async def _sleep_until_woken(self) -> None:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(POLL_SECONDS):
                await self._wake.wait()


def _generated(job: Job, run: Run) -> Generated:
    return Generated(
        job=job.id, account=job.account_id, dialect=job.dialect, model=job.request.model,
        engine=job.engine, seconds=run.spent_seconds(), steps=run.step.number,
    )  # fmt: skip


def _end_trail(attempt: Attempt, _: "asyncio.Task[None]") -> None:
    attempt.trail.end()
