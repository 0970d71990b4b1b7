"""What a key may do, as callers of both doors are told: 401, 402, 403, 429."""

from collections.abc import Iterator
from pathlib import Path

import pytest
import requests

from running import Customer, Server, command, until

SECONDS_UNTIL_REVOKED = 5  # one is promised; a busy machine may need more


def refusal(reply: requests.Response) -> tuple[int, str]:
    """The status, and EvoLink's code or Krea's sentence."""
    error = reply.json()["error"]
    return reply.status_code, error if isinstance(error, str) else error["code"]


def key_id(server: Server, customer: Customer) -> str:
    listed = server.read_json("keys", "list")
    return str(next(key["id"] for key in listed if key["account"] == customer.account))


def test_a_revoked_key_opens_no_door_any_more_and_others_stay_open(
    server: Server, customer: Customer
):
    task_id = customer.ordered()
    assert command(server.home, "keys", "revoke", key_id(server, customer)).returncode == 0

    def refused() -> bool:
        return customer.call("GET", f"/v1/tasks/{task_id}").status_code == 401

    until(refused, SECONDS_UNTIL_REVOKED)
    assert refusal(customer.order()) == (401, "unauthorized")
    assert customer.order_krea().status_code == 401
    assert customer.call("GET", "/jobs").status_code == 401
    assert server.customer().order().status_code == 200


def test_a_key_for_some_models_is_refused_the_others_at_both_doors(server: Server):
    customer = server.customer(models=["flux-1-dev"])
    assert refusal(customer.order()) == (403, "model_access_denied")
    status, sentence = refusal(customer.order_krea())
    assert status == 403
    assert "krea-2" in sentence
    allowed = {"prompt": "a cat", "width": 512, "height": 512}
    assert customer.call("POST", "/generate/image/bfl/flux-1-dev", json=allowed).status_code == 200
    assert "krea-2-turbo" not in customer.call("GET", "/v1/models").text


@pytest.mark.parametrize(
    ("limit", "code"),
    [("credit_limit", "key_quota_exhausted"), ("daily_limit", "key_daily_quota_exhausted")],
)
def test_a_key_at_its_own_limit_is_told_so_at_both_doors(server: Server, limit: str, code: str):
    customer = server.customer("1000", **{limit: 450_000})
    assert customer.order().status_code == 200
    assert refusal(customer.order()) == (402, code)
    status, sentence = refusal(customer.order_krea())
    assert status == 402
    assert limit.replace("_", " ") in sentence


def test_who_asks_too_often_is_told_when_to_come_back(server: Server):
    customer = server.customer(requests_per_minute=2)
    assert [customer.order().status_code for _ in range(3)] == [200, 200, 429]
    reply = customer.order()
    assert refusal(reply) == (429, "rate_limit_exceeded")
    assert 1 <= int(reply.headers["Retry-After"]) <= 30
    krea = customer.order_krea()
    assert krea.status_code == 429
    assert 1 <= int(krea.headers["Retry-After"]) <= 30


@pytest.fixture(scope="module")
def idle(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server without workers: what is queued stays queued."""
    home: Path = tmp_path_factory.mktemp("idle") / "home"
    server = Server(home, WORKERS=0, LIMITS__CONCURRENCY=1, LIMITS__BACKLOG=2)
    try:
        yield server.start(ready=False)
    finally:
        server.close()


def test_past_the_backlog_both_doors_answer_429(idle: Server):
    customer = idle.customer()
    made = [customer.order_krea().json()["job_id"] for _ in range(3)]
    states = [customer.job(job_id)["status"] for job_id in made]
    assert states == ["queued", "backlogged", "backlogged"]
    evolink, krea = customer.order(), customer.order_krea()
    assert refusal(evolink) == (429, "rate_limit_exceeded")
    assert refusal(krea) == (429, "You have reached the maximum number of concurrent jobs")
    assert int(evolink.headers["Retry-After"]) >= 1
    assert int(krea.headers["Retry-After"]) >= 1


def test_a_cancelled_job_lets_the_first_of_the_backlog_in(idle: Server):
    customer = idle.customer()
    first, second, third = (customer.order_krea().json()["job_id"] for _ in range(3))
    customer.call("DELETE", f"/jobs/{first}")
    assert customer.job(second)["status"] == "queued"
    assert customer.job(third)["status"] == "backlogged"
    assert customer.order().status_code == 200
    idle.assert_books_agree()


def test_other_accounts_are_not_held_up_by_a_full_backlog(idle: Server):
    full = idle.customer()
    assert [full.order().status_code for _ in range(4)] == [200, 200, 200, 429]
    assert idle.customer().order_krea().json()["status"] == "queued"


def test_a_server_without_workers_says_that_it_is_not_ready(idle: Server):
    reply = requests.get(f"{idle.url}/readyz", timeout=5)
    assert reply.status_code == 503
    assert int(reply.headers["Retry-After"]) >= 1
    assert requests.get(f"{idle.url}/livez", timeout=5).status_code == 200
