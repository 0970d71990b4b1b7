"""Serves an ASGI application as `safelight serve` does: uvicorn, uvloop, httptools, no log.

`python -m bench.asgi` serves a bare "hello world": what polls are measured against. With `ours` it
does so on our server's protocol, which sends head and body in one packet.
"""

import asyncio
import socket
import sys
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any, Literal

import uvicorn
import uvloop
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

from safelight.cli.listening import CONNECTIONS_QUEUED
from safelight.cli.one_write import OneWriteProtocol

Protocol = type[asyncio.Protocol] | Literal["httptools"]
Message = MutableMapping[str, Any]
Application = Callable[
    [Message, Callable[[], Awaitable[Message]], Callable[[Message], Awaitable[None]]],
    Awaitable[None],
]


async def serve(
    application: Application,
    listener: socket.socket,
    http: Protocol = OneWriteProtocol,
) -> None:
    config = uvicorn.Config(
        application,
        http=http,
        backlog=CONNECTIONS_QUEUED,
        access_log=False,
        log_config=None,
        server_header=False,
    )
    print(f"http://127.0.0.1:{listener.getsockname()[1]}", flush=True)
    await uvicorn.Server(config).serve(sockets=[listener])


def listen() -> socket.socket:
    listener = socket.socket()
    listener.bind(("127.0.0.1", 0))
    return listener


async def _hello(_: Request) -> JSONResponse:
    return JSONResponse({"hello": "world"})


if __name__ == "__main__":
    protocol: Protocol = OneWriteProtocol if "ours" in sys.argv else "httptools"
    uvloop.run(serve(Starlette(routes=[Route("/", _hello)]), listen(), protocol))
