"""How a reply leaves the house: JSON bodies, long polls, and server-sent events."""

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Callable, Mapping
from functools import lru_cache
from typing import Any

import msgspec
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.types import Receive, Scope, Send

from safelight.api.house import House, engine_headers
from safelight.api.route import ROUTE
from safelight.api.watch import Read
from safelight.errors import InvalidRequest
from safelight.jobs import Job

WAIT_SECONDS_MAX = 60
KEEP_ALIVE_SECONDS = 15  # a comment this often keeps proxies from closing a quiet stream
RECONNECT_MS = 1000

_encoder = msgspec.json.Encoder()


class _Json(Response):
    """A body that is encoded already; Starlette's own way to its headers is twice as long."""

    def __init__(self, body: bytes, status: int, headers: Mapping[str, str]):
        self.status_code = status
        self.background = None
        self.body = body
        self.raw_headers = [(k.lower().encode(), v.encode("latin-1")) for k, v in headers.items()]
        self.raw_headers.append((b"content-length", b"%d" % len(body)))
        self.raw_headers.append((b"content-type", b"application/json"))


def encode(body: Any) -> bytes:
    """The bytes of a reply's body; those of a webhook are the same."""
    return _encoder.encode(body)


def answer(body: Any, status: int = 200, headers: Mapping[str, str] | None = None) -> Response:
    return _Json(encode(body), status, headers or {})


def job_answer(job: Job, body: Any, headers: Mapping[str, str] | None = None) -> Response:
    """A job's body, with the engine that makes its picture in a header."""
    reply = answer(body, headers=headers)
    reply.raw_headers.extend(_engine_header(job.engine, job.stand_in))
    return reply


@lru_cache
def _engine_header(engine: str | None, stand_in: str | None) -> list[tuple[bytes, bytes]]:
    found = engine_headers(engine, stand_in)
    return [(name.lower().encode(), value.encode()) for name, value in found.items()]


async def read_or_wait(
    house: House, request: Request, account_id: str, job_id: str, read: Read
) -> Job:
    """The job at once; with ?wait=N once it has ended, or as it stands N seconds from now."""
    wait = request.query_params.get("wait") if request.scope["query_string"] else None
    if wait is None:
        return await read()
    request.scope[ROUTE] += "?wait"  # or it would look like a very slow poll
    whole = wait.isascii() and wait.isdigit() and len(wait) <= 2  # "0000099" is no way around
    if not whole or int(wait) > WAIT_SECONDS_MAX:
        raise InvalidRequest(
            f"wait must be a whole number of seconds from 0 to {WAIT_SECONDS_MAX}", parameter="wait"
        )
    house.watch.check_place(account_id)
    with house.watch.place(account_id):
        return await house.watch.until_final(job_id, read, int(wait))


class _EventStream(StreamingResponse):
    """Holds a watcher's place while it is sent, however that ends."""

    def __init__(self, house: House, account_id: str, *arguments: Any, **named: Any):
        super().__init__(*arguments, **named)
        self._house = house
        self._account_id = account_id

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        with self._house.watch.place(self._account_id):
            await super().__call__(scope, receive, send)


def event_stream(
    house: House,
    request: Request,
    account_id: str,
    job_id: str,
    read: Read,
    render: Callable[[Job], Any],
    first: Job,
) -> Response:
    """Server-sent events: one for each change of the job, named by its status word.

    The id of an event is the job's version; a client that comes back with Last-Event-ID gets only
    what it has not seen. The data is what a poll at that moment would have answered.
    """
    last = request.headers.get("last-event-id", "")
    seen = int(last) if last.isascii() and last.isdigit() and len(last) < 10 else 0
    house.watch.check_place(account_id)
    return _EventStream(
        house,
        account_id,
        _events(house, job_id, read, render, seen),
        media_type="text/event-stream",
        headers={
            "Cache-Control": "no-store",
            "X-Accel-Buffering": "no",  # nginx would hold events back
            **engine_headers(first.engine, first.stand_in),
        },
    )


async def _events(
    house: House, job_id: str, read: Read, render: Callable[[Job], Any], seen: int
) -> AsyncIterator[bytes]:
    yield f"retry: {RECONNECT_MS}\n\n".encode()
    changes = house.watch.changes(job_id, read, seen)
    async with contextlib.aclosing(changes):
        pending: asyncio.Task[Job] | None = None
        try:
            while True:
                pending = pending or asyncio.ensure_future(anext(changes))
                done, _ = await asyncio.wait({pending}, timeout=KEEP_ALIVE_SECONDS)
                if not done:
                    yield b": still here\n\n"
                    continue
                try:
                    job = pending.result()
                except StopAsyncIteration:
                    pending = None
                    return
                pending = None
                body = render(job)
                data = json.dumps(body, ensure_ascii=False, separators=(",", ":"))
                yield f"id: {job.version}\nevent: {body['status']}\ndata: {data}\n\n".encode()
        finally:
            if pending is not None:
                pending.cancel()
                with contextlib.suppress(asyncio.CancelledError, StopAsyncIteration):
                    await pending
