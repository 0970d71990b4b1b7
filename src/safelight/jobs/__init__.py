"""A job: one accepted request, finished exactly once."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, cast

import msgspec

from safelight.catalog.request import ImageRequest
from safelight.db import Row, Transaction
from safelight.errors import JobErrorCode, NotFound

LEASE_SECONDS = 15  # how long a silent worker keeps its job
HEARTBEAT_SECONDS = 5  # how often a worker renews its leases
ATTEMPTS_MAX = 3  # a job that keeps killing its workers ends here

Link = Callable[[str, int], str]  # picture name, expiry in ms → absolute signed URL


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


class JobPicture(msgspec.Struct, frozen=True, kw_only=True):
    """A stored picture as callers see it."""

    url: str  # absolute and signed
    width: int
    height: int
    content_type: str  # "image/png"


class Job(msgspec.Struct, frozen=True, kw_only=True):
    """One row of `jobs`. Times are milliseconds since 1970 by the database's clock.

    A struct and no dataclass: a poll makes one, and a frozen dataclass sets 25 fields one by one.
    """

    id: str  # in the form of the wire it was made through
    seq: int  # submission order
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
    engine: str | None  # which engine makes it
    stand_in: str | None  # the embedded model's name when it stands in for the model asked for
    error_code: str | None  # one of errors.JobErrorCode when failed or cancelled
    error_message: str | None
    webhook_url: str | None
    created_at_ms: int
    started_at_ms: int | None  # first claim
    finished_at_ms: int | None  # null until the state is final: clients take it as the end
    traceparent: str | None = None  # of the request that made it, where requests are traced
    pictures: tuple[JobPicture, ...] = ()  # final ones; while running, the latest preview


def from_row(row: Row, pictures: Iterable[JobPicture] = ()) -> Job:
    """From `select *` or `returning *`: by place, as names are searched for one by one."""
    (
        seq, job_id, account_id, key_id, dialect, _, request, price_microcredits, state, version,
        attempt, worker, _, step, steps, progress, has_preview, engine, stand_in, error_code,
        error_message, webhook_url, _, created_at_ms, started_at_ms, finished_at_ms,
        traceparent, *_,
    ) = cast(Sequence[Any], row)  # fmt: skip
    return Job(
        id=job_id, seq=seq, account_id=account_id, key_id=key_id, dialect=dialect,
        request=ImageRequest.from_json(request), price_microcredits=price_microcredits,
        state=State(state), version=version, attempt=attempt, worker=worker, step=step,
        steps=steps, progress=progress, has_preview=bool(has_preview), engine=engine,
        stand_in=stand_in, error_code=error_code, error_message=error_message,
        webhook_url=webhook_url, created_at_ms=created_at_ms, started_at_ms=started_at_ms,
        finished_at_ms=finished_at_ms, traceparent=traceparent, pictures=tuple(pictures),
    )  # fmt: skip


@dataclass(frozen=True, kw_only=True, slots=True)
class NewJob:
    """What a job is made from."""

    id: str
    account_id: str
    key_id: str
    dialect: str
    request: ImageRequest
    price_microcredits: int
    engine: str
    stand_in: str | None
    webhook_url: str | None
    traceparent: str | None = None


async def insert(tx: Transaction, new: NewJob, *, queued: bool) -> Job | None:
    """The committed-to-be job; None when its id is taken already (a short id met its twin)."""
    state = State.QUEUED if queued else State.BACKLOGGED
    row = await tx.fetch_one(
        "insert into jobs (id, account_id, key_id, dialect, model, request, price_microcredits,"
        " state, engine, stand_in, webhook_url, created_at_ms, traceparent)"
        " values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13)"
        " on conflict (id) do nothing returning seq",
        new.id, new.account_id, new.key_id, new.dialect, new.request.model, new.request.to_json(),
        new.price_microcredits, state.value, new.engine, new.stand_in, new.webhook_url, tx.now_ms,
        new.traceparent,
    )  # fmt: skip
    if row is None:
        return None
    return Job(
        id=new.id, seq=row["seq"], account_id=new.account_id, key_id=new.key_id,
        dialect=new.dialect, request=new.request, price_microcredits=new.price_microcredits,
        state=state, version=1, attempt=0, worker=None, step=0, steps=0, progress=0,
        has_preview=False, engine=new.engine, stand_in=new.stand_in, error_code=None,
        error_message=None, webhook_url=new.webhook_url, created_at_ms=tx.now_ms,
        started_at_ms=None, finished_at_ms=None, traceparent=new.traceparent,
    )  # fmt: skip


async def get(
    tx: Transaction, job_id: str, link: Link, *, account_id: str | None = None, dialect: str
) -> Job:
    """The job with its pictures. Raises NotFound; another account's job looks unknown."""
    row = await tx.fetch_one("select * from jobs where id = $1", job_id)
    if row is None or row["dialect"] != dialect or account_id not in (None, row["account_id"]):
        raise NotFound()
    return from_row(row, await pictures_of(tx, row, link))


