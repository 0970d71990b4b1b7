"""Every error in EvoLink's words: {"error": {"code", "message", "type"}}."""

from typing import Any, NamedTuple

from safelight import errors
from safelight.dialects.evolink.rendering import credits_of
from safelight.errors import InsufficientCredits, SafelightError, TooManyRequests

RETRY_AFTER_SECONDS = 5  # when the service as a whole cannot take requests


class Row(NamedTuple):
    status: int
    code: str
    type: str
    message: str | None = None  # in place of the error's own, unless that says something special


ROWS: dict[type[SafelightError], Row] = {
    errors.InvalidRequest: Row(400, "invalid_request", "invalid_request_error"),
    errors.MalformedBody: Row(400, "invalid_request", "invalid_request_error"),
    errors.UnsupportedParameter: Row(400, "invalid_request", "invalid_request_error"),
    errors.InvalidIdentifier: Row(400, "invalid_task_id", "invalid_request_error"),
    errors.ModelUnavailable: Row(
        400,
        "model_unavailable",
        "invalid_request_error",
        "No engine on this server can make the model: {model}",
    ),
    errors.Unauthenticated: Row(401, "unauthorized", "authentication_error"),
    errors.InsufficientCredits: Row(402, "insufficient_quota", "insufficient_quota"),
    errors.ModelNotAllowed: Row(
        403,
        "model_access_denied",
        "invalid_request_error",
        "Token does not have access to model: {model}",
    ),
    errors.NotFound: Row(
        404, "task_not_found", "invalid_request_error", "The requested task could not be found"
    ),
    errors.UnknownDelivery: Row(404, "delivery_not_found", "invalid_request_error"),
    errors.NoSuchRoute: Row(404, "not_found", "invalid_request_error"),
    errors.MethodNotAllowed: Row(405, "method_not_allowed", "invalid_request_error"),
    errors.IdempotencyConflict: Row(409, "idempotency_conflict", "invalid_request_error"),
    errors.ModelSunset: Row(410, "model_unavailable", "invalid_request_error"),
    errors.RequestTooLarge: Row(413, "request_too_large", "invalid_request_error"),
    errors.TooManyRequests: Row(429, "rate_limit_exceeded", "rate_limit_error"),
    errors.InternalError: Row(500, "internal_error", "api_error", "Internal server error"),
    errors.SafelightError: Row(500, "internal_error", "api_error", "Internal server error"),
    errors.Unavailable: Row(503, "service_unavailable", "api_error"),
}

# Routes that read tasks have words of their own for some of these.
READING_ROWS: dict[type[SafelightError], Row] = {
    errors.Unauthenticated: Row(
        401, "unauthorized", "authentication_error", "Authentication required"
    ),
    errors.InsufficientCredits: Row(402, "quota_exceeded", "insufficient_quota"),
    errors.ModelNotAllowed: Row(
        403,
        "permission_denied",
        "invalid_request_error",
        "You don't have permission to access this task",
    ),
    errors.TooManyRequests: Row(429, "rate_limit_exceeded", "evo_api_error", "Rate limit exceeded"),
    errors.InternalError: Row(500, "internal_error", "api_error", "Failed to retrieve task status"),
}

QUOTA_CODE = {  # by whose limit was met
    "account": "insufficient_quota",
    "key": "key_quota_exhausted",
    "day": "key_daily_quota_exhausted",
}


def render_error(
    error: SafelightError, request_id: str, *, reading: bool = False
) -> tuple[int, dict[str, Any], dict[str, str]]:
    """Status, body and additional headers. `reading`: the route only reads tasks."""
    row = _row(type(error), reading)
    body = {"code": row.code, "message": _message(error, row), "type": row.type}
    headers = {}
    if row.code == "invalid_task_id":
        body["param"] = error.parameter or "task_id"
    if isinstance(error, InsufficientCredits):
        body |= _quota(error, request_id, row.code)
    if isinstance(error, TooManyRequests):
        headers["Retry-After"] = str(error.retry_after_seconds)
    elif row.status == 503:
        headers["Retry-After"] = str(RETRY_AFTER_SECONDS)
    return row.status, {"error": dict(sorted(body.items()))}, headers


def _row(kind: type[SafelightError], reading: bool) -> Row:
    rows = ROWS | READING_ROWS if reading else ROWS
    return next(rows[ancestor] for ancestor in kind.__mro__ if ancestor in rows)


def _message(error: SafelightError, row: Row) -> str:
    if row.message is None or (row.status < 500 and error.message != type(error).__doc__):
        return error.message
    return row.message.format(model=getattr(error, "model", ""))


def _quota(error: InsufficientCredits, request_id: str, code: str) -> dict[str, Any]:
    """What the official client shows of a refusal over money."""
    found: dict[str, Any] = {
        "code": QUOTA_CODE.get(error.scope, code) if code == "insufficient_quota" else code,
        "request_id": request_id,
    }
    if error.price_microcredits is not None:
        found["estimated_credits"] = credits_of(error.price_microcredits)
    if error.available_microcredits is not None:
        whose = "account_balance_credits" if error.scope == "account" else "remaining_credits"
        found[whose] = credits_of(error.available_microcredits)
    return found
