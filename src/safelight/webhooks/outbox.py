"""What is owed to receivers: messages, who may send them now, and what came of each attempt."""

import secrets
from dataclasses import dataclass
from enum import StrEnum
from urllib.parse import urlsplit

from safelight.db import Row, Transaction

BELL = "webhook"  # what is announced, after the commit, when something is owed
RETRY_SECONDS = (1, 2, 4)  # after a failed attempt; both wires' receivers count on these
ATTEMPTS_MAX = 1 + len(RETRY_SECONDS)
ATTEMPTS_KEPT = 40  # of one message in the log, however often it is redelivered
RECEIVERS_SCANNED_MAX = 200  # a claim looks at no more, so that nobody waits long behind it

Receiver = tuple[str, str]  # account id and host
FIRST: Receiver = ("", "")  # before every receiver


class Delivery(StrEnum):
    """Where a message stands."""

    PENDING = "pending"  # due now or later, or leased to one sender
    DELIVERED = "delivered"  # a receiver answered with 2xx
    FAILED = "failed"  # every attempt failed; a redelivery makes it pending again


@dataclass(frozen=True, kw_only=True, slots=True)
class InFlight:
    """How many messages may be on their way at a time, over all processes."""

    per_account: int
    per_host: int


@dataclass(frozen=True, kw_only=True, slots=True)
class Message:
    """One message that a sender holds a lease on."""

    id: str  # the webhook-id, the same at every attempt
    job_id: str
    account_id: str
    dialect: str
    url: str
    attempt: int  # attempts that failed since it was last made pending
    claims: int  # with the sender, the fence
    claimed_at_ms: int


@dataclass(frozen=True, slots=True)
class Claimed:
    """What one look at the outbox found."""

    messages: list[Message]
    after: Receiver  # the next round begins behind it
    complete: bool  # every receiver with something pending had its turn


@dataclass(frozen=True, kw_only=True, slots=True)
class Attempt:
    """What came of sending a message once."""

    duration_ms: int = 0
    status: int | None = None  # of the HTTP answer
    reason: str | None = None  # why it failed; None: it was delivered
    answer: str | None = None  # how the answer's body begins
    outcome: str = "failed"  # in one of a few words, to be counted by


async def enqueue(tx: Transaction, *, job_id: str, account_id: str, dialect: str, url: str) -> None:
    """Owe the caller one message about this job's end."""
    await tx.execute(
        "insert into outbox (id, job_id, account_id, dialect, url, host, state, due_at_ms,"
        " created_at_ms) values ($1, $2, $3, $4, $5, $6, 'pending', $7, $7)",
        f"msg_{secrets.token_hex(12)}", job_id, account_id, dialect, url, _host(url), tx.now_ms,
    )  # fmt: skip


async def next_due_ms(tx: Transaction) -> int | None:
    """When the next message is due, or a lease ends; None when nothing is owed."""
    row = await tx.fetch_one("select min(due_at_ms) as due from outbox where state = 'pending'")
    return None if row is None else row["due"]


async def count_pending(tx: Transaction) -> int:
    """How many messages are due now or later."""
    row = await tx.fetch_one("select count(*) as n from outbox where state = 'pending'")
    return 0 if row is None else int(row["n"])


async def claim(
    tx: Transaction,
    sender: str,
    *,
    places: int,
    limits: InFlight,
    lease_ms: int,
    after: Receiver = FIRST,
) -> Claimed:
    """Lease due messages to this sender, in turn for each receiver (an account's host).

    `after` is who was served last; a round begins behind it and ends with it.
    """
    accounts, hosts = await _in_flight(tx)
    claimed: list[Message] = []
    begin, served, wrapped = after, after, after == FIRST
    for _ in range(RECEIVERS_SCANNED_MAX):
        receiver = await _receiver_after(tx, after)
        if receiver is None and not wrapped:
            after, wrapped = FIRST, True
            continue
        if receiver is None or (wrapped and receiver > begin > FIRST):
            return Claimed(claimed, served, complete=True)
        account_id, host = after = receiver
        room = min(
            places - len(claimed),
            limits.per_account - accounts.get(account_id, 0),
            limits.per_host - hosts.get(host, 0),
        )
        taken = await _claim_of(tx, sender, receiver, room, lease_ms) if room > 0 else []
        accounts[account_id] = accounts.get(account_id, 0) + len(taken)
        hosts[host] = hosts.get(host, 0) + len(taken)
        claimed += taken
        served = receiver if taken else served
        if len(claimed) >= places:
            break
    return Claimed(claimed, after, complete=False)


