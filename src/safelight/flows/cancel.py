"""A caller's change of mind → stopped work and a released hold."""

from safelight import jobs, limits, webhooks
from safelight.db import Database, Transaction
from safelight.jobs import Job, Link, State, ending, told
from safelight.telemetry import Tell, silent

MESSAGE = "The job was stopped before it finished; its credits were released."


async def cancel(
    db: Database,
    account_id: str,
    job_id: str,
    dialect: str,
    defaults: limits.Defaults,
    link: Link,
    tell: Tell = silent,
) -> Job:
    """Cancel the job and return it as it then stands. One that has ended is left as it is.

    A worker that is busy with it loses its lease in this very transaction, so it can no longer
    complete or charge; the announcement stops its engine between two steps. Raises NotFound.
    """

    async def commit(tx: Transaction) -> tuple[Job, bool]:
        job = await jobs.get(tx, job_id, link, account_id=account_id, dialect=dialect)
        withdrawn = await ending.withdraw(tx, job, MESSAGE, defaults)
        return await jobs.get(tx, job_id, link, dialect=dialect), withdrawn

    job, withdrawn = await db.write(commit)
    if withdrawn:
        tell(told.ended(job, State.CANCELLED))
    for message in (f"stop:{job_id}", f"job:{job_id}", "queued"):
        db.announce(message)
    if job.webhook_url:
        db.announce(webhooks.BELL)
    return job
