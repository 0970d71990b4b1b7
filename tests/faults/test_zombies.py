"""Workers that were thought dead and come back: what they finish is thrown away."""

import os
import signal
from collections.abc import Callable
from decimal import Decimal

from peering import rows, sweep_later

from running import Customer, Server, until
from safelight.jobs import LEASE_SECONDS

PRICE = Decimal("0.45")


def owner(server: Server) -> int | None:
    """The pid of the worker that holds the lease of the only running job."""
    found = rows(
        server,
        "select w.pid from jobs j join workers w on w.id = j.worker where j.state = 'running'",
    )
    return int(str(found[0]["pid"])) if found else None


def files(server: Server) -> list[str]:
    return sorted(path.name for path in server.config.pictures_path.glob("*/*"))


def sampling(customer: Customer, task_id: str) -> bool:
    return 0 < customer.task(task_id)["progress"] < 100


def test_a_worker_that_stood_still_for_longer_than_its_lease_cannot_settle(
    start: Callable[..., Server],
):
    server = start(WORKERS=2)
    customer = server.customer()
    until(lambda: len(rows(server, "select 1 from workers")) == 2)
    task_id = customer.ordered("slow")
    until(lambda: sampling(customer, task_id))
    zombie = owner(server)
    assert zombie in server.worker_pids()
    os.kill(zombie, signal.SIGSTOP)
    try:
        assert sweep_later(server, LEASE_SECONDS - 1) == (0, 0)  # not yet
        assert sweep_later(server, LEASE_SECONDS + 1) == (1, 0)
        assert customer.finished(task_id)["status"] == "completed"
        [made] = rows(server, "select name from pictures where kind = 'final'")
    finally:
        os.kill(zombie, signal.SIGCONT)
    # The zombie wakes in the middle of its picture, and is fit for work again after it.
    others = [customer.ordered(f"slow sheep {number}") for number in range(4)]
    for other in others:
        assert customer.finished(other)["status"] == "completed"
    until(lambda: rows(server, f"select 1 from workers where pid = {zombie} and ready = 1"))
    [job] = rows(server, f"select attempt, state from jobs where id = '{task_id}'")
    assert job == {"attempt": 2, "state": "completed"}
    assert rows(
        server, f"select name from pictures where kind = 'final' and job_id = '{task_id}'"
    ) == [made]
    known = {str(row["name"]) for row in rows(server, "select name from pictures")}
    until(lambda: set(files(server)) <= known)  # what the zombie made is gone
    assert server.balance(customer)["spent"] == 5 * PRICE
    server.assert_books_agree()


def test_a_hung_worker_is_noticed_and_its_lease_passes_on(start: Callable[..., Server]):
    """Nobody kills it here: the lease alone frees the job, by the database's clock."""
    server = start(WORKERS=2)
    customer = server.customer()
    until(lambda: len(rows(server, "select 1 from workers")) == 2)
    task_id = customer.ordered("slow")
    until(lambda: sampling(customer, task_id))
    before = customer.task(task_id)["progress"]
    zombie = owner(server)
    assert zombie is not None
    os.kill(zombie, signal.SIGSTOP)
    assert sweep_later(server, LEASE_SECONDS + 1) == (1, 0)
    assert customer.task(task_id)["progress"] >= before  # what a caller sees never falls
    assert customer.finished(task_id)["status"] == "completed"
    os.kill(zombie, signal.SIGKILL)
    until(lambda: zombie not in server.worker_pids() and len(server.worker_pids()) == 2)
    server.assert_books_agree()


def test_a_clock_that_jumps_ahead_lets_no_job_be_charged_twice(start: Callable[..., Server]):
    """Leases of healthy workers are stolen by a machine an hour ahead, again and again."""
    server = start(WORKERS=2)
    customer = server.customer()
    ids = [customer.ordered(f"slow sheep {number}") for number in range(4)]
    stolen = 0
    until(lambda: owner(server))
    stolen += sweep_later(server, 3600)[0]
    assert stolen >= 1
    for task_id in ids:
        assert customer.finished(task_id)["status"] == "completed"
    assert server.balance(customer)["spent"] == 4 * PRICE
    assert server.balance(customer)["held"] == 0
    server.assert_books_agree()
