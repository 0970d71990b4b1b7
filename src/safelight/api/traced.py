"""Around the application where traces are wanted: a span for each request."""

from collections.abc import MutableMapping
from typing import Any

from starlette.types import ASGIApp, Receive, Scope, Send

from safelight.api.measuring import PROBES
from safelight.api.route import ROUTE, TRACEPARENT
from safelight.telemetry.methods import METHODS, OTHER
from safelight.telemetry.tracing import Kind, Tracer, well_formed


class Traced:
    """The application, with a span around every request but the probes.

    A caller's traceparent is taken up if there is exactly one and it is well-formed. Path, query,
    host and address are the caller's own and are left out, contrary to the conventions.
    """

    def __init__(self, app: ASGIApp, tracer: Tracer):
        self._app = app
        self._tracer = tracer

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["path"] in PROBES:
            await self._app(scope, receive, send)
            return
        method = scope["method"] if scope["method"] in METHODS else "_OTHER"
        span = self._tracer.begin(
            method,
            Kind.SERVER,
            _callers(scope),
            {
                "http.request.method": method,
                "url.scheme": scope["scheme"],
                "network.protocol.version": scope["http_version"],
            },
        )
        scope[TRACEPARENT] = span.traceparent
        code = 0

        async def note(message: MutableMapping[str, Any]) -> None:
            nonlocal code
            code = message.get("status", code)
            await send(message)

        try:
            await self._app(scope, receive, note)
        finally:
            route = scope.get(ROUTE, OTHER).removesuffix("?wait")
            span.end(
                {"http.route": route, "http.response.status_code": code},
                name=f"{method} {route}",
                error=str(code) if code >= 500 or code == 0 else "",
            )


def _callers(scope: Scope) -> str | None:
    given = [value for name, value in scope["headers"] if name == b"traceparent"]
    return well_formed(given[0].decode("latin-1")) if len(given) == 1 else None
