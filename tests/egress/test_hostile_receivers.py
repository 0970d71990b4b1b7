"""What real receivers on real TLS get from us, whatever they do."""

import asyncio
import datetime
import gzip
import os
import ssl
import threading
import time
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
import trustme
import uvloop
from receivers import (
    AUTHORITY,
    Reader,
    Receiver,
    Request,
    Writer,
    answering,
    dripping,
    flooding,
    read_request,
    receiving,
    showing,
    signed_by_itself,
    silent,
    trusting,
)
from urls import sockets_watched

from safelight.egress import Answer, Egress, Refused, Unreachable, parse_networks
from safelight.egress.resolving import LOOKUPS_MAX, Lookups
from safelight.egress.sending import verifying_context

TRUSTING = trusting()
CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
HERE = parse_networks(["127.0.0.1/32"])
NO_CONTENT = b"HTTP/1.1 204 No Content\r\n\r\n"
SCHEDULE_SLACK_SECONDS = 2.0  # for a busy machine
MEBIBYTE = 1 << 20


def egress_to(*addresses: str, allowed: str = "127.0.0.1/32") -> Egress:
    """Every name has these addresses."""
    return Egress(allowed=parse_networks([allowed]), resolve=lambda host: addresses, tls=TRUSTING)


async def send(egress: Egress, url: str, method: str = "POST", **options: Any) -> Answer:
    defaults = {
        "headers": {}, "body": b"{}", "timeout_seconds": 10, "answer_bytes_max": 64 * 1024,
    }  # fmt: skip
    return await egress.send(method, url, **(defaults | options))


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


def test_a_name_that_is_bound_again_is_looked_up_once_and_dialled_as_it_was_checked():
    answers = iter([["127.0.0.2"], ["127.0.0.1"], ["127.0.0.2"]])
    asked: list[str] = []

    def rebinding(host: str) -> Sequence[str]:
        asked.append(host)
        return next(answers)

    async def scenario() -> None:
        egress = Egress(allowed=parse_networks(["127.0.0.2/32"]), resolve=rebinding, tls=TRUSTING)
        async with (
            receiving(answering(NO_CONTENT), host="127.0.0.2") as good,
            receiving(answering(NO_CONTENT), host="127.0.0.1", port=good.port) as inner,
        ):
            with sockets_watched() as sockets:
                assert (await send(egress, good.url())).status == 204
            assert asked == ["hooks.example"]
            assert sockets.dialled == [("127.0.0.2", good.port)]
            assert sockets.looked_up == []
            # The name turns inward between two attempts, and back again.
            with sockets_watched() as sockets, pytest.raises(Refused):
                await send(egress, good.url())
            assert sockets.opened == 0
            assert (await send(egress, good.url())).status == 204
            assert (good.connections, inner.connections) == (2, 0)

    asyncio.run(scenario())


def test_an_alias_of_an_internal_name_is_refused_by_where_it_ends():
    zone = {"hooks.example": "a.example", "a.example": "db.internal", "db.internal": "127.0.0.1"}

    def following(host: str) -> Sequence[str]:
        while host in zone:
            host = zone[host]
        return [host]

    async def scenario() -> None:
        async with receiving(answering(NO_CONTENT)) as receiver:
            egress = Egress(resolve=following, allowed=parse_networks(["10.0.0.0/8"]), tls=TRUSTING)
            with pytest.raises(Refused):
                await send(egress, receiver.url())
            assert receiver.connections == 0

    asyncio.run(scenario())


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308, 200])
def test_nobody_is_led_elsewhere(status: int):
    async def scenario() -> None:
        async with receiving(answering(NO_CONTENT)) as elsewhere:
            target = elsewhere.url("127.0.0.1").encode()
            raw = (
                b"HTTP/1.1 %d Go\r\nLocation: %s\r\nRefresh: 0; url=%s\r\nContent-Length: 0\r\n\r\n"
            )
            async with receiving(answering(raw % (status, target, target))) as receiver:
                with sockets_watched() as sockets:
                    answer = await send(egress_to("127.0.0.1"), receiver.url())
                assert answer.status == status
                assert sockets.dialled == [("127.0.0.1", receiver.port)]
            assert elsewhere.connections == 0

    asyncio.run(scenario())


def _never_reading() -> Callable[[Reader, Writer], Awaitable[None]]:
    async def handle(reader: Reader, writer: Writer) -> None:
        await asyncio.Event().wait()

    return handle


