"""Whether a prompt may be drawn and a picture may be shown: filters that fail closed."""

import logging
import threading
from collections.abc import Callable, Sequence
from functools import partial
from typing import Protocol, TypeVar

import numpy as np
import numpy.typing as npt

from safelight.errors import EngineError, JobErrorCode
from safelight.moderation.meaning import Encode, PromptClassifier
from safelight.moderation.pictures import NsfwClassifier
from safelight.moderation.prompts import PromptRules
from safelight.moderation.verdict import ALLOWED, Category, Level, Refused, Verdict

__all__ = [
    "ALLOWED",
    "Category",
    "Encode",
    "Level",
    "Moderator",
    "NsfwClassifier",
    "PictureFilter",
    "PromptClassifier",
    "PromptFilter",
    "PromptRules",
    "Refused",
    "Verdict",
]

T = TypeVar("T")
Pixels = npt.NDArray[np.uint8]  # [height, width, 3], sRGB

log = logging.getLogger(__name__)


class PromptFilter(Protocol):
    """Something that judges words."""

    name: str

    def load(self) -> None:
        """Read what it needs; called once, and again after it has failed."""

    def judge(self, text: str, *, strict: bool) -> Verdict:
        """Whatever it raises, nothing passes. Called from several threads."""

    def speaks_of_minors(self, text: str) -> bool:
        """Pictures are then held to a lower threshold; False when it cannot tell."""


class PictureFilter(Protocol):
    """Something that judges pixels. `minors`: the prompt speaks of them."""

    name: str

    def load(self) -> None: ...

    def judge(self, pixels: Pixels, *, strict: bool, minors: bool) -> Verdict: ...


class Moderator:
    """Every filter in turn; the first refusal counts, and a filter that fails lets nothing pass.

    The checks are synchronous and use the CPU: call them in a thread, from as many as you like.
    """

    def __init__(
        self,
        prompts: Sequence[PromptFilter],
        pictures: Sequence[PictureFilter],
        slow_prompts: Sequence[PromptFilter] = (),
    ):
        """`slow_prompts` are asked while the engine is already at work, and before it shows."""
        if not prompts or not pictures:
            raise ValueError("a moderator without filters would let everything pass")
        self._prompts = prompts
        self._pictures = pictures
        self._slow_prompts = slow_prompts
        self.has_slow = bool(slow_prompts)
        self._loading = threading.Lock()
        self._loaded = False

    def load(self) -> None:
        """Read rules and weights. A check does so itself when it comes first, or after a failure.

        Raises EngineError, with the code service_unavailable.
        """
        with self._loading:
            if not self._loaded:
                for words in (*self._prompts, *self._slow_prompts):
                    _or_fail(words.name, words.load)
                for pixels in self._pictures:
                    _or_fail(pixels.name, pixels.load)
                self._loaded = True

    def check_prompt(self, text: str, level: Level = Level.BASE) -> Verdict:
        """Whether the words may be drawn. Raises EngineError when that cannot be told."""
        return self._check_words(self._prompts, text, level)

    def check_prompt_slowly(self, text: str, level: Level = Level.BASE) -> Verdict:
        """The same by the filters that take their time."""
        return self._check_words(self._slow_prompts, text, level)

    def check_picture(
        self, pixels: Pixels, level: Level = Level.BASE, *, prompt: str = ""
    ) -> Verdict:
        """Whether the pixels may be shown. Raises EngineError when that cannot be told.

        With the prompt, a picture of children is held to a far lower threshold.
        """
        self.load()
        minors = any(
            _or_fail(words.name, partial(words.speaks_of_minors, prompt)) for words in self._prompts
        )
        strict, near = level is Level.STRICT, ALLOWED
        for filter_ in self._pictures:
            judge = partial(filter_.judge, pixels, strict=strict, minors=minors)
            found = _or_fail(filter_.name, judge)
            if _counts(found, level):
                return found
            near = _nearer(near, found)
        return near

    def _check_words(self, filters: Sequence[PromptFilter], text: str, level: Level) -> Verdict:
        self.load()
        strict, near = level is Level.STRICT, ALLOWED
        for words in filters:
            found = _or_fail(words.name, partial(words.judge, text, strict=strict))
            if _counts(found, level):
                return found
            near = _nearer(near, found)
        return near


def _counts(found: Verdict, level: Level) -> bool:
    """Whether it is refused on this level."""
    if level is Level.MINORS:
        return found.category is Category.MINORS
    return not found.allowed


def _nearer(one: Verdict, other: Verdict) -> Verdict:
    """Of two that are allowed, the one that a person may want to look at."""
    return other if other.allowed and other.near is not None else one


def _or_fail(name: str, work: Callable[[], T]) -> T:
    """Filters may be other people's code: whatever they raise, nothing passes. Native parts of them
    panic beside Exception.
    """
    try:
        return work()
    except BaseException as error:
        log.exception("the filter %s failed", name)
        raise EngineError(
            "The content filter is not available.", code=JobErrorCode.SERVICE_UNAVAILABLE
        ) from error
