"""Jobs that nobody submitted, for tests of how they are told about."""

from typing import Any

from safelight.catalog import ImageRequest
from safelight.jobs import Job, JobPicture, State

CREATED_MS = 1_751_280_000_123  # 2025-06-30T10:40:00.123Z

REQUEST = ImageRequest(model="krea-2-turbo", prompt="a lamp", width=1024, height=1024, seed=7)
PICTURE = JobPicture(
    url="http://127.0.0.1:8000/pictures/x.png?expires=1&signature=y",
    width=1024,
    height=1024,
    content_type="image/png",
)

PROGRESS: dict[State, dict[str, Any]] = {
    State.BACKLOGGED: {},
    State.QUEUED: {},
    State.RUNNING: {"step": 3, "steps": 8, "progress": 37, "started_at_ms": CREATED_MS + 500},
    State.COMPLETED: {"progress": 100, "finished_at_ms": CREATED_MS + 4600, "pictures": (PICTURE,)},
    State.FAILED: {"finished_at_ms": CREATED_MS + 900, "error_code": "service_error"},
    State.CANCELLED: {"finished_at_ms": CREATED_MS + 900, "error_code": "request_cancelled"},
}


def job(state: State = State.QUEUED, **changes: Any) -> Job:
    """A job of the EvoLink door, as it would look in that state."""
    fields: dict[str, Any] = {
        "id": "task-unified-1751280000-k2t9x8a3",
        "seq": 45,
        "account_id": "account",
        "key_id": "key",
        "dialect": "evolink",
        "request": REQUEST,
        "price_microcredits": 450_000,
        "state": state,
        "version": 1,
        "attempt": 0,
        "worker": None,
        "step": 0,
        "steps": 0,
        "progress": 0,
        "has_preview": False,
        "engine": "diffusers",
        "stand_in": None,
        "error_code": None,
        "error_message": None,
        "webhook_url": None,
        "created_at_ms": CREATED_MS,
        "started_at_ms": None,
        "finished_at_ms": None,
        "pictures": (),
    }
    return Job(**fields | PROGRESS[state] | changes)


def krea_job(state: State = State.QUEUED, **changes: Any) -> Job:
    """The same by the Krea door."""
    found: dict[str, Any] = {"id": "4d0e5f97-9721-4422-b88c-73a9032d7de1", "dialect": "krea"}
    return job(state, **found | changes)