async def find_idempotent(
    tx: Transaction, account_id: str, dialect: str, key: str
) -> tuple[str, str] | None:
    """(job id, request fingerprint) that an Idempotency-Key is bound to."""
    row = await tx.fetch_one(
        "select job_id, fingerprint from idempotency"
        " where account_id = $1 and dialect = $2 and key = $3",
        account_id, dialect, key,
    )  # fmt: skip
    return None if row is None else (row["job_id"], row["fingerprint"])


async def bind_idempotent(
    tx: Transaction, account_id: str, dialect: str, key: str, job_id: str, fingerprint: str
) -> None:
    await tx.execute(
        "insert into idempotency (account_id, dialect, key, fingerprint, job_id, created_at_ms)"
        " values ($1, $2, $3, $4, $5, $6)",
        account_id, dialect, key, fingerprint, job_id, tx.now_ms,
    )  # fmt: skip


async def claim(tx: Transaction, worker: str) -> Job | None:
    """Lease the oldest queued job to this worker, or return None."""
    row = await tx.fetch_one(
        "update jobs set state = 'running', attempt = attempt + 1, worker = $1,"
        " lease_until_ms = $2, started_at_ms = coalesce(started_at_ms, $3), step = 0, steps = 0,"
        " version = version + 1"
        " where id = (select id from jobs where state = 'queued' order by seq limit 1)"
        " and state = 'queued' returning *",
        worker, tx.now_ms + LEASE_SECONDS * 1000, tx.now_ms,
    )  # fmt: skip
    return None if row is None else from_row(row)


async def renew_lease(tx: Transaction, job: Job) -> bool:
    """Extend the lease of a job we hold; False when it is no longer ours."""
    touched = await tx.execute(
        "update jobs set lease_until_ms = $1"
        " where id = $2 and attempt = $3 and worker = $4 and state = 'running'",
        tx.now_ms + LEASE_SECONDS * 1000, job.id, job.attempt, job.worker,
    )  # fmt: skip
    return touched == 1


async def advance(tx: Transaction, job: Job, step: int, steps: int, progress: int) -> bool:
    """Record that a step is done; False when the job is no longer ours to work on."""
    touched = await tx.execute(
        "update jobs set step = $1, steps = $2, version = version + 1,"
        " progress = case when progress > $3 then progress else $3 end"
        " where id = $4 and attempt = $5 and worker = $6 and state = 'running'",
        step, steps, progress, job.id, job.attempt, job.worker,
    )  # fmt: skip
    return touched == 1


async def finish(
    tx: Transaction,
    job: Job,
    state: State,
    error_code: JobErrorCode | None = None,
    error_message: str | None = None,
) -> bool:
    """Record the outcome; False when the lease has passed on, or the caller cancelled.

    The fence: only the attempt that holds the lease may settle, so a worker that was thought dead
    can neither overwrite a later attempt's outcome nor charge for the job again.
    """
    touched = await tx.execute(
        "update jobs set state = $1, error_code = $2, error_message = $3, finished_at_ms = $4,"
        " lease_until_ms = null, version = version + 1,"
        " progress = case when $1 = 'completed' then 100 else progress end"
        " where id = $5 and attempt = $6 and worker = $7 and state = 'running'",
        state.value, error_code, error_message, tx.now_ms, job.id, job.attempt, job.worker,
    )  # fmt: skip
    return touched == 1


