"""The hunt of test_state_machine.py finds what is planted for it; else it would prove nothing."""

import sqlite3
from collections.abc import Callable

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis.stateful import run_state_machine_as_test
from test_state_machine import House

from keeping import PRICE, Books
from safelight import jobs, ledger
from safelight.db import Transaction
from safelight.jobs import Job


class UnfencedBooks(Books):
    """A worker's completion is believed, whoever holds the lease by now."""

    def complete(self, job: Job) -> bool:
        now = self.job(job.id)
        return super().complete(job if now.worker is None else now)


class ForgetfulBooks(Books):
    """Failed jobs are finished without giving their credits back."""

    def fail(self, job: Job) -> bool:
        async def work(tx: Transaction) -> bool:
            return await jobs.finish(tx, job, jobs.State.FAILED, jobs.JobErrorCode.SERVICE_ERROR)

        return self.write(work)


class GenerousBooks(Books):
    """A cancelled job gets its credits back a second time; no index forbids it."""

    def cancel(self, job: Job) -> Job:
        self.write(lambda tx: tx.execute("drop index if exists ledger_one_resolution"))
        after = super().cancel(job)

        async def again(tx: Transaction) -> None:
            held = await tx.fetch_one(
                "select held_microcredits from accounts where id = $1", job.account_id
            )
            if held and held["held_microcredits"] >= PRICE == job.price_microcredits:
                await ledger.release(tx, job.id)

        self.write(again)
        return after


class HastyBooks(Books):
    """The worker takes the newest job instead of the oldest."""

    def claim(self, worker: str = "w1") -> Job | None:
        async def work(tx: Transaction) -> Job | None:
            row = await tx.fetch_one(
                "update jobs set state = 'running', attempt = attempt + 1, worker = $1,"
                " lease_until_ms = $2 where id = (select id from jobs where state = 'queued'"
                " order by seq desc limit 1) returning *",
                worker, tx.now_ms + 15_000,
            )  # fmt: skip
            return None if row is None else jobs.from_row(row)

        return self.write(work)


def hunt(kept_by: Callable[..., Books]) -> None:
    class Planted(House):
        keep = kept_by

    run_state_machine_as_test(
        Planted,
        settings=settings(
            max_examples=200,
            stateful_step_count=40,
            deadline=None,
            derandomize=True,  # the same hunt every time: it finds, or it never does
            database=None,
            phases=[Phase.generate],  # the first failure is enough; a small one is not needed
            suppress_health_check=list(HealthCheck),
        ),
    )


@pytest.mark.parametrize("books", [UnfencedBooks, ForgetfulBooks, GenerousBooks, HastyBooks])
def test_a_planted_bug_is_found(books: type[Books]):
    with pytest.raises((AssertionError, sqlite3.IntegrityError, BaseExceptionGroup)):
        hunt(books)
