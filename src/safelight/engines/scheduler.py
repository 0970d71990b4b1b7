"""Owns the device: one step of one job a turn, the shortest remaining work first, with ageing."""

import contextlib
import logging
import threading
import time
import traceback
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

from safelight.catalog.request import ImageRequest
from safelight.engines import Aside, Engine, Made, Note, Picture, Step
from safelight.engines.pace import Pace
from safelight.errors import Cancelled, EngineError, JobErrorCode

QUOTED_CHARACTERS = 12  # of a prompt in a message are a quotation
AGEING = 0.25  # a job that has waited four seconds counts as one second shorter
ASIDES = 2  # threads for what needs no turn: one may encode a prompt while one decodes

log = logging.getLogger(__name__)


class Run:
    """One request at the engine, from its start to its pictures."""

    def __init__(
        self,
        engine: Engine,
        request: ImageRequest,
        report: Callable[[Step], None],
        note: Callable[[str], None],
        scheduler: "Scheduler",
    ):
        self.engine = engine
        self.request = request
        self.report = report
        self.note = note
        self.outcome: Future[list[Picture]] = Future()
        self.outcome.set_running_or_notify_cancel()  # from here on only `stop` ends it
        self.step = Step(0, 0)  # the last one done; a total of 0 is unknown yet
        self.pictures: list[Picture] = []
        self.stopped = False
        self.ready = True  # may be given a turn
        self.steps: Iterator[Made] | None = None
        self.aside: Future[None] | None = None  # what it waits for
        self.reply: tuple[Any, BaseException | None] = (None, None)  # of the Aside it waits for
        self.began_at: float | None = None  # its turn or its aside, while in one
        self.served_seconds = 0.0  # in turns and asides that have ended
        self._scheduler = scheduler
        self.arrived_at = scheduler.clock()

    def stop(self) -> None:
        """End it as soon as its step or its aside is done; `outcome` is then Cancelled."""
        self.stopped = True
        if self.aside is not None and self.aside.cancel():  # no thread had come to it
            self.ready = True
        self._scheduler.wake()

    def advance(self) -> Made:
        """The next thing the engine makes; raises StopIteration at the end."""
        if self.steps is None:
            self.steps = iter(self.engine.generate(self.request))
        (value, error), self.reply = self.reply, (None, None)
        if error is not None:
            return self.steps.throw(error)  # type: ignore[attr-defined,no-any-return]
        if value is not None:
            return self.steps.send(value)  # type: ignore[attr-defined,no-any-return]
        return next(self.steps)

    def spent_seconds(self) -> float:
        """How long the engine has been at it, without what it waited for others."""
        served, began_at = self.served_seconds, self.began_at  # never both of what just ended
        running = 0.0 if began_at is None else self._scheduler.clock() - began_at
        return served + running

    def waited_seconds(self) -> float:
        return self._scheduler.clock() - self.arrived_at - self.spent_seconds()