async def record(tx: Transaction, message: Message, sender: str, attempt: Attempt) -> bool:
    """Log an attempt and say what is next; False when the lease has passed on to another."""
    state, due_ms = Delivery.PENDING, tx.now_ms
    if attempt.reason is None:
        state = Delivery.DELIVERED
    elif message.attempt + 1 >= ATTEMPTS_MAX:
        state = Delivery.FAILED
    else:
        due_ms += RETRY_SECONDS[message.attempt] * 1000
    touched = await tx.execute(
        "update outbox set state = $1, attempt = attempt + 1, due_at_ms = $2, sender = null,"
        " lease_until_ms = null, answer_status = $3, answer_note = $4,"
        " finished_at_ms = case when $1 = 'pending' then null else $5 end"
        " where id = $6 and claims = $7 and sender = $8 and state = 'pending'",
        state.value, due_ms, attempt.status, attempt.reason, tx.now_ms,
        message.id, message.claims, sender,
    )  # fmt: skip
    if touched:
        await _log(tx, message, attempt)
    return touched == 1


async def give_back(tx: Transaction, message: Message, sender: str) -> None:
    """End our lease on a message that was not sent, so that somebody else can at once."""
    await tx.execute(
        "update outbox set due_at_ms = $1, sender = null, lease_until_ms = null"
        " where id = $2 and claims = $3 and sender = $4 and state = 'pending'",
        tx.now_ms, message.id, message.claims, sender,
    )  # fmt: skip


async def redeliver(tx: Transaction, message_id: str) -> bool:
    """Make a delivered or failed message pending, with all its attempts; False if it is already."""
    touched = await tx.execute(
        "update outbox set state = 'pending', attempt = 0, due_at_ms = $1, finished_at_ms = null"
        " where id = $2 and state <> 'pending'",
        tx.now_ms, message_id,
    )  # fmt: skip
    return touched == 1


async def redeliver_failed(tx: Transaction, limit: int) -> int:
    """The same for failed messages, oldest first; returns how many, at most `limit`."""
    rows = await tx.fetch_all(
        "select id from outbox where state = 'failed' order by created_at_ms limit $1", limit
    )
    for row in rows:
        await redeliver(tx, row["id"])
    return len(rows)


async def forget(tx: Transaction, job_id: str) -> None:
    """Delete a job's message and the log of its attempts."""
    await tx.execute("delete from outbox where job_id = $1", job_id)


async def _in_flight(tx: Transaction) -> tuple[dict[str, int], dict[str, int]]:
    """How many are on their way now: by account, and by host."""
    accounts: dict[str, int] = {}
    hosts: dict[str, int] = {}
    for row in await tx.fetch_all(
        "select account_id, host, count(*) as n from outbox where lease_until_ms > $1"
        " group by account_id, host",
        tx.now_ms,
    ):
        accounts[row["account_id"]] = accounts.get(row["account_id"], 0) + row["n"]
        hosts[row["host"]] = hosts.get(row["host"], 0) + row["n"]
    return accounts, hosts


async def _receiver_after(tx: Transaction, after: Receiver) -> Receiver | None:
    """The next receiver with something pending: a step along the index, however much it has."""
    row = await tx.fetch_one(
        "select account_id, host from outbox where state = 'pending'"
        " and (account_id, host) > ($1, $2) order by account_id, host limit 1",
        *after,
    )
    return None if row is None else (row["account_id"], row["host"])


async def _claim_of(
    tx: Transaction, sender: str, receiver: Receiver, room: int, lease_ms: int
) -> list[Message]:
    rows = await tx.fetch_all(
        "select * from outbox where state = 'pending' and account_id = $1 and host = $2"
        " and due_at_ms <= $3 order by due_at_ms limit $4",
        *receiver, tx.now_ms, room,
    )  # fmt: skip
    for row in rows:
        await tx.execute(
            "update outbox set sender = $1, claims = claims + 1, lease_until_ms = $2,"
            " due_at_ms = $2 where id = $3",
            sender, tx.now_ms + lease_ms, row["id"],
        )  # fmt: skip
    return [_message(row, tx.now_ms) for row in rows]


def _message(row: Row, now_ms: int) -> Message:
    return Message(
        id=row["id"],
        job_id=row["job_id"],
        account_id=row["account_id"],
        dialect=row["dialect"],
        url=row["url"],
        attempt=row["attempt"],
        claims=row["claims"] + 1,
        claimed_at_ms=now_ms,
    )


async def _log(tx: Transaction, message: Message, attempt: Attempt) -> None:
    row = await tx.fetch_one(
        "select coalesce(max(number), 0) as n from webhook_attempts where message_id = $1",
        message.id,
    )
    assert row is not None
    await tx.execute(
        "insert into webhook_attempts (message_id, number, started_at_ms, duration_ms, status,"
        " reason, answer) values ($1, $2, $3, $4, $5, $6, $7)",
        message.id, row["n"] + 1, message.claimed_at_ms, attempt.duration_ms, attempt.status,
        attempt.reason, attempt.answer,
    )  # fmt: skip
    await tx.execute(
        "delete from webhook_attempts where message_id = $1 and number <= $2",
        message.id, row["n"] + 1 - ATTEMPTS_KEPT,
    )  # fmt: skip


def _host(url: str) -> str:
    """Of a URL that its door has checked."""
    return (urlsplit(url).hostname or "").lower().removesuffix(".")
