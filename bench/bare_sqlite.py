"""What submissions are measured against: the same statements in bare sqlite3, one commit each.

`python -m bench.bare_sqlite FOLDER SECONDS` prints how many a second. The statements are taken
from the flow itself, so that the reference cannot lag behind it.
"""

import asyncio
import random
import sqlite3
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, cast

from bench.processes import CREDITS
from bench.wire import PROMPT
from safelight import accounts, ledger, limits
from safelight.accounts import Caller, KeyTerms
from safelight.catalog import ImageRequest
from safelight.db import Database, Row, Work
from safelight.db.migrate import migrate
from safelight.db.sqlite import SqliteTransaction, connect, run_unit, system_clock_ms
from safelight.dialects import evolink
from safelight.flows.submit import Order, submit

PRICE = 450_000  # microcredits of a 1K picture by krea-2-turbo
DEFAULTS = limits.Defaults(requests_per_minute=None, concurrency_max=10**6, backlog_max=10**6)
Statement = tuple[str, tuple[object, ...]]


class _Notebook(SqliteTransaction):
    """A transaction that writes down what it is told."""

    __slots__ = ("statements",)

    def __init__(self, connection: sqlite3.Connection):
        super().__init__(connection, system_clock_ms())
        self.statements: list[Statement] = []

    async def execute(self, sql: str, *parameters: object) -> int:
        self.statements.append((sql, parameters))
        return await super().execute(sql, *parameters)

    async def fetch_one(self, sql: str, *parameters: object) -> Row | None:
        self.statements.append((sql, parameters))
        return await super().fetch_one(sql, *parameters)


class _NotedDatabase:
    """As much of a database as the submission needs."""

    def __init__(self, connection: sqlite3.Connection):
        self.notebook = _Notebook(connection)

    async def write(self, work: Work[Any]) -> Any:
        return run_unit(work, self.notebook)

    def announce(self, message: str) -> None:
        """Nobody listens."""


def statements(connection: sqlite3.Connection) -> tuple[str, list[Statement]]:
    """One submission's id and its statements, after having run them once."""
    tx = SqliteTransaction(connection, system_clock_ms())
    caller = run_unit(_open_account, tx)
    request = ImageRequest(
        model="krea-2-turbo", prompt=PROMPT.format(0), width=1024, height=1024, seed=1
    )
    order = Order(
        caller=caller, dialect=evolink.NAME, request=request, price_microcredits=PRICE,
        engine="fake", stand_in="safelight-fake", new_id=evolink.new_id,
    )  # fmt: skip
    db = _NotedDatabase(connection)
    rng = random.Random(0)
    job, _ = asyncio.run(
        submit(cast(Database, db), order, DEFAULTS, lambda name, expires_at_ms: "", rng)
    )
    return job.id, db.notebook.statements


async def _open_account(tx: Any) -> Caller:
    account_id = await accounts.ensure(tx, "bench")
    await ledger.grant(tx, account_id, CREDITS * ledger.MICROCREDITS)
    key_id = await accounts.insert_key(
        tx, account_id, accounts.new_key(), b"", KeyTerms(name="bench")
    )
    return Caller(
        account_id=account_id, account_name="bench", key_id=key_id, models=None, expires_at_ms=None
    )


def commits_per_second(path: Path, seconds: float) -> float:
    """One connection, as more would only wait for each other: SQLite has one writer at a time."""
    migrate(path)
    connection = connect(path)
    job_id, noted = statements(connection)
    prepared = [(sql.replace("$", "?"), parameters) for sql, parameters in noted]
    new_ids = (f"{job_id}-{number}" for number in range(sys.maxsize))
    commits, begun = 0, time.perf_counter()
    while time.perf_counter() - begun < seconds:
        _commit(connection, prepared, job_id, next(new_ids))
        commits += 1
    per_second = commits / (time.perf_counter() - begun)
    connection.close()
    return per_second


def _commit(
    connection: sqlite3.Connection, prepared: Sequence[Statement], old: str, new: str
) -> None:
    connection.execute("begin immediate")
    for sql, parameters in prepared:
        connection.execute(sql, [new if value == old else value for value in parameters]).fetchall()
    connection.execute("commit")


if __name__ == "__main__":
    folder, seconds = Path(sys.argv[1]), float(sys.argv[2])
    print(commits_per_second(folder / "bare.db", seconds))
