"""The fake engine: what other tests rely on."""

import subprocess
import sys
import threading
import time
from itertools import islice
from typing import Any

import numpy as np
import pytest

from safelight.catalog.request import ImageRequest
from safelight.engines import Engine, Picture, Step
from safelight.engines.fake import CRASH_STATUS, FakeEngine, pattern
from safelight.errors import EngineError


def a_request(prompt: str = "a cat", **fields: Any) -> ImageRequest:
    return ImageRequest(
        **{"model": "fake", "width": 96, "height": 64, "seed": 7} | fields, prompt=prompt
    )


def pictures(engine: Engine, request: ImageRequest) -> list[Picture]:
    return [event for event in engine.generate(request) if isinstance(event, Picture)]


def test_steps_come_first_and_are_numbered_from_one():
    events = list(FakeEngine(steps=3).generate(a_request(count=2)))
    assert [type(event) for event in events] == [Step, Step, Step, Picture, Picture]
    assert [(step.number, step.total) for step in events[:3]] == [(1, 3), (2, 3), (3, 3)]


def test_one_step_carries_a_preview_of_the_same_ratio():
    [step] = [
        e
        for e in FakeEngine().generate(a_request())
        if isinstance(e, Step) and e.preview is not None
    ]
    assert step.preview.shape == (21, 32, 3)


@pytest.mark.parametrize(("width", "height"), [(256, 256), (1023, 577), (64, 1), (2816, 1408)])
def test_a_picture_has_exactly_the_size_that_was_asked_for(width: int, height: int):
    [picture] = pictures(FakeEngine(), a_request(width=width, height=height))
    assert picture.pixels.shape == (height, width, 3)
    assert picture.pixels.dtype == np.uint8


def test_the_same_request_makes_the_same_picture():
    [one], [other] = (pictures(FakeEngine(), a_request()) for _ in range(2))
    assert np.array_equal(one.pixels, other.pixels)


@pytest.mark.parametrize("change", [{"prompt": "a dog"}, {"seed": 8}, {"width": 97}])
def test_prompt_seed_and_size_each_change_the_picture(change: dict[str, Any]):
    [one], [other] = (pictures(FakeEngine(), a_request(**fields)) for fields in ({}, change))
    assert not np.array_equal(one.pixels[:64, :64], other.pixels[:64, :64])


def test_each_picture_of_a_request_can_be_made_again_by_its_own_seed():
    _, second = pictures(FakeEngine(), a_request(count=2))
    [again] = pictures(FakeEngine(), a_request(seed=second.seed))
    assert np.array_equal(second.pixels, again.pixels)


def test_its_seconds_are_spread_over_the_steps():
    naps: list[float] = []
    list(FakeEngine(steps=4, seconds=2.0, sleep=naps.append).generate(a_request()))
    assert naps == [0.5] * 4


def test_slow_prompts_take_longer_and_others_never_sleep():
    naps: list[float] = []
    engine = FakeEngine(steps=2, sleep=naps.append)
    list(engine.generate(a_request("a cat")))
    assert naps == []
    list(engine.generate(a_request("a slow cat")))
    assert naps == [0.05, 0.05]


def test_explode_raises_after_work_has_begun():
    events = FakeEngine().generate(a_request("explode please"))
    assert isinstance(next(events), Step)
    with pytest.raises(EngineError):
        next(events)


def test_empty_ends_without_a_picture():
    assert pictures(FakeEngine(), a_request("empty")) == []


def test_hang_waits_until_it_is_let_go():
    unhang = threading.Event()
    events = FakeEngine(steps=2, unhang=unhang).generate(a_request("hang"))
    next(events)
    rest: list[Step | Picture] = []
    thread = threading.Thread(target=lambda: rest.extend(islice(events, 2)))
    thread.start()
    thread.join(timeout=0.05)
    assert thread.is_alive()
    unhang.set()
    thread.join()
    assert [type(event) for event in rest] == [Step, Picture]


def test_crash_kills_its_process():
    code = (
        "from safelight.engines.fake import FakeEngine\n"
        "from safelight.catalog.request import ImageRequest\n"
        "list(FakeEngine().generate(ImageRequest(model='', prompt='crash', width=8, height=8)))\n"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == CRASH_STATUS


def test_a_megapixel_costs_about_a_millisecond():
    pattern("warm", 0, 1024, 1024)
    began = time.perf_counter()
    for seed in range(20):
        pattern("a cat", seed, 1024, 1024)
    assert (time.perf_counter() - began) / 20 < 0.01  # tenfold room for a busy machine
