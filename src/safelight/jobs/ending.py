"""What ends with a job, in one transaction: its credits, its place, the caller's message."""

from safelight import jobs, ledger, limits, webhooks
from safelight.db import Transaction
from safelight.errors import JobErrorCode
from safelight.jobs import Job, State


async def settle(
    tx: Transaction,
    job: Job,
    state: State,
    defaults: limits.Defaults,
    error_code: JobErrorCode | None = None,
    error_message: str | None = None,
) -> bool:
    """Commit the outcome, its credits and its webhook together.

    False when the job is no longer ours (its lease passed on, or its caller cancelled it): then
    nothing changed, and whatever was made for it must be thrown away.
    """
    if not await jobs.finish(tx, job, state, error_code, error_message):
        return False
    await _close(tx, job, completed=state is State.COMPLETED)
    await _leave_queue(tx, job.account_id, defaults)
    return True


async def withdraw(tx: Transaction, job: Job, message: str, defaults: limits.Defaults) -> bool:
    """Cancel the job wherever it stands; False when it had ended already."""
    before = await jobs.withdraw(tx, job.id, message)
    if before is None:
        return False
    await _close(tx, job, completed=False)
    if before is State.BACKLOGGED:
        await limits.leave_backlog(tx, job.account_id)
    else:
        await _leave_queue(tx, job.account_id, defaults)
    return True


async def _close(tx: Transaction, job: Job, *, completed: bool) -> None:
    await (ledger.capture if completed else ledger.release)(tx, job.id)
    if job.webhook_url:
        await webhooks.enqueue(
            tx,
            job_id=job.id,
            account_id=job.account_id,
            dialect=job.dialect,
            url=job.webhook_url,
        )


async def _leave_queue(tx: Transaction, account_id: str, defaults: limits.Defaults) -> None:
    """Give the place to the account's oldest backlogged job."""
    free = await limits.finish_job(tx, account_id, defaults)
    if free:
        queued = await jobs.queue_backlogged(tx, account_id, free)
        await limits.promote(tx, account_id, queued)
