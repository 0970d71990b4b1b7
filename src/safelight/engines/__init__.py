"""The hands: what makes pixels. An engine knows the request and nothing else of the house."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol

import numpy as np
import numpy.typing as npt

from safelight.catalog.request import ImageRequest

Pixels = npt.NDArray[np.uint8]  # [height, width, 3], sRGB


@dataclass(frozen=True, slots=True)
class Step:
    """One unit of work is done: `number` of `total`, counted from 1. A preview may come with it.

    Number 0 says that the work is prepared and how long it will be, with no unit done yet.
    """

    number: int
    total: int
    preview: Pixels | None = None  # small, of any size with the picture's ratio


@dataclass(frozen=True, slots=True)
class Picture:
    """One finished picture of exactly the size that was asked for."""

    pixels: Pixels
    seed: int  # what would make this very picture again


@dataclass(frozen=True, slots=True)
class Aside:
    """Work that needs no turn at the device: it is run in another thread, beside others' steps.

    The generator that yields it goes on, with what `work` returned or raised as the value of its
    yield expression, at its next turn: `text = yield Aside(lambda: encode(prompt))`.
    """

    work: Callable[[], Any]


@dataclass(frozen=True, slots=True)
class Note:
    """One line for the job's log. It must not quote the prompt."""

    text: str


Made = Step | Picture | Aside | Note


class Unsupported(NamedTuple):
    """A parameter of a request that an engine cannot honour."""

    parameter: str
    reason: str | None = None  # a clause for the caller, where there is more to say than that


class Engine(Protocol):
    """Something that turns a request into pictures, one step at a time.

    `generate` is a generator: it yields a `Step` after each unit of work and, in order, one
    `Picture` for each one asked for. Between two yields other requests may be given their turns,
    by the same thread; or the generator is closed: that is cancellation, and why steps should be
    short. Engines raise `EngineError` for what they cannot do. The same request on the same
    machine gives the same pixels.
    """

    name: str  # shown to callers in X-Safelight-Engine; no spaces
    starts_aside: bool  # the first thing yielded is an Aside, so that to begin costs no turn

    def load(self) -> None:
        """Read weights and warm up; called once, in the worker, before the first request."""
        ...

    def unsupported(self, request: ImageRequest) -> Unsupported | None:
        """The first parameter that this engine cannot honour, or None. Must not need `load`."""
        ...

    def generate(self, request: ImageRequest) -> Iterator[Made]: ...
