"""`GET /metrics`, on a port of its own: for the operator's Prometheus and nobody else."""

import hmac
from collections.abc import Awaitable, Callable

from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.types import Receive, Scope, Send

from safelight.api.hosts import Hosts
from safelight.errors import InvalidRequest

Expose = Callable[[str], Awaitable[tuple[bytes, str]]]  # Accept header → body and content type


class Metrics:
    """The ASGI application of that port. With a token, only who shows it as a bearer's is told."""

    def __init__(self, expose: Expose, hosts: Hosts, token: str | None):
        self._expose = expose
        self._hosts = hosts
        self._token = None if token is None else token.encode()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            response = await self._answer(Request(scope))
            await response(scope, receive, send)

    async def _answer(self, request: Request) -> Response:
        hosts = [value for name, value in request.scope["headers"] if name == b"host"]
        try:
            self._hosts.check(hosts, request.scope["http_version"])
        except InvalidRequest as refusal:
            return PlainTextResponse(str(refusal), 400)
        if request.url.path != "/metrics":
            return PlainTextResponse("The metrics are at /metrics\n", 404)
        if request.method not in ("GET", "HEAD"):
            return PlainTextResponse("GET, please\n", 405, {"Allow": "GET, HEAD"})
        if not self._may_read(request):
            return PlainTextResponse("Not yours\n", 401, {"WWW-Authenticate": "Bearer"})
        body, content_type = await self._expose(request.headers.get("accept", ""))
        return Response(body, headers={"Content-Type": content_type})

    def _may_read(self, request: Request) -> bool:
        if self._token is None:
            return True
        scheme, _, shown = request.headers.get("authorization", "").partition(" ")
        return scheme.lower() == "bearer" and hmac.compare_digest(
            shown.strip().encode("latin-1", "replace"), self._token
        )
