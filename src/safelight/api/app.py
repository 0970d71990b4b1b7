"""Assembles the doors into one ASGI application, with one place where errors become replies."""

import logging
import re
import secrets
import time
from collections.abc import Awaitable, Callable, MutableMapping
from itertools import count
from typing import Any

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Router

from safelight import __version__
from safelight.api import evolink, files, health, krea, legal, openapi, provenance, webhooks
from safelight.api.answers import answer
from safelight.api.hosts import Hosts
from safelight.api.house import House
from safelight.api.measuring import Answered
from safelight.api.peers import Damping
from safelight.api.proxies import Proxies
from safelight.api.route import REQUEST_ID, RESPONSE, DoorRoute
from safelight.dialects import DIALECTS
from safelight.errors import (
    InternalError,
    MethodNotAllowed,
    NoSuchRoute,
    SafelightError,
    TooManyRequests,
    Unauthenticated,
)
from safelight.telemetry.events import RequestLimited

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]

KREA_PATHS = ("/generate", "/jobs", "/assets", "/styles", "/node-apps", "/webhooks")
PROBES = ("/livez", "/readyz")  # asked by address or by whatever name; they tell nothing
# A caller's own id is kept when it is harmless; one with a key in it would end in the log.
HARMLESS_ID = re.compile(r"(?!.*sl-)[A-Za-z0-9._-]{8,128}")
_PROCESS = secrets.token_hex(8)  # ids need to be unique, not secret
_numbers = count()

log = logging.getLogger(__name__)


def routes(house: House) -> list[DoorRoute]:
    """The sitemap, most travelled first."""
    document = openapi.document(house.catalog, __version__)

    async def describe(_: Request) -> Response:
        return answer(document)

    return [
        *evolink.routes(house),
        *krea.routes(house),
        *files.routes(house),
        *webhooks.routes(house),
        *provenance.routes(house),
        *health.routes(house),
        *legal.routes(house, house.weights),
        DoorRoute("/openapi.json", describe, methods=["GET"]),
    ]


class App:
    """The ASGI application: a router, and around it request ids and error replies."""

    def __init__(
        self,
        house: House,
        hosts: Hosts,
        damping: Damping,
        proxies: Proxies,
        answered: Answered | None = None,
    ):
        self.house = house
        self._answered = answered  # told of each request once its reply is sent
        self._hosts = hosts
        self._damping = damping
        self._proxies = proxies
        self.router = Router(routes(house), redirect_slashes=False, default=_no_such_route)

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self._lifespan(receive, send)
        elif scope["type"] == "http":
            await self._http(scope, receive, send)

    async def _http(self, scope: Message, receive: Receive, send: Send) -> None:
        began = time.perf_counter()
        request_id, hosts = _request_id(scope)
        scope[REQUEST_ID] = request_id
        self._proxies.unmask(scope)
        scope["app"] = self  # makes the router raise 405 instead of writing a page of its own
        try:
            if scope["path"] not in PROBES:
                self._hosts.check(hosts, scope["http_version"])
            await self.router(scope, receive, send)
            response: Response = scope[RESPONSE]
        except Exception as error:  # the one wide catch of this process
            error = self._damped(error, scope)
            if isinstance(error, TooManyRequests):
                self.house.tell(RequestLimited(limit=error.limit))
            response = _refusal(error, scope["path"], scope["method"], request_id)
        response.raw_headers.append((b"x-request-id", request_id.encode()))
        try:
            await response(scope, receive, send)
        finally:
            if self._answered is not None:
                self._answered(scope, response.status_code, time.perf_counter() - began)

    def _damped(self, error: Exception, scope: Message) -> Exception:
        """The error, or TooManyRequests for the last of many wrong keys from one address."""
        if isinstance(error, Unauthenticated) and _has_key(scope) and scope["client"]:
            try:
                self._damping.wrong_key(scope["client"][0])
            except TooManyRequests as too_many:
                return too_many
        return error

    async def _lifespan(self, receive: Receive, send: Send) -> None:
        while True:
            message = await receive()
            if message["type"] == "lifespan.startup":
                await send({"type": "lifespan.startup.complete"})
            elif message["type"] == "lifespan.shutdown":
                self.house.watch.close()
                await send({"type": "lifespan.shutdown.complete"})
                return


async def _no_such_route(scope: Message, receive: Receive, send: Send) -> None:
    raise NoSuchRoute


def _refusal(error: Exception, path: str, method: str, request_id: str) -> Response:
    """The reply to what went wrong, in the words of the door that was knocked at."""
    headers: dict[str, str] = {}
    if isinstance(error, HTTPException):
        headers.update(error.headers or {})
        error = MethodNotAllowed() if error.status_code == 405 else NoSuchRoute()
    elif not isinstance(error, SafelightError):
        log.error("request %s failed", request_id, exc_info=error)
        error = InternalError()
    dialect = DIALECTS["krea" if path.startswith(KREA_PATHS) else "evolink"]
    status, body, more = dialect.render_error(error, request_id, reading=method in ("GET", "HEAD"))
    return answer(body, status, {**headers, **more})


def _request_id(scope: Message) -> tuple[str, list[bytes]]:
    """The request's id, and on the way there its Host headers."""
    request_id, hosts = None, []
    for name, value in scope["headers"]:
        if name == b"host":
            hosts.append(value)
        elif name == b"x-request-id" and request_id is None:
            text = value.decode("latin-1")
            if HARMLESS_ID.fullmatch(text):
                request_id = str(text)
    return request_id or f"req_{_PROCESS}{next(_numbers) & 0xFFFFFFFF:08x}", hosts


def _has_key(scope: Message) -> bool:
    return any(name == b"authorization" for name, _ in scope["headers"])
