"""Request heads that nobody should send: refused at once, never with a 5xx, never left hanging."""

import asyncio
import contextlib
import os
import random
import re
import time

import pytest

from lines import GET, asked, everything, line
from running import Customer, Server

pytestmark = pytest.mark.xdist_group("hostile")

POST = b"POST /v1/tasks/batch HTTP/1.1\r\nHost: localhost\r\n"
FUZZED = int(os.environ.get("FUZZED_HEADS", "400"))


@pytest.mark.parametrize(
    ("head", "status"),
    [
        (b"GET /livez HTTP/1.1\r\nHost: localhost\r\n" + b"X: y\r\n" * 100 + b"\r\n", 431),
        (b"GET /livez HTTP/1.1\r\nHost: localhost\r\nX: " + b"y" * 17_000 + b"\r\n\r\n", 431),
        (b"GET /livez?" + b"y" * 17_000 + b" HTTP/1.1\r\nHost: localhost\r\n\r\n", 431),
        (b"GET /livez HTTP/1.1\r\nHost: localhost\r\nX: " + b"y" * 40_000, 431),
        (b"\r\n" * 20_000, 431),
        (b"GET /livez HTTP/1.1\r\nHost : localhost\r\n\r\n", 400),
        (b"GET /livez HTTP/1.1\r\nHost: localhost\r\nX: a\r\n b\r\n\r\n", 400),
        (POST + b"Content-Length: 1\r\nContent-Length: 2\r\n\r\n", 400),
        (POST + b"Content-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n", 400),
        (b"CONNECT localhost:443 HTTP/1.1\r\nHost: localhost\r\n\r\n", 400),
        (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 400),
        (b"\x16\x03\x01\x02\x00\x01\x00", 400),
    ],
    ids=["100 more headers", "long header", "long path", "endless header", "empty lines",
         "space before the colon", "folded header", "two lengths", "length and chunks",
         "connect", "HTTP/2", "TLS"],
)  # fmt: skip
def test_a_head_that_nobody_should_send_is_refused(server: Server, head: bytes, status: int):
    found = asked(server, head)
    assert found.startswith(b"HTTP/1.1 %d " % status), found[:200]
    assert b"connection: close\r\n" in found
    assert found.count(b"HTTP/1.1 ") == 1


def test_a_hundred_headers_are_read(server: Server):
    head = b"GET /livez HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n"
    assert asked(server, head + b"X: y\r\n" * 98 + b"\r\n").startswith(b"HTTP/1.1 200 ")


def test_what_comes_after_a_body_is_no_header_and_has_an_end(server: Server, customer: Customer):
    begin = (
        b"POST /v1/tasks/batch HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n"
        b"Authorization: Bearer %b\r\n\r\n2\r\n{}\r\n0\r\n" % customer.key.encode()
    )
    last = b"GET /livez HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
    found = asked(server, begin + b"Host: stranger.example\r\n\r\n" + last)
    assert re.findall(rb"HTTP/1.1 (\d+) ", found) == [
        b"400",
        b"200",
    ]  # an empty batch
    with line(server, begin + b"X: " + b"y" * 200_000) as connection:
        began = time.monotonic()
        assert everything(connection).startswith(b"HTTP/1.1 400 ")
        assert time.monotonic() - began < 3


def test_a_few_requests_may_come_together_and_are_answered_in_order(server: Server):
    paths = [b"/livez", b"/nowhere", b"/livez", b"/v1/tasks"]
    heads = [b"GET %b HTTP/1.1\r\nHost: localhost\r\n\r\n" % path for path in paths]
    last = b"GET /livez HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
    found = asked(server, b"".join(heads) + last)
    assert re.findall(rb"HTTP/1.1 (\d+) ", found) == [b"200", b"404", b"200", b"401", b"200"]


def test_a_flood_of_requests_on_one_connection_ends_it(server: Server):
    assert asked(server, GET * 5000).count(b"HTTP/1.1 200 ") < 100


METHODS = [b"GET", b"GET", b"POST", b"DELETE", b"OPTIONS", b"HEAD", b"TRACE", b"get"]
TARGETS = [
    b"/", b"//", b"/livez", b"/v1/tasks", b"/v1/tasks/%00", b"/jobs/%ff%fe", b"/v1/models", b"*",
    b"/pictures/..%2f..%2fsecret", b"/generate/image/krea/krea-2/medium-turbo",
    b"/livez?a=%zz&\xff", b"http://localhost/livez", b"http://[::1/", b"http://", b"http://a@b:c/livez",
    b"localhost:80",
]  # fmt: skip
HEADERS = [
    b"Host: localhost", b"Host:", b"Host: \xe2\x82\xac", b"Host: localhost, localhost",
    b"Host: a@b", b"Authorization: Bearer", b"Authorization: \xff", b"Authorization: Bearer sl-\0",
    b"Content-Length: 0", b"Content-Length: -1", b"Content-Length: 1e9", b"Expect: tea",
    b"Content-Length: 99999999999999999999", b"Transfer-Encoding: chunked", b"Expect: 100-continue",
    b"Transfer-Encoding: gzip", b"Upgrade: websocket\r\nConnection: Upgrade", b"Connection: \xff",
    b"Upgrade: h2c\r\nConnection: Upgrade, HTTP2-Settings", b"X-Request-Id: \x7f", b"X-A: \x80",
    b"Last-Event-Id: 9999999999999", b"Range: bytes=-1-", b"Cookie: " + b"a=b;" * 100, b":",
]  # fmt: skip
ANYTHING = [b" ", b"\t", b"\r\n", b"\n", b"\r", b"\0", b"\xff\xfe", b"{}", b"HTTP/9.9", b"%", b"@"]


def fuzzed(chance: random.Random) -> bytes:
    """A head that is nearly right, and then perhaps not, or not all there."""
    lines = [chance.choice(METHODS) + b" " + chance.choice(TARGETS) + b" HTTP/1.1"]
    lines += [b"Host: localhost", *chance.choices(HEADERS, k=chance.randrange(3))]
    head = bytearray(b"\r\n".join(lines) + b"\r\n\r\n")
    for _ in range(chance.randrange(3)):
        at = chance.randrange(len(head))
        head[at : at + chance.randrange(2)] = chance.choice([*ANYTHING, chance.randbytes(3)])
    if chance.random() < 0.1:
        del head[chance.randrange(len(head)) :]
    return bytes(head)


def test_no_bytes_for_a_head_make_a_5xx_or_a_connection_that_hangs(strict: Server):
    chance = random.Random(20261121)
    heads = [fuzzed(chance) for _ in range(FUZZED)]
    port = int(strict.url.rpartition(":")[2])
    few = asyncio.Semaphore(200)

    async def replies(head: bytes) -> list[int]:
        async with few:
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.write(head)
            found = b""
            with contextlib.suppress(ConnectionError):
                found = await asyncio.wait_for(reader.read(), 10)
            writer.transport.abort()
            return [int(code) for code in re.findall(rb"HTTP/1\.1 (\d{3}) ", found)]

    async def all_of_them() -> list[list[int]]:
        return await asyncio.gather(*map(replies, heads))

    found = asyncio.run(all_of_them())
    failed = [
        head for head, codes in zip(heads, found, strict=True) if max(codes, default=0) >= 500
    ]
    assert failed == []
    assert {200, 400, 401, 404, 405, 408} <= {code for codes in found for code in codes}
    assert "request failed" not in strict.log.read_text()
