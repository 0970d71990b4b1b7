"""One database, and one way to open a transaction on it.

A unit of work is a coroutine function that takes the transaction and awaits nothing else, so that
the same code runs on SQLite's writer thread and on an asynchronous driver:

    async def work(tx: Transaction) -> Job:
        job = await jobs.insert(tx, ...)
        await ledger.hold(tx, ...)
        return job

    job = await db.write(work)

Units that arrive together share one commit, and each succeeds or fails on its own. A unit may be
run again when a shared commit breaks, so it must do nothing but touch rows.
"""

from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Protocol, TypeVar

T = TypeVar("T")
Row = Mapping[str, Any]


class Transaction(Protocol):
    """What units of work touch rows with. SQL is written with $1, $2 … for both backends."""

    now_ms: (
        int  # the database's clock: milliseconds since 1970; the only time that decides anything
    )

    async def execute(self, sql: str, *parameters: object) -> int:
        """Run a statement; returns how many rows it touched."""
        ...

    async def fetch_one(self, sql: str, *parameters: object) -> Row | None: ...

    async def fetch_all(self, sql: str, *parameters: object) -> list[Row]: ...


Work = Callable[[Transaction], Awaitable[T]]


class Database(Protocol):
    """What flows are given."""

    async def write(self, work: Work[T]) -> T:
        """Commit the unit of work, durably. Raises what it raises, and then changed nothing."""
        ...

    async def write_soon(self, work: Work[T]) -> T:
        """The same for what may be lost by a power cut, but never torn: claims and progress."""
        ...

    async def read(self, work: Work[T]) -> T:
        """Run a few indexed lookups on committed rows, at once."""
        ...

    async def scan(self, work: Work[T]) -> T:
        """Run long queries on one consistent snapshot, away from the event loop."""
        ...

    def announce(self, message: str) -> None:
        """Tell every process on this database, after the commit; lost messages cost only time."""
        ...

    def subscribe(self, callback: Callable[[str], None]) -> None:
        """Call back, on the event loop, for every message announced by any process."""
        ...

    def close(self) -> None: ...
