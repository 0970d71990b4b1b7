"""Due messages → signed calls to their receivers, each attempt in the log."""

import asyncio
import contextlib
import logging
from collections.abc import Callable
from dataclasses import dataclass, replace

from safelight import jobs
from safelight.db import Database, Transaction
from safelight.egress import Answer, Egress, Refused, Unreachable
from safelight.errors import NotFound, Unavailable
from safelight.jobs import Job, Link
from safelight.telemetry import Tell, silent
from safelight.telemetry.events import WebhookAttempted
from safelight.telemetry.tracing import Kind, Tracer
from safelight.webhooks import outbox, rotation
from safelight.webhooks.outbox import BELL, FIRST, Attempt, Claimed, InFlight, Message
from safelight.webhooks.signing import Signer

POLL_SECONDS = 2.0  # the safety net under the announcements
NEXT_LOOK_SECONDS = 0.05  # where a look found nobody to serve, and did not come to an end
LEASE_FACTOR = 1.5  # of an attempt's time: how long a dead sender keeps its messages
ANSWER_BYTES_MAX = 64 * 1024
ANSWER_BYTES_KEPT = 2048  # in the log

log = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class DeliverySettings:
    """How patient a sender is, and how much it does at a time."""

    attempt_seconds: float  # for all of an attempt: lookup, connecting, sending, the whole answer
    in_flight: int  # of this sender
    limits: InFlight  # of all senders
    finish_seconds: float = 3.0  # what is on its way when we stop may end; the rest is handed back


