"""What the embedded model remembers, and what it makes of it."""

import numpy as np
import pytest

from reading import lexicon, model
from safelight.engines.mini import WEIGHTS
from safelight.engines.mini.sprites import Wish
from safelight.engines.mini.styles import make
from safelight.engines.mini.variety import COATS, COLOURS, colour_by_chance, make_by_chance


def wish(label: str, style: str | None = None, count: int = 1) -> Wish:
    known = lexicon()
    return Wish(known.condition(label), count, known.number(label), style)


def drawn(wishes: list[Wish], seed: int = 1) -> list[np.ndarray]:
    *_, latents = model().draw(wishes, np.random.default_rng(seed), 4, 1.0)
    return [model().decode(latent) for latent in latents]


def distance(one: np.ndarray, other: np.ndarray) -> float:
    return float(np.abs(one - other).mean())


def test_every_label_has_a_drawing_to_begin_from() -> None:
    for number in range(len(lexicon().labels)):
        assert model().memory.recall(number, range(9), np.random.default_rng(1)).latent.any()


@pytest.mark.parametrize("style", ["3d", "flat", "cartoon", "sticker"])
def test_a_style_is_drawn_from_a_drawing_in_that_style(style: str) -> None:
    number = model().recipe.styles.index(style)
    order = [number, *(k for k in range(9) if k != number)]
    recalled = model().memory.recall(lexicon().number("cat"), order, np.random.default_rng(1))
    assert recalled.style == number
    (asked,), (house,), (again,) = (drawn([wish("cat", s)]) for s in (style, None, style))
    assert distance(asked, again) == 0
    assert (style == "3d") == (distance(asked, house) < 0.01)


def test_a_style_nobody_drew_a_thing_in_falls_back_on_another() -> None:
    (doodled,), (house,) = drawn([wish("sofa", "doodle")]), drawn([wish("sofa")])
    assert doodled[..., 3].mean() > 0.05
    assert house[..., 3].mean() > 0.05


def test_two_things_are_two_and_look_like_what_each_is_alone() -> None:
    cat, sofa = drawn([wish("cat"), wish("sofa")])
    (alone,) = drawn([wish("cat")], seed=2)
    assert distance(cat, alone) < distance(cat, sofa) / 2


def test_copies_of_one_thing_are_drawn_each_for_itself() -> None:
    one, other = drawn([wish("castle", count=2)])
    assert 0 < distance(one, other) < 0.1


@pytest.mark.parametrize(
    ("styles", "drawing"),
    [((), None), (("watercolour",), None), (("poster",), "flat"), (("mono", "doodle"), "doodle")],
)
def test_styles_of_pictures_and_of_drawings_go_together(
    styles: tuple[str, ...], drawing: str | None
) -> None:
    assert make(styles) == drawing


def test_what_comes_in_many_colours_comes_in_many() -> None:
    random = np.random.default_rng(1)
    cars = {colour_by_chance("automobile", random) for _ in range(200)}
    cats = {colour_by_chance("cat", random) for _ in range(200)}
    assert cars == {None, *COLOURS}
    assert cats == {None, *COATS}
    assert {colour_by_chance("strawberry", random) for _ in range(200)} == {None}


def test_half_of_the_pictures_are_in_the_make_of_the_house() -> None:
    random = np.random.default_rng(1)
    makes = [make_by_chance(random) for _ in range(400)]
    assert 0.4 < makes.count("3d") / len(makes) < 0.6
    assert len(set(makes)) == 6
    assert set(makes) < set(model().recipe.styles)


def test_the_weights_are_no_heavier_than_fifty_megabytes() -> None:
    sizes = {path.name: path.stat().st_size for path in WEIGHTS.iterdir()}
    assert {"flow.onnx", "decoder.onnx", "memory.npy", "lexicon.npz", "upscaler.onnx"} < set(sizes)
    assert sum(sizes.values()) < 50_000_000
