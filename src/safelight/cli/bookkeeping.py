"""Keys, credits and the proof of the books, as commands."""

import time
from collections.abc import Sequence
from typing import Any

from rich.table import Table
from rich.text import Text

from safelight import accounts, catalog, ledger, settings
from safelight.accounts import KeyTerms
from safelight.catalog.prices import credits_text
from safelight.cli.assembly import run_with_database
from safelight.db import Database, Row, Transaction
from safelight.errors import ConfigurationError, NotFound
from safelight.ledger import DAY_MS, MICROCREDITS
from safelight.ledger.verify import Proof
from safelight.ledger.verify import verify as verify_books
from safelight.settings import Settings

DEMO_ACCOUNT = "demo"
DEMO_CREDITS = 1000


def create_key(
    config: Settings,
    account: str,
    *,
    grant: int | None = None,
    models: Sequence[str] | None = None,
    days: int | None = None,
    requests_per_minute: int | None = None,
    credit_limit: int | None = None,
    daily_limit: int | None = None,
) -> dict[str, str]:
    if not account.strip():
        raise ConfigurationError("an account needs a name")
    known = catalog.load(config.credits_per_usd).models
    for model in models or ():
        if model not in known:
            raise ConfigurationError(f"{model} is not a model; see `safelight models`")
    key = accounts.new_key()
    pepper = settings.install_secret(config)

    async def commit(tx: Transaction) -> str:
        account_id = await accounts.ensure(tx, account)
        if grant is not None:
            await ledger.grant(tx, account_id, grant, "with a new key")
        terms = KeyTerms(
            name=account,
            models=frozenset(models) if models else None,
            expires_at_ms=None if days is None else tx.now_ms + days * DAY_MS,
            requests_per_minute=requests_per_minute,
            credit_limit_microcredits=credit_limit,
            daily_limit_microcredits=daily_limit,
        )
        return await accounts.insert_key(tx, account_id, key, pepper, terms)

    key_id = run_with_database(config, lambda db: db.write(commit))
    return {"key": key, "account": account, "key_id": key_id}


def demo_key(config: Settings) -> str:
    """A key for today with enough credits to play with."""

    async def top_up(tx: Transaction) -> int:
        account_id = await accounts.ensure(tx, DEMO_ACCOUNT)
        balance = await ledger.balance(tx, account_id)
        return max(0, DEMO_CREDITS * MICROCREDITS - balance.available)

    missing = run_with_database(config, lambda db: db.write(top_up))
    return create_key(config, DEMO_ACCOUNT, grant=missing, days=1)["key"]


def list_keys(config: Settings) -> list[dict[str, Any]]:
    rows = run_with_database(config, lambda db: db.scan(accounts.list_keys))
    now_ms = time.time_ns() // 1_000_000
    return [_key(row, now_ms) for row in rows]


def _key(row: Row, now_ms: int) -> dict[str, Any]:
    state = "open"
    if row["revoked_at_ms"] is not None:
        state = "revoked"
    elif row["expires_at_ms"] is not None and row["expires_at_ms"] <= now_ms:
        state = "expired"
    return {
        "id": row["id"],
        "account": row["account"],
        "hint": row["hint"],
        "models": row["models"] or "all",
        "state": state,
        "held": credits_text(row["held_microcredits"]),
        "spent": credits_text(row["spent_microcredits"]),
    }


def revoke_key(config: Settings, key_id: str) -> None:
    if not run_with_database(
        config, lambda db: db.write(lambda tx: accounts.revoke_key(tx, key_id))
    ):
        raise NotFound(f"there is no open key {key_id}; see `safelight keys list`")


def balances(config: Settings, account: str | None) -> list[dict[str, Any]]:
    async def read(tx: Transaction) -> list[Row]:
        return await tx.fetch_all(
            "select * from accounts where $1 is null or name = $1 order by name", account
        )

    rows = run_with_database(config, lambda db: db.scan(read))
    if account is not None and not rows:
        raise NotFound(f"there is no account {account}")
    return [
        {
            "account": row["name"],
            "available": credits_text(row["available_microcredits"]),
            "held": credits_text(row["held_microcredits"]),
            "spent": credits_text(row["spent_microcredits"]),
            "granted": credits_text(row["granted_microcredits"]),
        }
        for row in rows
    ]


def grant(config: Settings, account: str, amount: int, note: str | None) -> int:
    """Returns what is available afterwards, in microcredits."""

    async def commit(tx: Transaction) -> int:
        account_id = await accounts.ensure(tx, account)
        await ledger.grant(tx, account_id, amount, note)
        return (await ledger.balance(tx, account_id)).available

    return run_with_database(config, lambda db: db.write(commit))


def verify(config: Settings) -> Proof:
    async def read(db: Database) -> Proof:
        return await db.scan(verify_books)

    return run_with_database(config, read)


def table(rows: Sequence[dict[str, Any]], *columns: str) -> Table:
    drawn = Table(box=None, header_style="bold", pad_edge=False)
    for column in columns:
        drawn.add_column(column.replace("_", " "), overflow="fold")
    for row in rows:
        drawn.add_row(*(Text(str(row[column])) for column in columns))  # [dev] is no markup
    return drawn
