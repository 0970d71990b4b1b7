"""What EvoLink's callers are told. Keys are in alphabetical order, as on the original wire."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from safelight.catalog import Catalog, Licence, Model
from safelight.catalog.prices import MICROCREDITS_PER_CREDIT
from safelight.dialects.evolink.parsing import ListQuery
from safelight.errors import JobErrorCode
from safelight.jobs import Job, State

OBJECT = "image.generation.task"

STATUS = {
    State.BACKLOGGED: "pending",
    State.QUEUED: "pending",
    State.RUNNING: "processing",
    State.COMPLETED: "completed",
    State.FAILED: "failed",
    State.CANCELLED: "failed",  # with the code request_cancelled
}

# A title, and on the next line what to do.
FAILURE_MESSAGE = {
    JobErrorCode.CONTENT_POLICY_VIOLATION: (
        "Content policy violation.\nThe prompt or the picture was refused by the filters."
    ),
    JobErrorCode.INVALID_PARAMETERS: (
        "Invalid parameters.\nThe model cannot make a picture with these parameters."
    ),
    JobErrorCode.REQUEST_CANCELLED: "Request cancelled.\nSubmit the request again if you need it.",
    JobErrorCode.GENERATION_FAILED_NO_CONTENT: (
        "No picture was made.\nTry again, or with another prompt."
    ),
    JobErrorCode.GENERATION_TIMEOUT: "Generation timed out.\nTry again later.",
    JobErrorCode.RESOURCE_EXHAUSTED: (
        "Out of resources.\nTry again in a few minutes, or with a smaller picture."
    ),
    JobErrorCode.SERVICE_ERROR: "Service error.\nTry again in a minute.",
    JobErrorCode.SERVICE_UNAVAILABLE: "Service unavailable.\nTry again in a few minutes.",
    JobErrorCode.UNKNOWN_ERROR: "Unknown error.\nIf it comes again, ask whoever runs this server.",
}


def status_of(job: Job) -> str:
    """One of the four words. A job that lost its worker waits again, but is not "pending" again."""
    waits_again = job.state is State.QUEUED and job.started_at_ms is not None
    return "processing" if waits_again else STATUS[job.state]


@dataclass(frozen=True, kw_only=True, slots=True)
class Balance:
    """Money of an account ("user") and of the key that asks ("token"), in microcredits."""

    user_remaining: int
    user_used: int
    token_remaining: int
    token_used: int
    unlimited: bool  # the key has no limit of its own


def render_submitted(job: Job, catalog: Catalog) -> dict[str, Any]:
    """The answer to a submission: of fields that never change, so that a replay is the same."""
    return _unfinished(job, catalog, status="pending", progress=0)


def render(job: Job, catalog: Catalog) -> dict[str, Any]:
    """The answer to a poll, and the body of the callback."""
    if job.state is State.COMPLETED:
        return _completed(job, catalog)
    if job.state.is_final:
        return _failed(job, catalog)
    return _unfinished(job, catalog, status=status_of(job), progress=min(job.progress, 99))


def render_list(
    jobs: Sequence[Job], total: int, query: ListQuery, catalog: Catalog
) -> dict[str, Any]:
    """One page, newest first; `total` counts all pages. No links: a list is for finding tasks."""
    return {
        "data": [_listed(job, catalog) for job in jobs],
        "object": "list",
        "page": query.page,
        "page_size": query.page_size,
        "total": total,
    }


def render_batch(jobs: Iterable[Job], catalog: Catalog) -> dict[str, Any]:
    return {"code": 200, "data": [render(job, catalog) for job in jobs]}


def render_credits(balance: Balance) -> dict[str, Any]:
    return {
        "data": {
            "token": {
                "remaining_credits": credits_of(balance.token_remaining),
                "unlimited_credits": balance.unlimited,
                "used_credits": credits_of(balance.token_used),
            },
            "user": {
                "remaining_credits": credits_of(balance.user_remaining),
                "used_credits": credits_of(balance.user_used),
            },
        },
        "message": "",
        "success": True,
    }


def render_models(models: Iterable[Model], now_ms: int) -> dict[str, Any]:
    """The models on offer at this door, in the form of OpenAI's list."""
    offers = [(model.evolink.name, model) for model in models if model.evolink]
    return {
        "data": [
            {
                "created": now_ms // 1000,
                "id": name,
                "licence": _licence(model.licence),
                "object": "model",
                "owned_by": model.provider,
            }
            for name, model in offers
        ],
        "object": "list",
    }


