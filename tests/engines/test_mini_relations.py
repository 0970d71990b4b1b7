"""The embedded engine's layout: things stand to each other as the prompt says, in every ratio."""

from collections.abc import Callable
from functools import cache

import numpy as np
import pytest

from reading import lexicon, model
from safelight.engines.mini import WEIGHTS
from safelight.engines.mini.arrange import Placed
from safelight.engines.mini.canvas import Frame
from safelight.engines.mini.idea import Idea, Relation, Subject
from safelight.engines.mini.picture import FEWEST_STEPS, Sketch
from safelight.engines.mini.prompt import parse
from safelight.engines.mini.props import painted
from safelight.engines.mini.upscale import Cutout

pytestmark = pytest.mark.skipif(not (WEIGHTS / "flow.onnx").exists(), reason="no weights here")

SEEDS = (1, 2)
SIZES = [(256, 256), (448, 256), (256, 448), (600, 150), (150, 450)]
Box = tuple[float, float, float, float]  # left, top, right, bottom in pixels


@cache
def drawn(label: str, seed: int) -> Cutout:
    made = Sketch(Idea((Subject(label),)), 64, 64, seed, FEWEST_STEPS, 5.0)
    for _ in made.develop(model(), lexicon()):
        pass
    return made.cutouts[0]


@cache
def sketch(prompt: str, seed: int) -> Sketch:
    """Its things are drawn once; it can be laid out in any frame."""
    made = Sketch(parse(prompt, lexicon()), 64, 64, seed, FEWEST_STEPS, 5.0)
    made.cutouts = [
        drawn(subject.label, seed) for subject in made.idea.subjects for _ in range(subject.count)
    ]
    return made


def layouts(prompt: str) -> list[tuple[Frame, list[Placed]]]:
    """Each seed in each ratio: the things from back to front."""
    frames = [Frame.of(*size) for size in SIZES]
    return [(f, list(sketch(prompt, seed).layout(f).things)) for seed in SEEDS for f in frames]


def number(prompt: str, label: str) -> int:
    subjects = parse(prompt, lexicon()).subjects
    return next(n for n, subject in enumerate(subjects) if label in subject.label)


def box(things: list[Placed], subject: int) -> Box:
    """What is visible of the first thing of a subject."""
    thing = next(thing for thing in things if thing.subject == subject)
    left, top, right, bottom = thing.cutout.box
    x, y, side = thing.left, thing.top, thing.side
    return x + side * left, y + side * top, x + side * right, y + side * bottom


def centre(of: Box) -> tuple[float, float]:
    return (of[0] + of[2]) / 2, (of[1] + of[3]) / 2


def silhouette(thing: Placed, frame: Frame) -> np.ndarray:
    """[height, width] where the thing is opaque."""
    mask = np.zeros((frame.height, frame.width), bool)
    alpha = np.asarray(thing.cutout.alpha.resize((thing.side, thing.side))) > 0.5
    top, left = max(0, thing.top), max(0, thing.left)
    bottom, right = (
        min(frame.height, thing.top + thing.side),
        min(frame.width, thing.left + thing.side),
    )
    mask[top:bottom, left:right] = alpha[
        top - thing.top : bottom - thing.top, left - thing.left : right - thing.left
    ]
    return mask


def share(part: np.ndarray, whole: np.ndarray) -> float:
    return float((part & whole).sum() / max(1, min(part.sum(), whole.sum())))


def touching(one: np.ndarray, other: np.ndarray, pixels: int) -> bool:
    """Do they overlap, or come this near?"""
    ys, xs = np.nonzero(one)
    return any(
        other[(ys + d).clip(0, len(other) - 1), xs].any()
        or other[ys, (xs + d).clip(0, other.shape[1] - 1)].any()
        for d in range(-pixels, pixels + 1)
    )


# Side by side


@pytest.mark.parametrize(
    ("prompt", "left", "right"),
    [
        ("a cat to the left of a dog", "cat", "dog"),
        ("a cat to the right of a dog", "dog", "cat"),
        ("개 왼쪽에 있는 고양이", "cat", "dog"),
        ("집 오른쪽에 있는 자동차", "house", "automobile"),
        ("a red apple on the left and a robot on the right", "apple", "robot"),
        ("왼쪽에 고양이, 오른쪽에 개", "cat", "dog"),
    ],
)
def test_left_and_right_are_kept_in_every_ratio(prompt: str, left: str, right: str):
    one, other = number(prompt, left), number(prompt, right)
    for _, things in layouts(prompt):
        (x, _), (further, _) = centre(box(things, one)), centre(box(things, other))
        assert x < further


@pytest.mark.parametrize(
    "prompt", ["a cat between a dog and a horse", "개와 말 사이에 있는 고양이"]
)
def test_between_is_in_the_middle(prompt: str):
    cat, dog, horse = (number(prompt, label) for label in ("cat", "dog", "horse"))
    for _, things in layouts(prompt):
        left, middle, right = (centre(box(things, n))[0] for n in (dog, cat, horse))
        assert min(left, right) < middle < max(left, right)


