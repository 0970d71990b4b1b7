"""Credits: reserved at submission, captured at completion, released at failure. Integers only.

Two-phase and double-entry: every change is one row that moves an amount between books, and the
balances on the account's and the key's rows are caches of those rows that constraints guard.
A hold is resolved at most once, by a unique index; `verify` proves the books from the rows alone.
"""

from dataclasses import dataclass

from safelight.db import Row, Transaction
from safelight.errors import InsufficientCredits, NotFound

MICROCREDITS = 1_000_000  # per credit
DAY_MS = 86_400_000


@dataclass(frozen=True, slots=True)
class Balance:
    """Microcredits of an account, and of one of its keys."""

    available: int
    held: int
    spent: int
    key_held: int
    key_spent: int
    key_limit: int | None


@dataclass(frozen=True, slots=True)
class Totals:
    """Microcredits of all accounts together."""

    granted: int
    available: int
    held: int
    spent: int


async def grant(tx: Transaction, account_id: str, amount: int, note: str | None = None) -> None:
    """Give an account credits; a negative amount takes back what is still available."""
    if amount < 0:
        await _withdraw(tx, account_id, -amount, note)
        return
    await tx.execute(
        "update accounts set granted_microcredits = granted_microcredits + $1,"
        " available_microcredits = available_microcredits + $1 where id = $2",
        amount, account_id,
    )  # fmt: skip
    await _append(tx, account_id, None, None, "grant", "issued", "available", amount, note)


async def _withdraw(tx: Transaction, account_id: str, amount: int, note: str | None) -> None:
    touched = await tx.execute(
        "update accounts set granted_microcredits = granted_microcredits - $1,"
        " available_microcredits = available_microcredits - $1"
        " where id = $2 and available_microcredits >= $1",
        amount, account_id,
    )  # fmt: skip
    if touched != 1:
        raise InsufficientCredits("The account does not have that many credits to take back")
    await _append(tx, account_id, None, None, "withdraw", "available", "issued", amount, note)


async def hold(tx: Transaction, account_id: str, key_id: str, job_id: str, price: int) -> None:
    """Set a job's price aside, in the transaction that creates the job.

    Both guards are one conditional UPDATE each, never check-then-act: of a hundred racing
    submissions on credit for ten, ten succeed. Raises InsufficientCredits.
    """
    touched = await tx.execute(
        "update accounts set available_microcredits = available_microcredits - $1,"
        " held_microcredits = held_microcredits + $1"
        " where id = $2 and available_microcredits >= $1",
        price, account_id,
    )  # fmt: skip
    if touched != 1:
        row = await tx.fetch_one(
            "select available_microcredits from accounts where id = $1", account_id
        )
        raise InsufficientCredits(
            price_microcredits=price,
            available_microcredits=row["available_microcredits"] if row else None,
        )
    await _hold_on_key(tx, key_id, price)
    await _append(tx, account_id, key_id, job_id, "hold", "available", "held", price)


async def _hold_on_key(tx: Transaction, key_id: str, price: int) -> None:
    today = tx.now_ms // DAY_MS
    touched = await tx.execute(
        "update keys set held_microcredits = held_microcredits + $1, day = $2,"
        " day_microcredits = case when day = $2 then day_microcredits else 0 end + $1"
        " where id = $3"
        " and (credit_limit is null or held_microcredits + spent_microcredits + $1 <= credit_limit)"
        " and (daily_limit is null"
        " or case when day = $2 then day_microcredits else 0 end + $1 <= daily_limit)",
        price, today, key_id,
    )  # fmt: skip
    if touched == 1:
        return
    row = await tx.fetch_one("select * from keys where id = $1", key_id)
    if row is None:
        raise NotFound("The key is gone")
    if row["credit_limit"] is not None and (
        row["held_microcredits"] + row["spent_microcredits"] + price > row["credit_limit"]
    ):
        raise InsufficientCredits(
            "Insufficient quota. This key has reached its credit limit.",
            scope="key",
            price_microcredits=price,
            available_microcredits=row["credit_limit"]
            - row["held_microcredits"]
            - row["spent_microcredits"],
        )
    raise InsufficientCredits(
        "Insufficient quota. This key has reached its daily limit.",
        scope="day",
        price_microcredits=price,
    )


