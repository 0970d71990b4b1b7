"""Secrets in every field of requests good and bad: none is in any line that a server writes."""

import json
from collections.abc import Iterator
from typing import Any
from urllib.parse import quote

import pytest
import requests

from running import KREA_ROUTE, Customer, Server, until

PROMPT = "heliotrope zeppelin 4711"
HUSH = "hush-hush-0815"
HEADERS = (
    "Authorization", "X-Request-Id", "Idempotency-Key", "User-Agent", "Accept", "X-Webhook-URL",
    "Cookie", "traceparent", "Referer", "X-Forwarded-For",
)  # fmt: skip
HOOK = f"https://127.0.0.1:9/hook/{HUSH}?token={HUSH}"  # nobody listens there


@pytest.fixture(scope="module")
def chatty(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server that writes everything it can, and may call webhooks on this machine."""
    server = Server(
        tmp_path_factory.mktemp("chatty") / "home",
        TELEMETRY__LOG_LEVEL="debug", TELEMETRY__LOG_REQUESTS="true", EGRESS_ALLOW="127.0.0.0/8",
        TELEMETRY__METRICS_PORT=0,
    )  # fmt: skip
    try:
        yield server.start()
    finally:
        server.close()


@pytest.fixture(scope="module")
def lines(chatty: Server) -> list[dict[str, Any]]:
    """Every line, once everything has been tried; that each is JSON is asserted here."""
    customer = chatty.customer()
    good_and_failing(chatty, customer)
    bad(chatty, customer)
    text = until(lambda: t if (t := chatty.log.read_text()).count("webhook.attempted") >= 4 else "")
    for secret in (customer.key, PROMPT, quote(PROMPT), HUSH, customer.account):
        assert secret not in text
    return [json.loads(line) for line in text.splitlines()]


def good_and_failing(server: Server, customer: Customer) -> None:
    for words in ("", "explode "):
        task = customer.ordered(f"{words}{PROMPT}", callback_url=HOOK)
        customer.finished(task)
        headers = {"X-Webhook-URL": HOOK, "X-Request-Id": f"{words.strip()}-krea-1234"}
        body = {"prompt": f"{words}{PROMPT}", "aspect_ratio": "1:1", "resolution": "1K"}
        path = f"/generate/image/{KREA_ROUTE}"
        job = customer.call("POST", path, json=body, headers=headers).json()["job_id"]
        customer.job(job, wait=60)
    customer.call("DELETE", f"/jobs/{customer.order_krea(f'slow {PROMPT}').json()['job_id']}")


def bad(server: Server, customer: Customer) -> None:
    secrets = (customer.key, PROMPT, HOOK)
    for secret in secrets:
        for name in HEADERS:
            for path in ("/v1/images/generations", f"/generate/image/{KREA_ROUTE}"):
                headers = {name: secret}
                customer.call("POST", path, data=b"{}", headers=headers)
        for path in ("/v1/tasks/{}", "/jobs/{}", "/v1/tasks?page={}", "/jobs?limit={}",
                     "/pictures/{}?signature={}", "/{}", "/v1/tasks/x?wait={}"):  # fmt: skip
            spelled = path.replace("{}", quote(secret, safe=""))
            customer.call("GET", spelled)
            requests.get(server.url + spelled, timeout=10)  # without a key
        for field in ("model", "prompt", "size", "callback_url", "quality", "n", "seed", secret):
            customer.order(**{field: {"a": secret}})
            customer.order(**{field: secret})
            customer.order_krea(**{field: [secret]})
        customer.call("POST", "/v1/images/generations", data=f'{{"prompt": "{secret}"'.encode())
        requests.post(f"{server.url}/v1/tasks/batch", data=secret, timeout=10)


def test_no_line_has_a_secret_and_every_line_is_json(lines: list[dict[str, Any]]):
    assert len(lines) > 100
    assert all({"ts", "level", "event"} <= line.keys() for line in lines)


def test_each_change_of_a_job_is_a_line_and_a_request_leads_to_its_job(
    lines: list[dict[str, Any]],
):
    [created] = [line for line in lines if line.get("request_id") == "explode-krea-1234"
                 and line["event"] == "job.created"]  # fmt: skip
    asked = [line for line in lines if line.get("request_id") == created["request_id"]]
    assert {line["event"] for line in asked} == {"job.created", "request"}
    changes = [line for line in lines if line.get("job") == created["job"]]
    assert [line["event"] for line in changes if line["level"] == "info"][:3] == [
        "job.created", "job.started", "job.ended",
    ]  # fmt: skip
    ended = next(line for line in changes if line["event"] == "job.ended")
    assert (ended["outcome"], ended["code"] is not None) == ("failed", True)
    assert {line["account"] for line in changes if "account" in line} == {created["account"]}


def test_a_request_is_written_with_its_template_its_code_and_the_keys_id(
    lines: list[dict[str, Any]],
):
    asked = [line for line in lines if line["event"] == "request"]
    polls = [line for line in asked if line["route"] == "/v1/tasks/{task_id}"]
    assert {line["code"] for line in polls} >= {400, 401}
    assert all(line["key"] is None or line["key"].startswith("key_") for line in asked)
    assert not any(line["route"] in ("/livez", "/readyz") for line in asked)