@pytest.mark.parametrize(
    "prompt", ["a cat next to a dog", "two cats left of a robot", "a fox between a cat and a bear"]
)
def test_what_stands_side_by_side_is_wholly_in_the_picture(prompt: str):
    for frame, things in layouts(prompt):
        for thing in things:
            left, top, right, bottom = box([thing], thing.subject)
            assert left > -0.02 * frame.width
            assert right < 1.02 * frame.width
            assert top > -0.02 * frame.height
            assert bottom < 1.02 * frame.height


# One on the other


@pytest.mark.parametrize(
    ("prompt", "upper", "lower"),
    [
        ("a cat on a chair", "cat", "chair"),
        ("a red apple on top of a closed book", "apple", "book"),
        ("의자 위에 앉아 있는 고양이", "cat", "chair"),
        ("a bird sitting on a car", "bird", "automobile"),
    ],
)
def test_on_means_touching_and_above(prompt: str, upper: str, lower: str):
    one, other = number(prompt, upper), number(prompt, lower)
    for frame, things in layouts(prompt):
        masks = {
            n: silhouette(next(t for t in things if t.subject == n), frame) for n in (one, other)
        }
        assert centre(box(things, one))[1] < centre(box(things, other))[1]
        assert box(things, one)[3] < box(things, other)[3]
        assert touching(masks[one], masks[other], 2)


@pytest.mark.parametrize(
    ("prompt", "worn", "wearer"),
    [
        ("a cat wearing a hat", "hat", "cat"),
        ("a dog with a crown on its head", "crown", "dog"),
        ("모자를 쓴 고양이", "hat", "cat"),
        ("왕관을 쓰고 있는 펭귄", "crown", "penguin"),
        ("a robot in a hat", "hat", "robot"),
    ],
)
def test_a_hat_sits_on_the_upper_part_of_its_wearer_and_before_it(
    prompt: str, worn: str, wearer: str
):
    hat, head = number(prompt, worn), number(prompt, wearer)
    for frame, things in layouts(prompt):
        order = [thing.subject for thing in things]
        assert order.index(hat) > order.index(head)
        (x, _), (left, top, right, bottom) = centre(box(things, hat)), box(things, head)
        assert left < x < right
        assert top - 0.1 * (bottom - top) < box(things, hat)[3] < top + 0.55 * (bottom - top)
        masks = [silhouette(thing, frame) for thing in things]
        assert (masks[order.index(hat)] & masks[order.index(head)]).any()


def test_each_of_three_cats_has_its_own_hat():
    for frame, things in layouts("three cats wearing hats"):
        cats = [silhouette(thing, frame) for thing in things if thing.subject == 0]
        hats = [silhouette(thing, frame) for thing in things if thing.subject == 1]
        assert len(cats) == len(hats) == 3
        assert all(any(touching(hat, cat, 1) for cat in cats) for hat in hats)


def test_glasses_lie_on_the_face():
    for frame, things in layouts("a woman wearing sunglasses"):
        woman, glasses = (silhouette(thing, frame) for thing in things)
        assert share(glasses, woman) > 0.8


# With each other


@pytest.mark.parametrize(
    "prompt", ["an astronaut riding a horse", "말을 타고 있는 우주비행사", "a cat riding a bicycle"]
)
def test_a_rider_is_above_the_middle_of_the_mount_and_overlaps_its_back(prompt: str):
    [relation] = parse(prompt, lexicon()).relations
    assert relation.kind == "riding"
    for frame, things in layouts(prompt):
        rider, mount = box(things, relation.who), box(things, relation.whom)
        assert rider[1] < mount[1] + 0.2 * (mount[3] - mount[1])
        assert rider[3] < mount[3] - 0.2 * (mount[3] - mount[1])
        assert mount[0] < centre(rider)[0] < mount[2]
        one, other = (silhouette(thing, frame) for thing in things)
        assert (one & other).any()


@pytest.mark.parametrize("prompt", ["a robot holding a guitar", "기타를 들고 있는 로봇"])
def test_what_is_held_overlaps_the_side_at_the_height_of_a_hand(prompt: str):
    [relation] = parse(prompt, lexicon()).relations
    for frame, things in layouts(prompt):
        held, holder = box(things, relation.whom), box(things, relation.who)
        assert abs(centre(held)[0] - centre(holder)[0]) > 0.2 * (holder[2] - holder[0])
        assert holder[1] < centre(held)[1] < holder[3]
        assert held[3] - held[1] < holder[3] - holder[1]
        assert things[-1].subject == relation.whom
        one, other = (silhouette(thing, frame) for thing in things)
        assert (one & other).any()