class Sender:
    """Claims due messages, a few for each receiver at a time, and sends them.

    A slow receiver holds its own places and nobody else's. A message is leased while it is on its
    way: if we die it is sent again, with the same id, so that nothing is lost.
    """

    def __init__(
        self,
        sender_id: str,
        db: Database,
        egress: Egress,
        render: Callable[[Job], bytes],
        link: Link,
        pepper: bytes,
        settings: DeliverySettings,
        tell: Tell = silent,
        tracer: Tracer | None = None,
    ):
        self.id = sender_id
        self._tell = tell
        self._tracer = tracer
        self._db = db
        self._egress = egress
        self._render = render  # what a poll of the job would be answered now
        self._link = link
        self._pepper = pepper
        self._signer = Signer(pepper)
        self._settings = settings
        self._wake = asyncio.Event()
        self.stopping = False
        self._on_their_way: dict[asyncio.Task[None], Message] = {}
        self._after = FIRST  # who was served last
        self._complete = True  # the last look at the outbox saw every receiver
        db.subscribe(self._heard)

    async def run(self) -> None:
        """Until stopped."""
        while not self.stopping:
            self._wake.clear()
            claimed = await self._claim()
            for message, secrets in claimed:
                task = asyncio.create_task(self._deliver(message, secrets))
                self._on_their_way[task] = message
                task.add_done_callback(self._landed)
            if not claimed:
                await self._sleep()
        await self._finish()

    def stop(self) -> None:
        """Claim nothing more; what is on its way may end."""
        self.stopping = True
        self._wake.set()

    # Claiming

    async def _claim(self) -> list[tuple[Message, list[str]]]:
        """Messages that are ours to send now, each with its account's secrets."""
        places = self._settings.in_flight - len(self._on_their_way)
        lease_ms = round(self._settings.attempt_seconds * LEASE_FACTOR * 1000)

        async def commit(tx: Transaction) -> tuple[Claimed, list[list[str]]]:
            claimed = await outbox.claim(
                tx,
                self.id,
                places=places,
                limits=self._settings.limits,
                lease_ms=lease_ms,
                after=self._after,
            )
            return claimed, [await self._secrets(tx, message) for message in claimed.messages]

        self._complete = True
        if places <= 0:
            return []
        try:
            due_ms, now_ms = await self._next_due()
            if due_ms is None or due_ms > now_ms:
                return []
            claimed, secrets = await self._db.write_soon(commit)
        except Unavailable as error:  # a locked or full database: it may pass
            log.error("cannot claim webhooks: %s", error.__cause__)
            return []
        self._after, self._complete = claimed.after, claimed.complete
        return list(zip(claimed.messages, secrets, strict=True))

    async def _secrets(self, tx: Transaction, message: Message) -> list[str]:
        valid = await rotation.valid(tx, message.account_id, self._pepper)
        return [one.secret for one in valid]

    async def _next_due(self) -> tuple[int | None, int]:
        """When the next message is due, and the time now, both in milliseconds since 1970."""

        async def read(tx: Transaction) -> tuple[int | None, int]:
            return await outbox.next_due_ms(tx), tx.now_ms

        return await self._db.read(read)

    async def _sleep(self) -> None:
        seconds = POLL_SECONDS if self._complete else NEXT_LOOK_SECONDS
        with contextlib.suppress(Unavailable):
            due_ms, now_ms = await self._next_due()
            if due_ms is not None and due_ms > now_ms:
                seconds = min(seconds, (due_ms - now_ms) / 1000)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._wake.wait()

    def _heard(self, message: str) -> None:
        if message == BELL:
            self._wake.set()

    # One message

    async def _deliver(self, message: Message, secrets: list[str]) -> None:
        began = asyncio.get_running_loop().time()
        try:
            attempt = await self._attempt(message, secrets)
        except Unavailable as error:  # then the lease ends, and the message is due again
            log.error("webhook %s: cannot read its job: %s", message.id, error.__cause__)
            return
        except Exception:  # a mistake of ours must not stop everybody else's messages
            log.exception("webhook %s met a mistake of ours", message.id)
            attempt = Attempt(reason="the message could not be sent")
        milliseconds = round((asyncio.get_running_loop().time() - began) * 1000)
        done = replace(attempt, duration_ms=milliseconds)
        try:
            await self._db.write_soon(lambda tx: outbox.record(tx, message, self.id, done))
            self._tell(_attempted(message, done))
        except Unavailable as error:  # it is sent again: at least once
            log.error("webhook %s: cannot record its attempt: %s", message.id, error.__cause__)

    async def _attempt(self, message: Message, secrets: list[str]) -> Attempt:
        try:
            job = await self._job(message)
        except NotFound:
            return Attempt(reason="the job is gone", outcome="gone")
        body = self._render(job)  # the very bytes that a poll of the job would be answered now
        headers = {"Content-Type": "application/json"} | self._signer.headers(
            message.id, message.claimed_at_ms, body, secrets
        )
        if self._tracer is None:
            return await self._send(message, headers, body)
        span = self._tracer.begin(
            "POST", Kind.CLIENT, job.traceparent,
            {"http.request.method": "POST", "http.request.resend_count": message.attempt,
             "safelight.job": job.id, "safelight.message": message.id},
        )  # fmt: skip
        attempt = await self._send(message, headers | {"traceparent": span.traceparent}, body)
        code = {} if attempt.status is None else {"http.response.status_code": attempt.status}
        span.end(code, error="" if attempt.reason is None else attempt.outcome)
        return attempt

    async def _send(self, message: Message, headers: dict[str, str], body: bytes) -> Attempt:
        try:
            answer = await self._egress.send(
                "POST",
                message.url,
                headers=headers,
                body=body,
                timeout_seconds=self._settings.attempt_seconds,
                answer_bytes_max=ANSWER_BYTES_MAX,
            )
        except Refused:
            return Attempt(reason="the destination is not allowed", outcome="refused")
        except Unreachable as unreachable:
            return Attempt(reason=unreachable.reason, outcome="unreachable")
        return _judge(answer)

    async def _job(self, message: Message) -> Job:
        return await self._db.read(
            lambda tx: jobs.get(tx, message.job_id, self._link, dialect=message.dialect)
        )

    # The end

    def _landed(self, task: asyncio.Task[None]) -> None:
        del self._on_their_way[task]
        self._wake.set()  # a place is free
        if not task.cancelled() and (error := task.exception()) is not None:
            log.error("a delivery ended badly", exc_info=error)

    async def _finish(self) -> None:
        """Let what is on its way end, and hand back what does not."""
        if self._on_their_way:
            await asyncio.wait(self._on_their_way, timeout=self._settings.finish_seconds)
        unfinished = dict(self._on_their_way)
        for task in unfinished:
            task.cancel()

        async def commit(tx: Transaction) -> None:
            for message in unfinished.values():
                await outbox.give_back(tx, message, self.id)

        if unfinished:
            await asyncio.wait(unfinished)
            with contextlib.suppress(Unavailable):  # then the leases end by themselves
                await self._db.write_soon(commit)


def _judge(answer: Answer) -> Attempt:
    """Any 2xx is success. Redirects are failures: where they lead nobody has checked."""
    text = answer.body[:ANSWER_BYTES_KEPT].decode(errors="ignore").replace("\0", "")
    reason = None
    if not 200 <= answer.status < 300:
        redirect = " and is not followed" if 300 <= answer.status < 400 else ""
        reason = f"the receiver answered {answer.status}{redirect}"
    outcome = "delivered" if reason is None else f"answered {answer.status // 100}xx"
    return Attempt(status=answer.status, reason=reason, answer=text or None, outcome=outcome)


def _attempted(message: Message, attempt: Attempt) -> WebhookAttempted:
    return WebhookAttempted(
        message=message.id, job=message.job_id, account=message.account_id,
        dialect=message.dialect, attempt=message.attempt + 1, outcome=attempt.outcome,
        status=attempt.status, seconds=attempt.duration_ms / 1000,
    )  # fmt: skip
