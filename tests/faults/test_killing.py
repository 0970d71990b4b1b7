"""Processes that die in the middle of work: nothing accepted is lost, nothing is charged twice."""

import io
import os
import signal
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal

import requests
from PIL import Image

from running import Customer, Server, is_alive, until
from signed import assert_all_are_signed

PRICE = Decimal("0.45")
JOBS = 50


def prompt(number: int) -> str:
    return f"slow sheep {number}" if number % 10 == 0 else f"sheep {number}"


def submit_all(customer: Customer) -> list[requests.Response | None]:
    """One reply for each of 50 orders with keys of their own; None where the server died on us."""

    def submit(number: int) -> requests.Response | None:
        headers = {"Idempotency-Key": f"order-of-sheep-{number}"}
        try:
            return customer.order(prompt(number), headers=headers)
        except requests.ConnectionError:
            return None

    with ThreadPoolExecutor(10) as threads:
        return list(threads.map(submit, range(JOBS)))


def ids_of(replies: list[requests.Response | None]) -> list[str]:
    ids = [reply.json()["id"] for reply in replies if reply is not None]
    assert len(ids) == len(replies)
    return ids


def assert_all_were_made_once(server: Server, customer: Customer, ids: list[str]) -> None:
    assert len(set(ids)) == JOBS
    for task_id in ids:
        task = customer.finished(task_id)
        assert task["status"] == "completed", task
        [link] = task["results"]
        reply = customer.http.get(link, timeout=10)
        assert reply.status_code == 200
        with Image.open(io.BytesIO(reply.content)) as picture:
            picture.load()
            assert picture.size == (1024, 1024)
    assert server.balance(customer) == {
        "granted": 1000, "available": 1000 - JOBS * PRICE, "held": 0, "spent": JOBS * PRICE,
    }  # fmt: skip
    assert server.count("pragma_integrity_check where integrity_check <> 'ok'") == 0
    server.assert_books_agree()
    assert assert_all_are_signed(server.home) == JOBS


def count_ended(customer: Customer) -> int:
    page = customer.call("GET", "/v1/tasks?status=completed&page_size=1")
    return int(page.json()["total"])


def busy_with(customer: Customer, task_id: str) -> bool:
    return customer.task(task_id)["status"] == "processing"


def test_kill_9_of_workers_in_the_middle_of_fifty_jobs_loses_and_repeats_nothing(
    start: Callable[..., Server],
):
    server = start()
    customer = server.customer()
    ids = ids_of(submit_all(customer))
    for slow in (10, 30):  # the first of the slow ones may be over already
        until(lambda slow=slow: busy_with(customer, ids[slow]))
        [worker] = server.worker_pids()
        os.kill(worker, signal.SIGKILL)
    assert_all_were_made_once(server, customer, ids)


def test_kill_9_of_everything_in_the_middle_of_fifty_jobs_loses_and_repeats_nothing(
    start: Callable[..., Server],
):
    server = start()
    customer = server.customer()
    with ThreadPoolExecutor(1) as beside:
        submitting = beside.submit(submit_all, customer)
        until(lambda: count_ended(customer) >= 5)
        server.kill()
        before = submitting.result()
    server.start()
    # A caller who got no answer asks again with the same key; who got one gets the same task.
    ids = ids_of(submit_all(customer))
    for reply, task_id in zip(before, ids, strict=True):
        assert reply is None or reply.json()["id"] == task_id
    assert_all_were_made_once(server, customer, ids)


def test_a_worker_whose_server_was_killed_finishes_its_job_and_ends(start: Callable[..., Server]):
    server = start(TELEMETRY__METRICS_PORT=0)  # its events have nobody to hear them, either
    customer = server.customer()
    task_id = customer.ordered("slow", n=4)
    until(lambda: busy_with(customer, task_id))
    [worker] = server.worker_pids()
    server.kill_alone()
    until(lambda: not is_alive(worker))
    server.start()
    assert customer.task(task_id)["status"] == "completed"


def test_a_job_that_kills_its_workers_fails_after_three_attempts_and_the_queue_goes_on(
    start: Callable[..., Server],
):
    server = start()
    customer = server.customer()
    poison = customer.ordered("crash")
    behind = [customer.ordered(f"sheep {number}") for number in range(3)]
    failed = customer.finished(poison)
    assert failed["status"] == "failed"
    assert failed["error"]["code"] == "service_error"
    for task_id in behind:
        assert customer.finished(task_id)["status"] == "completed"
    assert server.balance(customer)["spent"] == 3 * PRICE
    assert server.balance(customer)["held"] == 0
    assert server.log.read_text().count("ended with 137") == 3
    server.assert_books_agree()


def test_an_engine_that_hangs_is_killed_at_its_deadline_and_the_queue_goes_on(
    start: Callable[..., Server],
):
    server = start(ENGINE__TIMEOUT_SECONDS=0.5, ENGINE__STUCK_SECONDS=0.2)
    customer = server.customer()
    hung = customer.ordered("hang")
    behind = customer.ordered("sheep")
    failed = customer.finished(hung)
    assert failed["status"] == "failed"
    assert failed["error"]["code"] == "generation_timeout"
    assert customer.finished(behind)["status"] == "completed"
    assert server.balance(customer)["spent"] == PRICE
    assert server.balance(customer)["held"] == 0
    until(lambda: server.log.read_text().count("ended with 70") == 3)
    server.assert_books_agree()


def test_an_engine_that_is_late_but_stops_when_asked_keeps_its_process(
    start: Callable[..., Server],
):
    server = start(ENGINE__TIMEOUT_SECONDS=0.2)
    customer = server.customer()
    workers = server.worker_pids()
    late = customer.finished(customer.ordered("slow"))  # takes 0.4 s
    assert late["error"]["code"] == "generation_timeout"
    assert server.worker_pids() == workers
    assert server.balance(customer)["available"] == 1000


def test_sigterm_lets_the_running_job_end_and_keeps_the_others_queued(
    start: Callable[..., Server],
):
    server = start()
    customer = server.customer()
    ids = [customer.ordered(f"slow {number}") for number in range(3)]
    until(lambda: busy_with(customer, ids[0]))
    assert server.stop() == 0
    server.start()
    assert [customer.task(task_id)["status"] for task_id in ids].count("completed") >= 1
    assert all(customer.finished(task_id)["status"] == "completed" for task_id in ids)
    assert server.balance(customer)["spent"] == 3 * PRICE
    server.assert_books_agree()


def test_a_deleted_job_stops_at_once_returns_its_credits_and_lets_the_next_begin(
    start: Callable[..., Server],
):
    server = start(ENGINE__FAKE_SECONDS=8)  # 1 s a step
    customer = server.customer()
    first, second = (customer.order_krea("sheep").json()["job_id"] for _ in range(2))
    until(lambda: customer.job(first)["status"] == "sampling")
    reply = customer.call("DELETE", f"/jobs/{first}")
    assert reply.status_code == 200
    assert reply.json()["status"] == "cancelled"
    assert customer.job(first)["status"] == "cancelled"
    price = server.balance(customer)["held"]  # of the second alone
    assert server.balance(customer)["available"] == 1000 - price
    until(lambda: customer.job(second)["status"] not in ("queued", "backlogged"), seconds=3)
    customer.call("DELETE", f"/jobs/{second}")
    assert server.balance(customer)["available"] == 1000
    server.assert_books_agree()
