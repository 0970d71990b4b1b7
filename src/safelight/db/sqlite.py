"""SQLite: one writer thread with group commit, readers beside it."""

import asyncio
import queue
import re
import sqlite3
import threading
import time
from collections.abc import Callable, Coroutine
from functools import lru_cache
from pathlib import Path
from typing import Any, TypeVar, cast

from safelight.db import Row, Work
from safelight.db.bell import Bell
from safelight.errors import Unavailable

T = TypeVar("T")

GROUP_UNITS_MAX = 256  # units of work that may share one commit
LOCK_WAIT_SECONDS = 10.0  # how long to wait for another process's transaction
LOCK_RETRY_SECONDS = 0.0005  # SQLite's own waiting starts at 1 ms and grows to 100: too coarse
STATEMENTS_CACHED = 512
PAGE_CACHE_KIB = 65_536


def system_clock_ms() -> int:
    return time.time_ns() // 1_000_000


@lru_cache(maxsize=STATEMENTS_CACHED)
def _numbered(sql: str) -> str:
    """$1 → ?1: the form of parameters that sqlite3 takes by position."""
    return re.sub(r"\$(\d+)", r"?\1", sql)


class SqliteTransaction:
    """Runs statements at once; its coroutines never suspend."""

    __slots__ = ("connection", "now_ms")

    def __init__(self, connection: sqlite3.Connection, now_ms: int):
        self.connection = connection
        self.now_ms = now_ms

    async def execute(self, sql: str, *parameters: object) -> int:
        return self.connection.execute(_numbered(sql), parameters).rowcount

    async def fetch_one(self, sql: str, *parameters: object) -> Row | None:
        return cast(Row | None, self.connection.execute(_numbered(sql), parameters).fetchone())

    async def fetch_all(self, sql: str, *parameters: object) -> list[Row]:
        return cast(list[Row], self.connection.execute(_numbered(sql), parameters).fetchall())


def run_unit(work: Work[T], tx: SqliteTransaction) -> T:
    """Drive a unit of work to its end without an event loop."""
    coroutine = cast(Coroutine[Any, Any, T], work(tx))
    try:
        coroutine.send(None)
    except StopIteration as end:
        return cast(T, end.value)
    coroutine.close()
    raise RuntimeError("a unit of work awaited something other than its transaction")


class _Unit:
    """A unit of work on its way through the writer thread."""

    __slots__ = ("durable", "error", "future", "loop", "result", "work")

    def __init__(self, work: Work[Any], durable: bool):
        self.work = work
        self.durable = durable
        self.loop = asyncio.get_running_loop()
        self.future: asyncio.Future[Any] = self.loop.create_future()
        self.result: Any = None
        self.error: BaseException | None = None

    def resolve(self) -> None:
        if self.future.done():
            return  # the caller went away; the commit stands
        if self.error is not None:
            self.future.set_exception(self.error)
        else:
            self.future.set_result(self.result)


