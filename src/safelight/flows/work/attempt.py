"""One claimed job, from its lease to its settlement."""

import logging
from dataclasses import dataclass, field

from safelight.engines.scheduler import Run
from safelight.jobs import Job
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

    def stop(self) -> None:
        """The job is no longer ours to work on: end between two steps."""
        self.stopped = True
        if self.run is not None:
            self.run.stop()

    def note(self, text: str) -> None:
        """A line for the job's log; called in the scheduler's thread."""
        log.info("job %s: %s", self.job.id, text)
