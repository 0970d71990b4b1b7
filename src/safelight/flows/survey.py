"""Rows and disk → the levels that a scrape shows beside what was counted."""

import asyncio
import contextlib
import logging
import os
import time
from collections.abc import Callable
from pathlib import Path

from safelight import ledger, workers
from safelight.db import Database, Transaction
from safelight.errors import Unavailable
from safelight.jobs import census
from safelight.ledger.verify import verify
from safelight.telemetry.meters import Levels, Meters
from safelight.webhooks import outbox

FRESH_SECONDS = 5.0  # however often somebody scrapes, the database is asked no more often
PATIENCE_SECONDS = 3.0  # for a database that does not answer; then the scrape goes on without it
PROOF_SECONDS = 900.0  # between two proofs of the books: each reads every row of them

log = logging.getLogger(__name__)


class Survey:
    """What `/metrics` answers. Looks at the house when it is asked to, away from the event loop."""

    def __init__(
        self,
        meters: Meters,
        db: Database,
        pictures: Path,
        connections: Callable[[], int],
        clock: Callable[[], float] = time.monotonic,
    ):
        self._clock = clock
        self._meters = meters
        self._db = db
        self._pictures = pictures
        self._connections = connections  # how many are open now
        self._looked_at = self._proved_at = float("-inf")
        self.proving: asyncio.Task[None] | None = None  # a proof that has not ended
        self._problems: int | None = None  # None: the books were not proven yet
        self._one_at_a_time = asyncio.Lock()

    async def expose(self, accept: str) -> tuple[bytes, str]:
        """The metrics as they stand, in the form that the Accept header asks for."""
        async with self._one_at_a_time:
            if self._clock() - self._looked_at > FRESH_SECONDS:
                await self._look()
            return await asyncio.to_thread(self._meters.exposition, accept)

    def close(self) -> None:
        if self.proving is not None:
            self.proving.cancel()

    async def _look(self) -> None:
        now = self._clock()
        if self.proving is None and now - self._proved_at > PROOF_SECONDS:
            self.proving = asyncio.create_task(self._prove())
        levels = None
        with contextlib.suppress(Unavailable, TimeoutError):
            async with asyncio.timeout(PATIENCE_SECONDS):
                levels = await self._db.scan(read_levels)
        self._meters.show(levels)
        self._meters.show_connections(self._connections())
        self._meters.show_storage(_free_bytes(self._pictures), self._problems)
        self._looked_at = self._clock()

    async def _prove(self) -> None:
        try:
            self._problems = len((await self._db.scan(verify)).problems)
            if self._problems:
                log.error("the books do not agree: `safelight ledger verify` says where")
        except Unavailable as error:
            log.error("the books could not be proven: %s", error.__cause__)
        except Exception:  # one row that cannot be read must not end all proving, silently
            log.exception("proving the books met a mistake of ours, and is tried again")
        self._proved_at, self.proving = self._clock(), None


async def read_levels(tx: Transaction) -> Levels:
    found = await census.take(tx)
    books = await ledger.totals(tx)
    oldest = tx.now_ms if found.oldest_queued_ms is None else found.oldest_queued_ms
    return Levels(
        jobs=found.by_state,
        oldest_queued_seconds=max(0, tx.now_ms - oldest) / 1000,
        workers_ready=await workers.count_ready(tx),
        granted_microcredits=books.granted,
        available_microcredits=books.available,
        held_microcredits=books.held,
        spent_microcredits=books.spent,
        webhooks_pending=await outbox.count_pending(tx),
        pictures=found.pictures,
        picture_bytes=found.picture_bytes,
    )


def _free_bytes(folder: Path) -> int:
    """For us, on the disk that the folder is on, or will be."""
    while not folder.exists():
        folder = folder.parent
    found = os.statvfs(folder)
    return found.f_bavail * found.f_frsize
