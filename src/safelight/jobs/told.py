"""A job's changes of state in the words of telemetry."""

from safelight.errors import JobErrorCode
from safelight.jobs import Job, State
from safelight.telemetry.events import JobEnded, JobRequeued, JobStarted, LeaseLost


def started(job: Job, now_ms: int) -> JobStarted:
    return JobStarted(
        job=job.id, account=job.account_id, dialect=job.dialect, model=job.request.model,
        engine=job.engine, attempt=job.attempt, worker=job.worker,
        queue_seconds=(now_ms - job.created_at_ms) / 1000,
    )  # fmt: skip


def requeued(job: Job, reason: str) -> JobRequeued:
    return JobRequeued(
        job=job.id, account=job.account_id, dialect=job.dialect, model=job.request.model,
        engine=job.engine, attempt=job.attempt, reason=reason,
    )  # fmt: skip


def lease_lost(job: Job) -> LeaseLost:
    return LeaseLost(
        job=job.id, account=job.account_id, dialect=job.dialect, model=job.request.model,
        engine=job.engine, attempt=job.attempt, worker=job.worker,
    )  # fmt: skip


def ended(
    job: Job, outcome: State, now_ms: int | None = None, code: JobErrorCode | None = None
) -> JobEnded:
    """`now_ms` for a job as it was before its end."""
    end_ms = now_ms or job.finished_at_ms or job.created_at_ms
    return JobEnded(
        job=job.id, account=job.account_id, dialect=job.dialect, model=job.request.model,
        engine=job.engine, attempt=job.attempt, outcome=outcome.value,
        code=None if code is None else code.value, price_microcredits=job.price_microcredits,
        seconds=(end_ms - job.created_at_ms) / 1000,
    )  # fmt: skip
