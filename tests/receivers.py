"""Receivers behind real TLS on loopback addresses, most of them hostile."""

import asyncio
import contextlib
import datetime
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import trustme
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from safelight.egress import Answer, Egress, parse_networks

Reader, Writer = asyncio.StreamReader, asyncio.StreamWriter
Handler = Callable[[Reader, Writer], Awaitable[None]]

CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
NO_CONTENT = b"HTTP/1.1 204 No Content\r\n\r\n"
SCHEDULE_SLACK_SECONDS = 2.0  # for a busy machine
MEBIBYTE = 1 << 20

AUTHORITY = trustme.CA()
NAMES = ("hooks.example", "xn--mnchen-3ya.example", "127.0.0.1", "127.0.0.2", "127.0.0.3")


def trusting(authority: trustme.CA = AUTHORITY) -> ssl.SSLContext:
    context = ssl.create_default_context()
    authority.configure_trust(context)
    return context


def showing(certificate: trustme.LeafCert) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    certificate.configure_cert(context)
    return context


def signed_by_itself(folder: Path) -> ssl.SSLContext:
    """A server's context with a certificate for hooks.example that nobody vouches for."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "hooks.example")])
    now = datetime.datetime.now(datetime.UTC)
    certificate = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("hooks.example")]), False)
        .sign(key, hashes.SHA256())
    )
    pem = folder / "own.pem"
    pem.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
        + certificate.public_bytes(serialization.Encoding.PEM)
    )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(pem)
    return context


CERTIFICATE = AUTHORITY.issue_cert(*NAMES)


@dataclass
class Receiver:
    """A server that tells what reached it."""

    host: str
    port: int
    connections: int = 0
    names: list[str | None] = field(default_factory=list)  # in the handshakes (SNI)

    def url(self, host: str = "hooks.example", rest: str = "/hook") -> str:
        return f"https://{host}:{self.port}{rest}"


@contextlib.asynccontextmanager
async def receiving(
    handler: Handler,
    *,
    host: str = "127.0.0.1",
    port: int = 0,
    tls: ssl.SSLContext | None = None,
    plain: bool = False,
) -> AsyncIterator[Receiver]:
    """`handler` has each connection to itself; it is closed and forgotten afterwards."""
    tls = tls or showing(CERTIFICATE)
    tasks: set[asyncio.Task[None]] = set()

    async def serve(reader: Reader, writer: Writer) -> None:
        receiver.connections += 1
        task = asyncio.current_task()
        assert task is not None
        tasks.add(task)
        try:
            with contextlib.suppress(OSError, asyncio.IncompleteReadError, asyncio.CancelledError):
                await handler(reader, writer)
        finally:
            tasks.discard(task)
            writer.close()
            with contextlib.suppress(OSError, asyncio.CancelledError):
                await writer.wait_closed()

    server = await asyncio.start_server(serve, host, port, ssl=None if plain else tls)
    receiver = Receiver(host, server.sockets[0].getsockname()[1])
    tls.sni_callback = lambda connection, name, context: receiver.names.append(name)
    try:
        yield receiver
    finally:
        server.close()
        for task in list(tasks):
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await server.wait_closed()


@dataclass
class Request:
    """What a receiver read."""

    line: str = ""
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b""


async def read_request(reader: Reader) -> Request:
    head = (await reader.readuntil(b"\r\n\r\n")).decode("ascii")
    line, *lines = head.strip().split("\r\n")
    headers = dict(entry.split(": ", 1) for entry in lines)
    body = await reader.readexactly(int(headers.get("content-length", 0)))
    return Request(line, headers, body)


def answering(raw: bytes, seen: list[Request] | None = None) -> Handler:
    """Answers each request with these bytes."""

    async def handle(reader: Reader, writer: Writer) -> None:
        request = await read_request(reader)
        if seen is not None:
            seen.append(request)
        writer.write(raw)
        await writer.drain()

    return handle


def flooding(head: bytes, piece: bytes, sent: list[int]) -> Handler:
    """Sends the head and then the piece, over and over, until nobody listens."""

    async def handle(reader: Reader, writer: Writer) -> None:
        await read_request(reader)
        writer.write(head)
        sent.append(len(head))
        while True:
            writer.write(piece)
            await writer.drain()
            sent.append(len(piece))

    return handle


def dripping(head: bytes, piece: bytes) -> Handler:
    """Sends the head and then the piece, a hundred times a second."""

    async def handle(reader: Reader, writer: Writer) -> None:
        await read_request(reader)
        writer.write(head)
        while not reader.at_eof():
            writer.write(piece)
            await writer.drain()
            await asyncio.sleep(0.01)

    return handle


async def silent(reader: Reader, writer: Writer) -> None:
    """Takes whatever comes and says nothing."""
    while await reader.read(65536):
        pass


async def never_reading(reader: Reader, writer: Writer) -> None:
    """Leaves everything that comes where it is."""
    await asyncio.Event().wait()


def expired() -> ssl.SSLContext:
    """A server's context with a certificate that was good until yesterday."""
    yesterday = datetime.datetime.now(datetime.UTC) - datetime.timedelta(days=1)
    return showing(
        AUTHORITY.issue_cert(
            "hooks.example", not_before=yesterday - datetime.timedelta(days=1), not_after=yesterday
        )
    )


TRUSTING = trusting()


def egress_to(*addresses: str, allowed: str = "127.0.0.1/32") -> Egress:
    """Every name has these addresses."""
    return Egress(allowed=parse_networks([allowed]), resolve=lambda host: addresses, tls=TRUSTING)


async def send(egress: Egress, url: str, method: str = "POST", **options: Any) -> Answer:
    defaults = {
        "headers": {}, "body": b"{}", "timeout_seconds": 10, "answer_bytes_max": 64 * 1024,
    }  # fmt: skip
    return await egress.send(method, url, **(defaults | options))
