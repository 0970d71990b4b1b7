"""What is counted: over all processes, over their deaths, and with no label a caller wrote."""

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import requests
from scraping import Scrape, metrics_url, scrape, scrape_openmetrics, scrape_when

from running import Server, command, environment, until

TOKEN = "a-token-for-prometheus-4711"
OUR_LABELS = {
    "method", "route", "code", "limit", "dialect", "model", "outcome", "engine", "reason", "kind",
    "layer", "category", "decision", "state", "book", "version", "python", "le", "worker",
}  # fmt: skip


@pytest.fixture(scope="module")
def metered(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server that counts, with two workers."""
    server = Server(
        tmp_path_factory.mktemp("metered") / "home", TELEMETRY__METRICS_PORT=0, WORKERS=2
    )
    try:
        yield server.start()
    finally:
        server.close()


def finished(found: Scrape, **labels: str) -> float:
    return found.total("safelight_jobs_finished_total", **labels)


def test_jobs_are_counted_whichever_worker_made_them_and_however_it_died(metered: Server):
    customer, before = metered.customer(), scrape(metered)
    for _ in range(4):
        customer.finished(customer.ordered("a cat"))
    lost = customer.ordered("slow cat")
    until(lambda: 0 < customer.task(lost)["progress"] < 95)
    for pid in metered.worker_pids():
        os.kill(pid, signal.SIGKILL)
    customer.finished(lost)
    job = customer.order_krea().json()["job_id"]
    customer.job(job, wait=60)
    after = scrape_when(metered, lambda now: finished(now) - finished(before) == 6)
    assert finished(after, dialect="krea", outcome="completed", code="none") == 1
    for name, grown in {
        "safelight_jobs_created_total": 6,
        "safelight_job_queue_seconds_count": 6,
        "safelight_job_generation_seconds_count": 6,
        "safelight_worker_lease_losses_total": 1,
        "safelight_job_attempts_count": 6,
        "safelight_job_attempts_sum": 7,
    }.items():
        assert after.total(name) - before.total(name) == grown, name
    held = after.total("safelight_credit_microcredits_total", kind="held")
    assert held == after.total("safelight_credit_microcredits_total", kind="captured")


def test_failed_cancelled_and_refused_work_is_counted_by_how_it_ended(metered: Server):
    customer = metered.customer(requests_per_minute=2)
    assert customer.finished(customer.ordered("explode"))["status"] == "failed"
    job = customer.order_krea("slow cat").json()["job_id"]
    customer.call("DELETE", f"/jobs/{job}")
    customer.call("DELETE", f"/jobs/{job}")  # was cancelled already: not counted again
    assert customer.order("one too many").status_code == 429
    refused = metered.customer()
    assert refused.finished(refused.ordered("naked child"))["status"] == "failed"
    after = scrape_when(metered, lambda now: finished(now, outcome="failed") == 2)
    assert finished(after, outcome="failed", dialect="evolink") == 2
    assert finished(after, code="content_policy_violation") == 1
    assert after.total("safelight_moderation_decisions_total", decision="refused") == 1
    assert "minors" in after.values("category")
    assert finished(after, outcome="cancelled", dialect="krea") == 1
    assert after.total("safelight_rate_limit_rejections_total", limit="requests") == 1
    assert after.total("safelight_credit_microcredits_total", kind="released") > 0


def test_requests_are_counted_by_template_and_a_long_poll_is_no_slow_poll(metered: Server):
    customer = metered.customer()
    task_id = customer.ordered()
    customer.finished(task_id)
    customer.task(task_id)
    customer.call("GET", "/v1/nowhere")
    customer.call("DELETE", "/v1/tasks")
    found = scrape(metered)

    def count(**labels: str) -> float:
        return found.total("safelight_http_request_duration_seconds_count", **labels)

    assert count(method="GET", route="/v1/tasks/{task_id}", code="200") >= 1
    assert count(method="GET", route="/v1/tasks/{task_id}?wait", code="200") >= 1
    assert count(method="POST", route="/v1/images/generations", code="200") >= 1
    assert count(method="GET", route="other", code="404") >= 1
    assert count(method="DELETE", route="other", code="405") >= 1


def test_both_forms_say_the_same_and_hold_nothing_that_a_caller_wrote(metered: Server):
    customer = metered.customer()
    task_id = customer.ordered("a marker nobody else would draw")
    customer.finished(task_id)
    customer.call("GET", "/marker", headers={"Host": "127.0.0.1", "X-Request-Id": "marker-marker"})
    plain, open_metrics = scrape(metered), scrape_openmetrics(metered)
    assert {n for n in plain.names() if not n.endswith("_created")} == {
        n for n in open_metrics.names() if not n.endswith("_created")
    }
    for text in (plain.text, open_metrics.text):
        for secret in (customer.key, customer.account, task_id, "marker", "127.0.0.1"):
            assert secret not in text
    ours = [labels for name, labels, _ in plain.samples if name.startswith("safelight_")]
    assert {label for labels in ours for label in labels} <= OUR_LABELS


def test_the_callers_port_has_no_metrics_and_theirs_has_nothing_else(metered: Server):
    assert requests.get(f"{metered.url}/metrics", timeout=10).status_code == 404
    url = metrics_url(metered)
    assert requests.get(url.replace("/metrics", "/v1/models"), timeout=10).status_code == 404
    assert requests.post(url, timeout=10).status_code == 405
    rebound = requests.get(url, headers={"Host": "evil.example"}, timeout=10)
    assert rebound.status_code == 400


def test_with_a_token_only_who_shows_it_is_told(start: Callable[..., Server]):
    server = start(TELEMETRY__METRICS_PORT=0, TELEMETRY__METRICS_TOKEN=TOKEN)
    url = metrics_url(server)
    assert requests.get(url, timeout=10).status_code == 401
    for shown in ("Bearer nonsense", TOKEN, f"Basic {TOKEN}", "Bearer ", "Bearer \xe4"):
        wrong = requests.get(url, headers={"Authorization": shown.encode("latin-1")}, timeout=10)
        assert wrong.status_code == 401
    assert scrape(server, TOKEN).total("safelight_build_info") == 1
    assert TOKEN not in server.log.read_text()


def test_metrics_that_others_could_read_without_a_token_are_not_served(tmp_path):
    refused = command(
        tmp_path / "home", "serve", "--port", "0",
        TELEMETRY__METRICS_PORT=0, TELEMETRY__METRICS_HOST="0.0.0.0",
    )  # fmt: skip
    assert refused.returncode == 1
    assert "METRICS_TOKEN" in refused.stderr


def test_a_metrics_port_that_is_taken_is_told_before_anything_begins(tmp_path: Path):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        refused = command(
            tmp_path / "home", "serve", "--port", "0", TELEMETRY__METRICS_PORT=port
        )  # fmt: skip
    assert refused.returncode == 1
    assert f"cannot listen on 127.0.0.1 port {port}" in refused.stderr
    assert refused.stdout == ""  # nobody was told that it listens


def test_workers_on_their_own_count_what_they_made_on_a_port_of_their_own(tmp_path: Path):
    api = Server(tmp_path / "home", WORKERS=0).start(ready=False)
    log = tmp_path / "work.log"
    variables = environment(api.home, TELEMETRY__METRICS_PORT=0)
    with log.open("w") as stderr:
        working = subprocess.Popen(
            [sys.executable, "-m", "safelight", "work"], env=variables, stderr=stderr
        )
    try:
        until(api.is_ready)
        customer = api.customer()
        customer.finished(customer.ordered("a cat"))
        beside = Server(api.home)  # to be asked where its metrics are
        beside.log = log
        assert until(lambda: finished(scrape(beside), outcome="completed")) == 1
    finally:
        working.send_signal(signal.SIGTERM)
        assert working.wait(timeout=40) == 0
        api.close()
