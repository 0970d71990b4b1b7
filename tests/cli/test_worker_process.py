"""A worker process says that it lives, also after the database could not be told for a while."""

import asyncio
import contextlib
from collections.abc import Iterator

import pytest

from keeping import Books
from safelight import workers
from safelight.cli.worker_process import greet
from safelight.db.sqlite import SqliteDatabase, connect
from safelight.engines.fake import FakeEngine
from safelight.engines.roster import Roster


@pytest.fixture
def impatient(books: Books) -> Iterator[SqliteDatabase]:
    db = SqliteDatabase(books.path, clock_ms=books.clock, lock_wait_seconds=0.01)
    yield db
    db.close()


def test_a_worker_is_ready_again_after_the_database_was_locked(
    books: Books, impatient: SqliteDatabase, caplog: pytest.LogCaptureFixture
):
    async def life() -> int:
        other = connect(books.path)
        other.execute("begin immediate")
        greeting = asyncio.create_task(greet(impatient, Roster({}, FakeEngine()), "w1"))
        async with asyncio.timeout(20):
            while "cannot say" not in caplog.text:
                await asyncio.sleep(0.01)
            other.close()
            while not (ready := await books.db.read(workers.count_ready)):
                await asyncio.sleep(0.01)
        greeting.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await greeting
        return ready

    assert books.run(life()) == 1
