"""The audit log: every way to falsify it is noticed, and nobody can fork or shorten it quietly."""

import contextlib
import itertools
import sqlite3
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from keeping import PEPPER, Books
from safelight import audit
from safelight.audit import Action, Head, Origin
from safelight.audit.verify import Chain, parse_head, verify
from safelight.db import Transaction
from safelight.db.sqlite import SqliteTransaction, connect, run_unit

ADA = Origin(actor="operator:ada")
ASKED = Origin(actor="key_0123", request_id="req_1", address="192.0.2.1")
COLUMNS = [*audit.COLUMNS, "hash"]


@pytest.fixture
def log(books: Books) -> Books:
    """One row of every action, by an operator and through a request in turn."""
    for action, origin in zip(Action, itertools.cycle([ADA, ASKED]), strict=False):
        append(books, action, origin)
        books.clock.forward(seconds=1)
    return books


def append(books: Books, action: Action = Action.KEY_CREATED, origin: Origin = ADA) -> Head:
    return books.write(
        lambda tx: audit.append(
            tx, PEPPER, origin, action, "key_42", before={"a": 1}, after={"a": None}
        )
    )


def proven(books: Books, known: Head | None = None, pepper: bytes = PEPPER) -> Chain:
    return books.run(books.db.scan(lambda tx: verify(tx, pepper, known)))


class Thief:
    """Somebody who may write the file, and takes the triggers away first; undone at the end."""

    def __init__(self, connection: sqlite3.Connection):
        self.execute = connection.execute
        self._tx = SqliteTransaction(connection, now_ms=0)

    def append(self) -> None:
        """A good row, as the server itself would write it."""
        run_unit(
            lambda tx: audit.append(tx, PEPPER, ADA, Action.CREDITS_GRANTED, "acc_1"), self._tx
        )

    def problems(self, known: Head | None = None) -> list[str]:
        return run_unit(lambda tx: verify(tx, PEPPER, known), self._tx).problems


@contextlib.contextmanager
def broken_into(books: Books) -> Iterator[Thief]:
    with contextlib.closing(connect(books.path)) as connection:
        connection.execute("begin")
        for (name,) in connection.execute(
            "select name from sqlite_schema where type = 'trigger'"
        ).fetchall():
            connection.execute(f"drop trigger {name}")
        yield Thief(connection)
        connection.execute("rollback")


def test_an_untouched_log_is_proven_and_says_where_it_ends(log: Books):
    chain = proven(log)
    assert chain.problems == []
    assert chain.head.number == len(Action)
    assert proven(log, chain.head).problems == []
    assert parse_head(str(chain.head)) == chain.head
    assert proven(log, audit.EMPTY).problems == []


def other(value: object) -> list[object]:
    """Values that a column may be falsified to; no value is left as it was."""
    if isinstance(value, int):
        return [value + 1, value - 1, -value, 0, value + 0.5, "", b"x"]
    if isinstance(value, str):
        others = [value + " ", value[:-1], value.swapcase(), "", value.encode(), 7, "é"]
        return [found for found in others if found != value]
    return ["", "x", 0]


@pytest.mark.parametrize("column", COLUMNS)
def test_every_change_of_a_column_in_any_row_is_noticed(log: Books, column: str):
    tried = 0
    for row in log.rows("select * from audit"):
        for value in other(row[column]):
            with broken_into(log) as thief, contextlib.suppress(sqlite3.IntegrityError):
                thief.execute(f"update audit set {column} = ? where hash = ?", (value, row["hash"]))
                assert thief.problems(), (row["number"], column, value)
                tried += 1
    assert tried >= 3 * len(Action)  # what the table itself refuses was not tried


def test_every_row_that_is_taken_out_is_noticed(log: Books):
    kept = proven(log).head
    for number in range(1, kept.number + 1):
        with broken_into(log) as thief:
            thief.execute("delete from audit where number = ?", (number,))
            assert thief.problems(kept)
            assert thief.problems() or number == kept.number


def test_rows_that_change_places_are_noticed(log: Books):
    for one, two in itertools.combinations(range(1, len(Action) + 1), 2):
        with broken_into(log) as thief:
            for moved, to in ((one, -1), (two, one), (-1, two)):
                thief.execute("update audit set number = ? where number = ?", (to, moved))
            assert thief.problems(), (one, two)


