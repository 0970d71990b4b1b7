"""Connections that owe: each limit ends them in time, and nobody else waits meanwhile.

SLOW_CLIENTS=1000 holds a thousand of each kind; the everyday number is a tenth.
"""

import asyncio
import contextlib
import os
import select
import socket
import statistics
import threading
import time
from collections.abc import AsyncIterator, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import pytest
import requests

from lines import GET, asked, everything, line
from running import Server, until

pytestmark = pytest.mark.xdist_group("hostile")

SLOW_CLIENTS = int(os.environ.get("SLOW_CLIENTS", "100"))
ORDINARY_REQUESTS = 200
P99_SECONDS_MAX = 0.5
DRIP_SECONDS = 0.4

DOCUMENT = b"GET /openapi.json HTTP/1.1\r\nHost: localhost\r\n\r\n"  # the longest reply there is
HEAD_BEGUN = b"GET /livez HTTP/1.1\r\nHost: localhost\r\nX-Slow: "
BODY_BEGUN = (
    b"POST /v1/images/generations HTTP/1.1\r\nHost: localhost\r\n"
    b"Authorization: Bearer %b\r\nContent-Length: 1000\r\n\r\n{"
)


def dripping(connection: socket.socket, drop: bytes) -> bytes:
    """What comes until the server closes, while it is fed a drop at a time."""
    with contextlib.suppress(ConnectionError), ThreadPoolExecutor(1) as pool:
        reading = pool.submit(everything, connection)
        while not reading.done():
            with contextlib.suppress(ConnectionError):
                connection.sendall(drop)
            with contextlib.suppress(TimeoutError):
                reading.result(timeout=0.1)
        return reading.result()
    return b""


@dataclass(frozen=True)
class Ending:
    """How a connection that owed something came to its end."""

    found: bytes
    seconds: float


def fed(server: Server, begin: bytes, drop: bytes) -> Ending:
    began = time.monotonic()
    with line(server, begin) as connection:
        found = dripping(connection, drop) if drop else everything(connection)
    return Ending(found, time.monotonic() - began)


def used(server: Server) -> Ending:
    """A connection whose requests come within the deadlines, for more than two seconds in all."""
    found, began = b"", time.monotonic()
    with line(server) as connection:
        for _ in range(6):
            connection.sendall(GET)
            found += connection.recv(4096)
            if select.select([connection], [], [], 0.4)[0]:
                break  # closed
    return Ending(found, time.monotonic() - began)


@pytest.fixture(scope="module")
def endings(strict: Server) -> dict[str, Ending]:
    """All of them wait for their ends at the same time."""
    key = strict.customer().key.encode()
    fates: dict[str, Callable[[], Ending]] = {
        "a head that drips": lambda: fed(strict, HEAD_BEGUN, b"x"),
        "headers one by one": lambda: fed(strict, b"GET /livez HTTP/1.1\r\n", b"X-Slow: 1\r\n"),
        "a body that drips": lambda: fed(strict, BODY_BEGUN % key, b" "),
        "a body nobody waits for": lambda: fed(strict, BODY_BEGUN % b"sl-wrong", b" "),
        "silent": lambda: fed(strict, b"", b""),
        "an empty line": lambda: fed(strict, b"\r\n", b""),
        "after a reply": lambda: fed(strict, GET, b""),
        "used": lambda: used(strict),
    }
    with ThreadPoolExecutor(len(fates)) as threads:
        pending = {name: threads.submit(fate) for name, fate in fates.items()}
        return {name: found.result() for name, found in pending.items()}


@pytest.mark.parametrize(
    ("fate", "answer"),
    [
        ("a head that drips", b"HTTP/1.1 408 "),
        ("headers one by one", b"HTTP/1.1 408 "),
        ("a body that drips", b"HTTP/1.1 408 "),
        ("a body nobody waits for", b"HTTP/1.1 401 "),
        ("silent", b""),
        ("an empty line", b"HTTP/1.1 408 "),
        ("after a reply", b"HTTP/1.1 200 "),
    ],
)
def test_a_connection_that_owes_is_answered_and_closed_in_time(
    endings: dict[str, Ending], fate: str, answer: bytes
):
    assert endings[fate].found.startswith(answer)
    assert bool(endings[fate].found) is bool(answer)
    assert endings[fate].found.count(b"HTTP/1.1 200 ") == answer.count(b"200")
    assert 0.9 < endings[fate].seconds < 4


