"""The secrets of an account: made at first use, rotated, and the old one good for a day more.

No secret is stored: each is made of the install's secret and a salt, so that the database alone
betrays none.
"""

import base64
import hashlib
import hmac
import secrets
from dataclasses import dataclass

from safelight.db import Row, Transaction

OVERLAP_MS = 24 * 3_600_000  # how long receivers may take to learn a new secret
VALID_MAX = 5  # secrets of an account at a time, however often it is rotated: each is a signature
SALT_BYTES = 24
PREFIX = "whsec_"  # as the libraries of Standard Webhooks read it


@dataclass(frozen=True, kw_only=True, slots=True)
class AccountSecret:
    """A secret that messages are signed with now."""

    secret: str  # whsec_ and 32 bytes in base64
    created_at_ms: int
    expires_at_ms: int | None  # None: the one in force


async def valid(tx: Transaction, account_id: str, pepper: bytes) -> list[AccountSecret]:
    """The secret in force, made now if there is none, and then the older ones, newest first."""
    rows = await _rows(tx, account_id)
    if not rows:
        await _insert(tx, account_id)
        rows = await _rows(tx, account_id)
    return [
        AccountSecret(
            secret=_secret(account_id, row["salt"], pepper),
            created_at_ms=row["created_at_ms"],
            expires_at_ms=row["expires_at_ms"],
        )
        for row in rows
    ]


async def rotate(tx: Transaction, account_id: str) -> None:
    """Put a new secret in force. The one before is good for a day more."""
    await tx.execute(
        "delete from webhook_secrets where account_id = $1 and expires_at_ms <= $2",
        account_id, tx.now_ms,
    )  # fmt: skip
    await tx.execute(
        "update webhook_secrets set expires_at_ms = $1"
        " where account_id = $2 and expires_at_ms is null",
        tx.now_ms + OVERLAP_MS, account_id,
    )  # fmt: skip
    await _insert(tx, account_id)
    for row in (await _rows(tx, account_id))[VALID_MAX:]:
        await tx.execute(
            "delete from webhook_secrets where account_id = $1 and salt = $2",
            account_id, row["salt"],
        )  # fmt: skip


async def _insert(tx: Transaction, account_id: str) -> None:
    await tx.execute(
        "insert into webhook_secrets (account_id, salt, created_at_ms) values ($1, $2, $3)",
        account_id, secrets.token_hex(SALT_BYTES), tx.now_ms,
    )  # fmt: skip


async def _rows(tx: Transaction, account_id: str) -> list[Row]:
    return await tx.fetch_all(
        "select salt, created_at_ms, expires_at_ms from webhook_secrets where account_id = $1"
        " and (expires_at_ms is null or expires_at_ms > $2)"
        " order by expires_at_ms is null desc, expires_at_ms desc, salt",
        account_id, tx.now_ms,
    )  # fmt: skip


def _secret(account_id: str, salt: str, pepper: bytes) -> str:
    digest = hmac.digest(pepper, f"webhook secret:{account_id}:{salt}".encode(), hashlib.sha256)
    return PREFIX + base64.b64encode(digest).decode()
