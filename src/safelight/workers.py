"""The worker processes that are alive, by their own word."""

import os
import socket

from safelight.db import Transaction

HELLO_SECONDS = 5  # how often a worker says that it lives
SILENT_SECONDS = 3 * HELLO_SECONDS  # one unheard for this long counts as dead


async def say_hello(tx: Transaction, worker_id: str, engines: str, *, ready: bool) -> None:
    await tx.execute(
        "insert into workers (id, host, pid, engines, ready, started_at_ms, seen_at_ms)"
        " values ($1, $2, $3, $4, $5, $6, $6)"
        " on conflict (id) do update set ready = excluded.ready, seen_at_ms = excluded.seen_at_ms",
        worker_id, socket.gethostname(), os.getpid(), engines, int(ready), tx.now_ms,
    )  # fmt: skip


async def say_goodbye(tx: Transaction, worker_id: str) -> None:
    await tx.execute("delete from workers where id = $1", worker_id)


async def count_ready(tx: Transaction) -> int:
    """How many workers could make a picture now."""
    row = await tx.fetch_one(
        "select count(*) as n from workers where ready = 1 and seen_at_ms > $1",
        tx.now_ms - SILENT_SECONDS * 1000,
    )
    return row["n"] if row else 0


async def forget_silent(tx: Transaction) -> int:
    return await tx.execute(
        "delete from workers where seen_at_ms < $1", tx.now_ms - 10 * SILENT_SECONDS * 1000
    )
