"""What content filters refuse is never drawn, stored, linked or charged; and they fail closed."""

import threading
from base64 import b64encode
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

from keeping import Books
from safelight import images
from safelight.catalog.request import ImageRequest
from safelight.engines import Picture, Pixels, Step
from safelight.engines.fake import FakeEngine
from safelight.flows import sweep
from safelight.moderation import ALLOWED, Category, Level, Moderator, Verdict
from working import Raising, Studio

REFUSED = Verdict(Category.GORE, 1.0, "test")


class Words:
    """Refuses "forbidden", breaks at "breaks"."""

    name = "words"

    def __init__(self, refusal: Verdict = REFUSED):
        self.refusal = refusal

    def load(self) -> None: ...

    def judge(self, text: str, *, strict: bool) -> Verdict:
        if text == "breaks":
            raise ZeroDivisionError
        refused = text == "forbidden" or (strict and text == "risky")
        return self.refusal if refused else ALLOWED

    def speaks_of_minors(self, text: str) -> bool:
        return False


class Sizes:
    """Refuses pictures of these widths, and breaks at some."""

    name = "sizes"

    def __init__(self, *, refused: int = 0, breaks: int = 0):
        self.refused = refused
        self.breaks = breaks
        self.files: Callable[[], set[str]] = set
        self.on_disk: set[str] = set()  # while a whole picture was looked at

    def load(self) -> None: ...

    def judge(self, pixels: Pixels, *, strict: bool, minors: bool) -> Verdict:
        width = pixels.shape[1]
        if width == 1024:
            self.on_disk |= {name for name in self.files() if "-p" not in name}
        if width == self.breaks:
            raise ZeroDivisionError
        return REFUSED if width == self.refused else ALLOWED


@pytest.fixture
def studio(books: Books, tmp_path: Path) -> Studio:
    studio = Studio(books, tmp_path / "pictures")
    studio.moderator = Moderator([Words()], [Sizes()])
    return studio


@pytest.mark.parametrize(
    ("prompt", "strict", "code"),
    [
        ("forbidden", False, "content_policy_violation"),
        ("risky", True, "content_policy_violation"),
        ("breaks", False, "service_unavailable"),
    ],
)
def test_words_that_are_refused_never_reach_the_engine(
    studio: Studio, prompt: str, strict: bool, code: str
):
    engine = Raising(AssertionError())
    [job] = studio.work(engine, studio.order(prompt, strict_moderation=strict))
    assert (job.state, job.error_code, engine.requests) == ("failed", code, 0)
    assert "forbidden" not in (job.error_message or "")
    studio.assert_nothing_was_charged()


def test_a_picture_to_start_from_that_is_refused_never_reaches_the_engine(studio: Studio):
    studio.moderator = Moderator([Words()], [Sizes(refused=1024)])
    png = images.encode_png(np.zeros((64, 64, 3), np.uint8))
    source = {"image_url": f"data:image/png;base64,{b64encode(png).decode()}"}
    engine = Raising(AssertionError())
    order = studio.order(width=1024, height=1024, parameters=source)
    [job] = studio.work(engine, order)
    assert (job.error_code, engine.requests) == ("content_policy_violation", 0)
    studio.assert_nothing_was_charged()


@pytest.mark.parametrize(
    ("pictures", "code"),
    [
        (Sizes(refused=1024), "content_policy_violation"),
        (Sizes(breaks=1024), "service_unavailable"),
    ],
)
def test_a_picture_that_is_refused_is_never_stored(studio: Studio, pictures: Sizes, code: str):
    studio.moderator = Moderator([Words()], [pictures])
    [job] = studio.work(FakeEngine(), studio.order(width=1024, height=1024, count=2))
    assert (job.state, job.error_code) == ("failed", code)
    assert studio.names(job, "final") == []
    assert studio.files() == set(studio.names(job, "preview"))
    studio.assert_nothing_was_charged()


def test_previews_of_a_picture_that_is_refused_are_swept(studio: Studio):
    """Links to them were given out while the picture was made."""
    studio.moderator = Moderator([Words()], [Sizes(refused=1024)])
    slow = FakeEngine(seconds=0.4)
    [job] = studio.work(slow, studio.order(width=1024, height=1024))
    assert studio.names(job, "preview"), "one was stored"
    studio.books.run(sweep.remove_expired_pictures(studio.books.db, studio.store))
    assert studio.files() == set()


