"""Sockets and servers: how an ASGI application is put on a port."""

import contextlib
import socket
from collections.abc import Iterator
from typing import Any

import uvicorn

from safelight.cli.guarded import Guard
from safelight.errors import ConfigurationError

CONNECTIONS_QUEUED = 2048
GRACEFUL_SECONDS = 5  # how long open requests may take to end when the server stops


class Server(uvicorn.Server):
    """uvicorn would end the process by the signal it caught, before our workers are stopped."""

    def __init__(self, app: Any, guard: Guard):
        super().__init__(
            uvicorn.Config(
                app,
                http=guard.protocol(),  # type: ignore[arg-type]
                ws="none",
                backlog=CONNECTIONS_QUEUED,
                access_log=False,
                log_config=None,
                server_header=False,
                proxy_headers=False,  # strangers may write anything there
                timeout_graceful_shutdown=GRACEFUL_SECONDS,
            )
        )

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


def bind(host: str, port: int) -> socket.socket:
    """Listen, so that from now on nobody who was told the URL is refused."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    # Only of a socket that says it is TCP does asyncio turn off Nagle's algorithm, which would hold
    # back the second packet of a reply for 40 ms.
    listener = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        host.encode("idna")  # the socket's own complaint about a host that is no text is no OSError
        listener.bind((host, port))
        listener.listen(CONNECTIONS_QUEUED)
    except (OSError, UnicodeError) as error:
        listener.close()
        why = getattr(error, "strerror", None) or "that is no name of a machine"
        raise ConfigurationError(f"cannot listen on {host} port {port}: {why}") from None
    return listener
