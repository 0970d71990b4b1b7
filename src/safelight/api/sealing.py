"""Headers that tell browsers to make nothing of a reply but what it is, as finished bytes."""

from safelight.api.answers import encode
from safelight.dialects import DIALECTS
from safelight.errors import SafelightError

# Of every reply that has no content policy of its own; one that has declares the rest beside it.
# There is no Access-Control-* here: no page of another origin reads a reply.
WITHOUT_POLICY = (
    b"x-content-type-options: nosniff\r\n"
    b"content-security-policy: default-src 'none'; frame-ancestors 'none'\r\n"
    b"referrer-policy: no-referrer\r\n"
    b"cross-origin-resource-policy: same-origin\r\n"
)
WITHOUT_CACHING = b"cache-control: no-store\r\n"
HSTS_SECONDS = 365 * 24 * 3600


def strict_transport(public_url: str | None) -> bytes:
    """Of every reply, pictures too: who came over TLS once comes over TLS for a year."""
    if public_url is None or not public_url.startswith("https://"):
        return b""
    return b"strict-transport-security: max-age=%d\r\n" % HSTS_SECONDS


def refusal(status_line: bytes, error: SafelightError, more: bytes) -> bytes:
    """A whole reply, for a connection that is closed before there is a request to speak of."""
    _, body, _ = DIALECTS["evolink"].render_error(error, "")
    encoded = encode(body)
    return (
        b"HTTP/1.1 %b\r\ncontent-type: application/json\r\ncontent-length: %d\r\n"
        b"connection: close\r\n%b\r\n%b" % (status_line, len(encoded), more, encoded)
    )
