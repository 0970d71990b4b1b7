"""The house without its processes: a real database under a clock that tests set."""

import asyncio
import random
from collections.abc import Coroutine
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeVar

from safelight import accounts, jobs, ledger
from safelight.accounts import Caller, KeyTerms
from safelight.catalog.request import ImageRequest
from safelight.db import Row, Transaction, Work
from safelight.db.migrate import migrate
from safelight.db.sqlite import SqliteDatabase
from safelight.dialects import evolink
from safelight.errors import JobErrorCode
from safelight.flows import cancel, submit, sweep
from safelight.jobs import Job, State, ending
from safelight.ledger import MICROCREDITS, Balance
from safelight.ledger.verify import Proof, verify
from safelight.limits import Defaults

T = TypeVar("T")

PEPPER = b"an install's secret"
PRICE = 450_000
NOON_MS = 1_763_640_000_000  # 2025-11-20 12:00 UTC


def link(name: str, expires_at_ms: int) -> str:
    return f"http://here/pictures/{name}?expires={expires_at_ms // 1000}"


def request(prompt: str = "a cat", **fields: Any) -> ImageRequest:
    return ImageRequest(model="krea-2-turbo", prompt=prompt, **{"width": 64, "height": 64} | fields)


class Clock:
    """Milliseconds since 1970; stands still until it is moved."""

    def __init__(self) -> None:
        self.now_ms = NOON_MS

    def __call__(self) -> int:
        return self.now_ms

    def forward(self, *, seconds: float = 0, hours: float = 0) -> None:
        self.now_ms += round(seconds * 1000 + hours * 3_600_000)


class Books:
    """The verbs, run to their end one at a time."""

    def __init__(self, path: Path, defaults: Defaults | None = None, seed: int = 0):
        migrate(path)
        self.path = path
        self.clock = Clock()
        self.db = SqliteDatabase(path, clock_ms=self.clock)
        self.defaults = defaults or Defaults(None, concurrency_max=64, backlog_max=1000)
        self._runner = asyncio.Runner()
        self._rng = random.Random(seed)

    def close(self) -> None:
        self._runner.close()
        self.db.close()

    def run(self, coroutine: Coroutine[Any, Any, T]) -> T:
        return self._runner.run(coroutine)

    def write(self, work: Work[T]) -> T:
        return self.run(self.db.write(work))

    def read(self, work: Work[T]) -> T:
        return self.run(self.db.read(work))

    def rows(self, sql: str, *parameters: object) -> list[dict[str, Any]]:
        async def fetch(tx: Transaction) -> list[Row]:
            return await tx.fetch_all(sql, *parameters)

        return [dict(row) for row in self.read(fetch)]

    def customer(
        self,
        credits: float = 0,  # noqa: A002
        name: str = "studio",
        **terms: Any,
    ) -> Caller:
        """An account, made if it is new, with a fresh key and this many credits more."""
        key = accounts.new_key()

        async def work(tx: Transaction) -> Caller:
            account_id = await accounts.ensure(tx, name)
            await ledger.grant(tx, account_id, round(credits * MICROCREDITS))
            await accounts.insert_key(tx, account_id, key, PEPPER, KeyTerms(name=name, **terms))
            return await accounts.authenticate(tx, key, PEPPER)

        return self.write(work)

    def order(self, caller: Caller, price: int = PRICE, **fields: Any) -> submit.Order:
        order = submit.Order(
            caller=caller, dialect="evolink", request=request(), price_microcredits=price,
            engine="fake", stand_in=None, new_id=evolink.new_id,
        )  # fmt: skip
        return replace(order, **fields)

    def submit(self, caller: Caller, price: int = PRICE, **fields: Any) -> Job:
        return self.run(self.submitting(caller, price, **fields))[0]

    async def submitting(
        self, caller: Caller, price: int = PRICE, **fields: Any
    ) -> tuple[Job, bool]:
        order = self.order(caller, price, **fields)
        return await submit.submit(self.db, order, self.defaults, link, self._rng)

    def claim(self, worker: str = "w1") -> Job | None:
        return self.write(lambda tx: jobs.claim(tx, worker))

    def complete(self, job: Job) -> bool:
        """What a worker commits when the pictures of its attempt are stored."""

        async def work(tx: Transaction) -> bool:
            if not await ending.settle(tx, job, State.COMPLETED, self.defaults):
                return False
            await jobs.add_picture(
                tx, job, kind="final", position=0, name=f"{job.id}-{job.attempt}-0.png", width=64,
                height=64, content_type="image/png", size_bytes=1, sha256="", seed=1,
                life_seconds=86_400,
            )  # fmt: skip
            return True

        return self.write(work)

    def fail(self, job: Job) -> bool:
        return self.write(
            lambda tx: ending.settle(
                tx, job, State.FAILED, self.defaults, JobErrorCode.SERVICE_ERROR, "It broke"
            )
        )

    def cancel(self, job: Job) -> Job:
        return self.run(
            cancel.cancel(self.db, job.account_id, job.id, job.dialect, self.defaults, link)
        )

    def recover(self, dead_worker: str | None = None) -> tuple[int, int]:
        return self.run(sweep.recover(self.db, self.defaults, dead_worker=dead_worker))

    def job(self, job_id: str) -> Job:
        return self.read(lambda tx: jobs.get(tx, job_id, link, dialect="evolink"))

    def states(self) -> list[str]:
        return [row["state"] for row in self.rows("select state from jobs order by seq")]

    def balance(self, caller: Caller) -> Balance:
        return self.read(lambda tx: ledger.balance(tx, caller.account_id, caller.key_id))

    def verify(self) -> Proof:
        return self.read(verify)
