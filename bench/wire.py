"""Requests as bytes, and a blocking line to a server for measurements one at a time."""

import json
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

HEAD_END = b"\r\n\r\n"
LENGTH = b"content-length: "
READY_SECONDS_MAX = 60
READY_PAUSE_SECONDS = 0.005
# Words in the length that people write; the number makes every prompt another one.
PROMPT = (
    "a lighthouse keeper reading by lamplight while snow falls on a harbour at dusk, "
    "oil on canvas, warm window, cold sea, study number {}"
)


def get(path: str, key: str | None = None) -> bytes:
    return _head("GET", path, key) + b"\r\n"


def post(path: str, key: str, body: dict[str, Any]) -> bytes:
    raw = json.dumps(body).encode()
    head = _head("POST", path, key) + b"content-type: application/json\r\n"
    return head + LENGTH + str(len(raw)).encode() + HEAD_END + raw


def submission(key: str, number: int, **fields: Any) -> bytes:
    """The submission that every measurement sends, each with a prompt of its own."""
    body = {"model": "krea-2-turbo", "prompt": PROMPT.format(number), "size": "1:1", **fields}
    return post("/v1/images/generations", key, body)


def body_length(head: bytes | bytearray) -> int:
    at = head.find(LENGTH) + len(LENGTH)
    return int(head[at : head.find(b"\r\n", at)])


class Line:
    """One connection, kept alive; answers come before the next request goes."""

    def __init__(self, port: int):
        self._socket = socket.create_connection(("127.0.0.1", port))
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def ask(self, request: bytes) -> tuple[int, bytes]:
        """Status and body."""
        self._socket.sendall(request)
        answer = b""
        while (end := answer.find(HEAD_END)) < 0:
            answer += self._receive()
        length = body_length(answer[: end + 2])
        while len(answer) < end + len(HEAD_END) + length:
            answer += self._receive()
        return int(answer[9:12]), answer[end + len(HEAD_END) :]

    def ask_json(self, request: bytes) -> Any:
        status, body = self.ask(request)
        if status != 200:
            raise RuntimeError(f"{status} {body.decode()}")
        return json.loads(body)

    def close(self) -> None:
        self._socket.close()

    def _receive(self) -> bytes:
        data = self._socket.recv(1 << 20)
        if not data:
            raise ConnectionError("the server closed the connection")
        return data


@contextmanager
def line(port: int) -> Iterator[Line]:
    opened = Line(port)
    try:
        yield opened
    finally:
        opened.close()


def wait_until_ready(port: int) -> float:
    """Ask /readyz until it says 200; returns when that was, by time.monotonic()."""
    deadline = time.monotonic() + READY_SECONDS_MAX
    with line(port) as asking:
        while time.monotonic() < deadline:
            status, _ = asking.ask(get("/readyz"))
            if status == 200:
                return time.monotonic()
            time.sleep(READY_PAUSE_SECONDS)
    raise TimeoutError("the server did not become ready")


def _head(method: str, path: str, key: str | None) -> bytes:
    authorization = f"authorization: Bearer {key}\r\n" if key else ""
    return f"{method} {path} HTTP/1.1\r\nhost: 127.0.0.1\r\n{authorization}".encode()
