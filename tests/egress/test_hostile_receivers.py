"""What receivers get from us that drip, flood, redirect, or answer what is no answer."""

import asyncio
import gzip
import time
from typing import Any

import pytest
from urls import sockets_watched

from receivers import (
    CHUNKED,
    MEBIBYTE,
    NO_CONTENT,
    SCHEDULE_SLACK_SECONDS,
    Reader,
    Writer,
    answering,
    dripping,
    egress_to,
    flooding,
    never_reading,
    read_request,
    receiving,
    send,
    silent,
)
from safelight.egress import Answer, Unreachable


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
        never_reading,
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