async def capture(tx: Transaction, job_id: str) -> None:
    """Turn a job's hold into its charge; the driver's IntegrityError if it was resolved before."""
    held = await _open_hold(tx, job_id)
    amount = held["amount_microcredits"]
    await _append(
        tx, held["account_id"], held["key_id"], job_id, "capture", "held", "spent", amount
    )
    await tx.execute(
        "update accounts set held_microcredits = held_microcredits - $1,"
        " spent_microcredits = spent_microcredits + $1 where id = $2",
        amount, held["account_id"],
    )  # fmt: skip
    await tx.execute(
        "update keys set held_microcredits = held_microcredits - $1,"
        " spent_microcredits = spent_microcredits + $1 where id = $2",
        amount, held["key_id"],
    )  # fmt: skip


async def release(tx: Transaction, job_id: str) -> None:
    """Give a job's hold back to its account and key."""
    held = await _open_hold(tx, job_id)
    amount = held["amount_microcredits"]
    await _append(
        tx, held["account_id"], held["key_id"], job_id, "release", "held", "available", amount
    )
    await tx.execute(
        "update accounts set held_microcredits = held_microcredits - $1,"
        " available_microcredits = available_microcredits + $1 where id = $2",
        amount, held["account_id"],
    )  # fmt: skip
    await tx.execute(
        "update keys set held_microcredits = held_microcredits - $1,"
        # A hold of an earlier day no longer weighs on today's limit; never below zero, because a
        # clock that was set back may have forgotten it.
        " day_microcredits = case when day <> $3 then day_microcredits"
        " when day_microcredits > $1 then day_microcredits - $1 else 0 end"
        " where id = $2",
        amount, held["key_id"], held["created_at_ms"] // DAY_MS,
    )  # fmt: skip


async def balance(tx: Transaction, account_id: str, key_id: str | None = None) -> Balance:
    row = await tx.fetch_one(
        "select a.available_microcredits, a.held_microcredits, a.spent_microcredits,"
        " coalesce(k.held_microcredits, 0) as key_held,"
        " coalesce(k.spent_microcredits, 0) as key_spent, k.credit_limit"
        " from accounts a left join keys k on k.account_id = a.id and k.id = $2 where a.id = $1",
        account_id, key_id,
    )  # fmt: skip
    if row is None:
        raise NotFound("No such account")
    return Balance(
        available=row["available_microcredits"],
        held=row["held_microcredits"],
        spent=row["spent_microcredits"],
        key_held=row["key_held"],
        key_spent=row["key_spent"],
        key_limit=row["credit_limit"],
    )


async def totals(tx: Transaction) -> Totals:
    """The sums of all accounts."""
    row = await tx.fetch_one(
        "select coalesce(sum(granted_microcredits), 0) as granted,"
        " coalesce(sum(available_microcredits), 0) as available,"
        " coalesce(sum(held_microcredits), 0) as held,"
        " coalesce(sum(spent_microcredits), 0) as spent from accounts"
    )
    assert row is not None
    return Totals(row["granted"], row["available"], row["held"], row["spent"])


async def _open_hold(tx: Transaction, job_id: str) -> Row:
    row = await tx.fetch_one(
        "select account_id, key_id, amount_microcredits, created_at_ms"
        " from ledger where job_id = $1 and kind = 'hold'",
        job_id,
    )
    assert row is not None, f"job {job_id} was never held"
    return row


async def _append(
    tx: Transaction,
    account_id: str,
    key_id: str | None,
    job_id: str | None,
    kind: str,
    from_book: str,
    to_book: str,
    amount: int,
    note: str | None = None,
) -> None:
    await tx.execute(
        "insert into ledger (account_id, key_id, job_id, kind, from_book, to_book,"
        " amount_microcredits, note, created_at_ms) values ($1, $2, $3, $4, $5, $6, $7, $8, $9)",
        account_id, key_id, job_id, kind, from_book, to_book, amount, note, tx.now_ms,
    )  # fmt: skip
