"""A worker's events on their way: whole, in order, and never in the worker's way."""

import contextlib
import os
from collections.abc import Callable, Iterator

import pytest

from running import until
from safelight.telemetry.events import AnyEvent, PictureSigned, RequestLimited
from safelight.telemetry.relay import LATE_LINES_MAX, LINE_BYTES_MAX, Receiver, Relay

MANY = 5_000  # more than a pipe holds


def signed(number: int) -> PictureSigned:
    return PictureSigned(job=f"job-{number}", seconds=0.5)


class Pipe:
    def __init__(self) -> None:
        self.read_end, self.write_end = os.pipe()
        os.set_blocking(self.read_end, False)
        self.relay = Relay(self.write_end)
        self.heard: list[AnyEvent] = []
        self._receiver = Receiver(self.heard.append)

    def read_until(self, condition: Callable[[], bool], size: int = 1 << 20) -> None:
        """As a supervisor does, so many bytes at a time, while the worker's heart beats."""

        def read() -> bool:
            self.relay.beat()
            with contextlib.suppress(BlockingIOError):
                self._receiver.feed(os.read(self.read_end, size))
            return condition()

        until(read, 20)


@pytest.fixture
def pipe() -> Iterator[Pipe]:
    pipe = Pipe()
    yield pipe
    os.close(pipe.read_end)
    os.close(pipe.write_end)


def test_events_arrive_whole_and_in_order_however_the_pipe_cuts_them(pipe: Pipe):
    for number in range(5):
        pipe.relay(signed(number))
        pipe.relay.beat()
    pipe.read_until(lambda: len(pipe.heard) >= 5, size=7)
    assert pipe.heard == [signed(number) for number in range(5)]


def test_a_supervisor_that_does_not_read_stops_no_worker_and_loses_nothing_it_need_not(pipe: Pipe):
    for number in range(MANY):
        pipe.relay(signed(number))  # would hang here for ever if writing could block
    pipe.read_until(lambda: len(pipe.heard) >= MANY)
    assert pipe.heard == [signed(number) for number in range(MANY)]
    for number in range(LATE_LINES_MAX + MANY):
        pipe.relay(signed(number))
    pipe.read_until(lambda: signed(LATE_LINES_MAX + MANY - 1) in pipe.heard[-10:])
    assert len(pipe.heard) < 2 * MANY + LATE_LINES_MAX


def test_what_a_library_prints_there_is_no_event_and_costs_none(pipe: Pipe):
    noise = b'Loading pipeline: 100%\n{"event":"nonsense"}\n\xff\xfe\n' + b"x" * LINE_BYTES_MAX * 2
    os.write(pipe.write_end, noise + b"\n")
    pipe.relay(RequestLimited(limit="backlog"))
    pipe.read_until(lambda: bool(pipe.heard), size=1000)
    assert pipe.heard == [RequestLimited(limit="backlog")]


def test_an_event_too_long_to_be_written_whole_is_not_sent(pipe: Pipe):
    pipe.relay(PictureSigned(job="j" * LINE_BYTES_MAX, seconds=1))
    pipe.relay(signed(1))
    pipe.read_until(lambda: bool(pipe.heard))
    assert pipe.heard == [signed(1)]


def test_a_supervisor_that_is_gone_fails_no_job_and_is_noticed_by_the_next_beat():
    read_end, write_end = os.pipe()
    relay = Relay(write_end)
    os.close(read_end)
    relay(signed(1))
    with pytest.raises(BrokenPipeError):
        relay.beat()
    os.close(write_end)
