"""Deadlines, limits and headers for every connection, below the application."""

import asyncio
import socket
import struct
from functools import partial
from typing import Any

import httptools
from uvicorn.protocols.http.httptools_impl import RequestResponseCycle

from safelight.api import sealing
from safelight.api.peers import is_loopback, peer_of
from safelight.api.proxies import Proxies
from safelight.cli.one_write import NO_SEAL, OneWriteProtocol, Seal
from safelight.errors import InvalidRequest, Unavailable
from safelight.settings.sections import ConnectionSettings

PATROL_SECONDS = 0.5  # how late a deadline may be; requests arm no timers and read no clock
HEAD_BYTES_MAX = 16 * 1024  # of the request line and headers; the parser itself has no limit
HEADERS_MAX = 100
PIPELINED_MAX = 16  # requests that may wait behind one on their connection
# What chunked coding and trailers may add to a body: chunks of one byte are sixfold.
FRAMING_BYTES_MAX = 64 * 1024
FRAMING_FACTOR = 8
PER_ADDRESS = 256  # unless set; not of this machine, where the proxy in front of us is
NEVER = UNLIMITED = float("inf")
NO_LINGER = struct.pack("ii", 1, 0)


class Guard:
    """What all connections share: the limits, who is connected, and the patrol."""

    def __init__(self, limits: ConnectionSettings, public_url: str | None):
        self.limits = limits
        hsts = sealing.strict_transport(public_url)
        self.seal = Seal(hsts, sealing.WITHOUT_POLICY, sealing.WITHOUT_CACHING)
        lines = self.seal.common.removesuffix(b"\r\n")
        self.replies = {
            400: sealing.refusal(b"400 Bad Request", InvalidRequest("This is not HTTP/1.1"), lines),
            408: sealing.refusal(
                b"408 Request Timeout", InvalidRequest("The request took too long to arrive"), lines
            ),
            431: sealing.refusal(
                b"431 Request Header Fields Too Large",
                InvalidRequest(f"Headers are limited to {HEADERS_MAX} and {HEAD_BYTES_MAX} bytes"),
                lines,
            ),
            503: sealing.refusal(
                b"503 Service Unavailable",
                Unavailable("Too many connections"),
                b"retry-after: 5\r\n" + lines,
            ),
        }
        self._tick(asyncio.get_running_loop().time())
        self._open: set[GuardedProtocol] = set()
        self._from: dict[str, int] = {}
        self._proxies = Proxies(limits.networks)

    def protocol(self) -> "partial[GuardedProtocol]":
        """What uvicorn makes a protocol with, for each connection."""
        return partial(GuardedProtocol, self)

    def admit(self, connection: "GuardedProtocol") -> bool:
        """Count it in, and say whether it may stay; the caller tells us when it is gone."""
        self._open.add(connection)
        address = connection.client[0] if connection.client else ""
        peer = peer_of(address)
        count = self._from[peer] = self._from.get(peer, 0) + 1
        per_address: float | None = self.limits.per_address
        if per_address is None:
            spared = is_loopback(address) or self._proxies.trusts(address)
            per_address = UNLIMITED if spared else PER_ADDRESS
        return len(self._open) <= self.limits.total and count <= per_address

    def gone(self, connection: "GuardedProtocol") -> None:
        self._open.discard(connection)
        peer = peer_of(connection.client[0] if connection.client else "")
        left = self._from.get(peer, 0) - 1
        if left > 0:
            self._from[peer] = left
        else:
            self._from.pop(peer, None)

    def count(self) -> int:
        """How many connections are open."""
        return len(self._open)

    def _tick(self, now: float) -> None:
        """When that is due which begins before the next tick."""
        self.now = now
        self.head_due = now + PATROL_SECONDS + self.limits.head_seconds
        self.body_due = now + PATROL_SECONDS + self.limits.body_seconds
        self.idle_due = now + PATROL_SECONDS + self.limits.idle_seconds
        self.stalled_due = now + PATROL_SECONDS + self.limits.stalled_seconds

    async def patrol(self) -> None:
        """End what is late, for as long as the server runs."""
        loop = asyncio.get_running_loop()
        while True:
            await asyncio.sleep(PATROL_SECONDS)
            self._tick(loop.time())
            for connection in [c for c in self._open if c.is_late()]:
                connection.end()