async def requeue(tx: Transaction, job: Job, *, count_attempt: bool = True) -> bool:
    """Put a job we hold back at its old place in the queue."""
    touched = await tx.execute(
        "update jobs set state = 'queued', worker = null, lease_until_ms = null,"
        " attempt = attempt - $1, version = version + 1"
        " where id = $2 and attempt = $3 and worker = $4 and state = 'running'",
        0 if count_attempt else 1, job.id, job.attempt, job.worker,
    )  # fmt: skip
    return touched == 1


async def withdraw(tx: Transaction, job_id: str, message: str) -> State | None:
    """Cancel the job wherever it stands; returns the state it was in, or None if it had ended.

    A worker that is busy with it loses its lease at this instant and stops at its next step.
    """
    row = await tx.fetch_one("select state from jobs where id = $1", job_id)
    before = State(row["state"]) if row else None
    if before is None or before.is_final:
        return None
    touched = await tx.execute(
        "update jobs set state = 'cancelled', error_code = $1, error_message = $2,"
        " finished_at_ms = $3, lease_until_ms = null, version = version + 1"
        " where id = $4 and state = $5",
        JobErrorCode.REQUEST_CANCELLED.value, message, tx.now_ms, job_id, before.value,
    )  # fmt: skip
    return before if touched == 1 else None


async def expired(tx: Transaction, worker: str | None = None) -> list[Job]:
    """Running jobs whose lease is over, or every one of a worker that is known to be dead."""
    rows = await tx.fetch_all(
        "select * from jobs where state = 'running' and (lease_until_ms < $1 or worker = $2)"
        " order by seq",
        tx.now_ms, worker,
    )  # fmt: skip
    return [from_row(row) for row in rows]


async def queue_backlogged(tx: Transaction, account_id: str, count: int) -> int:
    """Move the account's oldest backlogged jobs into the queue; returns how many."""
    return await tx.execute(
        "update jobs set state = 'queued', version = version + 1 where id in"
        " (select id from jobs where account_id = $1 and state = 'backlogged'"
        " order by seq limit $2)",
        account_id, count,
    )  # fmt: skip


async def add_picture(
    tx: Transaction, job: Job, *, kind: str, position: int, name: str, width: int, height: int,
    content_type: str, size_bytes: int, sha256: str, seed: int, life_seconds: int,
) -> None:  # fmt: skip
    """Record a stored file as the job's picture; a newer preview takes the older one's place."""
    await tx.execute(
        "insert into pictures (name, job_id, kind, position, width, height, content_type,"
        " size_bytes, sha256, seed, created_at_ms, expires_at_ms)"
        " values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)",
        name, job.id, kind, position, width, height, content_type, size_bytes, sha256, seed,
        tx.now_ms, tx.now_ms + life_seconds * 1000,
    )  # fmt: skip
    if kind == "preview":
        await tx.execute(
            "update jobs set has_preview = 1, version = version + 1 where id = $1", job.id
        )
    else:
        await tx.execute("update jobs set picture_count = picture_count + 1 where id = $1", job.id)


async def expire_previews(tx: Transaction, job: Job) -> None:
    """Let the sweep remove them now: links to them have been given out."""
    await tx.execute(
        "update pictures set expires_at_ms = $1"
        " where job_id = $2 and kind = 'preview' and expires_at_ms > $1",
        tx.now_ms, job.id,
    )  # fmt: skip


async def pictures_of(tx: Transaction, row: Row, link: Link) -> list[JobPicture]:
    if row["picture_count"] == 0 and not row["has_preview"]:
        return []
    kind = "final" if row["state"] == State.COMPLETED else "preview"
    found = await tx.fetch_all(
        "select name, width, height, content_type, expires_at_ms from pictures"
        " where job_id = $1 and kind = $2 order by position desc",
        row["id"], kind,
    )  # fmt: skip
    if kind == "preview":
        found = found[:1]
    return [
        JobPicture(
            url=link(picture["name"], picture["expires_at_ms"]),
            width=picture["width"],
            height=picture["height"],
            content_type=picture["content_type"],
        )
        for picture in reversed(found)
    ]
