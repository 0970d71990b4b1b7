"""The embedded engine's styles: what can be done to a finished picture is done, without seams."""

import numpy as np
import pytest

from reading import model
from safelight.engines import Pixels
from safelight.engines.mini import styles
from safelight.engines.mini.canvas import Frame, Strip
from safelight.engines.mini.idea import Setting
from safelight.engines.mini.scenes import build
from safelight.engines.mini.words import SAYINGS


def painted(frame: Frame) -> Pixels:
    """A meadow at sunset, in strips as the engine paints it."""
    setting = Setting(place="field", light="sunset", celestial=True)
    scene = build(setting, frame, np.random.default_rng(3), alone=True)
    pixels = np.empty((frame.height, frame.width, 3), np.uint8)
    for strip in frame.strips():
        for layer in scene.behind:
            layer(strip)
        pixels[strip.top : strip.bottom] = strip.pixels()
    return pixels


def styled(name: str, frame: Frame) -> Pixels:
    pixels = painted(frame)
    turns = styles.turn([name], pixels, frame, np.random.default_rng(5))
    assert len(list(turns)) == len(frame.strips())
    return pixels


def test_every_style_that_is_understood_can_be_done():
    understood = set(SAYINGS["style"].values())
    assert set(styles.STYLES) < understood
    assert understood - set(styles.STYLES) < set(model().recipe.styles)


@pytest.mark.parametrize("name", styles.STYLES)
def test_a_style_changes_the_picture_and_is_the_same_again(name: str):
    frame = Frame.of(180, 250)
    first = styled(name, frame)
    assert np.abs(first.astype(int) - painted(frame)).mean() > 2
    assert np.array_equal(first, styled(name, frame))


@pytest.mark.parametrize("name", styles.STYLES)
def test_strips_leave_no_seams(name: str):
    frame = Frame.of(160, 240)
    source = painted(frame)
    style = styles.STYLES[name](source, frame, np.random.default_rng(5))
    whole, narrow = (in_strips(style, source, frame, rows) for rows in (240, 16))
    difference = np.abs(whole.astype(int) - narrow)
    assert difference.max() <= 3


def in_strips(style: styles.Turn, source: Pixels, frame: Frame, rows: int) -> Pixels:
    made = np.empty_like(source)
    for top in range(0, frame.height, rows):
        strip = Strip(frame, top, min(frame.height, top + rows))
        strip.colour[:] = np.moveaxis(source[strip.top : strip.bottom], -1, 0)
        style(strip)
        made[strip.top : strip.bottom] = strip.pixels()
    return made


@pytest.mark.parametrize("name", sorted(set(styles.STYLES) - {"pixel", "halftone", "poster"}))
def test_a_larger_picture_has_the_same_look(name: str):
    small, large = styled(name, Frame.of(256, 256)), styled(name, Frame.of(512, 512))
    reduced = large.reshape(256, 2, 256, 2, 3).mean((1, 3))
    assert np.abs(reduced - small).mean() < 14


def test_black_and_white_has_no_colour():
    assert np.ptp(styled("mono", Frame.of(300, 200)).astype(int), axis=2).max() == 0


def test_sepia_is_warm():
    red, _, blue = styled("sepia", Frame.of(300, 200)).reshape(-1, 3).mean(0)
    assert red > blue + 20


def test_pixel_art_is_made_of_squares_of_few_colours():
    pixels = styled("pixel", Frame.of(720, 720))
    assert len(np.unique(pixels.reshape(-1, 3), axis=0)) <= 40
    squares = pixels.reshape(72, 10, 72, 10, 3)
    assert np.array_equal(squares.min((1, 3)), squares.max((1, 3)))


def test_pastel_is_light_and_neon_is_dark():
    frame = Frame.of(300, 200)
    plain = painted(frame).mean()
    assert styled("pastel", frame).mean() > plain + 20
    assert styled("neon", frame).mean() < plain - 20


def test_tones_are_laid_over_strokes_and_there_are_never_many():
    assert styles.chosen(["mono", "sketch", "neon", "oil"]) == ("neon", "mono")
    assert styles.chosen(["mono", "watercolour"]) == ("watercolour", "mono")
