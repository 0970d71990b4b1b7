"""A second process's look into the database of a running server, by a clock of its own."""

import asyncio
import time
from contextlib import closing

from running import Server
from safelight.db import Transaction
from safelight.db.sqlite import SqliteDatabase
from safelight.flows import sweep
from safelight.limits import Defaults


def sweep_later(server: Server, seconds: float) -> tuple[int, int]:
    """What the sweep of a machine does whose clock is so much ahead: (requeued, failed)."""

    def later_ms() -> int:
        return round((time.time() + seconds) * 1000)

    async def run() -> tuple[int, int]:
        with closing(SqliteDatabase(server.config.database_path, clock_ms=later_ms)) as db:
            found = await sweep.recover(db, Defaults(None, concurrency_max=64, backlog_max=1000))
            await asyncio.sleep(0)  # lets the announcement out
            return found

    return asyncio.run(run())


def rows(server: Server, sql: str) -> list[dict[str, object]]:
    async def read(tx: Transaction) -> list[dict[str, object]]:
        return [dict(row) for row in await tx.fetch_all(sql)]

    async def run() -> list[dict[str, object]]:
        with closing(SqliteDatabase(server.config.database_path)) as db:
            return await db.read(read)

    return asyncio.run(run())
