"""Every error in Krea's words: {"error": "…"}, with `issues` when a request is invalid."""

from typing import Any

from safelight import errors
from safelight.errors import (
    InvalidRequest,
    ModelNotAllowed,
    ModelSunset,
    ModelUnavailable,
    SafelightError,
    TooManyRequests,
)

RETRY_AFTER_SECONDS = 5  # when the service as a whole cannot take requests

STATUS: dict[type[SafelightError], int] = {
    errors.InvalidRequest: 400,
    errors.MalformedBody: 400,
    errors.InvalidIdentifier: 400,
    errors.UnsupportedParameter: 400,
    errors.Unauthenticated: 401,
    errors.InsufficientCredits: 402,
    errors.ModelNotAllowed: 403,
    errors.NotFound: 404,
    errors.UnknownDelivery: 404,
    errors.NoSuchRoute: 404,
    errors.MethodNotAllowed: 405,
    errors.IdempotencyConflict: 409,
    errors.ModelSunset: 410,
    errors.RequestTooLarge: 413,
    errors.TooManyRequests: 429,
    errors.InternalError: 500,
    errors.SafelightError: 500,
    errors.ModelUnavailable: 503,
    errors.Unavailable: 503,
}


def render_error(
    error: SafelightError, request_id: str, *, reading: bool = False
) -> tuple[int, dict[str, Any], dict[str, str]]:
    """Status, body and additional headers. Here it is the same whether a route only reads."""
    kind = type(error)
    status = next(STATUS[ancestor] for ancestor in kind.__mro__ if ancestor in STATUS)
    return status, _body(error, status), _headers(error, status)


def _body(error: SafelightError, status: int) -> dict[str, Any]:
    if isinstance(error, ModelSunset):
        return _sunset(error)
    if status == 500:
        return {"error": "Internal server error"}
    if isinstance(error, InvalidRequest) and error.parameter is not None:
        issue = {"path": error.parameter, "message": error.message}
        return {"error": error.message, "issues": [issue]}
    if isinstance(error, InvalidRequest):
        return {"error": error.message, "issues": []}
    if isinstance(error, ModelNotAllowed | ModelUnavailable):
        return {"error": f"{error.message}: {error.model}"}
    return {"error": error.message}


def _sunset(error: ModelSunset) -> dict[str, Any]:
    body = {
        "error": "model_unavailable",
        "reason": "deprecated",
        "message": error.message,
        "sunset_date": error.sunset_date,
    }
    return body if error.replacement is None else body | {"replacement": error.replacement}


def _headers(error: SafelightError, status: int) -> dict[str, str]:
    if isinstance(error, TooManyRequests):
        return {"Retry-After": str(error.retry_after_seconds)}
    return {"Retry-After": str(RETRY_AFTER_SECONDS)} if status == 503 else {}