def test_a_preview_that_is_refused_is_not_stored_and_the_job_goes_on(studio: Studio):
    studio.moderator = Moderator([Words()], [Sizes(refused=32)])
    [job] = studio.work(FakeEngine(), studio.order())
    assert job.state == "completed"
    assert studio.names(job, "preview") == []
    assert studio.files() == set(studio.names(job, "final"))


def test_what_the_filters_allow_is_drawn(studio: Studio):
    [job] = studio.work(FakeEngine(), studio.order("risky"))
    assert job.state == "completed"
    assert studio.names(job, "final")


def test_words_that_a_style_adds_are_judged_with_the_prompt(studio: Studio):
    studio.words = lambda job: job.request.prompt.replace("style", "forbidden")
    [job] = studio.work(Raising(AssertionError()), studio.order("style"))
    assert job.error_code == "content_policy_violation"


@pytest.mark.parametrize(
    ("category", "state"), [(Category.GORE, "completed"), (Category.MINORS, "failed")]
)
def test_the_loosest_level_refuses_sexual_content_with_minors_and_nothing_else(
    studio: Studio, category: Category, state: str
):
    studio.level = Level.MINORS
    studio.moderator = Moderator([Words(Verdict(category, 1.0, "test"))], [Sizes()])
    [job] = studio.work(FakeEngine(), studio.order("forbidden"))
    assert job.state == state


def test_who_asks_for_the_stricter_check_gets_it_on_the_loosest_level(studio: Studio):
    studio.level = Level.MINORS
    [job] = studio.work(FakeEngine(), studio.order("risky", strict_moderation=True))
    assert job.error_code == "content_policy_violation"


def test_on_the_strict_level_nobody_has_to_ask(studio: Studio):
    studio.level = Level.STRICT
    [job] = studio.work(FakeEngine(), studio.order("risky"))
    assert job.error_code == "content_policy_violation"


def test_nothing_is_on_disk_before_the_filters_have_answered(studio: Studio):
    sizes = Sizes()
    sizes.files = studio.files
    studio.moderator = Moderator([Words()], [sizes])
    [job] = studio.work(FakeEngine(), studio.order(width=1024, height=1024, count=2))
    assert job.state == "completed"
    assert sizes.on_disk == set()


class Thoughtful(Words):
    """Takes its time before it answers: until a step of the engine was seen."""

    name = "thoughtful"

    def __init__(self) -> None:
        super().__init__()
        self.answers = threading.Event()

    def judge(self, text: str, *, strict: bool) -> Verdict:
        assert self.answers.wait(20)
        return super().judge(text, strict=strict)


@pytest.mark.parametrize(
    ("prompt", "code"),
    [("forbidden", "content_policy_violation"), ("breaks", "service_unavailable")],
)
def test_what_a_slow_filter_refuses_is_stopped_and_never_shown(
    studio: Studio, prompt: str, code: str
):
    """It is asked while the engine is at work."""
    slow = Thoughtful()
    studio.moderator = Moderator([Quick()], [Sizes()], [slow])
    [job] = studio.work(Signalling(slow.answers), studio.order(prompt))
    assert (job.state, job.error_code) == ("failed", code)
    assert studio.files() == set(), "no preview either"
    studio.assert_nothing_was_charged()


def test_what_a_slow_filter_allows_is_shown_once_it_has_answered(studio: Studio):
    slow = Thoughtful()
    studio.moderator = Moderator([Quick()], [Sizes()], [slow])
    [job] = studio.work(Signalling(slow.answers), studio.order())
    assert job.state == "completed"
    assert studio.names(job, "final")


class Quick(Words):
    """Refuses nothing."""

    def judge(self, text: str, *, strict: bool) -> Verdict:
        return ALLOWED


class Signalling(FakeEngine):
    """Lets a filter answer once its preview is out."""

    def __init__(self, answers: threading.Event):
        super().__init__(seconds=0.4)
        self.answers = answers

    def generate(self, request: ImageRequest) -> Iterator[Step | Picture]:
        for made in super().generate(request):
            yield made
            if isinstance(made, Step) and made.preview is not None:
                self.answers.set()


def test_a_refusal_whose_score_is_no_number_is_a_refusal_still(studio: Studio):
    """Weights in half precision answer so; the database knows no such number."""
    studio.moderator = Moderator([Words(Verdict(Category.GORE, float("nan"), "test"))], [Sizes()])
    [job] = studio.work(FakeEngine(), studio.order("forbidden"))
    assert (job.state, job.error_code) == ("failed", "content_policy_violation")
    studio.assert_nothing_was_charged()