class SqliteDatabase:
    """A database in one file, shared by the processes of one machine."""

    def __init__(
        self,
        path: Path,
        *,
        clock_ms: Callable[[], int] = system_clock_ms,
        lock_wait_seconds: float = LOCK_WAIT_SECONDS,
    ):
        self.path = path
        self.clock_ms = clock_ms
        self.lock_wait_seconds = lock_wait_seconds
        self._bell = Bell(path.parent)
        self._units: queue.SimpleQueue[_Unit | None] = queue.SimpleQueue()
        self._reader = connect(path)
        self._writer = connect(path)
        self._closed = False
        self._full = True  # `synchronous`, as `connect` has set it
        self._thread = threading.Thread(target=self._write_forever, name="writer", daemon=True)
        self._thread.start()

    async def write(self, work: Work[T]) -> T:
        return await self._submit(work, durable=True)

    async def write_soon(self, work: Work[T]) -> T:
        return await self._submit(work, durable=False)

    async def read(self, work: Work[T]) -> T:
        # Inline on the event loop: an indexed lookup costs less than a hop to a thread and back.
        if not self._reader.in_transaction:
            # Reads of one turn of the loop share a snapshot: taking one costs as much as a lookup.
            # Whoever hears of a later commit runs in a later turn, after this one was let go.
            self._reader.execute("begin")
            asyncio.get_running_loop().call_soon(self._let_go)
        return self._read(work, self._reader)

    async def scan(self, work: Work[T]) -> T:
        return await asyncio.to_thread(self._scan, work)

    def announce(self, message: str) -> None:
        self._bell.ring(message)

    def subscribe(self, callback: Callable[[str], None]) -> None:
        self._bell.listen(callback)

    def close(self) -> None:
        self._closed = True
        self._bell.close()
        if self._thread.is_alive():
            self._units.put(None)
            self._thread.join()
        self._reader.close()
        self._writer.close()

    def _let_go(self) -> None:
        if not self._closed and self._reader.in_transaction:
            self._reader.execute("commit")

    async def _submit(self, work: Work[T], durable: bool) -> T:
        unit = _Unit(work, durable)
        self._units.put(unit)
        return cast(T, await unit.future)

    def _scan(self, work: Work[T]) -> T:
        try:
            connection = connect(self.path)
        except sqlite3.OperationalError as broken:
            raise _unavailable(broken) from broken
        try:
            connection.execute("begin")  # one snapshot for every statement of the work
            return self._read(work, connection)
        finally:
            connection.close()

    def _read(self, work: Work[T], connection: sqlite3.Connection) -> T:
        try:
            return run_unit(work, SqliteTransaction(connection, self.clock_ms()))
        except sqlite3.OperationalError as broken:
            raise _unavailable(broken) from broken

    def _write_forever(self) -> None:
        while (first := self._units.get()) is not None:
            group = [first]
            stop = False
            while len(group) < GROUP_UNITS_MAX and not self._units.empty():
                unit = self._units.get()
                if unit is None:
                    stop = True
                    break
                group.append(unit)
            self._commit(group)
            self._resolve(group)
            if stop:
                return

    def _commit(self, group: list[_Unit]) -> None:
        durable = any(unit.durable for unit in group)
        try:
            self._synchronise(full=durable)
            begin_immediate(self._writer, self.lock_wait_seconds)
        except sqlite3.Error as locked:  # for everyone, and no reason to let each wait in turn
            for unit in group:
                unit.error = _unavailable(locked)
            return
        try:
            self._commit_together(group)
        except sqlite3.Error as broken:
            if self._writer.in_transaction:
                self._writer.execute("rollback")
            if len(group) == 1:
                group[0].error = _unavailable(broken)
                return
            for unit in group:  # one bad unit must not fail its neighbours
                self._commit([unit])

    def _commit_together(self, group: list[_Unit]) -> None:
        writer = self._writer
        if not all(self._run(unit) for unit in group):
            # Only now do we pay for savepoints: a fifth of what a submission costs.
            if writer.in_transaction:
                writer.execute("rollback")
            begin_immediate(writer, self.lock_wait_seconds)
            for unit in group:
                self._run_apart(unit)
        writer.execute("commit")

    def _run(self, unit: _Unit) -> bool:
        """Run the unit; False when it failed and left something behind that must be undone."""
        before = self._writer.total_changes
        unit.result = unit.error = None
        try:
            unit.result = run_unit(unit.work, SqliteTransaction(self._writer, self.clock_ms()))
        except Exception as error:
            unit.error = _unavailable(error) if _is_operational(error) else error
            return self._writer.in_transaction and self._writer.total_changes == before
        return True

    def _run_apart(self, unit: _Unit) -> None:
        """Run the unit so that it can be undone by itself."""
        writer = self._writer
        writer.execute("savepoint unit")
        if not self._run(unit):
            if not writer.in_transaction:
                raise sqlite3.OperationalError("the shared transaction was lost") from unit.error
            writer.execute("rollback to unit")
        writer.execute("release unit")

    def _synchronise(self, *, full: bool) -> None:
        if full is not self._full:
            self._writer.execute(f"pragma synchronous = {'full' if full else 'normal'}")
            self._full = full

    def _resolve(self, group: list[_Unit]) -> None:
        by_loop: dict[asyncio.AbstractEventLoop, list[_Unit]] = {}
        for unit in group:
            by_loop.setdefault(unit.loop, []).append(unit)
        for loop, units in by_loop.items():
            if not loop.is_closed():
                loop.call_soon_threadsafe(_resolve_all, units)


def _resolve_all(units: list[_Unit]) -> None:
    for unit in units:
        unit.resolve()


def _is_operational(error: Exception) -> bool:
    """A full disk or a locked file, in contrast to a broken constraint, which is a bug."""
    return isinstance(error, sqlite3.OperationalError)


def _unavailable(error: Exception) -> Unavailable:
    unavailable = Unavailable()
    unavailable.__cause__ = error
    return unavailable


def connect(path: Path) -> sqlite3.Connection:
    connection = sqlite3.connect(
        path,
        isolation_level=None,
        check_same_thread=False,
        timeout=0,
        cached_statements=STATEMENTS_CACHED,
    )
    connection.row_factory = sqlite3.Row
    for pragma in (
        "busy_timeout = 10000",
        "synchronous = full",  # an answered request survives a power cut
        "foreign_keys = on",
        "trusted_schema = off",
        "temp_store = memory",  # else every savepoint of a large group writes to a file in /tmp
        f"cache_size = -{PAGE_CACHE_KIB}",
    ):
        connection.execute(f"pragma {pragma}")
    # SQLite itself does not wait where several processes create the same database at once.
    _insist(connection, "pragma journal_mode = wal", LOCK_WAIT_SECONDS)
    connection.execute("pragma busy_timeout = 0")
    return connection


def begin_immediate(
    connection: sqlite3.Connection, wait_seconds: float = LOCK_WAIT_SECONDS
) -> None:
    """Take the write lock, waiting for other processes in short naps."""
    _insist(connection, "begin immediate", wait_seconds)


def _insist(connection: sqlite3.Connection, statement: str, wait_seconds: float) -> None:
    deadline = time.monotonic() + wait_seconds
    while True:
        try:
            connection.execute(statement)
            return
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode & 0xFF != sqlite3.SQLITE_BUSY or time.monotonic() > deadline:
                raise
            time.sleep(LOCK_RETRY_SECONDS)
