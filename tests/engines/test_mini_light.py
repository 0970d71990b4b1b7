"""The embedded engine's light and composition, on things whose shapes and colours are known."""

import numpy as np
import pytest
from PIL import Image, ImageDraw

from safelight.engines import Pixels
from safelight.engines.mini.anatomy import Silhouette
from safelight.engines.mini.arrange import Placed, arrange
from safelight.engines.mini.canvas import Frame
from safelight.engines.mini.compose import Layout
from safelight.engines.mini.idea import Idea, Setting, Subject
from safelight.engines.mini.scenes import build
from safelight.engines.mini.upscale import Cutout

FRAME = Frame.of(240, 240)
RED, PANE = (220, 60, 50), (70, 150, 240)


def a_ball(colour: tuple[int, int, int] = RED, pane: bool = False) -> Cutout:
    """A disc that fills most of its square; perhaps with something blue in its middle."""
    alpha, texture = Image.new("L", (256, 256)), Image.new("RGB", (512, 512), colour)
    ImageDraw.Draw(alpha).ellipse((26, 26, 230, 230), fill=255)
    if pane:
        ImageDraw.Draw(texture).rectangle((200, 200, 312, 312), fill=PANE)
    return Cutout(
        texture, Image.fromarray(np.asarray(alpha, np.float32) / 255), (0.1, 0.1, 0.9, 0.9)
    )


def an_animal() -> Cutout:
    """A body on legs with a head on its left, higher than its back."""
    alpha = Image.new("L", (256, 256))
    pen = ImageDraw.Draw(alpha)
    pen.rectangle((80, 110, 225, 175), fill=255)
    pen.rectangle((85, 170, 110, 230), fill=255)
    pen.rectangle((195, 170, 220, 230), fill=255)
    pen.ellipse((30, 40, 110, 130), fill=255)
    soft = Image.fromarray(np.asarray(alpha, np.float32) / 255)
    return Cutout(Image.new("RGB", (512, 512), RED), soft, (0.12, 0.16, 0.88, 0.9))


def placed(cutout: Cutout, label: str = "ball") -> Placed:
    """Its foot at 0.84 of the picture's height, its middle in the middle."""
    side = 120
    return Placed(cutout, 60, round(0.84 * 240 - 0.9 * side), side, label=label)


def painted(setting: Setting, *things: Placed) -> Pixels:
    scene = build(setting, FRAME, np.random.default_rng(4), alone=False)
    layout = Layout(scene, things, FRAME)
    pixels = np.empty((FRAME.height, FRAME.width, 3), np.uint8)
    for strip in FRAME.strips():
        layout.paint(strip)
        pixels[strip.top : strip.bottom] = strip.pixels()
    return pixels


