"""How much one caller may ask for: requests per minute (GCRA), concurrent jobs, backlog."""

import math
from dataclasses import dataclass

from safelight.db import Transaction
from safelight.errors import TooManyRequests

BURST_SECONDS = 60  # an idle caller may spend a whole minute's requests at once
MINUTE_US = 60_000_000


@dataclass(frozen=True, slots=True)
class Defaults:
    """What accounts get that have no limits of their own; from the settings."""

    requests_per_minute: int | None
    concurrency_max: int
    backlog_max: int


async def spend_request(tx: Transaction, account_id: str, key_id: str, defaults: Defaults) -> None:
    """Count one submission against the key's and the account's rate. Raises TooManyRequests."""
    row = await tx.fetch_one(
        "select k.requests_per_minute as of_key, a.requests_per_minute as of_account"
        " from keys k join accounts a on a.id = k.account_id where k.id = $1",
        key_id,
    )
    if row is None:
        return
    of_account = row["of_account"] or defaults.requests_per_minute
    if row["of_key"] is not None:
        await _spend(tx, f"key:{key_id}", row["of_key"])
    if of_account is not None:
        await _spend(tx, f"account:{account_id}", of_account)


async def _spend(tx: Transaction, subject: str, per_minute: int) -> None:
    """GCRA in one statement: exact, with a burst, and one timestamp per subject.

    https://brandur.org/rate-limiting explains the algorithm.
    """
    now_us = tx.now_ms * 1000
    interval_us = MINUTE_US // per_minute
    burst_us = max(interval_us, BURST_SECONDS * 1_000_000)
    touched = await tx.execute(
        "insert into rates (subject, tat_us) values ($1, $2 + $3)"
        " on conflict (subject) do update"
        " set tat_us = case when rates.tat_us > $2 then rates.tat_us else $2 end + $3"
        " where case when rates.tat_us > $2 then rates.tat_us else $2 end + $3 - $2 <= $4",
        subject, now_us, interval_us, burst_us,
    )  # fmt: skip
    if touched == 1:
        return
    row = await tx.fetch_one("select tat_us from rates where subject = $1", subject)
    wait_us = (row["tat_us"] if row else now_us) + interval_us - burst_us - now_us
    raise TooManyRequests(retry_after_seconds=math.ceil(wait_us / 1_000_000))


async def admit_job(tx: Transaction, account_id: str, defaults: Defaults) -> bool:
    """Take a place among the account's running jobs, or in its backlog.

    True: the job may be queued now; False: it waits in the backlog. Raises TooManyRequests when
    the backlog is full. One conditional UPDATE each, so racing submissions cannot overfill either.
    """
    touched = await tx.execute(
        "update accounts set active_jobs = active_jobs + 1 where id = $1"
        " and active_jobs < coalesce(concurrency_max, $2) and backlogged_jobs = 0",
        account_id, defaults.concurrency_max,
    )  # fmt: skip
    if touched == 1:
        return True
    touched = await tx.execute(
        "update accounts set backlogged_jobs = backlogged_jobs + 1 where id = $1"
        " and backlogged_jobs < coalesce(backlog_max, $2)",
        account_id, defaults.backlog_max,
    )  # fmt: skip
    if touched == 1:
        return False
    raise TooManyRequests("You have reached the maximum number of concurrent jobs", limit="backlog")


async def leave_backlog(tx: Transaction, account_id: str) -> None:
    """A backlogged job was cancelled."""
    await tx.execute(
        "update accounts set backlogged_jobs = backlogged_jobs - 1 where id = $1", account_id
    )


async def finish_job(tx: Transaction, account_id: str, defaults: Defaults) -> int:
    """Give an active job's place back; returns how many backlogged jobs may now be queued."""
    row = await tx.fetch_one(
        "update accounts set active_jobs = active_jobs - 1 where id = $1"
        " returning active_jobs, backlogged_jobs, coalesce(concurrency_max, $2) as concurrency_max",
        account_id, defaults.concurrency_max,
    )  # fmt: skip
    assert row is not None
    free = int(row["concurrency_max"]) - int(row["active_jobs"])
    return max(0, min(int(row["backlogged_jobs"]), free))


async def promote(tx: Transaction, account_id: str, count: int) -> None:
    """`count` backlogged jobs of the account became active."""
    await tx.execute(
        "update accounts set active_jobs = active_jobs + $1, backlogged_jobs = backlogged_jobs - $1"
        " where id = $2",
        count, account_id,
    )  # fmt: skip
