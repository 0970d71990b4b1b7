"""Requests per minute by GCRA; what waits in the backlog is in flows/test_backlog.py."""

from collections.abc import Iterator

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from keeping import NOON_MS, Books
from safelight import limits
from safelight.accounts import Caller
from safelight.errors import InsufficientCredits, TooManyRequests
from safelight.limits import Defaults

UNLIMITED = Defaults(None, concurrency_max=64, backlog_max=1000)


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Books]:
    books = Books(tmp_path_factory.mktemp("limits") / "books.db")
    yield books
    books.close()


def spend(books: Books, caller: Caller, defaults: Defaults = UNLIMITED) -> int | None:
    """None when one more request is admitted, else the seconds to wait."""
    try:
        books.write(lambda tx: limits.spend_request(tx, caller.account_id, caller.key_id, defaults))
    except TooManyRequests as refusal:
        return refusal.retry_after_seconds
    return None


@settings(max_examples=60, deadline=None)
@given(
    per_minute=st.integers(1, 90),
    gaps_ms=st.lists(st.sampled_from((0, 1, 40, 700, 5_000, 70_000)), min_size=10, max_size=60),
)
def test_no_window_admits_more_than_the_burst_and_the_rate(
    shared: Books, per_minute: int, gaps_ms: list[int]
):
    caller = shared.customer(name="studio", requests_per_minute=per_minute)
    admitted_ms: list[int] = []
    for gap_ms in gaps_ms:
        shared.clock.forward(seconds=gap_ms / 1000)
        if spend(shared, caller) is None:
            admitted_ms.append(shared.clock.now_ms)
    for i, first in enumerate(admitted_ms):
        for j in range(i, len(admitted_ms)):
            window_ms = admitted_ms[j] - first
            assert j - i + 1 <= per_minute + per_minute * (window_ms + 1) / 60_000


@settings(max_examples=60, deadline=None)
@given(per_minute=st.integers(1, 40), extra_ms=st.integers(0, 3000))
def test_retry_after_is_sufficient_and_hardly_more_than_needed(
    shared: Books, per_minute: int, extra_ms: int
):
    caller = shared.customer(name="studio", requests_per_minute=per_minute)
    for _ in range(per_minute):
        assert spend(shared, caller) is None, "a whole minute's worth may come at once"
    shared.clock.forward(seconds=extra_ms / 1000)
    wait = spend(shared, caller)
    if wait is None:
        return
    if wait > 1:
        shared.clock.forward(seconds=wait - 1.001)
        assert spend(shared, caller) is not None
        shared.clock.forward(seconds=1.001)
    else:
        shared.clock.forward(seconds=wait)
    assert spend(shared, caller) is None


def test_an_idle_caller_saves_no_more_than_one_burst(books: Books):
    caller = books.customer(requests_per_minute=5)
    spend(books, caller)
    books.clock.forward(hours=1)
    assert [spend(books, caller) is None for _ in range(6)] == [True] * 5 + [False]


def test_the_keys_of_an_account_share_its_rate(books: Books):
    one, other = books.customer(), books.customer()
    defaults = Defaults(2, concurrency_max=64, backlog_max=1000)
    assert spend(books, one, defaults) is None
    assert spend(books, other, defaults) is None
    assert spend(books, one, defaults) is not None
    stranger = books.customer(name="another account")
    assert spend(books, stranger, defaults) is None


def test_the_narrower_of_the_key_s_and_the_account_s_rate_counts(books: Books):
    caller = books.customer(requests_per_minute=1)
    defaults = Defaults(5, concurrency_max=64, backlog_max=1000)
    assert spend(books, caller, defaults) is None
    assert spend(books, caller, defaults) == 60


def test_a_refused_submission_spends_neither_rate_nor_place(books: Books):
    caller = books.customer(credits=0, requests_per_minute=1)
    for _ in range(3):
        with pytest.raises(InsufficientCredits):
            books.submit(caller)
    assert books.rows("select * from rates") == []
    [account] = books.rows("select active_jobs, backlogged_jobs from accounts")
    assert account == {"active_jobs": 0, "backlogged_jobs": 0}
    books.customer(credits=10)
    assert books.submit(caller).state == "queued"


def test_a_clock_that_steps_back_admits_no_more_than_before(books: Books):
    caller = books.customer(requests_per_minute=2)
    assert [spend(books, caller) is None for _ in range(3)] == [True, True, False]
    books.clock.now_ms = NOON_MS - 3_600_000
    assert spend(books, caller) is not None


def test_a_raised_limit_lets_the_backlog_in_with_the_next_end(books: Books):
    books.defaults = Defaults(None, concurrency_max=1, backlog_max=10)
    caller = books.customer(credits=100)
    for _ in range(4):
        books.submit(caller)
    books.defaults = Defaults(None, concurrency_max=3, backlog_max=10)
    job = books.claim()
    assert job is not None
    books.complete(job)
    assert books.states() == ["completed"] + ["queued"] * 3
