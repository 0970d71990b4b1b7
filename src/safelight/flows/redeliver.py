"""Somebody wants to hear it again → a pending message, and the sender's bell."""

from safelight import audit, limits, webhooks
from safelight.accounts import Caller
from safelight.audit import Action, Origin
from safelight.db import Database, Transaction
from safelight.errors import UnknownDelivery
from safelight.webhooks import deliveries, outbox
from safelight.webhooks.deliveries import LoggedMessage

BATCH_MESSAGES = 500  # that one transaction makes pending, so that nobody waits long behind it


async def redeliver(
    db: Database, caller: Caller, message_id: str, dialect: str, defaults: limits.Defaults
) -> LoggedMessage:
    """Send an account's message again, under its old id, with all its attempts.

    One that is pending already is left as it is. Counts as a request of the account. Raises
    UnknownDelivery or TooManyRequests.
    """

    async def commit(tx: Transaction) -> LoggedMessage:
        found = await deliveries.find(tx, message_id, account_id=caller.account_id, dialect=dialect)
        if found is None:
            raise UnknownDelivery
        await limits.spend_request(tx, caller.account_id, caller.key_id, defaults)
        await outbox.redeliver(tx, message_id)
        return (
            await deliveries.find(tx, message_id, account_id=caller.account_id, dialect=dialect)
            or found
        )

    message = await db.write(commit)
    db.announce(webhooks.BELL)
    return message


async def redeliver_as_operator(
    db: Database, message_id: str, pepper: bytes, origin: Origin
) -> bool:
    """The same for anybody's message; False when there is none of that id."""

    async def commit(tx: Transaction) -> bool:
        row = await tx.fetch_one("select state from outbox where id = $1", message_id)
        if row is None:
            return False
        if await outbox.redeliver(tx, message_id):
            await audit.append(
                tx, pepper, origin, Action.WEBHOOK_REDELIVERED, message_id,
                before={"state": row["state"]}, after={"state": "pending"},
            )  # fmt: skip
        return True

    found = await db.write(commit)
    db.announce(webhooks.BELL)
    return found


async def redeliver_failed(db: Database, pepper: bytes, origin: Origin) -> int:
    """Send every failed message again; returns how many."""

    async def commit(tx: Transaction) -> int:
        done = await outbox.redeliver_failed(tx, BATCH_MESSAGES)
        if done:
            await audit.append(
                tx, pepper, origin, Action.WEBHOOK_REDELIVERED, "every failed one",
                after={"messages": done},
            )  # fmt: skip
        return done

    count, done = 0, BATCH_MESSAGES
    while done == BATCH_MESSAGES:
        done = await db.write(commit)
        count += done
        db.announce(webhooks.BELL)
    return count