def test_a_connection_that_is_used_lives_on(endings: dict[str, Ending]):
    assert endings["used"].found.count(b"HTTP/1.1 200 ") == 6
    assert endings["used"].seconds > 2


def unread(server: Server, requests_sent: int) -> socket.socket:
    """A connection with replies that its client leaves unread."""
    connection = socket.socket()
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    connection.connect(("127.0.0.1", int(server.url.rpartition(":")[2])))
    connection.sendall(DOCUMENT * requests_sent)
    return connection


def test_a_client_that_does_not_read_is_cut_off(strict: Server):
    with contextlib.closing(unread(strict, 16)) as connection:
        poll = select.poll()
        poll.register(connection, 0)  # hears of a reset, though nothing was read
        assert poll.poll(6000), "the connection still stands"
        # Nothing has been read meanwhile, and what the kernel had taken is thrown away.
        assert poll.poll(0)[0][1] & (select.POLLHUP | select.POLLERR)


def test_a_client_that_reads_slowly_but_reads_gets_everything(strict: Server):
    with contextlib.closing(unread(strict, 4)) as connection:
        connection.settimeout(10)
        found, began = b"", time.monotonic()
        while found.count(b"HTTP/1.1 200 ") < 4 or not found.endswith(b"}"):
            found += connection.recv(8192)
            select.select([], [], [], 0.0005)
    assert time.monotonic() - began < 10


