"""The delivery log, as the owner of its messages reads it."""

from dataclasses import dataclass

from safelight.db import Row, Transaction
from safelight.webhooks.outbox import Delivery

NEVER_MS = 1 << 62  # later than any message


@dataclass(frozen=True, kw_only=True, slots=True)
class LoggedAttempt:
    """One line of the log."""

    number: int  # from 1; a redelivery goes on counting
    started_at_ms: int
    duration_ms: int
    status: int | None  # of the HTTP answer; None: there was none
    reason: str | None  # why it failed; None: it was delivered
    answer: str | None  # how the answer's body begins


@dataclass(frozen=True, kw_only=True, slots=True)
class LoggedMessage:
    """A message and what came of its attempts, oldest first."""

    id: str
    job_id: str
    url: str
    state: Delivery
    created_at_ms: int
    next_at_ms: int | None  # None: it is delivered, has failed, or is on its way now
    finished_at_ms: int | None
    attempts: tuple[LoggedAttempt, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class Wanted:
    """Which messages of an account, newest first, that came through one wire."""

    account_id: str
    dialect: str
    job_id: str | None = None
    state: Delivery | None = None
    before_ms: int = NEVER_MS  # messages made earlier, or in this very millisecond …
    before_id: str = ""  # … with a smaller id


async def page(tx: Transaction, wanted: Wanted, limit: int) -> list[LoggedMessage]:
    rows = await tx.fetch_all(
        "select * from outbox where account_id = $1 and dialect = $2"
        " and ($3 is null or job_id = $3) and ($4 is null or state = $4)"
        " and (created_at_ms, id) < ($5, $6) order by created_at_ms desc, id desc limit $7",
        wanted.account_id, wanted.dialect, wanted.job_id,
        None if wanted.state is None else wanted.state.value,
        wanted.before_ms, wanted.before_id, limit,
    )  # fmt: skip
    return [await _message(tx, row) for row in rows]


async def find(
    tx: Transaction, message_id: str, *, account_id: str, dialect: str
) -> LoggedMessage | None:
    """None for a message of somebody else, or of another wire: it looks unknown."""
    row = await tx.fetch_one(
        "select * from outbox where id = $1 and account_id = $2 and dialect = $3",
        message_id, account_id, dialect,
    )  # fmt: skip
    return None if row is None else await _message(tx, row)


async def listed(
    tx: Transaction, account: str | None, state: Delivery | None, limit: int
) -> list[Row]:
    """For the operator: the newest messages, of every account or one by its name."""
    return await tx.fetch_all(
        "select o.id, a.name as account, o.job_id, o.state, o.attempt, o.answer_status,"
        " o.answer_note, o.url, o.created_at_ms from outbox o join accounts a on a.id ="
        " o.account_id where ($1 is null or a.name = $1) and ($2 is null or o.state = $2)"
        " order by o.created_at_ms desc, o.id desc limit $3",
        account, None if state is None else state.value, limit,
    )  # fmt: skip


async def _message(tx: Transaction, row: Row) -> LoggedMessage:
    attempts = await tx.fetch_all(
        "select * from webhook_attempts where message_id = $1 order by number", row["id"]
    )
    waits = row["state"] == Delivery.PENDING and (row["lease_until_ms"] or 0) <= tx.now_ms
    return LoggedMessage(
        id=row["id"],
        job_id=row["job_id"],
        url=row["url"],
        state=Delivery(row["state"]),
        created_at_ms=row["created_at_ms"],
        next_at_ms=row["due_at_ms"] if waits else None,
        finished_at_ms=row["finished_at_ms"],
        attempts=tuple(
            LoggedAttempt(
                number=attempt["number"],
                started_at_ms=attempt["started_at_ms"],
                duration_ms=attempt["duration_ms"],
                status=attempt["status"],
                reason=attempt["reason"],
                answer=attempt["answer"],
            )
            for attempt in attempts
        ),
    )
