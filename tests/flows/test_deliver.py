"""The sender, on real TLS: schedule, deadline, redirects, and slow receivers beside quick ones."""

import asyncio
import contextlib
import sqlite3
import time
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime
from ipaddress import ip_network
from typing import Any

import pytest
import standardwebhooks

from callbacks import LOOPBACK, receiving, trusting
from keeping import PEPPER, Books, link
from safelight import catalog
from safelight.accounts import Caller
from safelight.api.answers import encode
from safelight.dialects import evolink
from safelight.egress import Egress
from safelight.flows.cancel import cancel
from safelight.flows.deliver import POLL_SECONDS, DeliverySettings, Sender
from safelight.flows.reveal import reveal
from safelight.jobs import Job
from safelight.webhooks.outbox import BELL, InFlight

CATALOG = catalog.load()
SETTINGS = DeliverySettings(
    attempt_seconds=10,
    in_flight=64,
    limits=InFlight(per_account=4, per_host=64),
    finish_seconds=0.1,
)


def render(job: Job) -> bytes:
    return encode(evolink.render(job, CATALOG))


class Post:
    """Ended jobs with webhooks, and a sender that lives until something is so."""

    def __init__(self, books: Books):
        self.books = books

    def ended(self, caller: Caller, url: str) -> Job:
        self.books.submit(caller, webhook_url=url)
        job = self.books.claim()
        assert job is not None
        assert self.books.complete(job)
        return job

    def sender(self, name: str = "s1", **settings: Any) -> Sender:
        egress = Egress(allowed=(ip_network(LOOPBACK),), tls=trusting())
        return Sender(
            name, self.books.db, egress, render, link, PEPPER, replace(SETTINGS, **settings)
        )

    def deliver(
        self, until: Callable[[], Any], *, step_seconds: float = 0, **settings: Any
    ) -> None:
        """Let a sender live until that is true; the clock moves on while it has nothing to do."""

        async def life() -> None:
            async with self.living(self.sender(**settings)):
                while not until():
                    if step_seconds:
                        self.books.clock.forward(seconds=step_seconds)
                        self.books.db.announce(BELL)
                    await asyncio.sleep(0.005)

        self.books.run(life())

    @contextlib.asynccontextmanager
    async def living(self, *senders: Sender) -> AsyncIterator[None]:
        running = [asyncio.create_task(sender.run()) for sender in senders]
        try:
            async with asyncio.timeout(20):
                yield
        finally:
            for sender in senders:
                sender.stop()
            await asyncio.gather(*running)

    def attempts(self) -> list[tuple[int | None, str | None]]:
        return self._rows("select status, reason from webhook_attempts order by number")

    def states(self) -> list[str]:
        return [state for (state,) in self._rows("select state from outbox")]

    def is_over(self) -> bool:
        return "pending" not in self.states()

    def _rows(self, sql: str) -> list[Any]:
        """From a connection of its own: the sender is in the middle of its life."""
        with contextlib.closing(sqlite3.connect(self.books.path)) as connection:
            return connection.execute(sql).fetchall()


@pytest.fixture
def post(books: Books) -> Iterator[Post]:
    return Post(books)


