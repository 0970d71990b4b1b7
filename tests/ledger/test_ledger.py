"""Credits: what is granted, set aside, charged and given back; what a key may spend of it."""

import sqlite3

import pytest

from keeping import PRICE, Books
from safelight import ledger
from safelight.errors import InsufficientCredits, NotFound
from safelight.jobs import Job
from safelight.ledger import MICROCREDITS


def claimed(books: Books) -> Job:
    job = books.claim()
    assert job is not None
    return job


def test_a_price_is_set_aside_at_submission_and_charged_at_the_end(books: Books):
    caller = books.customer(1)
    books.submit(caller)
    held = books.balance(caller)
    assert (held.available, held.held, held.spent) == (MICROCREDITS - PRICE, PRICE, 0)
    books.complete(claimed(books))
    spent = books.balance(caller)
    assert (spent.available, spent.held, spent.spent) == (MICROCREDITS - PRICE, 0, PRICE)


def test_who_cannot_pay_leaves_nothing_behind(books: Books):
    caller = books.customer(0.4)
    with pytest.raises(InsufficientCredits) as refusal:
        books.submit(caller)
    assert refusal.value.price_microcredits == PRICE
    assert refusal.value.available_microcredits == 400_000
    assert books.states() == []
    assert books.balance(caller).held == 0
    assert books.rows("select kind from ledger") == [{"kind": "grant"}]
    assert books.rows("select active_jobs, backlogged_jobs from accounts") == [
        {"active_jobs": 0, "backlogged_jobs": 0}
    ]


def test_what_costs_nothing_can_be_had_for_nothing(books: Books):
    caller = books.customer(0)
    books.submit(caller, price=0)
    books.complete(claimed(books))
    assert books.states() == ["completed"]
    assert books.verify().problems == ()


def test_granted_credits_can_be_taken_back_while_they_are_available(books: Books):
    caller = books.customer(1)
    books.submit(caller)

    def grant(amount: int) -> None:
        books.write(lambda tx: ledger.grant(tx, caller.account_id, amount))

    with pytest.raises(InsufficientCredits):
        grant(-MICROCREDITS)  # some of it is held
    grant(PRICE - MICROCREDITS)
    assert books.balance(caller).available == 0
    assert books.verify().problems == ()


def test_unknown_accounts_have_no_balance(books: Books):
    with pytest.raises(NotFound):
        books.read(lambda tx: ledger.balance(tx, "acc_nobody"))


@pytest.mark.parametrize("sql", ["update ledger set amount_microcredits = 0", "delete from ledger"])
def test_history_cannot_be_changed(books: Books, sql: str):
    books.customer(1)
    with pytest.raises(sqlite3.IntegrityError, match="append only"):
        books.write(lambda tx: tx.execute(sql))


@pytest.mark.parametrize("settle", [ledger.capture, ledger.release])
def test_a_hold_cannot_be_resolved_twice(books: Books, settle):
    caller = books.customer(1)
    job = books.submit(caller)
    books.complete(claimed(books))
    with pytest.raises(sqlite3.IntegrityError):
        books.write(lambda tx: settle(tx, job.id))
    assert books.balance(caller).spent == PRICE


def test_a_key_spends_no_more_than_its_own_limit(books: Books):
    caller = books.customer(10, credit_limit_microcredits=2 * PRICE)
    books.submit(caller)
    books.complete(claimed(books))
    books.submit(caller)
    with pytest.raises(InsufficientCredits, match="credit limit") as refusal:
        books.submit(caller)
    assert (refusal.value.scope, refusal.value.available_microcredits) == ("key", 0)
    books.fail(claimed(books))
    books.submit(caller)  # what was given back may be spent again


def test_a_daily_limit_begins_anew_at_midnight(books: Books):
    caller = books.customer(10, daily_limit_microcredits=2 * PRICE)
    books.submit(caller)
    books.submit(caller)
    with pytest.raises(InsufficientCredits, match="daily limit") as refusal:
        books.submit(caller)
    assert refusal.value.scope == "day"
    books.clock.forward(hours=12, seconds=-0.001)
    with pytest.raises(InsufficientCredits):
        books.submit(caller)
    books.clock.forward(seconds=0.001)
    books.submit(caller)


def test_what_is_given_back_counts_for_the_day_on_which_it_was_held(books: Books):
    caller = books.customer(10, daily_limit_microcredits=PRICE)
    books.submit(caller)
    books.clock.forward(hours=24)
    books.submit(caller)
    books.fail(claimed(books))  # yesterday's
    with pytest.raises(InsufficientCredits):
        books.submit(caller)
    books.fail(claimed(books))  # today's
    books.submit(caller)


def test_credits_are_given_back_even_when_the_clock_was_set_wrong_in_between(books: Books):
    caller = books.customer(10, daily_limit_microcredits=4 * PRICE)
    books.submit(caller, 2 * PRICE)
    books.clock.forward(hours=25)
    books.submit(caller, PRICE)
    books.clock.forward(hours=-25)
    books.submit(caller, PRICE)
    for _ in range(3):
        assert books.fail(claimed(books))
    assert books.balance(caller).available == 10 * MICROCREDITS
    assert books.verify().problems == ()
