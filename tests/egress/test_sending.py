"""What a receiver reads, whose certificates are trusted, and what is left open."""

import asyncio
import os
import ssl
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import trustme
import uvloop

from receivers import (
    AUTHORITY,
    CHUNKED,
    MEBIBYTE,
    NO_CONTENT,
    Reader,
    Receiver,
    Request,
    Writer,
    answering,
    egress_to,
    expired,
    receiving,
    send,
    showing,
    signed_by_itself,
    silent,
)
from safelight.egress import Answer, Egress, Unreachable
from safelight.egress.sending import verifying_context


def open_descriptors() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))


@pytest.mark.parametrize("run", [asyncio.run, uvloop.run], ids=["asyncio", "uvloop"])
def test_a_message_arrives_as_it_was_written(run: Callable[[Any], Any]):
    seen: list[Request] = []
    body = os.urandom(300_000)
    raw = b"HTTP/1.1 202 Fine\r\nX-A: 1\r\nx-a: 2\r\nContent-Length: 4\r\n\r\nokay"

    async def scenario() -> tuple[Receiver, Answer]:
        async with receiving(answering(raw, seen)) as receiver:
            return receiver, await send(
                egress_to("127.0.0.1"),
                receiver.url(rest="/a%20b/%EA%B2%BD?x=1&&y=%zz+&z=a/b?c#part"),
                body=body,
                headers={"webhook-id": "msg_1", "Content-Type": "application/json"},
            )

    receiver, answer = run(scenario())
    assert answer == Answer(202, {"x-a": "1, 2", "content-length": "4"}, b"okay", truncated=False)
    [request] = seen
    assert request.line == "POST /a%20b/%EA%B2%BD?x=1&&y=%zz+&z=a/b?c HTTP/1.1"
    assert request.body == body
    assert request.headers == {
        "host": f"hooks.example:{receiver.port}",
        "user-agent": "Safelight/0.1.0",
        "webhook-id": "msg_1",
        "content-type": "application/json",
        "connection": "close",
        "accept-encoding": "identity",
        "content-length": "300000",
    }
    assert receiver.names == ["hooks.example"]


def test_a_picture_can_be_fetched():
    seen: list[Request] = []
    picture = os.urandom(3 * MEBIBYTE)
    head = f"HTTP/1.1 200 OK\r\nContent-Length: {len(picture)}\r\n\r\n".encode()

    async def scenario() -> Answer:
        async with receiving(answering(head + picture, seen)) as receiver:
            return await send(
                egress_to("127.0.0.1"), receiver.url("MÜNCHEN.example", "/웹?훅"), "GET",
                body=b"", answer_bytes_max=len(picture),
            )  # fmt: skip

    answer = asyncio.run(scenario())
    assert answer.body == picture
    assert not answer.truncated
    assert seen[0].line == "GET /%EC%9B%B9?%ED%9B%85 HTTP/1.1"
    assert seen[0].headers["host"].startswith("xn--mnchen-3ya.example:")
    assert "content-length" not in seen[0].headers


@pytest.mark.parametrize(
    "raw",
    [
        b"HTTP/1.1 200 OK\r\n\r\nto the end",
        b"HTTP/1.0 200 OK\r\n\r\nto the end",
        b"HTTP/1.1 103 Early Hints\r\nLink: <a>\r\n\r\nHTTP/1.1 200 OK\r\n\r\nto the end",
        CHUNKED + b"3\r\nto \r\n7\r\nthe end\r\n0\r\n\r\n",
    ],
)
def test_every_framing_of_an_answer_is_read(raw: bytes):
    async def scenario() -> Answer:
        async with receiving(answering(raw)) as receiver:
            return await send(egress_to("127.0.0.1"), receiver.url())

    answer = asyncio.run(scenario())
    assert (answer.status, answer.body) == (200, b"to the end")