class GuardedProtocol(OneWriteProtocol):
    """Notes what a connection owes and by when; the patrol ends those that are late."""

    def __init__(self, guard: Guard, *arguments: Any, **named: Any):
        super().__init__(*arguments, **named)
        self._guard = guard
        self._due = NEVER  # when the head, the body or the next request must have come
        self._stalled_due = NEVER  # when the peer must have read what we wrote
        self._in_head = True
        self._long_head = False
        self._head_bytes = 0
        self._body_bytes = 0
        self._framed_bytes = 0
        self._refusal = 400

    def connection_made(self, transport: Any) -> None:
        super().connection_made(transport)
        self.transport.seal = self._guard.seal
        self._due = self._guard.head_due
        if not self._guard.admit(self):
            self._refuse(503)

    def connection_lost(self, exc: Exception | None) -> None:
        self._guard.gone(self)
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        if self.transport.is_closing():
            return
        if self._in_head:
            if self._head_bytes == 0 and self.cycle is not None:
                self._due = self._guard.head_due  # the first is due from the connection on
            self._head_bytes += len(data)
        else:
            self._framed_bytes += len(data)
        # Only then are a head's bytes counted one by one, when it is complete.
        self._long_head = self._head_bytes > HEAD_BYTES_MAX or len(data) > HEAD_BYTES_MAX
        try:
            self.parser.feed_data(data)
        except httptools.HttpParserUpgrade:  # to what we do not speak: this is the last request
            self.cycle.keep_alive = False
        except httptools.HttpParserError:
            self._refuse(self._refusal)
            return
        if self._in_head:
            if self._head_bytes > HEAD_BYTES_MAX:
                self._refuse(431)
        elif self._framed_bytes > FRAMING_BYTES_MAX + FRAMING_FACTOR * self._body_bytes:
            self._refuse(400)

    def on_headers_complete(self) -> None:
        if len(self.headers) > HEADERS_MAX or (self._long_head and self._is_too_long()):
            self._refusal = 431
            raise ValueError("the head is too long")
        if len(self.pipeline) >= PIPELINED_MAX:
            raise ValueError("too many requests wait on this connection")
        if not self.url.startswith(b"/"):
            self._take_authority()
        self._in_head = False
        self._head_bytes = self._body_bytes = self._framed_bytes = 0
        self._due = self._guard.body_due
        super().on_headers_complete()
        self.headers = []  # takes the trailers, which the application would read as headers

    def on_body(self, body: bytes) -> None:
        self._body_bytes += len(body)
        super().on_body(body)

    def on_message_complete(self) -> None:
        super().on_message_complete()
        self._in_head = True
        self._due = self._guard.idle_due if self.cycle.response_complete else NEVER

    def on_response_complete(self) -> None:
        """In place of uvicorn's: no timer for each reply, and nothing read while requests wait."""
        self.transport.expects_head = True
        self.server_state.total_requests += 1
        if self.transport.is_closing():
            self._due = self._guard.stalled_due
        elif self.pipeline:
            if self._due != NEVER:
                self._due = self._guard.body_due
            self._start_asgi_task(*self.pipeline.pop())
        else:
            self.flow.resume_reading()
            if self._due == NEVER:
                self._due = self._guard.idle_due

    def pause_writing(self) -> None:
        self._stalled_due = self._guard.stalled_due
        super().pause_writing()

    def resume_writing(self) -> None:
        self._stalled_due = NEVER
        super().resume_writing()

    def is_late(self) -> bool:
        """Whether the patrol has to end this connection."""
        now = self._guard.now
        # While requests wait their turn we read nothing, so nothing can be owed.
        return now > self._stalled_due or (now > self._due and not self.pipeline)

    def end(self) -> None:
        """Close what is late; cut off what did not read what it was sent before, either."""
        if self._guard.now > self._stalled_due or self.transport.is_closing():
            self._cut_off()
        elif self._in_head and self._head_bytes == 0:
            self._close()  # it owed nothing: a connection that nobody used
        else:
            self._refuse(408)

    def _refuse(self, status: int) -> None:
        """Answer outside of HTTP's order, where no reply has begun, and close."""
        cycle: RequestResponseCycle | None = self.cycle
        begun = cycle is not None and cycle.response_started and not cycle.response_complete
        if not begun and not self.pipeline:
            if cycle is not None:
                cycle.disconnected = True  # whoever still works on it has nobody to tell
                cycle.message_event.set()
            self.transport.seal = NO_SEAL  # these replies have theirs
            self.transport.expects_head = False
            self.transport.write(self._guard.replies[status])
        self._close()

    def _close(self) -> None:
        self.transport.close()
        self._due = self._guard.stalled_due

    def _cut_off(self) -> None:
        # Without this, the kernel would keep what it took from us and go on offering it.
        connection = self.transport.get_extra_info("socket")
        if connection is not None:
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, NO_LINGER)
        self.transport.abort()

    def _is_too_long(self) -> bool:
        size = len(self.url) + sum(len(name) + len(value) for name, value in self.headers)
        return size > HEAD_BYTES_MAX

    def _take_authority(self) -> None:
        """Of `GET http://host/path`, whose host is what counts, whatever Host says (RFC 9112)."""
        url = httptools.parse_url(self.url)
        if url.path is None or url.host is None:
            raise ValueError("neither a path nor a URL with one")
        port = b"" if url.port is None else b":%d" % url.port
        host = b"[%b]" % url.host if b":" in url.host else url.host
        self.headers[:] = [pair for pair in self.headers if pair[0] != b"host"]
        self.headers.append((b"host", host + port))