@pytest.mark.parametrize("prompt", ["a cat in a basket", "바구니 안에 있는 고양이"])
def test_what_is_inside_comes_out_behind_the_rim(prompt: str):
    [relation] = parse(prompt, lexicon()).relations
    for frame, things in layouts(prompt):
        assert [thing.subject for thing in things] == [relation.who, relation.whom]
        inner, outer = box(things, relation.who), box(things, relation.whom)
        assert outer[1] < inner[3] < outer[3]
        assert inner[1] < outer[3] - 0.5 * (outer[3] - outer[1])
        one, other = (silhouette(thing, frame) for thing in things)
        assert 0.05 < share(one, other) < 0.95


def test_who_is_in_a_house_stands_in_its_door_and_not_on_its_roof():
    [relation] = parse("a cat in a house", lexicon()).relations
    for _, things in layouts("a cat in a house"):
        cat, house = box(things, relation.who), box(things, relation.whom)
        assert abs(cat[3] - house[3]) < 0.1 * (house[3] - house[1])


@pytest.mark.parametrize(("prompt", "opened"), [("a cat in a box", True), ("a box", False)])
def test_a_box_stands_open_when_something_is_in_it(prompt: str, opened: bool):
    made = Sketch(parse(prompt, lexicon()), 64, 64, 1, FEWEST_STEPS, 5.0)
    for _ in made.develop(model(), lexicon()):
        pass
    of = painted(made.idea.subjects[-1].label, None)
    assert of is not None
    assert (made.cutouts[-1].box == of.box) == opened


@pytest.mark.parametrize(
    ("prompt", "kind"),
    [
        ("a car in front of a house", "front"),
        ("집 앞에 있는 자동차", "front"),
        ("a house behind a tree", "behind"),
    ],
)
def test_what_is_in_front_covers_what_is_behind_and_stands_lower(prompt: str, kind: str):
    [relation] = parse(prompt, lexicon()).relations
    assert relation.kind == kind
    front, back = relation.who, relation.whom
    if kind == "behind":
        front, back = back, front
    for frame, things in layouts(prompt):
        assert [thing.subject for thing in things] == [back, front]
        assert box(things, front)[3] > box(things, back)[3]
        hidden, before = (silhouette(thing, frame) for thing in things)
        assert 0 < share(before, hidden) < 0.9


@pytest.mark.parametrize(
    "prompt", ["a bird flying over a house", "a dragon above a castle", "성 위를 나는 용"]
)
def test_what_flies_over_something_is_above_it_and_off_the_ground(prompt: str):
    [relation] = parse(prompt, lexicon()).relations
    for _, things in layouts(prompt):
        assert box(things, relation.who)[3] < centre(box(things, relation.whom))[1]
        assert next(thing for thing in things if thing.subject == relation.who).lifted


@pytest.mark.parametrize(
    "prompt", ["a dog under a tree", "a cat under an umbrella", "우산 아래 고양이"]
)
def test_what_is_under_something_is_lower_than_it(prompt: str):
    [relation] = parse(prompt, lexicon()).relations
    for _, things in layouts(prompt):
        (_, lower), (_, upper) = (centre(box(things, n)) for n in (relation.who, relation.whom))
        assert lower > upper


def test_things_set_on_things_go_on_in_chains():
    prompt = "a cat wearing a hat and sunglasses riding a horse"
    assert parse(prompt, lexicon()).relations == (
        Relation(0, "wearing", 1),
        Relation(0, "wearing", 2),
        Relation(0, "riding", 3),
    )
    for _, things in layouts(prompt):
        cat, hat, glasses, horse = (box(things, n) for n in range(4))
        assert centre(hat)[1] < centre(glasses)[1] < centre(cat)[1] < centre(horse)[1]


# The same again


@pytest.mark.parametrize("prompt", ["a cat wearing a hat", "a dog in front of a house"])
def test_a_smaller_picture_of_one_ratio_has_the_same_layout(prompt: str):
    made = sketch(prompt, 5)
    small, large = Frame.of(256, 192), Frame.of(1024, 768)
    for one, other in zip(made.layout(small).things, made.layout(large).things, strict=True):
        assert abs(4 * one.left - other.left) <= 4
        assert abs(4 * one.top - other.top) <= 4
        assert abs(4 * one.side - other.side) <= 4


@pytest.mark.parametrize(
    ("word", "compare"),
    [
        ("tiny", lambda own, usual: own < 0.7 * usual),
        ("giant", lambda own, usual: own > 1.2 * usual),
    ],
)
def test_a_thing_has_the_size_that_was_asked_for(
    word: str, compare: Callable[[float, float], bool]
):
    usual, own = sketch("a cat", 1), sketch(f"a {word} cat", 1)
    frame = Frame.of(512, 512)
    assert compare(own.layout(frame).things[0].side, usual.layout(frame).things[0].side)
