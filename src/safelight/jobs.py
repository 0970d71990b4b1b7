"""A job: one accepted request, finished exactly once."""

from dataclasses import dataclass
from enum import StrEnum

from safelight.catalog.request import ImageRequest


class State(StrEnum):
    """Where a job stands. The last three are final; see ARCHITECTURE.md for the one diagram."""

    BACKLOGGED = "backlogged"  # the account is at its concurrency limit; first in, first out
    QUEUED = "queued"  # waiting for a worker
    RUNNING = "running"  # leased to one worker; `step` says how far the engine is
    COMPLETED = "completed"  # pictures stored, credits captured
    FAILED = "failed"  # with a code and a message; credits released
    CANCELLED = "cancelled"  # stopped by the caller or the operator; credits released

    @property
    def is_final(self) -> bool:
        return self in FINAL_STATES


FINAL_STATES = frozenset({State.COMPLETED, State.FAILED, State.CANCELLED})


@dataclass(frozen=True, kw_only=True, slots=True)
class JobPicture:
    """A stored picture as callers see it."""

    url: str  # absolute and signed
    width: int
    height: int
    content_type: str  # "image/png"


@dataclass(frozen=True, kw_only=True, slots=True)
class Job:
    """One row of `jobs`. Times are milliseconds since 1970 by the database's clock."""

    id: str  # in the form of the wire it was made through
    account_id: str
    key_id: str
    dialect: str  # "evolink" or "krea": whose words its caller speaks
    request: ImageRequest
    price_microcredits: int
    state: State
    version: int  # grows with every visible change; the id of its server-sent event
    attempt: int  # how often a worker has claimed it; also the fence
    worker: str | None
    step: int  # steps done in this attempt; 0 until the engine has begun
    steps: int  # steps in all; 0 until known
    progress: int  # 0..100, never falls
    has_preview: bool  # an intermediate picture has been stored
    engine: str | None  # which engine made it, or is making it
    error_code: str | None  # one of errors.JobErrorCode when failed or cancelled
    error_message: str | None
    webhook_url: str | None
    created_at_ms: int
    started_at_ms: int | None  # first claim
    finished_at_ms: int | None  # null until the state is final: clients take it as the end
    pictures: tuple[JobPicture, ...] = ()
