"""Waiting for a job: long polls that end with it, and events that tell each change once."""

import contextlib
import itertools
import json
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from http.client import HTTPConnection
from pathlib import Path
from typing import Any

import pytest

from running import Customer, Server, until

SLOW_ROUTE = "bfl/flux-1-dev"


@dataclass
class Event:
    id: int
    name: str
    data: dict[str, Any]


@contextlib.contextmanager
def listening(customer: Customer, path: str, last: int | None = None) -> Iterator[Iterator[Event]]:
    """The events of a job, as they come."""
    headers = {} if last is None else {"Last-Event-ID": str(last)}
    with customer.call("GET", path, headers=headers, stream=True) as reply:
        assert reply.status_code == 200
        assert reply.headers["Content-Type"].startswith("text/event-stream")
        assert reply.headers["Cache-Control"] == "no-store"
        yield parsed(reply.iter_lines(chunk_size=1, decode_unicode=True))


def parsed(lines: Iterator[str]) -> Iterator[Event]:
    fields: dict[str, str] = {}
    for line in lines:
        name, _, value = line.partition(": ")
        fields[name] = value
        if not line:
            if "data" in fields:
                yield Event(int(fields["id"]), fields["event"], json.loads(fields["data"]))
            fields = {}


def all_events(customer: Customer, path: str, last: int | None = None) -> list[Event]:
    with listening(customer, path, last) as events:
        return list(events)


def long_job(customer: Customer, steps: int = 60) -> str:
    """A job of 50 ms a step."""
    body = {"prompt": "slow", "width": 512, "height": 512, "steps": steps}
    reply = customer.call("POST", f"/generate/image/{SLOW_ROUTE}", json=body)
    assert reply.status_code == 200, reply.text
    return str(reply.json()["job_id"])


def test_a_long_poll_is_answered_as_soon_as_the_task_ends(customer: Customer):
    task_id = customer.ordered("slow")
    began = time.monotonic()
    assert customer.task(task_id, wait=60)["status"] == "completed"
    assert time.monotonic() - began < 20
    began = time.monotonic()
    assert customer.task(task_id, wait=60)["status"] == "completed"
    assert time.monotonic() - began < 5


def test_a_long_poll_answers_in_time_with_the_job_as_it_stands(customer: Customer):
    job_id = long_job(customer)
    assert customer.job(job_id, wait=0)["completed_at"] is None
    assert customer.job(job_id, wait=1)["completed_at"] is None
    customer.call("DELETE", f"/jobs/{job_id}")


@pytest.mark.parametrize("wait", ["61", "000061", "00000000099999", "-1", "1.5", "", "٣", "1e1"])
def test_nobody_waits_longer_than_a_minute(customer: Customer, wait: str):
    task_id = customer.ordered("slow")
    assert customer.call("GET", f"/v1/tasks/{task_id}?wait={wait}").status_code == 400


def test_a_long_poll_is_answered_when_the_job_is_cancelled(customer: Customer):
    job_id = long_job(customer)
    with ThreadPoolExecutor(1) as beside:
        waiting = beside.submit(customer.job, job_id, wait=60)
        customer.call("DELETE", f"/jobs/{job_id}")
        assert waiting.result()["status"] == "cancelled"


@pytest.mark.parametrize("door", ["evolink", "krea"])
def test_events_tell_every_change_once_and_end_with_the_job(customer: Customer, door: str):
    if door == "evolink":
        path = f"/v1/tasks/{customer.ordered('slow')}"
    else:
        path = f"/jobs/{long_job(customer, steps=10)}"
    events = all_events(customer, f"{path}/events")
    ids = [event.id for event in events]
    assert ids == sorted(set(ids))
    assert len(events) >= 3
    assert all(event.name == event.data["status"] for event in events)
    assert [event.name for event in events].index("completed") == len(events) - 1
    assert events[-1].data == customer.call("GET", path).json()


def test_progress_never_falls(customer: Customer):
    events = all_events(customer, f"/v1/tasks/{customer.ordered('slow')}/events")
    progress = [event.data["progress"] for event in events]
    assert progress == sorted(progress)
    assert progress[-1] == 100
    assert any(0 < value < 100 for value in progress)


def test_who_comes_back_gets_only_what_is_new(customer: Customer):
    path = f"/jobs/{long_job(customer, steps=20)}/events"
    with listening(customer, path) as events:
        before = list(itertools.islice(events, 2))
    after = all_events(customer, path, last=before[-1].id)
    assert after[0].id > before[-1].id
    assert after[-1].name == "completed"
    assert all_events(customer, path, last=after[-1].id) == []


def test_who_comes_when_all_is_over_gets_one_event(customer: Customer):
    task_id = customer.ordered()
    ended = customer.finished(task_id)
    [event] = all_events(customer, f"/v1/tasks/{task_id}/events")
    assert (event.name, event.data) == ("completed", ended)


@pytest.mark.parametrize("last", ["", "x", "-1", "9" * 30])
def test_a_last_event_id_that_we_never_gave_is_none(customer: Customer, last: str):
    task_id = customer.ordered()
    customer.finished(task_id)
    headers = {"Last-Event-ID": last}
    reply = customer.call("GET", f"/v1/tasks/{task_id}/events", headers=headers)
    assert len(list(parsed(iter(reply.text.split("\n"))))) == 1


def test_all_who_listen_hear_the_same_end(customer: Customer):
    task_id = customer.ordered("slow")
    with ThreadPoolExecutor(8) as threads:
        paths = [f"/v1/tasks/{task_id}/events"] * 8
        ends = [events[-1] for events in threads.map(lambda p: all_events(customer, p), paths)]
    assert ends == [ends[0]] * 8
    assert ends[0].name == "completed"


def test_nobody_hears_of_another_accounts_job(server: Server, customer: Customer):
    task_id = customer.ordered()
    stranger = server.customer()
    for query in ("", "?wait=5", "/events"):
        assert stranger.call("GET", f"/v1/tasks/{task_id}{query}").status_code == 404


def test_a_listener_that_goes_away_does_not_disturb_the_job(customer: Customer):
    job_id = long_job(customer, steps=10)
    with listening(customer, f"/jobs/{job_id}/events") as events:
        next(events)
    done = until(lambda: found if (found := customer.job(job_id))["completed_at"] else None)
    assert done["status"] == "completed"


def test_a_stopping_server_answers_those_who_wait_with_the_job_as_it_stands(tmp_path: Path):
    server = Server(tmp_path / "home", WORKERS=0).start(ready=False)
    try:
        customer = server.customer()
        task_id = customer.ordered()
        waiting = HTTPConnection(server.url.removeprefix("http://"))
        headers = {"Authorization": f"Bearer {customer.key}"}
        waiting.request("GET", f"/v1/tasks/{task_id}?wait=60", headers=headers)
        with listening(customer, f"/v1/tasks/{task_id}/events") as events:
            assert next(events).name == "pending"
            began = time.monotonic()
            assert server.stop() == 0
            assert time.monotonic() - began < 4
            assert list(events) == []
        assert json.load(waiting.getresponse())["status"] == "pending"
        waiting.close()
    finally:
        server.close()
