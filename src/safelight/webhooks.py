"""The outbox of callbacks: a row commits with the outcome, so that no crash can lose one."""

import secrets

from safelight.db import Transaction


async def enqueue(tx: Transaction, *, job_id: str, account_id: str, url: str) -> None:
    """Owe the caller one message about this job's end."""
    await tx.execute(
        "insert into outbox (id, job_id, account_id, url, state, due_at_ms, created_at_ms)"
        " values ($1, $2, $3, $4, 'pending', $5, $5)",
        f"msg_{secrets.token_hex(12)}", job_id, account_id, url, tx.now_ms,
    )  # fmt: skip