def part(pixels: Pixels, top: float, bottom: float) -> np.ndarray:
    """The mean colour of the picture's middle third between two heights."""
    rows = slice(round(top * FRAME.height), round(bottom * FRAME.height))
    return pixels[rows, FRAME.width // 3 : -FRAME.width // 3].reshape(-1, 3).mean(0)


@pytest.mark.parametrize(
    "setting", [Setting(backdrop="white"), Setting(place="beach"), Setting(place="city")]
)
def test_the_ground_is_darker_where_a_thing_touches_it(setting: Setting):
    empty, full = painted(setting), painted(setting, placed(a_ball()))
    assert part(full, 0.845, 0.855).mean() < 0.8 * part(empty, 0.845, 0.855).mean()
    assert np.abs(full[:20].astype(int) - empty[:20]).max() <= 1


def test_a_low_sun_casts_shadows_towards_the_viewer():
    for light, shaded in (("day", False), ("sunset", True)):
        setting = Setting(place="desert", light=light)
        empty, full = painted(setting), painted(setting, placed(a_ball()))
        assert (part(full, 0.92, 0.95).mean() < 0.9 * part(empty, 0.92, 0.95).mean()) == shaded


def test_a_thing_is_darker_and_bluer_by_night():
    day, night = (
        part(
            painted(Setting(place="desert", light=light), placed(a_ball((200, 200, 200)))), 0.5, 0.7
        )
        for light in ("day", "night")
    )
    assert night.mean() < 0.75 * day.mean()
    assert night[2] - night[0] > day[2] - day[0] + 10


def test_a_distant_thing_is_paler():
    near = placed(a_ball((40, 30, 30)))
    far = Placed(near.cutout, near.left, near.top - 50, near.side)
    setting = Setting(place="desert")
    close, distant = (
        part(painted(setting, thing), 0.55 - up, 0.7 - up) for thing, up in ((near, 0), (far, 0.21))
    )
    assert distant.mean() > close.mean() + 15


def test_water_mirrors_what_floats_on_it():
    setting = Setting(place="lake")
    empty, full = painted(setting), painted(setting, placed(a_ball()))
    warmth = part(full, 0.88, 0.95) - part(empty, 0.88, 0.95)
    assert warmth[0] > warmth[2] + 20


def test_grass_and_snow_hide_the_feet():
    for setting in (Setting(place="field"), Setting(place="field", weather=frozenset({"snow"}))):
        pixels = painted(setting, placed(a_ball())).astype(int)
        foot, body = (pixels[round(y * 240), 110:130] for y in (0.828, 0.7))
        assert (body[:, 0] > body[:, 1] + 60).all()
        assert (foot[:, 0] < foot[:, 1] + 60).any()


def test_the_windows_of_a_house_shine_at_night_and_other_blue_things_do_not():
    for label, shines in (("house", True), ("ball", False)):
        pixels = painted(Setting(place="city", light="night"), placed(a_ball(pane=True), label))
        red, _, blue = pixels[150, 120].astype(int)
        assert (red > blue + 60) == shines


def test_a_studio_is_of_another_hue_than_the_thing_in_it():
    for seed in range(8):
        scene = build(Setting(), FRAME, np.random.default_rng(seed), False, (220.0, 60.0, 50.0))
        pixels = np.zeros((1, 1, 3))
        for strip in FRAME.strips():
            scene.behind[0](strip)
            pixels = strip.pixels().astype(int)
        red, green, blue = pixels.reshape(-1, 3).mean(0)
        assert red < max(green, blue)


def test_what_stands_at_the_side_looks_into_the_picture():
    idea = Idea((Subject("dog", count=2),))
    assert Silhouette(an_animal()).facing == -1
    scene = build(Setting(backdrop="white"), FRAME, np.random.default_rng(1), False)
    left, right = arrange([an_animal()] * 2, idea, scene, FRAME, np.random.default_rng(2))
    assert left.left < right.left
    assert [Silhouette(thing.cutout).facing for thing in (left, right)] == [1, -1]


def test_small_things_among_themselves_are_as_large_as_others():
    scene = build(Setting(backdrop="white"), FRAME, np.random.default_rng(1), False)
    bees, horses = (
        arrange(
            [a_ball()] * 2, Idea((Subject(label, count=2),)), scene, FRAME, np.random.default_rng(2)
        )
        for label in ("honeybee", "horse")
    )
    assert bees[0].side > 0.8 * horses[0].side


def test_a_wide_thing_takes_more_of_a_wide_picture():
    cutout = Cutout(a_ball().texture, a_ball().alpha, (0.05, 0.3, 0.95, 0.7))
    sides = []
    for frame in (Frame.of(240, 240), Frame.of(427, 240)):
        scene = build(Setting(backdrop="white"), frame, np.random.default_rng(1), False)
        [thing] = arrange([cutout], Idea((Subject("car"),)), scene, frame, np.random.default_rng(2))
        sides.append(thing.side)
        assert thing.left + 0.05 * thing.side > 0
        assert thing.left + 0.95 * thing.side < frame.width
    assert sides[1] > 1.2 * sides[0]
