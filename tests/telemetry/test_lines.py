"""Log lines: one for each event whatever is in them, and no secret even where a message has one."""

import contextlib
import errno
import io
import json
import logging
import os
import pty
import subprocess
import sys

import pytest

from safelight.telemetry.events import JobEnded, RequestLimited
from safelight.telemetry.journal import Journal
from safelight.telemetry.lines import Formatter, JsonLines, Lines, PlainLines

HOSTILE = 'x\r\n{"level":"critical"}\x1b[2J\x00\x85\u2028\u202e\ud800 é 한'
ENDED = JobEnded(
    job="task-1", account="acc_1", dialect="krea", model="m", attempt=1, outcome="failed",
    code="service_error", price_microcredits=1, seconds=0.25,
)  # fmt: skip
FORMS = pytest.mark.parametrize("lines", [JsonLines(), PlainLines()], ids=["json", "text"])


def logged(lines: Lines, message: str, *arguments: object, error: Exception | None = None) -> str:
    exc_info = None if error is None else (type(error), error, error.__traceback__)
    record = logging.LogRecord("a", logging.ERROR, "f", 1, message, arguments, exc_info)
    return Formatter(lines).format(record)


def journalled(level: str = "info") -> tuple[Journal, io.StringIO]:
    stream = io.StringIO()
    return Journal(b"an install's secret", JsonLines(), level, stream), stream


@FORMS
def test_what_a_caller_wrote_cannot_end_a_line_or_move_a_cursor(lines: Lines):
    line = logged(lines, "odd: %s", HOSTILE)
    assert line.splitlines() == [line]
    assert not any(ord(c) < 32 or 0x7F <= ord(c) < 0xA0 or c in "\u2028\u202e" for c in line)
    line.encode()  # a lone surrogate would not be


def test_a_json_line_is_ascii_and_gives_the_message_back():
    line = logged(JsonLines(), "odd: %s", HOSTILE)
    assert line.isascii()
    assert json.loads(line)["message"] == f"odd: {HOSTILE}"


@FORMS
def test_an_exceptions_words_cannot_pass_for_a_line_of_their_own(lines: Lines):
    try:
        raise ValueError(HOSTILE)
    except ValueError as error:
        text = logged(lines, "it failed", error=error)
    first, *others = text.splitlines()
    assert "it failed" in first
    assert all(line.startswith("    ") for line in others)


@FORMS
@pytest.mark.parametrize(
    ("message", "secret"),
    [
        ("key sl-Zk3vX9q2LmN8pR4tW7yB1cD5fG6hJ0aSxxxxxx", "Zk3vX9q2"),
        ("{'Authorization': 'Bearer abc.def'}", "abc.def"),
        ("Authorization: Basic dXNlcjpwdw==", "dXNlcjpwdw"),
        ("whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD", "C2FVsBQ"),
        ("GET https://a.example/hook?token=hush&x=1 failed", "hush"),
        ("https://user:hush@a.example/hook", "hush"),
        ("/pictures at http://a.example/p.png?expires=1&signature=hush", "hush"),
    ],
)
def test_a_secret_is_struck_out_of_messages_and_of_exceptions(
    lines: Lines, message: str, secret: str
):
    assert secret not in logged(lines, "%s", message)
    assert secret not in logged(lines, "it failed", error=ValueError(message))


@FORMS
def test_an_exceptions_own_words_are_not_told_as_they_may_quote_a_prompt(lines: Lines):
    """Nor those of what it was caused by; what the machine says of itself is kept."""

    prompt = " ".join(("heliotrope", "zep" + "pelin"))  # not in the lines of code that are shown

    def fail() -> None:
        try:
            try:
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), prompt)
            except OSError as full:
                raise KeyError(prompt) from full
        except KeyError:
            raise ExceptionGroup(prompt, [ValueError(prompt)])  # noqa: B904 — is the point

    try:
        fail()
    except ExceptionGroup as error:
        line = logged(lines, "it failed", error=error)
    assert "zeppelin" not in line
    for told in ("OSError: No space left", "KeyError", "ExceptionGroup", "ValueError", "in fail"):
        assert told in line


@FORMS
def test_a_forgotten_tasks_error_is_told_without_its_words(lines: Lines):
    task = "Task exception was never retrieved\nfuture: <Task exception=KeyError('zeppelin')>"
    record = logging.LogRecord("asyncio", logging.ERROR, "f", 1, task, (), None)
    line = Formatter(lines).format(record)
    assert ("never retrieved" in line, "zeppelin" in line) == (True, False)


def test_a_line_that_cannot_be_written_costs_nobody_their_request():
    """A pipe whose reader is gone, or a full disk under stderr."""
    read_end, write_end = os.pipe()
    os.close(read_end)
    stream = os.fdopen(write_end, "w", buffering=1)
    Journal(b"an install's secret", JsonLines(), "info", stream).tell(ENDED)
    with contextlib.suppress(BrokenPipeError):
        stream.close()


def test_an_event_is_a_line_of_its_fields_with_the_account_hashed():
    journal, stream = journalled()
    journal.tell(ENDED)
    line = json.loads(stream.getvalue())
    assert line.pop("ts").endswith("Z")
    hashed = line.pop("account")
    assert line == {
        "level": "info", "event": "job.ended", "job": "task-1", "dialect": "krea", "model": "m",
        "attempt": 1, "outcome": "failed", "code": "service_error", "price_microcredits": 1,
        "seconds": 0.25,
    }  # fmt: skip
    assert len(hashed) == 12
    other = io.StringIO()
    Journal(b"another install's", JsonLines(), "info", other).tell(ENDED)
    assert json.loads(other.getvalue())["account"] != hashed


def test_events_below_the_level_are_not_written():
    journal, stream = journalled("warning")
    journal.tell(ENDED)
    journal.tell(RequestLimited(limit="backlog"))
    assert stream.getvalue() == ""


def test_what_nobody_caught_is_a_line_too(start_logging_in_a_process):
    """Even the end of a process by a mistake of ours."""
    [line] = start_logging_in_a_process("raise ValueError('sl-Zk3vX9q2LmN8pR4tW7yB1')").splitlines()
    found = json.loads(line)
    assert (found["level"], "sl-Zk3" in line) == ("critical", False)
    assert "ValueError" in found["exception"]


@pytest.fixture
def start_logging_in_a_process():
    def run(code: str) -> str:
        begin = (
            "from safelight.telemetry import journal; journal.start(journal.choose('auto'), 'info')"
        )
        done = subprocess.run(
            [sys.executable, "-c", f"{begin}\n{code}"], capture_output=True, text=True, check=False
        )
        assert done.returncode == 1
        return done.stderr

    return run


def test_a_terminal_is_given_text_and_everything_else_json():
    code = (
        "from safelight.telemetry.journal import choose, start; start(choose('auto'), 'info');"
        "import logging; logging.warning('hello')"
    )
    ours, theirs = pty.openpty()
    try:
        subprocess.run([sys.executable, "-c", code], stderr=theirs, check=True)
        on_a_terminal = os.read(ours, 1000).decode()
    finally:
        os.close(ours)
        os.close(theirs)
    assert on_a_terminal.rstrip().endswith("Z warning  root: hello")
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True)
    assert json.loads(done.stderr)["message"] == "hello"