class Scheduler:
    """Drives engines' generators in one thread, so that a long job never blocks short ones.

    After each step the turn goes to the job with the least work left, as measured so far; waiting
    makes a job count as shorter, so that none starves. Progress and cancellation cost nothing, as
    the generators are looked at between their steps anyway.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic):
        self.clock = clock
        self._pace = Pace()
        self._runs: list[Run] = []  # by arrival
        self._changed = threading.Condition()
        self._closed = False
        self._asides = ThreadPoolExecutor(ASIDES, thread_name_prefix="aside")
        self._thread = threading.Thread(target=self._serve, name="engine", daemon=True)
        self._thread.start()

    def start(
        self,
        engine: Engine,
        request: ImageRequest,
        report: Callable[[Step], None],
        note: Callable[[str], None] = log.info,
    ) -> Run:
        """Begin a request. `report` and `note` are called in the scheduler's thread.

        The run's `outcome` has every picture that was asked for, in exactly the size that was
        promised, or raises Cancelled or EngineError.
        """
        run = Run(engine, request, report, note, self)
        with self._changed:
            self._runs.append(run)
            self._changed.notify()
        return run

    def wake(self) -> None:
        with self._changed:
            self._changed.notify()

    def close(self) -> None:
        """End the thread once its turn is over. Whatever is unfinished never ends."""
        with self._changed:
            self._closed = True
            self._changed.notify()
        self._asides.shutdown(wait=False)

    def _serve(self) -> None:
        while True:
            with self._changed:
                while (run := self._choose()) is None and not self._closed:
                    self._changed.wait()
                if self._closed or run is None:
                    return
            self._give_turn(run)

    def _choose(self) -> Run | None:
        """Whose turn it is; None while nobody can go on.

        One that was stopped waits for its aside too: a thread that hangs in one is lost, and
        whoever set the deadline must hear of it.
        """
        ready = [run for run in self._runs if run.ready]
        return min(ready, key=self._rank, default=None)

    def _rank(self, run: Run) -> float:
        if run.stopped or (run.steps is None and run.engine.starts_aside):
            return float("-inf")  # this turn takes no time
        left = self._pace.seconds_left(run.engine.name, run.request, run.step)
        return left - AGEING * run.waited_seconds()

    def _give_turn(self, run: Run) -> None:
        """Let the run go on until a step is done, or it needs none for a while, or it has ended."""
        run.began_at = self.clock()
        try:
            if run.stopped:
                raise Cancelled
            self._go_on(run)
        except StopIteration:
            self._end(run, self._checked(run))
        # Engines are other people's code: see _told. Some of it panics beside Exception, and this
        # thread is everybody's.
        except BaseException as error:
            self._end(run, _told(error, run.engine.name, run.request.prompt))
        finally:
            if run.ready:
                self._rest(run)

    def _go_on(self, run: Run) -> None:
        while True:
            match made := run.advance():
                case Aside():
                    run.ready = False
                    self._rest(run)  # until a thread is free, it waits for others
                    run.aside = self._asides.submit(self._work_aside, run, made)
                    return
                case Step():
                    self._take_step(run, made)
                    if made.number > 0:
                        return
                case Picture():
                    run.pictures.append(made)
                case Note():
                    run.note(made.text)

    def _take_step(self, run: Run, step: Step) -> None:
        if step.number > run.step.number:
            took = self.clock() - (run.began_at or 0)
            self._pace.learn(run.engine.name, run.request, took, step)
        run.step = step
        run.report(step)

    def _work_aside(self, run: Run, aside: Aside) -> None:
        run.began_at = self.clock()
        try:
            run.reply = (aside.work(), None)
        except BaseException as error:  # it is the engine's own, and raised where it yielded
            run.reply = (None, error)
        with self._changed:
            self._rest(run)
            run.ready = True
            self._changed.notify()

    def _rest(self, run: Run) -> None:
        if run.began_at is not None:
            run.served_seconds += self.clock() - run.began_at
            run.began_at = None

    def _checked(self, run: Run) -> list[Picture] | EngineError:
        """The pictures, if they are what was promised."""
        pictures, request = run.pictures, run.request
        if len(pictures) != request.count:
            return EngineError(
                f"The engine made {len(pictures)} of {request.count} pictures.",
                code=JobErrorCode.GENERATION_FAILED_NO_CONTENT,
            )
        for picture in pictures:
            if picture.pixels.shape != (request.height, request.width, 3):
                return EngineError("The engine made a picture of another size.")
        return pictures

    def _end(self, run: Run, outcome: list[Picture] | Exception) -> None:
        with self._changed:
            self._runs.remove(run)
        close = getattr(run.steps, "close", None)
        if close is not None:
            with contextlib.suppress(BaseException):  # what it had to say is said
                close()
        if isinstance(outcome, Exception):
            run.outcome.set_exception(outcome)
        else:
            run.outcome.set_result(outcome)


def _told(error: BaseException, engine: str, prompt: str) -> Exception:
    """The error as the worker knows it: whatever an engine raises is a failed attempt, no crash."""
    if isinstance(error, EngineError | Cancelled):
        return error
    # Torch's own class is known by its name, as nothing here may import torch.
    if isinstance(error, MemoryError) or type(error).__name__ == "OutOfMemoryError":
        return EngineError("The engine ran out of memory.", code=JobErrorCode.RESOURCE_EXHAUSTED)
    if _quotes(str(error), prompt):
        frames = "".join(traceback.format_tb(error.__traceback__))
        name = type(error).__name__
        log.error("the engine %s raised %s, quoting the prompt, at\n%s", engine, name, frames)
    else:
        log.error("the engine %s raised: %s", engine, error, exc_info=error)
    return EngineError("The engine failed unexpectedly.", retryable=True)


def _quotes(message: str, prompt: str) -> bool:
    """Whether the message has a piece of the prompt in it: prompts are not for the log."""
    size = min(QUOTED_CHARACTERS, len(prompt))
    pieces = (prompt[start : start + size] for start in range(len(prompt) - size + 1))
    return size > 0 and any(piece in message for piece in pieces)
