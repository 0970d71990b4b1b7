"""A disk that takes no more: what cannot be stored is not charged, and all is well once it can."""

import resource
import shutil
from collections.abc import Callable
from decimal import Decimal

import pytest
import requests
from peering import sweep_later

from running import Customer, Server, until
from safelight.flows.work.settling import AGAIN_SECONDS
from safelight.jobs import LEASE_SECONDS

PRICE = Decimal("0.45")
UNLIMITED = (resource.RLIM_INFINITY, resource.RLIM_INFINITY)


@pytest.mark.parametrize("prompt", ["a cat", "slow cat"])  # with and without time for a preview
def test_a_picture_that_cannot_be_stored_fails_its_job_and_returns_the_credits(
    start: Callable[..., Server], prompt: str
):
    server = start()
    customer = server.customer()
    pictures = server.config.pictures_path
    shutil.rmtree(pictures, ignore_errors=True)
    pictures.write_bytes(b"in the way")
    workers = server.worker_pids()
    failed = customer.finished(customer.ordered(prompt))
    assert failed["status"] == "failed"
    assert failed["error"]["code"] == "resource_exhausted"
    assert server.balance(customer) == {"granted": 1000, "available": 1000, "held": 0, "spent": 0}
    assert server.worker_pids() == workers  # the worker outlives it
    pictures.unlink()
    task = customer.finished(customer.ordered(prompt))
    assert task["status"] == "completed"
    assert requests.get(task["results"][0], timeout=10).status_code == 200
    server.assert_books_agree()


def limit_file_bytes(server: Server, limit: tuple[int, int]) -> None:
    """No file may grow past the limit, as if the disk were full: writing fails at once."""
    for pid in [server.pid, *server.worker_pids()]:
        resource.prlimit(pid, resource.RLIMIT_FSIZE, limit)


def test_a_database_that_cannot_grow_answers_503_and_recovers_without_a_restart(
    start: Callable[..., Server],
):
    server = start()
    customer = server.customer()
    before = customer.finished(customer.ordered("a cat"))
    limit_file_bytes(server, (4096, resource.RLIM_INFINITY))
    refused = customer.order("a dog")
    assert refused.status_code == 503
    assert int(refused.headers["Retry-After"]) >= 1
    assert refused.json()["error"]["code"] == "service_unavailable"
    assert customer.task(before["id"])["status"] == "completed"  # reading goes on
    limit_file_bytes(server, UNLIMITED)
    accepted = until(lambda: accepted_again(customer))
    assert customer.finished(accepted)["status"] == "completed"
    assert customer.call("GET", "/v1/tasks").json()["total"] == 2  # the refused left nothing
    assert server.balance(customer)["spent"] == 2 * PRICE
    server.assert_books_agree()


def accepted_again(customer: Customer) -> str | None:
    reply = customer.order("a dog")
    assert reply.status_code in (200, 503)
    return str(reply.json()["id"]) if reply.status_code == 200 else None


def ending_on_a_full_disk(
    server: Server, customer: Customer, tries: int, *, room_bytes: int = 4096
) -> str:
    """A job that is drawn, and whose end could not be committed so many times."""
    task_id = customer.ordered("slow")
    until(lambda: 0 < customer.task(task_id)["progress"] < 95)
    limit_file_bytes(server, (room_bytes, resource.RLIM_INFINITY))
    until(lambda: server.log.read_text().count("cannot settle") >= tries)
    assert customer.task(task_id)["status"] == "processing"
    return task_id


def test_a_finished_picture_outlives_a_database_that_cannot_answer_for_a_moment(
    start: Callable[..., Server],
):
    server = start()
    customer = server.customer()
    # The database's log cannot grow; a picture fits.
    log_bytes = server.config.database_path.with_name("safelight.db-wal").stat().st_size
    task_id = ending_on_a_full_disk(server, customer, tries=1, room_bytes=log_bytes)
    limit_file_bytes(server, UNLIMITED)
    assert customer.finished(task_id)["status"] == "completed"
    assert '"attempt":2' not in server.log.read_text(), "nothing was drawn again"
    assert server.balance(customer)["spent"] == PRICE
    server.assert_books_agree()


def test_a_job_whose_end_cannot_be_committed_is_done_again_and_charged_once(
    start: Callable[..., Server],
):
    server = start()
    customer = server.customer()
    task_id = ending_on_a_full_disk(server, customer, tries=1 + len(AGAIN_SECONDS))
    limit_file_bytes(server, UNLIMITED)
    assert sweep_later(server, LEASE_SECONDS + 1) == (1, 0)  # nobody renews what is given up
    assert customer.finished(task_id)["status"] == "completed"
    assert server.balance(customer) == {
        "granted": 1000, "available": 1000 - PRICE, "held": 0, "spent": PRICE,
    }  # fmt: skip
    server.assert_books_agree()
