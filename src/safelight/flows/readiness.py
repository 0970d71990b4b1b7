"""Whether a picture could be made now: rows and files can be written, and a worker is ready."""

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass

from safelight import workers
from safelight.db import Database, Transaction
from safelight.errors import Unavailable
from safelight.images import ImageStore

FRESH_SECONDS = 1.0  # however often somebody asks, nothing is written more often
PATIENCE_SECONDS = 0.03  # for this answer; what was found before stands in for a slow check
LATE_SECONDS = 2.0  # a check that takes longer has failed: the database is locked, the disk hangs

OK = "ok"
NOT_WRITABLE = "not writable"


@dataclass(frozen=True, kw_only=True)
class Report:
    """What a load balancer is told. `status` is ok, starting, draining or unavailable."""

    status: str
    workers: int
    database: str
    storage: str

    @property
    def ready(self) -> bool:
        return self.status == OK


class Readiness:
    """Checks when it is asked, one check at a time, and answers at once."""

    def __init__(
        self, db: Database, store: ImageStore, clock: Callable[[], float] = time.monotonic
    ):
        self.draining = False  # we were told to stop: send nobody new
        self._db = db
        self._store = store
        self._clock = clock
        self.checking: asyncio.Task[None] | None = None  # a check that has not ended
        self._began = float("-inf")
        self._database = self._storage = OK

    async def report(self) -> Report:
        await self._look()
        late = self.checking is not None and self._clock() - self._began > LATE_SECONDS
        database = NOT_WRITABLE if late else self._database
        try:
            ready = await self._db.read(workers.count_ready)
        except Unavailable:
            ready, database = 0, NOT_WRITABLE
        if self.draining:
            status = "draining"
        elif (database, self._storage) != (OK, OK):
            status = "unavailable"
        else:
            status = OK if ready else "starting"
        return Report(status=status, workers=ready, database=database, storage=self._storage)

    async def _look(self) -> None:
        """Begin a check if the last is old, and wait for one that runs, but not for long."""
        if self.checking is None and self._clock() - self._began >= FRESH_SECONDS:
            self._began = self._clock()
            self.checking = asyncio.create_task(self._check())
        if self.checking is not None:
            await asyncio.wait({self.checking}, timeout=PATIENCE_SECONDS)

    async def _check(self) -> None:
        try:
            await self._db.write_soon(_write_a_row)
            self._database = OK
        except Unavailable:
            self._database = NOT_WRITABLE
        try:
            await asyncio.to_thread(self._store.try_writing)
            self._storage = OK
        except (OSError, RuntimeError):  # the latter for want of a thread to try it in
            self._storage = NOT_WRITABLE
        finally:
            self.checking = None


async def _write_a_row(tx: Transaction) -> None:
    """One that was there already: a transaction that changes nothing writes nothing."""
    await tx.execute(
        "insert into probes (id, written_at_ms) values (1, $1)"
        " on conflict (id) do update set written_at_ms = excluded.written_at_ms",
        tx.now_ms,
    )
