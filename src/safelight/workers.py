"""The worker processes that are alive, by their own word."""

import os
import socket
from pathlib import Path

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


async def dead_on_this_host(tx: Transaction) -> list[str]:
    """Ids of workers that said hello from this host and whose process is gone."""
    rows = await tx.fetch_all("select id, pid from workers where host = $1", socket.gethostname())
    return [row["id"] for row in rows if not _is_running(row["id"], row["pid"])]


def _is_running(worker_id: str, pid: int) -> bool:
    """Whether that process lives and is still this worker: its id is among its arguments."""
    try:
        return worker_id.encode() in Path(f"/proc/{pid}/cmdline").read_bytes()
    except (FileNotFoundError, ProcessLookupError):  # gone, or going while we read
        if Path("/proc/self").exists():
            return False
    try:  # no /proc here: a number that was given to somebody else looks alive, and its lease ends
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


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
