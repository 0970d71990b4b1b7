"""The proof of the books finds what its constraints are there to prevent."""

import sqlite3
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from keeping import PRICE, Books
from safelight import ledger
from safelight.db import Transaction


@pytest.fixture
def paid(books: Books) -> Books:
    """Books with one job in each state."""
    caller = books.customer(credits=10)
    books.defaults = type(books.defaults)(None, concurrency_max=2, backlog_max=5)
    for end in (books.complete, books.fail, books.cancel):
        books.submit(caller)
        job = books.claim()
        assert job is not None
        end(job)
    for _ in range(3):
        books.submit(caller)
    assert books.claim()
    assert books.states() == [
        "completed", "failed", "cancelled", "running", "queued", "backlogged",
    ]  # fmt: skip
    return books


def test_books_that_were_kept_agree(paid: Books):
    proof = paid.verify()
    assert proof.problems == ()
    assert (proof.accounts, proof.jobs) == (1, 6)
    assert proof.entries == 1 + 6 + 3
    assert proof.granted_microcredits == 10_000_000
    assert proof.spent_microcredits == PRICE
    assert proof.held_microcredits == 3 * PRICE


def tamper(books: Books, *statements: str) -> tuple[str, ...]:
    """Change rows behind the house's back; returns what the proof then complains of."""
    connection = sqlite3.connect(books.path)
    connection.execute("pragma ignore_check_constraints = on")
    for statement in statements:
        touched = connection.execute(statement).rowcount
        assert touched != 0, statement
    connection.commit()
    connection.close()
    return books.verify().problems


@pytest.mark.parametrize(
    ("statement", "complaint"),
    [
        (f"update accounts set {book}_microcredits = {book}_microcredits + 1", "balance differs")
        for book in ("granted", "available", "held", "spent")
    ]
    + [
        ("update keys set held_microcredits = held_microcredits + 1", "use differs"),
        ("update keys set spent_microcredits = 0", "use differs"),
        ("update jobs set price_microcredits = 1 where state = 'queued'", "no hold of its price"),
        ("update jobs set state = 'completed' where state = 'failed'", "completed, but release"),
        ("update jobs set state = 'failed' where state = 'completed'", "failed, but capture"),
        ("update jobs set state = 'cancelled' where state = 'running'", "not resolved"),
        ("update jobs set state = 'queued' where state = 'cancelled'", "queued, but release"),
        ("update accounts set active_jobs = 0", "job counters differ"),
        ("update accounts set backlogged_jobs = 0", "job counters differ"),
        ("update jobs set picture_count = 0", "without its pictures"),
        ("delete from pictures", "without its pictures"),
        ("delete from jobs where state = 'queued'", "held for a job that does not exist"),
    ],
)
def test_a_row_that_was_tampered_with_is_found(paid: Books, statement: str, complaint: str):
    assert any(complaint in problem for problem in tamper(paid, statement))


@pytest.mark.parametrize("again", [ledger.capture, ledger.release])
def test_the_database_itself_refuses_a_second_resolution(
    paid: Books, again: Callable[[Transaction, str], object]
):
    [job] = paid.rows("select id from jobs where state = 'completed'")
    with pytest.raises(sqlite3.IntegrityError):
        paid.write(lambda tx: again(tx, job["id"]))
    assert paid.verify().problems == ()


@pytest.fixture
def unguarded(paid: Books, tmp_path: Path) -> Iterator[Books]:
    """A copy of the books without the index that forbids a second resolution."""
    path = tmp_path / "copy.db"
    source, copy = sqlite3.connect(paid.path), sqlite3.connect(path)
    source.backup(copy)
    source.close()
    copy.execute("drop index ledger_one_resolution")
    copy.close()
    books = Books(path)
    yield books
    books.close()


@pytest.mark.parametrize("again", [ledger.capture, ledger.release])
@pytest.mark.parametrize("state", ["completed", "failed", "cancelled"])
def test_without_its_index_a_second_resolution_does_not_escape_the_proof(
    unguarded: Books, again: Callable[[Transaction, str], object], state: str
):
    [job] = unguarded.rows("select id from jobs where state = $1", state)
    assert unguarded.verify().problems == ()
    unguarded.write(lambda tx: again(tx, job["id"]))
    assert any("resolved 2 times" in problem for problem in unguarded.verify().problems)


@pytest.mark.parametrize(
    "change", ["update ledger set note = 'nothing happened'", "delete from ledger"]
)
def test_history_can_be_neither_changed_nor_deleted(paid: Books, change: str):
    connection = sqlite3.connect(paid.path)
    with pytest.raises(sqlite3.IntegrityError, match="append only"):
        connection.execute(change)
    connection.close()


def test_jobs_that_were_forgotten_leave_books_that_still_agree(paid: Books):
    paid.write(lambda tx: tx.execute("delete from jobs where finished_at_ms is not null"))
    proof = paid.verify()
    assert proof.problems == ()
    assert proof.jobs == 3
    assert proof.spent_microcredits == PRICE
