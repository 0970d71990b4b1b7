"""Request → committed job with its hold."""

import random
from collections.abc import Callable
from dataclasses import dataclass

from safelight import jobs, ledger, limits
from safelight.accounts import Caller
from safelight.catalog.request import ImageRequest
from safelight.db import Database, Transaction
from safelight.errors import IdempotencyConflict
from safelight.jobs import Job, Link, NewJob

SEED_MAX = 2**31 - 1  # what engines draw from when the caller leaves the seed open


@dataclass(frozen=True, kw_only=True)
class Order:
    """Everything a door knows about one submission, before anything is committed."""

    caller: Caller
    dialect: str
    request: ImageRequest
    price_microcredits: int
    engine: str
    stand_in: str | None
    new_id: Callable[[int, random.Random], str]  # the wire's form of ids
    webhook_url: str | None = None
    idempotency_key: str | None = None
    traceparent: str | None = None  # of the request, where requests are traced


async def submit(
    db: Database, order: Order, defaults: limits.Defaults, link: Link, rng: random.Random
) -> tuple[Job, bool]:
    """Commit the job and the hold on its price together, or neither.

    Returns the job and whether it was made earlier under the same Idempotency-Key. Raises
    InsufficientCredits, TooManyRequests or IdempotencyConflict, and then nothing was created.
    """
    fingerprint = _fingerprint(order) if order.idempotency_key else ""

    async def commit(tx: Transaction) -> tuple[Job, bool]:
        if order.idempotency_key and (earlier := await _earlier(tx, order, fingerprint, link)):
            return earlier, True
        await limits.spend_request(tx, order.caller.account_id, order.caller.key_id, defaults)
        queued = await limits.admit_job(tx, order.caller.account_id, defaults)
        while (job := await jobs.insert(tx, _new_job(tx, order, rng), queued=queued)) is None:
            pass
        await ledger.hold(tx, job.account_id, job.key_id, job.id, job.price_microcredits)
        if order.idempotency_key:
            await jobs.bind_idempotent(
                tx, job.account_id, job.dialect, order.idempotency_key, job.id, fingerprint
            )
        return job, False

    job, replayed = await db.write(commit)
    if not replayed:
        db.announce("queued")
    return job, replayed


def _new_job(tx: Transaction, order: Order, rng: random.Random) -> NewJob:
    request = order.request
    if request.seed is None:  # drawn here, once: a second attempt makes the same picture
        request = request.with_seed(rng.randint(1, SEED_MAX))
    return NewJob(
        id=order.new_id(tx.now_ms, rng),
        account_id=order.caller.account_id,
        key_id=order.caller.key_id,
        dialect=order.dialect,
        request=request,
        price_microcredits=order.price_microcredits,
        engine=order.engine,
        stand_in=order.stand_in,
        webhook_url=order.webhook_url,
        traceparent=order.traceparent,
    )


async def _earlier(tx: Transaction, order: Order, fingerprint: str, link: Link) -> Job | None:
    assert order.idempotency_key is not None
    found = await jobs.find_idempotent(
        tx, order.caller.account_id, order.dialect, order.idempotency_key
    )
    if found is None:
        return None
    job_id, bound_to = found
    if bound_to != fingerprint:
        raise IdempotencyConflict()
    return await jobs.get(tx, job_id, link, dialect=order.dialect)


def _fingerprint(order: Order) -> str:
    """Binds an Idempotency-Key to the request as the caller sent it, its webhook included."""
    return f"{order.request.fingerprint()}:{order.webhook_url or ''}"
