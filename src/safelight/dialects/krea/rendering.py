"""What Krea's callers are told."""

from collections.abc import Sequence
from typing import Any

from safelight.catalog import Catalog
from safelight.dialects.krea.listing import ListQuery, cursor_after
from safelight.dialects.krea.words import status_of, timestamp
from safelight.errors import JobErrorCode
from safelight.jobs import Job, State

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


def render_submitted(job: Job, catalog: Catalog) -> dict[str, Any]:
    """The answer to a submission; this wire has no replays, so it may say where the job waits."""
    return {
        "job_id": job.id,
        "status": status_of(job),
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


def render_list(jobs: Sequence[Job], query: ListQuery, catalog: Catalog) -> dict[str, Any]:
    """One page, newest first. `jobs` holds one more than the page when another page follows."""
    page = jobs[: query.limit]
    return {
        "items": [render(job, catalog) for job in page if query.admits(job)],
        "next_cursor": cursor_after(page[-1]) if len(jobs) > query.limit else None,
    }


def _result(job: Job) -> dict[str, Any]:
    if job.state is State.COMPLETED:
        return {"urls": [picture.url for picture in job.pictures]}
    if job.state is State.FAILED:
        return {"error": _message(job)}  # where older clients look
    if job.state is State.RUNNING and job.has_preview:
        return {"preview_urls": [picture.url for picture in job.pictures]}
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
