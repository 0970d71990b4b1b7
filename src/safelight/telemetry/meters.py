"""Prometheus's view of the house: what is counted, in which units, with which labels.

Every label has few values, all of our own making: a route's template, a model of the catalog, an
engine, a code of errors.py. Nothing a caller writes becomes a label.
"""

import platform
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, ProcessCollector
from prometheus_client import exposition as plain
from prometheus_client.openmetrics import exposition as openmetrics

from safelight.telemetry import events
from safelight.telemetry.events import AnyEvent
from safelight.telemetry.timed_requests import LABELS, TimedRequests

# Upper bounds in seconds.
QUEUE_BUCKETS = (0.005, 0.025, 0.1, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300, 900, 3600)
PICTURE_BUCKETS = (0.1, 0.25, 0.5, 1, 1.5, 2, 3, 5, 7.5, 10, 15, 30, 60, 120, 180)
STORING_BUCKETS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5)
WEBHOOK_BUCKETS = (0.005, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10)
ATTEMPT_BUCKETS = (1, 2, 3)
OPENMETRICS = "application/openmetrics-text"


@dataclass(frozen=True, kw_only=True)
class Levels:
    """What is read at each scrape rather than counted as it happens."""

    jobs: Mapping[str, int] = field(default_factory=dict)  # those that have not ended, by state
    oldest_queued_seconds: float = 0.0
    workers_ready: int = 0
    granted_microcredits: int = 0
    available_microcredits: int = 0
    held_microcredits: int = 0
    spent_microcredits: int = 0
    webhooks_pending: int = 0
    pictures: int = 0
    picture_bytes: int = 0


@dataclass(frozen=True)
class Described:
    """One metric as the documentation shows it."""

    name: str
    kind: str
    labels: tuple[str, ...]
    meaning: str