def _licence(licence: Licence) -> dict[str, str]:
    """Beyond the original wire: the model's licence, with its notice where it requires one."""
    notice = {"notice": licence.notice} if licence.notice else {}
    return {"name": licence.name, **notice, "url": licence.url}


def credits_of(microcredits: int) -> int | float:
    """450000 microcredits are 0.45; whole credits carry no ".0"."""
    whole, rest = divmod(microcredits, MICROCREDITS_PER_CREDIT)
    return microcredits / MICROCREDITS_PER_CREDIT if rest else whole


def _unfinished(job: Job, catalog: Catalog, *, status: str, progress: int) -> dict[str, Any]:
    known = catalog.models.get(job.request.model)
    return {
        "created": job.created_at_ms // 1000,
        "id": job.id,
        "model": _model_name(job, catalog),
        "object": OBJECT,
        "progress": progress,
        "status": status,
        "task_info": {
            "can_cancel": False,  # this wire has no route for it
            "estimated_time": known.estimated_seconds if known else 0,
        },
        "type": "image",
        "usage": {
            "billing_rule": "per_call",
            "credits_reserved": credits_of(job.price_microcredits),
            "user_group": "default",
        },
    }


def _completed(job: Job, catalog: Catalog) -> dict[str, Any]:
    return {
        "created": job.created_at_ms // 1000,
        "duration": _duration_seconds(job),
        "id": job.id,
        "model": _model_name(job, catalog),
        "object": OBJECT,
        "progress": 100,
        "result_data": [{"url": picture.url} for picture in job.pictures],
        "results": [picture.url for picture in job.pictures],
        "status": "completed",
        "task_info": {"can_cancel": False},
        "type": "image",
        "usage": {"credits_used": credits_of(job.price_microcredits)},
    }


def _failed(job: Job, catalog: Catalog) -> dict[str, Any]:
    return {
        "created": job.created_at_ms // 1000,
        "error": _error(job),
        "id": job.id,
        "model": _model_name(job, catalog),
        "object": OBJECT,
        "progress": job.progress,
        "status": "failed",
        "task_info": {"can_cancel": False},
        "type": "image",
    }


def _listed(job: Job, catalog: Catalog) -> dict[str, Any]:
    completed = job.state is State.COMPLETED
    return {
        "created_at": job.created_at_ms // 1000,
        "credits_used": credits_of(job.price_microcredits) if completed else 0,
        "duration": _duration_seconds(job),
        "has_error": status_of(job) == "failed",
        "has_results": completed and bool(job.pictures),
        "id": job.id,
        "model": _model_name(job, catalog),
        "progress": 100 if completed else job.progress,
        "result_count": len(job.pictures) if completed else 0,
        "status": status_of(job),
        "type": "image",
    }


def _error(job: Job) -> dict[str, Any]:
    try:
        code = JobErrorCode(job.error_code or "")
    except ValueError:
        cancelled = job.state is State.CANCELLED
        code = JobErrorCode.REQUEST_CANCELLED if cancelled else JobErrorCode.UNKNOWN_ERROR
    message = FAILURE_MESSAGE[code]
    if job.error_message is not None:  # what happened, under the same title
        message = f"{message.splitlines()[0]}\n{job.error_message}"
    return {"code": str(code), "message": message, "type": "task_error"}


def _duration_seconds(job: Job) -> int:
    """From the first claim to the end, rounded half up; 0 while unfinished."""
    if job.finished_at_ms is None:
        return 0
    begun = job.created_at_ms if job.started_at_ms is None else job.started_at_ms
    return max(0, job.finished_at_ms - begun + 500) // 1000


def _model_name(job: Job, catalog: Catalog) -> str:
    """The model actually used: a stand-in does not pass for what it stands in for."""
    if job.stand_in is not None:
        return job.stand_in
    known = catalog.models.get(job.request.model)
    return known.evolink.name if known and known.evolink else job.request.model
