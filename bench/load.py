"""The load: `python -m bench.load` keeps connections busy with ready-made requests.

A process of its own, so that its work is not counted as the server's. It reads an `Order` as JSON
from stdin and writes a `Load` as JSON to stdout. An HTTP client library would use more processor
time than the servers that are measured with it.
"""

import asyncio
import json
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from itertools import cycle
from typing import cast

import uvloop

from bench.figures import percentile
from bench.wire import HEAD_END, body_length

CONNECTIONS = 32
OK = b"HTTP/1.1 200"


@dataclass(frozen=True, kw_only=True)
class Order:
    port: int
    seconds: float
    requests: tuple[str, ...]  # sent in turn, whole requests in ASCII
    connections: int = CONNECTIONS


@dataclass(frozen=True, kw_only=True)
class Load:
    """What came of it; only answers with status 200 count, and any other ends the run."""

    answers: int
    seconds: float
    p50_ms: float
    p99_ms: float

    @property
    def per_second(self) -> float:
        return self.answers / self.seconds


def load(port: int, seconds: float, requests: Sequence[bytes]) -> Load:
    """Run the load in another process, and wait for its end."""
    order = Order(port=port, seconds=seconds, requests=tuple(r.decode() for r in requests))
    ran = subprocess.run(
        [sys.executable, "-m", "bench.load"],
        input=json.dumps(asdict(order)).encode(),
        stdout=subprocess.PIPE,
        check=True,
    )
    return Load(**json.loads(ran.stdout))


class _Run:
    """What the connections share."""

    def __init__(self, order: Order):
        self.requests = cycle([request.encode() for request in order.requests])
        self.end = time.perf_counter() + order.seconds
        self.took: list[float] = []
        self.open = order.connections
        self.done = asyncio.get_running_loop().create_future()

    def fail(self, reason: str) -> None:
        if not self.done.done():
            self.done.set_exception(RuntimeError(reason))


class _Connection(asyncio.Protocol):
    """Asks, waits for the whole answer, and asks again until the time is up."""

    transport: asyncio.Transport

    def __init__(self, run: _Run):
        self.run = run
        self.answer = bytearray()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)  # uvloop's is none by its class
        self._ask()

    def data_received(self, data: bytes) -> None:
        self.answer += data
        end = self.answer.find(HEAD_END)
        if end < 0 or len(self.answer) < end + len(HEAD_END) + body_length(self.answer):
            return
        if not self.answer.startswith(OK):
            self.run.fail(self.answer.decode())
            return
        now = time.perf_counter()
        self.run.took.append(now - self.asked)
        if now < self.run.end:
            self._ask()
        else:
            self._leave()

    def connection_lost(self, exc: Exception | None) -> None:
        self.run.fail(f"the server closed a connection: {exc}")

    def _ask(self) -> None:
        self.answer.clear()
        self.asked = time.perf_counter()
        self.transport.write(next(self.run.requests))

    def _leave(self) -> None:
        self.run.open -= 1
        if self.run.open == 0 and not self.run.done.done():
            self.run.done.set_result(None)


async def _generate(order: Order) -> Load:
    loop = asyncio.get_running_loop()
    run = _Run(order)
    begun = time.perf_counter()
    for _ in range(order.connections):
        await loop.create_connection(lambda: _Connection(run), "127.0.0.1", order.port)
    await run.done
    return Load(
        answers=len(run.took),
        seconds=time.perf_counter() - begun,
        p50_ms=percentile(run.took, 50) * 1000,
        p99_ms=percentile(run.took, 99) * 1000,
    )


if __name__ == "__main__":
    made = uvloop.run(_generate(Order(**json.load(sys.stdin))))
    print(json.dumps(asdict(made)))
