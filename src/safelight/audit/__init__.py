"""Who changed what, in a chain of rows that nobody can edit unseen.

A row is appended in the transaction of the change it records, so that both are there or neither:

    async def commit(tx: Transaction) -> None:
        changed = await accounts.revoke_key(tx, key_id)
        await audit.append(
            tx, pepper, Origin(actor="operator:ada"), Action.KEY_REVOKED, key_id,
            before={"state": "open"}, after={"state": "revoked"},
        )

    await db.write(commit)  # never write_soon: a power cut must not forget who did it

Each row's hash is an HMAC over all its columns and the hash of the row before, under a key made of
the install's secret: whoever edits the file cannot compute the chain anew. `audit.verify` finds
every edited, inserted, removed or reordered row; a cut-off end shows against a head that was
written down elsewhere (`Head`, `safelight audit head`). Details are identifiers, amounts and
settings, never a prompt; what looks like a key or a secret is masked.
"""

import hashlib
import hmac
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from safelight.db import Row, Transaction

DETAILS_BYTES_MAX = 8 * 1024  # of a row, as JSON
TEXT_CHARACTERS_MAX = 256  # of an actor or an object
GENESIS = "0" * 64  # stands before the first row
SECRETS = re.compile(r"sl-[0-9A-Za-z]{38}|whsec_[0-9A-Za-z+/=]{16,}")  # API keys, webhook secrets
MASK = "(masked)"
COLUMNS = (
    "number", "at_ms", "actor", "action", "object", "details", "request_id", "address", "previous"
)  # fmt: skip


class Action(StrEnum):
    """What can have been done. A new one needs a line here and nothing else."""

    ACCOUNT_CREATED = "account.created"
    KEY_CREATED = "key.created"  # its limits, its models, its end
    KEY_REVOKED = "key.revoked"
    CREDITS_GRANTED = "credits.granted"
    CREDITS_WITHDRAWN = "credits.withdrawn"
    WEBHOOK_SECRET_ROTATED = "webhook_secret.rotated"  # noqa: S105 — a word, no secret
    WEBHOOK_REDELIVERED = "webhook.redelivered"  # by an operator
    STYLES_PINNED = "styles.pinned"
    SETTINGS_IN_FORCE = "settings.in_force"  # those that weaken a safeguard, when they changed
    REVIEW_DECIDED = "review.decided"  # a person's word on a refusal


@dataclass(frozen=True, kw_only=True, slots=True)
class Origin:
    """Who acts, and through which request if there was one."""

    actor: str  # operator:<login at the machine>, a key's id, or server
    request_id: str | None = None
    address: str | None = None


SERVER = Origin(actor="server")


@dataclass(frozen=True, kw_only=True, slots=True)
class Head:
    """The chain's newest row: what to write down elsewhere, so that a cut-off end is noticed."""

    number: int
    hash: str

    def __str__(self) -> str:
        return f"{self.number}:{self.hash}"


EMPTY = Head(number=0, hash=GENESIS)


async def append(
    tx: Transaction,
    pepper: bytes,
    origin: Origin,
    action: Action,
    object_id: str,
    *,
    before: Mapping[str, Any] | None = None,
    after: Mapping[str, Any] | None = None,
) -> Head:
    """Record what this transaction does. `pepper` is the install's secret.

    `object_id` names what was changed (a key's id, an account's); `before` and `after` are what of
    it changed, as JSON. Raises ValueError for details that are too long.
    """
    last = await head(tx)
    row: dict[str, Any] = {
        "number": last.number + 1,
        "at_ms": tx.now_ms,
        "actor": origin.actor[:TEXT_CHARACTERS_MAX],
        "action": str(action),
        "object": object_id[:TEXT_CHARACTERS_MAX],
        "details": _details(before, after),
        "request_id": origin.request_id,
        "address": origin.address,
        "previous": last.hash,
    }
    found = Head(number=row["number"], hash=chained(chain_key(pepper), row))
    await tx.execute(
        "insert into audit (number, at_ms, actor, action, object, details, request_id, address,"
        " previous, hash) values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)",
        *row.values(), found.hash,
    )  # fmt: skip
    return found


async def head(tx: Transaction) -> Head:
    """The newest row, or EMPTY."""
    row = await tx.fetch_one("select number, hash from audit order by number desc limit 1")
    return EMPTY if row is None else Head(number=row["number"], hash=row["hash"])


async def latest(tx: Transaction, action: Action, object_id: str) -> dict[str, Any] | None:
    """What the newest row of that action on that object says in `after`."""
    row = await tx.fetch_one(
        "select details from audit where action = $1 and object = $2 order by number desc limit 1",
        str(action), object_id,
    )  # fmt: skip
    found: dict[str, Any] | None = None if row is None else json.loads(row["details"]).get("after")
    return found


async def newest(
    tx: Transaction, limit: int, action: str | None = None, object_id: str | None = None
) -> list[Row]:
    """Rows, newest first; those of an action or an object only, if given."""
    return await tx.fetch_all(
        "select * from audit where ($1 is null or action = $1) and ($2 is null or object = $2)"
        " order by number desc limit $3",
        action, object_id, limit,
    )  # fmt: skip


async def after_number(tx: Transaction, number: int, limit: int) -> list[Row]:
    """The rows that follow a number, oldest first."""
    return await tx.fetch_all(
        "select * from audit where number > $1 order by number limit $2", number, limit
    )


async def count_rows(tx: Transaction) -> int:
    row = await tx.fetch_one("select count(*) as n from audit")
    return row["n"] if row else 0


def chain_key(pepper: bytes) -> bytes:
    """What the hashes are keyed with: of the install's secret, and good for nothing else."""
    return hmac.digest(pepper, b"audit chain", hashlib.sha256)


def chained(key: bytes, row: Row) -> str:
    """A row's hash, in hex: HMAC-SHA-256 of the JSON list of its other columns."""
    text = json.dumps([row[column] for column in COLUMNS], separators=(",", ":"), default=repr)
    return hmac.digest(key, text.encode(), hashlib.sha256).hex()


def _details(before: Mapping[str, Any] | None, after: Mapping[str, Any] | None) -> str:
    given = {"before": before, "after": after}
    text = json.dumps(
        {name: value for name, value in given.items() if value is not None},
        sort_keys=True, separators=(",", ":"), allow_nan=False,
    )  # fmt: skip
    if len(text) > DETAILS_BYTES_MAX:
        raise ValueError(f"details of more than {DETAILS_BYTES_MAX} bytes")
    return SECRETS.sub(MASK, text)
