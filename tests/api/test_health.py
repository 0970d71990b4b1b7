"""/livez and /readyz: what they tell a load balancer, and how fast."""

import asyncio
import contextlib
import resource
import shutil
import sqlite3
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import requests

from keeping import Books
from running import Server, until
from safelight import workers
from safelight.flows.readiness import FRESH_SECONDS, LATE_SECONDS, Readiness, Report
from safelight.images import ImageStore

UNLIMITED = (resource.RLIM_INFINITY, resource.RLIM_INFINITY)
ANSWER_SECONDS = 0.05
OK = {"status": "ok", "workers": 1, "database": "ok", "storage": "ok"}


class Asked:
    """Readiness on books of one's own, with a clock that the test moves."""

    def __init__(self, books: Books, folder: Path, store: ImageStore | None = None):
        self.books = books
        self.store = store or ImageStore(folder / "pictures", b"sixteen characters", "http://here")
        self.seconds = 0.0
        self.readiness = Readiness(books.db, self.store, lambda: self.seconds)
        books.write(lambda tx: workers.say_hello(tx, "w1", "fake", ready=True))

    def report(self) -> Report:
        """After the check it began, if any."""
        return self.books.run(self._settled())

    async def _settled(self) -> Report:
        report = await self.readiness.report()
        async with asyncio.timeout(30):
            while self.readiness.checking is not None:
                await asyncio.sleep(0.001)
                report = await self.readiness.report()
        return report

    def later(self, seconds: float = FRESH_SECONDS) -> "Asked":
        self.seconds += seconds
        return self

    def probes(self) -> list[Any]:
        return [row["written_at_ms"] for row in self.books.rows("select * from probes")]


@pytest.fixture
def asked(books: Books, tmp_path: Path) -> Asked:
    return Asked(books, tmp_path)


def test_ready_is_who_can_write_rows_and_files_and_has_a_worker(asked: Asked):
    assert asked.report() == Report(**OK)
    assert list(asked.store.root.iterdir()) == []  # nothing is left behind


def test_without_a_worker_it_is_starting(asked: Asked):
    asked.books.write(lambda tx: workers.say_goodbye(tx, "w1"))
    assert (asked.report().status, asked.report().ready) == ("starting", False)


def test_a_draining_server_sends_callers_elsewhere(asked: Asked):
    asked.readiness.draining = True
    assert (asked.report().status, asked.report().ready) == ("draining", False)


def test_however_often_it_is_asked_it_writes_once_a_second(asked: Asked):
    asked.report()
    first = asked.probes()
    asked.books.clock.forward(seconds=100)
    for _ in range(50):
        asked.report()
    assert asked.probes() == first
    asked.later().report()
    assert asked.probes() == [first[0] + 100_000]


def test_a_folder_that_takes_no_file_is_told_and_so_is_its_recovery(asked: Asked):
    asked.store.root.write_bytes(b"in the way")
    found = asked.report()
    assert (found.status, found.storage, found.database) == ("unavailable", "not writable", "ok")
    asked.store.root.unlink()
    assert asked.report().status == "unavailable"  # as it was a moment ago
    assert asked.later().report().status == "ok"


class Breathless(ImageStore):
    """On a machine that has no thread left to give."""

    has_threads = False

    def try_writing(self) -> None:
        if not self.has_threads:
            raise RuntimeError("can't start new thread")


def test_a_machine_without_threads_is_told_and_so_is_its_recovery(books: Books, tmp_path: Path):
    store = Breathless(tmp_path / "pictures", b"sixteen characters", "http://here")
    asked = Asked(books, tmp_path, store)
    assert asked.report().storage == "not writable"
    store.has_threads = True
    assert asked.later().report().status == "ok"


def test_a_locked_database_is_told_without_waiting_for_it(asked: Asked):
    assert asked.report().ready
    with contextlib.closing(sqlite3.connect(asked.books.path, isolation_level=None)) as other:
        other.execute("begin immediate")
        asked.later()

        async def ask() -> tuple[Report, Report]:
            before = await asked.readiness.report()
            asked.later(LATE_SECONDS + 0.1)
            return before, await asked.readiness.report()

        before, late = asked.books.run(ask())
        other.execute("rollback")
    assert before.ready  # a check that only takes a while is no failure
    assert (late.status, late.database) == ("unavailable", "not writable")
    assert asked.later().report().ready


def test_a_real_server_tells_a_full_disk_in_time_and_gives_nothing_away(
    start: Callable[..., Server],
):
    server = start()
    pictures = server.config.pictures_path
    shutil.rmtree(pictures, ignore_errors=True)
    pictures.write_bytes(b"in the way")
    refused = until_refused(server)
    assert refused.json() == OK | {"status": "unavailable", "storage": "not writable"}
    assert int(refused.headers["Retry-After"]) == 1
    pictures.unlink()
    until(server.is_ready)
    resource.prlimit(server.pid, resource.RLIMIT_FSIZE, (4096, resource.RLIM_INFINITY))
    assert until_refused(server).json() == OK | {
        "status": "unavailable", "database": "not writable",
    }  # fmt: skip
    resource.prlimit(server.pid, resource.RLIMIT_FSIZE, UNLIMITED)
    until(server.is_ready)
    took = sorted(readyz(server).elapsed.total_seconds() for _ in range(9))
    assert took[4] < ANSWER_SECONDS


def test_a_server_that_was_told_to_stop_says_so_while_it_still_answers(
    start: Callable[..., Server],
):
    server = start(CONNECTIONS__DRAIN_SECONDS=2)
    customer = server.customer()
    stopping = threading.Thread(target=server.stop)
    began = time.monotonic()
    stopping.start()
    draining = until_refused(server)
    assert draining.json()["status"] == "draining"
    assert requests.get(f"{server.url}/livez", timeout=5).status_code == 200
    assert customer.order("one more").status_code == 200  # who comes anyway is served
    stopping.join(timeout=40)
    assert time.monotonic() - began >= 2


def until_refused(server: Server) -> requests.Response:
    [found] = until(lambda: [r] if (r := readyz(server)).status_code == 503 else None)
    return found


def readyz(server: Server) -> requests.Response:
    return requests.get(f"{server.url}/readyz", timeout=5)
