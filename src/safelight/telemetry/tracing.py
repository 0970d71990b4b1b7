"""One trace from a request through the queue and a worker to the webhook, by W3C Trace Context.

Without a tracer all of this is absent: nothing is imported, stored or sent. Spans hold no prompt,
account, key or address, and nothing else that a caller wrote.
"""

import contextlib
import re
from collections.abc import Iterator, Mapping
from enum import Enum
from typing import Protocol

# https://www.w3.org/TR/trace-context/#traceparent-header
TRACEPARENT = re.compile(
    r"(?!ff)(?P<version>[0-9a-f]{2})-(?!0{32})(?P<trace>[0-9a-f]{32})-(?!0{16})(?P<span>[0-9a-f]{16})"
    r"-(?P<flags>[0-9a-f]{2})(?P<more>-.*)?"
)
TRACEPARENT_CHARACTERS_MAX = 512  # later versions may be longer than the first one's 55

Attributes = Mapping[str, str | int | float]


class Kind(Enum):
    """Who is at a span's other end."""

    SERVER = "server"  # a caller
    CLIENT = "client"  # a receiver
    CONSUMER = "consumer"  # the queue
    INTERNAL = "internal"


class Span(Protocol):
    """Work that has begun."""

    traceparent: str  # for whoever works on behalf of it

    def end(
        self, attributes: Attributes | None = None, *, name: str | None = None, error: str = ""
    ) -> None:
        """`error`: what kind of failure it was, in a word; empty for none."""
        ...


class Tracer(Protocol):
    """Where spans are sent to."""

    def begin(
        self,
        name: str,
        kind: Kind,
        parent: str | None,
        attributes: Attributes | None = None,
        began_ms: int | None = None,
    ) -> Span:
        """`parent` is a traceparent, or None to begin a trace; `began_ms` since 1970."""
        ...

    def close(self) -> None:
        """Send what has not been sent."""
        ...


def well_formed(value: str) -> str | None:
    """A caller's traceparent as version 00 writes it; None for what is none."""
    if len(value) > TRACEPARENT_CHARACTERS_MAX:
        return None
    found = TRACEPARENT.fullmatch(value)
    if found is None or (found["version"] == "00" and found["more"]):
        return None
    return f"00-{found['trace']}-{found['span']}-{int(found['flags'], 16) & 1:02x}"


class Trail:
    """The spans of one attempt at a job; does nothing without a tracer."""

    def __init__(self, tracer: Tracer | None, parent: str | None, attributes: Attributes):
        self._tracer = tracer
        self._parent = parent
        self._whole: Span | None = None
        if tracer is not None:
            self._whole = tracer.begin("work", Kind.CONSUMER, parent, attributes)

    def waited(self, since_ms: int, until_ms: int) -> None:
        """How long the job was in the queue."""
        if self._tracer is not None:
            span = self._tracer.begin("queue", Kind.INTERNAL, self._parent, None, since_ms)
            span.end({"safelight.queue.seconds": (until_ms - since_ms) / 1000})

    @contextlib.contextmanager
    def stage(self, name: str, attributes: Attributes | None = None) -> Iterator[dict[str, int]]:
        """A part of the attempt; what is put into the dictionary meanwhile is told with it."""
        more: dict[str, int] = {}
        if self._tracer is None or self._whole is None:
            yield more
            return
        span = self._tracer.begin(name, Kind.INTERNAL, self._whole.traceparent, attributes)
        try:
            yield more
        except BaseException as error:
            span.end(more, error=type(error).__name__)
            raise
        span.end(more)

    def end(self) -> None:
        if self._whole is not None:
            self._whole.end()
