"""Serves an ASGI application as `safelight serve` does: uvicorn, uvloop, httptools, no log.

`python -m bench.asgi` serves a bare "hello world": what polls are measured against.
"""

import socket
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

import uvicorn
import uvloop
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

from safelight.cli.serving import CONNECTIONS_QUEUED

Message = MutableMapping[str, Any]
Application = Callable[
    [Message, Callable[[], Awaitable[Message]], Callable[[Message], Awaitable[None]]],
    Awaitable[None],
]


async def serve(application: Application, listener: socket.socket) -> None:
    config = uvicorn.Config(
        application,
        http="httptools",
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
    uvloop.run(serve(Starlette(routes=[Route("/", _hello)]), listen()))
