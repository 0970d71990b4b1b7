"""An account's webhook secrets: shown, and made at first use; or a new one put in force."""

from safelight import audit
from safelight.audit import Action, Origin
from safelight.db import Database, Transaction
from safelight.webhooks import rotation
from safelight.webhooks.rotation import AccountSecret


async def reveal(
    db: Database, account_id: str, pepper: bytes, rotated_by: Origin | None = None
) -> list[AccountSecret]:
    """The secret in force and then the older ones that are still good, newest first.

    With `rotated_by` a new one is put in force before.
    """

    async def commit(tx: Transaction) -> list[AccountSecret]:
        await rotation.valid(tx, account_id, pepper)  # the first must be there to be rotated
        if rotated_by is not None:
            await rotation.rotate(tx, account_id)
            await audit.append(tx, pepper, rotated_by, Action.WEBHOOK_SECRET_ROTATED, account_id)
        return await rotation.valid(tx, account_id, pepper)

    return await db.write(commit)
