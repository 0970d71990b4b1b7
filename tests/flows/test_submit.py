"""Submission: one transaction for the job, its hold and its Idempotency-Key, or nothing."""

import asyncio
import itertools
from collections import Counter

import pytest

from keeping import PRICE, Books, request
from safelight.errors import IdempotencyConflict, InsufficientCredits, TooManyRequests
from safelight.limits import Defaults

KEY = "one and the same"


def test_the_seed_is_drawn_once_and_stored(books: Books):
    job = books.submit(books.customer(1))
    assert job.request.seed is not None
    claimed = books.claim()
    assert claimed is not None
    assert claimed.request.seed == job.request.seed


def test_a_seed_that_was_asked_for_is_kept(books: Books):
    assert books.submit(books.customer(1), request=request(seed=7)).request.seed == 7


def test_an_id_that_is_taken_is_drawn_again(books: Books):
    caller = books.customer(1)
    ids = itertools.chain(["task-1", "task-1", "task-2"])
    submitted = [books.submit(caller, new_id=lambda *_: next(ids)) for _ in range(2)]
    assert [job.id for job in submitted] == ["task-1", "task-2"]
    assert books.verify().problems == ()


def test_the_same_key_and_request_give_the_same_job_as_it_then_stands(books: Books):
    caller = books.customer(1)
    first, replayed = books.run(books.submitting(caller, idempotency_key=KEY))
    assert not replayed
    job = books.claim()
    assert job is not None
    books.complete(job)
    again, replayed = books.run(books.submitting(caller, idempotency_key=KEY))
    assert replayed
    assert (again.id, again.state) == (first.id, "completed")
    assert len(again.pictures) == 1
    assert books.balance(caller).spent == PRICE


def test_a_key_is_bound_to_the_request_and_its_webhook(books: Books):
    caller = books.customer(10)
    books.submit(caller, idempotency_key=KEY)
    for other in (
        {"request": request("a dog")},
        {"request": request(seed=1)},
        {"webhook_url": "https://example.com/hook"},
    ):
        with pytest.raises(IdempotencyConflict):
            books.submit(caller, idempotency_key=KEY, **other)
    assert len(books.states()) == 1


def test_keys_of_other_accounts_and_doors_are_other_keys(books: Books):
    studio, agency = books.customer(1), books.customer(1, name="agency")
    made = [
        books.submit(studio, idempotency_key=KEY),
        books.submit(studio, idempotency_key=KEY, dialect="krea"),
        books.submit(agency, idempotency_key=KEY),
    ]
    assert len({job.id for job in made}) == 3


def test_another_key_of_the_same_account_sees_the_same_job(books: Books):
    first = books.submit(books.customer(1), idempotency_key=KEY)
    assert books.submit(books.customer(0), idempotency_key=KEY).id == first.id


def test_a_refused_submission_does_not_use_up_its_idempotency_key(books: Books):
    caller = books.customer(0)
    with pytest.raises(InsufficientCredits):
        books.submit(caller, idempotency_key=KEY)
    books.customer(1)  # the account's credits arrive
    books.submit(caller, idempotency_key=KEY)


def test_a_refused_submission_does_not_use_up_the_rate(books: Books):
    books.defaults = Defaults(requests_per_minute=1, concurrency_max=1, backlog_max=1)
    caller = books.customer(0)
    for _ in range(3):
        with pytest.raises(InsufficientCredits):
            books.submit(caller)
    books.customer(1)
    books.submit(caller)
    with pytest.raises(TooManyRequests):
        books.submit(caller)


def test_a_replay_costs_neither_credits_nor_rate(books: Books):
    books.defaults = Defaults(requests_per_minute=1, concurrency_max=1, backlog_max=0)
    caller = books.customer(0.45)
    made = {books.submit(caller, idempotency_key=KEY).id for _ in range(5)}
    assert len(made) == 1


def test_a_hundred_orders_in_one_commit_on_credit_for_ten_are_ten_jobs(books: Books):
    caller = books.customer(4.5)

    async def rush() -> list[object]:
        orders = (books.submitting(caller) for _ in range(100))
        return await asyncio.gather(*orders, return_exceptions=True)

    replies = Counter(type(reply) for reply in books.run(rush()))
    assert replies == {tuple: 10, InsufficientCredits: 90}
    assert books.states() == ["queued"] * 10
    assert books.balance(caller).available == 0
    assert books.verify().problems == ()
