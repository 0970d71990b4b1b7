"""Painting a thing in another colour, on things made for the test."""

import numpy as np
import pytest

from safelight.engines.mini.colours import HUES, recolour, to_hsv
from safelight.engines.mini.lexicon import Floats

RED, BLUE = (0.9, 0.15, 0.1), (0.2, 0.5, 0.95)


def car(window: int) -> tuple[Floats, Floats]:
    """A red square of 20 pixels with a blue one of `window` pixels in it."""
    rgb = np.full((20, 20, 3), RED, np.float32)
    rgb[:window, :window] = BLUE
    return rgb, np.ones((20, 20), np.float32)


def hue(rgb: Floats, row: int, column: int) -> float:
    return float(np.rad2deg(to_hsv(rgb)[0][row, column]) % 360)


@pytest.mark.parametrize("colour", ["green", "purple", "orange", "yellow", "pink", "gold"])
def test_a_car_takes_the_colour_and_its_window_stays(colour: str) -> None:
    rgb, alpha = car(window=10)  # a quarter of it
    painted = recolour(rgb, alpha, colour)
    assert abs(hue(painted, 19, 19) - HUES[colour][0]) < 3
    assert np.allclose(painted[5, 5], BLUE, atol=0.02)


def test_what_is_as_much_of_one_colour_as_of_another_is_painted_whole() -> None:
    rgb, alpha = car(window=14)  # half of it
    painted = recolour(rgb, alpha, "green")
    assert {round(hue(painted, k, k) / 60) for k in (2, 18)} == {2}


def test_what_has_the_colour_already_is_left_as_it_is() -> None:
    rgb, alpha = car(window=10)
    assert np.array_equal(recolour(rgb, alpha, "red"), rgb)


@pytest.mark.parametrize(("colour", "low", "high"), [("black", 0, 0.4), ("white", 0.7, 1)])
def test_black_and_white_have_no_hue_and_leave_a_window_its_own(
    colour: str, low: float, high: float
) -> None:
    painted = recolour(*car(window=10), colour)
    assert np.ptp(painted[15]) < 1e-6
    assert low <= painted[15, 15, 0] <= high
    assert np.allclose(painted[5, 5], BLUE, atol=0.02)


def test_what_is_grey_is_dyed() -> None:
    grey = np.full((20, 20, 3), 0.6, np.float32)
    assert abs(hue(recolour(grey, np.ones((20, 20), np.float32), "blue"), 3, 3) - 215) < 3
