"""Wakes the other processes of this machine after a commit: a datagram to each one's socket.

Messages may be lost; everyone who listens also polls, slowly. The bell only saves the waiting.
"""

import asyncio
import contextlib
import hashlib
import os
import secrets
import socket
import tempfile
from collections.abc import Callable
from pathlib import Path

SOCKET_PATH_BYTES_MAX = 100  # the kernel allows 108
MESSAGE_BYTES_MAX = 512
LATE_SECONDS = 0.005  # Linux queues ten datagrams to a busy process; the rest is sent after this,
LATE_SECONDS_MAX = 1.0  # and later each time, to a process that stands still
LATE_MESSAGES_MAX = 1000  # to a process that does not listen at all; more are lost


class Bell:
    """Rings every process that listens in the same folder, this one included."""

    def __init__(self, home: Path):
        self._folder = _socket_folder(home)
        self._sender = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._sender.setblocking(False)
        self._receiver: socket.socket | None = None
        self._own: Path | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._callbacks: list[Callable[[str], None]] = []
        self._pending: dict[str, None] = {}
        self._late: dict[str, dict[str, None]] = {}  # by socket: what did not fit its queue

    def ring(self, message: str) -> None:
        """Send the message once this turn of the event loop ends, however often it was rung."""
        if not self._pending:
            asyncio.get_running_loop().call_soon(self._flush)
        self._pending[message] = None

    def listen(self, callback: Callable[[str], None]) -> None:
        self._callbacks.append(callback)
        if self._receiver is not None:
            return
        self._own = self._folder / f"{secrets.token_hex(6)}.sock"
        self._receiver = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._receiver.setblocking(False)
        self._receiver.bind(str(self._own))
        self._loop = asyncio.get_running_loop()
        self._loop.add_reader(self._receiver, self._receive)

    def close(self) -> None:
        if self._receiver is not None and self._own is not None:
            if self._loop is not None and not self._loop.is_closed():
                self._loop.remove_reader(self._receiver)
            self._receiver.close()
            self._own.unlink(missing_ok=True)
            self._receiver = None
        self._sender.close()

    def _flush(self) -> None:
        messages, self._pending = list(self._pending), {}
        for callback in self._callbacks:  # our own listeners need no socket
            for message in messages:
                callback(message)
        with contextlib.suppress(FileNotFoundError):
            for entry in os.scandir(self._folder):
                if self._own is None or entry.name != self._own.name:
                    self._send(entry.path, messages)

    def _send(self, path: str, messages: list[str], pause: float = LATE_SECONDS) -> None:
        if (late := self._late.get(path)) is not None:
            if len(late) < LATE_MESSAGES_MAX:
                late.update(dict.fromkeys(messages))
            return
        for number, message in enumerate(messages):
            try:
                self._sender.sendto(message.encode()[:MESSAGE_BYTES_MAX], path)
            except ConnectionRefusedError:
                Path(path).unlink(missing_ok=True)  # its process died
                return
            except BlockingIOError:
                pause = LATE_SECONDS if number else pause  # some fitted: it is awake
                self._late[path] = dict.fromkeys(messages[number:])
                asyncio.get_running_loop().call_later(pause, self._send_late, path, pause)
                return
            except OSError:
                return

    def _send_late(self, path: str, pause: float) -> None:
        self._send(path, list(self._late.pop(path)), min(LATE_SECONDS_MAX, pause * 2))

    def _receive(self) -> None:
        while self._receiver is not None:
            try:
                message = self._receiver.recv(MESSAGE_BYTES_MAX).decode(errors="replace")
            except (BlockingIOError, InterruptedError):
                return
            for callback in self._callbacks:
                callback(message)


def _socket_folder(home: Path) -> Path:
    """`run` under the home, or a private folder of our own where that path is too long."""
    folder = home.absolute() / "run"
    if len(os.fsencode(folder)) + 20 > SOCKET_PATH_BYTES_MAX:
        digest = hashlib.sha256(os.fsencode(folder)).hexdigest()[:16]
        folder = Path(tempfile.gettempdir()) / f"safelight-{os.getuid()}-{digest}"
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    if folder.stat().st_uid != os.getuid() or folder.stat().st_mode & 0o077:
        folder.chmod(0o700)  # raises when it is somebody else's
    return folder
