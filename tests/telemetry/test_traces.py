"""One trace from a request to its webhook, at a real collector; and none unless asked for."""

import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from collecting import Collected, Collector, collecting

from callbacks import LOOPBACK, certificates, receiving
from running import Server, environment, until
from safelight.telemetry.exporting import Exporter
from safelight.telemetry.tracing import Kind, well_formed

TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"
PARENT = "00f067aa0ba902b7"
PROMPT = "heliotrope zeppelin 4711"
INTERNAL, SERVER, CLIENT, CONSUMER = 1, 2, 3, 5


@dataclass(frozen=True)
class Traced:
    server: Server
    collector: Collector


@pytest.fixture(scope="module")
def traced(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Traced]:
    """A server whose spans go to a collector of ours, and whose webhooks may call loopback."""
    folder = tmp_path_factory.mktemp("traced")
    with pytest.MonkeyPatch.context() as patch, collecting() as collector:
        patch.setenv("SSL_CERT_FILE", str(certificates(folder)))
        patch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", collector.url)
        patch.setenv("OTEL_SERVICE_NAME", "darkroom")
        patch.setenv("OTEL_BSP_SCHEDULE_DELAY", "50")
        server = Server(folder / "home", TELEMETRY__TRACES="true", EGRESS_ALLOW=LOOPBACK)
        try:
            yield Traced(server.start(), collector)
        finally:
            server.close()


def spans_of(traced: Traced, trace: str, *names: str) -> dict[str, Collected]:
    """The trace's spans by name, once each of these has come."""

    def found() -> dict[str, Collected] | None:
        by_name = {span.name: span for span in list(traced.collector.spans) if span.trace == trace}
        return by_name if by_name.keys() >= set(names) else None

    return until(found)


def test_one_trace_leads_from_the_request_over_the_queue_and_the_worker_to_the_webhook(
    traced: Traced,
):
    customer = traced.server.customer()
    with receiving() as receiver:
        customer.finished(
            customer.order(
                PROMPT, callback_url=receiver.url + "/hook?token=hush",
                headers={"traceparent": f"00-{TRACE}-{PARENT}-01"},
            ).json()["id"]
        )  # fmt: skip
        until(lambda: receiver.calls)
        told = receiver.calls[0].headers["traceparent"]
        door = "POST /v1/images/generations"
        stages = ("review", "generate", "prepare", "store", "settle")
        spans = spans_of(traced, TRACE, door, "queue", "work", "POST", *stages)
    assert {span.service for span in spans.values()} == {"darkroom"}
    request, work, webhook = spans[door], spans["work"], spans["POST"]
    assert (request.kind, request.parent) == (SERVER, PARENT)
    assert request.attributes["http.response.status_code"] == 200
    assert request.attributes["http.route"] == "/v1/images/generations"
    assert (spans["queue"].parent, work.parent, work.kind) == (request.id, request.id, CONSUMER)
    assert {spans[stage].parent for stage in stages} == {work.id}
    assert sum(spans[stage].seconds for stage in stages) <= work.seconds
    assert spans["generate"].attributes["safelight.steps"] == 8
    assert (webhook.kind, webhook.parent) == (CLIENT, request.id)
    assert webhook.attributes["http.response.status_code"] == 200
    assert told == f"00-{TRACE}-{webhook.id}-01"
    raw = traced.collector.raw
    for secret in (PROMPT, customer.key, customer.account, "hush", "127.0.0.1", "acc_", "key_"):
        assert secret.encode() not in raw


def test_failures_are_marked_and_a_callers_nonsense_begins_a_trace_of_ours(traced: Traced):
    customer = traced.server.customer()
    for nonsense in ("00-" + "0" * 32 + f"-{PARENT}-01", "hello", f"00-{TRACE}-{PARENT}-01-more"):
        task = customer.order("explode", headers={"traceparent": nonsense}).json()["id"]
        customer.finished(task)
        [work] = until(lambda task=task: [
            span for span in list(traced.collector.spans)
            if span.name == "work" and span.attributes["safelight.job"] == task
        ])  # fmt: skip
        assert work.trace != TRACE
        failed = spans_of(traced, work.trace, "generate", "settle")["generate"]
        assert (failed.failed, failed.attributes["error.type"]) == (True, "EngineError")


