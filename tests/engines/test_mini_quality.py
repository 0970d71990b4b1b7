"""Pictures of a few fixed prompts still show what was asked for, by a small judge's eye.

The judge (mini_judge.npz) was taught on drawings by people, never on Mini's pictures; training/
README.md says how to make it anew. The whole evaluation is in docs/concepts/mini.md.
"""

import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

ROOT = Path(__file__).parent.parent.parent
sys.path.insert(0, str(ROOT))  # training/ is beside tests/, and no installed package

from training.eye import Eye, Look, stacked  # noqa: E402
from training.panel import Judge  # noqa: E402
from training.views import closer  # noqa: E402

from safelight.catalog.request import ImageRequest  # noqa: E402
from safelight.engines import Picture, Pixels  # noqa: E402
from safelight.engines.mini import WEIGHTS, MiniEngine  # noqa: E402
from safelight.moderation.pictures import WEIGHTS as EYE  # noqa: E402

pytestmark = pytest.mark.skipif(not (WEIGHTS / "flow.onnx").exists(), reason="no weights here")

SIDE = 256  # pixels
ASKED = {  # prompt → thing and colour
    "a red cat": ("cat", "red"),
    "a blue owl": ("owl", "blue"),
    "분홍색 펭귄": ("penguin", "pink"),
    "a green elephant": ("elephant", "green"),
    "a yellow car": ("automobile", "yellow"),
    "a purple guitar": ("guitar", "purple"),
    "빨간 우산": ("umbrella", "red"),
    "a blue crown": ("crown", "blue"),
    "a green rocket": ("rocket", "green"),
    "a pink cactus": ("cactus", "pink"),
    "노란 장미": ("rose", "yellow"),
    "a purple house": ("house", "purple"),
}
COUNTED = {"a cat": 1, "two penguins": 2, "three owls": 3, "고양이 네 마리": 4}
COLOURS = ("red", "yellow", "green", "blue", "purple", "pink")  # as the judge numbers them

# What was measured, less a margin for other processors' roundings: a fall below is a change
LEAST_THINGS, LEAST_COLOURS, LEAST_COUNTS = 9 / 12, 9 / 12, 3 / 4


@dataclass(frozen=True)
class Drawn:
    """What is seen of the pictures of ASKED, from near and whole, and of COUNTED."""

    near: Look
    asked: Look
    counted: Look


@pytest.fixture(scope="module")
def drawn() -> Drawn:
    engine, eye = MiniEngine(), Eye(EYE)
    engine.load()

    def draw(prompt: str) -> Pixels:
        request = ImageRequest(model="mini", prompt=prompt, width=SIDE, height=SIDE, seed=3)
        *_, last = engine.generate(request)
        assert isinstance(last, Picture)
        return last.pixels

    asked, counted = [draw(prompt) for prompt in ASKED], [draw(prompt) for prompt in COUNTED]
    shown = ([closer(pixels) for pixels in asked], asked, counted)
    return Drawn(*(stacked([eye.look(pixels) for pixels in part]) for part in shown))


@pytest.fixture(scope="module")
def judge() -> Judge:
    return Judge.read(Path(__file__).parent / "mini_judge.npz")


def things_in(look: Look, judge: Judge) -> list[str]:
    return [judge.things[k] for k in judge.says("thing", look)]


def colours_in(look: Look, judge: Judge) -> list[str]:
    return [COLOURS[k] for k in judge.says("colour", look)]


def counts_in(look: Look, judge: Judge) -> list[int]:
    return [int(k) + 1 for k in judge.says("count", look)]


def right(said: list, wanted: list) -> float:
    return float(np.mean([one == other for one, other in zip(said, wanted, strict=True)]))


def test_things_are_recognised(drawn: Drawn, judge: Judge):
    said = things_in(drawn.near, judge)
    assert right(said, [thing for thing, _ in ASKED.values()]) >= LEAST_THINGS, said


def test_things_have_the_colour_that_was_asked_for(drawn: Drawn, judge: Judge):
    said = colours_in(drawn.asked, judge)
    assert right(said, [colour for _, colour in ASKED.values()]) >= LEAST_COLOURS, said


def test_there_are_as_many_as_were_asked_for(drawn: Drawn, judge: Judge):
    said = counts_in(drawn.counted, judge)
    assert right(said, list(COUNTED.values())) >= LEAST_COUNTS, said


def test_pictures_of_other_prompts_would_not_pass(drawn: Drawn, judge: Judge):
    """The judge sees what is there, and not what was asked for."""
    things = [thing for thing, _ in ASKED.values()]
    colours = [colour for _, colour in ASKED.values()]
    assert right(things_in(drawn.near, judge), things[1:] + things[:1]) < LEAST_THINGS / 2
    assert right(colours_in(drawn.asked, judge), colours[1:] + colours[:1]) < LEAST_COLOURS / 2
    counts = list(COUNTED.values())
    assert right(counts_in(drawn.counted, judge), counts[::-1]) < LEAST_COUNTS
