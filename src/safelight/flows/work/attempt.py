"""One claimed job, from its lease to its settlement."""

import logging
from dataclasses import dataclass

from safelight.engines.scheduler import Run
from safelight.jobs import Job

log = logging.getLogger(__name__)


@dataclass
class Attempt:
    """What a worker knows of a job it holds."""

    job: Job
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
