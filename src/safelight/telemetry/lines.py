"""How a log line looks: one JSON object, or plain text, which nothing a caller wrote can break."""

import json
import logging
import re
import sqlite3
import traceback
from collections.abc import Iterator
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any, Protocol

import msgspec

from safelight.telemetry.events import AnyEvent

# What must not be in a line even if a message, or an exception's, should quote it.
SECRETS = (
    (re.compile(r"\bsl-[0-9A-Za-z]{8,}"), "sl-..."),  # API keys
    (re.compile(r"\bwhsec_[0-9A-Za-z+/=]+"), "whsec_..."),  # webhook secrets
    (re.compile(r"(?i)\b(bearer|basic)\s+[^\s\"'\\]+"), r"\1 ..."),
    (re.compile(r"(\w://[^\s\"'\\?#]*)\?[^\s\"'\\]*"), r"\1?..."),  # URLs' query strings
    (re.compile(r"(\w://)[^\s\"'\\/?#@]+@"), r"\1...@"),  # and who they say they are
)
LEVELS = {number: name.lower() for name, number in logging.getLevelNamesMapping().items()}


Fields = AnyEvent | dict[str, Any]  # with the name under "event"


class Lines(Protocol):
    """A form of lines."""

    def event(self, at: float, level: int, event: Fields) -> str:
        """Its fields are of our own making, so nothing is searched for secrets."""
        ...

    def message(self, record: logging.LogRecord, trace: str | None) -> str:
        """Of anything else that is logged, with where an exception came from."""
        ...


class JsonLines:
    """For programs, in ASCII: ts, level, event, and the event's fields or the message."""

    def __init__(self) -> None:
        self._encoder = msgspec.json.Encoder()

    def event(self, at: float, level: int, event: Fields) -> str:
        fields = self._encoder.encode(event)
        if not fields.isascii():  # a host's name, say
            fields = json.dumps(msgspec.to_builtins(event), separators=(",", ":")).encode()
        return f'{{"ts":"{time_text(at)}","level":"{LEVELS[level]}",{fields[1:].decode()}'

    def message(self, record: logging.LogRecord, trace: str | None) -> str:
        line = {
            "ts": time_text(record.created),
            "level": record.levelname.lower(),
            "event": "message",
            "logger": record.name,
            "message": redacted(record.getMessage()),
        }
        if trace is not None:
            line["exception"] = redacted(trace)
        return json.dumps(line, separators=(",", ":"))


class PlainLines:
    """For people: time, level, event and fields; an exception's lines follow, moved in."""

    def event(self, at: float, level: int, event: Fields) -> str:
        fields = msgspec.to_builtins(event)
        text = " ".join([fields.pop("event"), *(f"{k}={v}" for k, v in fields.items())])
        return f"{time_text(at)} {LEVELS[level]:<8} {printable(text)}"

    def message(self, record: logging.LogRecord, trace: str | None) -> str:
        text = printable(redacted(f"{record.name}: {record.getMessage()}"))
        lines = [f"{time_text(record.created)} {record.levelname.lower():<8} {text}"]
        if trace is not None:
            lines += [f"    {printable(part)}" for part in redacted(trace).splitlines()]
        return "\n".join(lines)


class Formatter(logging.Formatter):
    """The standard library's logging, in one of these forms."""

    def __init__(self, lines: Lines):
        super().__init__()
        self._lines = lines

    def format(self, record: logging.LogRecord) -> str:
        error = record.exc_info[1] if record.exc_info else None
        trace = None if error is None else "".join(origin(error)).rstrip()
        if record.name == "asyncio":  # what follows its first line quotes tasks and their errors
            message = record.getMessage().partition("\n")[0]
            record = logging.makeLogRecord(vars(record) | {"msg": message, "args": None})
        return self._lines.message(record, trace)


def origin(error: BaseException, told: frozenset[int] = frozenset()) -> Iterator[str]:
    """The traceback without the exceptions' own words, which may quote a prompt or a URL."""
    told |= {id(error)}
    before = error.__cause__ or (None if error.__suppress_context__ else error.__context__)
    if before is not None and id(before) not in told:
        yield from origin(before, told)
        yield "and then\n"
    yield from traceback.format_tb(error.__traceback__)
    yield f"{type(error).__qualname__}{_harmless(error)}\n"
    for part in getattr(error, "exceptions", ()):
        if id(part) not in told:
            yield from origin(part, told)


def _harmless(error: BaseException) -> str:
    """The words of those that are the machine's, which have nothing of a caller's in them."""
    if isinstance(error, OSError) and error.strerror:
        return f": {error.strerror}"
    return f": {error}" if isinstance(error, sqlite3.Error) else ""


def redacted(text: str) -> str:
    for pattern, instead in SECRETS:
        text = pattern.sub(instead, text)
    return text


def printable(text: str) -> str:
    """Line ends, escape sequences, directional marks and the like, written out."""
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


def time_text(at: float) -> str:
    """Seconds since 1970 as UTC with milliseconds."""
    seconds, milliseconds = divmod(int(at * 1000), 1000)
    return f"{_second_text(seconds)}.{milliseconds:03d}Z"


@lru_cache(4)
def _second_text(seconds: int) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%S")
