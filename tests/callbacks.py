"""Receivers of webhooks: real HTTPS servers on loopback, each in a thread of its own."""

import contextlib
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import trustme

AUTHORITY = trustme.CA()
_CERTIFICATE = AUTHORITY.issue_cert("127.0.0.1", "127.0.0.2", "127.0.0.3")
LOOPBACK = "127.0.0.0/8"


def trusting() -> ssl.SSLContext:
    context = ssl.create_default_context()
    AUTHORITY.configure_trust(context)
    return context


def certificates(folder: Path) -> Path:
    """The authority's own, as SSL_CERT_FILE of a server that is to trust it."""
    path = folder / "authority.pem"
    path.write_bytes(AUTHORITY.cert_pem.bytes())
    return path


@dataclass(frozen=True)
class Call:
    """One request that reached a receiver."""

    path: str
    headers: dict[str, str]  # names in lower case
    body: bytes
    at: float  # monotonic seconds

    @property
    def id(self) -> str:
        return self.headers["webhook-id"]


@dataclass
class Receiver:
    """What came, and what is answered: the status of each call in turn, and then the last one's."""

    url: str = ""
    statuses: tuple[int, ...] = (200,)
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b""
    calls: list[Call] = field(default_factory=list)
    before: Callable[[], Any] = lambda: None  # what happens between a call and its answer
    pieces: Callable[[], Iterator[bytes]] | None = None  # an answer that comes by and by
    closing: threading.Event = field(default_factory=threading.Event)

    def take(self, call: Call) -> int:
        self.calls.append(call)
        return self.statuses[min(len(self.calls), len(self.statuses)) - 1]


class _Server(ThreadingHTTPServer):
    receiver: Receiver

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A caller who hangs up is no failure of the test."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: _Server

    def do_POST(self) -> None:
        receiver = self.server.receiver
        body = self.rfile.read(int(self.headers["content-length"]))
        headers = {name.lower(): value for name, value in self.headers.items()}
        status = receiver.take(Call(self.path, headers, body, time.monotonic()))
        receiver.before()
        self.send_response_only(status)
        for name, value in receiver.headers.items():
            self.send_header(name, value)
        if receiver.pieces is None:
            self.send_header("content-length", str(len(receiver.body)))
        self.end_headers()
        for piece in [receiver.body] if receiver.pieces is None else receiver.pieces():
            self.wfile.write(piece)
            self.wfile.flush()

    def log_message(self, *arguments: object) -> None: ...


@contextlib.contextmanager
def receiving(host: str = "127.0.0.1", **options: Any) -> Iterator[Receiver]:
    """A receiver while the block lasts; `options` are the fields of Receiver."""
    server = _Server((host, 0), _Handler)
    server.daemon_threads = True
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    _CERTIFICATE.configure_cert(context)
    server.socket = context.wrap_socket(
        server.socket, server_side=True, do_handshake_on_connect=False
    )
    receiver = server.receiver = Receiver(f"https://{host}:{server.server_port}/hook", **options)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield receiver
    finally:
        receiver.closing.set()
        server.shutdown()
        thread.join()
        server.server_close()