@pytest.mark.parametrize(
    "handler",
    [
        dripping(b"HTTP/1.1 200 OK\r\n\r\n", b"x"),
        dripping(b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n", b"x"),
        dripping(CHUNKED, b"1\r\nx\r\n"),
        dripping(b"HTTP/1.1 200 OK\r\n", b"X-A: b\r\n"),
        dripping(b"", b"HTTP/1.1 102 Processing\r\n\r\n"),
        dripping(b"HTTP/1.1 200", b" "),
        silent,
        _never_reading(),
    ],
    ids=["body", "long body", "chunks", "headers", "interim", "line", "silent", "never reads"],
)
def test_a_dripping_receiver_is_left_at_the_deadline(handler: Any):
    async def scenario() -> float:
        async with receiving(handler) as receiver:
            egress = egress_to("127.0.0.1")
            began = time.monotonic()
            with pytest.raises(Unreachable, match="timed out"):
                await send(egress, receiver.url(), body=bytes(8 * MEBIBYTE), timeout_seconds=0.4)
            return time.monotonic() - began

    assert asyncio.run(scenario()) < 0.4 + SCHEDULE_SLACK_SECONDS


def test_a_receiver_that_never_shakes_hands_is_left_at_the_deadline():
    async def scenario() -> None:
        async with receiving(silent, plain=True) as receiver:
            with pytest.raises(Unreachable, match="timed out"):
                await send(egress_to("127.0.0.1"), receiver.url(), timeout_seconds=0.4)

    asyncio.run(scenario())


GZIP = gzip.compress(bytes(16 * MEBIBYTE))


@pytest.mark.parametrize(
    ("head", "piece"),
    [
        (b"HTTP/1.1 200 OK\r\nContent-Length: 1073741824\r\n\r\n", bytes(65536)),
        (b"HTTP/1.1 200 OK\r\n\r\n", bytes(65536)),
        (CHUNKED, b"10000\r\n%b\r\n" % bytes(65536)),
        (CHUNKED, b"1\r\nx\r\n" * 10_000),
        (CHUNKED, b"1;%b\r\nx\r\n" % bytes(b"a" * 999)),
        (b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\n\r\n", GZIP),
    ],
    ids=["gigabyte", "endless", "chunks", "tiny chunks", "chunk extensions", "gzip"],
)  # fmt: skip
def test_of_a_gigabyte_no_more_is_read_than_was_asked_for(head: bytes, piece: bytes):
    sent: list[int] = []
    bytes_max = 64 * 1024

    async def scenario() -> Answer:
        async with receiving(flooding(head, piece, sent)) as receiver:
            return await send(egress_to("127.0.0.1"), receiver.url(), answer_bytes_max=bytes_max)

    answer = asyncio.run(scenario())
    assert answer.status == 200
    assert answer.truncated
    assert len(answer.body) <= bytes_max
    if head != CHUNKED or len(piece) > MEBIBYTE // 16:  # tiny chunks are left even earlier
        assert len(answer.body) == bytes_max
    if piece.startswith(b"1\r\n"):
        assert len(answer.body) < 2048
    assert answer.body[:1] in (b"\x1f", b"\x00", b"x")  # and nothing was decompressed
    assert sum(sent) < 16 * MEBIBYTE  # what the sockets hold, and no gigabyte


def test_one_byte_too_many_is_enough_to_stop_reading():
    async def stalling(reader: Reader, writer: Writer) -> None:
        await read_request(reader)
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 9999\r\n\r\n" + b"x" * 101)
        await asyncio.Event().wait()

    async def scenario() -> Answer:
        async with receiving(stalling) as receiver:
            return await send(egress_to("127.0.0.1"), receiver.url(), answer_bytes_max=100)

    answer = asyncio.run(scenario())
    assert (answer.status, answer.body, answer.truncated) == (200, b"x" * 100, True)


@pytest.mark.parametrize(
    ("head", "piece", "reason"),
    [
        (b"HTTP/1.1 200 OK\r\n", b"X-A: b\r\n" * 1000, "headers are too long"),
        (b"HTTP/1.1 200 OK\r\nX: ", b"a" * 65536, "headers are too long"),
        (b"", b"HTTP/1.1 102 Processing\r\n\r\n" * 1000, "headers are too long"),
        (b"SSH-2.0-OpenSSH_9.9\r\n", b"x" * 65536, "headers are too long"),
        (b"", bytes(65536), "not HTTP"),
        (
            b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\nContent-Length: 4\r\n\r\n",
            b"abc" * 9999,
            "not HTTP",
        ),
        (b"HTTP/1.1 101 Switching\r\nUpgrade: x\r\n\r\n", b"x" * 999, "not HTTP"),
    ],
    ids=["headers", "header", "interim", "ssh", "zeros", "two lengths", "upgrade"],
)
def test_an_answer_that_is_none_is_left_early(head: bytes, piece: bytes, reason: str):
    sent: list[int] = []

    async def scenario() -> None:
        async with receiving(flooding(head, piece, sent)) as receiver:
            with pytest.raises(Unreachable, match=reason):
                await send(egress_to("127.0.0.1"), receiver.url())

    asyncio.run(scenario())
    assert sum(sent) < 16 * MEBIBYTE


@pytest.mark.parametrize(
    "raw",
    [b"", b"HTTP/1.1 200 OK\r\nContent-Le", b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nshort"],
)
def test_half_an_answer_is_none(raw: bytes):
    async def scenario() -> None:
        async with receiving(answering(raw)) as receiver:
            with pytest.raises(Unreachable, match=r"closed before|broke"):
                await send(egress_to("127.0.0.1"), receiver.url())

    asyncio.run(scenario())


def test_a_receiver_may_answer_before_it_has_read_everything():
    async def hasty(reader: Reader, writer: Writer) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 413 Too Large\r\nContent-Length: 0\r\n\r\n")
        await silent(reader, writer)

    async def scenario() -> Answer:
        async with receiving(hasty) as receiver:
            return await send(egress_to("127.0.0.1"), receiver.url(), body=bytes(8 * MEBIBYTE))

    assert asyncio.run(scenario()).status == 413


def _expired() -> ssl.SSLContext:
    yesterday = datetime.datetime.now(datetime.UTC) - datetime.timedelta(days=1)
    return showing(
        AUTHORITY.issue_cert(
            "hooks.example", not_before=yesterday - datetime.timedelta(days=1), not_after=yesterday
        )
    )


@pytest.mark.parametrize(
    ("certificate", "reason"),
    [
        (lambda folder: showing(AUTHORITY.issue_cert("other.example")), "TLS failed: Hostname"),
        (lambda folder: showing(AUTHORITY.issue_cert("127.0.0.1")), "TLS failed: Hostname"),
        (lambda folder: _expired(), "TLS failed: certificate has expired"),
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


def test_the_next_address_is_tried_when_one_is_dead():
    async def scenario() -> None:
        egress = egress_to("127.0.0.3", "127.0.0.1", allowed="127.0.0.0/8")
        async with receiving(answering(NO_CONTENT)) as receiver:
            with sockets_watched() as sockets:
                assert (await send(egress, receiver.url())).status == 204
            assert [host for host, _ in sockets.dialled] == ["127.0.0.3", "127.0.0.1"]
            port = receiver.port
        with pytest.raises(Unreachable, match="connection refused"):
            await send(egress, f"https://hooks.example:{port}/")

    asyncio.run(scenario())


def test_a_slow_name_server_delays_nobody_else():
    answered = threading.Event()
    asked: list[str] = []

    def resolve(host: str) -> Sequence[str]:
        asked.append(host)
        if host.endswith("slow.example"):
            answered.wait(30)
        return ["127.0.0.1"]

    async def scenario() -> None:
        egress = Egress(allowed=HERE, resolve=resolve, tls=TRUSTING)
        async with receiving(answering(NO_CONTENT)) as receiver:
            slow = [
                asyncio.create_task(
                    send(egress, receiver.url(f"a{i}.slow.example"), timeout_seconds=30)
                )
                for i in range(2 * LOOKUPS_MAX)
            ]
            began = time.monotonic()
            await asyncio.gather(*(send(egress, receiver.url()) for _ in range(20)))
            assert time.monotonic() - began < SCHEDULE_SLACK_SECONDS
            assert not any(task.done() for task in slow)
            assert len(asked) < 20 + LOOKUPS_MAX / 2
            for task in slow:
                task.cancel()
            await asyncio.gather(*slow, return_exceptions=True)
            answered.set()
            # Places that hung are free again.
            with pytest.raises(Unreachable, match="TLS failed"):
                await send(egress, receiver.url("b.slow.example"), timeout_seconds=5)

    asyncio.run(scenario())


def test_a_lookup_ends_at_its_own_limit_and_frees_its_place_when_its_thread_ends():
    answered = threading.Event()

    def resolve(host: str) -> Sequence[str]:
        answered.wait(30)
        return ["127.0.0.1"]

    async def scenario() -> None:
        lookups = Lookups(resolve, seconds=0.2)
        for _ in range(2):
            ends = [lookups.find("a.slow.example") for _ in range(20)]
            for outcome in await asyncio.gather(*ends, return_exceptions=True):
                assert isinstance(outcome, Unreachable)
                assert outcome.reason == "DNS timed out"
        answered.set()
        found = await Lookups(resolve).find("a.slow.example")
        assert [str(address) for address in found] == ["127.0.0.1"]

    asyncio.run(scenario())


def test_lookups_do_not_run_out():
    def resolve(host: str) -> Sequence[str]:
        if host.startswith("none"):
            raise OSError
        return ["127.0.0.1"]

    async def scenario() -> None:
        lookups = Lookups(resolve)
        for i in range(LOOKUPS_MAX + 1):
            assert await lookups.find(f"a{i}.example")
            with pytest.raises(Unreachable):
                await lookups.find(f"none{i}.example")

    asyncio.run(scenario())


def test_nothing_stays_open():
    async def scenario() -> None:
        async with (
            receiving(answering(NO_CONTENT)) as good,
            receiving(silent) as slow,
            receiving(answering(NO_CONTENT), tls=_expired()) as expired,
            receiving(silent, plain=True) as speechless,
        ):
            egress = egress_to("127.0.0.1")
            before = open_descriptors()
            attempts = [
                send(egress, receiver.url(), timeout_seconds=0.5)
                for receiver in (good, slow, expired, speechless)
                for _ in range(10)
            ]
            outcomes = await asyncio.gather(*attempts, return_exceptions=True)
            assert [type(outcome) for outcome in outcomes] == [Answer] * 10 + [Unreachable] * 30
            while open_descriptors() > before:  # the receivers' ends close a little later
                await asyncio.sleep(0)

    asyncio.run(asyncio.wait_for(scenario(), 10))
