"""Krea's words for where a job stands, and its way of writing a moment."""

from datetime import UTC, datetime

from safelight.jobs import Job, State

STATUSES = (
    "backlogged", "queued", "scheduled", "processing", "sampling", "intermediate-complete",
    "completed", "failed", "cancelled",
)  # fmt: skip
STATUS = {state: str(state) for state in State if state is not State.RUNNING}


def status_of(job: Job) -> str:
    """One of STATUSES. A running job's word says how far it is.

    A job that lost its worker waits for the next one as "scheduled": nobody is told "queued" twice.
    """
    if job.state is State.QUEUED and job.started_at_ms is not None:
        return "scheduled"
    if job.state is not State.RUNNING:
        return STATUS[job.state]
    if job.has_preview:
        return "intermediate-complete"
    return "sampling" if job.step > 0 else "scheduled"


def timestamp(ms: int) -> str:
    """ISO 8601 in UTC with milliseconds: 2025-01-15T10:30:00.000Z."""
    seconds, rest = divmod(ms, 1000)
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%dT%H:%M:%S}.{rest:03d}Z"
