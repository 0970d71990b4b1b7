"""
Everything that can go wrong, drawn as a tree. The docstring is the message when none is given.

* SafelightError            what a caller can be told
  - InvalidRequest          the request cannot be honoured as written (`parameter` names the field)
    · MalformedBody         not JSON, or JSON that nobody should send
    · InvalidIdentifier     an id that this door never gave out
    · UnsupportedParameter  understood, but the engine that would make the picture cannot do it
  - RequestTooLarge
  - Unauthenticated         no key, a key nobody issued, a revoked or expired one
  - ModelNotAllowed         the key lacks the model, or nobody offers it at this door
  - ModelUnavailable        on offer, but no engine can make it now
  - ModelSunset             was on offer until its vendor withdrew it
  - InsufficientCredits     the account's balance, or the key's own limit, does not cover the price
  - TooManyRequests         `retry_after_seconds` says when to come back
  - IdempotencyConflict     the same Idempotency-Key with another request
  - NotFound                no such job for this caller
    · UnknownDelivery       no such webhook delivery
  - NoSuchRoute             no such path
  - MethodNotAllowed        the path exists, the verb does not
  - Unavailable             we cannot serve right now; nothing was changed
  - InternalError           our mistake
* EngineError               never leaves the worker: it becomes a failed job
* Cancelled                 the caller changed their mind; never leaves the worker either
* ConfigurationError        the operator's settings cannot work; the process says so and stops
"""

from enum import StrEnum


class JobErrorCode(StrEnum):
    """Why a job failed, in words that both wires can be given."""

    CONTENT_POLICY_VIOLATION = "content_policy_violation"  # refused by moderation
    INVALID_PARAMETERS = "invalid_parameters"  # the engine found the request impossible
    REQUEST_CANCELLED = "request_cancelled"  # stopped by the caller or the operator
    GENERATION_FAILED_NO_CONTENT = (
        "generation_failed_no_content"  # the engine ended without a picture
    )
    GENERATION_TIMEOUT = "generation_timeout"  # the engine passed its deadline
    RESOURCE_EXHAUSTED = "resource_exhausted"  # out of memory or disk
    SERVICE_ERROR = "service_error"  # our fault, or a worker that kept dying
    SERVICE_UNAVAILABLE = "service_unavailable"  # nobody could make the model when its turn came
    UNKNOWN_ERROR = "unknown_error"  # anything else


class SafelightError(Exception):
    """Something went wrong."""

    def __init__(self, message: str | None = None, *, parameter: str | None = None):
        super().__init__(message or self.__doc__)
        self.parameter = parameter

    @property
    def message(self) -> str:
        return str(self.args[0])


class InvalidRequest(SafelightError):
    """Invalid request parameters"""


class MalformedBody(InvalidRequest):
    """The request body is not valid JSON"""


class InvalidIdentifier(InvalidRequest):
    """The identifier is malformed"""


class UnsupportedParameter(InvalidRequest):
    """A parameter cannot be honoured by the engine that would make this picture"""


class RequestTooLarge(SafelightError):
    """The request body is larger than 64 KiB"""


class Unauthenticated(SafelightError):
    """Invalid or expired token"""


class ModelNotAllowed(SafelightError):
    """This key has no access to the model"""

    def __init__(self, model: str, message: str | None = None):
        super().__init__(message)
        self.model = model


class ModelUnavailable(SafelightError):
    """No engine on this server can make this model"""

    def __init__(self, model: str, message: str | None = None):
        super().__init__(message)
        self.model = model


class ModelSunset(SafelightError):
    """This model is no longer offered"""

    def __init__(self, route: str, sunset_date: str, replacement: str | None = None):
        instead = f". Use {replacement} instead" if replacement else ""
        super().__init__(f"The model {route} was withdrawn on {sunset_date}{instead}")
        self.route = route
        self.sunset_date = sunset_date  # "2026-05-13"
        self.replacement = replacement


class InsufficientCredits(SafelightError):
    """Insufficient quota. Please top up your account."""

    def __init__(
        self,
        message: str | None = None,
        *,
        scope: str = "account",
        price_microcredits: int | None = None,
        available_microcredits: int | None = None,
    ):
        super().__init__(message)
        self.scope = scope  # "account", "key" or "day": whose limit was met
        self.price_microcredits = price_microcredits
        self.available_microcredits = available_microcredits


class TooManyRequests(SafelightError):
    """Too many requests, please try again later"""

    def __init__(
        self, message: str | None = None, *, limit: str = "requests", retry_after_seconds: int = 1
    ):
        super().__init__(message)
        self.limit = limit  # "requests" (per minute) or "backlog" (jobs waiting)
        self.retry_after_seconds = max(1, retry_after_seconds)


class IdempotencyConflict(SafelightError):
    """This Idempotency-Key was already used with a different request"""


class NotFound(SafelightError):
    """The requested job could not be found"""


class UnknownDelivery(NotFound):
    """The requested delivery could not be found"""


class NoSuchRoute(SafelightError):
    """There is nothing at this address"""


class MethodNotAllowed(SafelightError):
    """This address does not answer to that method"""


class Unavailable(SafelightError):
    """The service cannot take requests right now, please try again"""


class InternalError(SafelightError):
    """Internal server error"""


class EngineError(Exception):
    """The engine could not make the picture."""

    def __init__(
        self,
        message: str | None = None,
        *,
        code: JobErrorCode = JobErrorCode.SERVICE_ERROR,
        retryable: bool = False,
    ):
        super().__init__(message or self.__doc__)
        self.detail = message  # one sentence for the caller; None: the wire's own words say enough
        self.code = code
        self.retryable = retryable  # another attempt may succeed


class Cancelled(Exception):
    """The caller changed their mind while the engine was at work."""


class ConfigurationError(Exception):
    """The settings cannot work as they are."""
