"""One claimed job, from its lease to its settlement."""

import asyncio
import logging
from dataclasses import dataclass, field

from safelight.engines.scheduler import Run
from safelight.errors import EngineError
from safelight.jobs import Job
from safelight.moderation import ALLOWED, Verdict
from safelight.telemetry.tracing import Tracer, Trail

log = logging.getLogger(__name__)


def untraced() -> Trail:
    return Trail(None, None, {})


def trail_of(tracer: Tracer | None, job: Job, now_ms: int) -> Trail:
    """Begins with what the job has waited; nothing, where nobody traces."""
    if tracer is None:
        return untraced()
    attributes: dict[str, str | int | float] = {
        "safelight.job": job.id,
        "safelight.dialect": job.dialect,
        "safelight.model": job.request.model,
        "safelight.engine": job.engine or "",
        "safelight.attempt": job.attempt,
    }
    trail = Trail(tracer, job.traceparent, attributes)
    if job.attempt == 1:
        trail.waited(job.created_at_ms, now_ms)
    return trail


@dataclass
class Attempt:
    """What a worker knows of a job it holds."""

    job: Job
    trail: Trail = field(default_factory=untraced)
    run: Run | None = None
    stopped: bool = False
    judging: asyncio.Task[None] | None = None  # what the prompt means, while the engine works
    refusal: EngineError | None = None  # what came of it, if it may not be drawn
    near: Verdict = ALLOWED  # of what is allowed, what a person may want to look at

    async def judged(self) -> None:
        """Once it is known that the prompt may be drawn. Raises EngineError when it may not."""
        if self.judging is not None:
            await asyncio.shield(self.judging)  # whoever stops waiting does not stop the judging
        if self.refusal is not None:
            raise self.refusal

    def stop(self) -> None:
        """The job is no longer ours to work on: end between two steps."""
        self.stopped = True
        if self.run is not None:
            self.run.stop()

    def note(self, text: str) -> None:
        """A line for the job's log; called in the scheduler's thread."""
        log.info("job %s: %s", self.job.id, text)
