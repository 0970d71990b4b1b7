"""A worker's events on their way to its supervisor: lines through the pipe of its heartbeat.

So one process counts for all of its tree, a worker that dies takes none of its counts along, and
nothing is left on disk. The pipe never blocks a worker: what does not fit waits for the next beat.
"""

import contextlib
import os
from collections import deque

import msgspec

from safelight.telemetry.events import AnyEvent, Tell

LINE_BYTES_MAX = 4096  # PIPE_BUF on Linux: up to it a write is whole or does not happen
LATE_LINES_MAX = 10_000  # to a supervisor that does not read; the oldest are lost

_encoder = msgspec.json.Encoder()
_decoder = msgspec.json.Decoder(AnyEvent)


class Relay:
    """The worker's end: a `Tell`, and the heartbeat."""

    def __init__(self, descriptor: int):
        os.set_blocking(descriptor, False)
        self._descriptor = descriptor
        self._late: deque[bytes] = deque(maxlen=LATE_LINES_MAX)

    def __call__(self, event: AnyEvent) -> None:
        line = _encoder.encode(event) + b"\n"
        if len(line) <= LINE_BYTES_MAX:
            self._late.append(line)
            with contextlib.suppress(BrokenPipeError):  # nobody counts; the work goes on
                self._flush()

    def beat(self) -> None:
        """Say that we live: an empty line. Raises BrokenPipeError when nobody listens any more."""
        self._late.append(b"\n")
        self._flush()

    def _flush(self) -> None:
        while self._late:
            try:
                line = self._late.popleft()
            except IndexError:  # another thread was faster
                return
            try:
                os.write(self._descriptor, line)
            except BlockingIOError:
                self._late.appendleft(line)
                return


class Receiver:
    """The supervisor's end, one for each worker."""

    def __init__(self, tell: Tell):
        self._tell = tell
        self._rest = b""

    def feed(self, data: bytes) -> None:
        *lines, self._rest = (self._rest + data).split(b"\n")
        self._rest = self._rest[:LINE_BYTES_MAX]
        for line in lines:
            if line:
                self._take(line)

    def _take(self, line: bytes) -> None:
        try:
            event = _decoder.decode(line)
        except msgspec.DecodeError:  # a library of an engine's printed something
            return
        self._tell(event)
