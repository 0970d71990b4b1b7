"""Whose turn it is: the order of steps, what runs beside them, and how runs end."""

import threading
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest

from safelight.catalog.request import ImageRequest
from safelight.engines import Aside, Engine, Made, Note, Picture, Step
from safelight.engines.scheduler import AGEING, Run, Scheduler
from safelight.errors import Cancelled, EngineError


class Clock:
    """Time as an engine makes it pass."""

    def __init__(self) -> None:
        self.seconds = 0.0

    def __call__(self) -> float:
        return self.seconds


class Ticking:
    """Eight steps whose cost, in seconds of the clock, is the picture's width; keeps a diary."""

    name = "ticking"
    starts_aside = False

    def __init__(self, clock: Clock):
        self.clock = clock
        self.diary: list[str] = []  # the prompt of each step, in the order they were done
        self.gate = threading.Event()  # nobody begins before it opens
        self.on_step: Callable[[str, int], None] = lambda prompt, number: None

    def load(self) -> None: ...

    def unsupported(self, request: ImageRequest) -> str | None: ...

    def generate(self, request: ImageRequest) -> Iterator[Made]:
        assert self.gate.wait(30)
        steps = request.steps or 8
        for number in range(1, steps + 1):
            self.clock.seconds += request.width
            self.diary.append(request.prompt)
            self.on_step(request.prompt, number)
            yield Step(number, steps)
        yield Picture(np.zeros((request.height, request.width, 3), np.uint8), request.seed or 0)


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def scheduler(clock: Clock) -> Iterator[Scheduler]:
    scheduler = Scheduler(clock)
    yield scheduler
    scheduler.close()


def request(prompt: str, width: int = 1, **fields: Any) -> ImageRequest:
    return ImageRequest(
        **{"model": "m", "prompt": prompt, "width": width, "height": 1, "seed": 0} | fields
    )


def start(scheduler: Scheduler, engine: Engine, *requests: ImageRequest) -> list[Run]:
    return [scheduler.start(engine, one, lambda step: None) for one in requests]


def wait(*runs: Run) -> None:
    for run in runs:
        run.outcome.result(30)


def learn(scheduler: Scheduler, engine: Ticking, *widths: int) -> None:
    """Let it see what a step of each size costs."""
    opened = engine.gate.is_set()
    engine.gate.set()
    wait(*start(scheduler, engine, *(request("warm up", width) for width in widths)))
    engine.diary.clear()
    if not opened:
        engine.gate.clear()


def arriving(scheduler: Scheduler, engine: Ticking, *, after: int) -> list[Run]:
    """A short job that comes once the long one has done so many steps; empty until then."""
    short: list[Run] = []

    def on_step(prompt: str, number: int) -> None:
        if (prompt, number) == ("long", after):
            short.extend(start(scheduler, engine, request("short")))

    engine.on_step = on_step
    return short


def test_jobs_of_one_size_are_finished_one_after_another(scheduler: Scheduler, clock: Clock):
    engine = Ticking(clock)
    runs = start(scheduler, engine, request("a"), request("b"), request("c"))
    engine.gate.set()
    wait(*runs)
    assert engine.diary == ["a"] * 8 + ["b"] * 8 + ["c"] * 8


def test_a_short_job_that_comes_later_is_done_first(scheduler: Scheduler, clock: Clock):
    engine = Ticking(clock)
    learn(scheduler, engine, 1, 5)
    [long] = start(scheduler, engine, request("long", 5))
    short = arriving(scheduler, engine, after=2)
    engine.gate.set()
    wait(long, *short)
    assert engine.diary == ["long"] * 2 + ["short"] * 8 + ["long"] * 6


def test_a_long_job_that_is_nearly_done_is_not_passed(scheduler: Scheduler, clock: Clock):
    engine = Ticking(clock)
    learn(scheduler, engine, 1, 5)
    short = arriving(scheduler, engine, after=7)
    [long] = start(scheduler, engine, request("long", 5))
    engine.gate.set()
    wait(long)
    wait(*short)
    assert engine.diary == ["long"] * 8 + ["short"] * 8


