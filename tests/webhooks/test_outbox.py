"""Messages: when they are due, who may send them, and that nothing is lost or done twice."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from keeping import PEPPER, Books
from safelight.accounts import Caller
from safelight.audit import Origin
from safelight.errors import TooManyRequests, UnknownDelivery
from safelight.flows import redeliver, sweep
from safelight.images import ImageStore
from safelight.webhooks import outbox
from safelight.webhooks.outbox import ATTEMPTS_MAX, Attempt, InFlight, Message

LEASE_MS = 15_000
BROKEN = Attempt(duration_ms=7, status=500, reason="the receiver answered 500", answer="oh")
TAKEN = Attempt(duration_ms=5, status=204)


class Desk:
    """Ended jobs with webhooks, and senders who claim their messages."""

    def __init__(self, books: Books):
        self.books = books
        self.after = outbox.FIRST

    def owe(self, caller: Caller, url: str = "https://hooks.example/a", count: int = 1) -> None:
        for _ in range(count):
            self.books.submit(caller, webhook_url=url)
            job = self.books.claim()
            assert job is not None
            assert self.books.complete(job)

    def claim(
        self,
        sender: str = "s1",
        places: int = 100,
        per_account: int = 100,
        per_host: int = 100,
    ) -> list[Message]:
        limits = InFlight(per_account=per_account, per_host=per_host)
        claimed = self.books.write(
            lambda tx: outbox.claim(
                tx, sender, places=places, limits=limits, lease_ms=LEASE_MS, after=self.after
            )
        )
        self.after = claimed.after
        return claimed.messages

    def record(self, message: Message, attempt: Attempt, sender: str = "s1") -> bool:
        return self.books.write(lambda tx: outbox.record(tx, message, sender, attempt))

    def state(self) -> str:
        [row] = self.books.rows("select state from outbox")
        return str(row["state"])

    def log(self) -> list[tuple[int, int | None, str | None]]:
        rows = self.books.rows("select number, status, reason from webhook_attempts order by 1")
        return [(row["number"], row["status"], row["reason"]) for row in rows]


@pytest.fixture
def desk(books: Books) -> Iterator[Desk]:
    return Desk(books)


def test_a_message_commits_with_the_outcome_and_not_before(books: Books, desk: Desk):
    caller = books.customer(10)
    books.submit(caller, webhook_url="https://hooks.example/a")
    job = books.claim()
    assert desk.claim() == []
    assert job is not None
    books.complete(job)
    assert not books.complete(job)  # a zombie owes nothing
    [message] = desk.claim()
    assert (message.job_id, message.url) == (job.id, "https://hooks.example/a")


def test_failed_attempts_are_repeated_after_one_two_and_four_seconds(books: Books, desk: Desk):
    desk.owe(books.customer(10))
    ids = set()
    for seconds in (1, 2, 4, None):
        [message] = desk.claim()
        ids.add(message.id)
        assert desk.record(message, BROKEN)
        assert desk.claim() == []
        if seconds is not None:
            books.clock.forward(seconds=seconds - 0.001)
            assert desk.claim() == []
            books.clock.forward(seconds=0.001)
    assert len(ids) == 1
    assert desk.state() == "failed"
    books.clock.forward(hours=1)
    assert desk.claim() == []
    assert desk.log() == [(n + 1, 500, "the receiver answered 500") for n in range(ATTEMPTS_MAX)]


def test_the_first_success_is_the_last_attempt(books: Books, desk: Desk):
    desk.owe(books.customer(10))
    assert desk.record(desk.claim()[0], BROKEN)
    books.clock.forward(seconds=1)
    assert desk.record(desk.claim()[0], TAKEN)
    books.clock.forward(hours=1)
    assert desk.claim() == []
    assert desk.state() == "delivered"
    assert desk.log() == [(1, 500, "the receiver answered 500"), (2, 204, None)]


def test_what_a_dead_sender_held_is_due_again_and_its_attempt_does_not_count(
    books: Books, desk: Desk
):
    desk.owe(books.customer(10))
    [lost] = desk.claim("dead")
    books.clock.forward(seconds=LEASE_MS / 1000 - 0.001)
    assert desk.claim() == []
    books.clock.forward(seconds=0.001)
    [again] = desk.claim("s2")
    assert (again.id, again.attempt, again.claims) == (lost.id, 0, lost.claims + 1)


def test_whoever_lost_the_lease_records_nothing(books: Books, desk: Desk):
    desk.owe(books.customer(10))
    [late] = desk.claim("late")
    books.clock.forward(seconds=LEASE_MS / 1000)
    [message] = desk.claim("s2")
    assert not desk.record(late, BROKEN, "late")
    assert desk.record(message, TAKEN, "s2")
    assert not desk.record(message, BROKEN, "s2")
    assert (desk.state(), len(desk.log())) == ("delivered", 1)


def test_a_sender_that_claimed_anew_does_not_take_its_old_answer_for_the_new_one(
    books: Books, desk: Desk
):
    desk.owe(books.customer(10))
    [late] = desk.claim()
    books.clock.forward(seconds=LEASE_MS / 1000)
    [message] = desk.claim()
    assert not desk.record(late, TAKEN)
    assert desk.record(message, BROKEN)


def test_a_sender_that_stops_hands_its_messages_back_at_once(books: Books, desk: Desk):
    desk.owe(books.customer(10))
    [message] = desk.claim()
    books.write(lambda tx: outbox.give_back(tx, message, "s1"))
    [again] = desk.claim("s2")
    books.write(lambda tx: outbox.give_back(tx, message, "s1"))  # not ours any more
    assert desk.record(again, TAKEN, "s2")


def test_no_message_has_two_senders(books: Books, desk: Desk):
    desk.owe(books.customer(100), count=10)
    first = desk.claim("s1", places=6)
    second = desk.claim("s2", places=6)
    assert (len(first), len(second)) == (6, 4)
    assert {m.id for m in first}.isdisjoint(m.id for m in second)


def test_an_account_has_only_so_many_on_their_way_over_all_senders(books: Books, desk: Desk):
    busy, other = books.customer(100, "busy"), books.customer(100, "other")
    desk.owe(busy, count=9)
    desk.owe(other, count=3)
    claimed = desk.claim(per_account=4)
    assert [m.account_id for m in claimed].count(busy.account_id) == 4
    assert len(claimed) == 7
    assert desk.claim("s2", per_account=4) == []
    assert desk.record(next(m for m in claimed if m.account_id == busy.account_id), TAKEN)
    assert [m.account_id for m in desk.claim("s2", per_account=4)] == [busy.account_id]


def test_a_host_has_only_so_many_on_their_way_whoever_named_it(books: Books, desk: Desk):
    for name, url in (("busy", "https://slow.example/"), ("other", "https://SLOW.example./a")):
        desk.owe(books.customer(100, name), url, 5)
    assert len(desk.claim(per_account=4, per_host=6)) == 6


def test_an_accounts_slow_host_does_not_keep_all_its_places(books: Books, desk: Desk):
    caller = books.customer(100)
    desk.owe(caller, "https://a-slow.example/", 20)
    desk.owe(caller, "https://quick.example/")
    claimed = desk.claim(per_account=4)
    assert not any("quick" in m.url for m in claimed)
    desk.record(claimed[0], BROKEN)
    assert ["quick" in m.url for m in desk.claim(per_account=4)] == [True]


def test_turns_go_round_among_accounts_however_much_one_of_them_owes(books: Books, desk: Desk):
    whales = [books.customer(100, f"whale {n}") for n in range(3)]
    for whale in whales:
        desk.owe(whale, count=20)
    minnow = books.customer(100, "minnow")
    desk.owe(minnow)
    served = []
    for _ in range(3):  # six places a time, two for each account
        served += [m.account_id for m in desk.claim(places=6, per_account=2)]
        books.clock.forward(seconds=LEASE_MS / 1000)
    assert minnow.account_id in served
    assert all(served.count(whale.account_id) >= 3 for whale in whales)


def test_a_claim_costs_no_more_when_a_dead_receiver_owes_thousands(books: Books, desk: Desk):
    dead, alive = books.customer(1, "dead"), books.customer(10, "alive")
    books.write(
        lambda tx: tx.execute(
            "with recursive n(i) as (select 1 union all select i + 1 from n where i < 5000)"
            " insert into outbox (id, job_id, account_id, url, host, state, due_at_ms,"
            " created_at_ms) select 'msg_' || i, 'job_' || i, $1, 'https://dead/', 'dead',"
            " 'pending', $2, $2 from n",
            dead.account_id, tx.now_ms - 5000,
        )
    )  # fmt: skip
    desk.owe(alive)
    plan = books.rows(
        "explain query plan select account_id, host from outbox where state = 'pending'"
        " and (account_id, host) > ('', '') order by account_id, host limit 1"
    )
    assert "outbox_receivers" in plan[0]["detail"]
    claimed = desk.claim(places=10, per_account=4)
    assert sorted(m.account_id == alive.account_id for m in claimed) == [False] * 4 + [True]


def test_a_redelivery_has_the_old_id_all_attempts_and_goes_on_in_the_log(books: Books, desk: Desk):
    caller = books.customer(10)
    desk.owe(caller)
    [message] = desk.claim()
    assert desk.record(message, TAKEN)
    books.clock.forward(hours=5)
    books.run(redeliver.redeliver(books.db, caller, message.id, "evolink", books.defaults))
    for seconds in (1, 2, 4, 0):
        [again] = desk.claim()
        assert again.id == message.id
        assert desk.record(again, BROKEN)
        books.clock.forward(seconds=seconds)
    assert desk.state() == "failed"
    assert [number for number, _, _ in desk.log()] == [1, 2, 3, 4, 5]


def test_redelivering_what_is_on_its_way_changes_nothing(books: Books, desk: Desk):
    caller = books.customer(10)
    desk.owe(caller)
    [message] = desk.claim()
    books.run(redeliver.redeliver(books.db, caller, message.id, "evolink", books.defaults))
    assert desk.claim("s2") == []
    assert desk.record(message, TAKEN)


def test_a_redelivery_counts_as_a_request_of_the_account(books: Books, desk: Desk):
    caller = books.customer(10, requests_per_minute=2)
    desk.owe(caller)
    [message] = desk.claim()

    def again(message_id: str = message.id) -> None:
        books.run(redeliver.redeliver(books.db, caller, message_id, "evolink", books.defaults))

    with pytest.raises(UnknownDelivery):
        again("msg_0")
    again()
    with pytest.raises(TooManyRequests):
        again()


def test_the_log_of_a_message_does_not_grow_for_ever(books: Books, desk: Desk):
    caller = books.customer(10)
    desk.owe(caller)
    for _ in range(outbox.ATTEMPTS_KEPT + 3):
        [message] = desk.claim()
        assert desk.record(message, TAKEN)
        books.run(redeliver.redeliver(books.db, caller, message.id, "evolink", books.defaults))
    numbers = [number for number, _, _ in desk.log()]
    assert numbers == list(range(4, outbox.ATTEMPTS_KEPT + 4))


def test_all_that_failed_can_be_sent_again(books: Books, desk: Desk):
    desk.owe(books.customer(100), count=3)
    messages = desk.claim()
    for _ in range(ATTEMPTS_MAX):
        for message in messages[:2]:
            desk.record(message, BROKEN)
        books.clock.forward(seconds=10)
        messages = desk.claim() or messages
    books.write(lambda tx: tx.execute("update outbox set state = 'failed' where state = 'pending'"))
    failed = books.rows("select 1 from outbox where state = 'failed'")
    assert (
        books.run(redeliver.redeliver_failed(books.db, PEPPER, Origin(actor="operator:ada")))
        == len(failed)
        == 3
    )
    assert books.rows("select 1 from outbox where state = 'failed'") == []


def test_messages_and_their_log_are_forgotten_with_their_jobs(
    books: Books, desk: Desk, tmp_path: Path
):
    caller = books.customer(10)
    books.submit(caller, webhook_url="https://hooks.example/")
    job = books.claim()
    assert job is not None
    books.fail(job)
    assert desk.record(desk.claim()[0], BROKEN)
    store = ImageStore(tmp_path / "pictures", b"sixteen characters", "http://here")
    books.clock.forward(hours=49)
    books.run(sweep.sweep(books.db, store, books.defaults, keep_days=2, registry_days=365))
    for table in ("jobs", "outbox", "webhook_attempts"):
        assert books.rows(f"select 1 from {table}") == [], table


def test_idle_costs_one_step_of_an_index(books: Books):
    [plan] = books.rows(
        "explain query plan select min(due_at_ms) from outbox where state = 'pending'"
    )
    assert "outbox_due" in plan["detail"]
