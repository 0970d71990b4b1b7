"""What happens in the house that somebody may want to count or read about.

Whoever makes something happen tells it once, as one of these; who listens is decided in the
composition root. An event never holds a prompt, a key, a URL or a picture. An account's id and a
job's are for the log, where the account is hashed; no metric has them.
"""

import logging
from collections.abc import Callable
from typing import ClassVar

import msgspec


class Event(msgspec.Struct, frozen=True, kw_only=True, tag_field="event", omit_defaults=True):
    """Something that happened; its tag is its name in the log."""

    level: ClassVar[int] = logging.INFO


class JobEvent(Event, frozen=True, kw_only=True):
    """Something that happened to a job."""

    job: str
    account: str
    dialect: str
    model: str  # the catalog's id
    engine: str | None = None


class JobCreated(JobEvent, tag="job.created", frozen=True, kw_only=True):
    """A request was committed as a job, with the hold on its price."""

    price_microcredits: int
    backlogged: bool = False
    request_id: str | None = None


class JobStarted(JobEvent, tag="job.started", frozen=True, kw_only=True):
    """A worker claimed it."""

    attempt: int
    worker: str | None = None
    queue_seconds: float  # since it was created


class Generated(JobEvent, tag="job.generated", frozen=True, kw_only=True):
    """The engine has made its pictures."""

    level = logging.DEBUG

    seconds: float  # at the engine, without what it waited for other jobs
    steps: int


class JobRequeued(JobEvent, tag="job.requeued", frozen=True, kw_only=True):
    """Back at its old place in the queue: its attempt may succeed elsewhere, or we are stopping."""

    level = logging.WARNING

    attempt: int
    reason: str  # "retried" or "handed back"


class LeaseLost(JobEvent, tag="job.lease_lost", frozen=True, kw_only=True):
    """Its worker died or fell silent."""

    level = logging.WARNING

    attempt: int
    worker: str | None = None


class JobEnded(JobEvent, tag="job.ended", frozen=True, kw_only=True):
    """Its outcome and its credits are committed."""

    attempt: int
    outcome: str  # "completed", "failed" or "cancelled"
    code: str | None = None  # one of errors.JobErrorCode when it failed
    price_microcredits: int
    seconds: float  # since it was created


class PictureStored(Event, tag="picture.stored", frozen=True, kw_only=True):
    """A picture was encoded and is on disk, though no row knows it yet."""

    level = logging.DEBUG

    job: str
    kind: str  # "final" or "preview"
    size_bytes: int
    seconds: float  # to store it; it was encoded while the filters looked


class PictureSigned(Event, tag="picture.signed", frozen=True, kw_only=True):
    """A picture was given its manifest of provenance."""

    level = logging.DEBUG

    job: str
    seconds: float


class Moderated(Event, tag="moderation.decided", frozen=True, kw_only=True):
    """A content filter judged something of a job."""

    job: str
    layer: str  # "prompt", "meaning" (of it), "source", "picture" or "preview"
    decision: str  # "allowed", "refused", or "failed" when it could not be told
    category: str | None = None  # one of moderation.Category when it was refused

    @property
    def level(self) -> int:  # type: ignore[override]
        return logging.DEBUG if self.decision == "allowed" else logging.WARNING


class WebhookAttempted(Event, tag="webhook.attempted", frozen=True, kw_only=True):
    """A receiver was called, or could not be."""

    message: str
    job: str
    account: str
    dialect: str
    attempt: int  # since the message was last made pending, from 1
    outcome: str  # "delivered", "answered 4xx", "refused", "unreachable" …
    status: int | None = None  # of the HTTP answer
    seconds: float


class RequestLimited(Event, tag="request.limited", frozen=True, kw_only=True):
    """A request met one of the limits and was answered 429."""

    level = logging.DEBUG

    limit: str  # "requests", "backlog", "watchers", "wrong keys", "checks"


class GpuMemory(Event, tag="gpu.memory", frozen=True, kw_only=True):
    """What a worker has of its GPU, now and then."""

    level = logging.DEBUG

    number: int  # of the worker: 0, 1 …
    memory: dict[str, int]  # bytes by kind: allocated, reserved, free, total


AnyEvent = (
    JobCreated | JobStarted | Generated | JobRequeued | LeaseLost | JobEnded | PictureStored
    | PictureSigned | Moderated | WebhookAttempted | RequestLimited
    | GpuMemory
)  # fmt: skip

Tell = Callable[[AnyEvent], None]  # from any thread; costs microseconds and never raises


def silent(event: AnyEvent) -> None:
    """For whoever has nobody to tell."""


def both(*listeners: Tell) -> Tell:
    """Everything told to each of them."""
    if len(listeners) == 1:
        return listeners[0]

    def tell(event: AnyEvent) -> None:
        for listener in listeners:
            listener(event)

    return tell
