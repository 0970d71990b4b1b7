"""Units of work that arrive together share a commit, and fail on their own."""

import asyncio
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from keeping import Books
from safelight.db import Transaction, Work
from safelight.db.sqlite import SqliteDatabase, connect
from safelight.errors import InsufficientCredits, Unavailable


def insert(name: str) -> Work[str]:
    async def work(tx: Transaction) -> str:
        await tx.execute(
            "insert into accounts (id, name, created_at_ms) values ($1, $1, $2)", name, tx.now_ms
        )
        return name

    return work


def names(books: Books) -> set[str]:
    return {row["name"] for row in books.rows("select name from accounts")}


async def together(db: SqliteDatabase, *units: Work[Any]) -> list[Any]:
    return await asyncio.gather(*map(db.write, units), return_exceptions=True)


def commits(path: Path) -> int:
    """How many transactions the write-ahead log holds: frames that carry a database size."""
    log = path.with_name(f"{path.name}-wal").read_bytes()
    page_bytes = int.from_bytes(log[8:12], "big")
    frames = range(32, len(log), 24 + page_bytes)
    salt = log[16:24]
    return sum(
        1 for at in frames if log[at + 4 : at + 8] != bytes(4) and log[at + 8 : at + 16] == salt
    )


def test_units_that_arrive_together_share_commits(books: Books):
    before = commits(books.path)
    found = books.run(together(books.db, *(insert(f"a{i}") for i in range(200))))
    assert found == [f"a{i}" for i in range(200)]
    assert commits(books.path) - before <= 4  # the first may leave before the others arrive


def test_a_unit_that_raises_fails_alone(books: Books):
    async def refuse(tx: Transaction) -> None:
        await insert("undone")(tx)
        raise InsufficientCredits("not for you")

    found = books.run(together(books.db, insert("a"), refuse, insert("b")))
    assert [found[0], str(found[1]), found[2]] == ["a", "not for you", "b"]
    assert names(books) == {"a", "b"}


def test_a_broken_constraint_fails_its_own_unit_only(books: Books):
    found = books.run(together(books.db, insert("a"), insert("a"), insert("b")))
    assert found[0] == "a"
    assert isinstance(found[1], sqlite3.IntegrityError)
    assert found[2] == "b"


def test_a_unit_that_rolls_everything_back_fails_alone(books: Books):
    async def destroy(tx: Transaction) -> None:
        await tx.execute("rollback")
        raise ValueError

    found = books.run(together(books.db, insert("a"), destroy, insert("b")))
    assert [found[0], found[2]] == ["a", "b"]
    assert isinstance(found[1], Unavailable)
    assert names(books) == {"a", "b"}


@pytest.mark.parametrize("pause", [lambda: asyncio.sleep(0), lambda: asyncio.sleep(1)])
def test_a_unit_that_awaits_something_else_is_refused(books: Books, pause: Callable[[], Any]):
    async def loiter(tx: Transaction) -> None:
        await insert("loiterer")(tx)
        await pause()

    found = books.run(together(books.db, insert("a"), loiter, insert("b")))
    assert [found[0], found[2]] == ["a", "b"]
    assert isinstance(found[1], RuntimeError)
    assert names(books) == {"a", "b"}


def test_a_caller_who_goes_away_changes_nothing_for_the_others(books: Books):
    async def scene() -> str:
        leaving = asyncio.ensure_future(books.db.write(insert("left")))
        staying = asyncio.ensure_future(books.db.write(insert("stayed")))
        await asyncio.sleep(0)
        leaving.cancel()
        return await staying

    assert books.run(scene()) == "stayed"
    assert names(books) == {"left", "stayed"}  # the commit stands


def test_what_is_committed_is_read_at_once_by_everyone(books: Books):
    async def scene() -> tuple[list[Any], list[Any]]:
        await books.db.write(insert("a"))
        read = lambda tx: tx.fetch_all("select name from accounts")  # noqa: E731
        return await books.db.read(read), await books.db.scan(read)

    rows, scanned = books.run(scene())
    assert [row["name"] for row in rows] == [row["name"] for row in scanned] == ["a"]


@pytest.fixture
def impatient(books: Books) -> Iterator[SqliteDatabase]:
    """The same database, for those who wait no longer than 50 ms for a lock."""
    db = SqliteDatabase(books.path, lock_wait_seconds=0.05)
    yield db
    db.close()


def test_a_locked_database_is_unavailable_at_once_for_all_who_wait_and_recovers(
    books: Books, impatient: SqliteDatabase
):
    other = connect(books.path)
    other.execute("begin immediate")
    began = time.monotonic()
    found = books.run(together(impatient, *(insert(f"a{i}") for i in range(200))))
    assert time.monotonic() - began < 1  # two hundred waits would be ten seconds
    assert {type(error) for error in found} == {Unavailable}
    other.execute("rollback")
    other.close()
    assert books.run(impatient.write(insert("after"))) == "after"
    assert names(books) == {"after"}


def test_a_short_lock_of_another_process_only_delays(books: Books):
    other = connect(books.path)
    other.execute("begin immediate")
    waiting = threading.Event()

    async def scene() -> str:
        write = asyncio.ensure_future(books.db.write(insert("patient")))
        await asyncio.sleep(0)
        waiting.set()
        return await write

    def release() -> None:
        waiting.wait()
        other.execute("rollback")

    thread = threading.Thread(target=release)
    thread.start()
    assert books.run(scene()) == "patient"
    thread.join()
    other.close()


def test_units_see_the_injected_clock(books: Books):
    books.clock.forward(hours=1)
    books.write(insert("a"))
    [row] = books.rows("select created_at_ms from accounts")
    assert row["created_at_ms"] == books.clock.now_ms


def test_a_reader_that_fails_operationally_is_unavailable_too(books: Books):
    read = lambda tx: tx.fetch_all("select * from no_such_table")  # noqa: E731
    for call in (books.db.read, books.db.scan):
        with pytest.raises(Unavailable):
            books.run(call(read))
