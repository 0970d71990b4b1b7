"""Spans to an OpenTelemetry collector, over OTLP/HTTP (`pip install 'safelight[otel]'`).

Where to and how much is said by the standard variables: OTEL_EXPORTER_OTLP_ENDPOINT,
OTEL_TRACES_SAMPLER, OTEL_SERVICE_NAME, OTEL_RESOURCE_ATTRIBUTES and their like. No global provider
is set, so that nothing else in the process is traced by accident.
"""

import os
import threading

from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.trace import NonRecordingSpan, SpanContext, SpanKind, Status, StatusCode

from safelight.telemetry.tracing import TRACEPARENT, Attributes, Kind

KINDS = {
    Kind.SERVER: SpanKind.SERVER,
    Kind.CLIENT: SpanKind.CLIENT,
    Kind.CONSUMER: SpanKind.CONSUMER,
    Kind.INTERNAL: SpanKind.INTERNAL,
}
FLUSH_SECONDS = 3.0  # for what is unsent when the process ends


class ExportedSpan:
    """A `Span` of OpenTelemetry's."""

    def __init__(self, span: trace.Span):
        self._span = span
        context = span.get_span_context()
        self.traceparent = (
            f"00-{context.trace_id:032x}-{context.span_id:016x}-{context.trace_flags & 1:02x}"
        )

    def end(
        self, attributes: Attributes | None = None, *, name: str | None = None, error: str = ""
    ) -> None:
        if attributes:
            self._span.set_attributes(attributes)
        if name is not None:
            self._span.update_name(name)
        if error:
            self._span.set_attribute("error.type", error)
            self._span.set_status(Status(StatusCode.ERROR))
        self._span.end()


class Exporter:
    """A `Tracer` whose spans leave in batches, from a thread of their own."""

    def __init__(self, version: str, flush_seconds: float = FLUSH_SECONDS):
        self._flush_seconds = flush_seconds
        attributes = {"service.version": version}
        if "service.name" not in os.environ.get("OTEL_RESOURCE_ATTRIBUTES", ""):
            attributes["service.name"] = os.environ.get("OTEL_SERVICE_NAME") or "safelight"
        resource = Resource.create(attributes)
        self._provider = TracerProvider(resource=resource, shutdown_on_exit=False)
        self._provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
        self._tracer = self._provider.get_tracer("safelight", version)

    def begin(
        self,
        name: str,
        kind: Kind,
        parent: str | None,
        attributes: Attributes | None = None,
        began_ms: int | None = None,
    ) -> ExportedSpan:
        return ExportedSpan(
            self._tracer.start_span(
                name,
                context=_context(parent),
                kind=KINDS[kind],
                attributes=attributes,
                start_time=None if began_ms is None else began_ms * 1_000_000,
            )
        )

    def close(self) -> None:
        # The SDK would wait for a collector that does not answer for half a minute and more.
        flushing = threading.Thread(target=self._provider.shutdown, daemon=True)
        flushing.start()
        flushing.join(self._flush_seconds)


def _context(parent: str | None) -> Context:
    """Never the ambient one: whose child a span is, is always said."""
    found = None if parent is None else TRACEPARENT.fullmatch(parent)
    if found is None:
        return Context()
    remote = SpanContext(
        int(found["trace"], 16),
        int(found["span"], 16),
        is_remote=True,
        trace_flags=trace.TraceFlags(int(found["flags"], 16)),
    )
    return trace.set_span_in_context(NonRecordingSpan(remote), Context())
