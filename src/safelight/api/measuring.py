"""What is known of a request once it was answered: counted, and logged if that is asked for."""

from collections.abc import Callable
from typing import Any

from starlette.types import Scope

from safelight.accounts import Caller
from safelight.api.route import CALLER, REQUEST_ID, ROUTE
from safelight.telemetry.journal import Journal
from safelight.telemetry.methods import OTHER, known

PROBES = ("/livez", "/readyz")  # asked every few seconds, for ever; they are only counted

Answered = Callable[[Scope, int, float], None]  # scope, status code, seconds
Count = Callable[[str, str, int, float], None]  # method, route, status code, seconds


def measuring(count: Count | None, journal: Journal | None) -> Answered | None:
    """What the application calls after each reply; None when nobody wants to know."""
    if journal is None:
        return None if count is None else _counting(count)

    def answered(scope: Scope, code: int, seconds: float) -> None:
        if count is not None:
            count(scope["method"], scope.get(ROUTE, OTHER), code, seconds)
        if scope["path"] not in PROBES:
            journal.answered(_fields(scope, code, seconds))

    return answered


def _counting(count: Count) -> Answered:
    def answered(scope: Scope, code: int, seconds: float) -> None:
        count(scope["method"], scope.get(ROUTE, OTHER), code, seconds)

    return answered


def _fields(scope: Scope, code: int, seconds: float) -> dict[str, Any]:
    """Nothing that the caller wrote but its harmless X-Request-Id."""
    caller: Caller | None = scope.get(CALLER)
    return {
        "request_id": scope[REQUEST_ID],
        "method": known(scope["method"]),
        "route": scope.get(ROUTE, OTHER),
        "code": code,
        "account": caller and caller.account_id,
        "key": caller and caller.key_id,
        "seconds": round(seconds, 6),
    }