@pytest.mark.parametrize(
    ("certificate", "reason"),
    [
        (lambda folder: showing(AUTHORITY.issue_cert("other.example")), "TLS failed: Hostname"),
        (lambda folder: showing(AUTHORITY.issue_cert("127.0.0.1")), "TLS failed: Hostname"),
        (lambda folder: expired(), "TLS failed: certificate has expired"),
        (signed_by_itself, "TLS failed: self.signed"),
        (lambda folder: showing(trustme.CA().issue_cert("hooks.example")), "TLS failed: "),
    ],
    ids=["another name", "an address", "expired", "self-signed", "another authority"],
)
def test_a_bad_certificate_gets_no_message(
    certificate: Callable[[Path], ssl.SSLContext], reason: str, tmp_path: Path
):
    seen: list[Request] = []

    async def scenario() -> None:
        async with receiving(answering(NO_CONTENT, seen), tls=certificate(tmp_path)) as receiver:
            with pytest.raises(Unreachable, match=reason):
                await send(egress_to("127.0.0.1"), receiver.url())

    asyncio.run(scenario())
    assert seen == []


def test_a_certificate_for_an_address_serves_that_address():
    async def scenario() -> None:
        async with receiving(answering(NO_CONTENT)) as receiver:
            assert (await send(egress_to(), receiver.url("127.0.0.1"))).status == 204
            assert receiver.names == [None]

    asyncio.run(scenario())


def test_without_tls_there_is_no_message():
    heard: list[bytes] = []

    async def outspoken(reader: Reader, writer: Writer) -> None:
        writer.write(NO_CONTENT)
        heard.append(await reader.read())

    async def scenario() -> None:
        async with receiving(outspoken, plain=True) as receiver:
            with pytest.raises(Unreachable, match="TLS failed"):
                await send(egress_to("127.0.0.1"), receiver.url(), body=b"secret")

    asyncio.run(scenario())
    assert b"secret" not in b"".join(heard)


def test_certificates_are_checked_from_tls_1_2_on():
    context = verifying_context()
    assert context.minimum_version == ssl.TLSVersion.TLSv1_2
    assert context.check_hostname
    careless = ssl.create_default_context()
    careless.check_hostname = False
    with pytest.raises(ValueError, match="must check"):
        Egress(tls=careless)


def test_proxies_of_the_environment_are_not_asked(monkeypatch: pytest.MonkeyPatch):
    async def scenario() -> None:
        async with (
            receiving(silent, plain=True) as proxy,
            receiving(answering(NO_CONTENT)) as receiver,
        ):
            for name in ("HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy", "HTTP_PROXY"):
                monkeypatch.setenv(name, f"http://127.0.0.1:{proxy.port}")
            assert (await send(egress_to("127.0.0.1"), receiver.url())).status == 204
            assert proxy.connections == 0

    asyncio.run(scenario())


def test_each_message_has_a_connection_of_its_own():
    async def scenario() -> None:
        async with receiving(
            answering(b"HTTP/1.1 200 OK\r\nConnection: keep-alive\r\nContent-Length: 0\r\n\r\n")
        ) as receiver:
            egress = egress_to("127.0.0.1")
            for _ in range(3):
                await send(egress, receiver.url())
            assert receiver.connections == 3

    asyncio.run(scenario())


def test_nothing_stays_open():
    async def scenario() -> None:
        async with (
            receiving(answering(NO_CONTENT)) as good,
            receiving(silent) as slow,
            receiving(answering(NO_CONTENT), tls=expired()) as distrusted,
            receiving(silent, plain=True) as speechless,
        ):
            egress = egress_to("127.0.0.1")
            before = open_descriptors()
            attempts = [
                send(egress, receiver.url(), timeout_seconds=0.5)
                for receiver in (good, slow, distrusted, speechless)
                for _ in range(10)
            ]
            outcomes = await asyncio.gather(*attempts, return_exceptions=True)
            assert [type(outcome) for outcome in outcomes] == [Answer] * 10 + [Unreachable] * 30
            while open_descriptors() > before:  # the receivers' ends close a little later
                await asyncio.sleep(0)

    asyncio.run(asyncio.wait_for(scenario(), 10))
