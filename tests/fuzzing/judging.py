"""Whether a reply is one that may be given: its status, form and headers, and what it tells."""

import json
import re
from collections.abc import Sequence

from fuzzing.cases import Case
from fuzzing.talking import Reply

SECONDS_MAX = 5.0
SEALED = {
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "content-security-policy": "default-src 'none'",
}
# What an error must not tell: how it came about, where on the disk, and what we are built of.
TELLTALE = re.compile(
    rb"Traceback|File \\?\"|line \d+, in |\.py\b|site-packages|/home/|/root/|/tmp/|/usr/|\.db\b"
    rb"|uvicorn|starlette|httptools|llhttp|msgspec|pydantic|sqlite|asyncio|uvloop|onnx|h11|python",
    re.I,
)
REFUSED_BY_PROTOCOL = {400, 408, 431, 503}


class Judge:
    """Knows what must not be told in any reply."""

    def __init__(self, secrets: Sequence[str]):
        self._secrets = [secret.encode() for secret in secrets]

    def complaint(self, case: Case, reply: Reply) -> str | None:
        """What is wrong with the reply, or None."""
        told = reply.body + repr(reply.headers).encode()
        if any(secret in told for secret in self._secrets):
            return "tells what is another account's"
        if reply.status >= 500 and reply.status != 503:
            return f"status {reply.status}"
        if not case.method:
            return (
                None if reply.status < 500 or b"retry-after:" in reply.body.lower() else "bare 503"
            )
        if reply.seconds > SECONDS_MAX and not case.streams:
            return f"took {reply.seconds:.1f} s"
        return _headers(reply) or (_refusal(case, reply) if reply.status >= 400 else None)


def _headers(reply: Reply) -> str | None:
    for name, value in SEALED.items():
        if not reply.headers.get(name, "").startswith(value):
            return f"no {name}"
    if "server" in reply.headers or "x-powered-by" in reply.headers:
        return "names its server"
    if "x-injected" in reply.headers:
        return "a header was injected"
    if (
        "access-control-allow-origin" in reply.headers
        and reply.headers.get("content-type") != "image/png"
    ):
        return "open to other origins"
    return None


def _refusal(case: Case, reply: Reply) -> str | None:
    if reply.status == 503 and "retry-after" not in reply.headers:
        return "503 without Retry-After"
    if reply.status == 405 and not reply.headers.get("allow"):
        return "405 without Allow"
    # The protocol refuses before there is a request, so without an id, and closes.
    closes = reply.headers.get("connection") == "close"
    has_id = "x-request-id" in reply.headers
    by_protocol = not has_id and closes and reply.status in REFUSED_BY_PROTOCOL
    if not has_id and not by_protocol:
        return "no request id"
    if TELLTALE.search(_without_echo(case, reply)):
        return f"tells of the inside: {reply.body[:300]!r}"
    if case.method == "HEAD":
        return None
    if reply.headers.get("content-type") != "application/json":
        return f"an error as {reply.headers.get('content-type')}"
    return _form("evolink" if by_protocol else case.door, reply.body)


def _without_echo(case: Case, reply: Reply) -> bytes:
    """The body without what was sent: an error may name a field as its caller wrote it."""
    body = reply.body
    for word in set(re.findall(rb"[\w./-]{3,}", case.raw[:4000])):
        body = body.replace(word, b"")
    return body


def _form(door: str | None, body: bytes) -> str | None:
    try:
        found = json.loads(body)
    except ValueError:
        return f"an error that is not JSON: {body[:100]!r}"
    error = found.get("error") if isinstance(found, dict) else None
    if door == "krea":
        if not isinstance(error, str) or not found.keys() <= KREA_KEYS:
            return f"not Krea's form: {body[:200]!r}"
    elif not isinstance(error, dict) or not {"code", "message", "type"} <= error.keys():
        return f"not EvoLink's form: {body[:200]!r}"
    return None


KREA_KEYS = {"error", "issues", "reason", "message", "sunset_date", "replacement"}
