"""The picture filter: the converted classifier is the original one, and what follows from it."""

import json
import math
import time
from pathlib import Path

import numpy as np
import pytest
from patterns import SIDE, patterns

from safelight.moderation import Category, NsfwClassifier
from safelight.moderation.pictures import Scores, decide, views

# By TensorFlow.js 4 on the original weights: training/moderation/reference.cjs.
REFERENCE = json.loads((Path(__file__).parent / "reference.json").read_text())


@pytest.fixture(scope="module")
def classifier() -> NsfwClassifier:
    found = NsfwClassifier()
    found.load()
    return found


def scores(explicit: float = 0.0, sexy: float = 0.0) -> Scores:
    return Scores(0.0, explicit / 2, 1 - explicit - sexy, explicit / 2, sexy)


@pytest.mark.parametrize("name", REFERENCE)
def test_the_converted_graph_answers_as_the_original_does(
    classifier: NsfwClassifier, name: str
) -> None:
    found = classifier.scores(patterns()[name])
    expected = Scores(*REFERENCE[name])
    for kind in Scores.__slots__:
        assert math.isclose(getattr(found, kind), getattr(expected, kind), abs_tol=1e-3), kind


@pytest.mark.parametrize("strict", [False, True])
def test_patterns_noise_and_bare_colours_pass(classifier: NsfwClassifier, strict: bool) -> None:
    for name, pixels in patterns().items():
        assert classifier.judge(pixels, strict=strict).allowed, name


@pytest.mark.parametrize(
    ("found", "base", "strict", "minors"),
    [
        (scores(), True, True, True),
        (scores(explicit=0.25), True, True, True),
        (scores(explicit=0.35), True, True, False),
        (scores(explicit=0.5), True, False, False),
        (scores(explicit=0.75), False, False, False),
        (scores(sexy=0.5), True, True, False),
        (scores(sexy=0.9), True, False, False),
        (scores(explicit=0.4, sexy=0.4), True, False, False),
        (scores(explicit=math.nan), False, False, False),
    ],
)
def test_who_is_refused_at_which_setting(
    found: Scores, base: bool, strict: bool, minors: bool
) -> None:
    assert decide(found, strict=False, minors=False).allowed is base
    assert decide(found, strict=True, minors=False).allowed is strict
    assert decide(found, strict=False, minors=True).allowed is minors
    if not minors:
        assert decide(found, strict=False, minors=True).category is Category.MINORS
    if not base:
        assert decide(found, strict=False, minors=False).category is Category.SEXUAL


@pytest.mark.parametrize(
    ("height", "width", "count"), [(1024, 1024, 1), (1152, 928, 1), (640, 1504, 3), (1504, 640, 3)]
)
def test_a_long_picture_is_looked_at_from_end_to_end(height: int, width: int, count: int) -> None:
    pixels = np.zeros((height, width, 3), np.uint8)
    pixels[-4:, -4:] = 255  # a corner that only the whole and the far end see
    found = list(views(pixels))
    assert len(found) == count
    assert all(view.shape == (SIDE, SIDE, 3) for view in found)
    assert [bool(view[-1, -1].max()) for view in found] == [True, False, True][:count]


def test_a_picture_of_2k_is_judged_in_a_fifth_of_a_second(classifier: NsfwClassifier) -> None:
    pixels = np.random.default_rng(1).integers(0, 256, (1152, 2048, 3), np.uint8)
    seconds = []
    for _ in range(3):
        begun = time.thread_time()  # other tests run beside this one
        classifier.judge(pixels, strict=True)
        seconds.append(time.thread_time() - begun)
    assert min(seconds) < 0.2