def test_a_job_is_not_thought_long_because_another_chose_many_steps(
    scheduler: Scheduler, clock: Clock
):
    engine = Ticking(clock)
    learn(scheduler, engine, 1)
    short = arriving(scheduler, engine, after=2)
    [long] = start(scheduler, engine, request("long", steps=100))
    engine.gate.set()
    wait(long, *short)
    assert engine.diary == ["long"] * 2 + ["short"] * 8 + ["long"] * 98


def test_a_stream_of_short_jobs_does_not_starve_a_long_one(scheduler: Scheduler, clock: Clock):
    """It waits until its age makes up for the difference of work, and no longer."""
    engine = Ticking(clock)
    learn(scheduler, engine, 1, 10)
    shorts: list[Run] = []

    def another(prompt: str, number: int) -> None:
        if prompt.startswith("short") and number == 8 and len(shorts) < 200:
            shorts.extend(start(scheduler, engine, request(f"short {len(shorts)}")))

    engine.on_step = another
    shorts.extend(start(scheduler, engine, request("short")))
    [long] = start(scheduler, engine, request("long", 10))
    engine.gate.set()
    wait(long)
    before = engine.diary.index("long")
    assert 0 < before <= (80 - 8) / AGEING + 8
    assert engine.diary[before:][:8].count("long") >= 7, "once it is old enough, it stays ahead"
    wait(*list(shorts))


def test_what_needs_no_turn_runs_beside_the_steps_of_others(scheduler: Scheduler, clock: Clock):
    steps_done, decoded = threading.Event(), threading.Event()

    class Decoding:
        name = "decoding"
        starts_aside = True

        def load(self) -> None: ...

        def unsupported(self, request: ImageRequest) -> str | None: ...

        def generate(self, request: ImageRequest) -> Iterator[Made]:
            def decode() -> str:
                assert steps_done.wait(30), "the other job's steps go on meanwhile"
                return "the text"

            value = yield Aside(decode)
            assert value == "the text"
            decoded.set()
            yield Picture(np.zeros((1, 1, 3), np.uint8), 0)

    engine = Ticking(clock)
    engine.gate.set()
    [waiting] = start(scheduler, Decoding(), request("decode"))
    wait(*start(scheduler, engine, request("other")))
    assert not decoded.is_set()
    steps_done.set()
    wait(waiting)


class Scripted:
    """Yields what it is told to."""

    name = "scripted"
    starts_aside = False

    def __init__(self, *script: Made | Exception):
        self.script = script
        self.closed = False

    def load(self) -> None: ...

    def unsupported(self, request: ImageRequest) -> str | None: ...

    def generate(self, request: ImageRequest) -> Iterator[Made]:
        try:
            for made in self.script:
                if isinstance(made, Exception):
                    raise made
                yield made
        finally:
            self.closed = True


def fail() -> None:
    raise EngineError("the aside failed")


class Panic(BaseException):
    """What code in other languages raises beside Exception."""


def panic() -> None:
    raise Panic


BLANK = Picture(np.zeros((1, 1, 3), np.uint8), 0)


@pytest.mark.parametrize(
    ("script", "message", "retryable"),
    [
        ([Step(1, 1)], "made 0 of 1", False),
        ([BLANK, BLANK], "made 2 of 1", False),
        ([Picture(np.zeros((2, 1, 3), np.uint8), 0)], "another size", False),
        ([EngineError("no", retryable=True)], "no", True),
        ([ZeroDivisionError()], "unexpectedly", True),
        ([MemoryError()], "memory", False),
        ([type("OutOfMemoryError", (RuntimeError,), {})()], "memory", False),  # torch's
        ([Aside(fail), BLANK], "the aside failed", False),
        ([Aside(panic), BLANK], "unexpectedly", True),
    ],
)
def test_what_goes_wrong_in_an_engine_is_told_and_closes_it(
    scheduler: Scheduler, script: list[Made], message: str, retryable: bool
):
    engine = Scripted(*script)
    [run] = start(scheduler, engine, request("a"))
    with pytest.raises(EngineError, match=message) as caught:
        run.outcome.result(30)
    assert caught.value.retryable is retryable
    assert engine.closed
    wait(*start(scheduler, Scripted(BLANK), request("the next one")))


