"""Keys, credits and the proof of the books, as commands."""

import re
import shutil
import textwrap
import time
from collections.abc import Iterable, Sequence
from typing import Any

from rich.table import Table
from rich.text import Text

from safelight import accounts, audit, catalog, ledger, settings
from safelight.accounts import KeyTerms
from safelight.audit import Action
from safelight.catalog.prices import credits_text
from safelight.cli.acting import operator
from safelight.cli.assembly import run_with_database
from safelight.db import Database, Row, Transaction
from safelight.errors import ConfigurationError, NotFound
from safelight.ledger import DAY_MS, MICROCREDITS
from safelight.ledger.verify import Proof
from safelight.ledger.verify import verify as verify_books
from safelight.settings import Settings
from safelight.telemetry.lines import printable

DEMO_ACCOUNT = "demo"
DEMO_CREDITS = 1000
NAME_CHARACTERS_MAX = 200
NOTE_CHARACTERS_MAX = 1000  # it has to find room in a row of the audit log
INDENT = " " * 6  # of an entry's second line
CONTROLS = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069]")


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
    _check_name(account)
    known = catalog.load(config.credits_per_usd).models
    for model in models or ():
        if model not in known:
            raise ConfigurationError(f"{model} is not a model; see `safelight models`")
    key = accounts.new_key()
    pepper = settings.install_secret(config)

    async def commit(tx: Transaction) -> str:
        account_id = await _ensure(tx, account, pepper)
        if grant is not None:
            await _grant(tx, account_id, grant, "with a new key", pepper)
        terms = KeyTerms(
            name=account,
            models=frozenset(models) if models else None,
            expires_at_ms=None if days is None else tx.now_ms + days * DAY_MS,
            requests_per_minute=requests_per_minute,
            credit_limit_microcredits=credit_limit,
            daily_limit_microcredits=daily_limit,
        )
        key_id = await accounts.insert_key(tx, account_id, key, pepper, terms)
        await audit.append(
            tx, pepper, operator(), Action.KEY_CREATED, key_id,
            after={"account": account_id, "models": sorted(models) if models else None,
                   "expires_at_ms": terms.expires_at_ms, "requests_per_minute": requests_per_minute,
                   "credit_limit_microcredits": credit_limit,
                   "daily_limit_microcredits": daily_limit},
        )  # fmt: skip
        return key_id

    key_id = run_with_database(config, lambda db: db.write(commit))
    return {"key": key, "account": account, "key_id": key_id}


def demo_key(config: Settings) -> str:
    """A key for today with enough credits to play with."""

    async def missing(tx: Transaction) -> int:
        row = await accounts.find(tx, DEMO_ACCOUNT)
        available = row["available_microcredits"] if row else 0
        return max(0, DEMO_CREDITS * MICROCREDITS - available)

    credits_missing = run_with_database(config, lambda db: db.read(missing))
    return create_key(config, DEMO_ACCOUNT, grant=credits_missing, days=1)["key"]


def _check_name(account: str) -> None:
    """Raises ConfigurationError. What is printed in tables must not steer the terminal."""
    if not account.strip():
        raise ConfigurationError("an account needs a name")
    if len(account) > NAME_CHARACTERS_MAX or CONTROLS.search(account):
        raise ConfigurationError(
            f"an account's name is one line of at most {NAME_CHARACTERS_MAX} characters"
        )


async def _ensure(tx: Transaction, account: str, pepper: bytes) -> str:
    """The account's id, and in the audit log that it was made now if it was."""
    is_new = await accounts.find(tx, account) is None
    account_id = await accounts.ensure(tx, account)
    if is_new:
        await audit.append(
            tx, pepper, operator(), Action.ACCOUNT_CREATED, account_id, after={"name": account}
        )
    return account_id


async def _grant(
    tx: Transaction, account_id: str, amount: int, note: str | None, pepper: bytes
) -> int:
    """What is available afterwards, in microcredits."""
    before = await ledger.balance(tx, account_id)
    await ledger.grant(tx, account_id, amount, note)
    after = await ledger.balance(tx, account_id)
    await audit.append(
        tx, pepper, operator(),
        Action.CREDITS_WITHDRAWN if amount < 0 else Action.CREDITS_GRANTED, account_id,
        before={"available_microcredits": before.available},
        after={"available_microcredits": after.available, "note": note},
    )  # fmt: skip
    return after.available


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
    pepper = settings.install_secret(config)

    async def commit(tx: Transaction) -> bool:
        if not await accounts.revoke_key(tx, key_id):
            return False
        await audit.append(
            tx, pepper, operator(), Action.KEY_REVOKED, key_id,
            before={"state": "open"}, after={"state": "revoked"},
        )  # fmt: skip
        return True

    if not run_with_database(config, lambda db: db.write(commit)):
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
    _check_name(account)
    if note is not None and len(note) > NOTE_CHARACTERS_MAX:
        raise ConfigurationError(f"a note has at most {NOTE_CHARACTERS_MAX} characters")
    pepper = settings.install_secret(config)

    async def commit(tx: Transaction) -> int:
        account_id = await _ensure(tx, account, pepper)
        return await _grant(tx, account_id, amount, note, pepper)

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


def entry(first: Iterable[str], under: Iterable[str]) -> str:
    """A row too wide for a table: what names it in one line, and wrapped below it the rest."""
    below = textwrap.fill(
        printable(", ".join(filter(None, under))), shutil.get_terminal_size().columns,
        initial_indent=INDENT, subsequent_indent=INDENT, break_on_hyphens=False,
    )  # fmt: skip
    return printable("  ".join(first)) + f"\n{below}"