def test_the_body_is_the_polls_and_the_signature_the_accounts(books: Books, post: Post):
    caller = books.customer(10)
    with receiving() as receiver:
        job = post.ended(caller, receiver.url + "?token=%EA%B0%80&a=b")
        post.deliver(post.is_over)
    [call] = receiver.calls
    assert call.path == "/hook?token=%EA%B0%80&a=b"  # callers put secrets of their own there
    assert call.body == render(books.job(job.id))
    assert call.headers["content-type"] == "application/json"
    [secret] = books.run(reveal(books.db, caller.account_id, PEPPER))
    assert call.headers["webhook-timestamp"] == str(books.clock.now_ms // 1000)
    at = datetime.fromtimestamp(books.clock.now_ms / 1000, UTC)
    signed = standardwebhooks.Webhook(secret.secret).sign(call.id, at, call.body.decode())
    assert signed in call.headers["webhook-signature"].split()
    assert post.states() == ["delivered"]


def test_it_is_tried_four_times_under_one_id_and_then_has_failed(books: Books, post: Post):
    with receiving(statuses=(500, 410, 404, 503)) as receiver:
        post.ended(books.customer(10), receiver.url)
        post.deliver(post.is_over, step_seconds=0.05)
    assert len(receiver.calls) == 4
    assert len({call.id for call in receiver.calls}) == 1
    stamps = [int(call.headers["webhook-timestamp"]) for call in receiver.calls]
    assert stamps[3] - stamps[0] >= 6  # one, two and four seconds, cut to whole ones
    assert [status for status, _ in post.attempts()] == [500, 410, 404, 503]
    assert post.states() == ["failed"]


def test_the_first_2xx_ends_it(books: Books, post: Post):
    with receiving(statuses=(500, 299)) as receiver:
        post.ended(books.customer(10), receiver.url)
        post.deliver(post.is_over, step_seconds=0.05)
    assert len(receiver.calls) == 2
    assert post.attempts() == [(500, "the receiver answered 500"), (299, None)]


def test_a_redirect_is_a_failure_and_nobody_goes_where_it_leads(books: Books, post: Post):
    with receiving("127.0.0.2") as elsewhere:
        answer = {"location": elsewhere.url}
        with receiving(statuses=(302, 307, 308, 301), headers=answer) as receiver:
            post.ended(books.customer(10), receiver.url)
            post.deliver(post.is_over, step_seconds=0.05)
    assert (len(receiver.calls), elsewhere.calls) == (4, [])
    assert "not followed" in str(post.attempts()[0][1])
    assert post.states() == ["failed"]


def test_a_receiver_that_drips_is_left_when_the_time_is_up(books: Books, post: Post):
    def drops() -> Iterator[bytes]:
        while not receiver.closing.wait(0.02):
            yield b"."

    with receiving(headers={"content-length": "1000000"}, pieces=drops) as receiver:
        post.ended(books.customer(10), receiver.url)
        began = time.monotonic()
        post.deliver(lambda: post.attempts(), attempt_seconds=0.3)
        assert time.monotonic() - began < 3
    assert post.attempts() == [(None, "timed out")]


def test_a_long_answer_is_cut_and_two_kib_of_it_are_kept(books: Books, post: Post):
    with receiving(body="가".encode() * 1_000_000) as receiver:
        post.ended(books.customer(10), receiver.url)
        post.deliver(post.is_over)
    [row] = books.rows("select answer from webhook_attempts")
    assert row["answer"] == "가" * (2048 // 3)


@pytest.mark.parametrize(
    ("url", "reason"),
    [
        ("https://169.254.169.254/latest", "the destination is not allowed"),
        ("https://[fd00::1]/", "the destination is not allowed"),
        ("https://127.0.0.1:1/", "connection refused"),
    ],
)
def test_an_attempt_that_reaches_nobody_says_no_more_than_that(
    books: Books, post: Post, url: str, reason: str
):
    post.ended(books.customer(10), url)
    post.deliver(post.is_over, step_seconds=0.05)
    assert post.attempts() == [(None, reason)] * 4
    assert post.states() == ["failed"]


def test_a_slow_receiver_delays_only_its_own_messages(books: Books, post: Post):
    slow, quick = books.customer(100, "slow"), books.customer(100, "quick")
    with receiving("127.0.0.2") as hanging, receiving("127.0.0.3") as prompt:
        hanging.before = lambda: hanging.closing.wait(20)
        for _ in range(40):
            post.ended(slow, hanging.url)
        for _ in range(20):
            post.ended(quick, prompt.url)
        began = time.monotonic()
        post.deliver(lambda: len(prompt.calls) == 20)
        assert time.monotonic() - began < 5  # and not the ten seconds of a hanging attempt
        assert len(hanging.calls) <= SETTINGS.limits.per_account


def test_hundreds_of_receivers_that_wait_hide_nobody_and_cost_no_hurry(books: Books, post: Post):
    waiting, alive = books.customer(1, "waiting"), books.customer(10, "alive")
    books.write(
        lambda tx: tx.execute(
            "with recursive n(i) as (select 1 union all select i + 1 from n where i < 500)"
            " insert into outbox (id, job_id, account_id, url, host, state, due_at_ms,"
            " created_at_ms) select 'msg_' || i, 'job_' || i, $1, 'https://later/', 'h' || i,"
            " 'pending', $2, $2 from n",
            waiting.account_id, tx.now_ms + 3_600_000,
        )
    )  # fmt: skip
    with receiving() as receiver:
        post.ended(alive, receiver.url)
        post.deliver(lambda: "delivered" in post.states())
    assert len(receiver.calls) == 1
    [row] = books.rows("select max(claims) as claims from outbox")
    assert row["claims"] == 1


def test_a_bell_is_heard_at_once(books: Books, post: Post):
    caller = books.customer(10)
    with receiving() as receiver:

        async def life() -> float:
            async with post.living(post.sender()):
                job, _ = await books.submitting(caller, webhook_url=receiver.url)
                began = time.monotonic()
                await cancel(books.db, job.account_id, job.id, "evolink", books.defaults, link)
                while not receiver.calls:
                    await asyncio.sleep(0.001)
                return time.monotonic() - began

        assert books.run(life()) < POLL_SECONDS / 2


def test_a_sender_that_stops_hands_back_what_is_on_its_way(books: Books, post: Post):
    with receiving() as receiver:
        receiver.before = lambda: receiver.closing.wait(20)
        post.ended(books.customer(10), receiver.url)
        post.deliver(lambda: receiver.calls)
        [row] = books.rows("select state, lease_until_ms, attempt from outbox")
        assert dict(row) == {"state": "pending", "lease_until_ms": None, "attempt": 0}
        receiver.before = lambda: None
        post.deliver(post.is_over, name="s2")
    assert post.states() == ["delivered"]
    assert len({call.id for call in receiver.calls}) == 1


def test_a_job_that_cannot_be_read_fails_alone(books: Books, post: Post):
    caller = books.customer(10)
    with receiving() as receiver:
        broken = post.ended(caller, receiver.url)
        fine = post.ended(caller, receiver.url)
        books.write(
            lambda tx: tx.execute("update jobs set request = 'no JSON' where id = $1", broken.id)
        )
        post.deliver(lambda: len(receiver.calls) == 1 and post.attempts())
    assert receiver.calls[0].body == render(books.job(fine.id))
    assert (None, "the message could not be sent") in post.attempts()


def test_several_senders_at_once_send_each_message_once(books: Books, post: Post):
    caller = books.customer(100)
    with receiving() as receiver:
        for _ in range(30):
            post.ended(caller, receiver.url)

        async def life() -> None:
            async with post.living(*(post.sender(f"s{n}") for n in range(3))):
                while len(receiver.calls) < 30:
                    await asyncio.sleep(0.005)

        books.run(life())
    assert len({call.id for call in receiver.calls}) == len(receiver.calls) == 30
