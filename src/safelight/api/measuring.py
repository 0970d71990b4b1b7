"""What is known of a request once it was answered: counted, and logged if that is asked for."""

from collections.abc import Callable
from typing import Any

from starlette.types import Scope

from safelight.accounts import Caller
from safelight.api.route import CALLER, REQUEST_ID, ROUTE
from safelight.telemetry.journal import Journal

METHODS = frozenset({"GET", "POST", "DELETE", "HEAD", "PUT", "PATCH", "OPTIONS"})
PROBES = ("/livez", "/readyz")  # asked every few seconds, for ever; they are only counted
OTHER = "other"  # whatever else a stranger may write there

Answered = Callable[[Scope, int, float], None]  # scope, status code, seconds
Count = Callable[[str, str, int, float], None]  # method, route, status code, seconds


def measuring(count: Count | None, journal: Journal | None) -> Answered | None:
    """What the application calls after each reply; None when nobody wants to know."""

    def answered(scope: Scope, code: int, seconds: float) -> None:
        method: str = scope["method"] if scope["method"] in METHODS else OTHER
        route: str = scope.get(ROUTE, OTHER)
        if count is not None:
            count(method, route, code, seconds)
        if journal is not None and route not in PROBES:
            journal.answered(_fields(scope, method, route, code, seconds))

    return None if count is None and journal is None else answered


def _fields(scope: Scope, method: str, route: str, code: int, seconds: float) -> dict[str, Any]:
    """Nothing that the caller wrote but its harmless X-Request-Id."""
    caller: Caller | None = scope.get(CALLER)
    return {
        "request_id": scope[REQUEST_ID],
        "method": method,
        "route": route,
        "code": code,
        "account": caller and caller.account_id,
        "key": caller and caller.key_id,
        "seconds": round(seconds, 6),
    }
