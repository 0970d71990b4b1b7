"""An account at its limit: its jobs wait in their order, and the queue stays open to others."""

import pytest

from keeping import Books
from safelight.accounts import Caller
from safelight.errors import TooManyRequests
from safelight.jobs import Job
from safelight.limits import Defaults


@pytest.fixture
def caller(books: Books) -> Caller:
    books.defaults = Defaults(requests_per_minute=None, concurrency_max=2, backlog_max=3)
    return books.customer(100)


def claimed(books: Books) -> Job:
    job = books.claim()
    assert job is not None
    return job


def test_jobs_past_the_limit_wait_and_past_the_backlog_are_refused(books: Books, caller: Caller):
    for _ in range(5):
        books.submit(caller)
    assert books.states() == ["queued"] * 2 + ["backlogged"] * 3
    with pytest.raises(TooManyRequests) as refusal:
        books.submit(caller)
    assert refusal.value.limit == "backlog"
    assert refusal.value.retry_after_seconds >= 1
    assert len(books.states()) == 5


@pytest.mark.parametrize("end", [Books.complete, Books.fail, Books.cancel])
def test_each_end_lets_the_oldest_waiting_job_in(books: Books, caller: Caller, end):
    for _ in range(5):
        books.submit(caller)
    end(books, claimed(books))
    assert books.states()[1:] == ["queued", "queued", "backlogged", "backlogged"]
    end(books, claimed(books))
    assert books.states()[2:] == ["queued", "queued", "backlogged"]
    assert books.verify().problems == ()


def test_a_waiting_job_can_be_cancelled_and_makes_room_behind(books: Books, caller: Caller):
    ordered = [books.submit(caller) for _ in range(5)]
    assert books.cancel(ordered[3]).state == "cancelled"
    books.submit(caller)
    assert books.states() == ["queued"] * 2 + ["backlogged", "cancelled"] + ["backlogged"] * 2
    books.complete(claimed(books))
    assert books.states()[2:4] == ["queued", "cancelled"]
    assert books.verify().problems == ()


def test_a_lost_lease_keeps_its_place_and_lets_nobody_in(books: Books, caller: Caller):
    for _ in range(3):
        books.submit(caller)
    claimed(books)
    books.recover(dead_worker="w1")
    assert books.states() == ["queued", "queued", "backlogged"]


def test_who_comes_later_does_not_overtake_the_backlog(books: Books, caller: Caller):
    for _ in range(3):
        books.submit(caller)
    books.defaults = Defaults(requests_per_minute=None, concurrency_max=9, backlog_max=3)
    assert books.submit(caller).state == "backlogged"  # there is room, but others wait for it
    books.complete(claimed(books))
    assert books.states() == ["completed", "queued", "queued", "queued"]


def test_accounts_wait_behind_their_own_jobs_only(books: Books, caller: Caller):
    for _ in range(5):
        books.submit(caller)
    other = books.customer(1, name="agency")
    assert books.submit(other).state == "queued"
    assert [claimed(books).account_id for _ in range(3)] == [
        caller.account_id, caller.account_id, other.account_id
    ]  # fmt: skip


def test_an_account_may_have_limits_of_its_own(books: Books, caller: Caller):
    books.write(lambda tx: tx.execute("update accounts set concurrency_max = 1, backlog_max = 0"))
    books.submit(caller)
    with pytest.raises(TooManyRequests):
        books.submit(caller)
    books.complete(claimed(books))
    assert books.submit(caller).state == "queued"
