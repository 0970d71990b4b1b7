"""An account's webhook secrets: shown, and made at first use; or a new one put in force."""

from safelight.db import Database, Transaction
from safelight.webhooks import rotation
from safelight.webhooks.rotation import AccountSecret


async def reveal(
    db: Database, account_id: str, pepper: bytes, *, rotate: bool = False
) -> list[AccountSecret]:
    """The secret in force and then the older ones that are still good, newest first."""

    async def commit(tx: Transaction) -> list[AccountSecret]:
        await rotation.valid(tx, account_id, pepper)  # the first must be there to be rotated
        if rotate:
            await rotation.rotate(tx, account_id)
        return await rotation.valid(tx, account_id, pepper)

    return await db.write(commit)