def test_a_caller_who_is_not_sampled_is_not_recorded_and_still_told_on(traced: Traced):
    customer = traced.server.customer()
    unseen = "5bf92f3577b34da6a3ce929d0e0e4736"
    with receiving() as receiver:
        body = {"callback_url": receiver.url}
        headers = {"traceparent": f"00-{unseen}-{PARENT}-00"}
        customer.finished(customer.order("a cat", headers=headers, **body).json()["id"])
        until(lambda: receiver.calls)
    assert receiver.calls[0].headers["traceparent"].startswith(f"00-{unseen}-")
    assert receiver.calls[0].headers["traceparent"].endswith("-00")
    customer.finished(customer.ordered("afterwards"))
    until(lambda: [s for s in list(traced.collector.spans) if s.name == "settle"])
    assert not [span for span in traced.collector.spans if span.trace == unseen]


def test_probes_leave_no_spans(traced: Traced):
    assert traced.server.is_ready()
    traced.server.customer().call("GET", "/v1/credits")
    until(lambda: [s for s in list(traced.collector.spans) if s.name == "GET /v1/credits"])
    assert not [span for span in traced.collector.spans if "readyz" in span.name]


def loaded(server: Server) -> list[bool]:
    """Whether protobuf's own library is in memory, of each of its processes."""
    pids = (server.pid, *server.worker_pids())
    return ["/_upb/" in Path(f"/proc/{pid}/maps").read_text() for pid in pids]


def test_without_the_setting_nothing_of_it_is_imported_stored_or_sent(
    server: Server, traced: Traced
):
    customer = server.customer()
    headers = {"traceparent": f"00-{TRACE}-{PARENT}-01"}
    customer.finished(customer.order("a cat", headers=headers).json()["id"])
    assert server.count("jobs where traceparent is not null") == 0
    assert loaded(server) == [False, False]
    assert loaded(traced.server) == [True, True]


def test_a_collector_that_does_not_answer_holds_up_no_ending(monkeypatch: pytest.MonkeyPatch):
    with socket.create_server(("127.0.0.1", 0)) as deaf:
        port = deaf.getsockname()[1]
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", f"http://127.0.0.1:{port}")
        exporter = Exporter("1", flush_seconds=0.2)
        exporter.begin("GET", Kind.SERVER, None).end()
        began = time.monotonic()
        exporter.close()
        assert time.monotonic() - began < 3


def test_without_the_extra_the_setting_says_what_to_install(tmp_path: Path):
    (tmp_path / "opentelemetry.py").write_text("raise ImportError('no module opentelemetry')")
    env = environment(tmp_path / "home", TELEMETRY__TRACES="true")
    env["PYTHONPATH"] = f"{tmp_path}:{env.get('PYTHONPATH', '')}"
    refused = subprocess.run(
        [sys.executable, "-m", "safelight", "serve", "--port", "0"],
        env=env, capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert refused.returncode == 1
    assert "pip install 'safelight[otel]'" in refused.stderr


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        (f"00-{TRACE}-{PARENT}-01", f"00-{TRACE}-{PARENT}-01"),
        (f"00-{TRACE}-{PARENT}-ff", f"00-{TRACE}-{PARENT}-01"),  # only the first flag means a thing
        (f"cc-{TRACE}-{PARENT}-00-what-is-to-come", f"00-{TRACE}-{PARENT}-00"),
        (f"ff-{TRACE}-{PARENT}-01", None),
        (f"00-{TRACE.upper()}-{PARENT}-01", None),
        (f"00-{TRACE}-{PARENT}-01\n", None),
        (f" 00-{TRACE}-{PARENT}-01", None),
        (f"00-{TRACE}-{PARENT}-1", None),
        (f"00-{TRACE}-{'0' * 16}-01", None),
        (f"cc-{TRACE}-{PARENT}-01-" + "x" * 600, None),
        ("", None),
    ],
)
def test_a_traceparent_is_taken_up_as_the_recommendation_writes_it(given: str, kept: str | None):
    assert well_formed(given) == kept
