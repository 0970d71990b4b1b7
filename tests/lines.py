"""Bare connections to a server, for what no client library would send."""

import contextlib
import socket
from collections.abc import Iterator

from running import Server

GET = b"GET /livez HTTP/1.1\r\nHost: localhost\r\n\r\n"


@contextlib.contextmanager
def line(server: Server, begin: bytes = b"") -> Iterator[socket.socket]:
    port = int(server.url.rpartition(":")[2])
    with socket.create_connection(("127.0.0.1", port), timeout=10) as connection:
        connection.sendall(begin)
        yield connection


def everything(connection: socket.socket) -> bytes:
    """What comes until the server closes."""
    found = b""
    with contextlib.suppress(ConnectionResetError):
        while chunk := connection.recv(65536):
            found += chunk
    return found


def asked(server: Server, head: bytes) -> bytes:
    with line(server, head) as connection:
        return everything(connection)
