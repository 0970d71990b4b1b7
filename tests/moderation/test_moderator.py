"""The composition of filters: the first refusal counts, and a filter that fails passes nothing."""

from pathlib import Path

import numpy as np
import pytest
from patterns import Pixels, patterns

from safelight.errors import EngineError, JobErrorCode
from safelight.moderation import (
    ALLOWED,
    Category,
    Level,
    Moderator,
    NsfwClassifier,
    PromptRules,
    Verdict,
)

PICTURE = patterns()["sunset"]


class Broken:
    """A filter that loads, or not, and cannot judge."""

    name = "broken"

    def __init__(self, *, loads: bool = True):
        self.loads = loads

    def load(self) -> None:
        if not self.loads:
            raise FileNotFoundError("weights")

    def judge(self, *_: object, **__: object) -> Verdict:
        raise ZeroDivisionError

    def speaks_of_minors(self, text: str) -> bool:
        return False


class Told:
    """A picture filter that refuses, and remembers what it was told."""

    name = "told"

    def __init__(self) -> None:
        self.told: list[tuple[bool, bool]] = []

    def load(self) -> None: ...

    def judge(self, pixels: Pixels, *, strict: bool, minors: bool) -> Verdict:
        self.told.append((strict, minors))
        return Verdict(Category.GORE, 0.9, self.name)


@pytest.fixture(scope="module")
def moderator() -> Moderator:
    return Moderator([PromptRules()], [NsfwClassifier()])


def test_a_harmless_prompt_and_picture_pass(moderator: Moderator) -> None:
    moderator.check_prompt("three penguins in the snow at sunset").enforce()
    moderator.check_picture(PICTURE, prompt="three penguins").enforce()


def test_a_refusal_becomes_the_documented_failure(moderator: Moderator) -> None:
    verdict = moderator.check_prompt("a nude woman on a bed")
    assert (verdict.allowed, verdict.category) == (False, Category.SEXUAL)
    with pytest.raises(EngineError) as refused:
        verdict.enforce()
    assert refused.value.code is JobErrorCode.CONTENT_POLICY_VIOLATION
    assert not refused.value.retryable
    assert "nude" not in (refused.value.detail or "")


@pytest.mark.parametrize("broken", [Broken(), Broken(loads=False)])
def test_a_prompt_filter_that_fails_lets_nothing_pass(broken: Broken) -> None:
    moderator = Moderator([PromptRules(), broken], [NsfwClassifier()])
    with pytest.raises(EngineError) as failed:
        moderator.check_prompt("a cat")
    assert failed.value.code is JobErrorCode.SERVICE_UNAVAILABLE


@pytest.mark.parametrize("broken", [Broken(), Broken(loads=False)])
def test_a_picture_filter_that_fails_lets_nothing_pass(broken: Broken) -> None:
    moderator = Moderator([PromptRules()], [NsfwClassifier(), broken])
    with pytest.raises(EngineError) as failed:
        moderator.check_picture(PICTURE)
    assert failed.value.code is JobErrorCode.SERVICE_UNAVAILABLE


def test_missing_weights_let_nothing_pass_until_they_are_back(tmp_path: Path) -> None:
    weights = tmp_path / "pictures.onnx"
    moderator = Moderator([PromptRules()], [NsfwClassifier(weights=weights)])
    for _ in range(2):
        with pytest.raises(EngineError):
            moderator.check_prompt("a cat")
    weights.write_bytes(b"not a graph")
    with pytest.raises(EngineError):
        moderator.check_picture(PICTURE)
    weights.write_bytes(NsfwClassifier().weights.read_bytes())
    assert moderator.check_picture(PICTURE) == ALLOWED


def test_no_filters_are_no_moderator() -> None:
    with pytest.raises(ValueError, match="without filters"):
        Moderator([], [NsfwClassifier()])
    with pytest.raises(ValueError, match="without filters"):
        Moderator([PromptRules()], [])


def test_the_picture_filter_knows_whether_the_prompt_speaks_of_children() -> None:
    told = Told()
    moderator = Moderator([PromptRules()], [told])
    moderator.check_picture(PICTURE, prompt="a castle")
    moderator.check_picture(PICTURE, Level.STRICT, prompt="초등학생이 그린 그림")
    assert told.told == [(False, False), (True, True)]


@pytest.mark.parametrize(
    "pixels",
    [np.zeros((8, 8), np.uint8), np.zeros((8, 8, 4), np.uint8), np.zeros((8, 8, 3), np.float32)],
)
def test_what_is_no_picture_is_not_passed(moderator: Moderator, pixels: Pixels) -> None:
    with pytest.raises(EngineError):
        moderator.check_picture(pixels)


class Panic(BaseException):
    """As extensions in Rust end: no Exception."""


class Panicking(Broken):
    """A filter whose native code gives up."""

    def judge(self, *_: object, **__: object) -> Verdict:
        raise Panic


def test_a_filter_that_panics_lets_nothing_pass_and_ends_no_worker() -> None:
    with pytest.raises(EngineError):
        Moderator([Panicking()], [Told()]).check_prompt("a cat")
