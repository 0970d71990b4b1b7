"""Somebody wants to hear it again → a pending message, and the sender's bell."""

from safelight import limits, webhooks
from safelight.accounts import Caller
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


async def redeliver_as_operator(db: Database, message_id: str) -> bool:
    """The same for anybody's message; False when there is none of that id."""

    async def commit(tx: Transaction) -> bool:
        row = await tx.fetch_one("select 1 from outbox where id = $1", message_id)
        await outbox.redeliver(tx, message_id)
        return row is not None

    found = await db.write(commit)
    db.announce(webhooks.BELL)
    return found


async def redeliver_failed(db: Database) -> int:
    """Send every failed message again; returns how many."""
    count, done = 0, BATCH_MESSAGES
    while done == BATCH_MESSAGES:
        done = await db.write(lambda tx: outbox.redeliver_failed(tx, BATCH_MESSAGES))
        count += done
        db.announce(webhooks.BELL)
    return count
