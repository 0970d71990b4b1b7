"""The log: events as lines on stderr, and whatever else is logged beside them."""

import contextlib
import hashlib
import hmac
import logging
import sys
import threading
import time
from functools import lru_cache
from types import TracebackType
from typing import Any, Literal, TextIO

import msgspec

from safelight.telemetry.events import AnyEvent
from safelight.telemetry.lines import Fields, Formatter, JsonLines, Lines, PlainLines

ACCOUNT_HASH_CHARACTERS = 12
ACCOUNTS_CACHED = 10_000

log = logging.getLogger(__name__)


def start(lines: Lines, level: str) -> None:
    """Everything that is logged goes to stderr, in this form, uncaught exceptions included."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(Formatter(lines))
    logging.basicConfig(level=level.upper(), handlers=[handler], force=True)
    logging.captureWarnings(True)
    logging.getLogger("uvicorn").setLevel(logging.ERROR)  # strangers would write the warnings
    sys.excepthook = _uncaught
    threading.excepthook = lambda args: _uncaught(
        args.exc_type, args.exc_value or args.exc_type(), args.exc_traceback
    )


def choose(form: Literal["auto", "json", "text"]) -> Lines:
    """auto is text on a terminal."""
    if form == "auto":
        form = "text" if sys.stderr.isatty() else "json"
    return PlainLines() if form == "text" else JsonLines()


def _uncaught(
    kind: type[BaseException], error: BaseException, traceback: TracebackType | None
) -> None:
    if issubclass(kind, KeyboardInterrupt):
        sys.__excepthook__(kind, error, traceback)
    else:
        log.critical("this process met a mistake of ours", exc_info=(kind, error, traceback))


class Journal:
    """Writes events. Accounts appear as a short hash that only this install can compute.

    Past the machinery of `logging`, whose records, locks and searches would cost a submission
    several times as much.
    """

    def __init__(self, secret: bytes, lines: Lines, level: str, stream: TextIO):
        key = hmac.digest(secret, b"accounts in logs", hashlib.sha256)
        self._lines = lines
        self._level: int = logging.getLevelNamesMapping()[level.upper()]
        self._stream = stream

        @lru_cache(ACCOUNTS_CACHED)
        def hashed(account_id: str) -> str:
            digest = hmac.digest(key, account_id.encode(), hashlib.sha256)
            return digest.hex()[:ACCOUNT_HASH_CHARACTERS]

        self._hashed = hashed

    def tell(self, event: AnyEvent) -> None:
        """A `Tell`."""
        if event.level >= self._level:
            account = getattr(event, "account", None)
            if account is not None:
                event = msgspec.structs.replace(event, account=self._hashed(account))
            self._write(event.level, event)

    def answered(self, fields: dict[str, Any]) -> None:
        """A line for a request; `account` is its id, or None."""
        if self._level > logging.INFO:
            return
        if (account := fields["account"]) is not None:
            fields["account"] = self._hashed(account)
        self._write(logging.INFO, {"event": "request"} | fields)

    def _write(self, level: int, event: Fields) -> None:
        # In one call, so that lines of threads and processes do not mix.
        with contextlib.suppress(OSError):  # a full disk costs the line, not what it tells of
            self._stream.write(self._lines.event(time.time(), level, event) + "\n")
