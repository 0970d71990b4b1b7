"""Enlarged cut-outs: crisp edges without seams, the same again, and no work done twice."""

import sys
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from reading import lexicon
from safelight.engines.mini import WEIGHTS
from safelight.engines.mini.arrange import Placed
from safelight.engines.mini.canvas import Frame
from safelight.engines.mini.compose import Layout
from safelight.engines.mini.enlarger import Enlarger
from safelight.engines.mini.idea import Idea, Subject
from safelight.engines.mini.lexicon import Floats
from safelight.engines.mini.lighting import Light
from safelight.engines.mini.picture import FEWEST_STEPS, Sketch
from safelight.engines.mini.scenes import Scene
from safelight.engines.mini.sprites import SpriteModel
from safelight.engines.mini.upscale import Cutout, cut_out, unpremultiply

pytestmark = pytest.mark.skipif(not (WEIGHTS / "flow.onnx").exists(), reason="no weights here")

SPRITE, FINE = 128, 8  # pixels to a side, and samples to a pixel
RED, DARK, WHITE = (np.array(c, np.float32) for c in ((220, 40, 40), (24, 20, 40), (255,) * 3))


@cache
def model() -> SpriteModel:
    return SpriteModel(WEIGHTS, 1)


class Counting:
    """In place of the network: repeats pixels, and counts how often it is run."""

    def __init__(self) -> None:
        self.runs = 0

    def run(self, _outputs: None, given: dict[str, Floats]) -> list[Floats]:
        self.runs += 1
        return [given["x"].repeat(4, axis=2).repeat(4, axis=3)]


def ground() -> tuple[Floats, Floats]:
    """Distance from the middle and angle of every sample, the sprite reaching from -1 to 1."""
    at = (np.arange(SPRITE * FINE, dtype=np.float32) + 0.5) * 2 / (SPRITE * FINE) - 1
    return np.hypot(at[None], at[:, None]), np.arctan2(at[:, None], at[None])


def a_disc() -> Cutout:
    """Red, of 0.8, with a dark one of 0.4 in it."""
    distance, _ = ground()
    return drawn(np.where((distance < 0.4)[..., None], DARK, RED), distance < 0.8)


def a_star() -> Cutout:
    """Five points, leaning to one side."""
    distance, angle = ground()
    return drawn(RED, distance < 0.6 + 0.25 * np.cos(5 * angle + 0.7))


def a_square() -> Cutout:
    """All of the sprite, to its borders."""
    return drawn(RED, np.ones_like(ground()[0], dtype=bool))


def drawn(colour: Floats, inside: Any) -> Cutout:
    """As the decoder would draw it at its best."""
    rgb = np.where(inside[..., None], colour / 255, 0).astype(np.float32)
    sprite = np.concatenate([rgb, inside[..., None]], -1)
    small = sprite.reshape(SPRITE, FINE, SPRITE, FINE, 4).mean((1, 3), dtype=np.float32)
    return cut_out(*unpremultiply(small))


def picture(cutout: Cutout, side: int) -> Floats:
    """[side, side, 3] in 0..255, of nothing else, on white."""
    frame = Frame.of(side, side)
    things = list(model().enlarger.enlarged([Placed(cutout, 0, 0, side, lifted=True)]))
    white = Scene([lambda strip: strip.fill(WHITE)], [], 1.0, afloat=True, light=Light(sun=0))
    strips = list(frame.strips())
    for strip in strips:
        Layout(white, things, frame).paint(strip)
    return np.concatenate([strip.pixels() for strip in strips]).astype(np.float32)


def blurred(row: Floats, one: Floats, other: Floats) -> int:
    """How many pixels of a row are neither colour, nor within a tenth of one."""
    along = ((row - one) @ (other - one)) / ((other - one) @ (other - one))
    return int(((along > 0.1) & (along < 0.9)).sum())


@pytest.mark.parametrize(("side", "widest"), [(780, 7), (1200, 6)])
def test_edges_are_a_few_pixels_wide_at_any_size(side: int, widest: int):
    """Interpolation alone blurs the inner one over 9 and 14."""
    pixels = picture(a_disc(), side)
    for line in (pixels[side // 2], pixels[:, side // 2]):
        outer, inner = line[: side // 5], line[side // 5 : side // 2]
        assert blurred(outer, WHITE, RED) <= 4
        assert blurred(inner, RED, DARK) <= widest


def test_a_round_edge_stays_round():
    pixels = picture(a_disc(), 780)
    inside = pixels[..., 1] < (RED[1] + 255) / 2
    at = np.arange(780) - 389.5
    distance = np.hypot(at[None], at[:, None])
    wrong = inside != (distance < 0.8 * 390)
    assert np.abs(distance[wrong] - 0.8 * 390).max() < 2.5


def test_no_halo_surrounds_a_shape():
    """Every pixel is a mixture of the two colours there are."""
    pixels = picture(a_star(), 780)
    share = ((pixels - WHITE) @ (RED - WHITE)) / ((RED - WHITE) @ (RED - WHITE))
    assert np.abs(pixels - (WHITE + share[..., None] * (RED - WHITE))).max() < 12
    assert share.min() > -0.05
    assert share.max() < 1.05


@pytest.mark.parametrize("side", [780, 1200])
def test_what_is_even_stays_even_up_to_its_borders(side: int):
    pixels = picture(a_square(), side)
    assert np.abs(pixels - RED).max() < 6


def test_the_same_cutout_is_enlarged_to_the_same_pixels():
    assert np.array_equal(picture(a_star(), 512), picture(a_star(), 512))


def test_copies_and_mirrored_twins_go_through_the_network_once():
    session, star = Counting(), a_star()
    rgb, alpha = np.asarray(star.texture, np.float32) / 255, np.asarray(star.alpha)
    twin = cut_out(rgb, alpha, mirrored=True)
    things = [Placed(cutout, 0, 0, 600) for cutout in (star, twin, star)]
    first, second, third = Enlarger(session).enlarged(things)
    assert session.runs == 2  # its colours and its alpha
    assert np.array_equal(
        np.asarray(second.cutout.texture), np.asarray(first.cutout.texture)[:, ::-1]
    )
    assert np.array_equal(np.asarray(third.cutout.alpha), np.asarray(first.cutout.alpha))


def test_only_what_is_seen_large_goes_through_the_network():
    runs = {}
    for side in (200, 600, 1200):
        session = Counting()
        [thing] = Enlarger(session).enlarged([Placed(a_star(), 0, 0, side)])
        runs[side] = session.runs
        assert replace(thing, cutout=a_star()) == Placed(a_star(), 0, 0, side)
    assert runs == {200: 0, 600: 2, 1200: 3}


def test_a_preview_does_not_wait_for_the_network():
    session, mine = Counting(), SpriteModel(WEIGHTS, 1)
    mine.enlarger = Enlarger(session)
    sketch = Sketch(Idea((Subject("cat"),)), 1024, 1024, 1, FEWEST_STEPS, 5.0)
    developing = sketch.develop(mine, lexicon())
    assert any(preview is not None for preview in developing)
    assert session.runs == 0
    for _ in developing:
        pass
    assert session.runs > 0


@pytest.mark.skipif(sys.platform != "linux", reason="counts threads as Linux shows them")
def test_it_keeps_to_the_number_of_threads_it_was_given():
    tasks = Path("/proc/self/task")
    before = len(list(tasks.iterdir()))
    alone = SpriteModel(WEIGHTS, 1)
    list(alone.enlarger.enlarged([Placed(a_star(), 0, 0, 600)]))
    assert len(list(tasks.iterdir())) <= before
