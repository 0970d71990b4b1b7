"""The embedded engine: exact sizes, the same pixels again, and pictures of what was asked for."""

import hashlib
import subprocess
import sys
from collections import deque
from itertools import islice
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from safelight.catalog.request import ImageRequest
from safelight.engines import Picture, Pixels, Step
from safelight.engines.mini import WEIGHTS, MiniEngine
from safelight.errors import EngineError

pytestmark = pytest.mark.skipif(not (WEIGHTS / "flow.onnx").exists(), reason="no weights here")

SQUARE = (320, 320)


@pytest.fixture(scope="module")
def engine() -> MiniEngine:
    engine = MiniEngine()
    engine.load()
    return engine


def a_request(prompt: str = "a red apple", **fields: Any) -> ImageRequest:
    width, height = SQUARE
    defaults = {"model": "mini", "width": width, "height": height, "seed": 7, "steps": 8}
    return ImageRequest(**defaults | fields, prompt=prompt)


def draw(engine: MiniEngine, prompt: str = "a red apple", **fields: Any) -> Pixels:
    *_, last = engine.generate(a_request(prompt, **fields))
    assert isinstance(last, Picture)
    return last.pixels


def middle(pixels: Pixels) -> NDArray[np.float64]:
    """The mean colour of the middle quarter of each side."""
    height, width, _ = pixels.shape
    part = pixels[3 * height // 8 : 5 * height // 8, 3 * width // 8 : 5 * width // 8]
    return part.reshape(-1, 3).mean(0)


# Sizes


@pytest.mark.parametrize(
    ("width", "height"),
    [(1024, 1024), (896, 1152), (1472, 704), (256, 256), (1023, 577), (300, 1201), (2816, 1408)],
)
def test_a_picture_has_exactly_the_size_that_was_asked_for(
    engine: MiniEngine, width: int, height: int
):
    pixels = draw(engine, "a fox in the snow", width=width, height=height, steps=4)
    assert pixels.shape == (height, width, 3)
    assert pixels.dtype == np.uint8


@pytest.mark.parametrize(("width", "height"), [(8193, 512), (512, 10)])
def test_a_size_out_of_range_is_an_engine_error(engine: MiniEngine, width: int, height: int):
    with pytest.raises(EngineError, match="pixels"):
        draw(engine, width=width, height=height)


def test_a_larger_picture_shows_the_same_scene(engine: MiniEngine):
    small, large = (draw(engine, "a castle at sunset", width=s, height=s) for s in (256, 512))
    reduced = large.reshape(256, 2, 256, 2, 3).mean((1, 3))
    assert np.abs(reduced - small).mean() < 8


# The same again


def test_the_same_request_makes_the_same_pixels_whatever_came_before(engine: MiniEngine):
    first = draw(engine, "two cats on the beach")
    draw(engine, "five robots in space", seed=99, width=512)
    assert np.array_equal(draw(engine, "two cats on the beach"), first)


def test_another_process_makes_the_same_pixels(engine: MiniEngine):
    code = (
        "import hashlib\n"
        "from safelight.catalog.request import ImageRequest\n"
        "from safelight.engines.mini import MiniEngine\n"
        "engine = MiniEngine(); engine.load()\n"
        "*_, last = engine.generate(ImageRequest(model='mini', prompt='a blue car in the city',"
        " width=320, height=320, seed=7, steps=8))\n"
        "print(hashlib.sha256(last.pixels.tobytes()).hexdigest())\n"
    )
    ran = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    here = hashlib.sha256(draw(engine, "a blue car in the city").tobytes()).hexdigest()
    assert ran.stdout.strip() == here


def test_other_seeds_make_visibly_other_pictures(engine: MiniEngine):
    for prompt in ("a red apple", "a serene mountain landscape at sunset"):
        one, other = (draw(engine, prompt, seed=seed).astype(int) for seed in (1, 2))
        assert np.abs(one - other).mean() > 3


def test_each_picture_of_a_request_can_be_made_again_by_its_own_seed(engine: MiniEngine):
    events = engine.generate(a_request(count=3))
    third = [event for event in events if isinstance(event, Picture)][2]
    assert third.seed == 9
    assert np.array_equal(draw(engine, seed=third.seed), third.pixels)


# Steps


def test_steps_are_numbered_without_gaps_up_to_their_total(engine: MiniEngine):
    steps = [event for event in engine.generate(a_request(count=2)) if isinstance(event, Step)]
    assert [step.number for step in steps] == list(range(1, steps[0].total + 1))
    assert len({step.total for step in steps}) == 1


def test_pictures_come_in_order_each_after_its_own_steps(engine: MiniEngine):
    events = list(engine.generate(a_request(count=2)))
    assert [event.seed for event in events if isinstance(event, Picture)] == [7, 8]
    assert isinstance(events[-1], Picture)


def test_a_small_preview_of_the_same_ratio_comes_before_the_picture(engine: MiniEngine):
    *steps, picture = engine.generate(a_request("a dog on a hill", width=512, height=256))
    [preview] = [step.preview for step in steps if step.preview is not None]
    assert preview.shape == (128, 256, 3)
    reduced = picture.pixels.reshape(128, 2, 256, 2, 3).mean((1, 3))
    assert np.abs(reduced - preview).mean() < 8


def test_the_request_decides_the_number_of_flow_steps(engine: MiniEngine):
    few, many = (next(engine.generate(a_request(steps=steps))) for steps in (4, 20))
    assert many.total - few.total == 16


@pytest.mark.parametrize("after", [1, 3, 9])
def test_it_can_be_stopped_between_any_two_steps_and_used_again(engine: MiniEngine, after: int):
    events = engine.generate(a_request(width=1024, height=1024))
    deque(islice(events, after), maxlen=0)
    events.close()
    assert draw(engine).shape == (320, 320, 3)


# What is in the picture


@pytest.mark.parametrize(
    ("prompt", "strong", "weak"),
    [
        ("a red apple", 0, 2),
        ("a blue car", 2, 0),
        ("a green teapot", 1, 0),
        ("빨간 사과", 0, 2),
        ("a yellow teapot", 0, 2),
    ],
)
def test_a_thing_has_the_colour_that_was_asked_for(
    engine: MiniEngine, prompt: str, strong: int, weak: int
):
    for seed in (1, 2):
        colour = middle(draw(engine, prompt, seed=seed))
        assert colour[strong] > colour[weak] + 30


def test_a_black_background_is_black_in_the_corners_and_the_thing_is_not(engine: MiniEngine):
    pixels = draw(engine, "silver headphones on matte black")
    for corner in (pixels[:20, :20], pixels[:20, -20:], pixels[-20:, :20], pixels[-20:, -20:]):
        assert corner.mean() < 50
    bright = pixels.max(2) > 110
    assert bright.mean() > 0.04
    assert np.ptp(pixels[bright].astype(int), axis=1).mean() < 25  # silver has no hue


def test_a_landscape_has_a_warm_low_sky_and_a_dark_ground_at_sunset(engine: MiniEngine):
    pixels = draw(engine, "a serene mountain landscape at sunset").astype(int)
    red, _, blue = pixels[96:160].reshape(-1, 3).mean(0)
    assert red > blue
    assert pixels[-40:].mean() < pixels[:160].mean()


def test_korean_and_english_make_the_same_picture(engine: MiniEngine):
    assert np.array_equal(
        draw(engine, "눈 속의 펭귄 세 마리"), draw(engine, "three penguins in the snow")
    )


@pytest.mark.parametrize(
    "prompt",
    [
        "!",
        "🦊🍎",
        "…—„“",
        "\x00\x01",
        "ﷺ" * 50,
        "a" * 18000,
        "word " * 3600,
        "한" * 18000,
        "zxqv",
        "\u200b",
        "\ud800 cat",
        "-_'",
    ],
)
def test_any_prompt_makes_a_picture(engine: MiniEngine, prompt: str):
    assert draw(engine, prompt, width=256, height=256, steps=4).std() > 3


# What it refuses


def test_picture_inputs_are_named_as_unsupported(engine: MiniEngine):
    for name in ("image_url", "image_urls", "styles", "moodboards", "image_style_references"):
        assert MiniEngine().unsupported(a_request(parameters={name: ["x"]})) == (name, None)


def test_harmless_or_empty_parameters_are_supported():
    parameters = {"creativity": "high", "negative_prompt": "blur", "image_urls": [], "styles": None}
    assert MiniEngine().unsupported(a_request(parameters=parameters)) is None
