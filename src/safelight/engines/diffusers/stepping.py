"""Runs a pipeline's loop in a thread of its own that stands still between two steps."""

import threading
from collections.abc import Callable
from typing import Any


class Abandoned(BaseException):
    """Raised in the pipeline's thread when nobody wants its picture any more.

    Not an Exception, so that no library takes it for a fault it could mend.
    """


class SteppedCall:
    """One call of a function that says, from within, where its steps begin and end.

    `begin`, `step` and `finish` each let the thread run to the next place where it stands, and
    raise what the call raised. They are for one caller at a time; `close` may come from anywhere.
    """

    def __init__(self, call: Callable[["SteppedCall"], Any], name: str):
        self._call = call
        self._go = threading.Semaphore(0)
        self._stands = threading.Semaphore(0)
        self._standing = False
        self._abandoned = False
        self._ended = False
        self._result: Any = None
        self._error: BaseException | None = None
        self._steps_begun = False
        self.thread = threading.Thread(target=self._run, name=name, daemon=True)

    def begin(self) -> None:
        """Run what comes before the first step."""
        if self._abandoned:
            return
        self.thread.start()
        self._await()

    def step(self) -> None:
        """Run one step; nothing, once the call has returned."""
        if self._ended:
            return
        self._go.release()
        self._await()

    def finish(self) -> Any:
        """Run what comes after the last step; what the call returned."""
        while not self._ended:
            self.step()
        return self._result

    def close(self) -> None:
        """End the thread. One that stands ends now, another when it next would stand."""
        self._abandoned = True
        standing = self._standing
        self._go.release()
        if standing:
            self.thread.join()

    def at_step_begin(self) -> None:
        """Called by the pipeline's thread; only the first one stands here."""
        if not self._steps_begun:
            self._steps_begun = True
            self._stand()

    def at_step_end(self) -> None:
        """Called by the pipeline's thread."""
        self._stand()

    def _await(self) -> None:
        self._stands.acquire()
        if self._error is not None:
            error, self._error = self._error, None
            raise error

    def _stand(self) -> None:
        if self._abandoned:
            raise Abandoned
        self._standing = True
        self._stands.release()
        self._go.acquire()
        self._standing = False
        if self._abandoned:
            raise Abandoned

    def _run(self) -> None:
        try:
            self._result = self._call(self)
        except Abandoned:
            pass
        except BaseException as error:  # it is raised again where somebody waits for it
            self._error = error
        finally:
            self._ended = True
            self._stands.release()
            del self._call  # and with it the pipeline's copy and its tensors
