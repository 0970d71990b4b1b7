"""Jobs in pages: newest first, by page number or by cursor, filtered by state and model."""

from collections.abc import Collection
from dataclasses import dataclass

from safelight.db import Row, Transaction
from safelight.jobs import Job, Link, State, from_row, pictures_of


@dataclass(frozen=True, kw_only=True)
class Filter:
    """Which of an account's jobs; None is all."""

    account_id: str
    dialect: str
    states: Collection[State] | None = None
    models: Collection[str] | None = None  # catalog ids


async def page(
    tx: Transaction, wanted: Filter, link: Link, *, offset: int, limit: int
) -> tuple[list[Job], int]:
    """One page by number, and how many jobs there are in all."""
    rows = await tx.fetch_all(
        "select * from jobs where account_id = $1 and dialect = $2"
        " and ($3 is null or $3 like '%,' || state || ',%')"
        " and ($4 is null or $4 like '%,' || model || ',%')"
        " order by created_at_ms desc, seq desc limit $5 offset $6",
        wanted.account_id, wanted.dialect, _set(wanted.states), _set(wanted.models), limit, offset,
    )  # fmt: skip
    total = await tx.fetch_one(
        "select count(*) as n from jobs where account_id = $1 and dialect = $2"
        " and ($3 is null or $3 like '%,' || state || ',%')"
        " and ($4 is null or $4 like '%,' || model || ',%')",
        wanted.account_id, wanted.dialect, _set(wanted.states), _set(wanted.models),
    )  # fmt: skip
    assert total is not None
    return await _with_pictures(tx, rows, link), total["n"]


async def before(
    tx: Transaction, wanted: Filter, link: Link, *, created_ms: int, seq: int, limit: int
) -> list[Job]:
    """The next jobs older than (created_ms, seq): a cursor that loses none of one millisecond."""
    rows = await tx.fetch_all(
        "select * from jobs where account_id = $1 and dialect = $2"
        " and (created_at_ms < $5 or (created_at_ms = $5 and seq < $6))"
        " and ($3 is null or $3 like '%,' || state || ',%')"
        " and ($4 is null or $4 like '%,' || model || ',%')"
        " order by created_at_ms desc, seq desc limit $7",
        wanted.account_id, wanted.dialect, _set(wanted.states), _set(wanted.models),
        created_ms, seq, limit,
    )  # fmt: skip
    return await _with_pictures(tx, rows, link)


async def by_ids(tx: Transaction, wanted: Filter, ids: Collection[str], link: Link) -> list[Job]:
    """Those of the ids that are the account's, in the order asked for."""
    rows = []
    for job_id in ids:
        row = await tx.fetch_one(
            "select * from jobs where id = $1 and account_id = $2 and dialect = $3",
            job_id, wanted.account_id, wanted.dialect,
        )  # fmt: skip
        if row is not None:
            rows.append(row)
    return await _with_pictures(tx, rows, link)


async def _with_pictures(tx: Transaction, rows: list[Row], link: Link) -> list[Job]:
    return [from_row(row, await pictures_of(tx, row, link)) for row in rows]


def _set(values: Collection[str] | None) -> str | None:
    """A set as one text parameter, ",a,b,": SQL is never assembled, and both backends take it."""
    return None if values is None else f",{','.join(values)},"
