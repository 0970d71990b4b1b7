"""Who may call: accounts, and the keys that open the doors for them."""

import hashlib
import hmac
import json
import secrets
import zlib
from dataclasses import dataclass

from safelight.db import Row, Transaction
from safelight.errors import Unauthenticated

KEY_PREFIX = "sl-"
KEY_RANDOM_CHARACTERS = 32  # base62: 190 bits
KEY_CHECKSUM_CHARACTERS = 6
BASE62 = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
KEY_LENGTH = len(KEY_PREFIX) + KEY_RANDOM_CHARACTERS + KEY_CHECKSUM_CHARACTERS


@dataclass(frozen=True, slots=True)
class Caller:
    """An authenticated key and its account, as every door needs them."""

    account_id: str
    account_name: str
    key_id: str
    models: frozenset[str] | None  # catalog ids the key may use; None: all
    expires_at_ms: int | None

    def may_use(self, model_id: str) -> bool:
        return self.models is None or model_id in self.models


def new_key() -> str:
    """A fresh key; its last six characters are a CRC-32, so that most typos fail at once."""
    body = KEY_PREFIX + "".join(secrets.choice(BASE62) for _ in range(KEY_RANDOM_CHARACTERS))
    return body + _checksum(body)


def looks_like_a_key(key: str) -> bool:
    """Whether the form and the checksum are right: what can be known without the database."""
    body, checksum = key[:-KEY_CHECKSUM_CHARACTERS], key[-KEY_CHECKSUM_CHARACTERS:]
    return (
        len(key) == KEY_LENGTH
        and key.isascii()
        and key.startswith(KEY_PREFIX)
        and hmac.compare_digest(_checksum(body), checksum)
    )


def digest(key: str, pepper: bytes) -> str:
    """What is stored of a key: HMAC-SHA-256 under the install's secret, in hex."""
    return hmac.digest(pepper, key.encode(), hashlib.sha256).hex()


async def ensure(tx: Transaction, name: str) -> str:
    """The id of the account of that name, made now if it is new."""
    row = await tx.fetch_one("select id from accounts where name = $1", name)
    if row is not None:
        return str(row["id"])
    account_id = f"acc_{secrets.token_hex(9)}"
    await tx.execute(
        "insert into accounts (id, name, created_at_ms) values ($1, $2, $3)",
        account_id, name, tx.now_ms,
    )  # fmt: skip
    return account_id


async def find(tx: Transaction, name: str) -> Row | None:
    return await tx.fetch_one("select * from accounts where name = $1", name)


@dataclass(frozen=True, kw_only=True)
class KeyTerms:
    """What a new key may do; None is no limit beyond the account's."""

    name: str
    models: frozenset[str] | None = None
    expires_at_ms: int | None = None
    requests_per_minute: int | None = None
    credit_limit_microcredits: int | None = None
    daily_limit_microcredits: int | None = None


async def insert_key(
    tx: Transaction, account_id: str, key: str, pepper: bytes, terms: KeyTerms
) -> str:
    """Store a key's digest and terms; the key itself is nowhere kept. Returns the key's id."""
    key_id = f"key_{secrets.token_hex(9)}"
    await tx.execute(
        "insert into keys (id, account_id, name, digest, hint, models, created_at_ms,"
        " expires_at_ms, requests_per_minute, credit_limit, daily_limit)"
        " values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)",
        key_id, account_id, terms.name, digest(key, pepper), f"{key[:7]}…{key[-4:]}",
        None if terms.models is None else json.dumps(sorted(terms.models)), tx.now_ms,
        terms.expires_at_ms, terms.requests_per_minute, terms.credit_limit_microcredits,
        terms.daily_limit_microcredits,
    )  # fmt: skip
    return key_id


async def authenticate(tx: Transaction, key: str, pepper: bytes) -> Caller:
    """The caller behind a key. Raises Unauthenticated for unknown, revoked and expired ones."""
    if not looks_like_a_key(key):
        raise Unauthenticated()
    row = await tx.fetch_one(
        "select k.id, k.account_id, k.models, k.expires_at_ms, k.revoked_at_ms, a.name"
        " from keys k join accounts a on a.id = k.account_id where k.digest = $1",
        digest(key, pepper),
    )
    # One refusal for all: whoever finds an old key is not told that it once was good.
    if row is None or row["revoked_at_ms"] is not None:
        raise Unauthenticated()
    if row["expires_at_ms"] is not None and row["expires_at_ms"] <= tx.now_ms:
        raise Unauthenticated()
    return Caller(
        account_id=row["account_id"],
        account_name=row["name"],
        key_id=row["id"],
        models=None if row["models"] is None else frozenset(json.loads(row["models"])),
        expires_at_ms=row["expires_at_ms"],
    )


async def revoke_key(tx: Transaction, key_id: str) -> bool:
    """Close the door to a key for ever; False when there is no such open key."""
    touched = await tx.execute(
        "update keys set revoked_at_ms = $1 where id = $2 and revoked_at_ms is null",
        tx.now_ms, key_id,
    )  # fmt: skip
    return touched == 1


async def any_open_key(tx: Transaction) -> bool:
    """Whether there is a key that opens a door now."""
    row = await tx.fetch_one(
        "select 1 from keys where revoked_at_ms is null"
        " and (expires_at_ms is null or expires_at_ms > $1) limit 1",
        tx.now_ms,
    )
    return row is not None


async def list_keys(tx: Transaction, account_id: str | None = None) -> list[Row]:
    """Every key, or an account's, oldest first; digests are left out."""
    return await tx.fetch_all(
        "select k.id, k.name, a.name as account, k.hint, k.models, k.created_at_ms,"
        " k.expires_at_ms, k.revoked_at_ms, k.requests_per_minute, k.credit_limit,"
        " k.daily_limit, k.held_microcredits, k.spent_microcredits"
        " from keys k join accounts a on a.id = k.account_id"
        " where $1 is null or k.account_id = $1 order by k.created_at_ms, k.id",
        account_id,
    )


def _checksum(body: str) -> str:
    number, characters = zlib.crc32(body.encode()), ""
    for _ in range(KEY_CHECKSUM_CHARACTERS):
        number, index = divmod(number, 62)
        characters = BASE62[index] + characters
    return characters
