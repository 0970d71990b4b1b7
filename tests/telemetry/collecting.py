"""An OpenTelemetry collector on loopback: takes OTLP over HTTP and keeps what the protobufs say."""

import contextlib
import gzip
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest


@dataclass(frozen=True)
class Collected:
    """One span."""

    service: str
    name: str
    trace: str
    id: str
    parent: str
    kind: int  # of the protobuf: 1 internal, 2 server, 3 client, 5 consumer
    failed: bool
    seconds: float
    attributes: dict[str, Any]


@dataclass
class Collector:
    url: str = ""
    spans: list[Collected] = field(default_factory=list)
    raw: bytes = b""

    def named(self, name: str, trace: str) -> list[Collected]:
        return [span for span in list(self.spans) if (span.name, span.trace) == (name, trace)]

    def take(self, body: bytes) -> None:
        self.raw += body
        for resource in ExportTraceServiceRequest.FromString(body).resource_spans:
            about = _values(resource.resource.attributes)
            for scope in resource.scope_spans:
                self.spans += [_collected(span, about["service.name"]) for span in scope.spans]


def _collected(span: Any, service: str) -> Collected:
    return Collected(
        service=service,
        name=span.name,
        trace=span.trace_id.hex(),
        id=span.span_id.hex(),
        parent=span.parent_span_id.hex(),
        kind=span.kind,
        failed=span.status.code == 2,
        seconds=(span.end_time_unix_nano - span.start_time_unix_nano) / 1e9,
        attributes=_values(span.attributes),
    )


def _values(pairs: Any) -> dict[str, Any]:
    return {p.key: getattr(p.value, p.value.WhichOneof("value")) for p in pairs}


class _Server(ThreadingHTTPServer):
    collector: Collector


class _Handler(BaseHTTPRequestHandler):
    server: _Server

    def do_POST(self) -> None:
        assert self.path == "/v1/traces"
        body = self.rfile.read(int(self.headers["content-length"]))
        if self.headers["content-encoding"] == "gzip":
            body = gzip.decompress(body)
        self.server.collector.take(body)
        self.send_response(200)
        self.send_header("content-type", "application/x-protobuf")
        self.send_header("content-length", "0")
        self.end_headers()

    def log_message(self, *_: Any) -> None: ...


@contextlib.contextmanager
def collecting() -> Iterator[Collector]:
    server = _Server(("127.0.0.1", 0), _Handler)
    server.collector = Collector(url=f"http://127.0.0.1:{server.server_port}")
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield server.collector
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
