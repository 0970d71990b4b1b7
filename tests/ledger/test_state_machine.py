"""Every order of events that Hypothesis can think of: the books agree after each of them."""

import tempfile
from pathlib import Path

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from keeping import PRICE, Books
from safelight import accounts, jobs
from safelight.accounts import Caller
from safelight.errors import InsufficientCredits, TooManyRequests
from safelight.jobs import Job
from safelight.limits import Defaults

DEFAULTS = Defaults(requests_per_minute=None, concurrency_max=2, backlog_max=2)
CREDITS = 3  # for six jobs at once, of a price that is 0.45
ACTS = ("advance", "complete", "fail", "renew", "hand back")
LEASES_REMEMBERED = 4  # the latest attempts, alive or not
FINAL = ("completed", "failed", "cancelled")
WORKERS = st.sampled_from(("w1", "w2"))
CUSTOMERS = st.integers(0, 2)


class House(RuleBasedStateMachine):
    """Three keys of two accounts, two workers, and a clock that also jumps."""

    keep = Books  # test_hunt.py keeps them badly

    def __init__(self) -> None:
        super().__init__()
        # In memory where there is such a folder: power cuts are not what is played here.
        memory = Path("/dev/shm")
        self.folder = tempfile.TemporaryDirectory(dir=memory if memory.is_dir() else None)
        self.books = self.keep(Path(self.folder.name) / "books.db", DEFAULTS)
        self.callers: list[Caller] = []
        self.leases: list[Job] = []  # every attempt that was ever claimed: zombies come back
        self.seen: dict[str, dict[str, int | str]] = {}
        self.entries = 0

    def teardown(self) -> None:
        self.books.close()
        self.folder.cleanup()

    @initialize()
    def open(self) -> None:
        self.callers = [
            self.books.customer(CREDITS, name="studio", daily_limit_microcredits=4 * PRICE),
            self.books.customer(0, name="studio", credit_limit_microcredits=3 * PRICE),
            self.books.customer(CREDITS, name="agency"),
        ]

    @rule(data=st.data())
    def go_on(self, data: st.DataObject) -> None:
        """One event of those that can happen now; rules of their own would mostly be idle."""
        states = {str(job["state"]) for job in self.seen.values()}
        events = ["submit"] * 3
        events += ["claim"] * 3 * ("queued" in states)
        events += ["work"] * 5 * bool(self.leases)
        events += ["crash", "crash", "expire"] * ("running" in states)
        events += ["cancel", "step_the_clock", "replace_key"] * bool(self.seen)
        getattr(self, data.draw(st.sampled_from(events)))(data)

    def submit(self, data: st.DataObject) -> None:
        caller = self.callers[data.draw(CUSTOMERS)]
        price = data.draw(st.sampled_from((0, PRICE, 2 * PRICE)))
        before = self.books.balance(caller)
        try:
            job = self.books.submit(caller, price)
        except InsufficientCredits:
            assert price > 0
        except TooManyRequests:
            assert len(self.places(caller.account_id, "backlogged")) == DEFAULTS.backlog_max
        else:
            assert before.available >= price
            self.seen[job.id] = {"state": job.state.value, "progress": 0, "version": 1}

    def claim(self, data: st.DataObject) -> None:
        waiting = self.places(None, "queued")
        job = self.books.claim(data.draw(WORKERS))
        assert (job.id if job else None) == next(iter(waiting), None), "first in, first out"
        if job:
            self.leases.append(job)

    def work(self, data: st.DataObject) -> None:
        """What a worker does with an attempt succeeds exactly while it owns the job."""
        job = data.draw(st.sampled_from(self.leases[-LEASES_REMEMBERED:]))
        act = data.draw(st.sampled_from(ACTS))
        owned, books = self.owns(job), self.books
        if act == "complete":
            assert owned == books.complete(job)
        elif act == "fail":
            assert owned == books.fail(job)
        elif act == "advance":
            step = data.draw(st.integers(1, 8))
            assert owned == books.write(lambda tx: jobs.advance(tx, job, step, 8, 95 * step // 8))
        elif act == "renew":
            assert owned == books.write(lambda tx: jobs.renew_lease(tx, job))
        else:
            assert owned == books.write(lambda tx: jobs.requeue(tx, job, count_attempt=False))
            # Its worker is alive and has let go, and the attempt's number is given out again.
            self.leases = [lease for lease in self.leases if lease is not job]

    def cancel(self, data: st.DataObject) -> None:
        live = [job_id for job_id, job in self.seen.items() if job["state"] not in FINAL]
        job = self.books.job(data.draw(st.sampled_from(live[-5:] + list(self.seen)[:1])))
        after = self.books.cancel(job)
        assert after.state == (job.state if job.state.is_final else "cancelled")

    def crash(self, data: st.DataObject) -> None:
        """A worker is found dead; often its job is in other hands before it comes back."""
        running = {str(job["worker"]) for job in self.seen.values() if job["state"] == "running"}
        dead = data.draw(st.sampled_from(sorted(running)))
        self.books.recover(dead_worker=dead)
        left = self.books.rows("select 1 from jobs where state = 'running' and worker = $1", dead)
        assert left == []
        if self.places(None, "queued") and data.draw(st.booleans()):
            self.claim(data)

    def expire(self, data: st.DataObject) -> None:
        self.books.clock.forward(seconds=data.draw(st.sampled_from((1, jobs.LEASE_SECONDS + 1))))
        self.books.recover()

    def step_the_clock(self, data: st.DataObject) -> None:
        self.books.clock.forward(hours=data.draw(st.sampled_from((-25, -1, 1, 25))))

    def replace_key(self, data: st.DataObject) -> None:
        who = data.draw(CUSTOMERS)
        old = self.callers[who]
        assert self.books.write(lambda tx: accounts.revoke_key(tx, old.key_id))
        self.callers[who] = self.books.customer(1, name=old.account_name)

    def owns(self, job: Job) -> bool:
        now = self.books.job(job.id)
        return (now.state, now.attempt, now.worker) == ("running", job.attempt, job.worker)

    def places(self, account_id: str | None, state: str) -> list[str]:
        rows = self.books.rows(
            "select id from jobs where state = $1 and ($2 is null or account_id = $2) order by seq",
            state, account_id,
        )  # fmt: skip
        return [row["id"] for row in rows]

    @invariant()
    def the_books_agree(self) -> None:
        assert self.books.verify().problems == ()

    @invariant()
    def nothing_is_made_or_lost(self) -> None:
        for row in self.books.rows("select * from accounts"):
            granted, available, held, spent = (
                row[f"{book}_microcredits"] for book in ("granted", "available", "held", "spent")
            )
            assert granted == available + held + spent
            assert min(available, held, spent) >= 0
            [unfinished] = self.books.rows(
                "select coalesce(sum(price_microcredits), 0) as price from jobs"
                " where account_id = $1 and finished_at_ms is null", row["id"],
            )  # fmt: skip
            assert held == unfinished["price"]

    @invariant()
    def every_end_has_exactly_one_resolution(self) -> None:
        found = self.books.rows(
            "select j.state, count(l.seq) as n, max(l.kind) as kind from jobs j"
            " left join ledger l on l.job_id = j.id and l.kind in ('capture', 'release')"
            " group by j.id"
        )
        for row in found:
            assert row["n"] == (row["state"] in FINAL)
            if row["n"]:
                assert row["kind"] == ("capture" if row["state"] == "completed" else "release")

    @invariant()
    def history_only_grows(self) -> None:
        [count] = self.books.rows("select count(*) as n from ledger")
        assert count["n"] >= self.entries
        self.entries = count["n"]

    @invariant()
    def what_callers_see_only_goes_forward(self) -> None:
        for job in self.books.rows("select * from jobs"):
            before = self.seen[job["id"]]
            assert job["progress"] >= before["progress"]
            assert job["version"] >= before["version"]
            if before["state"] in FINAL:
                assert job["state"] == before["state"]
                assert job["version"] == before["version"]
            self.seen[job["id"]] = job

    @invariant()
    def places_are_filled_from_the_front_of_the_backlog(self) -> None:
        for row in self.books.rows("select * from accounts"):
            queued = self.places(row["id"], "queued")
            active = queued + self.places(row["id"], "running")
            backlogged = self.places(row["id"], "backlogged")
            assert len(active) <= DEFAULTS.concurrency_max
            assert len(backlogged) <= DEFAULTS.backlog_max
            if backlogged:
                assert len(active) == DEFAULTS.concurrency_max
                assert all(self.seq(job) < self.seq(backlogged[0]) for job in active)

    def seq(self, job_id: str) -> int:
        return self.books.job(job_id).seq


TestHouse = House.TestCase
TestHouse.settings = settings(
    max_examples=60, stateful_step_count=40, deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
)  # fmt: skip