def test_a_row_that_was_copied_into_another_place_is_noticed(log: Books):
    columns = "at_ms, actor, action, object, details, request_id, address"
    last = len(Action)
    for number in range(1, last + 1):
        with broken_into(log) as thief:
            thief.execute(
                f"insert into audit (number, {columns}, previous, hash) select ?, {columns},"
                " (select hash from audit where number = ?), hash || ' ' from audit"
                " where number = ?",
                (last + 1, last, number),
            )
            assert thief.problems(), number


def test_a_row_that_was_put_in_without_the_secret_is_noticed(log: Books):
    async def forge(tx: Transaction) -> None:
        await audit.append(tx, b"a guess at the secret", ADA, Action.KEY_REVOKED, "key_9")

    log.write(forge)
    [problem] = proven(log).problems
    assert "another secret" in problem


def test_a_rewritten_log_needs_the_secret_too(log: Books):
    assert len(proven(log, pepper=b"another install's secret").problems) == len(Action)


def test_a_cut_off_end_is_noticed_by_a_head_that_was_kept(log: Books):
    kept = proven(log).head
    for length in range(kept.number - 1, -1, -1):
        with broken_into(log) as thief:
            thief.execute("delete from audit where number > ?", (length,))
            assert thief.problems() == []  # a chain that is shorter is a chain
            [problem] = thief.problems(kept)
            assert "cut off" in problem


def test_an_end_that_was_cut_off_and_grown_anew_is_noticed_by_a_head_that_was_kept(log: Books):
    kept = proven(log).head
    with broken_into(log) as thief:
        thief.execute("delete from audit where number = ?", (kept.number,))
        thief.append()
        assert thief.problems() == []
        [problem] = thief.problems(kept)
        assert "not the one" in problem


@pytest.mark.parametrize(
    "statement",
    [
        "update audit set actor = 'nobody' where number = 1",
        "update audit set details = details",
        "delete from audit where number = 1",
        "delete from audit",
        "insert or replace into audit select * from audit where number = 1",
        "insert or replace into audit select number, at_ms, 'nobody', action, object, details,"
        " request_id, address, previous, hash from audit where number = 2",
        "insert into audit select 99, at_ms, actor, action, object, details, request_id, address,"
        " 'x', 'y' from audit where number = 1",
        "insert into audit select number + 100, at_ms, actor, action, object, details, request_id,"
        " address, hash, 'z' from audit where number = 1",
    ],
)
def test_the_database_itself_refuses_to_change_the_log(log: Books, statement: str):
    before = log.rows("select * from audit")
    with contextlib.closing(sqlite3.connect(log.path)) as connection:
        with pytest.raises(sqlite3.IntegrityError, match="audit log"):
            connection.execute(statement)
        connection.commit()
    assert log.rows("select * from audit") == before


def test_a_row_is_there_with_its_change_or_not_at_all(books: Books):
    async def fails(tx: Transaction) -> None:
        await audit.append(tx, PEPPER, ADA, Action.KEY_CREATED, "key_1")
        raise RuntimeError

    with pytest.raises(RuntimeError):
        books.write(fails)
    assert books.rows("select * from audit") == []
    append(books)
    assert proven(books).head.number == 1


def test_details_never_hold_a_key_or_a_webhook_secret(books: Books):
    held = {"note": f"key sl-{'a' * 38} and whsec_{'b' * 44}"}
    books.write(
        lambda tx: audit.append(tx, PEPPER, ADA, Action.CREDITS_GRANTED, "acc_1", after=held)
    )
    [row] = books.rows("select details from audit")
    assert "aaaa" not in row["details"]
    assert "bbbb" not in row["details"]
    assert proven(books).problems == []


def test_details_have_an_end(books: Books):
    with pytest.raises(ValueError, match="8192"):
        books.write(
            lambda tx: audit.append(
                tx, PEPPER, ADA, Action.KEY_CREATED, "k", after={"a": "x" * 9000}
            )
        )


def test_a_head_in_another_form_is_refused():
    for text in ("", "5", "5:", "abc:" + "0" * 64, "5:" + "0" * 63, "-1:" + "0" * 64):
        with pytest.raises(ValueError, match="NUMBER:HASH"):
            parse_head(text)


def test_many_rows_are_proven_quickly(tmp_path: Path):
    """A hundred thousand took 1.3 s; a fiftieth of them here, and much more time."""
    books = Books(tmp_path / "many.db")

    async def fill(tx: Transaction) -> None:
        for _ in range(2_000):
            await audit.append(tx, PEPPER, ADA, Action.KEY_CREATED, "key_1", after={"a": 1})

    books.write(fill)
    began = time.monotonic()
    chain = proven(books)
    assert chain.problems == []
    assert chain.head.number == 2_000
    assert time.monotonic() - began < 5
    books.close()
