"""What the passing of time does: expired leases, expired pictures, old jobs, forgotten files."""

import asyncio
import logging
import time
from dataclasses import dataclass

from safelight import jobs, limits, reviews, webhooks, workers
from safelight.db import Database, Transaction
from safelight.errors import JobErrorCode
from safelight.images import ImageStore
from safelight.jobs import Job, State, ending, told
from safelight.ledger import DAY_MS
from safelight.provenance import registry
from safelight.telemetry import Tell, silent

SWEEP_SECONDS = 2  # a dead worker's job waits at most its lease and this
BATCH_ROWS = 500  # rows one transaction may touch, so that nobody waits long behind it
LITTER_SECONDS = 3600  # a file that no row knows is litter when it is this old
IDEMPOTENCY_MS = 48 * 3_600_000  # how long an Idempotency-Key is remembered

log = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class Swept:
    """How much one round did."""

    requeued: int = 0
    failed: int = 0
    pictures: int = 0
    jobs: int = 0


async def recover(
    db: Database,
    defaults: limits.Defaults,
    *,
    dead_worker: str | None = None,
    tell: Tell = silent,
) -> tuple[int, int]:
    """Give jobs with expired leases, or of a worker known to be dead, to another attempt.

    Returns (requeued, failed): a job that has ended its last attempt fails and is not charged.
    """

    async def commit(tx: Transaction) -> tuple[list[Job], list[Job], int]:
        requeued, failed = [], []
        for job in await jobs.expired(tx, dead_worker):
            if job.attempt < jobs.ATTEMPTS_MAX:
                await jobs.requeue(tx, job)
                requeued.append(job)
            else:
                message = (
                    f"The worker stopped unexpectedly on each of {jobs.ATTEMPTS_MAX} attempts;"
                    " you were not charged."
                )
                await ending.settle(
                    tx, job, State.FAILED, defaults, JobErrorCode.SERVICE_ERROR, message
                )
                failed.append(job)
        return requeued, failed, tx.now_ms

    requeued, failed, now_ms = await db.write(commit)
    for job in requeued + failed:
        tell(told.lease_lost(job))
    for job in failed:
        tell(told.ended(job, State.FAILED, now_ms, JobErrorCode.SERVICE_ERROR))
    for job in requeued + failed:
        db.announce(f"job:{job.id}")
    if requeued or failed:
        log.warning("recovered %d jobs, failed %d", len(requeued), len(failed))
        db.announce("queued")
    if any(job.webhook_url for job in failed):
        db.announce(webhooks.BELL)
    return len(requeued), len(failed)


async def bury(
    db: Database, defaults: limits.Defaults, worker_id: str, tell: Tell = silent
) -> None:
    """A worker is known to be dead: free its jobs at once, and count on it no longer."""
    await recover(db, defaults, dead_worker=worker_id, tell=tell)
    await db.write_soon(lambda tx: workers.say_goodbye(tx, worker_id))


async def bury_the_dead(db: Database, defaults: limits.Defaults, tell: Tell = silent) -> None:
    """What a killed process tree left on this host need not wait for its leases to end."""
    for worker_id in await db.read(workers.dead_on_this_host):
        await bury(db, defaults, worker_id, tell)


async def remove_expired_pictures(db: Database, store: ImageStore) -> int:
    """Delete the files of pictures whose day is over; their rows stay with the job."""

    async def find(tx: Transaction) -> list[str]:
        rows = await tx.fetch_all(
            "select name from pictures where expires_at_ms <= $1 and removed_at_ms is null"
            " order by expires_at_ms limit $2",
            tx.now_ms, BATCH_ROWS,
        )  # fmt: skip
        return [row["name"] for row in rows]

    names = await db.read(find)
    for name in names:  # file first: a crash in between removes it again, which is harmless
        await asyncio.to_thread(store.remove, name)

    async def mark(tx: Transaction) -> None:
        for name in names:
            await tx.execute(
                "update pictures set removed_at_ms = $1 where name = $2", tx.now_ms, name
            )

    if names:
        await db.write_soon(mark)
    return len(names)


async def remove_old_jobs(db: Database, keep_days: int, registry_days: int) -> int:
    """Forget jobs that ended long ago, with their prompts and messages; the ledger stays.

    The registry knows their pictures for longer, and in the end forgets them too.
    """

    async def commit(tx: Transaction) -> int:
        await tx.execute(
            "delete from idempotency where created_at_ms < $1",
            tx.now_ms - min(IDEMPOTENCY_MS, keep_days * DAY_MS),  # never longer than its job
        )
        old = await tx.fetch_all(
            "select id from jobs where finished_at_ms < $1"
            " and not exists (select 1 from pictures p where p.job_id = jobs.id"
            " and p.removed_at_ms is null) order by finished_at_ms limit $2",
            tx.now_ms - keep_days * DAY_MS, BATCH_ROWS,
        )  # fmt: skip
        for job in old:
            await webhooks.forget(tx, job["id"])
            await tx.execute("delete from jobs where id = $1", job["id"])
        await registry.forget(tx, registry_days, BATCH_ROWS)
        await reviews.forget(tx, keep_days)
        return len(old)

    return await db.write_soon(commit)


async def remove_litter(db: Database, store: ImageStore) -> int:
    """Delete old files that no row knows: what attempts wrote before they died."""
    names = await asyncio.to_thread(store.names, LITTER_SECONDS, time.time())

    async def unknown(tx: Transaction) -> list[str]:
        found = []
        for name in names:
            row = await tx.fetch_one(
                "select 1 from pictures where name = $1 and removed_at_ms is null", name
            )
            if row is None:
                found.append(name)
        return found

    litter = await db.scan(unknown) if names else []
    for name in litter:
        await asyncio.to_thread(store.remove_litter, name)
    return len(litter)


async def sweep(
    db: Database,
    store: ImageStore,
    defaults: limits.Defaults,
    *,
    keep_days: int,
    registry_days: int,
    tell: Tell = silent,
) -> Swept:
    """One round of everything that is due every couple of seconds."""
    await bury_the_dead(db, defaults, tell)
    requeued, failed = await recover(db, defaults, tell=tell)
    pictures = await remove_expired_pictures(db, store)
    return Swept(
        requeued=requeued,
        failed=failed,
        pictures=pictures,
        jobs=await remove_old_jobs(db, keep_days, registry_days),
    )