@pytest.mark.parametrize("prompt", ["a heliotrope zeppelin over the sea", "zeppelin"])
def test_an_engines_error_that_quotes_the_prompt_is_logged_without_its_words(
    scheduler: Scheduler, caplog: pytest.LogCaptureFixture, prompt: str
):
    script = [ValueError("cannot read 'heliotrope zeppelin over'"), ValueError("no room")]
    for error in script:
        [run] = start(scheduler, Scripted(error), request(prompt))
        assert isinstance(run.outcome.exception(30), EngineError)
    assert "zeppelin" not in caplog.text
    assert "ValueError, quoting the prompt" in caplog.text
    assert "no room" in caplog.text  # what does not quote it helps to find the mistake


def test_steps_and_notes_are_reported_as_they_come(scheduler: Scheduler):
    heard: list[Any] = []
    engine = Scripted(Note("long prompt"), Step(0, 2), Step(1, 2), Step(2, 2), BLANK)
    run = scheduler.start(engine, request("a"), heard.append, heard.append)
    assert run.outcome.result(30) == [BLANK]
    assert heard == ["long prompt", Step(0, 2), Step(1, 2), Step(2, 2)]


def test_a_run_that_is_stopped_ends_between_two_steps(scheduler: Scheduler, clock: Clock):
    engine = Ticking(clock)
    [run] = start(scheduler, engine, request("a"))
    engine.on_step = lambda prompt, number: run.stop() if number == 3 else None
    engine.gate.set()
    with pytest.raises(Cancelled):
        run.outcome.result(30)
    assert engine.diary == ["a"] * 3


def test_a_run_that_is_stopped_in_its_aside_ends_with_it(scheduler: Scheduler):
    entered, hang = threading.Event(), threading.Event()

    def work() -> None:
        entered.set()
        assert hang.wait(30)

    engine = Scripted(Aside(work), BLANK)
    [run] = start(scheduler, engine, request("a"))
    assert entered.wait(30)
    run.stop()
    wait(*start(scheduler, Scripted(BLANK), request("the next one")))
    assert not run.outcome.done()  # its thread is not free: a deadline must be able to see it
    hang.set()
    with pytest.raises(Cancelled):
        run.outcome.result(30)


def test_a_thread_for_asides_is_waited_for_without_spending_time_and_can_be_left(
    scheduler: Scheduler, clock: Clock
):
    busy, leave = threading.Semaphore(0), threading.Event()

    def work() -> None:
        busy.release()
        assert leave.wait(30)

    others = start(scheduler, Scripted(Aside(work), BLANK), *map(request, ("a", "b")))
    assert busy.acquire(timeout=30)
    assert busy.acquire(timeout=30)
    [waiting] = start(scheduler, Scripted(Aside(work), BLANK), request("c"))
    wait(*start(scheduler, Scripted(BLANK), request("the next one")))
    clock.seconds += 5
    assert waiting.spent_seconds() == 0
    assert [other.spent_seconds() for other in others] == [5, 5]
    waiting.stop()
    with pytest.raises(Cancelled):
        waiting.outcome.result(30)
    leave.set()
    wait(*others)


def test_spent_time_grows_with_turns_and_not_with_waiting(scheduler: Scheduler, clock: Clock):
    engine = Ticking(clock)
    runs = start(scheduler, engine, request("a", 3), request("b", 3))
    engine.gate.set()
    wait(*runs)
    assert [run.spent_seconds() for run in runs] == [24, 24]
    assert runs[1].waited_seconds() == 24