class Meters:
    """Every instrument, in a registry of its own. `count` is a `Tell`; any thread may call it."""

    def __init__(self, version: str) -> None:
        self.registry = CollectorRegistry()
        self.described: list[Described] = []
        self._declare_requests()
        self._declare_jobs()
        self._declare_pictures()
        self._declare_webhooks()
        self._declare_levels()
        ProcessCollector(registry=self.registry)
        build = self._gauge("build_info", "1; the labels say what runs.", "version", "python")
        build.labels(version, platform.python_version()).set(1)
        self.counting: dict[type, Any] = {
            events.JobCreated: self._job_created,
            events.JobStarted: self._job_started,
            events.Generated: lambda e: self._generation.labels(e.model, e.engine).observe(
                e.seconds
            ),
            events.JobRequeued: lambda e: self._requeued.labels(e.reason).inc(),
            events.LeaseLost: lambda e: self._lost.inc(),
            events.JobEnded: self._job_ended,
            events.PictureStored: self._picture_stored,
            events.PictureSigned: lambda e: self._signing.observe(e.seconds),
            events.Moderated: lambda e: self._moderated.labels(
                e.layer, e.category or "none", e.decision
            ).inc(),
            events.WebhookAttempted: self._webhook_attempted,
            events.GpuMemory: self._gpu_memory,
            events.RequestLimited: lambda e: self._limited.labels(e.limit).inc(),
        }

    def count(self, event: AnyEvent) -> None:
        """Count what happened."""
        self.counting[type(event)](event)

    def show(self, levels: Levels | None) -> None:
        """Set what was read for this scrape; None: it could not be read."""
        self._readable.set(levels is not None)
        if levels is None:
            return
        for state in ("backlogged", "queued", "running"):
            self._depth.labels(state).set(levels.jobs.get(state, 0))
        self._oldest.set(levels.oldest_queued_seconds)
        self._workers.set(levels.workers_ready)
        for book in ("granted", "available", "held", "spent"):
            self._credits.labels(book).set(getattr(levels, f"{book}_microcredits"))
        self._webhooks_pending.set(levels.webhooks_pending)
        self._pictures_kept.set(levels.pictures)
        self._storage.labels("pictures").set(levels.picture_bytes)

    def show_storage(self, free_bytes: int, ledger_problems: int | None) -> None:
        """The room that is left, and what the last proof of the books found."""
        self._storage.labels("free").set(free_bytes)
        if ledger_problems is not None:
            self._violations.set(ledger_problems)

    def show_connections(self, count: int) -> None:
        self._connections.set(count)

    def exposition(self, accept: str) -> tuple[bytes, str]:
        """Everything, with its content type: OpenMetrics for who accepts it, else the old text."""
        if OPENMETRICS in accept.lower():
            text: bytes = openmetrics.generate_latest(self.registry)  # type: ignore[no-untyped-call]
            return text, openmetrics.CONTENT_TYPE_LATEST
        return plain.generate_latest(self.registry), plain.CONTENT_TYPE_PLAIN_0_0_4

    # What there is

    def _counter(self, name: str, meaning: str, *labels: str) -> Counter:
        self._describe(name, "counter", labels, meaning)
        return Counter(f"safelight_{name}", meaning, labels, registry=self.registry)

    def _gauge(self, name: str, meaning: str, *labels: str) -> Gauge:
        self._describe(name, "gauge", labels, meaning)
        return Gauge(f"safelight_{name}", meaning, labels, registry=self.registry)

    def _histogram(
        self, name: str, meaning: str, buckets: tuple[float, ...], *labels: str
    ) -> Histogram:
        self._describe(name, "histogram", labels, meaning)
        full = f"safelight_{name}"
        return Histogram(full, meaning, labels, registry=self.registry, buckets=buckets)

    def _describe(self, name: str, kind: str, labels: tuple[str, ...], meaning: str) -> None:
        self.described.append(Described(f"safelight_{name}", kind, labels, meaning))

    def _declare_requests(self) -> None:
        name, meaning = (
            "http_request_duration_seconds",
            "From a request's headers to the end of its reply; ?wait= counts as a route.",
        )
        self._describe(name, "histogram", LABELS, meaning)
        self.requests = TimedRequests(f"safelight_{name}", meaning)
        self.registry.register(self.requests)
        self._limited = self._counter(
            "rate_limit_rejections_total", "Requests answered 429, by the limit met.", "limit"
        )
        self._connections = self._gauge("http_connections", "Open connections.")

    def _declare_jobs(self) -> None:
        self._created = self._counter(
            "jobs_created_total", "Jobs committed, with the holds on their prices.",
            "dialect", "model",
        )  # fmt: skip
        self._finished = self._counter(
            "jobs_finished_total", "Jobs ended; a completed one has the code none.",
            "dialect", "model", "outcome", "code",
        )  # fmt: skip
        self._queue = self._histogram(
            "job_queue_seconds", "From a job's creation to its first claim by a worker.",
            QUEUE_BUCKETS, "model",
        )  # fmt: skip
        self._generation = self._histogram(
            "job_generation_seconds", "At the engine, without what it waited for other jobs.",
            PICTURE_BUCKETS, "model", "engine",
        )  # fmt: skip
        self._whole = self._histogram(
            "job_seconds", "From a job's creation to its end.", QUEUE_BUCKETS, "model", "outcome"
        )
        self._attempts = self._histogram(
            "job_attempts", "Attempts that jobs had taken when they ended.", ATTEMPT_BUCKETS
        )
        self._requeued = self._counter(
            "jobs_requeued_total", "Jobs put back into the queue by their worker.", "reason"
        )
        self._lost = self._counter(
            "worker_lease_losses_total", "Jobs whose worker died or fell silent."
        )
        self._moved = self._counter(
            "credit_microcredits_total", "Credits that jobs held, captured and released.", "kind"
        )

    def _declare_pictures(self) -> None:
        self._stored = self._counter(
            "pictures_stored_total", "Pictures put on disk, previews included.", "kind"
        )
        self._stored_bytes = self._counter("picture_stored_bytes_total", "Bytes of them.", "kind")
        self._storing = self._histogram(
            "picture_store_seconds", "To have an encoded picture on disk.",
            STORING_BUCKETS, "kind",
        )  # fmt: skip
        self._signing = self._histogram(
            "provenance_sign_seconds", "To give a picture its manifest.", STORING_BUCKETS
        )
        self._moderated = self._counter(
            "moderation_decisions_total", "What content filters decided.",
            "layer", "category", "decision",
        )  # fmt: skip

    def _declare_webhooks(self) -> None:
        self._webhooks = self._counter(
            "webhook_attempts_total", "Calls of receivers, by what came of them.", "outcome"
        )
        self._delivery = self._histogram(
            "webhook_delivery_seconds", "Of one attempt, all of it.", WEBHOOK_BUCKETS, "outcome"
        )

    def _declare_levels(self) -> None:
        self._readable = self._gauge(
            "database_up", "1 if the database answered this scrape; else the levels are old."
        )
        self._depth = self._gauge("jobs", "Jobs that have not ended.", "state")
        self._oldest = self._gauge(
            "queue_oldest_seconds", "How long the oldest queued job has waited; 0: none waits."
        )
        self._workers = self._gauge("workers_ready", "Workers that could make a picture now.")
        self._credits = self._gauge(
            "microcredits", "The sums of all accounts, by book; granted is the other three.", "book"
        )
        self._violations = self._gauge(
            "ledger_violations", "What the last proof of the books found wrong; must be 0."
        )
        self._gpu = self._gauge(
            "gpu_memory_bytes",
            "Of a worker's GPU: allocated by tensors, reserved by torch, free, total.",
            "worker",
            "kind",
        )
        self._webhooks_pending = self._gauge("webhooks_pending", "Messages due now or later.")
        self._pictures_kept = self._gauge("pictures", "Pictures on disk that have not expired.")
        self._storage = self._gauge(
            "storage_bytes", "Of pictures on disk, and free where they are.", "kind"
        )

    # What becomes of events

    def _job_created(self, event: events.JobCreated) -> None:
        self._created.labels(event.dialect, event.model).inc()
        self._moved.labels("held").inc(event.price_microcredits)

    def _job_started(self, event: events.JobStarted) -> None:
        if event.attempt == 1:
            self._queue.labels(event.model).observe(event.queue_seconds)

    def _job_ended(self, event: events.JobEnded) -> None:
        code = event.code or "none"
        self._finished.labels(event.dialect, event.model, event.outcome, code).inc()
        self._whole.labels(event.model, event.outcome).observe(event.seconds)
        self._attempts.observe(event.attempt)
        kind = "captured" if event.outcome == "completed" else "released"
        self._moved.labels(kind).inc(event.price_microcredits)

    def _picture_stored(self, event: events.PictureStored) -> None:
        self._stored.labels(event.kind).inc()
        self._stored_bytes.labels(event.kind).inc(event.size_bytes)
        self._storing.labels(event.kind).observe(event.seconds)

    def _gpu_memory(self, event: events.GpuMemory) -> None:
        for kind, size in event.memory.items():
            self._gpu.labels(str(event.number), kind).set(size)

    def _webhook_attempted(self, event: events.WebhookAttempted) -> None:
        self._webhooks.labels(event.outcome).inc()
        self._delivery.labels(event.outcome).observe(event.seconds)
