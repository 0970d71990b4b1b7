"""What Krea's callers are told."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from safelight.catalog import Catalog
from safelight.errors import JobErrorCode
from safelight.jobs import Job, State

STATUSES = (
    "backlogged", "queued", "scheduled", "processing", "sampling", "intermediate-complete",
    "completed", "failed", "cancelled",
)  # fmt: skip
STATUS = {state: str(state) for state in State if state is not State.RUNNING}
JOB_TYPE_DEFAULT = "externalImage"

FAILURE_MESSAGE = {
    JobErrorCode.CONTENT_POLICY_VIOLATION: "nsfw: the prompt or the picture was refused",
    JobErrorCode.INVALID_PARAMETERS: "The model cannot make a picture with these parameters",
    JobErrorCode.REQUEST_CANCELLED: "The job was cancelled",
    JobErrorCode.GENERATION_FAILED_NO_CONTENT: "The model ended without a picture",
    JobErrorCode.GENERATION_TIMEOUT: "The model took too long",
    JobErrorCode.RESOURCE_EXHAUSTED: "The server ran out of memory or disk",
    JobErrorCode.SERVICE_ERROR: "The server failed",
    JobErrorCode.SERVICE_UNAVAILABLE: "No engine could make this model when its turn came",
    JobErrorCode.UNKNOWN_ERROR: "The job failed",
}


def status_of(job: Job) -> str:
    """One of STATUSES. A running job's word says how far it is."""
    if job.state is not State.RUNNING:
        return STATUS[job.state]
    if job.has_preview:
        return "intermediate-complete"
    return "sampling" if job.step > 0 else "scheduled"


def render_submitted(job: Job, catalog: Catalog) -> dict[str, Any]:
    """The answer to a submission: of fields that never change, so that a replay is the same."""
    return {
        "job_id": job.id,
        "status": "queued",
        "created_at": timestamp(job.created_at_ms),
        "completed_at": None,
        "type": _job_type(job, catalog),
        "result": None,
    }


def render(job: Job, catalog: Catalog) -> dict[str, Any]:
    """The answer to a poll, and the body of the webhook."""
    finished = job.finished_at_ms if job.state.is_final else None
    rendered = {
        "job_id": job.id,
        "status": status_of(job),
        "created_at": timestamp(job.created_at_ms),
        "completed_at": None if finished is None else timestamp(finished),
        "type": _job_type(job, catalog),
        "result": _result(job),
    }
    if job.state is State.FAILED:
        rendered["error"] = {"code": str(_code(job)), "message": _message(job)}
    return rendered


def render_list(
    jobs: Sequence[Job], next_before_ms: int | None, catalog: Catalog
) -> dict[str, Any]:
    """One page; `next_before_ms` is when its last job was created, or None on the last page."""
    return {
        "items": [render(job, catalog) for job in jobs],
        "next_cursor": None if next_before_ms is None else timestamp(next_before_ms),
    }


def timestamp(ms: int) -> str:
    """ISO 8601 in UTC with milliseconds: 2025-01-15T10:30:00.000Z."""
    seconds, rest = divmod(ms, 1000)
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%dT%H:%M:%S}.{rest:03d}Z"


def _result(job: Job) -> dict[str, Any]:
    if job.state is State.COMPLETED:
        return {"urls": [picture.url for picture in job.pictures]}
    if job.state is State.FAILED:
        return {"error": _message(job)}  # where older clients look
    return {}


def _code(job: Job) -> JobErrorCode:
    try:
        return JobErrorCode(job.error_code or "")
    except ValueError:
        return JobErrorCode.UNKNOWN_ERROR


def _message(job: Job) -> str:
    return job.error_message or FAILURE_MESSAGE[_code(job)]


def _job_type(job: Job, catalog: Catalog) -> str:
    known = catalog.models.get(job.request.model)
    return known.job_type if known else JOB_TYPE_DEFAULT
