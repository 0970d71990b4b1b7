"""Many callers at one instant: money, keys and limits hold; what is refused leaves no trace."""

import threading
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal
from pathlib import Path

import pytest
import requests

from running import Customer, Server, until


def at_once(count: int, call: Callable[[], requests.Response]) -> list[requests.Response]:
    """The replies of `count` threads that are let go together."""
    gate = threading.Barrier(count)

    def one(_: int) -> requests.Response:
        gate.wait(timeout=30)
        return call()

    with ThreadPoolExecutor(count) as threads:
        return list(threads.map(one, range(count)))


@pytest.mark.parametrize("door", ["evolink", "krea"])
def test_of_a_hundred_submissions_on_credit_for_ten_exactly_ten_are_accepted(
    server: Server, door: str
):
    price = {"evolink": Decimal("0.45"), "krea": krea_price(server)}[door]
    customer = server.customer(credits=str(price * 10))
    replies = at_once(100, customer.order if door == "evolink" else customer.order_krea)
    assert Counter(reply.status_code for reply in replies) == {200: 10, 402: 90}
    for reply in replies:
        if reply.status_code == 200:
            wait_for(customer, door, reply.json())
    assert server.balance(customer) == {
        "granted": price * 10, "available": 0, "held": 0, "spent": price * 10,
    }  # fmt: skip
    assert jobs_of(customer, door) == 10  # the ninety left nothing behind


def krea_price(server: Server) -> Decimal:
    customer = server.customer()
    job_id = customer.order_krea().json()["job_id"]
    assert customer.job(job_id, wait=30)["status"] == "completed"
    return server.balance(customer)["spent"]


def wait_for(customer: Customer, door: str, submitted: dict[str, str]) -> None:
    if door == "evolink":
        assert customer.finished(submitted["id"])["status"] == "completed"
    else:
        assert customer.job(submitted["job_id"], wait=30)["status"] == "completed"


def jobs_of(customer: Customer, door: str) -> int:
    if door == "evolink":
        return int(customer.call("GET", "/v1/tasks").json()["total"])
    return len(customer.call("GET", "/jobs?limit=100").json()["items"])


def test_fifty_submissions_with_one_idempotency_key_make_one_task_and_one_hold(server: Server):
    customer = server.customer(credits="10")
    headers = {"Idempotency-Key": "one-key-for-fifty-posts"}
    replies = at_once(50, lambda: customer.order("a cat", headers=headers))
    assert {reply.status_code for reply in replies} == {200}
    assert len({reply.json()["id"] for reply in replies}) == 1
    assert [reply.headers.get("Idempotency-Replayed") for reply in replies].count(None) == 1
    customer.finished(replies[0].json()["id"])
    assert server.balance(customer)["spent"] == Decimal("0.45")
    assert jobs_of(customer, "evolink") == 1


def test_an_idempotency_key_is_bound_to_its_request(server: Server, customer: Customer):
    headers = {"Idempotency-Key": "bound-to-the-first-body"}
    first = customer.order("a cat", headers=headers)
    assert customer.order("a dog", headers=headers).status_code == 409
    assert customer.order("a cat", headers=headers).json()["id"] == first.json()["id"]
    other = server.customer()  # keys of other accounts are other keys
    assert other.order("a dog", headers=headers).status_code == 200


def test_racing_submissions_overfill_neither_the_queue_nor_the_backlog(tmp_path: Path):
    server = Server(tmp_path / "home", LIMITS__CONCURRENCY=2, LIMITS__BACKLOG=3, WORKERS=0)
    try:
        server.start(ready=False)
        customer = server.customer()
        replies = at_once(20, customer.order)
        assert Counter(reply.status_code for reply in replies) == {200: 5, 429: 15}
        server.stop()
        server.variables["WORKERS"] = 1
        server.start()
        accepted = [reply.json()["id"] for reply in replies if reply.status_code == 200]
        assert all(customer.finished(task)["status"] == "completed" for task in accepted)
        server.assert_books_agree()
    finally:
        server.close()


def test_workers_that_race_for_the_queue_do_each_job_once(start: Callable[..., Server]):
    server = start(WORKERS=3)
    customer = server.customer()
    until(lambda: server.count("workers where ready = 1") == 3)
    replies = at_once(60, customer.order)
    for reply in replies:
        assert customer.finished(reply.json()["id"])["status"] == "completed"
    assert server.count("jobs where state = 'completed' and attempt = 1") == 60
    assert server.count("(select distinct worker from jobs)") > 1
    assert server.balance(customer)["spent"] == 60 * Decimal("0.45")
    server.assert_books_agree()


def test_a_job_that_ends_while_it_is_cancelled_is_either_paid_and_kept_or_neither(server: Server):
    customer = server.customer()
    made = [reply.json()["job_id"] for reply in at_once(40, customer.order_krea)]
    ids = iter(made)
    replies = at_once(40, lambda: customer.call("DELETE", f"/jobs/{next(ids)}"))
    assert {reply.status_code for reply in replies} == {200}
    ended = [customer.job(job_id, wait=30) for job_id in made]
    states = Counter(job["status"] for job in ended)
    assert states["completed"] + states["cancelled"] == 40
    told = {reply.json()["job_id"]: reply.json()["status"] for reply in replies}
    assert told == {job["job_id"]: job["status"] for job in ended}
    assert server.balance(customer)["spent"] == states["completed"] * krea_price(server)
    assert server.balance(customer)["held"] == 0
    for job in ended:
        for url in job["result"].get("urls", []):
            assert requests.get(url, timeout=10).status_code == 200