@pytest.fixture(scope="module")
def tight(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server of few connections, and without hurry."""
    few = {"CONNECTIONS__TOTAL": 5, "CONNECTIONS__PER_ADDRESS": 3}
    patient = {f"CONNECTIONS__{name}_SECONDS": 60 for name in ("HEAD", "IDLE")}
    server = Server(tmp_path_factory.mktemp("tight") / "home", **few, **patient)
    try:
        yield server.start()
    finally:
        server.close()


def from_address(server: Server, last: int) -> socket.socket:
    """A connection from one of this machine's many loopback addresses."""
    port, source = int(server.url.rpartition(":")[2]), (f"127.0.0.{last}", 0)
    return socket.create_connection(("127.0.0.1", port), 10, source_address=source)


def test_connections_beyond_the_total_are_answered_503(tight: Server):
    until(lambda: asked_once(tight) == 200)
    with contextlib.ExitStack() as held:
        for number in range(5):
            connection = held.enter_context(from_address(tight, 10 + number))
            connection.sendall(GET)
            assert connection.recv(4096).startswith(b"HTTP/1.1 200 ")
        found = asked(tight, b"")
        assert found.startswith(b"HTTP/1.1 503 ")
        assert b"retry-after: 5\r\n" in found
        connection.sendall(GET)
        assert connection.recv(4096).startswith(b"HTTP/1.1 200 ")
    until(lambda: asked_once(tight) == 200, 5)


def test_connections_of_one_address_have_a_limit_of_their_own(tight: Server):
    until(lambda: asked_once(tight) == 200)
    with contextlib.ExitStack() as held:
        for _ in range(3):
            held.enter_context(line(tight, HEAD_BEGUN))
        until(lambda: asked(tight, b"").startswith(b"HTTP/1.1 503 "), 5)
        with from_address(tight, 2) as other:
            other.sendall(GET)
            assert other.recv(4096).startswith(b"HTTP/1.1 200 ")
    until(lambda: asked_once(tight) == 200, 5)


def asked_once(server: Server) -> int:
    with contextlib.suppress(requests.ConnectionError):
        return requests.get(f"{server.url}/livez", timeout=5).status_code
    return 0


def test_watchers_of_one_account_have_a_limit_and_leave_their_places(strict: Server):
    watching, other = strict.customer(), strict.customer()
    body = {"prompt": "slow", "width": 512, "height": 512, "steps": 60}  # of 50 ms each
    reply = watching.call("POST", "/generate/image/bfl/flux-1-dev", json=body)
    path, theirs = f"/jobs/{reply.json()['job_id']}", other.ordered()
    with contextlib.ExitStack() as held:
        for _ in range(2):
            events = held.enter_context(watching.call("GET", f"{path}/events", stream=True))
            assert events.status_code == 200
        for watched in (f"{path}/events", f"{path}?wait=1"):
            refused = watching.call("GET", watched)
            assert refused.status_code == 429
            assert refused.headers["Retry-After"]
        assert watching.call("GET", path).status_code == 200  # a plain poll waits for nothing
        assert other.call("GET", f"/v1/tasks/{theirs}?wait=1").status_code == 200
    until(lambda: watching.call("GET", f"{path}?wait=0").status_code == 200, 2)


class Slow:
    """Slow connections of every kind, held in a loop of their own."""

    def __init__(self, server: Server, key: str, each: int):
        self._port = int(server.url.rpartition(":")[2])
        self._body = BODY_BEGUN % key.encode()
        self._each = each
        self._stop = threading.Event()
        self._ready = threading.Event()
        self.broken = 0
        self._thread = threading.Thread(target=lambda: asyncio.run(self._hold()))

    def __enter__(self) -> "Slow":
        self._thread.start()
        assert self._ready.wait(60)
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()

    async def _hold(self) -> None:
        async with contextlib.AsyncExitStack() as held:
            drips: list[tuple[asyncio.StreamWriter, bytes]] = []
            kinds = [(b"", b""), (HEAD_BEGUN, b"x"), (self._body, b" "), (DOCUMENT * 4, b"")]
            for begin, drop in kinds:
                for _ in range(self._each):
                    writer = await held.enter_async_context(self._line(begin))
                    drips.append((writer, drop))
            self._ready.set()
            while not self._stop.is_set():
                for writer, drop in drips:
                    writer.write(drop)
                await asyncio.sleep(DRIP_SECONDS)
            self.broken = sum(writer.transport.is_closing() for writer, _ in drips)

    @contextlib.asynccontextmanager
    async def _line(self, begin: bytes) -> AsyncIterator[asyncio.StreamWriter]:
        # The limit makes the client stop reading once it has that much.
        reader, writer = await asyncio.open_connection("127.0.0.1", self._port, limit=1024)
        del reader
        writer.write(begin)
        yield writer
        writer.transport.abort()


def test_slow_connections_of_every_kind_keep_nobody_waiting(start: Callable[..., Server]):
    """A quarter of them each is silent, drips a head, drips a body, and does not read."""
    patient = {f"CONNECTIONS__{name}_SECONDS": 120 for name in ("HEAD", "BODY", "IDLE", "STALLED")}
    server = start(**patient)
    customer = server.customer()
    task = customer.ordered()
    customer.finished(task)
    seconds = []
    with Slow(server, customer.key, SLOW_CLIENTS) as slow:
        for number in range(ORDINARY_REQUESTS):
            began = time.monotonic()
            reply = (
                customer.order() if number % 4 == 0 else customer.call("GET", f"/v1/tasks/{task}")
            )
            seconds.append(time.monotonic() - began)
            assert reply.status_code == 200
    assert slow.broken == 0  # all were held to the end
    p99 = sorted(seconds)[int(len(seconds) * 0.99) - 1]
    print(f"{4 * SLOW_CLIENTS} slow: median {statistics.median(seconds):.4f} s, p99 {p99:.4f} s")
    assert p99 < P99_SECONDS_MAX


def test_every_slow_connection_is_closed_in_time(strict: Server):
    key = strict.customer().key.encode()

    async def ends(begin: bytes, drop: bytes) -> float:
        port = int(strict.url.rpartition(":")[2])
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(begin)
        began = time.monotonic()
        reading = asyncio.ensure_future(reader.read())
        while not (await asyncio.wait({reading}, timeout=0.3))[0]:
            writer.write(drop)
        with contextlib.suppress(ConnectionError):
            reading.result()
        writer.transport.abort()
        return time.monotonic() - began

    async def all_of_them() -> list[float]:
        kinds = [(b"", b""), (HEAD_BEGUN, b"x"), (BODY_BEGUN % key, b" "), (GET, b"")]
        return await asyncio.gather(*(ends(*kind) for kind in kinds * (SLOW_CLIENTS // 2)))

    assert max(asyncio.run(all_of_them())) < 6
