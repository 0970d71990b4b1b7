"""Log lines: each is one JSON object, or one plain line, which nothing a caller wrote can break."""

import hashlib
import hmac
import json
import logging
import re
import sys
import threading
from datetime import UTC, datetime
from functools import lru_cache
from types import TracebackType
from typing import Any, Literal

import msgspec

from safelight.telemetry.events import AnyEvent

ACCOUNT_HASH_CHARACTERS = 12
ACCOUNTS_CACHED = 10_000
FIELDS = "fields"  # the attribute of a log record that holds an event's
# What must not be in a line even if a message, or an exception's, should quote it.
SECRETS = (
    (re.compile(r"\bsl-[0-9A-Za-z]{8,}"), "sl-…"),  # API keys
    (re.compile(r"\bwhsec_[0-9A-Za-z+/=]+"), "whsec_…"),  # webhook secrets
    (re.compile(r"(?i)\b(bearer|basic)\s+[^\s\"'\\]+"), r"\1 …"),
    (re.compile(r"(\w://[^\s\"'\\?#]*)\?[^\s\"'\\]*"), r"\1?…"),  # URLs' query strings
    (re.compile(r"(\w://)[^\s\"'\\/?#@]+@"), r"\1…@"),  # and who they say they are
)

log = logging.getLogger(__name__)
events = logging.getLogger("safelight.events")


def start(form: Literal["auto", "json", "text"], level: str) -> None:
    """Everything that is logged goes to stderr, in this form; auto is text on a terminal."""
    if form == "auto":
        form = "text" if sys.stderr.isatty() else "json"
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(PlainLines() if form == "text" else JsonLines())
    logging.basicConfig(level=level.upper(), handlers=[handler], force=True)
    logging.captureWarnings(True)
    logging.getLogger("uvicorn").setLevel(logging.ERROR)  # strangers would write the warnings
    sys.excepthook = _uncaught
    threading.excepthook = lambda args: _uncaught(
        args.exc_type, args.exc_value or args.exc_type(), args.exc_traceback
    )


def _uncaught(
    kind: type[BaseException], error: BaseException, traceback: TracebackType | None
) -> None:
    if issubclass(kind, KeyboardInterrupt):
        sys.__excepthook__(kind, error, traceback)
    else:
        log.critical("this process met a mistake of ours", exc_info=(kind, error, traceback))


class JsonLines(logging.Formatter):
    """One object a line, in ASCII: ts, level, event, and the event's fields or the message."""

    def format(self, record: logging.LogRecord) -> str:
        line: dict[str, Any] = {"ts": _time(record), "level": record.levelname.lower()}
        fields = getattr(record, FIELDS, None)
        if fields is None:
            line |= {"event": "message", "logger": record.name, "message": record.getMessage()}
        else:
            line |= {"event": record.msg} | fields
        if record.exc_info:
            line["exception"] = self.formatException(record.exc_info)
        return _redacted(json.dumps(line, separators=(",", ":"), default=str)).replace("…", "...")


class PlainLines(logging.Formatter):
    """For people: time, level, event and fields; an exception's lines follow, moved in."""

    def format(self, record: logging.LogRecord) -> str:
        fields = getattr(record, FIELDS, None)
        if fields is None:
            text = f"{record.name}: {record.getMessage()}"
        else:
            text = " ".join([str(record.msg), *(f"{k}={v}" for k, v in fields.items())])
        lines = [f"{_time(record)} {record.levelname:<8} {_printable(text)}"]
        if record.exc_info:
            trace = self.formatException(record.exc_info)
            lines += [f"    {_printable(part)}" for part in trace.splitlines()]
        return _redacted("\n".join(lines))


def _time(record: logging.LogRecord) -> str:
    moment = datetime.fromtimestamp(record.created, UTC)
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _redacted(line: str) -> str:
    for pattern, instead in SECRETS:
        line = pattern.sub(instead, line)
    return line


def _printable(text: str) -> str:
    """Line ends, escape sequences, directional marks and the like, written out."""
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


class Journal:
    """Writes events. Accounts appear as a short hash that only this install can compute."""

    def __init__(self, secret: bytes):
        key = hmac.digest(secret, b"accounts in logs", hashlib.sha256)

        @lru_cache(ACCOUNTS_CACHED)
        def hashed(account_id: str) -> str:
            digest = hmac.digest(key, account_id.encode(), hashlib.sha256)
            return digest.hex()[:ACCOUNT_HASH_CHARACTERS]

        self._hashed = hashed

    def tell(self, event: AnyEvent) -> None:
        """A `Tell`."""
        if events.isEnabledFor(event.level):
            fields = msgspec.to_builtins(event)
            self.write(event.level, fields.pop("event"), fields)

    def write(self, level: int, name: str, fields: dict[str, Any]) -> None:
        """One line, with an account's id replaced by its hash."""
        if not events.isEnabledFor(level):
            return
        if account := fields.get("account"):
            fields["account"] = self._hashed(account)
        if "seconds" in fields:
            fields["seconds"] = round(fields["seconds"], 6)
        # Without a search of the stack for who called.
        record = events.makeRecord(
            events.name, level, "", 0, name, (), None, extra={FIELDS: fields}
        )
        events.handle(record)
