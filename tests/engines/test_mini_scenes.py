"""The embedded engine's painted places: each the same at every size, in strips of every height."""

import numpy as np
import pytest

from safelight.engines import Pixels
from safelight.engines.mini.canvas import Frame, Strip
from safelight.engines.mini.idea import Setting
from safelight.engines.mini.places import PLACES
from safelight.engines.mini.scenes import build
from safelight.engines.mini.words import SETTINGS

RATIOS = [(96, 96), (160, 90), (90, 160)]


def painted(setting: Setting, frame: Frame, rows: int | None = None) -> Pixels:
    scene = build(setting, frame, np.random.default_rng(4), alone=False)
    pixels = np.empty((frame.height, frame.width, 3), np.uint8)
    for top in range(0, frame.height, rows or frame.height):
        strip = Strip(frame, top, min(frame.height, top + (rows or frame.height)))
        for layer in [*scene.behind, *scene.before]:
            layer(strip)
        pixels[strip.top : strip.bottom] = strip.pixels()
    return pixels


def test_every_place_that_is_understood_can_be_painted():
    assert set(SETTINGS["place"].values()) == {*PLACES, "studio"}


@pytest.mark.parametrize("place", PLACES)
def test_a_place_is_painted_in_every_ratio_and_hour_without_seams(place: str):
    for light, (width, height) in zip(("day", "sunset", "night"), RATIOS, strict=True):
        setting, frame = Setting(place=place, light=light), Frame.of(width, height)
        whole, narrow = (painted(setting, frame, rows).astype(int) for rows in (None, 16))
        assert whole.std() > 4
        assert np.abs(whole - narrow).max() <= 3


@pytest.mark.parametrize("place", PLACES)
def test_a_larger_picture_shows_the_same_place(place: str):
    small, large = (painted(Setting(place=place), Frame.of(s, s)) for s in (128, 256))
    reduced = large.reshape(128, 2, 128, 2, 3).mean((1, 3))
    assert np.abs(reduced - small).mean() < 8


def test_places_differ():
    pictures = {p: painted(Setting(place=p), Frame.of(96, 96)).astype(int) for p in PLACES}
    for one, picture in pictures.items():
        for other, another in pictures.items():
            assert one == other or np.abs(picture - another).mean() > 4, (one, other)


@pytest.mark.parametrize(
    ("colour", "rgb"), [("white", (255, 255, 255)), ("yellow", (247, 208, 84))]
)
def test_a_plain_background_is_exactly_its_colour(colour: str, rgb: tuple[int, int, int]):
    pixels = painted(Setting(backdrop=colour), Frame.of(120, 90))
    assert (pixels == rgb).all()


def test_a_gradient_background_runs_from_light_to_dark():
    pixels = painted(Setting(backdrop="blue", gradient=True), Frame.of(90, 120))
    assert pixels[:10].mean() > pixels[60].mean() > pixels[-10:].mean()
